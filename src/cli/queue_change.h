/* What a person does to entries of the queue: hold, release, delete, retry. */
#pragma once

#include "submit/outbox.h"

/** No further attempts until released. Refused while the entry is being sent. */
bool queue_change_hold(struct outbox *outbox, const char *id, struct error *err) NODISCARD;

/** Ends hold; the entry is due at once. */
bool queue_change_release(struct outbox *outbox, const char *id, struct error *err) NODISCARD;

/** Removes an entry, damaged ones too. Refused while it is being sent. */
bool queue_change_delete(struct outbox *outbox, const char *id, struct error *err) NODISCARD;

/**
 * Makes an entry due at once, out of failed/ as well, where its refused
 * recipients are tried anew. Nothing is sent here.
 */
bool queue_change_retry(struct outbox *outbox, const char *id, struct error *err) NODISCARD;

/** The same for every entry of the queue and of failed/. */
bool queue_change_retry_all(struct outbox *outbox, struct error *err) NODISCARD;
