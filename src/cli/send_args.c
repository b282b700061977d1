#include "cli/send_args.h"

#include <stdio.h>
#include <string.h>

#include "config/options.h"

static bool set_account(struct request *r, const char *value, UNUSED struct error *err)
{
	r->submission.account = value;
	return true;
}

static bool set_config(struct request *r, const char *value, UNUSED struct error *err)
{
	r->config_file = value;
	return true;
}

static bool set_require_tls(struct request *r, UNUSED const char *value, UNUSED struct error *err)
{
	r->submission.demands.require_tls = true;
	return true;
}

/* Reads a value as the key of an account that means the same. */
static bool read_as_key(
	const char *key, const char *text, struct account *scratch, struct error *err)
{
	CLEANUP(arena_done) struct arena arena = {0};

	if (option_read(option_find("account", slice_of(key)), &arena, arena_strdup(&arena, text),
		    scratch, err))
		return true;
	err->exit_code = EX_USAGE;
	return false;
}

/* "2h", "2h;R" and "2h;N" as in RFC 2852, or the words of the configuration. */
static bool set_deliver_by(struct request *r, const char *value, struct error *err)
{
	static const struct {
		const char *letter, *word;
	} modes[] = {{";R", " return"}, {";N", " notify"}};
	struct account scratch = {0};
	struct slice text = slice_of(value);
	char words[64];

	snprintf(words, sizeof(words), "%s", value);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (slice_iends(text, slice_of(modes[i].letter)))
			snprintf(words, sizeof(words), "%.*s%s", (int)text.len - 2, value,
				modes[i].word);
	if (!read_as_key("deliver_by", words, &scratch, err))
		return false;
	r->submission.demands.deliver_by_s = scratch.deliver_by_s;
	r->submission.demands.deliver_by_mode = scratch.deliver_by_mode;
	return true;
}

static bool set_priority(struct request *r, const char *value, struct error *err)
{
	struct account scratch = {0};

	if (!read_as_key("priority", value, &scratch, err))
		return false;
	r->submission.demands.priority = scratch.priority;
	r->submission.demands.has_priority = true;
	return true;
}

static bool set_hold_for(struct request *r, const char *value, struct error *err)
{
	struct account scratch = {0};

	if (!read_as_key("hold_for", value, &scratch, err))
		return false;
	r->submission.demands.hold_for_s = scratch.hold_for_s;
	return true;
}

static const struct send_option send_options[] = {
	{"--account", "NAME", set_account, "the account of the configuration to use"},
	{"--config", "FILE", set_config, "read this file in place of the system's and your own"},
	{"--require-tls", NULL, set_require_tls, "demand TLS on the whole way (REQUIRETLS)"},
	{"--deliver-by", "TIME[;R|N]", set_deliver_by,
		"demand delivery within a time, else return (R) or notify (N) (DELIVERBY)"},
	{"--priority", "NUMBER", set_priority, "-9 to 9 (MT-PRIORITY)"},
	{"--hold-for", "TIME", set_hold_for,
		"time for which the server shall hold the message back (FUTURERELEASE)"},
};

const struct send_option *send_option_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(send_options); i++)
		if (slice_eq(name, slice_of(send_options[i].name)))
			return &send_options[i];
	return NULL;
}

void send_options_print(void)
{
	for (size_t i = 0; i < ARRAY_LEN(send_options); i++) {
		const struct send_option *o = &send_options[i];
		char form[40];

		snprintf(form, sizeof(form), "%s %s", o->name, o->value_name ? o->value_name : "");
		printf("  %-24s %s\n", form, o->help);
	}
}
