/* What other files of this folder need from session.c. */
#pragma once

#include "smtp/dialogue.h"

/**
 * As smtp_open, on a stream that is connected already: for peers that are
 * not dialled, and tests. No second connection will be opened.
 *
 * stream  the session takes ownership, also on failure
 */
bool smtp_open_stream(const struct smtp_params *params, struct stream *stream,
	struct smtp_session **out, struct error *err) NODISCARD;

/**
 * Makes sure that a transaction can begin: true where the connection is in
 * order; where it is over for a reason that a new connection cures (the
 * server's MAILMAX, QUIT sent early), opens that, up to the login. Fails
 * with the cause, and as smtp_open.
 */
bool session_ready(struct smtp_session *s, struct error *err) NODISCARD;
