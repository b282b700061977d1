/* What a server says it can do in its answer to EHLO. RFC 5321 section
 * 4.1.1.1 and the extensions named at the fields. */
#pragma once

#include "base/slice.h"
#include "smtp/sasl.h"

struct smtp_caps {
	bool esmtp;             /* EHLO was accepted; false after HELO */
	bool pipelining;        /* RFC 2920 */
	bool size;              /* RFC 1870 */
	uint64_t size_limit;    /* octets; 0: none stated */
	bool eight_bit_mime;    /* RFC 6152 */
	bool smtputf8;          /* RFC 6531 */
	bool dsn;               /* RFC 3461 */
	bool enhanced_codes;    /* RFC 2034 */
	bool chunking;          /* RFC 3030 */
	bool binary_mime;       /* RFC 3030 */
	bool starttls;          /* RFC 3207 */
	bool require_tls;       /* RFC 8689 */
	bool deliver_by;        /* RFC 2852 */
	uint64_t deliver_min_s; /* least time for BY=...;R; 0: none stated */
	bool mt_priority;       /* RFC 6710 */
	bool future_release;    /* RFC 4865 */
	uint64_t hold_max_s;    /* longest HOLDFOR; 0: none stated */
	uint64_t mail_max;      /* transactions of a connection; 0: none stated (RFC 9422) */
	uint64_t rcpt_max;      /* recipients of a transaction; 0: none stated (RFC 9422) */
	uint64_t domain_max;    /* domains of a transaction; 0: none stated (RFC 9422) */
	bool auth;              /* RFC 4954 */
	unsigned mechanisms;    /* bits 1 << enum sasl_mechanism of those we know */
	char auth_names[256];   /* all names the server listed, sanitised, for the words */
};

/**
 * Reads the keywords from the text of a reply to EHLO.
 *
 * text  lines ended by LF, without code; the first is the greeting and skipped
 * out   set anew; esmtp is true
 *
 * Case does not count; blanks and tabs separate; of doubled keywords the bits
 * and mechanisms add up and the first number counts; numbers that make no sense are treated
 * as not stated; unknown lines are skipped. "AUTH=PLAIN" counts as "AUTH PLAIN".
 */
void caps_parse(struct smtp_caps *out, struct slice text);
