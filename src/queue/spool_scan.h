/* Walking through the names of a queue directory. Private to the spool. */
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include "queue/spool.h"

/* One pass over the names of a directory. */
struct spool_scan {
	const struct spool *spool;
	bool failed;
	DIR *stream; /* owned; NULL where failed/ is missing */
};

/** Starts a pass over the queue or failed/; fails as spool_list. */
bool spool_scan_start(
	struct spool *s, bool failed, struct spool_scan *out, struct error *err) NODISCARD;

/** Gives the next name, valid until the next call, or NULL at the end; fails with EX_IOERR. */
bool spool_scan_next(struct spool_scan *scan, const char **name, struct error *err) NODISCARD;

/** The same for names of entries alone. */
bool spool_scan_next_id(struct spool_scan *scan, const char **name, struct error *err) NODISCARD;

/**
 * The size and time of a name; false where it has gone. What cannot be looked
 * at for another cause is there nevertheless, with zeros, and stays in listings.
 */
bool spool_scan_look(const struct spool_scan *scan, const char *name, struct stat *st) NODISCARD;

/** Ends the pass. */
void spool_scan_end(struct spool_scan *scan);
