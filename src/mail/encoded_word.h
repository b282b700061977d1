/* Words of header fields that are not ASCII: RFC 2047. */
#pragma once

#include "base/buf.h"

/* Most octets of an encoded word, and of a line that holds one (section 2). */
enum { ENCODED_WORD_MAX = 75, ENCODED_LINE_MAX = 76 };

/**
 * Adds text as encoded words in UTF-8, in the alphabet that is safe in a display
 * name too (section 5, rule 3), each within its limit and without a character
 * split between two. Where a line is full it is folded with CRLF and a blank.
 * Text that is not UTF-8 is taken for ISO 8859-1. Empty text adds nothing.
 *
 * column  octets that stand on the present line of out already
 */
void encoded_word_add(struct buf *out, struct slice text, size_t column);
