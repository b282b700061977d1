/* The text of MAIL and RCPT, and what has to be true before they may be
 * sent. Pure: no I/O. RFC 5321 sections 4.1.1.2 and 4.1.1.3 and the extensions
 * named in smtp/caps.h. */
#pragma once

#include "smtp/caps.h"
#include "smtp/session.h"

/* Which optional things go into the commands of a transaction. */
struct command_style {
	bool with_options; /* SIZE, BODY, RET, ENVID where the server has them */
	bool with_dsn;     /* NOTIFY, ORCPT where the server has them */
	bool binary;       /* BODY=BINARYMIME */
};

/**
 * Checks a message against what the server offers: demands it lacks
 * (EX_UNAVAILABLE), SMTPUTF8 and NUL octets it cannot take, its size limit,
 * and a sender that would break the command (EX_DATAERR). All permanent, in words.
 *
 * peer  "host:port" for the words
 */
bool command_check(const struct smtp_caps *caps, const struct smtp_mail *mail, bool is_tls,
	const char *peer, struct error *err) NODISCARD;

/** True when a wire address can stand between < and > of a command without ending it early. */
bool command_is_safe_path(const char *address);

/** Adds "MAIL FROM:<...>" with its parameters to out. Returns true where optional ones are among them. */
bool command_mail(struct buf *out, const struct smtp_caps *caps, const struct smtp_mail *mail,
	const struct command_style *style);

/** Adds "RCPT TO:<...>" with its parameters to out. Returns true where there are any. */
bool command_rcpt(struct buf *out, const struct smtp_caps *caps, const struct recipient *rcpt,
	const struct command_style *style);
