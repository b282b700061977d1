#include "test.h"

#include <stdio.h>

#include "mail/envelope.h"

static void duplicates_are_one_recipient(void **state)
{
	CLEANUP(envelope_done) struct envelope e = {0};

	(void)state;
	envelope_add(&e, "ann@Example.org");
	envelope_add(&e, "bob@x");
	envelope_add(&e, "ann@example.ORG");
	envelope_add(&e, "Ann@example.org");
	assert_int_equal(e.count, 3);
	assert_string_equal(e.recipients[0].address, "ann@Example.org");
	assert_string_equal(e.recipients[1].address, "bob@x");
	assert_string_equal(e.recipients[2].address, "Ann@example.org");
	assert_ptr_equal(envelope_add(&e, "bob@X"), &e.recipients[1]);
	assert_int_equal(e.recipients[0].state, RECIPIENT_PENDING);
	assert_string_equal(e.recipients[0].last.text, "");
	assert_string_equal(e.recipients[0].last.enhanced, "");
	assert_null(e.recipients[0].orcpt);
}

/* Comparing each with each would be 10^10 comparisons. */
static void order_is_kept_for_100000(void **state)
{
	CLEANUP(envelope_done) struct envelope e = {0};
	char wire[64];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100000; i++) {
			snprintf(wire, sizeof(wire),
				round == 0 ? "u%d@example.org" : "u%d@EXAMPLE.org", i);

			struct recipient *r = envelope_add(&e, wire);

			assert_ptr_equal(r, &e.recipients[i]);
		}
	}
	assert_int_equal(e.count, 100000);
	for (int i = 0; i < 100000; i++) {
		snprintf(wire, sizeof(wire), "u%d@example.org", i);
		assert_string_equal(e.recipients[i].address, wire);
	}
	envelope_add(&e, "U5@example.org");
	assert_int_equal(e.count, 100001);
}

static void recipients_are_counted_by_state(void **state)
{
	CLEANUP(envelope_done) struct envelope e = {0};

	(void)state;
	assert_int_equal(envelope_count(&e, RECIPIENT_PENDING), 0);
	envelope_add(&e, "a@x");
	envelope_add(&e, "b@x")->state = RECIPIENT_DELIVERED;
	envelope_add(&e, "c@x")->state = RECIPIENT_DELIVERED;
	assert_int_equal(envelope_count(&e, RECIPIENT_PENDING), 1);
	assert_int_equal(envelope_count(&e, RECIPIENT_DELIVERED), 2);
	assert_int_equal(envelope_count(&e, RECIPIENT_FAILED), 0);
}

static void replies_are_copied(void **state)
{
	CLEANUP(envelope_done) struct envelope e = {0};
	struct recipient *r = envelope_add(&e, "a@x");
	char enhanced[] = "5.1.1", text[] = "no such user";

	(void)state;
	envelope_note(&e, r, 550, enhanced, text);
	enhanced[0] = text[0] = '!';
	assert_int_equal(r->last.code, 550);
	assert_string_equal(r->last.enhanced, "5.1.1");
	assert_string_equal(r->last.text, "no such user");
	/* The old texts may be given again. */
	envelope_note(&e, r, 450, r->last.enhanced, r->last.text);
	assert_string_equal(r->last.text, "no such user");
	envelope_note(&e, r, 0, NULL, NULL);
	assert_string_equal(r->last.enhanced, "");
	assert_string_equal(r->last.text, "");
}

static void an_envelope_can_be_used_again(void **state)
{
	struct envelope e = {0};

	(void)state;
	envelope_done(&e);
	for (int round = 0; round < 2; round++) {
		for (char c = 'a'; c <= 'z'; c++)
			envelope_add(&e, (const char[]){c, '@', 'x', '\0'});
		assert_int_equal(e.count, 26);
		envelope_done(&e);
		assert_int_equal(e.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates_are_one_recipient),
		cmocka_unit_test(order_is_kept_for_100000),
		cmocka_unit_test(recipients_are_counted_by_state),
		cmocka_unit_test(replies_are_copied),
		cmocka_unit_test(an_envelope_can_be_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
