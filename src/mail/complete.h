/* What a message lacks and gets: Date, Message-ID, From; what goes: Bcc and
 * the leftovers of other systems. RFC 6409 section 8, RFC 5322 section 3.6. */
#pragma once

#include "mail/message.h"

struct complete_facts {
	const char *from_name;    /* display name for an added From, UTF-8; may be "" */
	const char *from_address; /* wire address for an added From */
	const char *id_domain;    /* right side of an added Message-ID, no "localhost" */
	int64_t now;          /* seconds since 1970, for the Date; local time zone of the process */
	bool add_undisclosed; /* "To: undisclosed-recipients:;" where To and Cc are missing */
};

/**
 * Completes m: Bcc, Resent-Bcc, Return-Path and Content-Length fields go; Date,
 * Message-ID and From are added where they are missing (their Resent- forms
 * where the message is resent), in front of the block; every other field stays
 * byte for byte.
 */
void complete_message(struct message *m, const struct complete_facts *facts);

/** Text of a Date field (RFC 5322 section 3.3) for a time, in local time with a numeric zone. */
const char *complete_date(struct arena *arena, int64_t when);

/** A unique "<...@domain>" (RFC 5322 section 3.6.4): time and 96 random bits. */
const char *complete_message_id(struct arena *arena, const char *domain, int64_t now);
