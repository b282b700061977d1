#include "queue/spool_scan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "queue/spool_inner.h"

void spool_scan_end(struct spool_scan *scan)
{
	if (scan->stream)
		closedir(scan->stream);
	scan->stream = NULL;
}

/* The stream gets a descriptor of its own, so that passes do not disturb each
 * other. */
bool spool_scan_start(struct spool *s, bool failed, struct spool_scan *out, struct error *err)
{
	CLEANUP(fd_close) int fd = -1;
	int dir = -1;

	*out = (struct spool_scan){.spool = s, .failed = failed};
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

/* A failed readdir is an error: names that were not seen are not names that do
 * not exist. */
bool spool_scan_next(struct spool_scan *scan, const char **name, struct error *err)
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

bool spool_scan_next_id(struct spool_scan *scan, const char **name, struct error *err)
{
	do {
		if (!spool_scan_next(scan, name, err))
			return false;
	} while (*name && !spool_is_id(*name));
	return true;
}

bool spool_scan_look(const struct spool_scan *scan, const char *name, struct stat *st)
{
	if (fstatat(dirfd(scan->stream), name, st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	*st = (struct stat){0};
	return errno != ENOENT;
}

static void fill_name(const struct spool_scan *scan, const char *id, const struct stat *st,
	struct spool_name *out)
{
	*out = (struct spool_name){
		.next = st->st_mtim.tv_sec, .size = st->st_size, .in_failed = scan->failed};
	memcpy(out->id, id, strlen(id) + 1);
}

bool spool_look(struct spool *s, struct spool_name *name)
{
	struct error ignored = {0};
	struct stat st;
	int dir = -1;

	if (!spool_directory(s, name->in_failed, false, &dir, &ignored) || dir < 0 ||
		fstatat(dir, name->id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	name->next = st.st_mtim.tv_sec;
	name->size = st.st_size;
	return true;
}

static int by_arrival(const void *a, const void *b)
{
	const struct spool_name *left = a, *right = b;

	return spool_compare_ids(left->id, right->id);
}

/* looks  whether next and size are asked for */
static bool list(struct spool *s, bool failed, bool looks, struct spool_name **names, size_t *count,
	struct error *err)
{
	CLEANUP(spool_scan_end) struct spool_scan scan = {0};
	CLEANUP(mem_free) struct spool_name *found = NULL;
	size_t used = 0, space = 0;
	const char *id;
	struct stat st = {0};

	if (!spool_scan_start(s, failed, &scan, err))
		return false;
	for (;;) {
		if (!spool_scan_next_id(&scan, &id, err))
			return false;
		if (!id)
			break;
		if (looks && !spool_scan_look(&scan, id, &st))
			continue;
		if (used == space) {
			space = space == 0 ? 64 : space * 2;
			found = mem_grow(found, space * sizeof(*found));
		}
		fill_name(&scan, id, &st, &found[used++]);
	}
	if (used > 1)
		qsort(found, used, sizeof(*found), by_arrival);
	*names = found;
	*count = used;
	found = NULL;
	return true;
}

bool spool_list(
	struct spool *s, bool failed, struct spool_name **names, size_t *count, struct error *err)
{
	return list(s, failed, true, names, count, err);
}

bool spool_list_ids(
	struct spool *s, bool failed, struct spool_name **names, size_t *count, struct error *err)
{
	return list(s, failed, false, names, count, err);
}

bool spool_has_due(struct spool *s, int64_t now)
{
	CLEANUP(spool_scan_end) struct spool_scan scan = {0};
	struct error ignored = {0};
	struct stat st;
	const char *id;

	if (!spool_scan_start(s, false, &scan, &ignored))
		return false;
	while (spool_scan_next_id(&scan, &id, &ignored) && id)
		if (spool_scan_look(&scan, id, &st) && st.st_mtim.tv_sec <= now)
			return true;
	return false;
}

/* What a search has met so far. */
struct search {
	char prefix[SPOOL_ID_SPACE]; /* small letters */
	size_t matches;
	bool is_exact;
	struct spool_name found; /* the last match */
};

static void search_name(struct search *search, const struct spool_scan *scan, const char *id)
{
	struct stat st;

	if (search->is_exact || !slice_starts(slice_of(id), slice_of(search->prefix)) ||
		!spool_scan_look(scan, id, &st))
		return;
	search->is_exact = strcmp(id, search->prefix) == 0;
	search->matches = search->is_exact ? 1 : search->matches + 1;
	fill_name(scan, id, &st, &search->found);
}

static bool search_directory(struct spool *s, bool failed, struct search *search, struct error *err)
{
	CLEANUP(spool_scan_end) struct spool_scan scan = {0};
	const char *id;

	if (!spool_scan_start(s, failed, &scan, err))
		return false;
	do {
		if (!spool_scan_next_id(&scan, &id, err))
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
