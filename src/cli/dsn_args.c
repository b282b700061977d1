#include "cli/dsn_args.h"

#include <string.h>

#include "base/buf.h"

bool dsn_notify_is_valid(const char *value, unsigned *out)
{
	static const struct {
		const char *word;
		unsigned bit;
	} rows[] = {
		{"never", DSN_NEVER},
		{"success", DSN_SUCCESS},
		{"failure", DSN_FAILURE},
		{"delay", DSN_DELAY},
	};
	struct slice rest = slice_of(value);
	unsigned bits = 0;

	for (struct slice word; (word = slice_word(&rest, ", ")).len > 0;) {
		unsigned bit = 0;

		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if (slice_ieq(word, slice_of(rows[i].word)))
				bit = rows[i].bit;
		if (bit == 0)
			return false;
		bits |= bit;
	}
	if (bits == 0 || ((bits & DSN_NEVER) != 0 && bits != DSN_NEVER))
		return false;
	*out = bits;
	return true;
}

bool dsn_return_is_valid(const char *value, enum dsn_return *out)
{
	struct slice word = slice_of(value);

	if (slice_ieq(word, SLICE("full")))
		*out = DSN_RETURN_FULL;
	else if (slice_ieq(word, SLICE("hdrs")))
		*out = DSN_RETURN_HEADERS;
	else
		return false;
	return true;
}

bool dsn_envid_is_valid(const char *value, char out[DSN_ENVID_SPACE])
{
	CLEANUP(buf_done) struct buf xtext = BUF(DSN_ENVID_SPACE - 1);

	for (const char *at = value; *at; at++) {
		if (*at < ' ' || *at > '~')
			return false;
		if (*at == '+' || *at == '=' || *at == ' ')
			buf_printf(&xtext, "+%02X", (unsigned)*at);
		else
			buf_add_char(&xtext, *at);
	}
	if (xtext.is_full || xtext.len == 0)
		return false;
	memcpy(out, buf_text(&xtext), xtext.len + 1);
	return true;
}
