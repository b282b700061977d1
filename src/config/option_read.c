#include "config/options.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "base/words.h"
#include "config/values.h"

/* --- words ------------------------------------------------------------------ */

static bool read_text(const struct value *v, struct error *err)
{
	if (!text_is_utf8(slice_of(v->text)))
		return error_set(err, EX_CONFIG, "%s is not UTF-8", v->option->key);
	*(const char **)value_place(v) = v->text;
	return true;
}

static bool read_secret(const struct value *v, struct error *err UNUSED)
{
	*(char **)value_place(v) = v->text;
	return true;
}

static bool read_yes_no(const struct value *v, struct error *err)
{
	static const struct {
		const char *word;
		bool meaning;
	} words[] = {
		{"yes", true},
		{"no", false},
		{"on", true},
		{"off", false},
		{"true", true},
		{"false", false},
		{"1", true},
		{"0", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_ieq(slice_of(words[i].word), slice_of(v->text))) {
			*(bool *)value_place(v) = words[i].meaning;
			return true;
		}
	return value_refuse(v, slice_of(v->text), err);
}

/* Candidates for "did you mean". */
static const char *next_choice(void *context)
{
	const char **next = context;
	const char *given = *next;

	if (given)
		*next = given[strlen(given) + 1] != '\0' ? given + strlen(given) + 1 : NULL;
	return given;
}

/* Words for TLS that other programs use. */
static const char *meant_choice(const struct value *v)
{
	static const struct {
		const char *key, *theirs, *ours;
	} words[] = {
		{"tls", "off", "none"},
		{"tls", "no", "none"},
		{"tls", "plain", "none"},
		{"tls", "on", "starttls"},
		{"tls", "yes", "starttls"},
		{"tls", "tls", "implicit"},
		{"tls", "ssl", "implicit"},
		{"tls", "smtps", "implicit"},
		{"delivery", "deferred", "queue"},
		{"delivery", "interactive", "foreground"},
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i].key, v->option->key) == 0 &&
			slice_ieq(slice_of(words[i].theirs), slice_of(v->text)))
			return words[i].ours;
	return NULL;
}

static bool refuse_choice(const struct value *v, struct error *err)
{
	CLEANUP(buf_done) struct buf guess = BUF(128);
	size_t len = strlen(v->option->choices);
	char *list = arena_alloc(v->arena, len + 2);
	const char *next = list, *meant = meant_choice(v);

	memcpy(list, v->option->choices, len);
	for (size_t i = 0; i < len; i++)
		if (list[i] == ' ')
			list[i] = '\0';
	if (meant)
		buf_printf(&guess, ": did you mean '%s'?", meant);
	else
		option_suggest_from(&guess, slice_of(v->text), next_choice, &next);
	value_refuse(v, slice_of(v->text), err);

	size_t at = strlen(err->text);

	text_sanitize_into(err->text + at, sizeof(err->text) - at, buf_slice(&guess));
	return false;
}

static bool find_choice(const struct value *v, unsigned *out, struct error *err)
{
	struct slice rest = slice_of(v->option->choices);
	unsigned i = 0;

	for (struct slice word; (word = slice_word(&rest, " ")).len > 0; i++)
		if (slice_ieq(word, slice_of(v->text))) {
			*out = i;
			return true;
		}
	return refuse_choice(v, err);
}

static bool read_choice(const struct value *v, struct error *err)
{
	unsigned choice;

	if (!find_choice(v, &choice, err))
		return false;
	/* Enums without negative values have the form of an unsigned int. */
	memcpy(value_place(v), &choice, sizeof(choice));
	return true;
}

static bool read_either(const struct value *v, struct error *err)
{
	unsigned choice;

	if (!find_choice(v, &choice, err))
		return false;
	*(bool *)value_place(v) = choice == 1;
	return true;
}

/* --- numbers ----------------------------------------------------------------- */

/* A number with one of `units` behind it, multiplied by the unit's factor. */
struct unit {
	char letter; /* in lower case; '\0': no letter */
	int64_t factor;
};

