/* Writing JSON (RFC 8259), one value after the other. */
#pragma once

#include "base/buf.h"

/* A document that is being written; start with {.out = &buf}. */
struct json {
	struct buf *out;  /* borrowed */
	bool needs_comma; /* private */
};

/** Opens an object '{' or an array '[' as an element of an array or of the document. */
void json_open(struct json *j, char bracket);

/** Opens an object or an array as the member `name` of an object. */
void json_open_member(struct json *j, const char *name, char bracket);

/** Closes what was opened last: '}' or ']'. */
void json_close(struct json *j, char bracket);

/** A member with a text; broken UTF-8 becomes '?', NULL becomes null. */
void json_text(struct json *j, const char *name, const char *value);

/** A member with a whole number. */
void json_number(struct json *j, const char *name, int64_t value);

/** A member with true or false. */
void json_bool(struct json *j, const char *name, bool value);
