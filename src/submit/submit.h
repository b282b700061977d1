/* One message from a caller to its outcome: DESIGN section 5, left column. */
#pragma once

#include "submit/compose.h"
#include "submit/deliver.h"
#include "submit/outbox.h"

/* What became of a message that was taken over (exit 0). */
struct submit_report {
	bool is_queued;          /* something of it waits in the queue */
	char id[SPOOL_ID_SPACE]; /* of the queue entry, or "" */
	struct error why;        /* why it waits; text "" where that was asked for */
	size_t accepted;         /* recipients that the server took */
	size_t refused;          /* recipients refused for good, while others were not */
	struct error refusal;    /* what was said of them, and who hears of it, where refused > 0 */
	struct deliverer
		*link;       /* open connection for the rest of the queue, or NULL; the caller's */
	const char *account; /* whose entries a run should try; NULL: all; borrowed */
	bool wants_run;      /* entries are due: the queue is worth a run */
};

/**
 * Takes a message over: reads, completes, sends or queues it.
 *
 * SIGTERM, SIGINT and SIGHUP are held from the end of the input on.
 *
 * outbox  of the same configuration
 * report  set on success
 *
 * True when every recipient was accepted, or waits durably in the queue, or
 * was refused while others were not and a notice about it, or a copy, is stored. Else
 * err says what failed and what became of the mail; the exit code is that of contract C70.
 */
bool submit_message(struct outbox *outbox, const struct submission *submission,
	const struct deliver_mode *mode, struct submit_report *report, struct error *err) NODISCARD;

/** The same for a message that is composed already (the SMTP mode of sendmail). */
bool submit_composed(struct outbox *outbox, struct composed *message, enum delivery delivery,
	const struct deliver_mode *mode, struct submit_report *report, struct error *err) NODISCARD;

/**
 * Goes on with the queue in a detached process, on the report's connection
 * where there is one, and gives that connection up here. Never fails: what
 * cannot be started now is done by the next run.
 */
void submit_run_detached(struct outbox *outbox, struct submit_report *report);
