/* Octets on their way: added at the end, taken from the front. */
#pragma once

#include "base/buf.h"

struct fifo {
	struct buf octets; /* owned; its ceiling bounds the whole */
	size_t start;      /* octets of it that were taken already */
};

/** An empty queue of octets with a ceiling, for the initialisation of a variable. */
#define FIFO(max_octets) ((struct fifo){.octets = BUF(max_octets)})

/** Octets that were added and not taken. */
size_t fifo_len(const struct fifo *f);

/** Borrows what was added and not taken; valid until the next fifo_room or fifo_add. */
struct slice fifo_slice(const struct fifo *f);

/** Drops octets (at most fifo_len) from the front; slices of them stay valid as said above. */
void fifo_take(struct fifo *f, size_t octets);

/** The same, and overwrites them: they may have been secret. */
void fifo_take_wiped(struct fifo *f, size_t octets);

/**
 * A place for `octets` at the end, or NULL where the ceiling forbids it; the
 * caller reports with fifo_added how many it has put there.
 */
char *fifo_room(struct fifo *f, size_t octets) NODISCARD;

/** Counts octets that were put into the place of fifo_room. */
void fifo_added(struct fifo *f, size_t octets);

/** Copies s to the end. False where the ceiling forbids it; then nothing is added. */
bool fifo_add(struct fifo *f, struct slice s) NODISCARD;

/** Drops everything and keeps the memory. */
void fifo_clear(struct fifo *f);

/** Overwrites and frees everything. */
void fifo_wipe(struct fifo *f);
