/* What a caller hands over for sending: plain values, checked by nobody yet. */
#pragma once

#include "config/account.h"
#include "mail/envelope.h"
#include "mail/intake.h"

/* What an SMTP client said about one operand (RFC 3461 section 4). */
struct operand_notices {
	unsigned notify;   /* bits of enum dsn_notify; 0: not given */
	const char *orcpt; /* xtext with its type, or NULL */
};

/* All text is borrowed from the caller. */
struct submission {
	intake_read_fn *read; /* gives the message in place of input, or NULL */
	void *read_context;
	int input;                   /* descriptor the message is read from, to its end */
	const char *input_name;      /* for the words: "standard input" */
	const char *account;         /* -a; NULL: chosen by sender */
	const char *sender;          /* -f as given; NULL: not given; "" or "<>": null sender */
	const char *full_name;       /* -F as given; NULL: not given */
	const char *const *operands; /* recipients as given, each an address list */
	size_t operand_count;
	const struct operand_notices *notices; /* one for each operand, or NULL */
	bool reads_headers;                    /* -t */
	bool reads_headers_alone;              /* as -t, but only where no operand is given */
	bool ignores_dots;                     /* -i */
	bool has_delivery;                     /* delivery below was asked for */
	enum delivery delivery;
	unsigned notify; /* -N, for all without their own: bits of enum dsn_notify; 0: not given */
	enum dsn_return ret; /* -R */
	const char *envid;   /* -V in xtext; NULL: not given */
	struct demands demands;
};
