/* From what a caller handed over to a message that is ready to go: read,
 * addressed, completed. No network, nothing stored. */
#pragma once

#include "mail/message.h"
#include "submit/names.h"
#include "submit/submission.h"

/* A message on its way. */
struct composed {
	struct message message;
	struct envelope envelope;
	struct content content;        /* borrows from message */
	const struct account *account; /* borrowed from the configuration */
	bool needs_smtputf8;
};

/**
 * Reads the message to its end, then finds its account, sender and recipients
 * and completes it.
 *
 * spill_dir  directory for a large body, tried first; NULL: TMPDIR, /var/tmp
 * out        set on success; release with compose_done
 *
 * Fails with EX_USAGE without recipients, EX_DATAERR for what the message or
 * an address holds, EX_IOERR where it cannot be read, EX_CONFIG without an
 * account; nothing was sent or stored then.
 */
bool compose_message(const struct config *config, const struct submission *s, const char *spill_dir,
	struct composed *out, struct error *err) NODISCARD;

/** Frees all that the message owns. */
void compose_done(struct composed *c);
