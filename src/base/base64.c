#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct slice s)
{
	char *to = buf_room(out, (s.len + 2) / 3 * 4);

	if (!to)
		return;
	for (size_t i = 0; i < s.len; i += 3) {
		size_t have = s.len - i < 3 ? s.len - i : 3;
		uint32_t group = (uint32_t)(unsigned char)s.ptr[i] << 16;

		if (have > 1)
			group |= (uint32_t)(unsigned char)s.ptr[i + 1] << 8;
		if (have > 2)
			group |= (uint32_t)(unsigned char)s.ptr[i + 2];
		*to++ = alphabet[group >> 18];
		*to++ = alphabet[(group >> 12) & 63];
		*to++ = have > 1 ? alphabet[(group >> 6) & 63] : '=';
		*to++ = have > 2 ? alphabet[group & 63] : '=';
	}
	out->len += (s.len + 2) / 3 * 4;
	out->data[out->len] = '\0';
}

/* Value of a digit of the alphabet, or -1. */
static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes four digits, the last `padding` of which stand for nothing. */
static bool add_group(struct buf *out, const char *digits, size_t padding)
{
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? digit_value(digits[i]) : 0;

		if (value < 0)
			return false;
		group = group << 6 | (uint32_t)value;
	}
	if ((group & (padding == 2 ? 0xffffU : padding == 1 ? 0xffU : 0U)) != 0)
		return false;

	char octets[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};

	buf_add(out, (struct slice){octets, 3 - padding});
	return !out->is_full;
}

bool base64_decode(struct buf *out, struct slice s)
{
	size_t before = out->len;

	if (s.len % 4 != 0)
		return false;
	for (size_t i = 0; i < s.len; i += 4) {
		size_t padding = 0;

		if (i + 4 == s.len)
			padding = s.ptr[i + 3] != '=' ? 0 : s.ptr[i + 2] != '=' ? 1 : 2;
		if (add_group(out, s.ptr + i, padding))
			continue;
		out->len = before;
		if (out->data)
			out->data[before] = '\0';
		return false;
	}
	return true;
}
