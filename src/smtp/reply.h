/* One reply of a server, put together from its lines. RFC 5321 section 4.2,
 * RFC 2034 and 3463 for the enhanced code. Pure parsing: no I/O. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum {
	REPLY_LINE_MAX = 4096,    /* octets of one line, without its end; RFC 5321 asks for 512 */
	REPLY_LINES_MAX = 128,    /* lines of one reply */
	REPLY_OCTETS_MAX = 65536, /* octets of one reply, all lines together */
};

struct reply {
	int code;          /* 200 to 599; 0 before the first line */
	char enhanced[12]; /* "5.7.1" of the first line, else empty */
	unsigned lines;    /* lines taken so far */
	size_t octets;     /* octets of these lines */
	struct buf text;   /* owned: the lines without code and separator, each ended by LF */
	struct buf joined; /* owned: these as one line, for reply_text */
	struct buf words;  /* owned: what reply_text gives */
};

/** An empty reply. Release with reply_done. */
void reply_init(struct reply *r);

/** Frees what the reply owns. */
void reply_done(struct reply *r);

/** Forgets the reply, so that the next can be taken. */
void reply_clear(struct reply *r);

/**
 * Takes one line, without its line end, into the reply.
 *
 * is_last  set: true when the reply is complete with this line
 *
 * Codes run from 200 to 599; behind the code stands a blank, a hyphen, or
 * nothing. All lines must carry the same code. Text may hold any octet.
 * Fails with EX_PROTOCOL and fate FATE_LATER on a line that is no such line and
 * where a limit is passed; where the line shows another protocol (HTTP, SSH,
 * POP3, IMAP, TLS) the hint says so.
 */
bool reply_take(struct reply *r, struct slice line, bool *is_last, struct error *err) NODISCARD;

/** True when the code is in the 2xx range that completes a command. */
bool reply_is_positive(const struct reply *r);

/**
 * Adds "535 5.7.8 Authentication failed" to out: the code, the enhanced code
 * once, and the lines joined by blanks, sanitised, at most about 400 octets.
 */
void reply_words(struct reply *r, struct buf *out);

/** The same without code and enhanced code; valid until the next call. */
const char *reply_text(struct reply *r);

/**
 * Reads an enhanced code ("5.7.1" and a blank or the end) from the start of s
 * into out; its class must be that of the reply code. Returns the octets it
 * takes, 0 where there is none, and then out is empty.
 */
size_t reply_enhanced(struct slice s, int code, char out[12]);
