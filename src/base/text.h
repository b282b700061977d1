/* Text from outside made fit for people, and small checks of text. */
#pragma once

#include "base/buf.h"

/**
 * Adds text of an unknown origin to out so that a terminal, a log and a mail
 * header can show it: printable ASCII and well-formed UTF-8 stay, control
 * characters (C0, DEL, C1) and broken UTF-8 become "?", CR and LF a blank. At
 * most max octets of s are looked at; a cut is shown as "...".
 */
void text_sanitize(struct buf *out, struct slice s, size_t max);

/** The same into the caller's array, NUL-terminated and cut to fit. */
void text_sanitize_into(char *out, size_t space, struct slice s);

/** True when s is well-formed UTF-8 (RFC 3629), ASCII included. */
bool text_is_utf8(struct slice s);

/**
 * Number of single-letter changes (insert, remove, replace, swap neighbours)
 * between two short words, for "did you mean"; `max + 1` when there are more.
 */
size_t text_distance(const char *a, const char *b, size_t max);
