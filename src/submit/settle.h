/* What becomes of a queue entry after it was tried: DESIGN section 5, right
 * column. Record first, then tell, then forget. */
#pragma once

#include "submit/outbox.h"

/* Where the entry went. */
enum settled {
	SETTLED_DELIVERED, /* nothing is left to do */
	SETTLED_DEFERRED,  /* it waits */
	SETTLED_FAILED,    /* given up: notice sent, or kept under failed/ */
};

/* What an attempt gave, besides the states of the recipients. */
struct attempt {
	const struct error *
		err; /* why the message as a whole was not taken; NULL: each recipient has its answer */
	const char *remote; /* the server, for notices */
	int64_t not_before; /* the account waits until then; 0: by the entry's own count */
};

/**
 * Settles an entry that is claimed: writes states and status, sends notices,
 * removes or moves it. The item stays to be released by the caller. Never
 * fails: what cannot be recorded is logged, and a delivered message is never left to be sent again.
 */
enum settled settle_entry(
	struct outbox *outbox, struct spool_item *item, const struct attempt *attempt);
