/* The fields of MIME parts, taken apart: RFC 2045 section 5.1, with the
 * deviations that are common in mail. */
#pragma once

#include "base/buf.h"

/** Takes blanks, line ends and comments (nested too) off the front of *rest. */
void mime_skip_blanks(struct slice *rest);

/** Takes a token off the front of *rest; empty where none stands there. */
struct slice mime_token(struct slice *rest);

/**
 * The media type of a Content-Type body: "text" and "plain". False where it is
 * none.
 */
bool mime_type(struct slice body, struct slice *type, struct slice *subtype) NODISCARD;

/* One parameter of a Content-Type or Content-Disposition field. */
struct mime_param {
	struct slice name;  /* as written, with the "*" of RFC 2231 */
	struct slice value; /* as written, with its quotes */
	struct slice whole; /* name to value */
};

/**
 * Takes the next parameter off *rest, which starts behind the media type or
 * what the last call left. False at the end. What is no parameter is passed
 * over.
 */
bool mime_next_param(struct slice *rest, struct mime_param *out) NODISCARD;

/** Adds the value of a parameter to out, quotes and escapes resolved. */
void mime_param_value(const struct mime_param *param, struct buf *out);

/** Adds the value of the named parameter of a field body to out; false without one. */
bool mime_find_param(struct slice body, const char *name, struct buf *out) NODISCARD;