static bool find_number(const struct value *v, struct slice text, const struct unit *units,
	size_t unit_count, int64_t *out, struct error *err)
{
	char letter = text.len > 0 ? ascii_lower(text.ptr[text.len - 1]) : '\0';
	struct slice digits = text;
	uint64_t number;

	if (ascii_is_alpha(letter))
		digits.len--;
	else
		letter = '\0';
	for (size_t i = 0; i < unit_count; i++) {
		if (units[i].letter != letter)
			continue;
		if (!slice_is_number(digits, INT64_MAX / (uint64_t)units[i].factor, &number))
			break;
		*out = (int64_t)number * units[i].factor;
		return true;
	}
	return value_refuse(v, text, err);
}

static bool find_seconds(const struct value *v, struct slice text, int64_t *out, struct error *err)
{
	static const struct unit units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	int64_t seconds = 0;

	if (!find_number(v, text, units, ARRAY_LEN(units), &seconds, err))
		return false;
	if (seconds < v->option->min || seconds > v->option->max) {
		value_refuse_for(v, text, "is out of range", err);
		return error_hint(err, "%s takes %lld to %lld seconds", v->option->key,
			(long long)v->option->min, (long long)v->option->max);
	}
	*out = seconds;
	return true;
}

static bool read_seconds(const struct value *v, struct error *err)
{
	return find_seconds(v, slice_of(v->text), value_place(v), err);
}

static bool read_milliseconds(const struct value *v, struct error *err)
{
	int64_t seconds;

	if (!find_seconds(v, slice_of(v->text), &seconds, err))
		return false;
	*(int *)value_place(v) = (int)(seconds * 1000);
	return true;
}

static bool read_hold(const struct value *v, struct error *err)
{
	int64_t seconds;

	if (!find_seconds(v, slice_of(v->text), &seconds, err))
		return false;
	*(long *)value_place(v) = (long)seconds;
	return true;
}

static bool read_deliver_by(const struct value *v, struct error *err)
{
	struct account *account = v->base;
	struct slice rest = slice_of(v->text);
	struct slice time = slice_word(&rest, " \t");
	struct slice mode = slice_trim(rest);
	int64_t seconds;

	if (!find_seconds(v, time, &seconds, err))
		return false;
	if (mode.len > 0 && !slice_ieq(mode, SLICE("return")) && !slice_ieq(mode, SLICE("notify")))
		return value_refuse(v, slice_of(v->text), err);
	account->deliver_by_s = (long)seconds;
	account->deliver_by_mode = slice_ieq(mode, SLICE("return")) ? 'R' : 'N';
	return true;
}

static bool read_size(const struct value *v, struct error *err)
{
	static const struct unit units[] = {{'\0', 1}, {'k', INT64_C(1) << 10},
		{'m', INT64_C(1) << 20}, {'g', INT64_C(1) << 30}, {'t', INT64_C(1) << 40}};
	int64_t octets = 0;

	if (!find_number(v, slice_of(v->text), units, ARRAY_LEN(units), &octets, err))
		return false;
	if (octets < v->option->min || octets > v->option->max)
		return value_refuse_for(v, slice_of(v->text), "is out of range", err);
	*(uint64_t *)value_place(v) = (uint64_t)octets;
	return true;
}

static bool read_port(const struct value *v, struct error *err)
{
	uint64_t port;

	if (!slice_is_number(slice_of(v->text), UINT16_MAX, &port) || port == 0)
		return value_refuse(v, slice_of(v->text), err);
	*(uint16_t *)value_place(v) = (uint16_t)port;
	return true;
}

static bool read_count(const struct value *v, struct error *err)
{
	uint64_t count;

	if (!slice_is_number(slice_of(v->text), (uint64_t)v->option->max, &count) ||
		count < (uint64_t)v->option->min)
		return value_refuse(v, slice_of(v->text), err);
	*(unsigned *)value_place(v) = (unsigned)count;
	return true;
}

static bool read_priority(const struct value *v, struct error *err)
{
	struct account *account = v->base;
	struct slice text = slice_of(v->text);
	bool is_negative = slice_starts(text, SLICE("-"));
	bool is_signed = is_negative || slice_starts(text, SLICE("+"));
	uint64_t number;

	if (!slice_is_number(slice_from(text, is_signed), (uint64_t)v->option->max, &number))
		return value_refuse(v, text, err);
	account->priority = is_negative ? -(int)number : (int)number;
	account->has_priority = true;
	return true;
}

