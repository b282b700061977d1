/* Files that may hold secrets: opened once, checked on the descriptor. */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

enum { GUARD_SPARE = 32768 };

/**
 * Opens a file for reading so that neither a FIFO nor a device can hold us up.
 * -1 with errno where that fails. The caller closes it.
 */
int guard_open(const char *path) NODISCARD;

/**
 * True when an open file may steer the program: it is regular, belongs to the
 * real uid or to root, nobody else can write it, and it does not stand in a
 * directory where everybody may rename.
 *
 * path  for the words, and to find the directory
 * st    set on success
 *
 * Fails with EX_CONFIG for what is no file, else with EX_NOPERM and the chmod
 * or chown to run as the hint.
 */
bool guard_check(int fd, const char *path, struct stat *st, struct error *err) NODISCARD;

/**
 * True when neither group nor others can read the file. Fails with EX_NOPERM
 * and the chmod to run. `what` is what it holds, for the words.
 */
bool guard_check_private(
	const struct stat *st, const char *path, const char *what, struct error *err) NODISCARD;

/**
 * Adds a whole file to out, whose ceiling has to be GUARD_SPARE above `most`.
 * Fails with EX_CONFIG where the file is larger than `most` octets, EX_IOERR
 * where reading fails. No copy is left elsewhere.
 */
bool guard_read(
	int fd, const char *path, size_t most, struct buf *out, struct error *err) NODISCARD;

/**
 * Adds the first line of a small file that holds a secret, without its end, to
 * out. Fails with EX_CONFIG where the file is empty or its first line is, where
 * the line has over 4096 octets or a NUL.
 */
bool guard_first_line(
	struct slice text, const char *name, struct buf *out, struct error *err) NODISCARD;

/** Adds "owner ann (1000), mode 0640; you are uid 1001" to out. */
void guard_describe(struct buf *out, const struct stat *st);
