#include "mail/encoded_word.h"

#include <string.h>

#include "base/base64.h"
#include "base/text.h"

static const char q_start[] = "=?UTF-8?Q?";
static const char b_start[] = "=?UTF-8?B?";

enum {
	FRAME = sizeof(q_start) - 1 + 2, /* octets of a word that say nothing */
	LEAST_INSIDE = 12,               /* room for the longest character in either encoding */
};

/* True for octets that stand for themselves in a display name (RFC 2047 section
 * 5, rule 3). */
static bool is_literal(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!*+-/", c));
}

/* Octets that text takes in "Q". */
static size_t q_length(struct slice text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++)
		len += is_literal(text.ptr[i]) || text.ptr[i] == ' ' ? 1 : 3;
	return len;
}

/* Octets that text takes in "B". */
static size_t b_length(struct slice text)
{
	return (text.len + 2) / 3 * 4;
}

static void add_q(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (is_literal(text.ptr[i]))
			buf_add_char(out, text.ptr[i]);
		else if (text.ptr[i] == ' ')
			buf_add_char(out, '_');
		else
			buf_printf(out, "=%02X", (unsigned)(unsigned char)text.ptr[i]);
	}
}

/* Octets of the UTF-8 character at the start of text, which is well-formed. */
static size_t character_length(struct slice text)
{
	size_t len = 1;

	while (len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
		len++;
	return len;
}

/* The longest run of whole characters that takes at most `inside` octets. */
static struct slice take_fitting(struct slice text, size_t inside, bool is_q)
{
	size_t taken = 0, used = 0;

	while (taken < text.len) {
		size_t len = character_length(slice_from(text, taken));
		struct slice character = slice_upto(slice_from(text, taken), len);

		used = is_q ? used + q_length(character) : b_length(slice_upto(text, taken + len));
		if (used > inside)
			break;
		taken += len;
	}
	return slice_upto(text, taken);
}

static void add_word(struct buf *out, struct slice text, bool is_q)
{
	buf_add_text(out, is_q ? q_start : b_start);
	if (is_q)
		add_q(out, text);
	else
		base64_encode(out, text);
	buf_add_text(out, "?=");
}

/* ISO 8859-1 as UTF-8. */
static void add_latin1(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c >= 0x80)
			buf_add_char(out, (char)(0xc0 | c >> 6));
		buf_add_char(out, (char)(c < 0x80 ? c : 0x80 | (c & 0x3f)));
	}
}

void encoded_word_add(struct buf *out, struct slice text, size_t column)
{
	CLEANUP(buf_done) struct buf converted = BUF(2 * text.len);

	if (!text_is_utf8(text)) {
		add_latin1(&converted, text);
		text = buf_slice(&converted);
	}

	bool is_q = q_length(text) <= b_length(text);

	while (text.len > 0) {
		if (column + FRAME + LEAST_INSIDE > ENCODED_LINE_MAX) {
			buf_add(out, SLICE("\r\n "));
			column = 1;
		}

		size_t line_room = ENCODED_LINE_MAX - column;
		size_t room = line_room < ENCODED_WORD_MAX ? line_room : ENCODED_WORD_MAX;
		struct slice piece = take_fitting(text, room - FRAME, is_q);

		add_word(out, piece, is_q);
		text = slice_from(text, piece.len);
		/* Another word goes to the next line: the blank between two of
		 * them is not shown (RFC 2047 section 6.2). */
		column = ENCODED_LINE_MAX;
	}
}
