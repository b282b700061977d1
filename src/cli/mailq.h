/* The queue as `mailq` and `sendmail -bp` print it, in Postfix's layout. */
#pragma once

#include "submit/outbox.h"

/** Prints the queue to standard output; returns the exit code (contract C87). */
int mailq_print(struct outbox *outbox);
