/* Words and special characters of structured fields: RFC 5322 section 3.2 with
 * the obsolete forms of section 4.1 and the UTF-8 of RFC 6532. */
#pragma once

#include "base/slice.h"

/* Kinds of tokens; the specials < > @ , ; : stand for themselves. */
enum {
	TOKEN_END = 0,
	TOKEN_BROKEN = '!',  /* a fault; lexer.why tells it */
	TOKEN_ATOM = 'a',    /* atext and dots, at least one octet */
	TOKEN_QUOTED = '"',  /* quoted-string, quotes included */
	TOKEN_LITERAL = '[', /* domain-literal, brackets included */
};

struct token {
	char kind;
	bool is_apart;     /* white space or a comment stands before it */
	bool has_8bit;     /* an atom with octets over 127; not set for other kinds */
	struct slice text; /* the octets in the source; TOKEN_END: empty, at the end */
};

struct lexer {
	const char *at;
	const char *end;
	struct slice comment; /* the first comment before the last token, parentheses included */
	const char *why;      /* set with TOKEN_BROKEN: words for people */
};

/** Starts at the first octet of text, which must outlive the lexer. */
void lexer_start(struct lexer *l, struct slice text);

/**
 * Takes the next token. Comments nest to any depth without recursion. A line
 * end counts as white space where a blank follows it (folding) and is a fault
 * elsewhere; so are control characters and unterminated strings and comments.
 */
void lexer_next(struct lexer *l, struct token *out);

/** Steps over white space; a line end that is a fault stays for lexer_next to tell. */
void lexer_skip_blanks(struct lexer *l);

/* What nearly all elements of long lists are made of, taken at once. */
struct usual {
	struct slice text;
	const char *at_sign; /* in an address; NULL in a display name */
	char behind;         /* kind of the token behind the text, taken as well */
};

/**
 * Takes "local@domain", all ASCII atoms, where it stands next with `closing`
 * behind it, or else the end if closing is a comma. False, with nothing taken,
 * for every other form.
 */
bool lexer_take_address(struct lexer *l, char closing, struct usual *out);

/** Takes the octet c where it stands next: one of the specials < > @ , ; : */
static inline bool lexer_take_special(struct lexer *l, char c)
{
	bool is_next = l->at < l->end && *l->at == c;

	l->at += is_next;
	return is_next;
}

/**
 * Takes such an address with a comma behind it, or a display name of ASCII atoms
 * with one blank between two and a '<' behind it. False, with nothing taken, for
 * every other form.
 */
bool lexer_take_element(struct lexer *l, struct usual *out);

/**
 * Writes what a quoted-string, a domain-literal or a comment says to `to`, which
 * has room for token.len octets: without the delimiters, quoted-pairs resolved,
 * line ends of folding gone. Returns the number of octets written.
 */
size_t lexer_resolve(char *to, struct slice token);
