#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "queue/spool_inner.h"

enum {
	STALE_S = 60 * 60,               /* no addition takes an hour between two writes */
	SAMPLED_ENTRIES = 1000,          /* how many are looked at for the queue's size */
	SMALL_OCTETS = 64 * 1024,        /* not worth a question about free space */
	ABSURD_S = 10 * 365 * 24 * 3600, /* an age that only a wrong clock gives */
};

/* One pass over the names of a directory. */
struct scan {
	const struct spool *spool;
	bool failed;
	DIR *stream; /* owned; NULL where failed/ is missing */
};

static void scan_end(struct scan *scan)
{
	if (scan->stream)
		closedir(scan->stream);
	scan->stream = NULL;
}

/* The stream gets a descriptor of its own, so that passes do not disturb each
 * other. */
static bool scan_start(struct spool *s, bool failed, struct scan *out, struct error *err)
{
	CLEANUP(fd_close) int fd = -1;
	int dir = -1;

	*out = (struct scan){.spool = s, .failed = failed};
	if (!spool_directory(s, failed, false, &dir, err))
		return false;
	if (dir < 0)
		return true;
	do
		fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (spool_again(fd));
	out->stream = fd < 0 ? NULL : fdopendir(fd);
	if (!out->stream)
		return spool_fault(s, failed, "read the directory", "", err);
	fd = -1;
	return true;
}

/* Gives the next name, NULL at the end. A failed readdir is an error: names
 * that were not seen are not names that do not exist. */
static bool scan_next(struct scan *scan, const char **name, struct error *err)
{
	*name = NULL;
	if (!scan->stream)
		return true;
	errno = 0;

	const struct dirent *entry = readdir(scan->stream);

	if (!entry && errno != 0) {
		spool_fault(scan->spool, scan->failed, "read the directory", "", err);
		err->exit_code = EX_IOERR;
		return false;
	}
	*name = entry ? entry->d_name : NULL;
	return true;
}

/* Gives the next name of an entry, NULL at the end. */
static bool scan_next_id(struct scan *scan, const char **name, struct error *err)
{
	do {
		if (!scan_next(scan, name, err))
			return false;
	} while (*name && !spool_is_id(*name));
	return true;
}

/* The size and time of a name; false where it has gone. What cannot be looked
 * at for another cause is there nevertheless, and stays in listings. */
