/* Borrowed text: a pointer and a length, not NUL-terminated. All case folding
 * and all classes of characters are those of ASCII, whatever the locale. */
#pragma once

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
struct slice slice_of(const char *text);

/** The part of s that starts at octet `from` (at most its end). */
struct slice slice_from(struct slice s, size_t from);

/** The first `len` octets of s, or all where it is shorter. */
struct slice slice_upto(struct slice s, size_t len);

/** True when both hold the same octets. */
bool slice_eq(struct slice a, struct slice b);

/** True when both are equal without regard to the case of ASCII letters. */
bool slice_ieq(struct slice a, struct slice b);

/** Orders by octets, like memcmp; a prefix comes first. */
int slice_cmp(struct slice a, struct slice b);

/** True when s begins with prefix. */
bool slice_starts(struct slice s, struct slice prefix);

/** True when s begins with prefix, without regard to the case of ASCII letters. */
bool slice_istarts(struct slice s, struct slice prefix);

/** True when s ends with suffix, without regard to the case of ASCII letters. */
bool slice_iends(struct slice s, struct slice suffix);

/** s without blanks, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/** Place of the first octet c in s, or s.len where there is none. */
size_t slice_find(struct slice s, char c);

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
bool ascii_is_alpha(char c);

/** True for 0-9. */
bool ascii_is_digit(char c);

/** True for letters and digits. */
bool ascii_is_alnum(char c);

/** True for blank and tab. */
bool ascii_is_blank(char c);

/** True for the control characters 0..31 and 127. */
bool ascii_is_control(char c);

/** The letter in lower case; everything else as it is. */
char ascii_lower(char c);

/** The letter in upper case; everything else as it is. */
char ascii_upper(char c);

/** Value of a hexadecimal digit of either case, or -1. */
int ascii_hex(char c);
