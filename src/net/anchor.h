/* Finding one trust anchor among many: PEM and the front of certificates, read
 * without a library. What is found here is a guess that GnuTLS judges. */
#pragma once

#include "base/slice.h"

/* One block of a PEM file (RFC 7468). */
struct anchor_block {
	struct slice label; /* "CERTIFICATE"; empty where the block is malformed */
	struct slice body;  /* base64 between the lines of dashes */
	struct slice whole; /* with these lines */
};

/** Takes the next block off *rest; false where there is none. */
bool anchor_take_block(struct slice *rest, struct anchor_block *block) NODISCARD;

/* Octets that anchor_decode may write behind the space it was given. */
enum { ANCHOR_DECODE_SLACK = 4 };

/**
 * Decodes the front of a base64 text with blanks and line ends in it, up to
 * `space` octets or a few more, and returns how many it was. out has room for
 * space + ANCHOR_DECODE_SLACK.
 */
size_t anchor_decode(struct slice text, unsigned char *out, size_t space);

/**
 * Issuer and subject of a certificate as they are encoded; der may be cut
 * behind them. False where they are not there. RFC 5280 section 4.1.
 */
bool anchor_names(struct slice der, struct slice *issuer, struct slice *subject) NODISCARD;
