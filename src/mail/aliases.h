/* Aliases: which addresses stand behind a bare name. The text of /etc/aliases
 * and the [aliases] section of the configuration fill one table. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "mail/address.h"

/* What a target of an alias is; mail goes to addresses alone. */
enum alias_kind {
	ALIAS_ADDRESS, /* a mailbox, or a bare name that may be an alias itself */
	ALIAS_PIPE,    /* "|command" */
	ALIAS_FILE,    /* "/path/to/file" */
	ALIAS_INCLUDE, /* ":include:/path", and other ":word:" of other systems */
};

struct alias_target {
	enum alias_kind kind;
	bool is_final;      /* "\\name": the name itself, whatever aliases there are */
	const char *text;   /* as written, quotation marks resolved; for messages */
	struct mailbox box; /* ALIAS_ADDRESS: the address */
};

struct alias {
	const char *name;  /* without quotation marks; "*" catches all bare names */
	const char *place; /* for messages: "/etc/aliases:12" */
	struct alias_target *targets;
	size_t count;
	size_t number; /* private: order of definition */
	size_t round;  /* private: the call of aliases_expand that used it last */
	bool is_open;  /* private: its targets are being expanded */
};

struct aliases {
	struct arena arena;  /* owns all text and the targets */
	struct alias *items; /* on the heap, owned */
	size_t count;
	size_t space;
	size_t round;   /* private: calls of aliases_expand */
	bool is_sorted; /* private: items are in order of their names */
};

/** Frees all that the table owns. */
void aliases_done(struct aliases *table);

/**
 * Defines an alias. Where a name is defined twice (without regard to case, as
 * local names are looked up), the first definition counts.
 *
 * targets  addresses, bare names, pipes, files and includes, with commas between
 * place    names the definition in messages: "config:12"
 *
 * Fails with EX_CONFIG where the name is empty, where there is no target, and
 * where a target is no address; the words begin with `place`.
 */
bool aliases_add(struct aliases *table, struct slice name, struct slice targets, const char *place,
	struct error *err) NODISCARD;

/**
 * Reads the text of an aliases file: "name: target, target", comments in lines
 * that begin with # or with blanks and #, other lines that begin with a blank
 * continue the one before.
 *
 * file  its path, for messages
 *
 * Fails with EX_CONFIG; the words begin with "file:line". The table keeps what
 * was read before the fault.
 */
bool aliases_parse(
	struct aliases *table, const char *file, struct slice text, struct error *err) NODISCARD;

/** The alias of a bare name, without regard to case, or NULL. The catch-all is "*". */
struct alias *aliases_find(struct aliases *table, struct slice name);

/**
 * Replaces a bare name by the addresses behind it, through as many aliases as
 * stand between. The catch-all serves all names that no other alias knows. A
 * name without any alias stays as it is, and so does the name of an alias among
 * its own targets ("root: root, ann@x"). Each alias is used once in a call, so
 * that circles end and the work is linear in the table.
 *
 * out  gets the mailboxes added at its end, no address twice; bare names among
 *      them are final. They live in `arena` and in the table. Untouched on failure
 *
 * Fails with EX_CONFIG where a target is a pipe, a file or an include (no command
 * is run and no file written for an address), and where a circle leaves no address.
 */
bool aliases_expand(struct aliases *table, struct arena *arena, const struct mailbox *name,
	struct mailbox_list *out, struct error *err) NODISCARD;
