/* Reading a message from a descriptor: header block and spooled body. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "mail/content.h"
#include "mail/header.h"
#include "mail/intake.h"

/* What the reader is told. */
struct message_source {
	int fd;                    /* read to its end */
	intake_read_fn *read;      /* in place of fd, where it is not NULL */
	void *context;             /* for read */
	const char *name;          /* for the words: "standard input" */
	uint64_t max_octets;       /* limit of the whole message in canonical form; 0: none */
	bool dot_ends;             /* a line with only a dot ends the input */
	const char *spill_dirs[4]; /* where a large body may go, in order of trial; NULL ends */
};

struct message {
	struct arena arena;   /* owns what is added to the header */
	struct buf block;     /* owns the header block as it was read */
	struct header header; /* fields, ready to be changed */
	struct buf body;      /* owns a small body */
	int spill;            /* owns the file of a large body, unlinked; -1 without */
	uint64_t spill_octets;
	struct buf head;      /* owns the block written by message_content */
	struct content facts; /* has_8bit, has_nul, longest_line of the body */
};

enum { MESSAGE_HEADER_MAX = 4 << 20 }; /* octets of a header block that is read */

/**
 * Reads a message up to the end of the input, whatever its line ends are
 * (statements C16 to C37 of the contract as far as they concern reading):
 * lines ending in CRLF, LF, or a mixture; a bare CR becomes a line end in the
 * body and a blank in the header; mbox "From " and ">From " lines in front of
 * the header go, but where no header follows they are text like the rest; a
 * line that is no field ends the header and is the first line of the body; a
 * missing last line end is added. An empty input is an empty message. Memory
 * does not grow with the size of the body.
 *
 * out  set on success; release with message_done
 *
 * Fails with EX_DATAERR where the message or its header block is too large, or
 * the header holds a NUL (the rest of the input is read and dropped, so that
 * the writer gets no SIGPIPE), EX_IOERR where the input cannot be read, EX_CANTCREAT where a large
 * body cannot be spilled.
 */
bool message_read(
	const struct message_source *source, struct message *out, struct error *err) NODISCARD;

/** Frees all that the message owns. */
void message_done(struct message *m);

/**
 * The message as it is now, header and body, for sending or queueing. Valid
 * until the header changes or the message goes.
 */
void message_content(struct message *m, struct content *out);
