/* What the parts of the spool share; nobody else includes this. */
#pragma once

#include <errno.h>
#include <sys/stat.h>

#include "queue/spool.h"

struct spool {
	char *path;         /* owned */
	int dir;            /* the queue directory */
	int failed;         /* failed/, or -1 while it was not needed or is missing */
	uid_t uid;          /* ours, the owner of all that is believed */
	int64_t last_stamp; /* microseconds in the last name made, so that order is kept */
};

/* True when a call was interrupted by a signal and is to be repeated. */
static inline bool spool_again(int result)
{
	return result < 0 && errno == EINTR;
}

/* True when both are the same file. */
static inline bool spool_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/** True for a name of the form "<8 or more hex>-<16 hex>", small letters. */
bool spool_is_id(const char *name);

/** Orders names by arrival, like strcmp. */
int spool_compare_ids(const char *a, const char *b);

/**
 * Sets *out to the directory: the queue's, or failed/, which is made where it
 * is missing and `create` says so. *out is -1 where it is missing otherwise.
 */
bool spool_directory(
	struct spool *s, bool failed, bool create, int *out, struct error *err) NODISCARD;

/** Sets the error "cannot <verb> '<path of name>'" and the cause in errno. Returns false. */
bool spool_fault(
	const struct spool *s, bool failed, const char *verb, const char *name, struct error *err);

/** Waits until the directory is on disk; what cannot be synced by its kind is left. */
bool spool_sync_directory(const struct spool *s, int dir, bool failed, struct error *err) NODISCARD;

/**
 * Renames an open file, and makes sure of it where the answer is an error: over
 * NFS a lost answer can turn a rename that was done into one that failed.
 */
bool spool_rename(int from_dir, const char *from, int to_dir, const char *to, int fd) NODISCARD;

/** Removes a name; one that is missing is fine. errno tells the cause of false. */
bool spool_unlink(int dir, const char *name) NODISCARD;

/**
 * True when `octets` more fit in the queue, or in failed/: below max_octets and
 * into the free space of the disk. Fails with EX_TEMPFAIL, or EX_IOERR.
 */
bool spool_has_room(struct spool *s, bool failed, uint64_t octets,
	const struct spool_limits *limits, struct error *err) NODISCARD;
