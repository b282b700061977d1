/* The recipients of one message while it is sent; shared by send.c and bulk.c. */
#pragma once

#include "smtp/session_parts.h"
#include "smtp/transaction.h"

struct sending {
	struct smtp_mail *mail;
	struct attempt *attempts; /* owned; one for each recipient to be sent to */
	size_t count;
	bool may_quit; /* QUIT goes behind the last transaction */
};

/** Collects the recipients that are PENDING or SENT. Release with sending_done. */
void sending_init(struct sending *g, struct smtp_mail *mail);

/** Frees the list. */
void sending_done(struct sending *g);

/** True while a recipient has no answer. */
bool sending_is_open(const struct sending *g);

/** True when nobody is left to be sent to: what breaks behind that concerns nobody any more. */
bool sending_is_settled(const struct sending *g);

/**
 * Prepares the next transaction for recipients still open, of which there is
 * one at least: as many as the server's limits allow (RFC 9422).
 */
void sending_next(struct sending *g, struct smtp_session *s, struct transaction *t);

/** Makes transactions until no recipient is open. The result is that of smtp_send. */
bool sending_run(struct sending *g, struct smtp_session *s, struct error *err) NODISCARD;
