#include "mail/dsn.h"

#include <string.h>

#include "mail/xtext.h"

static const struct {
	const char *word;
	unsigned bit;
} notify_words[] = {
	{"NEVER", DSN_NEVER},
	{"SUCCESS", DSN_SUCCESS},
	{"FAILURE", DSN_FAILURE},
	{"DELAY", DSN_DELAY},
};

static const struct {
	const char *word;
	enum dsn_return ret;
} return_words[] = {
	{"FULL", DSN_RETURN_FULL},
	{"HDRS", DSN_RETURN_HEADERS},
};

static unsigned notify_bit(struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(notify_words); i++)
		if (slice_ieq(word, slice_of(notify_words[i].word)))
			return notify_words[i].bit;
	return 0;
}

bool dsn_notify_read(struct slice text, unsigned *out)
{
	unsigned bits = 0;

	for (struct slice word; (word = slice_word(&text, ", ")).len > 0;) {
		unsigned bit = notify_bit(word);

		if (bit == 0)
			return false;
		bits |= bit;
	}
	if (bits == 0 || ((bits & DSN_NEVER) != 0 && bits != DSN_NEVER))
		return false;
	*out = bits;
	return true;
}

void dsn_notify_write(unsigned notify, struct buf *out)
{
	const char *separator = "";

	if ((notify & DSN_NEVER) != 0)
		notify = DSN_NEVER;
	for (size_t i = 0; i < ARRAY_LEN(notify_words); i++) {
		if ((notify & notify_words[i].bit) == 0)
			continue;
		buf_add_text(out, separator);
		buf_add_text(out, notify_words[i].word);
		separator = ",";
	}
}

bool dsn_return_read(struct slice text, enum dsn_return *out)
{
	for (size_t i = 0; i < ARRAY_LEN(return_words); i++) {
		if (!slice_ieq(text, slice_of(return_words[i].word)))
			continue;
		*out = return_words[i].ret;
		return true;
	}
	return false;
}

const char *dsn_return_word(enum dsn_return ret)
{
	for (size_t i = 0; i < ARRAY_LEN(return_words); i++)
		if (return_words[i].ret == ret)
			return return_words[i].word;
	return NULL;
}

bool dsn_envid_read(struct slice text, char out[DSN_ENVID_SPACE])
{
	CLEANUP(buf_done) struct buf xtext = BUF(DSN_ENVID_SPACE - 1);

	if (!xtext_encode(text, &xtext) || xtext.is_full || xtext.len == 0)
		return false;
	memcpy(out, buf_text(&xtext), xtext.len + 1);
	return true;
}
