/* The one error value of the program. It is filled where the cause is known;
 * callers pass it on, may add the hint, and never guess the cause again. */
#pragma once

#include "base/common.h"

#include <sysexits.h>

/* What a fault means for the mail at hand. */
enum fate {
	FATE_PERMANENT, /* trying again as it is would fail again */
	FATE_LATER,     /* trying again later may work */
	FATE_UNCERTAIN, /* the server may have taken the message */
};

struct error {
	int exit_code;     /* of sysexits.h; 0 while nothing was set */
	enum fate fate;    /* set from exit_code; error_fate changes it */
	int smtp_code;     /* reply code of the server, 0 without one */
	char enhanced[12]; /* "5.7.1", empty without one (RFC 3463) */
	char text[1024];   /* one sanitised line: what failed, where, why */
	char hint[384];    /* one line: what to do; may be empty */
};

/**
 * Sets the error: exit code of sysexits.h and one line of text, cut where it
 * is too long. The fate is FATE_LATER for EX_TEMPFAIL and EX_NOHOST, else
 * FATE_PERMANENT. Control characters in the text are replaced. Returns false.
 */
bool error_set(struct error *err, int exit_code, const char *format, ...) PRINTF_LIKE(3, 4);

/** Like error_set, with ": " and the words for the present errno behind. */
bool error_errno(struct error *err, int exit_code, const char *format, ...) PRINTF_LIKE(3, 4);

/** Adds what the person can do. Returns false. */
bool error_hint(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/** Changes the fate of an error that was set. Returns false. */
bool error_fate(struct error *err, enum fate fate);

/** Notes the server's reply code and enhanced code (may be NULL). Returns false. */
bool error_reply(struct error *err, int smtp_code, const char *enhanced);

/** Puts formatted text and ": " in front of the text of an error that was set. Returns false. */
bool error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
