/* The long options of `pillarbox send`, besides those of sendmail. */
#pragma once

#include "base/slice.h"
#include "cli/args.h"

struct send_option {
	const char *name;       /* "--account" */
	const char *value_name; /* NULL: it has no value */
	bool (*apply)(struct request *r, const char *value, struct error *err);
	const char *help;
};

/** The row of an option, NULL without one. */
const struct send_option *send_option_find(struct slice name);

/** Prints the table to standard output. */
void send_options_print(void);
