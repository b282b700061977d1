/* xtext, the form of free text in parameters of SMTP: RFC 3461 section 4. */
#pragma once

#include "base/buf.h"

/** True when s is printable ASCII without blank and "=", each "+" with two hexadecimal digits. */
bool xtext_is_valid(struct slice s);

/** True for an ORCPT value: a type, ";" and an address in xtext (RFC 3461 section 4.2). */
bool xtext_is_orcpt(struct slice s);

/** Adds s in xtext. False, with a part of it in out, where it is not printable ASCII. */
bool xtext_encode(struct slice s, struct buf *out) NODISCARD;

/**
 * Adds the text that s stands for, fit for one line of ASCII: what is no
 * printable ASCII after decoding becomes "?". A broken "+" stays as it is.
 */
void xtext_decode(struct slice s, struct buf *out);
