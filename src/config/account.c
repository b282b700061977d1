#include "config/account.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "build_config.h"
#include "config/environ.h"
#include "config/guard.h"
#include "config/home.h"
#include "config/settings.h"

enum { LARGEST_FILE = 1 << 20, LMTP_PORT = 24 };

#define SYSTEM_FILE PILLARBOX_SYSCONFDIR "/pillarbox/config"

/* A reading under way, and what is noted on its places for words. */
struct reading {
	struct settings settings;
	struct buf sources; /* "a, b" */
	struct buf looked;  /* "'a' does not exist, 'b' was read" */
};

static void reading_done(struct reading *r)
{
	buf_done(&r->sources);
	buf_done(&r->looked);
}

PRINTF_LIKE(2, 3)
static void note(struct buf *into, const char *format, ...)
{
	va_list args;
	char text[1024];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (into->len > 0)
		buf_add_text(into, ", ");
	buf_add_text(into, text);
}

/* --- files ------------------------------------------------------------------- */

/* Words for a file that is there and that we may not read. */
static void note_closed(struct reading *r, const char *path, struct error *fault)
{
	CLEANUP(buf_done) struct buf facts = BUF(256);
	struct stat st;

	buf_add_text(&facts, "it cannot be examined");
	if (stat(path, &st) == 0) {
		buf_clear(&facts);
		guard_describe(&facts, &st);
	}
	error_set(fault, EX_NOPERM, "cannot read '%s': permission denied (%s)", path,
		buf_text(&facts));
	note(&r->looked, "'%s' is closed to you (%s)", path, buf_text(&facts));
}

static void read_open_file(struct reading *r, int fd, const char *path, enum layer layer)
{
	CLEANUP(buf_wipe) struct buf text = BUF(LARGEST_FILE + GUARD_SPARE);
	struct error fault;
	struct stat st;

	if (!guard_check(fd, path, &st, &fault) ||
		!guard_read(fd, path, LARGEST_FILE, &text, &fault)) {
		settings_fault(&r->settings, &fault);
		return;
	}
	note(&r->sources, "%s", path);
	note(&r->looked, "'%s' was read", path);
	settings_read(&r->settings, buf_slice(&text), path, layer, &st);
}

/* A file that is not there is no fault unless it was asked for. */
static void read_file(struct reading *r, const char *path, enum layer layer, bool is_asked_for)
{
	CLEANUP(fd_close) int fd = guard_open(path);
	struct error fault;
	struct stat st;

	if (fd >= 0) {
		read_open_file(r, fd, path, layer);
		return;
	}
	if (!is_asked_for && (errno == ENOENT || errno == ENOTDIR)) {
		note(&r->looked, "'%s' does not exist", path);
		return;
	}
	if (errno == EACCES || errno == EPERM) {
		/* The system's file may be closed to us. In a home that is closed
		 * to us there is no telling whether there is a file of our own. */
		bool is_borne = layer == LAYER_SYSTEM || stat(path, &st) < 0;

		note_closed(r, path, &fault);
		if (is_borne && !is_asked_for)
			return;
	} else if (errno == ENXIO) {
		error_set(&fault, EX_CONFIG, "'%s' is a socket, not a file", path);
	} else {
		error_errno(&fault, EX_CONFIG, "cannot open '%s'", path);
	}
	settings_fault(&r->settings, &fault);
}

/* --- accounts ------------------------------------------------------------------ */

/* The levels at which an account's key may be given, the strongest first. */
enum { LEVELS = 3 };

struct level {
	const struct section *section; /* or NULL */
	unsigned groups;               /* groups of options with a value, a bit for each */
};

static unsigned groups_of(const struct section *section)
{
	unsigned groups = 0;

	for (size_t i = 0; section && i < option_count; i++)
		if (section->settings[i].value)
			groups |= 1U << options[i].group;
	return groups;
}

static char *pick(const struct level levels[LEVELS], size_t i)
{
	for (size_t n = 0; n < LEVELS; n++) {
		if (!levels[n].section)
			continue;
		if (levels[n].section->settings[i].value)
			return levels[n].section->settings[i].value;
		if (options[i].group != OPTION_ALONE &&
			(levels[n].groups & 1U << options[i].group) != 0)
			return NULL;
	}
	return NULL;
}

