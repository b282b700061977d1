#include "smtp/caps.h"

#include <string.h>

#include "base/text.h"

/* A keyword sets a flag of the struct; some have a number or a list behind. */
typedef void caps_fn(struct smtp_caps *caps, struct slice values);

/* The first stated value counts; 0 and nonsense count as not stated. */
static void take_number(uint64_t *place, struct slice word)
{
	uint64_t value;

	if (*place == 0 && slice_is_number(word, INT64_MAX, &value))
		*place = value;
}

static void take_size(struct smtp_caps *caps, struct slice values)
{
	take_number(&caps->size_limit, slice_word(&values, " \t"));
}

static void take_deliver_by(struct smtp_caps *caps, struct slice values)
{
	take_number(&caps->deliver_min_s, slice_word(&values, " \t,"));
}

static void take_hold(struct smtp_caps *caps, struct slice values)
{
	take_number(&caps->hold_max_s, slice_word(&values, " \t"));
}

static void take_limits(struct smtp_caps *caps, struct slice values)
{
	for (;;) {
		struct slice word = slice_word(&values, " \t");
		size_t equals = slice_find(word, '=');
		struct slice name = slice_upto(word, equals);
		struct slice number = slice_from(word, equals + 1);

		if (word.len == 0)
			return;
		if (slice_ieq(name, SLICE("MAILMAX")))
			take_number(&caps->mail_max, number);
		else if (slice_ieq(name, SLICE("RCPTMAX")))
			take_number(&caps->rcpt_max, number);
		else if (slice_ieq(name, SLICE("RCPTDOMAINMAX")))
			take_number(&caps->domain_max, number);
	}
}

static void note_auth_name(struct smtp_caps *caps, struct slice name)
{
	char shown[64];
	size_t used = strlen(caps->auth_names);

	text_sanitize_into(shown, sizeof(shown), name);

	size_t len = strlen(shown);

	if (used + len + 2 > sizeof(caps->auth_names))
		return;
	if (used > 0)
		caps->auth_names[used++] = ' ';
	memcpy(caps->auth_names + used, shown, len + 1);
}

static void take_auth(struct smtp_caps *caps, struct slice values)
{
	for (;;) {
		struct slice name = slice_word(&values, " \t,");
		enum sasl_mechanism mechanism;

		if (name.len == 0)
			return;
		note_auth_name(caps, name);
		if (sasl_find(name, &mechanism))
			caps->mechanisms |= 1U << mechanism;
	}
}

static const struct keyword {
	struct slice name;
	size_t flag; /* offset of the flag in struct smtp_caps */
	caps_fn *take;
} keywords[] = {
#define FLAG(field) offsetof(struct smtp_caps, field)
	{{"PIPELINING", 10}, FLAG(pipelining), NULL},
	{{"SIZE", 4}, FLAG(size), take_size},
	{{"8BITMIME", 8}, FLAG(eight_bit_mime), NULL},
	{{"SMTPUTF8", 8}, FLAG(smtputf8), NULL},
	{{"DSN", 3}, FLAG(dsn), NULL},
	{{"ENHANCEDSTATUSCODES", 19}, FLAG(enhanced_codes), NULL},
	{{"CHUNKING", 8}, FLAG(chunking), NULL},
	{{"BINARYMIME", 10}, FLAG(binary_mime), NULL},
	{{"STARTTLS", 8}, FLAG(starttls), NULL},
	{{"REQUIRETLS", 10}, FLAG(require_tls), NULL},
	{{"DELIVERBY", 9}, FLAG(deliver_by), take_deliver_by},
	{{"MT-PRIORITY", 11}, FLAG(mt_priority), NULL},
	{{"FUTURERELEASE", 13}, FLAG(future_release), take_hold},
	{{"AUTH", 4}, FLAG(auth), take_auth},
#undef FLAG
};

static void take_keyword(struct smtp_caps *caps, struct slice line)
{
	struct slice values = line;
	/* Old servers write "AUTH=LOGIN PLAIN". */
	struct slice name = slice_word(&values, " \t=");

	if (slice_ieq(name, SLICE("LIMITS"))) {
		take_limits(caps, values);
		return;
	}
	values = slice_from(values, values.len > 0 ? 1 : 0);
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		if (!slice_ieq(name, keywords[i].name))
			continue;
		*(bool *)((char *)caps + keywords[i].flag) = true;
		if (keywords[i].take)
			keywords[i].take(caps, values);
		return;
	}
}

void caps_parse(struct smtp_caps *out, struct slice text)
{
	*out = (struct smtp_caps){.esmtp = true};
	text = slice_from(text, slice_find(text, '\n') + 1);
	while (text.len > 0) {
		size_t end = slice_find(text, '\n');

		take_keyword(out, slice_trim(slice_upto(text, end)));
		text = slice_from(text, end + 1);
	}
}
