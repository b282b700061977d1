/* The queue as `pillarbox queue list` and `show` give it to people and programs. */
#pragma once

#include "submit/outbox.h"

/** Prints queue and failed/, as a table or as one JSON object a line. Fails as spool_list. */
bool queue_view_list(struct outbox *outbox, bool as_json, struct error *err) NODISCARD;

/** Prints the envelope and the message of one entry to standard output. Fails as spool_find and spool_peek. */
bool queue_view_show(struct outbox *outbox, const char *id, struct error *err) NODISCARD;

/**
 * Prints one line for monitoring and gives its exit code: 0 fine, 1 messages
 * wait longer than `warn`, 2 messages failed or files are damaged, 3 unknown.
 */
int queue_view_check(struct outbox *outbox);
