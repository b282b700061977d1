#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/spool_inner.h"
#include "queue/spool_scan.h"

enum {
	SMALL_OCTETS = 64 * 1024, /* not worth a question about free space */

	/* A directory up to this size holds some thousand names, and is scanned
	 * for each addition. In a larger one, each octet added pays for the scan
	 * of so many octets of the directory, on average. */
	SMALL_DIRECTORY = 64 * 1024,
	SCANNED_FOR_EACH = 16,
};

/* Stands in a large directory while the limit is passed. */
static const char full_mark[] = "full";

/* Adds up the sizes of all entries. */
static bool sum_octets(struct spool *s, bool failed, uint64_t *out, struct error *err)
{
	CLEANUP(spool_scan_end) struct spool_scan scan = {0};
	uint64_t octets = 0;
	const char *id;
	struct stat st;

	if (!spool_scan_start(s, failed, &scan, err))
		return false;
	do {
		if (!spool_scan_next_id(&scan, &id, err))
			return false;
		if (id && spool_scan_look(&scan, id, &st) && st.st_size > 0)
			octets += (uint64_t)st.st_size;
	} while (id);
	*out = octets;
	return true;
}

static bool is_large(int dir, uint64_t *octets)
{
	struct stat st;

	if (fstat(dir, &st) < 0 || st.st_size <= SMALL_DIRECTORY)
		return false;
	*octets = (uint64_t)st.st_size;
	return true;
}

/* Tells whether this addition is let through unseen. A scan for each addition
 * would make filling a long queue quadratic. So the chance of a scan falls with
 * the size of the directory and grows with that of the message: what gets in
 * between two scans is a small part of what is there. Once a scan finds the
 * limit passed, its mark makes every addition look until there is room. */
static bool is_let_through(int dir, uint64_t octets)
{
	uint64_t size = 0, chance = 0;

	if (!is_large(dir, &size) || faccessat(dir, full_mark, F_OK, 0) == 0)
		return false;
	return getentropy(&chance, sizeof(chance)) == 0 &&
	       chance % size >= octets * SCANNED_FOR_EACH;
}

/* Sets or takes away the mark; without it only the accuracy suffers. */
static void mark_full(int dir, bool is_full)
{
	CLEANUP(fd_close) int fd = -1;
	uint64_t size = 0;

	if (!is_large(dir, &size))
		return;
	if (is_full)
		fd = openat(dir, full_mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	else
		(void)!spool_unlink(dir, full_mark);
}

static bool queue_is_full(const struct spool *s, bool failed, uint64_t present, uint64_t octets,
	uint64_t max_octets, struct error *err)
{
	error_set(err, EX_TEMPFAIL,
		"the queue '%s%s' is full: %llu octets are in it, %llu more pass the limit of %llu",
		s->path, failed ? "/failed" : "", (unsigned long long)present,
		(unsigned long long)octets, (unsigned long long)max_octets);
	return error_hint(err, "raise max_size in the section [queue] of the configuration, "
			       "or see what is in the queue: pillarbox queue list");
}

static bool check_limit(
	struct spool *s, bool failed, uint64_t octets, uint64_t max_octets, struct error *err)
{
	uint64_t present = 0;
	int dir = -1;

	if (octets > max_octets)
		return queue_is_full(s, failed, 0, octets, max_octets, err);
	if (!spool_directory(s, failed, true, &dir, err))
		return false;
	if (is_let_through(dir, octets))
		return true;
	if (!sum_octets(s, failed, &present, err))
		return false;

	bool is_full = present > max_octets - octets;

	mark_full(dir, is_full);
	return !is_full || queue_is_full(s, failed, present, octets, max_octets, err);
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
