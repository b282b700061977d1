/* The one table of configuration keys. The reader, help, completions and the
 * tests of the documentation all go by it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

/* How the text of a value is read; values.h says what each one takes. */
enum option_type {
	OPTION_TEXT,
	OPTION_SECRET,
	OPTION_YES_NO,
	OPTION_CHOICE,
	OPTION_EITHER, /* of two choices; the second one makes the bool true */
	OPTION_PORT,
	OPTION_COUNT,
	OPTION_SIZE,
	OPTION_MILLISECONDS,
	OPTION_SECONDS,
	OPTION_PATH,
	OPTION_PATH_OR_TOKEN, /* or a pkcs11: URI, RFC 7512 */
	OPTION_COMMAND,
	OPTION_HOST_NAME,
	OPTION_DOMAIN,
	OPTION_NAME_TO_SAY,
	OPTION_HOSTS,
	OPTION_PINS,
	OPTION_MECHANISMS,
	OPTION_ADDRESS,
	OPTION_PATTERNS,
	OPTION_SOURCE,
	OPTION_PROXY,
	OPTION_CREDENTIAL,
	OPTION_DELIVER_BY,
	OPTION_PRIORITY,
	OPTION_HOLD,
};

/* Keys of one group stand in for each other: one of them at a time, and one
 * given later takes the place of another given before. */
enum option_group {
	OPTION_ALONE,
	OPTION_OF_SERVER,
	OPTION_OF_SECRET,
};

struct option {
	const char *section; /* "account", "mail", "queue", "log", "notify" */
	const char *key;
	enum option_type type;
	size_t place;          /* offset in struct account for "account", else in struct config */
	const char *value;     /* the default, written as in a file; NULL: none */
	const char *otherwise; /* words for the manual where there is no such default */
	const char *help;      /* one line, no full stop */
	const char *choices;   /* words for OPTION_CHOICE (in the order of the enum) and _EITHER */
	int64_t min, max;      /* of numbers, sizes in octets, times in seconds */
	enum option_group group;
};

/** All rows, in the order of the manual; those of one section stand together. */
extern const struct option options[];
extern const size_t option_count;

/** The row of a key, NULL without one. */
const struct option *option_find(const char *section, struct slice key);

/**
 * Adds to a fault about a key that option_find does not know what might have
 * been meant: ": did you mean 'port'?", "; it belongs in [queue]", or nothing.
 */
void option_suggest(struct buf *out, const char *section, struct slice key);

/**
 * Adds ": did you mean 'x'?" for the candidate next to `word`, where one is near.
 * `next` gives candidates until it gives NULL.
 */
void option_suggest_from(
	struct buf *out, struct slice word, const char *(*next)(void *context), void *context);

/** True when a value of that row is a secret: a password, or a proxy with a login. */
bool option_is_secret(const struct option *option, struct slice value);

/** Adds the values that a row accepts, in words for people: "yes or no". */
void option_describe(const struct option *option, struct buf *out);

/**
 * Reads the text of a value into its place.
 *
 * base   the struct account or struct config that the row belongs to
 * arena  gets what the value needs beside the text
 * text   has to live as long as base
 *
 * Fails with EX_CONFIG and words that begin with the key and never hold a
 * secret; base is then as it was.
 */
bool option_read(const struct option *option, struct arena *arena, char *text, void *base,
	struct error *err) NODISCARD;
