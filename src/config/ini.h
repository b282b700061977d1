/* The grammar of the configuration file, through libinih. Lines are read and
 * checked by a reader of our own, because the library cuts long lines, takes
 * indented ones for continuations and text behind " ;" for comments, and in a
 * different way from one distribution to the next. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

/* Longest line of a file, without its end. */
enum { INI_LONGEST_LINE = 65536, INI_MOST_LINES = 100000 };

/* The start of a section, or one setting in it. Borrowed for the call. */
struct ini_entry {
	struct slice section; /* blanks trimmed and folded: "account work"; empty before any */
	struct slice key;     /* empty: here the section begins */
	struct slice value;   /* all behind the first "=", blanks trimmed; may be empty */
	unsigned line;        /* from 1 */
};

/* Who takes what ini_read finds. */
struct ini_sink {
	/* Returns false to end the reading. */
	bool (*entry)(void *context, const struct ini_entry *entry);
	/* A line that breaks the grammar; `text` says how and never quotes a value.
	 * Returns false to end the reading. */
	bool (*fault)(void *context, unsigned line, const char *text);
	void *context;
};

/**
 * Reads a whole file that stands in memory. A leading byte order mark of UTF-8
 * and CR before LF are skipped. Faults are: NUL, other control characters, a CR
 * inside a line, UTF-16, lines over INI_LONGEST_LINE, a section header without
 * its bracket or with text behind it, a line without "=", keys of unusual
 * characters. Keys below a faulty header are skipped: they belong nowhere.
 */
void ini_read(struct slice text, const struct ini_sink *sink);
