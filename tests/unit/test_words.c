#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "base/words.h"

static void splits_like_a_shell_without_expansions(void **state)
{
	/* Words are joined with "|". */
	static const struct {
		const char *command, *want;
	} cases[] = {
		{"pass show mail/work", "pass|show|mail/work"},
		{"  a \t b  ", "a|b"},
		{"sh -c 'echo \"$X\" | head'", "sh|-c|echo \"$X\" | head"},
		{"a \"b c\" d", "a|b c|d"},
		{"a \"b \\\" \\\\ \\x\" d", "a|b \" \\ \\x|d"},
		{"a 'b \\' c", "a|b \\|c"},
		{"a\\ b c", "a b|c"},
		{"a '' \"\" b", "a|||b"},
		{"a'b'\"c\"d", "abcd"},
		{"a $HOME `x` ~ * ; & | > #", "a|$HOME|`x`|~|*|;|&|||>|#"},
		{"x", "x"},
		{"a b c d e f g", "a|b|c|d|e|f|g"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf joined = BUF(256);
		struct error err = {0};
		char **argv;

		assert_ok(words_split(*state, slice_of(cases[i].command), &argv, &err), err);
		for (size_t k = 0; argv[k]; k++)
			buf_printf(&joined, "%s%s", k > 0 ? "|" : "", argv[k]);
		assert_string_equal(buf_text(&joined), cases[i].want);
	}
}

static void refuses_what_has_no_end_or_no_program(void **state)
{
	static const char *const cases[] = {"", "   ", "'a", "\"a", "a \"b\\\"", "a\\", "'' b"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error err = {0};
		char **argv;

		if (words_split(*state, slice_of(cases[i]), &argv, &err))
			fail_msg("'%s' was taken", cases[i]);
		assert_int_equal(err.exit_code, EX_CONFIG);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_like_a_shell_without_expansions),
		cmocka_unit_test(refuses_what_has_no_end_or_no_program),
	};

	return cmocka_run_group_tests(tests, give_arena, take_arena);
}
