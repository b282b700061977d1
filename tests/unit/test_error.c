#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void setting_says_what_it_means_for_the_mail(void **state)
{
	static const struct {
		int exit_code;
		enum fate want;
	} cases[] = {
		{EX_TEMPFAIL, FATE_LATER},
		{EX_NOHOST, FATE_LATER},
		{EX_DATAERR, FATE_PERMANENT},
		{EX_NOPERM, FATE_PERMANENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error err;

		memset(&err, 0x55, sizeof(err));
		assert_false(error_set(&err, cases[i].exit_code, "%s is %d", "x", 1));
		assert_int_equal(err.exit_code, cases[i].exit_code);
		assert_int_equal(err.fate, cases[i].want);
		assert_int_equal(err.smtp_code, 0);
		assert_string_equal(err.enhanced, "");
		assert_string_equal(err.text, "x is 1");
		assert_string_equal(err.hint, "");
	}
}

static void details_are_added(void **state)
{
	struct error err = {0};

	(void)state;
	error_set(&err, EX_UNAVAILABLE, "refused");
	assert_false(error_hint(&err, "do %s", "this"));
	assert_false(error_reply(&err, 550, "5.7.1"));
	assert_false(error_fate(&err, FATE_UNCERTAIN));
	assert_false(error_prefix(&err, "host:%d", 25));
	assert_string_equal(err.text, "host:25: refused");
	assert_string_equal(err.hint, "do this");
	assert_string_equal(err.enhanced, "5.7.1");
	assert_int_equal(err.smtp_code, 550);
	assert_int_equal(err.fate, FATE_UNCERTAIN);
	assert_int_equal(err.exit_code, EX_UNAVAILABLE);
	error_reply(&err, 450, NULL);
	assert_string_equal(err.enhanced, "");
}

static void causes_of_the_system_are_named(void **state)
{
	struct error err = {0};

	(void)state;
	errno = ENOENT;
	assert_false(error_errno(&err, EX_NOINPUT, "cannot open '%s'", "f"));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(err.text, "cannot open 'f': "));
	assert_non_null(strstr(err.text, strerror(ENOENT)));
}

static void text_stays_one_line_within_its_limit(void **state)
{
	static char endless[5000];
	struct error err = {0};

	(void)state;
	memset(endless, 'e', sizeof(endless) - 1);
	error_set(&err, EX_DATAERR, "a\r\nb\x1b%s", "\n");
	assert_string_equal(err.text, "a  b  ");
	error_set(&err, EX_DATAERR, "%s", endless);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_prefix(&err, "p\n%s", endless);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_null(strchr(err.text, '\n'));
	errno = EIO;
	error_errno(&err, EX_IOERR, "%s", endless);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_hint(&err, "%s\n", endless);
	assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_says_what_it_means_for_the_mail),
		cmocka_unit_test(details_are_added),
		cmocka_unit_test(causes_of_the_system_are_named),
		cmocka_unit_test(text_stays_one_line_within_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
