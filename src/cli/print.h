/* What people get to read on standard error. */
#pragma once

#include "base/error.h"

/**
 * Prints an error as one line, "program: text; hint", at most 1 KiB, with what
 * control characters are left replaced.
 */
void print_error(const char *program, const struct error *err);

/** For smtp_params: prints a line of the dialogue; context is the program's name. */
void print_trace(void *context, char direction, const char *line);
