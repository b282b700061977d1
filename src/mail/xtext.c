#include "mail/xtext.h"

static bool is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* The octet that "+XX" at the front of s stands for, or -1. */
static int hex_at(struct slice s)
{
	if (s.len < 3 || s.ptr[0] != '+' || ascii_hex(s.ptr[1]) < 0 || ascii_hex(s.ptr[2]) < 0)
		return -1;
	return ascii_hex(s.ptr[1]) * 16 + ascii_hex(s.ptr[2]);
}

bool xtext_encode(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!is_printable(c))
			return false;
		if (c == '+' || c == '=' || c == ' ')
			buf_printf(out, "+%02X", (unsigned)c);
		else
			buf_add_char(out, c);
	}
	return true;
}

bool xtext_is_valid(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (!is_printable(c) || c == ' ' || c == '=')
			return false;
		if (c != '+')
			continue;
		if (hex_at(slice_from(s, i)) < 0)
			return false;
		i += 2;
	}
	return true;
}

bool xtext_is_orcpt(struct slice s)
{
	size_t split = slice_find(s, ';');

	for (size_t i = 0; i < split; i++)
		if (!ascii_is_alnum(s.ptr[i]) && s.ptr[i] != '-')
			return false;
	return split > 0 && split + 1 < s.len && xtext_is_valid(slice_from(s, split + 1));
}

void xtext_decode(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int octet = hex_at(slice_from(s, i));
		char c = octet >= 0 ? (char)octet : s.ptr[i];

		buf_add_char(out, is_printable(c) ? c : '?');
		if (octet >= 0)
			i += 2;
	}
}
