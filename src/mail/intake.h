/* The raw input of a message, chunk by chunk, up to its end. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

/**
 * Gives up to `octets` of a message that does not come from a descriptor; *got
 * is 0 only at its end, and then at every further call.
 */
typedef bool intake_read_fn(
	void *context, void *into, size_t octets, size_t *got, struct error *err);

struct intake {
	int fd;               /* borrowed */
	intake_read_fn *read; /* in place of fd, where it is not NULL */
	void *context;        /* borrowed, for read */
	const char *name;     /* borrowed, for the words */
	bool dot_ends;        /* a line with only a dot ends the input */
	bool has_ended;       /* nothing is read any more */
	char *window;         /* private: owned */
	size_t held;          /* private: octets of "." or ".CR" that wait for what follows */
	bool at_line_start;   /* private: the next octet begins a line */
};

/** Starts; fd and name must outlive the reading. */
void intake_init(struct intake *in, int fd, const char *name, bool dot_ends);

/** Frees the window. */
void intake_done(struct intake *in);

/**
 * Reads the next 1 to 65538 octets, valid until the next call; empty at the
 * end of the input, after which nothing is read any more. Fails with EX_IOERR.
 */
bool intake_next(struct intake *in, struct slice *chunk, struct error *err) NODISCARD;

/* Octets that are read and dropped at most: who writes more than this never ends. */
#define INTAKE_DRAINED_MAX (UINT64_C(4) << 30)

/**
 * Reads and drops the rest, up to that limit, so that its writer is not hit by
 * SIGPIPE. Does nothing for a regular file, which has no writer.
 */
void intake_drain(struct intake *in);
