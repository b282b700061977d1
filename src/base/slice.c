#include "base/slice.h"

#include <string.h>

int slice_cmp(struct slice a, struct slice b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return slice_eq(slice_upto(s, prefix.len), prefix);
}

bool slice_istarts(struct slice s, struct slice prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (ascii_lower(s.ptr[i]) != ascii_lower(prefix.ptr[i]))
			return false;
	return true;
}

bool slice_iends(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len && slice_ieq(slice_from(s, s.len - suffix.len), suffix);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.len > 0 && is_space(s.ptr[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

size_t slice_search(struct slice s, struct slice needle)
{
	const char *at = s.len > 0 ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;

	return at ? (size_t)(at - s.ptr) : s.len;
}

bool slice_has_8bit(struct slice s)
{
	const uint64_t high_bits = 0x8080808080808080U;
	uint64_t words[4];
	uint64_t seen = 0;
	size_t at = 0;

	/* Whole header blocks pass through here: 32 octets a step. */
	for (; s.len - at >= sizeof(words); at += sizeof(words)) {
		memcpy(words, s.ptr + at, sizeof(words));
		if (((words[0] | words[1] | words[2] | words[3]) & high_bits) != 0)
			return true;
	}
	for (; s.len - at >= sizeof(words[0]); at += sizeof(words[0])) {
		memcpy(words, s.ptr + at, sizeof(words[0]));
		seen |= words[0];
	}
	for (; at < s.len; at++)
		seen |= (unsigned char)s.ptr[at];
	return (seen & high_bits) != 0;
}

/* For the two or three characters of a set quicker than a call. */
static bool is_among(const char *set, char c)
{
	while (*set && *set != c)
		set++;
	return *set != '\0';
}

struct slice slice_word(struct slice *rest, const char *separators)
{
	size_t start = 0;
	size_t end;

	while (start < rest->len && is_among(separators, rest->ptr[start]))
		start++;
	end = start;
	while (end < rest->len && !is_among(separators, rest->ptr[end]))
		end++;

	struct slice word = slice_upto(slice_from(*rest, start), end - start);

	*rest = slice_from(*rest, end);
	return word;
}

bool slice_is_number(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.ptr[i]))
			return false;

		uint64_t digit = (uint64_t)(s.ptr[i] - '0');

		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

int ascii_hex(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
