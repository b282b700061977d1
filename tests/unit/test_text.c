#include "test.h"

#include <string.h>

#include "base/text.h"

static void text_from_outside_is_made_fit(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"plain", "plain"},
		{"a\r\nb", "a  b"},
		{"\x1b[31mred\x07", "?[31mred?"},
		{"a\tb\x7f", "a?b?"},
		{"J\xc3\xb6rg \xe4\xbe\x8b \xf0\x9f\x98\x80",
			"J\xc3\xb6rg \xe4\xbe\x8b \xf0\x9f\x98\x80"},
		{"J\xf6rg", "J?rg"},
		{"\xc2\x9b"
		 "31m",
			"?31m"},
		{"\xe2\x80\xae"
		 "gnp.exe\xe2\x81\xa9",
			"?gnp.exe?"},
		{"\xe2\x80\x8b\xe2\x80\xa8\xd8\x9c", "???"},
		{"\xe2\x80\x93\xe2\x81\xaa\xd8\x9b", "\xe2\x80\x93\xe2\x81\xaa\xd8\x9b"},
		{"\xc0\xaf\xe0\x80\xaf", "?????"},
		{"\xed\xa0\x80", "???"},
		{"\xf4\x90\x80\x80", "????"},
		{"\xe4\xbe", "??"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = BUF(1000);

		text_sanitize(&out, slice_of(cases[i].text), 100);
		assert_string_equal(buf_text(&out), cases[i].want);
	}
}

static void long_text_is_cut(void **state)
{
	CLEANUP(buf_done) struct buf out = BUF(1000);
	char small[6];

	(void)state;
	text_sanitize(&out, SLICE("abcdef"), 3);
	assert_string_equal(buf_text(&out), "abc...");
	text_sanitize_into(small, sizeof(small), SLICE("abc"));
	assert_string_equal(small, "abc");
	for (size_t space = 1; space <= sizeof(small); space++) {
		text_sanitize_into(small, space, SLICE("\xe4\xbe\x8b\xe4\xbe\x8b\xe4\xbe\x8b"));
		assert_true(strlen(small) < space);
		assert_true(text_is_utf8(slice_of(small)));
	}
}

static void utf8_is_known(void **state)
{
	(void)state;
	assert_true(text_is_utf8(SLICE("")));
	assert_true(text_is_utf8(SLICE("a\0\x7f")));
	assert_true(text_is_utf8(SLICE("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
				       "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
	assert_false(text_is_utf8(SLICE("\x80")));
	assert_false(text_is_utf8(SLICE("\xc1\xbf")));
	assert_false(text_is_utf8(SLICE("\xe0\x9f\xbf")));
	assert_false(text_is_utf8(SLICE("\xed\xa0\x80")));
	assert_false(text_is_utf8(SLICE("\xf0\x8f\xbf\xbf")));
	assert_false(text_is_utf8(SLICE("\xf5\x80\x80\x80")));
	assert_false(text_is_utf8(SLICE("a\xc3")));
	assert_false(text_is_utf8(SLICE("\xe4\xbe")));
}

static void distances_are_counted(void **state)
{
	static const struct {
		const char *a, *b;
		size_t want;
	} cases[] = {
		{"", "", 0},
		{"host", "host", 0},
		{"host", "hots", 1},
		{"host", "hst", 1},
		{"host", "hoste", 1},
		{"host", "cost", 1},
		{"host", "coat", 2},
		{"", "abc", 3},
		{"tls_trust_file", "password", 4},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(text_distance(cases[i].a, cases[i].b, 3), cases[i].want);
		assert_int_equal(text_distance(cases[i].b, cases[i].a, 3), cases[i].want);
	}

	char endless[200];

	memset(endless, 'e', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	assert_int_equal(text_distance(endless, "host", 2), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_from_outside_is_made_fit),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(utf8_is_known),
		cmocka_unit_test(distances_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
