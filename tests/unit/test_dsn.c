#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "mail/dsn.h"

static void notify_is_never_or_a_list(void **state)
{
	static const struct {
		const char *text;
		unsigned want; /* 0: refused */
	} cases[] = {
		{"never", DSN_NEVER},
		{"NEVER", DSN_NEVER},
		{"success", DSN_SUCCESS},
		{"failure,delay", DSN_FAILURE | DSN_DELAY},
		{"success, Failure ,DELAY", DSN_SUCCESS | DSN_FAILURE | DSN_DELAY},
		{"failure,failure", DSN_FAILURE},
		{"", 0},
		{",", 0},
		{"never,success", 0},
		{"failure,often", 0},
		{"successful", 0},
		{"failure;delay", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned got = 99;
		bool is_valid = dsn_notify_read(slice_of(cases[i].text), &got);

		if (is_valid != (cases[i].want != 0) || got != (is_valid ? cases[i].want : 99))
			fail_msg("'%s': %u", cases[i].text, got);
	}
}

static void return_is_full_or_headers(void **state)
{
	enum dsn_return got = DSN_RETURN_UNSET;

	(void)state;
	assert_false(dsn_return_read(slice_of(""), &got));
	assert_false(dsn_return_read(slice_of("headers"), &got));
	assert_false(dsn_return_read(slice_of("full "), &got));
	assert_int_equal(got, DSN_RETURN_UNSET);
	assert_true(dsn_return_read(slice_of("Full"), &got));
	assert_int_equal(got, DSN_RETURN_FULL);
	assert_true(dsn_return_read(slice_of("HDRS"), &got));
	assert_int_equal(got, DSN_RETURN_HEADERS);
}

static void envid_becomes_xtext(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"QQ314159", "QQ314159"},
		{"a b+c=d", "a+20b+2Bc+3Dd"},
		{"~!", "~!"},
		{"", NULL},
		{"a\r\nRCPT TO:<x@y>", NULL},
		{"gr\xc3\xbc", NULL},
		{"\x7f", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char got[DSN_ENVID_SPACE] = "";

		if (dsn_envid_read(slice_of(cases[i].text), got) != (cases[i].want != NULL))
			fail_msg("'%s'", cases[i].text);
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
	}
}

static void envid_has_a_limit(void **state)
{
	char text[102];
	char got[DSN_ENVID_SPACE] = "";

	(void)state;
	memset(text, 'x', 100);
	text[100] = '\0';
	assert_true(dsn_envid_read(slice_of(text), got));
	assert_string_equal(got, text);
	text[50] = '+'; /* three octets in xtext */
	assert_false(dsn_envid_read(slice_of(text), got));
	text[50] = 'x';
	text[100] = 'x';
	text[101] = '\0';
	assert_false(dsn_envid_read(slice_of(text), got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify_is_never_or_a_list),
		cmocka_unit_test(return_is_full_or_headers),
		cmocka_unit_test(envid_becomes_xtext),
		cmocka_unit_test(envid_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
