/* `sendmail -bs`: each transaction of a local SMTP client is a submission. */
#pragma once

#include "submit/submit.h"

/**
 * Serves SMTP on two descriptors until QUIT or the end of the input. A 250
 * after the data holds what exit 0 of sendmail does (contract C92).
 *
 * defaults   account, delivery, and the notices for recipients that ask for none
 *            themselves; the sender is that of MAIL, -f chooses an account before it
 * wants_run  set: entries are due that a run of the queue should take
 *
 * Fails with EX_IOERR where the client cannot be read or written.
 */
bool serve_client(struct outbox *outbox, const struct submission *defaults, int in, int out,
	const struct deliver_mode *mode, bool *wants_run, struct error *err) NODISCARD;
