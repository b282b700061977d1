#include "submit/notice_text.h"

#include <string.h>

#include "mail/encode.h"

enum {
	FILLED_LINE = 76,   /* octets after which a line is broken at the next blank */
	LONGEST_WORD = 800, /* octets after which a word is broken */
	LONGEST_LINE = 998, /* RFC 5322 section 2.1.1 */
};

static bool is_inside_letter(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The front of a word that fits on a line; a letter of UTF-8 stays whole. */
static size_t fitting(struct slice word)
{
	size_t len = LONGEST_WORD;

	if (word.len <= LONGEST_WORD)
		return word.len;
	while (len > LONGEST_WORD - 4 && is_inside_letter(word.ptr[len]))
		len--;
	return len;
}

/* Adds words one after the other from a column on; further lines begin with `indent`. */
static void add_words(struct buf *out, size_t column, const char *indent, struct slice text)
{
	size_t start = column;

	for (struct slice word; (word = slice_word(&text, " \t\r\n")).len > 0;) {
		while (word.len > 0) {
			struct slice part = slice_upto(word, fitting(word));
			bool is_first = column == start;

			if (!is_first && column + 1 + part.len > FILLED_LINE) {
				buf_add_text(out, "\r\n");
				buf_add_text(out, indent);
				start = column = strlen(indent);
			} else if (!is_first) {
				buf_add_char(out, ' ');
				column++;
			}
			buf_add(out, part);
			column += part.len;
			word = slice_from(word, part.len);
		}
	}
	buf_add_text(out, "\r\n");
}

void notice_field(struct buf *out, const char *name, const char *value)
{
	CLEANUP(buf_done) struct buf ascii = BUF(65536);

	for (const char *c = value; *c; c++)
		buf_add_char(&ascii, (*c >= ' ' && *c <= '~') || *c == '\t' ? *c : '?');
	buf_printf(out, "%s: ", name);
	add_words(out, strlen(name) + 2, "\t", buf_slice(&ascii));
}

void notice_words(struct buf *out, const char *indent, const char *text)
{
	buf_add_text(out, indent);
	add_words(out, strlen(indent), indent, slice_of(text));
}

/* One letter of UTF-8 at the front of text, which is well-formed. */
static size_t read_letter(const char *text, unsigned *letter)
{
	unsigned char first = (unsigned char)text[0];
	size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	*letter = len == 1 ? first : first & (0x7fU >> len);
	for (size_t i = 1; i < len && is_inside_letter(text[i]); i++)
		*letter = *letter << 6 | ((unsigned char)text[i] & 0x3fU);
	return strnlen(text, len);
}

void notice_address(struct buf *out, const char *address)
{
	unsigned letter;

	if (!slice_has_8bit(slice_of(address))) {
		buf_printf(out, "rfc822; %s", address);
		return;
	}
	buf_add_text(out, "utf-8; ");
	for (const char *c = address; *c; c += read_letter(c, &letter)) {
		read_letter(c, &letter);
		if (letter < 0x80 && *c != '\\' && *c != '+' && *c != '=')
			buf_add_char(out, *c);
		else
			buf_printf(out, "\\x{%02X}", letter);
	}
}

void notice_quoted(struct buf *out, struct slice text)
{
	CLEANUP(encoder_done) struct encoder encoder;

	encoder_init(&encoder, ENCODE_QP);
	for (; text.len > 0; text = slice_from(text, 65536))
		encoder_add(&encoder, slice_upto(text, 65536), out);
	encoder_end(&encoder, true, out);
}

size_t notice_longest_line(struct slice text)
{
	size_t longest = 0;

	while (text.len > 0) {
		size_t end = slice_find(text, '\n');
		size_t len = end > 0 && end < text.len && text.ptr[end - 1] == '\r' ? end - 1 : end;

		longest = len > longest ? len : longest;
		text = slice_from(text, end + 1);
	}
	return longest;
}

bool notice_is_plain(struct slice text)
{
	return !slice_has_8bit(text) && slice_find(text, '\0') == text.len &&
	       notice_longest_line(text) <= LONGEST_LINE;
}
