#include "config/home.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/account.h"
#include "config/environ.h"

const char *config_home(struct arena *arena)
{
	const char *home = environ_get("HOME");
	struct stat st;
	bool is_own = home && home[0] == '/' && stat(home, &st) == 0 && st.st_uid == getuid();

	/* sudo, cron and su leave the HOME of somebody else at times, and "/" to root. */
	if (is_own && strcmp(home, "/") != 0)
		return arena_strdup(arena, home);

	struct passwd *entry = getpwuid(getuid());

	if (entry && entry->pw_dir && entry->pw_dir[0] == '/')
		return arena_strdup(arena, entry->pw_dir);

	/* In a container root may have no entry, and "/" be meant. */
	return is_own ? arena_strdup(arena, home) : NULL;
}

/* One of the base directories, or NULL where the variable is of no use. */
static const char *base_directory(const char *variable)
{
	const char *path = environ_get(variable);
	struct stat st;

	if (!path || path[0] != '/')
		return NULL;
	if (stat(path, &st) == 0 && st.st_uid != getuid() && st.st_uid != 0)
		return NULL;
	return path;
}

static const char *below(
	struct arena *arena, const char *variable, const char *from_home, const char *rest)
{
	const char *base = base_directory(variable);

	if (base)
		return arena_printf(arena, "%s/%s", base, rest);
	base = config_home(arena);
	return base ? arena_printf(arena, "%s/%s/%s", strcmp(base, "/") == 0 ? "" : base, from_home,
			      rest)
		    : NULL;
}

const char *home_config_file(struct arena *arena)
{
	return below(arena, "XDG_CONFIG_HOME", ".config", "pillarbox/config");
}

const char *config_queue_directory(struct arena *arena, const struct config *c)
{
	if (c->queue.directory)
		return arena_strdup(arena, c->queue.directory);
	return below(arena, "XDG_STATE_HOME", ".local/state", "pillarbox/queue");
}
