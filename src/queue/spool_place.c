#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/spool_inner.h"

/* Who else may rename what stands in the directory; NULL: nobody. */
static const char *who_may_rename(const struct stat *st)
{
	bool is_sticky = (st->st_mode & S_ISVTX) != 0;

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs to another user";
	if ((st->st_mode & S_IWOTH) != 0 && !is_sticky)
		return "may be written by everybody";
	if ((st->st_mode & S_IWGRP) != 0 && !is_sticky && st->st_gid != 0 &&
		st->st_gid != getegid())
		return "may be written by a group";
	return NULL;
}

/* "/a/b" becomes "/a", that "/"; false where there is nothing above. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || strcmp(path, "/") == 0)
		return false;
	slash[slash == path ? 1 : 0] = '\0';
	return true;
}

bool spool_place_is_safe(const struct spool *s, struct buf *why)
{
	CLEANUP(mem_free) char *path = realpath(s->path, NULL);
	struct stat st;

	while (path && go_up(path)) {
		const char *who = stat(path, &st) == 0 ? who_may_rename(&st) : NULL;

		if (!who)
			continue;
		buf_printf(why, "'%s' %s, who could move the queue away", path, who);
		return false;
	}
	return true;
}
