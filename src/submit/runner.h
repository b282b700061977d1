/* The queue runner: tries what is due, one connection for each account. */
#pragma once

#include "submit/deliver.h"
#include "submit/outbox.h"

struct runner_options {
	const char *account;           /* only entries of this account; NULL: of all */
	bool ignores_times;            /* sendmail -q: everything that is not held, now */
	const struct spool_name *only; /* these entries and no others; NULL: all */
	size_t only_count;
	const char *match_id; /* only entries whose id has this text; NULL: all */
	const char *match_recipient;
	const char *match_sender;
	struct deliver_mode mode;
	struct deliverer
		*handed; /* an open connection to begin with, or NULL; the runner owns it */
	bool (*is_stopped)(void); /* asked between messages; NULL: never */
	/* Told of each entry that was tried, for -v and --json; NULL: nobody. */
	void (*tell)(void *context, const char *id, const char *what, const char *why);
	void *context;
};

struct runner_report {
	size_t delivered; /* entries that are done */
	size_t deferred;  /* entries that wait for another time */
	size_t failed;    /* entries given up */
	size_t damaged;   /* files that are no entries */
	size_t busy;      /* entries another process works on */
};

/**
 * Ends early, between two messages, when stop_is_asked. Tries each entry at most once and rescans until a pass finds nothing new
 * that is due. Entries of an account whose server cannot be reached wait after one attempt of the account.
 *
 * Fails with EX_IOERR where the queue cannot be read; that some message could
 * not be delivered is no failure of the run.
 */
bool runner_run(struct outbox *outbox, const struct runner_options *options,
	struct runner_report *report, struct error *err) NODISCARD;
