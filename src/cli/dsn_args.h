/* The values of -N, -R and -V (RFC 3461). A value that is not understood is
 * never a reason to lose mail: the caller leaves the option out. */
#pragma once

#include "base/common.h"
#include "mail/envelope.h"

/** "never" alone, or a comma list of success, failure and delay, in any case; then *out is set. */
bool dsn_notify_is_valid(const char *value, unsigned *out) NODISCARD;

/** "full" or "hdrs", in any case; then *out is set. */
bool dsn_return_is_valid(const char *value, enum dsn_return *out) NODISCARD;

enum { DSN_ENVID_SPACE = 101 }; /* the longest ENVID (RFC 3461 section 4.4) and a NUL */

/**
 * Writes an envelope identifier in xtext (RFC 3461 section 4) to out. False,
 * with out as it was, where it is empty, not printable ASCII, or too long.
 */
bool dsn_envid_is_valid(const char *value, char out[DSN_ENVID_SPACE]) NODISCARD;
