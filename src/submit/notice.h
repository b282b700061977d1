/* Delivery status notifications: RFC 3464 reports to the envelope sender, sent
 * through the queue with the null sender. */
#pragma once

#include "submit/outbox.h"

enum notice_kind {
	NOTICE_FAILURE, /* for recipients FAILED */
	NOTICE_DELAY,   /* for recipients that still wait */
};

/* The message a notice is about. */
struct notice_subject {
	const char *account;             /* whose server takes the notice; "" for the default */
	const struct envelope *envelope; /* states and last replies of the recipients */
	const struct content *content;
	const char *remote;    /* host that refused, or "" */
	const char *reason;    /* for recipients without a reply of their own */
	int64_t arrived;       /* seconds since 1970 */
	int64_t retried_until; /* for a delay: when it will be given up */
};

/**
 * True when somebody is to be told: the sender is not null and a recipient
 * that the notice concerns has not asked for silence (NOTIFY, RFC 3461 section 4.1).
 */
bool notice_is_due(const struct notice_subject *subject, enum notice_kind kind);

/**
 * Notes for a recipient that a refusal of the whole message is his. Where a server said
 * it, its own words are noted: code and place, in front of them in the error, are told apart.
 */
void notice_note(struct envelope *e, struct recipient *r, const struct error *why);

/**
 * Writes the notice and stores it in the queue, durably. Fails as outbox_add.
 */
bool notice_queue(struct outbox *outbox, const struct notice_subject *subject,
	enum notice_kind kind, struct error *err) NODISCARD;

/** Adds the text of the notice, as canonical CRLF lines, to out: for notice_queue and its tests. */
bool notice_write(const struct notice_subject *subject, enum notice_kind kind, const char *host,
	int64_t now, struct buf *out, struct error *err) NODISCARD;
