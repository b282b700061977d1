#include "test.h"

#include <string.h>

#include "config/netrc.h"

static void finds_the_password_of_a_login_on_a_machine(void **state UNUSED)
{
	static const struct {
		const char *text, *machine, *user, *want; /* NULL: none found */
	} cases[] = {
		{"", "h", "u", NULL},
		{"machine h login u password p", "h", "u", "p"},
		{"machine h\n\tlogin u\n\tpassword p\n", "H", "u", "p"},
		{"machine h password p login u", "h", "u", "p"},
		{"machine h login v password p", "h", "u", NULL},
		{"machine h login v password p", "h", NULL, "p"},
		{"machine h password p", "h", "u", "p"},
		{"machine h login v password q machine h login u password p", "h", "u", "p"},
		{"machine g login u password q default login u password p", "h", "u", "p"},
		{"machine hh login u password q", "h", "u", NULL},
		{"machine h login u password \"a b\\\"c\\\\\"", "h", "u", "a b\"c\\"},
		{"machine h login \"u v\" password p", "h", "u v", "p"},
		{"machine h login u password a\\ b", "h", "u", "a\\"},
		{"machine h login u account x password p", "h", "u", "p"},
		{"# machine h login u password q\nmachine h login u password p#1", "h", "u", "p#1"},
		{"macdef m\nmachine h login u password q\n\nmachine h login u password p", "h", "u",
			"p"},
		{"macdef m\r\nput machine h\r\n\r\nmachine h login u password p", "h", "u", "p"},
		{"machine h login u", "h", "u", NULL},
		{"machine", "h", "u", NULL},
		{"machine h login", "h", "u", NULL},
		{"machine h login u password", "h", "u", NULL},
		{"machine h login machine password p", "h", "machine", "p"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_wipe) struct buf out = BUF(4096);
		struct error err = {0};
		bool found = false;

		assert_ok(netrc_find(slice_of(cases[i].text), cases[i].machine, cases[i].user, &out,
				  &found, &err),
			err);
		if (found != (cases[i].want != NULL))
			fail_msg("%zu: %s", i, cases[i].text);
		if (found)
			assert_string_equal(buf_text(&out), cases[i].want);
	}
}

static void a_word_of_any_length_is_bounded(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	CLEANUP(buf_wipe) struct buf out = BUF(1 << 20);
	struct error err = {0};
	bool found = false;

	buf_add_text(&text, "machine h login u password ");
	for (int i = 0; i < 5000; i++)
		buf_add_char(&text, 'x');
	assert_false(netrc_find(buf_slice(&text), "h", "u", &out, &found, &err));
	assert_int_equal(err.exit_code, EX_CONFIG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_password_of_a_login_on_a_machine),
		cmocka_unit_test(a_word_of_any_length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
