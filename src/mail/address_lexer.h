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

/**
 * Takes "local@domain" at once where it stands next, all ASCII atoms, with
 * `closing` behind it, or else the end if closing is a comma: the form nearly
 * all addresses of long lists have.
 * *at_sign is set to the place of the @ in *out. False, with nothing taken, for
 * every other form.
 */
bool lexer_take_plain(struct lexer *l, char closing, struct slice *out, size_t *at_sign);

/**
 * Writes what a quoted-string, a domain-literal or a comment says to `to`, which
 * has room for token.len octets: without the delimiters, quoted-pairs resolved,
 * line ends of folding gone. Returns the number of octets written.
 */
size_t lexer_resolve(char *to, struct slice token);
