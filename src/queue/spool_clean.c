#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "queue/spool_inner.h"
#include "queue/spool_scan.h"

enum {
	STALE_S = 60 * 60,               /* no addition takes an hour between two writes */
	ABSURD_S = 10 * 365 * 24 * 3600, /* an age that only a wrong clock gives */
};

/* Removes a temporary that nobody works on. One that cannot be opened has lost
 * its mode in the instant after it was made, or was buried. */
static void remove_stale(const struct spool_scan *scan, const char *name, int64_t now)
{
	CLEANUP(fd_close) int fd = -1;
	int dir = dirfd(scan->stream);
	struct stat st, named;

	if (!spool_scan_look(scan, name, &named) || !S_ISREG(named.st_mode) ||
		named.st_uid != scan->spool->uid)
		return;
	if (named.st_mtim.tv_sec > now - STALE_S && named.st_mtim.tv_sec < now + STALE_S)
		return;
	fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != EACCES)
		return;
	if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ||
			       !spool_same_file(&st, &named)))
		return;
	(void)!spool_unlink(dir, name);
}

static void remove_temporaries(struct spool *s, bool failed, int64_t now)
{
	CLEANUP(spool_scan_end) struct spool_scan scan = {0};
	struct error passed_over = {0};
	const char *name;

	if (!spool_scan_start(s, failed, &scan, &passed_over))
		return;
	while (spool_scan_next(&scan, &name, &passed_over) && name)
		if (slice_starts(slice_of(name), SLICE("tmp.")))
			remove_stale(&scan, name, now);
}

/* Removes a failed copy; what is locked or damaged stays for the person. */
static void remove_failed(struct spool *s, const char *id)
{
	CLEANUP(spool_release) struct spool_item item = {.fd = -1};
	struct error passed_over = {0};

	if (spool_claim(s, id, true, &item, &passed_over) == SPOOL_CLAIMED)
		(void)!spool_remove(s, &item, &passed_over);
}

static void remove_old_copies(struct spool *s, int64_t now, int64_t keep_failed_s)
{
	CLEANUP(mem_free) struct spool_name *names = NULL;
	struct error passed_over = {0};
	int64_t newest = now - keep_failed_s;
	size_t count = 0;

	if (!spool_list(s, true, &names, &count, &passed_over))
		return;
	for (size_t i = 0; i < count; i++)
		if (names[i].next < newest && names[i].next > newest - ABSURD_S)
			remove_failed(s, names[i].id);
}

void spool_clean(struct spool *s, int64_t now, int64_t keep_failed_s)
{
	remove_temporaries(s, false, now);
	remove_temporaries(s, true, now);
	if (keep_failed_s >= 0)
		remove_old_copies(s, now, keep_failed_s);
}
