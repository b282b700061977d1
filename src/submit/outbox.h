/* The queue of this user, opened when it is needed and not before. */
#pragma once

#include "config/account.h"
#include "queue/retry.h"
#include "queue/spool.h"

struct outbox {
	const struct config *config; /* borrowed */
	const char *directory;       /* NULL where none can be named */
	struct spool *spool;         /* NULL while it is not open */
	struct arena arena;
};

/** Names the directory; opens nothing. */
void outbox_init(struct outbox *o, const struct config *config);

/** Closes and frees. */
void outbox_done(struct outbox *o);

/**
 * Opens the queue, making the directory where `create` says so. Fails as
 * spool_open, and with EX_CANTCREAT where no directory can be named; the text
 * says which was tried.
 */
bool outbox_open(struct outbox *o, bool create, struct error *err) NODISCARD;

/** The rules for retries as configured. */
struct retry_rules outbox_rules(const struct config *config);

/** What an addition writes into the fixed line of an entry. */
struct outbox_note {
	unsigned attempts;        /* made already */
	const struct error *last; /* why it waits, or NULL */
	bool failed;              /* a copy for the person, under failed/ */
	bool refused_alone;       /* of the recipients only those FAILED; the others have theirs */
};

/**
 * Stores what is still to be done of a message: recipients DELIVERED are left
 * out, all others keep their state. With attempts made, the next one waits
 * `retry_min`; else it is due at once.
 *
 * id  SPOOL_ID_SPACE octets; set on success
 *
 * Fails as spool_add and outbox_open.
 */
bool outbox_add(struct outbox *o, const char *account, const struct envelope *envelope,
	const struct content *content, bool needs_smtputf8, const struct outbox_note *note,
	char *id, struct error *err) NODISCARD;

/**
 * Stores an entry anew, under another id, for the recipients that are not
 * DELIVERED; age and attempts stay. The old file is the caller's to remove.
 *
 * next  seconds since 1970, of the next attempt
 *
 * Fails as spool_add.
 */
bool outbox_replace(
	struct outbox *o, const struct spool_item *item, int64_t next, struct error *err) NODISCARD;
