/* One line for each thing that happened to a message, to a file or to syslog.
 * A log that cannot be written never stops or fails the mail. */
#pragma once

#include "base/common.h"

struct log_field {
	const char *name;  /* lower case letters and '_' */
	const char *value; /* any text, sanitised when written; NULL leaves the field out */
};

/** Chooses where lines go from now on; file may be NULL. The texts are borrowed. */
void log_set(const char *program, const char *file, bool to_syslog, bool as_json);

/**
 * Writes one line: time, program, process, the event and its fields, as
 * "name=value" or as one JSON object. Never fails, never waits: a file that
 * is not a regular one of this user is left alone.
 */
void log_event(const char *event, const struct log_field *fields, size_t count);
