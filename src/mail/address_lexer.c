#include "mail/address_lexer.h"

#include <string.h>

/* What an octet begins: 'a' an atom, '8' one that is not ASCII, 'x' nothing (control
 * characters), blank white space, any other one itself. Dots count as atom text: whether they stand
 * at the right place depends on what the words turn out to be. */
static const char class_of[257] = "xxxxxxxxx  xx xxxxxxxxxxxxxxxxxx"
				  " a\"aaaaa()aa,aaaaaaaaaaaaa:;<a>a"
				  "@aaaaaaaaaaaaaaaaaaaaaaaaaa[\\]aa"
				  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax"
				  "88888888888888888888888888888888"
				  "88888888888888888888888888888888"
				  "88888888888888888888888888888888"
				  "88888888888888888888888888888888";

static char class_at(const char *at)
{
	return class_of[(unsigned char)*at];
}

void lexer_start(struct lexer *l, struct slice text)
{
	const char *start = text.len > 0 ? text.ptr : "";

	*l = (struct lexer){.at = start, .end = start + text.len};
}

static bool fail(struct lexer *l, const char *why)
{
	l->why = why;
	return false;
}

/* Steps over one octet of white space, or over a line end that folds. */
static bool skip_space(struct lexer *l)
{
	const char *at = l->at;

	if (*at != ' ' && *at != '\t') {
		if (*at == '\r' && at + 1 < l->end && at[1] == '\n')
			at++;
		if (*at != '\n' || at + 1 == l->end || !ascii_is_blank(at[1]))
			return fail(l, "it has a line end inside");
	}
	l->at = at + 1;
	return true;
}

/* Steps over a backslash and the octet that it quotes. */
static bool skip_pair(struct lexer *l)
{
	if (l->at + 1 == l->end)
		return fail(l, "it ends with a backslash");
	if (ascii_is_control(l->at[1]) && l->at[1] != '\t')
		return fail(l, "it has a control character inside");
	l->at += 2;
	return true;
}

/* Steps over one octet, pair or line end between delimiters. */
static bool skip_inside(struct lexer *l)
{
	switch (class_at(l->at)) {
	case ' ':
		return skip_space(l);
	case '\\':
		return skip_pair(l);
	case 'x':
		return fail(l, "it has a control character inside");
	default:
		l->at++;
		return true;
	}
}

/* Steps over a comment with all those inside it: a count instead of recursion,
 * so that no depth can exhaust the stack. */
static bool skip_comment(struct lexer *l)
{
	const char *start = l->at;
	size_t depth = 0;

	while (l->at < l->end) {
		char c = *l->at;

		if (!skip_inside(l))
			return false;
		if (c == '(')
			depth++;
		if (c != ')' || --depth > 0)
			continue;
		if (l->comment.len == 0)
			l->comment = (struct slice){start, (size_t)(l->at - start)};
		return true;
	}
	return fail(l, "a comment is not closed");
}

/* Steps over comments and folding white space. */
static bool skip_cfws(struct lexer *l)
{
	while (l->at < l->end) {
		char kind = class_at(l->at);

		if (kind != ' ' && kind != '(')
			return true;
		if (kind == ' ' ? !skip_space(l) : !skip_comment(l))
			return false;
	}
	return true;
}

/* Steps over a quoted-string or a domain-literal. */
static bool skip_enclosed(struct lexer *l, char closing)
{
	l->at++;
	while (l->at < l->end) {
		char c = *l->at;

		if (closing == ']' && c == '[')
			return fail(l, "it has a '[' inside brackets");
		if (!skip_inside(l))
			return false;
		if (c == closing)
			return true;
	}
	return fail(
		l, closing == ']' ? "a bracket is not closed" : "a quotation mark is not closed");
}

/* Where the ASCII part of an atom ends that starts here. */
static const char *ascii_end(const char *at, const char *end)
{
	while (at < end && class_at(at) == 'a')
		at++;
	return at;
}

