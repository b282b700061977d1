#include "queue/entry_words.h"

#include <stdio.h>
#include <string.h>

#include "mail/dsn.h"

const struct entry_flag entry_flags[] = {
	{"8bit", offsetof(struct entry, has_8bit)},
	{"head8bit", offsetof(struct entry, head_has_8bit)},
	{"nul", offsetof(struct entry, has_nul)},
	{"smtputf8", offsetof(struct entry, needs_smtputf8)},
};
const size_t entry_flag_count = ARRAY_LEN(entry_flags);

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

bool entry_notify_value(struct slice text, unsigned *out)
{
	CLEANUP(buf_done) struct buf again = BUF(ENTRY_NOTIFY_MOST);
	unsigned notify;

	if (!dsn_notify_read(text, &notify))
		return false;
	dsn_notify_write(notify, &again);
	if (!slice_eq(buf_slice(&again), text))
		return false;
	*out = notify;
	return true;
}
