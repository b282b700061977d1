#include "test.h"

#include "mail/status.h"

static void every_phase_has_its_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASE_COUNT; i++) {
		assert_non_null(phase_table[i].verb);
		assert_non_null(phase_table[i].words);
		assert_true(phase_table[i].limit_s > 0);
	}
	/* RFC 5321 section 4.5.3.2.1 to 4.5.3.2.6. */
	assert_int_equal(phase_table[PHASE_GREETING].limit_s, 300);
	assert_int_equal(phase_table[PHASE_MAIL].limit_s, 300);
	assert_int_equal(phase_table[PHASE_RCPT].limit_s, 300);
	assert_int_equal(phase_table[PHASE_DATA].limit_s, 120);
	assert_int_equal(phase_table[PHASE_BODY].limit_s, 180);
	assert_int_equal(phase_table[PHASE_FINAL].limit_s, 600);
}

static void replies_have_a_fate(void **state)
{
	static const struct {
		enum smtp_phase phase;
		int code;
		enum fate want;
	} cases[] = {
		{PHASE_GREETING, 554, FATE_LATER},
		{PHASE_GREETING, 421, FATE_LATER},
		{PHASE_GREETING, 250, FATE_LATER},
		{PHASE_EHLO, 502, FATE_LATER},
		{PHASE_EHLO, 550, FATE_LATER},
		{PHASE_EHLO, 554, FATE_PERMANENT},
		{PHASE_STARTTLS, 502, FATE_LATER},
		{PHASE_STARTTLS, 454, FATE_LATER},
		{PHASE_AUTH, 535, FATE_PERMANENT},
		{PHASE_AUTH, 454, FATE_LATER},
		{PHASE_AUTH, 999, FATE_LATER},
		{PHASE_MAIL, 550, FATE_PERMANENT},
		{PHASE_MAIL, 451, FATE_LATER},
		{PHASE_RCPT, 550, FATE_PERMANENT},
		{PHASE_RCPT, 551, FATE_PERMANENT},
		{PHASE_RCPT, 452, FATE_LATER},
		{PHASE_RCPT, 552, FATE_LATER},
		{PHASE_RCPT, 354, FATE_LATER},
		{PHASE_DATA, 554, FATE_PERMANENT},
		{PHASE_DATA, 250, FATE_LATER},
		{PHASE_BODY, 552, FATE_PERMANENT},
		{PHASE_BODY, 0, FATE_LATER},
		{PHASE_FINAL, 552, FATE_PERMANENT},
		{PHASE_FINAL, 421, FATE_LATER},
		{PHASE_FINAL, 0, FATE_UNCERTAIN},
		{PHASE_FINAL, 354, FATE_UNCERTAIN},
		{PHASE_FINAL, 220, FATE_UNCERTAIN},
		{PHASE_RSET, 500, FATE_LATER},
		{PHASE_MAIL, -1, FATE_LATER},
		{PHASE_MAIL, 5000, FATE_LATER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (status_fate(cases[i].phase, cases[i].code) != cases[i].want)
			fail_msg("%s %d", phase_table[cases[i].phase].verb, cases[i].code);
}

static void refusals_have_an_exit_code(void **state)
{
	static const struct {
		enum smtp_phase phase;
		int code;
		const char *enhanced;
		int want;
	} cases[] = {
		{PHASE_AUTH, 535, "5.7.8", EX_NOPERM},
		{PHASE_AUTH, 504, NULL, EX_NOPERM},
		{PHASE_MAIL, 550, "", EX_UNAVAILABLE},
		{PHASE_MAIL, 550, "5.1.8", EX_UNAVAILABLE},
		{PHASE_MAIL, 550, "5.7.1", EX_UNAVAILABLE},
		{PHASE_MAIL, 530, NULL, EX_NOPERM},
		{PHASE_MAIL, 553, "", EX_NOPERM},
		{PHASE_MAIL, 553, "5.7.1", EX_NOPERM},
		{PHASE_MAIL, 553, "5.1.8", EX_UNAVAILABLE},
		{PHASE_MAIL, 552, "5.3.4", EX_DATAERR},
		{PHASE_MAIL, 554, "5.3.4", EX_DATAERR},
		{PHASE_RCPT, 550, "5.1.1", EX_NOUSER},
		{PHASE_RCPT, 554, "5.7.1", EX_NOUSER},
		{PHASE_RCPT, 530, "5.7.0", EX_NOPERM},
		{PHASE_DATA, 554, "", EX_DATAERR},
		{PHASE_FINAL, 554, "5.7.1", EX_DATAERR},
		{PHASE_FINAL, 552, NULL, EX_DATAERR},
		{PHASE_EHLO, 554, "", EX_UNAVAILABLE},
		{PHASE_GREETING, 554, "", EX_UNAVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (status_exit_code(cases[i].phase, cases[i].code, cases[i].enhanced) !=
			cases[i].want)
			fail_msg("%s %d %s", phase_table[cases[i].phase].verb, cases[i].code,
				cases[i].enhanced ? cases[i].enhanced : "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_phase_has_its_facts),
		cmocka_unit_test(replies_have_a_fate),
		cmocka_unit_test(refusals_have_an_exit_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