/* --- files and commands ------------------------------------------------------- */

static bool read_path(const struct value *v, struct error *err)
{
	const char *path = v->text;

	if (strncmp(path, "~/", 2) == 0) {
		const char *home = config_home(v->arena);

		if (!home)
			return error_set(err, EX_CONFIG,
				"%s: '~/' cannot be used, as there is no home directory",
				v->option->key);
		path = arena_printf(v->arena, "%s/%s", home, path + 2);
	}
	if (path[0] != '/')
		return value_refuse(v, slice_of(v->text), err);
	if (strlen(path) >= PATH_MAX)
		return value_refuse_for(v, slice_of(v->text), "is too long", err);
	*(const char **)value_place(v) = path;
	return true;
}

static bool read_path_or_token(const struct value *v, struct error *err)
{
	struct slice text = slice_of(v->text);

	if (!slice_starts(text, SLICE("pkcs11:")) && option_is_secret(v->option, text))
		return value_refuse(v, slice_upto(text, slice_find(text, '?')), err);
	if (!slice_starts(text, SLICE("pkcs11:")))
		return read_path(v, err);
	if (text.len >= PATH_MAX)
		return error_set(err, EX_CONFIG, "%s: the URI is too long", v->option->key);
	*(const char **)value_place(v) = v->text;
	return true;
}

/* The words are not shown: people put tokens into them. */
static bool read_command(const struct value *v, struct error *err)
{
	char **argv;

	if (!words_split(v->arena, slice_of(v->text), &argv, err))
		return error_prefix(err, "%s", v->option->key);
	*(const char **)value_place(v) = v->text;
	return true;
}

static bool read_credential(const struct value *v, struct error *err)
{
	if (strchr(v->text, '/') || v->text[0] == '.' || strlen(v->text) > NAME_MAX)
		return value_refuse(v, slice_of(v->text), err);
	*(const char **)value_place(v) = v->text;
	return true;
}

/* --- the table of readers ------------------------------------------------------ */

static bool read_host_name(const struct value *v, struct error *err)
{
	return value_host_name(v, true, err);
}

static bool read_domain(const struct value *v, struct error *err)
{
	return value_host_name(v, false, err);
}

bool option_read(
	const struct option *option, struct arena *arena, char *text, void *base, struct error *err)
{
	static bool (*const readers[])(const struct value *v, struct error *err) = {
		[OPTION_TEXT] = read_text,
		[OPTION_SECRET] = read_secret,
		[OPTION_YES_NO] = read_yes_no,
		[OPTION_CHOICE] = read_choice,
		[OPTION_EITHER] = read_either,
		[OPTION_PORT] = read_port,
		[OPTION_COUNT] = read_count,
		[OPTION_SIZE] = read_size,
		[OPTION_MILLISECONDS] = read_milliseconds,
		[OPTION_SECONDS] = read_seconds,
		[OPTION_PATH] = read_path,
		[OPTION_PATH_OR_TOKEN] = read_path_or_token,
		[OPTION_COMMAND] = read_command,
		[OPTION_HOST_NAME] = read_host_name,
		[OPTION_DOMAIN] = read_domain,
		[OPTION_NAME_TO_SAY] = value_name_to_say,
		[OPTION_HOSTS] = value_hosts,
		[OPTION_PINS] = value_pins,
		[OPTION_MECHANISMS] = value_mechanisms,
		[OPTION_ADDRESS] = value_address,
		[OPTION_PATTERNS] = value_patterns,
		[OPTION_SOURCE] = value_source,
		[OPTION_PROXY] = value_proxy,
		[OPTION_CREDENTIAL] = read_credential,
		[OPTION_DELIVER_BY] = read_deliver_by,
		[OPTION_PRIORITY] = read_priority,
		[OPTION_HOLD] = read_hold,
	};
	struct value value = {option, arena, text, base};

	if (text[0] == '\0') {
		error_set(err, EX_CONFIG, "%s has no value", option->key);
		return error_hint(err, "remove the line to have the default");
	}
	return readers[option->type](&value, err);
}