static void skip_atom(struct lexer *l, struct token *out)
{
	const char *at = ascii_end(l->at, l->end);

	out->kind = TOKEN_ATOM;
	out->has_8bit = at < l->end && class_at(at) == '8';
	while (at < l->end && (class_at(at) == 'a' || class_at(at) == '8'))
		at++;
	l->at = at;
}

void lexer_skip_blanks(struct lexer *l)
{
	while (l->at < l->end && class_at(l->at) == ' ')
		if (!skip_space(l))
			break;
}

/* Takes what is taken at once, and what stands behind it: the end, or a token of one octet. */
static bool take(struct lexer *l, const char *behind, struct usual *out)
{
	out->text = (struct slice){l->at, (size_t)(behind - l->at)};
	out->behind = TOKEN_END;
	l->at = behind;
	l->comment = (struct slice){0};
	if (l->at < l->end)
		out->behind = *l->at++;
	return true;
}

/* The same for an address, of which the local part has been read. */
static bool take_address(struct lexer *l, const char *split, char closing, struct usual *out)
{
	const char *behind = ascii_end(split + 1, l->end);

	if (split == l->at || behind == split + 1 ||
		(behind < l->end ? *behind != closing : closing != ','))
		return false;
	out->at_sign = split;
	return take(l, behind, out);
}

/* The same for a name, of which the first word has been read. */
static bool take_name(struct lexer *l, const char *behind, struct usual *out)
{
	const char *word = l->at;

	out->at_sign = NULL;
	while (behind > word && behind < l->end) {
		const char *next = behind + (*behind == ' ');

		if (next < l->end && *next == '<') {
			take(l, behind, out);
			l->at = next + 1;
			out->behind = '<';
			return true;
		}
		if (next == behind)
			return false;
		word = next;
		behind = ascii_end(word, l->end);
	}
	return false;
}

bool lexer_take_address(struct lexer *l, char closing, struct usual *out)
{
	const char *split = ascii_end(l->at, l->end);

	return split < l->end && *split == '@' && take_address(l, split, closing, out);
}

bool lexer_take_element(struct lexer *l, struct usual *out)
{
	const char *behind = ascii_end(l->at, l->end);

	if (behind < l->end && *behind == '@')
		return take_address(l, behind, ',', out);
	return take_name(l, behind, out);
}

/* Steps over the token that starts here. */
static bool skip_token(struct lexer *l, struct token *out)
{
	out->kind = class_at(l->at);
	switch (out->kind) {
	case TOKEN_ATOM:
	case '8':
		skip_atom(l, out);
		return true;
	case TOKEN_QUOTED:
		return skip_enclosed(l, '"');
	case TOKEN_LITERAL:
		return skip_enclosed(l, ']');
	case 'x':
		return fail(l, "it has a control character inside");
	case '\\':
		return fail(l, "it has a backslash outside quotation marks");
	case ')':
		return fail(l, "it has a ')' without a '('");
	case ']':
		return fail(l, "it has a ']' without a '['");
	default:
		l->at++;
		return true;
	}
}

void lexer_next(struct lexer *l, struct token *out)
{
	const char *before = l->at;

	l->comment = (struct slice){0};
	*out = (struct token){.kind = TOKEN_END};

	bool is_sound = skip_cfws(l);
	const char *start = l->at;

	if (is_sound && start < l->end)
		is_sound = skip_token(l, out);
	if (!is_sound)
		out->kind = TOKEN_BROKEN;
	out->is_apart = start != before;
	out->text = (struct slice){start, (size_t)(l->at - start)};
}

size_t lexer_resolve(char *to, struct slice token)
{
	size_t len = 0;

	for (size_t i = 1; i + 1 < token.len; i++) {
		if (token.ptr[i] == '\r' || token.ptr[i] == '\n')
			continue;
		if (token.ptr[i] == '\\')
			i++;
		to[len++] = token.ptr[i];
	}
	return len;
}
