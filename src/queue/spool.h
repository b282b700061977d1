/* The queue directory: durable, without any lock but one for each message.
 * DESIGN section 6; the guarantees stand in pillarbox-queue(7). */
#pragma once

#include "base/buf.h"
#include "queue/entry.h"

enum { SPOOL_ID_SPACE = 40 }; /* "<8 or more hex>-<16 hex>" and a NUL */

struct spool;

/**
 * Opens a queue directory, making it (0700, with its parents) where it is
 * missing and `create` says so. Own uid, no group or other write, no symlink.
 *
 * Fails with EX_CANTCREAT, EX_NOPERM or EX_NOINPUT (missing and not to be
 * made); the text names the directory and the cause.
 */
bool spool_open(
	const char *directory, bool create, struct spool **out, struct error *err) NODISCARD;

/** Closes; entries that are claimed stay claimed until they are released. NULL is fine. */
void spool_free(struct spool *s);

/* Limits of an addition; 0: none. */
struct spool_limits {
	/* Octets of all entries of the queue together, or of failed/. With more
	 * than about a thousand entries only some additions look, so that one
	 * costs the same however long the queue is, and the limit may be passed
	 * by a small part. */
	uint64_t max_octets;
};

/**
 * Stores a message durably: temporary file, flock, write, fsync, rename, fsync
 * of the directory. On any error nothing is left.
 *
 * entry    account, created, status, next, needs_smtputf8 and envelope are written;
 *          size and the facts of the message are taken from content
 * limits   NULL: none
 * id       SPOOL_ID_SPACE octets; set on success
 * failed   true: straight into failed/ (a copy for the person, never sent by itself)
 *
 * Fails with EX_CANTCREAT, EX_IOERR or EX_TEMPFAIL, and EX_DATAERR for an entry
 * that cannot be written (see entry_write_head); text names path and cause.
 */
bool spool_add(struct spool *s, const struct entry *entry, const struct content *content,
	const struct spool_limits *limits, bool failed, char *id, struct error *err) NODISCARD;

/* What a scan tells of an entry without reading it. */
struct spool_name {
	char id[SPOOL_ID_SPACE];
	int64_t next; /* mtime: next attempt; in failed/ the time of the failure */
	int64_t size; /* octets of the file */
	bool in_failed;
};

/**
 * Lists the entries in order of arrival: the queue, or failed/. Whatever bears
 * the name of an entry is listed; spool_peek tells what is damaged or foreign.
 *
 * names  on the heap, the caller frees it; NULL where count is 0
 *
 * Fails with EX_IOERR, or EX_TEMPFAIL for want of resources; an empty listing means an empty queue.
 */
bool spool_list(struct spool *s, bool failed, struct spool_name **names, size_t *count,
	struct error *err) NODISCARD;

/** The same without `next` and `size`, for who opens each of them anyway. */
bool spool_list_ids(struct spool *s, bool failed, struct spool_name **names, size_t *count,
	struct error *err) NODISCARD;

/** True when the time of an entry of the queue has come; false where that cannot be learnt. */
bool spool_has_due(struct spool *s, int64_t now) NODISCARD;

/** Sets `next` and `size` of a name. False where it is gone or cannot be looked at. */
bool spool_look(struct spool *s, struct spool_name *name) NODISCARD;

/** The time of arrival, in seconds since 1970, that an id begins with. */
int64_t spool_arrival(const char *id);

/**
 * Finds the one entry, in the queue or in failed/, whose id is `prefix` or
 * begins with it; the case of letters does not matter.
 *
 * Fails with EX_NOINPUT where there is none, EX_USAGE where there are several,
 * and as spool_list.
 */
bool spool_find(
	struct spool *s, const char *prefix, struct spool_name *out, struct error *err) NODISCARD;

enum spool_claim_result {
	SPOOL_CLAIMED,
	SPOOL_BUSY,    /* another process works on it */
	SPOOL_GONE,    /* not there any more */
	SPOOL_DAMAGED, /* err says why: not ours, not regular, cannot be parsed, newer format */
};

/* An entry that this process holds the lock of, or only looks at. */
struct spool_item {
	struct entry entry;
	struct content content; /* the message in the file */
	int fd;
	int64_t next; /* mtime */
	int64_t file_octets;
	bool in_failed;
	char id[SPOOL_ID_SPACE];
};

/**
 * Opens, locks, checks and parses an entry. item is set only by SPOOL_CLAIMED,
 * err by everything else: BUSY and GONE have words for people as well.
 */
enum spool_claim_result spool_claim(
	struct spool *s, const char *id, bool failed, struct spool_item *item, struct error *err);

/** The same without the lock, for listing; SPOOL_BUSY where it is locked, with item set as well. */
enum spool_claim_result spool_peek(
	struct spool *s, const char *id, bool failed, struct spool_item *item, struct error *err);

/** Closes the file, which gives up the lock, and frees the entry; NULL or released: fine. */
void spool_release(struct spool_item *item);

/**
 * Writes the state octets of recipients that changed, FAILED only where
 * is_told says that the sender knows; with sync, waits until they are on disk. Fails with EX_IOERR or EX_TEMPFAIL.
 */
bool spool_write_states(struct spool_item *item, bool sync, struct error *err) NODISCARD;

/**
 * Writes the status line and sets the time of the next attempt. No sync: losing
 * it means an earlier retry. Comes after spool_write_states, which lets the
 * system set that time to now. Fails with EX_IOERR or EX_TEMPFAIL.
 */
bool spool_write_status(struct spool_item *item, int64_t next, struct error *err) NODISCARD;

/**
 * Removes the entry: nothing of it is pending. Not synced: what a crash brings
 * back holds no pending recipient. Fails as spool_add.
 */
bool spool_remove(struct spool *s, struct spool_item *item, struct error *err) NODISCARD;

/**
 * Moves the entry into failed/, or back from there; durable. Its time becomes
 * now: the time of the failure, or due at once. The lock stays. Fails as
 * spool_add; item->in_failed tells where it is.
 */
bool spool_move(
	struct spool *s, struct spool_item *item, bool to_failed, struct error *err) NODISCARD;

/**
 * Makes sure that a delivered entry is not sent again although its record
 * could not be written: unlink, else rename to a temporary name, else mode 0,
 * which spool_claim takes for damaged. False when nothing could be done.
 */
bool spool_bury(struct spool *s, struct spool_item *item, struct error *err) NODISCARD;

/**
 * Removes stale temporaries (unlocked, over an hour away from now) and failed
 * copies older than keep_failed_s; less than 0 keeps them. Nothing is removed
 * by a clock that went ahead by ten years or more. Faults are passed over: the
 * next cleaning comes by.
 */
void spool_clean(struct spool *s, int64_t now, int64_t keep_failed_s);

/**
 * Looks at the directories above the queue. Whoever may rename what stands in
 * one of them could put the queue out of sight, though never read it or change
 * what is in it. False for the first directory where somebody but root and
 * this user may: one of another owner, or one that others may write to without
 * the sticky bit. A group of our own, or of root, is no other.
 *
 * why  words are added to it where the answer is false
 */
bool spool_place_is_safe(const struct spool *s, struct buf *why);

/** The directory's path, for words; lives as long as s. */
const char *spool_path(const struct spool *s);
