/* Content transfer encodings of RFC 2045 section 6, as streams. */
#pragma once

#include "base/buf.h"

/* What an encoder makes of the octets it is given. */
enum encoding {
	ENCODE_QP,            /* canonical text to quoted-printable */
	ENCODE_BASE64,        /* anything to base64 */
	ENCODE_REWRAP_QP,     /* quoted-printable to the same with lines of 76 octets at most */
	ENCODE_REWRAP_BASE64, /* base64 to the same with lines of 76 octets at most */
};

struct encoder {
	enum encoding encoding;
	struct buf pending; /* private: owned; octets whose encoding depends on what follows */
	size_t column;      /* private: octets on the present line of the output */
};

/** Starts an encoder. */
void encoder_init(struct encoder *e, enum encoding encoding);

/** Frees what the encoder holds. */
void encoder_done(struct encoder *e);

/**
 * Encodes more octets, at most 65536 at a time, cut anywhere, and adds the
 * result to out: at most four times as many, and a few.
 *
 * In quoted-printable CRLF stays a line end; blanks at line ends are encoded,
 * so are "From " and a dot at the start of a line, which others change on the
 * way.
 */
void encoder_add(struct encoder *e, struct slice text, struct buf *out);

/** Encodes the rest. ends_line: the output ends in CRLF where the input did not. */
void encoder_end(struct encoder *e, bool ends_line, struct buf *out);
