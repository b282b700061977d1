/* A message that the server cannot take as it is, made fit: the smallest parts
 * that need it are encoded, everything else stays byte for byte. */
#pragma once

#include "base/buf.h"
#include "mail/body.h"
#include "mail/content.h"

/* What to do with lines over 998 octets; the order is that of `long_lines`. */
enum transform_policy {
	TRANSFORM_ENCODE,
	TRANSFORM_PASS,
	TRANSFORM_REFUSE,
};

/* What the server takes, and the person wants. */
struct transform_wants {
	bool has_8bitmime;   /* RFC 6152 */
	bool has_smtputf8;   /* RFC 6531: 8-bit headers stay */
	bool has_binarymime; /* the message will be sent as BODY=BINARYMIME (RFC 3030) */
	enum transform_policy long_lines;
	const char *spill_dirs[SPILL_DIRS]; /* where a large result may go; NULL ends */
};

/* The result. */
struct transformed {
	struct content content; /* valid as long as this */
	struct buf head;        /* owned */
	struct body body;       /* owned */
};

/** True when the message cannot be sent as it is. Constant time. */
bool transform_needed(const struct content *content, const struct transform_wants *wants);

/**
 * Makes a message fit. Bodies of parts that hold 8-bit octets, NUL or long
 * lines are encoded, quoted-printable where they are mostly ASCII text and
 * base64 otherwise, and their fields set right; parts that are encoded but
 * have long lines are wrapped anew; long header lines are folded, 8-bit
 * headers encoded (header_encode_8bit). A preamble or epilogue at fault, which
 * no reader shows, is left out.
 *
 * in   stays as it is
 * out  set on success; release with transformed_done
 *
 * Fails with EX_DATAERR where a part at fault may not be changed: it is
 * signed or encrypted, its type forbids an encoding, or `long_lines` is
 * TRANSFORM_REFUSE. With TRANSFORM_PASS long lines stay, and parts that may not
 * be changed are sent as they are, unless they hold a NUL. Fails also as
 * mime_walk and spill_write do.
 */
bool transform_content(const struct content *in, const struct transform_wants *wants,
	struct transformed *out, struct error *err) NODISCARD;

/** Frees the result. */
void transformed_done(struct transformed *t);
