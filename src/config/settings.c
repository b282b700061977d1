#include "config/settings.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/guard.h"
#include "mail/aliases.h"

/* Enough to mend a file by; a file of nothing but faults is not worth more. */
enum { MOST_FAULTS = 100 };
enum { MOST_ALIASES = 4096 };

static struct setting *new_settings(struct settings *s)
{
	return arena_alloc(&s->config->arena, option_count * sizeof(struct setting));
}

void settings_init(struct settings *s, struct config *c, config_fault_fn *fault, void *context)
{
	*s = (struct settings){.config = c, .fault = fault, .fault_context = context};
	s->defaults.settings = new_settings(s);
	s->alone.settings = new_settings(s);
	s->environment.settings = new_settings(s);
}

bool settings_fault(struct settings *s, const struct error *fault)
{
	s->fault_count++;
	if (s->fault_count <= MOST_FAULTS)
		s->fault(s->fault_context, fault);
	return settings_go_on(s);
}

bool settings_go_on(const struct settings *s)
{
	return s->fault_count < MOST_FAULTS;
}

const char *settings_origin(struct settings *s, const char *source, unsigned line)
{
	if (line == 0)
		return source;
	return arena_printf(&s->config->arena, "%s:%u", source, line);
}

bool settings_fault_at(struct settings *s, const char *source, unsigned line, struct error *fault)
{
	if (line > 0)
		error_prefix(fault, "%s:%u", source, line);
	else
		error_prefix(fault, "%s", source);
	return settings_fault(s, fault);
}

/* --- one setting -------------------------------------------------------------- */

static bool is_here(const struct setting *set, const struct setting *origin)
{
	return set->value && set->layer == origin->layer;
}

/* Tells the fault of two settings of one layer that exclude each other. */
static void tell_second(struct settings *s, const struct option *first,
	const struct setting *before, const struct option *second, const struct setting *origin)
{
	struct error fault;
	const char *where = settings_origin(s, before->source, before->line);

	if (first == second)
		error_set(&fault, EX_CONFIG, "%s is given twice; first in %s", first->key, where);
	else
		error_set(&fault, EX_CONFIG, "%s cannot stand beside %s, which is given in %s",
			second->key, first->key, where);
	settings_fault_at(s, origin->source, origin->line, &fault);
}

/* Makes way for a new setting. False when the i-th option, which it is or excludes, is there. */
static bool clear(struct settings *s, struct section *section, size_t i,
	const struct option *option, const struct setting *origin)
{
	struct setting *other = &section->settings[i];

	if (is_here(other, origin)) {
		tell_second(s, &options[i], other, option, origin);
		return false;
	}
	other->value = NULL;
	return true;
}

static bool clear_group(struct settings *s, struct section *section, const struct option *option,
	const struct setting *origin)
{
	if (option->group == OPTION_ALONE)
		return clear(s, section, (size_t)(option - options), option, origin);
	for (size_t i = 0; i < option_count; i++)
		if (options[i].group == option->group && !clear(s, section, i, option, origin))
			return false;
	return true;
}

/* Copies a value to where it stays, and notes it when it is a secret. */
static char *keep_value(struct settings *s, const struct option *option, struct slice value)
{
	struct config *c = s->config;
	char *text = arena_dup(&c->arena, value);

	if (option_is_secret(option, value)) {
		struct config_secret *secret = arena_alloc(&c->arena, sizeof(*secret));

		*secret = (struct config_secret){text, c->secrets};
		c->secrets = secret;
	}
	return text;
}

void settings_set(struct settings *s, struct section *section, const struct option *option,
	struct slice value, const struct setting *origin)
{
	struct setting *setting = &section->settings[option - options];
	union {
		struct account account;
		struct config config;
	} trial;
	struct error *fault = &s->scratch;

	if (!clear_group(s, section, option, origin))
		return;
	*setting = *origin;
	setting->value = keep_value(s, option, value);
	memset(&trial, 0, sizeof(trial));
	if (!option_read(option, &s->config->arena, setting->value, &trial, fault)) {
		settings_fault_at(s, origin->source, origin->line, fault);
		setting->value = NULL;
	}
}

/* --- aliases ------------------------------------------------------------------- */

/* Called as sendmail nothing opens files or starts programs (DESIGN section 1). */
static bool check_target(
	struct slice name, struct slice target, const char *where, struct error *err)
{
	CLEANUP(aliases_done) struct aliases trial = {0};

	if (!aliases_add(&trial, name, target, where, err))
		return false;
	for (size_t i = 0; i < trial.items[0].count; i++) {
		const struct alias_target *one = &trial.items[0].targets[i];
		const char *wire;

		if (one->kind != ALIAS_ADDRESS)
			return error_set(err, EX_CONFIG,
				"%s: an alias leads to addresses, never to a file or a program",
				where);
		if (!address_wire(&trial.arena, &one->box, &wire, err)) {
			err->exit_code = EX_CONFIG;
			return error_prefix(err, "%s", where);
		}
	}
	return true;
}

static bool check_name(struct slice name, const char *where, struct error *err)
{
	if (slice_find(name, '@') < name.len)
		return error_set(err, EX_CONFIG,
			"%s: aliases are for names without a domain; leave out '@' and what "
			"follows",
			where);
	if (!text_is_utf8(name))
		return error_set(err, EX_CONFIG, "%s: the name of the alias is not UTF-8", where);
	return true;
}

static struct config_alias *find_alias(struct config *c, const char *name)
{
	for (size_t i = 0; i < c->alias_count; i++)
		if (strcmp(c->aliases[i].name, name) == 0)
			return &c->aliases[i];
	return NULL;
}

/* A place at the end of the aliases. */
static struct config_alias *new_alias(struct settings *s)
{
	struct config *c = s->config;

	if (c->alias_count == s->alias_space) {
		size_t space = s->alias_space > 0 ? s->alias_space * 2 : 16;
		struct config_alias *grown = arena_alloc(&c->arena, space * sizeof(*grown));

		if (c->alias_count > 0)
			memcpy(grown, c->aliases, c->alias_count * sizeof(*grown));
		c->aliases = grown;
		s->alias_space = space;
	}
	return &c->aliases[c->alias_count++];
}

static bool check_alias(struct settings *s, const char *key, const struct config_alias *before,
	struct slice target, const struct setting *origin, struct error *err)
{
	const char *where = settings_origin(s, origin->source, origin->line);

	if (!check_name(slice_of(key), where, err) ||
		!check_target(slice_of(key), target, where, err))
		return false;
	if (before && before->layer == (int)origin->layer)
		return error_set(err, EX_CONFIG, "%s: the alias '%s' is given twice; first in %s",
			where, key, before->origin);
	if (!before && s->config->alias_count == MOST_ALIASES)
		return error_set(err, EX_CONFIG, "%s: there are more than %d aliases here", where,
			MOST_ALIASES);
	return true;
}

void settings_alias(
	struct settings *s, struct slice name, struct slice target, const struct setting *origin)
{
	struct arena *arena = &s->config->arena;
	char *key = arena_dup(arena, name);
	struct error fault;

	for (char *at = key; *at; at++)
		*at = ascii_lower(*at);

	struct config_alias *alias = find_alias(s->config, key);

	if (!check_alias(s, key, alias, target, origin, &fault)) {
		settings_fault(s, &fault);
		return;
	}
	if (!alias)
		alias = new_alias(s);
	*alias = (struct config_alias){.name = key,
		.target = arena_dup(arena, target),
		.origin = settings_origin(s, origin->source, origin->line),
		.layer = (int)origin->layer};
}
