#include "smtp/server_words.h"

#include "mail/dsn.h"
#include "mail/xtext.h"

enum { LONGEST_ENVID = 100, LONGEST_ORCPT = 500 }; /* RFC 3461 sections 4.4 and 4.2 */

/* One parameter of MAIL or RCPT. */
struct parameter {
	struct slice name;
	struct slice value;
};

static bool next_parameter(struct slice *rest, struct parameter *out)
{
	struct slice word = slice_word(rest, " \t");
	size_t equals = slice_find(word, '=');

	out->name = slice_upto(word, equals);
	out->value = slice_from(word, equals + 1);
	return word.len > 0;
}

/* The end of a path in angle brackets: the first > outside quotes. */
static size_t path_end(struct slice s)
{
	bool in_quotes = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && in_quotes)
			i++;
		else if (s.ptr[i] == '"')
			in_quotes = !in_quotes;
		else if (s.ptr[i] == '>' && !in_quotes)
			return i;
	}
	return s.len;
}

bool server_take_path(
	struct arena *arena, struct slice *rest, struct slice keyword, const char **path)
{
	struct slice text = slice_trim(*rest);

	if (!slice_istarts(text, keyword))
		return false;
	text = slice_trim(slice_from(text, keyword.len));
	if (text.len == 0)
		return false;
	if (text.ptr[0] == '<') {
		size_t end = path_end(text);

		if (end == text.len)
			return false;
		*path = arena_dup(arena, slice_from(slice_upto(text, end), 1));
		*rest = slice_from(text, end + 1);
		return rest->len == 0 || ascii_is_blank(rest->ptr[0]);
	}
	*path = arena_dup(arena, slice_word(&text, " \t"));
	*rest = text;
	return true;
}

static const char *read_size(struct slice value, uint64_t max_octets)
{
	uint64_t size;

	if (!slice_is_number(value, INT64_MAX, &size))
		return "501 5.5.4 SIZE takes a number";
	if (max_octets > 0 && size > max_octets)
		return "552 5.3.4 the message is larger than the limit";
	return NULL;
}

/* The parameters whose values mean nothing here: the content decides. */
static bool is_passed_over(const struct parameter *p)
{
	return slice_ieq(p->name, SLICE("SMTPUTF8")) || slice_ieq(p->name, SLICE("AUTH")) ||
	       (slice_ieq(p->name, SLICE("BODY")) &&
		       (slice_ieq(p->value, SLICE("7BIT")) ||
			       slice_ieq(p->value, SLICE("8BITMIME"))));
}

const char *server_mail_words(struct server_mail *mail, struct slice rest, uint64_t max_octets)
{
	struct parameter p;

	while (next_parameter(&rest, &p)) {
		if (slice_ieq(p.name, SLICE("SIZE"))) {
			const char *fault = read_size(p.value, max_octets);

			if (fault)
				return fault;
		} else if (slice_ieq(p.name, SLICE("RET"))) {
			if (!dsn_return_read(p.value, &mail->ret))
				return "501 5.5.4 RET takes FULL or HDRS";
		} else if (slice_ieq(p.name, SLICE("ENVID"))) {
			if (p.value.len == 0 || p.value.len > LONGEST_ENVID ||
				!xtext_is_valid(p.value))
				return "501 5.5.4 ENVID is not understood";
			mail->envid = arena_dup(&mail->arena, p.value);
		} else if (!is_passed_over(&p)) {
			return "555 5.5.4 unknown parameter";
		}
	}
	return NULL;
}

const char *server_rcpt_words(struct arena *arena, struct slice rest, struct server_recipient *r)
{
	struct parameter p;

	while (next_parameter(&rest, &p)) {
		if (slice_ieq(p.name, SLICE("NOTIFY"))) {
			if (!dsn_notify_read(p.value, &r->notify))
				return "501 5.5.4 NOTIFY is not understood";
		} else if (slice_ieq(p.name, SLICE("ORCPT"))) {
			if (p.value.len > LONGEST_ORCPT || !xtext_is_orcpt(p.value))
				return "501 5.5.4 ORCPT is not understood";
			r->orcpt = arena_dup(arena, p.value);
		} else {
			return "555 5.5.4 unknown parameter";
		}
	}
	return NULL;
}