static bool scan_look(const struct scan *scan, const char *name, struct stat *st)
{
	if (fstatat(dirfd(scan->stream), name, st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	*st = (struct stat){0};
	return errno != ENOENT;
}

static void fill_name(
	const struct scan *scan, const char *id, const struct stat *st, struct spool_name *out)
{
	*out = (struct spool_name){
		.next = st->st_mtim.tv_sec, .size = st->st_size, .in_failed = scan->failed};
	memcpy(out->id, id, strlen(id) + 1);
}

static int by_arrival(const void *a, const void *b)
{
	const struct spool_name *left = a, *right = b;

	return spool_compare_ids(left->id, right->id);
}

bool spool_list(
	struct spool *s, bool failed, struct spool_name **names, size_t *count, struct error *err)
{
	CLEANUP(scan_end) struct scan scan = {0};
	CLEANUP(mem_free) struct spool_name *list = NULL;
	size_t used = 0, space = 0;
	const char *id;
	struct stat st;

	if (!scan_start(s, failed, &scan, err))
		return false;
	for (;;) {
		if (!scan_next_id(&scan, &id, err))
			return false;
		if (!id)
			break;
		if (!scan_look(&scan, id, &st))
			continue;
		if (used == space) {
			space = space == 0 ? 64 : space * 2;
			list = mem_grow(list, space * sizeof(*list));
		}
		fill_name(&scan, id, &st, &list[used++]);
	}
	if (used > 1)
		qsort(list, used, sizeof(*list), by_arrival);
	*names = list;
	*count = used;
	list = NULL;
	return true;
}

/* What a search has met so far. */
struct search {
	char prefix[SPOOL_ID_SPACE]; /* small letters */
	size_t matches;
	bool is_exact;
	struct spool_name found; /* the last match */
};

static void search_name(struct search *search, const struct scan *scan, const char *id)
{
	struct stat st;

	if (search->is_exact || !slice_starts(slice_of(id), slice_of(search->prefix)) ||
		!scan_look(scan, id, &st))
		return;
	search->is_exact = strcmp(id, search->prefix) == 0;
	search->matches = search->is_exact ? 1 : search->matches + 1;
	fill_name(scan, id, &st, &search->found);
}

static bool search_directory(struct spool *s, bool failed, struct search *search, struct error *err)
{
	CLEANUP(scan_end) struct scan scan = {0};
	const char *id;

	if (!scan_start(s, failed, &scan, err))
		return false;
	do {
		if (!scan_next_id(&scan, &id, err))
			return false;
		if (id)
			search_name(search, &scan, id);
	} while (id);
	return true;
}

bool spool_find(struct spool *s, const char *prefix, struct spool_name *out, struct error *err)
{
	struct search search = {0};
	size_t len = strlen(prefix);
	char shown[SPOOL_ID_SPACE];

	text_sanitize_into(shown, sizeof(shown), slice_of(prefix));
	if (len == 0 || len >= sizeof(search.prefix))
		return error_set(err, EX_NOINPUT, "'%s' is not the id of a message", shown);
	for (size_t i = 0; i < len; i++)
		search.prefix[i] = ascii_lower(prefix[i]);
	if (!search_directory(s, false, &search, err) || !search_directory(s, true, &search, err))
		return false;
	if (search.matches == 0)
		return error_set(err, EX_NOINPUT, "no message '%s' in the queue", shown);
	if (search.matches > 1)
		return error_set(err, EX_USAGE,
			"'%s' fits %zu messages in the queue; give more of the id", shown,
			search.matches);
	*out = search.found;
	return true;
}

/* Estimates the octets of all entries: exact up to SAMPLED_ENTRIES. */
static bool estimate_octets(struct spool *s, bool failed, uint64_t *out, struct error *err)
{
	CLEANUP(scan_end) struct scan scan = {0};
	uint64_t octets = 0, count = 0, sampled = 0;
	const char *id;
	struct stat st;

	if (!scan_start(s, failed, &scan, err))
		return false;
	for (;;) {
		if (!scan_next_id(&scan, &id, err))
			return false;
		if (!id)
			break;
		count++;
		if (sampled == SAMPLED_ENTRIES)
			continue;
		if (!scan_look(&scan, id, &st)) {
			count--;
			continue;
		}
		sampled++;
		octets += st.st_size > 0 ? (uint64_t)st.st_size : 0;
	}
	*out = sampled == count ? octets : octets / sampled * count;
	return true;
}

static bool check_limit(
	struct spool *s, bool failed, uint64_t octets, uint64_t max_octets, struct error *err)
{
	uint64_t present = 0;

	if (octets <= max_octets && !estimate_octets(s, failed, &present, err))
		return false;
	if (octets <= max_octets && present <= max_octets - octets)
		return true;
	error_set(err, EX_TEMPFAIL,
		"the queue '%s%s' is full: %llu octets are in it, %llu more pass the limit of %llu",
		s->path, failed ? "/failed" : "", (unsigned long long)present,
		(unsigned long long)octets, (unsigned long long)max_octets);
	return error_hint(err, "raise max_size in the section [queue] of the configuration, "
			       "or see what is in the queue: pillarbox queue list");
}

/* Refuses early what the disk has no room for; a write that fails is still the
 * last word, since others fill the disk as well. */
static bool check_disk(const struct spool *s, uint64_t octets, struct error *err)
{
	struct statvfs fs;

	if (octets <= SMALL_OCTETS || fstatvfs(s->dir, &fs) < 0 || fs.f_blocks == 0)
		return true;
	if (octets / (fs.f_frsize > 0 ? fs.f_frsize : 1) < fs.f_bavail)
		return true;
	errno = ENOSPC;
	return spool_fault(s, false, "store a message in", "", err);
}

bool spool_has_room(struct spool *s, bool failed, uint64_t octets,
	const struct spool_limits *limits, struct error *err)
{
	if (limits && limits->max_octets > 0 &&
		!check_limit(s, failed, octets, limits->max_octets, err))
		return false;
	return check_disk(s, octets, err);
}

/* Removes a temporary that nobody works on. One that cannot be opened has lost
 * its mode in the instant after it was made, or was buried. */
static void remove_stale(const struct scan *scan, const char *name, int64_t now)
{
	CLEANUP(fd_close) int fd = -1;
	int dir = dirfd(scan->stream);
	struct stat st, named;

	if (!scan_look(scan, name, &named) || !S_ISREG(named.st_mode) || named.st_uid != geteuid())
		return;
	if (named.st_mtim.tv_sec > now - STALE_S && named.st_mtim.tv_sec < now + STALE_S)
		return;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != EACCES)
		return;
	if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ||
			       !spool_same_file(&st, &named)))
		return;
	(void)!spool_unlink(dir, name);
}

static void remove_temporaries(struct spool *s, bool failed, int64_t now)
{
	CLEANUP(scan_end) struct scan scan = {0};
	struct error passed_over = {0};
	const char *name;

	if (!scan_start(s, failed, &scan, &passed_over))
		return;
	while (scan_next(&scan, &name, &passed_over) && name)
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
