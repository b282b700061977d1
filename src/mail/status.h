/* What a reply means for the mail: pure rules. RFC 5321 section 4.2, RFC 3463. */
#pragma once

#include "base/error.h"

/* The step of the dialogue a reply answers. */
enum smtp_phase {
	PHASE_RESOLVE,
	PHASE_CONNECT,
	PHASE_GREETING,
	PHASE_EHLO,
	PHASE_STARTTLS,
	PHASE_TLS,
	PHASE_AUTH,
	PHASE_MAIL,
	PHASE_RCPT,
	PHASE_DATA,
	PHASE_BODY,
	PHASE_FINAL,
	PHASE_RSET,
	PHASE_QUIT,
	PHASE_COUNT
};

/* One row for each phase: how people call it, and how long it may take. */
struct phase_facts {
	const char *verb;  /* "RCPT TO", for traces */
	const char *words; /* "recipient", for errors: "... refused the recipient" */
	int limit_s;       /* RFC 5321 section 4.5.3.2, in seconds, for queue runs */
};

extern const struct phase_facts phase_table[PHASE_COUNT];

/**
 * The fate a reply that is no success means at a phase. Codes that make no sense
 * there, and 0 for no reply, are FATE_LATER, but FATE_UNCERTAIN behind the last
 * octet of a message. Refusals up to the handshake are FATE_LATER, save those of
 * EHLO by a server that knows the command.
 */
enum fate status_fate(enum smtp_phase phase, int code);

/**
 * The sysexits code for a permanent refusal at a phase (contract C67); enhanced
 * may be NULL or "".
 */
int status_exit_code(enum smtp_phase phase, int code, const char *enhanced);
