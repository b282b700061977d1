/* The format of a queue file: reading and writing it, without any policy.
 *
 *     pillarbox-queue 1
 *     size 0000012345
 *     account work
 *     created 1767225600
 *     status ...                 fixed width, space padded
 *     envid ...                  where given; so ret, and held or warned marks in status
 *     from ann@example.org
 *     R bob@example.org
 *     <blank line>
 *     the message, canonical CRLF lines
 */
#pragma once

#include "mail/content.h"
#include "mail/envelope.h"

/* The fixed-width line that changes in place. */
struct entry_status {
	unsigned attempts;
	int code;        /* last reply code, 0: none */
	bool is_held;    /* not tried until released */
	bool was_warned; /* the delay notice went out */
	char text[200];  /* last error, sanitised, one line */
};

/* All that stands before the message. */
struct entry {
	struct envelope envelope;
	const char *account; /* in the envelope's arena; "" for the default account */
	int64_t created;     /* seconds since 1970 */
	struct entry_status status;
	bool needs_smtputf8;
	bool has_8bit;
	uint64_t size; /* octets of the message */
	int64_t message_offset;
	int64_t status_offset;
	int64_t *recipient_offsets; /* on the heap: place of each recipient's state octet */
};