/* Everything was read for a try when it was noted: this cannot fail any more. */
static void apply(struct reading *r, const struct option *option, char *value, void *base)
{
	struct error *fault = &r->settings.scratch;

	if (!option_read(option, &r->settings.config->arena, value, base, fault))
		settings_fault(&r->settings, fault);
}

/* The default of a row as text that may be kept; NULL without one. */
static char *default_of(struct arena *arena, const struct option *option)
{
	return arena_strdup(arena, option->value);
}

static void fill_account(struct reading *r, const struct section *section,
	const struct section *environment, struct account *out)
{
	const struct level levels[LEVELS] = {
		{environment, groups_of(environment)},
		{section, groups_of(section)},
		{&r->settings.defaults, groups_of(&r->settings.defaults)},
	};
	struct arena *arena = &r->settings.config->arena;

	out->name = section->name;
	out->origin = settings_origin(&r->settings, section->source, section->line);
	for (size_t i = 0; i < option_count; i++) {
		if (strcmp(options[i].section, "account") != 0)
			continue;

		char *value = pick(levels, i);

		if (!value)
			value = default_of(arena, &options[i]);
		if (value)
			apply(r, &options[i], value, out);
	}
	if (out->is_lmtp && out->port == 0)
		out->port = LMTP_PORT;
}

/* Accounts of the person's own file come before those of the system alone. */
static size_t order_accounts(const struct settings *s, const struct section **ordered)
{
	size_t n = 0;

	for (int layer = LAYER_OWN; layer >= LAYER_SYSTEM; layer--) {
		size_t first = n;

		for (size_t i = 0; i < s->account_count; i++)
			if ((int)s->accounts[i].layer == layer)
				ordered[n++] = &s->accounts[i];
		/* Those the system's file had as well stand where the own file has them. */
		for (size_t i = first + 1; i < n; i++)
			for (size_t k = i; k > first && ordered[k - 1]->line > ordered[k]->line;
				k--) {
				const struct section *swapped = ordered[k];

				ordered[k] = ordered[k - 1];
				ordered[k - 1] = swapped;
			}
	}
	return n;
}

static bool environment_has_any(const struct section *environment)
{
	for (size_t i = 0; i < option_count; i++)
		if (environment->settings[i].value)
			return true;
	return false;
}

/* Without any file PILLARBOX_HOST makes an account. */
static void add_environment_account(struct settings *s)
{
	struct arena *arena = &s->config->arena;
	struct section *account;

	if (s->account_count > 0 || (groups_of(&s->environment) & 1U << OPTION_OF_SERVER) == 0)
		return;
	account = arena_alloc(arena, sizeof(*account));
	*account = (struct section){.name = "environment",
		.source = "environment",
		.settings = arena_alloc(arena, option_count * sizeof(*account->settings))};
	s->accounts = account;
	s->account_count = 1;
}

static void build_accounts(struct reading *r)
{
	struct settings *s = &r->settings;
	struct config *c = s->config;

	add_environment_account(s);
	if (s->account_count == 0)
		return;

	const struct section **ordered =
		arena_alloc(&c->arena, s->account_count * sizeof(*ordered));
	bool has_any = environment_has_any(&s->environment);

	c->account_count = order_accounts(s, ordered);
	c->accounts = arena_alloc(&c->arena, c->account_count * sizeof(*c->accounts));
	c->written = c->accounts;
	if (has_any)
		c->written = arena_alloc(&c->arena, c->account_count * sizeof(*c->written));
	for (size_t i = 0; i < c->account_count; i++) {
		fill_account(r, ordered[i], &s->environment, &c->accounts[i]);
		if (has_any)
			fill_account(r, ordered[i], NULL, &c->written[i]);
	}
}

/* --- the rest ------------------------------------------------------------------- */

static void check_queue(struct reading *r)
{
	const struct config *c = r->settings.config;
	struct error fault;

	if (c->queue.retry_min_s > c->queue.retry_max_s) {
		error_set(&fault, EX_CONFIG, "[queue] retry_min is longer than retry_max");
		settings_fault(&r->settings, &fault);
	}
}

