/* What was written where: settings as text, in layers, before they are put
 * together to accounts. */
#pragma once

#include <sys/stat.h>

#include "base/buf.h"
#include "config/account.h"
#include "config/options.h"

/* Later layers win, key by key. */
enum layer {
	LAYER_SYSTEM,
	LAYER_OWN,
	LAYER_ENVIRONMENT,
};

struct setting {
	char *value;        /* NULL: not given */
	const char *source; /* the file, or the variable of the environment */
	unsigned line;      /* 0 for a variable */
	enum layer layer;
};

/* An account, the defaults of accounts, or all sections that stand alone. */
struct section {
	const char *name;         /* of the account; else NULL */
	struct setting *settings; /* one for each row of options[] */
	const char *source;       /* where it began last */
	unsigned line;
	enum layer layer;
};

/* Sections that are there once in a file, besides accounts. */
enum { SINGLE_SECTIONS = 6 };

struct settings {
	struct config *config; /* owns all text; gets aliases and secrets */
	config_fault_fn *fault;
	void *fault_context;
	size_t fault_count;
	struct section *accounts;
	size_t account_count, account_space;
	size_t alias_space;
	struct section defaults;
	struct section alone;
	struct section environment; /* keys of the account in use */
	struct {
		unsigned line;
		const char *source;
	} began[SINGLE_SECTIONS]; /* in the file that was read last */
	struct error scratch; /* for the fault of a value; to make one for each would cost more */
};

/** Empty settings for c, which must be zeroed. */
void settings_init(struct settings *s, struct config *c, config_fault_fn *fault, void *context);

/** Tells a fault; false when there were so many that reading should end. */
bool settings_fault(struct settings *s, const struct error *fault);

/** False when there were so many faults that reading should end. */
bool settings_go_on(const struct settings *s);

/** Tells a fault with "source:line: " before its words; else as settings_fault. */
bool settings_fault_at(struct settings *s, const char *source, unsigned line, struct error *fault);

/**
 * Notes a setting of a section, after it was read for a try. Tells the fault
 * where the value is bad, or the key or one of its group was given before in
 * the same layer.
 *
 * value  copied, and wiped with the configuration if it is a secret
 */
void settings_set(struct settings *s, struct section *section, const struct option *option,
	struct slice value, const struct setting *origin);

/** Notes an alias; tells faults. `name` is lower-cased. */
void settings_alias(
	struct settings *s, struct slice name, struct slice target, const struct setting *origin);

/** Reads the text of one file. st is of the open file. */
void settings_read(struct settings *s, struct slice text, const char *path, enum layer layer,
	const struct stat *st);

/** Reads PILLARBOX_… from the environment. */
void settings_read_environment(struct settings *s);

/** "file:line" or the variable's name; in the configuration's arena. */
const char *settings_origin(struct settings *s, const char *source, unsigned line);
