/* The words of delivery notices in options, commands and queue files: NOTIFY,
 * RET and ENVID of RFC 3461 section 4. */
#pragma once

#include "base/buf.h"
#include "mail/envelope.h"

enum { DSN_ENVID_SPACE = 101 }; /* the longest ENVID (RFC 3461 section 4.4) and a NUL */

/**
 * Reads NEVER alone, or a list of SUCCESS, FAILURE and DELAY with commas between,
 * in any case; then *out is set.
 */
bool dsn_notify_read(struct slice text, unsigned *out) NODISCARD;

/** Adds the list that stands for the bits; NEVER counts alone, no bits are no text. */
void dsn_notify_write(unsigned notify, struct buf *out);

/** Reads FULL or HDRS, in any case; then *out is set. */
bool dsn_return_read(struct slice text, enum dsn_return *out) NODISCARD;

/** FULL or HDRS, or NULL where neither was asked for. */
const char *dsn_return_word(enum dsn_return ret);

/**
 * Writes an envelope identifier in xtext (RFC 3461 section 4) to out. False,
 * with out as it was, where it is empty, not printable ASCII, or too long.
 */
bool dsn_envid_read(struct slice text, char out[DSN_ENVID_SPACE]) NODISCARD;
