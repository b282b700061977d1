#include "test.h"

#include <string.h>

#include "base/slice.h"

static void parts_stay_inside(void **state)
{
	struct slice s = SLICE("abcdef");

	(void)state;
	assert_true(slice_eq(slice_from(s, 2), SLICE("cdef")));
	assert_int_equal(slice_from(s, 6).len, 0);
	assert_int_equal(slice_from(s, 100).len, 0);
	assert_true(slice_eq(slice_upto(s, 2), SLICE("ab")));
	assert_true(slice_eq(slice_upto(s, 100), s));
	assert_int_equal(slice_from((struct slice){0}, 3).len, 0);
	assert_int_equal(slice_of(NULL).len, 0);
	assert_true(slice_eq(slice_of("abcdef"), s));
}

static void comparisons_fold_ascii_alone(void **state)
{
	(void)state;
	assert_true(slice_eq((struct slice){0}, SLICE("")));
	assert_false(slice_eq(SLICE("a"), SLICE("A")));
	assert_true(slice_ieq(SLICE("aBc"), SLICE("AbC")));
	assert_false(slice_ieq(SLICE("abc"), SLICE("abcd")));
	assert_false(slice_ieq(SLICE("\xc3\xa4"), SLICE("\xc3\x84")));
	/* These pairs differ in the bit of the case and are no letters. */
	assert_false(slice_ieq(SLICE("@["), SLICE("`{")));
	assert_true(slice_cmp(SLICE("a"), SLICE("ab")) < 0);
	assert_true(slice_cmp(SLICE("b"), SLICE("ab")) > 0);
	assert_true(slice_cmp(SLICE("\xff"), SLICE("a")) > 0);
	assert_int_equal(slice_cmp(SLICE("a"), SLICE("a")), 0);
	assert_int_equal(slice_cmp(SLICE(""), (struct slice){0}), 0);
	assert_true(slice_starts(SLICE("Subject"), SLICE("Sub")));
	assert_false(slice_starts(SLICE("Su"), SLICE("Sub")));
	assert_true(slice_starts(SLICE("a"), SLICE("")));
	assert_true(slice_istarts(SLICE("SUBject"), SLICE("sub")));
	assert_false(slice_istarts(SLICE("su"), SLICE("sub")));
	assert_true(slice_iends(SLICE("mail.EXAMPLE"), SLICE(".example")));
	assert_false(slice_iends(SLICE("e"), SLICE(".example")));
}

static void octets_and_texts_are_found(void **state)
{
	struct slice s = SLICE("a\0bc,bd");

	(void)state;
	assert_int_equal(slice_find(s, ','), 4);
	assert_int_equal(slice_find(s, '\0'), 1);
	assert_int_equal(slice_find(s, 'x'), s.len);
	assert_int_equal(slice_find((struct slice){0}, 'x'), 0);
	assert_int_equal(slice_search(s, SLICE("bd")), 5);
	assert_int_equal(slice_search(s, SLICE("be")), s.len);
	assert_true(slice_eq(slice_trim(SLICE(" \t\r\n a b \r\n")), SLICE("a b")));
	assert_int_equal(slice_trim(SLICE(" \t ")).len, 0);
	assert_true(slice_has_8bit(SLICE("a\x80")));
	assert_false(slice_has_8bit(SLICE("a\x7f")));
}

static void words_are_taken_one_by_one(void **state)
{
	struct slice rest = SLICE(",, one two,three\0x , ");

	(void)state;
	assert_true(slice_eq(slice_word(&rest, ", "), SLICE("one")));
	assert_true(slice_eq(slice_word(&rest, ", "), SLICE("two")));
	assert_true(slice_eq(slice_word(&rest, ", "), SLICE("three\0x")));
	assert_int_equal(slice_word(&rest, ", ").len, 0);
	assert_int_equal(slice_word(&rest, ", ").len, 0);
}

static void numbers_are_digits_within_a_limit(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool is_number;
		uint64_t want;
	} cases[] = {
		{"0", 0, true, 0},
		{"1", 0, false, 0},
		{"007", 7, true, 7},
		{"65535", 65535, true, 65535},
		{"65536", 65535, false, 0},
		{"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, false, 0},
		{"99999999999999999999999", UINT64_MAX, false, 0},
		{"", 9, false, 0},
		{"-1", 9, false, 0},
		{"+1", 9, false, 0},
		{" 1", 9, false, 0},
		{"1x", 99, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t got = 4711;

		if (slice_is_number(slice_of(cases[i].text), cases[i].max, &got) !=
			cases[i].is_number)
			fail_msg("'%s'", cases[i].text);
		assert_int_equal(got, cases[i].is_number ? cases[i].want : 4711);
	}
}

static void classes_are_those_of_ascii(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		char c = (char)i;
		bool is_upper = i >= 'A' && i <= 'Z', is_lower = i >= 'a' && i <= 'z';
		bool is_digit = i >= '0' && i <= '9';
		const char *hex = i ? strchr("0123456789abcdef", is_upper ? i + 32 : i) : NULL;

		assert_int_equal(ascii_is_alpha(c), is_upper || is_lower);
		assert_int_equal(ascii_is_digit(c), is_digit);
		assert_int_equal(ascii_is_alnum(c), is_upper || is_lower || is_digit);
		assert_int_equal(ascii_is_blank(c), i == ' ' || i == '\t');
		assert_int_equal(ascii_is_control(c), i < 32 || i == 127);
		assert_int_equal((unsigned char)ascii_lower(c), is_upper ? i + 32 : i);
		assert_int_equal((unsigned char)ascii_upper(c), is_lower ? i - 32 : i);
		assert_int_equal(ascii_hex(c),
			hex ? (int)(hex[0] <= '9' ? hex[0] - '0' : hex[0] - 'a' + 10) : -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_stay_inside),
		cmocka_unit_test(comparisons_fold_ascii_alone),
		cmocka_unit_test(octets_and_texts_are_found),
		cmocka_unit_test(words_are_taken_one_by_one),
		cmocka_unit_test(numbers_are_digits_within_a_limit),
		cmocka_unit_test(classes_are_those_of_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
