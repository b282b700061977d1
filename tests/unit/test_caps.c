#include "test.h"

#include <stdio.h>

#include "smtp/caps.h"

static void keywords_are_read_in_every_dress(void **state)
{
	struct smtp_caps caps;

	(void)state;
	caps_parse(&caps, SLICE("mail.example PIPELINING\n"
				"pipelining\n"
				"Size 1000\n"
				"SIZE 2000\n"
				"8bitmime \n"
				"SMTPUTF8\n"
				"\tDSN\n"
				"ENHANCEDSTATUSCODES\n"
				"CHUNKING\n"
				"BINARYMIME\n"
				"STARTTLS\n"
				"REQUIRETLS\n"
				"DELIVERBY 60\n"
				"MT-PRIORITY MIXER\n"
				"FUTURERELEASE 86400 2030-01-01T00:00:00Z\n"
				"LIMITS RCPTMAX=100 MAILMAX=7\tRCPTDOMAINMAX=3 X=1\n"
				"AUTH plain\tSCRAM-SHA-256  X-ODD\n"
				"AUTH=LOGIN PLAIN\n"));
	assert_true(caps.esmtp && caps.pipelining && caps.size && caps.eight_bit_mime &&
		    caps.smtputf8 && caps.dsn && caps.enhanced_codes && caps.chunking &&
		    caps.binary_mime && caps.starttls && caps.require_tls && caps.deliver_by &&
		    caps.mt_priority && caps.future_release && caps.auth);
	assert_int_equal(caps.size_limit, 1000);
	assert_int_equal(caps.deliver_min_s, 60);
	assert_int_equal(caps.hold_max_s, 86400);
	assert_int_equal(caps.rcpt_max, 100);
	assert_int_equal(caps.mail_max, 7);
	assert_int_equal(caps.domain_max, 3);
	assert_int_equal(
		caps.mechanisms, 1U << SASL_PLAIN | 1U << SASL_SCRAM_SHA_256 | 1U << SASL_LOGIN);
	assert_string_equal(caps.auth_names, "plain SCRAM-SHA-256 X-ODD LOGIN PLAIN");
}

static void the_greeting_is_no_keyword(void **state)
{
	struct smtp_caps caps;

	(void)state;
	caps_parse(&caps, SLICE("CHUNKING STARTTLS\n"));
	assert_false(caps.chunking || caps.starttls);
	caps_parse(&caps, SLICE(""));
	assert_true(caps.esmtp);
}

static void words_that_only_look_like_keywords_do_not_count(void **state)
{
	struct smtp_caps caps;

	(void)state;
	caps_parse(&caps, SLICE("x\nXSTARTTLS\nSTARTTLSX\nX PIPELINING\nXXXXXXXA\nAUTHX PLAIN\n"));
	assert_false(caps.starttls || caps.pipelining || caps.auth);
	assert_int_equal(caps.mechanisms, 0);
}

static void senseless_numbers_are_not_stated(void **state)
{
	static const char *const values[] = {"", "0", "-1", "18446744073709551616", "12x", "x",
		"9999999999999999999999999999", "1e6"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct smtp_caps caps;

		snprintf(text, sizeof(text), "x\nSIZE %s\nLIMITS RCPTMAX=%s\n", values[i],
			values[i]);
		caps_parse(&caps, slice_of(text));
		assert_true(caps.size);
		assert_int_equal(caps.size_limit, 0);
		assert_int_equal(caps.rcpt_max, 0);
	}
}

static void a_long_list_of_mechanisms_is_cut_for_people(void **state)
{
	struct smtp_caps caps;
	CLEANUP(buf_done) struct buf text = BUF(65536);

	(void)state;
	buf_add_text(&text, "x\nAUTH");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, " MECHANISM-%d", i);
	buf_add_text(&text, " PLAIN\n");
	caps_parse(&caps, buf_slice(&text));
	assert_int_equal(caps.mechanisms, 1U << SASL_PLAIN);
	assert_true(slice_of(caps.auth_names).len < sizeof(caps.auth_names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keywords_are_read_in_every_dress),
		cmocka_unit_test(the_greeting_is_no_keyword),
		cmocka_unit_test(words_that_only_look_like_keywords_do_not_count),
		cmocka_unit_test(senseless_numbers_are_not_stated),
		cmocka_unit_test(a_long_list_of_mechanisms_is_cut_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