static void build_rest(struct reading *r)
{
	struct settings *s = &r->settings;

	for (size_t i = 0; i < option_count; i++) {
		char *value = s->alone.settings[i].value;

		if (strcmp(options[i].section, "account") == 0)
			continue;
		if (!value)
			value = default_of(&s->config->arena, &options[i]);
		if (value)
			apply(r, &options[i], value, s->config);
	}
	check_queue(r);
}

static void read_places(struct reading *r, const struct config_places *places)
{
	if (places->only)
		read_file(r, places->only, LAYER_OWN, true);
	if (!places->only && places->system)
		read_file(r, places->system, LAYER_SYSTEM, false);
	if (!places->only && places->own)
		read_file(r, places->own, LAYER_OWN, false);
	settings_read_environment(&r->settings);
}

bool config_read(const struct config_places *places, config_fault_fn *fault, void *context,
	struct config *out)
{
	CLEANUP(reading_done)
	struct reading r = {.sources = BUF(4096), .looked = BUF(4096)};
	CLEANUP(config_done) struct config c = {0};

	settings_init(&r.settings, &c, fault, context);
	read_places(&r, places);
	if (r.settings.fault_count == 0) {
		build_accounts(&r);
		build_rest(&r);
	}
	if (r.settings.fault_count > 0)
		return false;
	if (environment_has_any(&r.settings.environment))
		note(&r.sources, "environment");
	c.sources = arena_dup(&c.arena, buf_slice(&r.sources));
	c.looked = arena_dup(&c.arena, buf_slice(&r.looked));
	c.own_file = arena_strdup(&c.arena, places->only ? places->only : places->own);
	*out = c;
	c = (struct config){0};
	return true;
}

void config_done(struct config *c)
{
	for (struct config_secret *secret = c->secrets; secret; secret = secret->next)
		mem_wipe(secret->text, strlen(secret->text));
	arena_done(&c->arena);
	*c = (struct config){0};
}

/* --- which files ------------------------------------------------------------------ */

static bool find_places(
	struct arena *arena, const char *path, struct config_places *out, struct error *err)
{
	const char *chosen = path ? path : environ_get("PILLARBOX_CONFIG");

	/* Different ids always make the environment untrusted: the usual case
	 * need not ask for them. */
	if (!environ_is_trusted() && (getuid() != geteuid() || getgid() != getegid()))
		return error_set(err, EX_NOPERM,
			"refuses to run with a set-uid or set-gid bit: it would read one user's "
			"configuration with the rights of another");
	if (chosen && !path && chosen[0] != '/')
		return error_set(err, EX_CONFIG,
			"PILLARBOX_CONFIG has to be an absolute path, not '%.200s'", chosen);
	if (chosen)
		*out = (struct config_places){.only = arena_strdup(arena, chosen)};
	else
		*out = (struct config_places){
			.system = SYSTEM_FILE, .own = home_config_file(arena)};
	return true;
}

static void keep_first(void *context, const struct error *fault)
{
	struct error *first = context;

	if (first->exit_code == 0)
		*first = *fault;
}

static void arena_free(struct arena *arena)
{
	arena_done(arena);
}

bool config_load(const char *path, struct config *out, struct error *err)
{
	CLEANUP(arena_free) struct arena arena = {0};
	struct config_places places;
	struct error first = {0};

	if (!find_places(&arena, path, &places, err))
		return false;
	if (config_read(&places, keep_first, &first, out))
		return true;
	*err = first;
	return false;
}

bool config_check(const char *path, config_fault_fn *fault, void *context)
{
	CLEANUP(arena_free) struct arena arena = {0};
	CLEANUP(config_done) struct config c = {0};
	struct config_places places;
	struct error err;
	bool is_fine = true;

	if (!find_places(&arena, path, &places, &err)) {
		fault(context, &err);
		return false;
	}
	if (!config_read(&places, fault, context, &c))
		return false;
	for (size_t i = 0; i < c.account_count; i++)
		if (!account_check(&c.accounts[i], &err)) {
			fault(context, &err);
			is_fine = false;
		}
	return is_fine;
}
