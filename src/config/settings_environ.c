#include "config/settings.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/environ.h"
#include "config/guard.h"

#define PREFIX "PILLARBOX_"

enum { LONGEST_NAME = 64, LONGEST_VALUE = 65536 };

extern char **environ;

/* A variable with the prefix: what it is for. */
struct variable {
	const char *name;         /* whole, in the configuration's arena */
	char lower[LONGEST_NAME]; /* without the prefix, in lower case */
	struct slice value;
};

static bool value_is_fine(struct settings *s, const struct variable *v)
{
	struct error fault;

	for (size_t i = 0; i < v->value.len; i++)
		if (ascii_is_control(v->value.ptr[i]) && v->value.ptr[i] != '\t') {
			error_set(&fault, EX_CONFIG, "the value holds a control character");
			settings_fault_at(s, v->name, 0, &fault);
			return false;
		}
	if (v->value.len <= LONGEST_VALUE)
		return true;
	error_set(&fault, EX_CONFIG, "the value is longer than 65536 octets");
	settings_fault_at(s, v->name, 0, &fault);
	return false;
}

static void set(struct settings *s, struct section *section, const struct option *option,
	const struct variable *v)
{
	struct setting origin = {.source = v->name, .layer = LAYER_ENVIRONMENT};

	if (value_is_fine(s, v))
		settings_set(s, section, option, slice_trim(v->value), &origin);
}

/* PILLARBOX_USER_FILE=/path: the value is the first line of the file. */
static void set_from_file(struct settings *s, const struct option *option, const struct variable *v)
{
	CLEANUP(buf_wipe) struct buf text = BUF(LONGEST_VALUE + GUARD_SPARE);
	CLEANUP(buf_wipe) struct buf line = BUF(LONGEST_VALUE);
	const char *path = arena_dup(&s->config->arena, v->value);
	CLEANUP(fd_close) int fd = guard_open(path);
	struct variable inner = *v;
	struct stat st;
	struct error fault;

	if (fd < 0)
		error_errno(&fault, EX_CONFIG, "cannot open '%s'", path);
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		error_set(&fault, EX_CONFIG, "'%s' is not a file", path);
	else if (guard_read(fd, path, LONGEST_VALUE, &text, &fault) &&
		 guard_first_line(buf_slice(&text), path, &line, &fault)) {
		inner.value = buf_slice(&line);
		set(s, &s->environment, option, &inner);
		return;
	}
	settings_fault_at(s, v->name, 0, &fault);
}

/* PILLARBOX_ALIASES="root=a@x, b@x; *=a@x" */
static void set_aliases(struct settings *s, const struct variable *v)
{
	struct setting origin = {.source = v->name, .layer = LAYER_ENVIRONMENT};
	struct slice rest = v->value;
	struct error fault;

	if (!value_is_fine(s, v))
		return;
	for (struct slice item; (item = slice_word(&rest, ";")).len > 0;) {
		size_t equals = slice_find(item, '=');
		struct slice name = slice_trim(slice_upto(item, equals));

		if (slice_trim(item).len == 0)
			continue;
		if (equals < item.len && name.len > 0) {
			settings_alias(s, name, slice_trim(slice_from(item, equals + 1)), &origin);
			continue;
		}
		error_set(&fault, EX_CONFIG, "aliases are written as name=address; name=address");
		settings_fault_at(s, v->name, 0, &fault);
	}
}

/* The row of [mail], [queue] and so on, for "mail_domain". */
static const struct option *find_alone(const char *lower)
{
	size_t end = strcspn(lower, "_");

	for (size_t i = 0; i < option_count && lower[end] != '\0'; i++)
		if (strlen(options[i].section) == end &&
			strncmp(options[i].section, lower, end) == 0 &&
			strcmp(options[i].key, lower + end + 1) == 0 &&
			strcmp(options[i].section, "account") != 0)
			return &options[i];
	return NULL;
}

static const struct option *find_by_file(const char *lower)
{
	struct slice key = slice_of(lower);

	if (!slice_iends(key, SLICE("_file")))
		return NULL;
	return option_find("account", slice_upto(key, key.len - 5));
}

/* Names that are no key of ours are left alone: tests, wrappers and later
 * versions have theirs. */
static void read_variable(struct settings *s, struct variable *v)
{
	const struct option *option = option_find("account", slice_of(v->lower));

	if (option && option->type == OPTION_SECRET) {
		const char *secret = environ_take_secret(v->name);

		v->value = slice_of(secret);
	}
	/* Compose files and units often pass variables on that are empty. */
	if (v->value.len == 0)
		return;
	if (option)
		set(s, &s->environment, option, v);
	else if (strcmp(v->lower, "aliases") == 0)
		set_aliases(s, v);
	else if ((option = find_alone(v->lower)) != NULL)
		set(s, &s->alone, option, v);
	else if ((option = find_by_file(v->lower)) != NULL)
		set_from_file(s, option, v);
}

static bool split_variable(struct settings *s, const char *entry, struct variable *out)
{
	size_t prefix = strlen(PREFIX), len = strcspn(entry, "=");

	if (strncmp(entry, PREFIX, prefix) != 0 || entry[len] != '=' ||
		len - prefix >= LONGEST_NAME)
		return false;
	*out = (struct variable){
		.name = arena_dup(&s->config->arena, (struct slice){entry, len}),
		.value = slice_of(entry + len + 1),
	};
	for (size_t i = prefix; i < len; i++)
		out->lower[i - prefix] = ascii_lower(entry[i]);
	return true;
}

void settings_read_environment(struct settings *s)
{
	struct variable v, secret = {.name = PREFIX "PASSWORD", .lower = "password"};

	/* Taking it changes the environment: first, and by itself. */
	read_variable(s, &secret);
	if (!environ_is_trusted())
		return;
	for (char **entry = environ; entry && *entry; entry++)
		if (split_variable(s, *entry, &v))
			read_variable(s, &v);
}
