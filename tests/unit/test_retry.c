#include "test.h"

#include "queue/retry.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, YEAR = 365 * DAY, NOW = 1767225600 };

static const struct retry_rules rules = {
	.min_s = MINUTE, .max_s = HOUR, .expire_s = 5 * DAY, .warn_s = 4 * HOUR};

static void due_by_time_and_despite_jumping_clocks(void **state)
{
	static const struct {
		const char *what;
		int64_t created, next;
		unsigned attempts;
		int64_t now;
		bool want;
	} cases[] = {
		{"new", NOW, NOW, 0, NOW, true},
		{"new, time of attempt in the future", NOW, NOW + DAY, 0, NOW, true},
		{"one second early", NOW - DAY, NOW + 1, 3, NOW, false},
		{"on the second", NOW - DAY, NOW, 3, NOW, true},
		{"late", NOW - DAY, NOW - HOUR, 3, NOW, true},
		{"longest pause ahead", NOW - DAY, NOW + HOUR, 3, NOW, false},
		{"further ahead than any pause", NOW - DAY, NOW + HOUR + 1, 3, NOW, true},
		{"clock back by a year", NOW, NOW + MINUTE, 3, NOW - YEAR, true},
		{"clock back by half an hour", NOW, NOW + MINUTE, 3, NOW - HOUR / 2, false},
		{"clock back by two hours", NOW, NOW + MINUTE, 3, NOW - 2 * HOUR, true},
		{"created a day ahead, waiting", NOW + DAY, NOW + MINUTE, 3, NOW, false},
		{"created over a day ahead", NOW + DAY + 1, NOW + MINUTE, 3, NOW, true},
		{"attempt in 2100", NOW, 4102444800, 1, NOW, true},
		{"clock ahead by 50 years", NOW, NOW + MINUTE, 1, NOW + 50LL * YEAR, true},
		{"latest time there is", NOW, INT64_MAX, 1, NOW, true},
		{"latest time, clock before 1970", 0, INT64_MAX, 1, -5, true},
		{"earliest time there is", NOW, INT64_MIN, 1, NOW, true},
		{"created at the earliest time", INT64_MIN, NOW + 1, 1, NOW, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct retry_facts facts = {cases[i].created, cases[i].next, cases[i].attempts};

		if (retry_is_due(&rules, &facts, cases[i].now) != cases[i].want)
			fail_msg("%s", cases[i].what);
	}
}

static void expires_by_age_and_attempts(void **state)
{
	static const struct {
		const char *what;
		int64_t created;
		unsigned attempts;
		int64_t now;
		bool want;
	} cases[] = {
		{"young", NOW, 100, NOW + DAY, false},
		{"exactly at the limit", NOW, 8, NOW + 5 * DAY, false},
		{"over the limit", NOW, 8, NOW + 5 * DAY + 1, true},
		{"old but hardly tried", NOW, 7, NOW + 5 * DAY + 1, false},
		{"never tried", NOW, 0, NOW + 5 * DAY + 1, false},
		{"clock ahead by 50 years", NOW, 2, NOW + 50LL * YEAR, false},
		{"clock back by a year", NOW, 100, NOW - YEAR, false},
		{"created at the earliest time", INT64_MIN, 8, NOW, true},
		{"created at the latest time", INT64_MAX, 8, -2, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct retry_facts facts = {cases[i].created, NOW, cases[i].attempts};

		if (retry_is_expired(&rules, &facts, cases[i].now) != cases[i].want)
			fail_msg("%s", cases[i].what);
	}
}

static void is_late_only_after_an_attempt(void **state)
{
	struct retry_facts facts = {.created = NOW, .next = NOW, .attempts = 1};
	struct retry_rules silent = rules;

	(void)state;
	silent.warn_s = 0;
	assert_false(retry_is_late(&rules, &facts, NOW + 4 * HOUR - 1));
	assert_true(retry_is_late(&rules, &facts, NOW + 4 * HOUR));
	assert_false(retry_is_late(&silent, &facts, NOW + 4 * HOUR));
	facts.attempts = 0;
	assert_false(retry_is_late(&rules, &facts, NOW + 4 * HOUR));
}

static void pauses_double_up_to_the_longest(void **state)
{
	static const struct {
		unsigned attempts;
		int64_t want;
	} cases[] = {
		{0, MINUTE},
		{1, MINUTE},
		{2, 2 * MINUTE},
		{3, 4 * MINUTE},
		{6, 32 * MINUTE},
		{7, HOUR},
		{8, HOUR},
		{64, HOUR},
		{65, HOUR},
		{4000000000U, HOUR},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
			retry_next(&rules, cases[i].attempts, NOW, 0), NOW + cases[i].want);
}

static void jitter_takes_off_a_tenth_at_most(void **state)
{
	int64_t earliest = NOW + HOUR;

	(void)state;
	for (uint32_t jitter = 0; jitter < 1000; jitter++) {
		int64_t next = retry_next(&rules, 20, NOW, jitter);

		assert_in_range(next, NOW + HOUR - HOUR / 10, NOW + HOUR);
		if (next < earliest)
			earliest = next;
	}
	assert_int_equal(earliest, NOW + HOUR - HOUR / 10);
	assert_in_range(
		retry_next(&rules, 20, NOW, UINT32_MAX), NOW + HOUR - HOUR / 10, NOW + HOUR);
}

static void senseless_rules_still_give_a_pause(void **state)
{
	static const struct retry_rules cases[] = {
		{0, 0, 0, 0}, {-5, -5, -5, -5}, {10, 1, 0, 0}, {INT64_MAX, INT64_MAX, 0, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (unsigned attempts = 0; attempts < 70; attempts++)
			assert_true(retry_next(&cases[i], attempts, NOW, 12345) > NOW);
	assert_int_equal(retry_next(&cases[3], 3, NOW, 0), INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(due_by_time_and_despite_jumping_clocks),
		cmocka_unit_test(expires_by_age_and_attempts),
		cmocka_unit_test(is_late_only_after_an_attempt),
		cmocka_unit_test(pauses_double_up_to_the_longest),
		cmocka_unit_test(jitter_takes_off_a_tenth_at_most),
		cmocka_unit_test(senseless_rules_still_give_a_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
