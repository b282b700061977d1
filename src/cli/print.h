/* What people get to read on standard error. The name print_error belongs to
 * cmocka, whose macros in the tests would call ours. */
#pragma once

#include "base/error.h"

/**
 * Prints an error as one line, "program: text; hint", at most 1 KiB, with what
 * control characters are left replaced.
 */
void print_fault(const char *program, const struct error *err);

/**
 * Ends a program: what was printed goes out. Returns `code`, or EX_IOERR with
 * words where standard output could not be written and code was EX_OK.
 */
int print_finish(const char *program, int code);

/** For smtp_params: prints a line of the dialogue; context is the program's name. */
void print_trace(void *context, char direction, const char *line);
