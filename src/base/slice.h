/* Borrowed text: a pointer and a length, not NUL-terminated. All case folding
 * and all classes of characters are those of ASCII, whatever the locale. What
 * is done for each octet or word of a message stands here to be inlined. */
#pragma once

#include <string.h>

#include "base/common.h"

struct slice {
	const char *ptr; /* borrowed, never NULL when len > 0 */
	size_t len;      /* octets */
};

/* A slice over a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* For printf: "%.*s" with SLICE_ARG(s). */
#define SLICE_ARG(s) (int)((s).len > 65536 ? 65536 : (s).len), ((s).len > 0 ? (s).ptr : "")

/** A slice over a NUL-terminated string, which must outlive it; NULL is empty. */
static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, text ? strlen(text) : 0};
}

/** The part of s that starts at octet `from` (at most its end). */
static inline struct slice slice_from(struct slice s, size_t from)
{
	if (from >= s.len)
		return (struct slice){s.ptr ? s.ptr + s.len : NULL, 0};
	return (struct slice){s.ptr + from, s.len - from};
}

/** The first `len` octets of s, or all where it is shorter. */
static inline struct slice slice_upto(struct slice s, size_t len)
{
	return (struct slice){s.ptr, len < s.len ? len : s.len};
}

/** True when both hold the same octets. */
static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** True when s begins with prefix, without regard to the case of ASCII letters. */
bool slice_istarts(struct slice s, struct slice prefix);

/** True when both are equal without regard to the case of ASCII letters. */
static inline bool slice_ieq(struct slice a, struct slice b)
{
	return a.len == b.len && slice_istarts(a, b);
}

/** Orders by octets, like memcmp; a prefix comes first. */
int slice_cmp(struct slice a, struct slice b);

/** True when s begins with prefix. */
bool slice_starts(struct slice s, struct slice prefix);

/** True when s ends with suffix, without regard to the case of ASCII letters. */
bool slice_iends(struct slice s, struct slice suffix);

/** s without blanks, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/** Place of the first octet c in s, or s.len where there is none. */
static inline size_t slice_find(struct slice s, char c)
{
	const char *at = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;

	return at ? (size_t)(at - s.ptr) : s.len;
}

/** Place of the first occurrence of `needle` in s, or s.len where there is none. */
size_t slice_search(struct slice s, struct slice needle);

/** True when any octet of s is 0x80 or above. */
bool slice_has_8bit(struct slice s);

/**
 * Takes the next word off *rest: octets up to one of `separators`, which are
 * skipped in front of it. An empty result means that no word is left.
 */
struct slice slice_word(struct slice *rest, const char *separators);

/**
 * True when s is a decimal number of digits alone, at most max; then *out is
 * set.
 */
bool slice_is_number(struct slice s, uint64_t max, uint64_t *out) NODISCARD;

/** True for A-Z and a-z. */
static inline bool ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/** True for 0-9. */
static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/** True for letters and digits. */
static inline bool ascii_is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

/** True for blank and tab. */
static inline bool ascii_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/** True for the control characters 0..31 and 127. */
static inline bool ascii_is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/** The letter in lower case; everything else as it is. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/** The letter in upper case; everything else as it is. */
static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/** Value of a hexadecimal digit of either case, or -1. */
int ascii_hex(char c);
