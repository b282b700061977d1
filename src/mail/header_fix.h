/* Header fields made fit for servers that take less: lines of 998 octets, and
 * ASCII alone. */
#pragma once

#include "base/error.h"
#include "mail/header.h"

enum { HEADER_LINE_MAX = 998 }; /* octets without CRLF: RFC 5322 section 2.1.1 */

/**
 * Writes 8-bit text as encoded words (RFC 2047 section 5) where that is legal:
 * in unstructured fields, display names, comments and phrases; in parameters of
 * MIME fields as RFC 2231 says. Where it is not, as in addresses, the octets
 * stay. New text lives in the arena.
 */
void header_encode_8bit(struct header *h, struct arena *arena);

/**
 * Folds lines over 998 octets at white space. Fails with EX_DATAERR where a
 * line has none that would do: a word is never split.
 */
bool header_refold(struct header *h, struct arena *arena, struct error *err) NODISCARD;
