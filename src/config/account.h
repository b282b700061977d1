/* What the person wrote: accounts and settings, parsed and checked. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum account_tls {
	ACCOUNT_TLS_STARTTLS,
	ACCOUNT_TLS_IMPLICIT,
	ACCOUNT_TLS_NONE,
};

enum delivery {
	DELIVERY_FOREGROUND,
	DELIVERY_BACKGROUND,
	DELIVERY_QUEUE,
};

enum dot_ends {
	DOT_ENDS_TTY,
	DOT_ENDS_ALWAYS,
	DOT_ENDS_NEVER,
};

enum long_lines {
	LONG_LINES_ENCODE,
	LONG_LINES_PASS,
	LONG_LINES_REFUSE,
};

/* A list of words; texts live in the configuration's arena. */
struct words {
	const char **items;
	size_t count;
};

/* One account. All text lives in the configuration's arena; NULL: not given. */
struct account {
	const char *name;
	const char *origin; /* "file:line" of its section, or "environment", for words */
	struct words hosts; /* names, IP literals, or "srv:domain"; each without a port */
	uint16_t port;      /* 0: by tls (587, 465, 25) */
	enum account_tls tls;
	bool is_lmtp;
	const char *tls_trust_file;
	const char *tls_host;
	unsigned char (*tls_pins)[32];
	size_t tls_pin_count;
	const char *tls_cert_file;
	const char *tls_key_file;
	const char *tls_priority;
	struct words auth; /* lower case; "auto" when not given */
	const char *user;
	bool insecure_login;
	char *password; /* a secret: wiped by config_done */
	const char *password_file;
	const char *password_command;
	const char *password_credential;
	const char *from; /* envelope sender, user@domain */
	const char *from_name;
	bool forces_from;   /* from_policy = force */
	struct words match; /* addresses or patterns, lower-cased domains */
	const char *ehlo;
	int connect_timeout_ms; /* 0: 8 s in the foreground, 60 s in a queue run */
	int timeout_ms;         /* 60 s */
	int reply_timeout_ms;   /* 0: 2 min in the foreground, 10 min in a queue run */
	const char *source;
	const char *proxy;
	const char *socket;
	bool require_tls;
	long deliver_by_s; /* 0: none */
	char deliver_by_mode;
	int priority;
	bool has_priority;
	long hold_for_s;
};

/* "name = target[, target…]" of [aliases]; "*" is the catch-all. */
struct config_alias {
	const char *name;   /* lower case, or "*" */
	const char *target; /* an address list as written */
	const char *origin; /* "file:line" */
	int layer;          /* system file, own file, environment: for the reader alone */
};

/* A text of the arena that config_done wipes. */
struct config_secret {
	char *text;
	struct config_secret *next;
};

struct config {
	struct arena arena;
	struct account *accounts; /* as in use, with the environment's keys; the first is the
				     default one */
	size_t account_count;
	struct account *written; /* the same accounts without the environment's keys: a
				    PILLARBOX_FROM must not make every account fit */
	struct config_secret *secrets;
	struct {
		const char *domain;
		const char *aliases_file;
		uint64_t max_size; /* octets, 50 MiB */
		bool undisclosed;
		enum dot_ends dot_ends;
		enum long_lines long_lines;
	} mail;
	struct config_alias *aliases;
	size_t alias_count;
	struct {
		const char *directory; /* NULL: $XDG_STATE_HOME/pillarbox/queue */
		enum delivery delivery;
		int64_t retry_min_s, retry_max_s, expire_s, warn_s, keep_failed_s;
		uint64_t max_size; /* octets, 1 GiB */
		unsigned window;   /* messages in flight, 1..10 */
	} queue;
	struct {
		const char *file;
		bool syslog;
		bool json;
	} log;
	struct {
		const char *on_failure;
		const char *on_stuck;
	} notify;
	const char *sources;  /* files that were read, for words: "a, b" or "environment" */
	const char *looked;   /* each place that was looked at and what was found, for words */
	const char *own_file; /* where the person's own file is or would be; NULL: no home */
};

/**
 * Reads the configuration of DESIGN section 4: the system file, the person's
 * file, the environment; or the file `path` (--config) or PILLARBOX_CONFIG in their place.
 *
 * path  NULL except for `pillarbox --config`
 * out   set on success; release with config_done
 *
 * Fails with EX_CONFIG (or EX_NOPERM for wrong owner or mode) and words that
 * name file:line, and what to change. No account at all is no fault here.
 */
bool config_load(const char *path, struct config *out, struct error *err) NODISCARD;

/** Takes one of the faults of a configuration; the error is borrowed. */
typedef void config_fault_fn(void *context, const struct error *fault);

/**
 * Reads the configuration as config_load does and tells all faults, not just
 * the first, in the order of the files: those of single lines, then those of
 * accounts as a whole (account_check). Returns true when there is none.
 */
bool config_check(const char *path, config_fault_fn *fault, void *context) NODISCARD;

/* Where to read from; for config_read. */
struct config_places {
	const char *only;   /* this file and no other; NULL: the two below */
	const char *system; /* may be closed to us or missing; NULL: none */
	const char *own;    /* may be missing; NULL: none */
};

/**
 * Reads the configuration from the places given and the environment, and tells
 * all faults. True, and out is set, when there was none.
 */
bool config_read(const struct config_places *places, config_fault_fn *fault, void *context,
	struct config *out) NODISCARD;

/**
 * Checks that the keys of an account fit together: it has a server, a login
 * goes through TLS or stays on this machine (DESIGN section 4), a key has its
 * certificate. config_choose does this for the account it chooses, so that one
 * bad account stops no other. Fails with EX_CONFIG and words that name origin.
 */
bool account_check(const struct account *account, struct error *err) NODISCARD;

/** Wipes the secrets and frees everything. */
void config_done(struct config *c);

/**
 * The account for a message: by name where `name` is given; else the one whose
 * `from` or `match` fits the envelope sender, else the From header's address;
 * exact before pattern, else the first one.
 *
 * Fails with EX_CONFIG: no account of that name (did you mean), or none at all
 * (what was read, and the smallest configuration to write).
 */
bool config_choose(const struct config *c, const char *name, const char *sender,
	const char *header_from, const struct account **out, struct error *err) NODISCARD;

/**
 * The home directory: HOME where it is absolute, not / and belongs to the real uid,
 * else that of the passwd entry. NULL where there is neither. In the arena.
 */
const char *config_home(struct arena *arena);

/**
 * The directory of the queue: as configured, else under $XDG_STATE_HOME, else
 * under ~/.local/state. NULL where none can be named. In the arena.
 */
const char *config_queue_directory(struct arena *arena, const struct config *c);
