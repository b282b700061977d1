#include "config/netrc.h"

#include <string.h>

#include "base/mem.h"

enum { LONGEST_TOKEN = 4096 };

/* Reads words off the text. */
struct lexer {
	struct slice rest;
	struct buf token; /* the last word; may be a password */
	bool is_cut;      /* it was longer than LONGEST_TOKEN */
};

static void lexer_done(struct lexer *l)
{
	buf_wipe(&l->token);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct lexer *l)
{
	while (l->rest.len > 0) {
		if (l->rest.ptr[0] == '#')
			l->rest = slice_from(l->rest, slice_find(l->rest, '\n'));
		else if (is_space(l->rest.ptr[0]))
			l->rest = slice_from(l->rest, 1);
		else
			break;
	}
}

static char take(struct lexer *l)
{
	char c = l->rest.ptr[0];

	l->rest = slice_from(l->rest, 1);
	return c;
}

static void quoted_token(struct lexer *l)
{
	while (l->rest.len > 0) {
		char c = take(l);

		if (c == '"')
			return;
		if (c == '\\' && l->rest.len > 0)
			c = take(l);
		buf_add_char(&l->token, c);
	}
}

/* False at the end of the text. */
static bool next_token(struct lexer *l)
{
	skip_space(l);
	buf_clear(&l->token);
	if (l->rest.len == 0)
		return false;
	if (l->rest.ptr[0] == '"') {
		l->rest = slice_from(l->rest, 1);
		quoted_token(l);
	} else {
		while (l->rest.len > 0 && !is_space(l->rest.ptr[0])) {
			char c = take(l);

			if (c == '\\' && l->rest.len > 0 && !is_space(l->rest.ptr[0]))
				c = take(l);
			buf_add_char(&l->token, c);
		}
	}
	l->is_cut = l->is_cut || l->token.is_full;
	return true;
}

static bool token_is(const struct lexer *l, const char *word)
{
	return slice_eq(buf_slice(&l->token), slice_of(word));
}

static void skip_macro(struct lexer *l)
{
	size_t unix_end = slice_search(l->rest, SLICE("\n\n"));
	size_t dos_end = slice_search(l->rest, SLICE("\n\r\n"));

	l->rest = slice_from(l->rest, unix_end < dos_end ? unix_end : dos_end);
}

/* One "machine" or "default" as far as it was read. */
struct entry {
	bool is_ours; /* the machine fits */
	bool is_default;
	bool is_other; /* the login is somebody else's */
	struct buf password;
	bool has_password;
};

static void entry_done(struct entry *e)
{
	buf_wipe(&e->password);
}

static void begin_entry(struct entry *e, bool is_ours, bool is_default)
{
	buf_wipe(&e->password);
	*e = (struct entry){
		.is_ours = is_ours, .is_default = is_default, .password = BUF(LONGEST_TOKEN)};
}

/* Adds the entry's password when it is the one; true then. */
static bool settle(const struct entry *e, struct buf *out)
{
	if (!e->is_ours || e->is_other || !e->has_password)
		return false;
	buf_add(out, buf_slice(&e->password));
	return true;
}

/* Takes what belongs to one keyword. Returns true when the entry before is the one. */
static bool step(
	struct lexer *l, struct entry *e, const char *machine, const char *user, struct buf *out)
{
	if (token_is(l, "machine") || token_is(l, "default")) {
		bool is_default = token_is(l, "default");

		if (settle(e, out))
			return true;
		if (!is_default && !next_token(l))
			return false;
		begin_entry(e, is_default || slice_ieq(buf_slice(&l->token), slice_of(machine)),
			is_default);
	} else if (token_is(l, "login")) {
		if (next_token(l) && user && !token_is(l, user))
			e->is_other = true;
	} else if (token_is(l, "password")) {
		e->has_password = next_token(l);
		buf_clear(&e->password);
		buf_add(&e->password, buf_slice(&l->token));
	} else if (token_is(l, "account")) {
		(void)next_token(l);
	} else if (token_is(l, "macdef")) {
		skip_macro(l);
	}
	return false;
}

bool netrc_find(struct slice text, const char *machine, const char *user, struct buf *out,
	bool *found, struct error *err)
{
	CLEANUP(lexer_done) struct lexer l = {.rest = text, .token = BUF(LONGEST_TOKEN)};
	CLEANUP(entry_done) struct entry e = {.password = BUF(LONGEST_TOKEN)};
	bool is_found = false;

	while (!is_found && next_token(&l))
		is_found = step(&l, &e, machine, user, out);
	if (!is_found)
		is_found = settle(&e, out);
	if (is_found && (l.is_cut || out->is_full))
		return error_set(err, EX_CONFIG, "netrc: a word is longer than 4096 octets");
	*found = is_found;
	return true;
}
