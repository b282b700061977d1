#include "queue/entry_words.h"

#include <stdio.h>
#include <string.h>

const struct entry_flag entry_flags[] = {
	{"8bit", offsetof(struct entry, has_8bit)},
	{"head8bit", offsetof(struct entry, head_has_8bit)},
	{"nul", offsetof(struct entry, has_nul)},
	{"smtputf8", offsetof(struct entry, needs_smtputf8)},
};
const size_t entry_flag_count = ARRAY_LEN(entry_flags);

static const struct {
	const char *word;
	enum dsn_return ret;
} return_words[] = {
	{"FULL", DSN_RETURN_FULL},
	{"HDRS", DSN_RETURN_HEADERS},
};

static const struct {
	const char *word;
	unsigned bit;
} notify_words[] = {
	{"NEVER", DSN_NEVER},
	{"SUCCESS", DSN_SUCCESS},
	{"FAILURE", DSN_FAILURE},
	{"DELAY", DSN_DELAY},
};

bool entry_has(const struct entry *e, const struct entry_flag *flag)
{
	return *(const bool *)((const char *)e + flag->offset);
}

void entry_note(struct entry *e, const struct entry_flag *flag)
{
	*(bool *)((char *)e + flag->offset) = true;
}

bool entry_is_state(char c)
{
	return c == RECIPIENT_PENDING || c == RECIPIENT_DELIVERED || c == RECIPIENT_FAILED ||
	       c == RECIPIENT_SENT;
}

/* Not empty, not too long, no control characters. */
static bool is_plain(struct slice s)
{
	if (s.len == 0 || s.len > ENTRY_LONGEST_WORD)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (ascii_is_control(s.ptr[i]))
			return false;
	return true;
}

bool entry_is_word(struct slice s)
{
	return is_plain(s) && slice_find(s, ' ') == s.len;
}

bool entry_is_account(struct slice s)
{
	return is_plain(s) && slice_trim(s).len == s.len;
}

size_t entry_address_length(struct slice s)
{
	bool is_quoted = false;
	size_t i = 0;

	for (; i < s.len && (is_quoted || s.ptr[i] != ' '); i++) {
		if (s.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (s.ptr[i] == '\\' && is_quoted)
			i++;
	}
	return is_quoted || i > s.len ? 0 : i;
}

/* Angle brackets end a path in MAIL and RCPT; they have no place outside quotes. */
static bool has_bracket(struct slice s)
{
	bool is_quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && is_quoted)
			i++;
		else if (s.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (s.ptr[i] == '<' || s.ptr[i] == '>'))
			return true;
	}
	return false;
}

/* What nearly all addresses are made of; the others get a closer look. */
static const char usual_class[257] = "................................"
				     ".x.xxxxx..xxxxxxxxxxxxxxxxxx.x.x"
				     "xxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxx"
				     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.";

static bool is_usual(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (usual_class[(unsigned char)s.ptr[i]] != 'x')
			return false;
	return s.len > 0 && s.len <= ENTRY_LONGEST_WORD;
}

bool entry_is_address(struct slice s)
{
	if (is_usual(s))
		return true;
	return is_plain(s) && !has_bracket(s) && entry_address_length(s) == s.len;
}

int64_t entry_sane_time(int64_t seconds)
{
	if (seconds < 0)
		return 0;
	return seconds < ENTRY_LATEST_TIME ? seconds : ENTRY_LATEST_TIME;
}

const char *entry_return_word(enum dsn_return ret)
{
	for (size_t i = 0; i < ARRAY_LEN(return_words); i++)
		if (return_words[i].ret == ret)
			return return_words[i].word;
	return NULL;
}

bool entry_return_value(struct slice word, enum dsn_return *out)
{
	for (size_t i = 0; i < ARRAY_LEN(return_words); i++) {
		if (!slice_eq(word, slice_of(return_words[i].word)))
			continue;
		*out = return_words[i].ret;
		return true;
	}
	return false;
}

bool entry_notify_text(unsigned notify, char out[ENTRY_NOTIFY_SPACE])
{
	size_t len = 0;

	out[0] = '\0';
	if ((notify & DSN_NEVER) != 0 && notify != DSN_NEVER)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(notify_words); i++) {
		if ((notify & notify_words[i].bit) == 0)
			continue;
		snprintf(out + len, ENTRY_NOTIFY_SPACE - len, "%s%s", len > 0 ? "," : "",
			notify_words[i].word);
		len = strlen(out);
		notify &= ~notify_words[i].bit;
	}
	return notify == 0;
}

/* Takes `word` off the front of *rest where it stands there as a whole. */
static bool take_listed(struct slice *rest, struct slice word)
{
	size_t end = slice_find(*rest, ',');

	if (!slice_eq(slice_upto(*rest, end), word))
		return false;
	*rest = slice_from(*rest, end);
	return true;
}

bool entry_notify_value(struct slice text, unsigned *out)
{
	unsigned notify = 0;

	for (size_t i = 0; i < ARRAY_LEN(notify_words) && text.len > 0; i++) {
		struct slice rest = notify == 0 ? text : slice_from(text, 1);

		if (!take_listed(&rest, slice_of(notify_words[i].word)))
			continue;
		notify |= notify_words[i].bit;
		text = rest;
	}
	if (notify == 0 || text.len > 0)
		return false;
	if ((notify & DSN_NEVER) != 0 && notify != DSN_NEVER)
		return false;
	*out = notify;
	return true;
}
