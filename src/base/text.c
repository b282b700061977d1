#include "base/text.h"

#include <string.h>

/* Octets of the well-formed UTF-8 character at the start of s, 0 if none. */
static size_t utf8_length(struct slice s)
{
	static const struct {
		unsigned char first, last; /* of the lead octet */
		unsigned char low, high;   /* of the second octet */
		unsigned char length;
	} forms[] = {
		{0x00, 0x7f, 0, 0, 1},
		{0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	const unsigned char *p = (const unsigned char *)s.ptr;

	for (size_t i = 0; i < ARRAY_LEN(forms) && s.len > 0; i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (s.len < forms[i].length)
			return 0;
		if (forms[i].length > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

/* U+200B, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069 by the two last of their
 * three octets: they end lines, turn the direction of the text around them, or take no
 * room, so that it reads as something else. U+061C is one of them as well. */
static bool is_invisible(unsigned char second, unsigned char third)
{
	if (second == 0x80)
		return third == 0x8b || third == 0x8e || third == 0x8f ||
		       (third >= 0xa8 && third <= 0xae);
	return second == 0x81 && third >= 0xa6 && third <= 0xa9;
}

static bool is_shown(struct slice character)
{
	const unsigned char *p = (const unsigned char *)character.ptr;

	if (character.len == 1)
		return !ascii_is_control(character.ptr[0]);
	/* U+0080 to U+009F steer terminals as well. */
	if (character.len == 2)
		return !(p[0] == 0xc2 && p[1] < 0xa0) && !(p[0] == 0xd8 && p[1] == 0x9c);
	return !(character.len == 3 && p[0] == 0xe2 && is_invisible(p[1], p[2]));
}

void text_sanitize(struct buf *out, struct slice s, size_t max)
{
	struct slice rest = slice_upto(s, max);

	while (rest.len > 0) {
		size_t len = utf8_length(rest);
		struct slice character = slice_upto(rest, len);

		if (len > 0 && is_shown(character))
			buf_add(out, character);
		else
			buf_add_char(out, rest.ptr[0] == '\r' || rest.ptr[0] == '\n' ? ' ' : '?');
		rest = slice_from(rest, len > 0 ? len : 1);
	}
	if (s.len > max)
		buf_add(out, SLICE("..."));
}

void text_sanitize_into(char *out, size_t space, struct slice s)
{
	CLEANUP(buf_done) struct buf clean = BUF(4 * space + 16);

	if (space == 0)
		return;
	text_sanitize(&clean, s, space - 1);
	while (clean.len > space - 1) {
		clean.len--;
		while (clean.len > 0 && ((unsigned char)clean.data[clean.len] & 0xc0) == 0x80)
			clean.len--;
	}
	if (clean.len > 0)
		memcpy(out, clean.data, clean.len);
	out[clean.len] = '\0';
}

bool text_is_utf8(struct slice s)
{
	if (!slice_has_8bit(s))
		return true;
	while (s.len > 0) {
		size_t len = utf8_length(s);

		if (len == 0)
			return false;
		s = slice_from(s, len);
	}
	return true;
}

enum { LONGEST_WORD = 40 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b, size_t max)
{
	size_t rows[3][LONGEST_WORD + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > LONGEST_WORD || b_len > LONGEST_WORD)
		return max + 1;
	for (size_t k = 0; k <= b_len; k++)
		rows[0][k] = k;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *now = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t k = 1; k <= b_len; k++) {
			now[k] = least(up[k], now[k - 1]) + 1;
			now[k] = least(now[k], up[k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				now[k] = least(now[k], up2[k - 2] + 1);
		}
	}
	return least(rows[a_len % 3][b_len], max + 1);
}
