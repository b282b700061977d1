/* Descriptors and files. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/** For CLEANUP: closes a descriptor that is not negative, and makes it -1. */
void fd_close(int *fd);

/** Closes every descriptor from `first` on, but `kept` (-1: none). Allocates nothing. */
void file_close_from(int first, int kept);

/**
 * Opens /dev/null on each of the descriptors 0, 1 and 2 that is closed, so
 * that no file or socket of ours is ever taken for one of them. *stdin_was_open
 * tells whether 0 was open before. Fails with EX_OSERR.
 */
bool file_open_standard(bool *stdin_was_open, struct error *err) NODISCARD;

/**
 * Reads up to `octets` into `into`, once, repeating after a signal (EINTR) and
 * waiting where the descriptor does not block (EAGAIN). *got is 0 only at the
 * end of the input. Fails with EX_IOERR; `name` is for the words.
 */
bool file_read(int fd, void *into, size_t octets, size_t *got, const char *name,
	struct error *err) NODISCARD;

/** Reads from `offset` without moving the file's position; else as file_read. */
bool file_read_at(int fd, void *into, size_t octets, int64_t offset, size_t *got, const char *name,
	struct error *err) NODISCARD;

/**
 * Reads all of a descriptor to its end into out, adding to it. Fails with
 * EX_DATAERR where it holds more than out's ceiling, and as file_read.
 */
bool file_read_all(int fd, struct buf *out, const char *name, struct error *err) NODISCARD;

/** Writes all of s, repeating after signals and short writes. Fails with EX_IOERR. */
bool file_write(int fd, struct slice s, const char *name, struct error *err) NODISCARD;

/** Writes all of s at `offset`; else as file_write. */
bool file_write_at(
	int fd, struct slice s, int64_t offset, const char *name, struct error *err) NODISCARD;
