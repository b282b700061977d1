/* Lines and messages from an SMTP client on a descriptor. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum { SERVER_LONGEST_LINE = 8192, SERVER_WINDOW = 65536 };

struct server_input {
	int in, out;      /* borrowed */
	struct buf reply; /* what was not sent yet */
	char *window;     /* owned */
	size_t start, end;
	bool has_ended; /* the client closed */
	/* A message that is being read. */
	bool is_crlf; /* the client ends its lines with CRLF: only those count around the dot */
	bool at_line_start;
	bool ended_in_cr; /* the last octet given out was a CR */
	bool is_complete; /* its final dot was seen */
};

enum server_line {
	SERVER_LINE,
	SERVER_LINE_TOO_LONG, /* dropped up to its end */
	SERVER_LINE_END,      /* the client closed */
};

/** Starts with borrowed descriptors. */
void server_input_init(struct server_input *s, int in, int out);

/** Frees. */
void server_input_done(struct server_input *s);

/** Sends the replies that wait. Fails with EX_IOERR. */
bool server_flush(struct server_input *s, struct error *err) NODISCARD;

/**
 * Reads a line, without its CRLF or LF, valid until the next call. Sends the
 * replies first when nothing more is in the window. Fails with EX_IOERR.
 */
bool server_read_line(struct server_input *s, enum server_line *kind, struct slice *line,
	struct error *err) NODISCARD;

/** Makes server_read_message begin with the next octet. */
void server_begin_message(struct server_input *s);

/**
 * An intake_read_fn over a struct server_input: the octets of a message, dots
 * undoubled, up to its final dot. Fails with EX_IOERR where the input ends before.
 */
bool server_read_message(
	void *context, void *into, size_t octets, size_t *got, struct error *err) NODISCARD;
