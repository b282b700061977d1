/* A file without a name for what is too large for memory: it vanishes with
 * its descriptor, however the process ends. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum { SPILL_DIRS = 4 };

struct spill {
	int fd;                  /* owned; 3 or above; -1 until something was written */
	uint64_t octets;         /* written so far */
	const char *const *dirs; /* borrowed: where to try, in order; NULL or SPILL_DIRS ends */
	size_t next_dir;         /* private */
};

/** A spill of which nothing exists yet. `dirs` must outlive the writing. */
void spill_init(struct spill *s, const char *const *dirs);

/** Closes the file. */
void spill_done(struct spill *s);

/**
 * Writes all of `text` at the end of the file, creating it when it is the
 * first. Where a directory cannot take the file, or no more of it (disk full,
 * quota, limit), the file moves on to the next directory. Mode 0600, whatever
 * the umask; never under a name that others could foresee.
 *
 * Fails with EX_CANTCREAT when no directory can take it; the words name the
 * last one and the cause.
 */
bool spill_write(struct spill *s, struct slice text, struct error *err) NODISCARD;
