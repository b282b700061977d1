/* Pieces of text of a notice whose length and letters are not ours: folded and
 * wrapped, so that no line of a notice can break a rule of mail. */
#pragma once

#include "base/buf.h"

/**
 * Adds a field of message/delivery-status: "name: value", folded at blanks.
 * That type holds ASCII alone (RFC 3464 section 2.1): all else becomes "?".
 */
void notice_field(struct buf *out, const char *name, const char *value);

/**
 * Adds words for people, wrapped at blanks, each line behind `indent`; no line
 * is over 900 octets whatever the text is, and UTF-8 stays whole.
 */
void notice_words(struct buf *out, const char *indent, const char *text);

/** Adds an address as "rfc822; a@b", or in the form of RFC 6533 section 3 where it is not ASCII. */
void notice_address(struct buf *out, const char *address);

/** Adds text in quoted-printable (RFC 2045 section 6.7). */
void notice_quoted(struct buf *out, struct slice text);

/** True when text has only ASCII, no NUL, and no line over 998 octets. */
bool notice_is_plain(struct slice text);

/** Octets of the longest line, without its end. */
size_t notice_longest_line(struct slice text);
