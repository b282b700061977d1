/* The octets of a message as they will be sent: canonical lines that end in
 * CRLF, no bare CR, no bare LF, a CRLF at the end; dots not doubled. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct content {
	struct slice head;   /* borrowed: what comes first, in memory; may be empty */
	struct slice body;   /* borrowed: what follows, where fd is -1 */
	int fd;              /* borrowed: what follows as a file; -1: it is in body */
	int64_t fd_offset;   /* place in the file where it starts */
	uint64_t fd_octets;  /* its length */
	bool has_8bit;       /* an octet over 127 outside the header block */
	bool head_has_8bit;  /* an octet over 127 in the header block */
	bool has_nul;        /* a NUL outside the header block */
	size_t longest_line; /* octets of the longest line, without CRLF */
};

/** Octets of the whole message, as SIZE counts them (RFC 1870 section 3). */
uint64_t content_octets(const struct content *c);

/** Notes the facts of c->head: head_has_8bit, and longest_line where a line of it is the longest. */
void content_note_head(struct content *c);

/* Reads a content from its start, piece by piece. */
struct content_reader {
	const struct content *content;
	uint64_t position; /* octets given out so far */
	char *window;      /* owned: buffer for file content */
};

/** Starts at the first octet. c must outlive the reader. */
void content_start(struct content_reader *r, const struct content *c);

/**
 * Gives the next piece: 1 to 65536 octets, valid until the next call; empty at
 * the end. Fails with EX_IOERR where the file cannot be read or is shorter than
 * its stated length.
 */
bool content_next(struct content_reader *r, struct slice *piece, struct error *err) NODISCARD;

/** Frees the window. */
void content_stop(struct content_reader *r);
