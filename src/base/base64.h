/* Base64 of RFC 4648 section 4: standard alphabet, with padding. */
#pragma once

#include "base/buf.h"

/** Adds the encoding of s to out, without line breaks. */
void base64_encode(struct buf *out, struct slice s);

/**
 * Adds the octets that s encodes to out. False, with out as it was, where s
 * holds anything but the alphabet, or its padding is wrong or missing.
 */
bool base64_decode(struct buf *out, struct slice s) NODISCARD;
