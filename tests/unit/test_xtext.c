#include "test.h"

#include "mail/xtext.h"

static void validity_follows_the_grammar(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} cases[] = {
		{"", true},
		{"QQ314159", true},
		{"a+2Bb+3D+20", true},
		{"a+2bb", true}, /* lower case is read, though we never write it */
		{"a b", false},
		{"a=b", false},
		{"a+", false},
		{"a+2", false},
		{"a+2G", false},
		{"a\r\nRCPT", false},
		{"a\x7f", false},
		{"gr\xc3\xbc", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (xtext_is_valid(slice_of(cases[i].text)) != cases[i].want)
			fail_msg("'%s'", cases[i].text);
}

static void orcpt_has_a_type_and_an_address(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} cases[] = {
		{"rfc822;bob@example.org", true},
		{"utf-8;b+2Bb@example.org", true},
		{"rfc822", false},
		{";bob@example.org", false},
		{"rfc822;", false},
		{"rfc 822;bob", false},
		{"rfc822;a b", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (xtext_is_orcpt(slice_of(cases[i].text)) != cases[i].want)
			fail_msg("'%s'", cases[i].text);
}

static void decoding_never_leaves_the_line(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"a+2Bb+3Dc+20d", "a+b=c d"},
		{"a+0D+0Ab", "a??b"},
		{"+C3+BC", "??"},
		{"a+zz+", "a+zz+"},
		{"gr\xc3\xbc\r\n", "gr????"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = BUF(100);

		xtext_decode(slice_of(cases[i].text), &out);
		assert_string_equal(buf_text(&out), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validity_follows_the_grammar),
		cmocka_unit_test(orcpt_has_a_type_and_an_address),
		cmocka_unit_test(decoding_never_leaves_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
