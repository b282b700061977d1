#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail/complete.h"

static const struct complete_facts facts = {
	.from_name = "Ann Lee",
	.from_address = "ann@example.org",
	.id_domain = "host.example.org",
	.now = 1767225600,
};

/* The header block after completion, with a fixed text for what is random. */
static void complete_block(
	const char *block, const struct complete_facts *with, char *out, size_t space)
{
	struct message m = {.spill = -1, .head = BUF(1 << 20)};
	struct content c;
	char *id;

	header_parse(&m.header, slice_of(block));
	complete_message(&m, with);
	message_content(&m, &c);
	snprintf(out, space, "%.*s", SLICE_ARG(c.head));
	message_done(&m);
	while ((id = strstr(out, "<6955b900."))) {
		char *end = strchr(id, '@');

		assert_int_equal(end - id, 34);
		memmove(id + 1, end, strlen(end) + 1);
	}
}

static void what_is_missing_is_added_in_front(UNUSED void **state)
{
	static const struct {
		const char *block, *want;
	} cases[] = {
		{"", "Date: Thu, 1 Jan 2026 01:00:00 +0100\r\n"
		     "From: Ann Lee <ann@example.org>\r\n"
		     "Message-ID: <@host.example.org>\r\n\r\n"},
		{"to:x\r\nDATE: bad\r\nmessage-id:\r\nFrom : root (Cron)\r\n",
			"to:x\r\nDATE: bad\r\nmessage-id:\r\nFrom : root (Cron)\r\n\r\n"},
		{"Date: d\r\nMessage-ID: i\r\n",
			"From: Ann Lee <ann@example.org>\r\nDate: d\r\nMessage-ID: i\r\n\r\n"},
		{"Bcc: a@b\r\nDate: d\r\nbCC :c\r\n d\r\nFrom: f@x\r\nMessage-ID: i\r\n"
		 "Return-Path: <x>\r\nCONTENT-length: 5\r\nresent-reply: x\r\n",
			"Resent-Date: Thu, 1 Jan 2026 01:00:00 +0100\r\n"
			"Resent-From: Ann Lee <ann@example.org>\r\n"
			"Resent-Message-ID: <@host.example.org>\r\n"
			"Date: d\r\nFrom: f@x\r\nMessage-ID: i\r\nresent-reply: x\r\n\r\n"},
		{"Date: d\r\nMessage-ID: i\r\nFrom: \"a, b\" <a@x>\r\n",
			"Date: d\r\nMessage-ID: i\r\nFrom: \"a, b\" <a@x>\r\n\r\n"},
		{"Date: d\r\nMessage-ID: i\r\nFrom: a@x, b@x\r\n",
			"Sender: ann@example.org\r\n"
			"Date: d\r\nMessage-ID: i\r\nFrom: a@x, b@x\r\n\r\n"},
		{"Date: d\r\nMessage-ID: i\r\nSender: s@x\r\nFrom: a@x, b@x\r\n",
			"Date: d\r\nMessage-ID: i\r\nSender: s@x\r\nFrom: a@x, b@x\r\n\r\n"},
	};
	char got[4096];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		complete_block(cases[i].block, &facts, got, sizeof(got));
		assert_string_equal(got, cases[i].want);
	}
}

static void a_resent_message_gets_the_resent_forms(UNUSED void **state)
{
	static const struct {
		const char *block, *want;
	} cases[] = {
		/* The original lacks Date and Message-ID, which stays so; a From is needed. */
		{"Resent-To: x@y\r\nTo: z\r\n", "Resent-Date: Thu, 1 Jan 2026 01:00:00 +0100\r\n"
						"Resent-From: Ann Lee <ann@example.org>\r\n"
						"Resent-Message-ID: <@host.example.org>\r\n"
						"Resent-To: x@y\r\nTo: z\r\n"
						"From: Ann Lee <ann@example.org>\r\n\r\n"},
		{"Resent-Bcc: x@y\r\nFrom: f\r\nDate: d\r\nMessage-ID: i\r\n",
			"Resent-Date: Thu, 1 Jan 2026 01:00:00 +0100\r\n"
			"Resent-From: Ann Lee <ann@example.org>\r\n"
			"Resent-Message-ID: <@host.example.org>\r\n"
			"From: f\r\nDate: d\r\nMessage-ID: i\r\n\r\n"},
		{"Resent-From: q@x\r\nRESENT-date: d\r\nResent-Message-Id: m\r\nResent-To: x\r\n"
		 "From: f\r\n",
			"Resent-From: q@x\r\nRESENT-date: d\r\nResent-Message-Id: m\r\n"
			"Resent-To: x\r\nFrom: f\r\n\r\n"},
		/* The second Resent-To is of an earlier resending, as all behind it. */
		{"Resent-To: x@y\r\nResent-To: old\r\nResent-Date: old\r\nResent-From: old\r\n"
		 "Resent-Message-ID: old\r\nFrom: f\r\n",
			"Resent-Date: Thu, 1 Jan 2026 01:00:00 +0100\r\n"
			"Resent-From: Ann Lee <ann@example.org>\r\n"
			"Resent-Message-ID: <@host.example.org>\r\n"
			"Resent-To: x@y\r\nResent-To: old\r\nResent-Date: old\r\n"
			"Resent-From: old\r\nResent-Message-ID: old\r\nFrom: f\r\n\r\n"},
	};
	char got[4096];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		complete_block(cases[i].block, &facts, got, sizeof(got));
		assert_string_equal(got, cases[i].want);
	}
}

static void undisclosed_recipients_only_on_demand(UNUSED void **state)
{
	struct complete_facts with = facts;
	char got[4096];

	with.add_undisclosed = true;
	complete_block(
		"Date: d\r\nFrom: f\r\nMessage-ID: i\r\nBcc: x\r\n", &with, got, sizeof(got));
	assert_string_equal(got, "To: undisclosed-recipients:;\r\nDate: d\r\nFrom: f\r\n"
				 "Message-ID: i\r\n\r\n");
	complete_block("Date: d\r\nFrom: f\r\nMessage-ID: i\r\nCC: x\r\n", &with, got, sizeof(got));
	assert_string_equal(got, "Date: d\r\nFrom: f\r\nMessage-ID: i\r\nCC: x\r\n\r\n");
	complete_block("Date: d\r\nFrom: f\r\nMessage-ID: i\r\n", &facts, got, sizeof(got));
	assert_null(strstr(got, "To:"));
}

static void the_id_is_never_of_localhost(UNUSED void **state)
{
	struct complete_facts with = facts;
	char got[4096];

	with.id_domain = "LocalHost";
	complete_block("Date: d\r\nFrom: f\r\n", &with, got, sizeof(got));
	assert_non_null(strstr(got, "<@example.org>"));
	with.id_domain = "";
	with.from_address = "root";
	complete_block("Date: d\r\nFrom: f\r\n", &with, got, sizeof(got));
	assert_non_null(strstr(got, "<@mail.invalid>"));
}

static void dates_carry_the_numeric_zone(void **state)
{
	static const struct {
		const char *zone;
		int64_t when;
		const char *want;
	} cases[] = {
		{"UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 1783000000, "Thu, 2 Jul 2026 15:46:40 +0200"},
		{"NST3:30", 1767225600, "Wed, 31 Dec 2025 20:30:00 -0330"},
		{"XXX0:00:30", 1767225600, "Wed, 31 Dec 2025 23:59:30 +0000"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setenv("TZ", cases[i].zone, 1);
		tzset();
		assert_string_equal(complete_date(*state, cases[i].when), cases[i].want);
	}
	setenv("TZ", "XXX-1", 1);
	tzset();
}

static void ids_are_unique(void **state)
{
	const char *one = complete_message_id(*state, "x.example", 5);
	const char *two = complete_message_id(*state, "x.example", 5);

	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), strlen("<5.@x.example>") + 24);
	assert_non_null(strstr(one, "@x.example>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			dates_carry_the_numeric_zone, give_arena, take_arena),
		cmocka_unit_test(what_is_missing_is_added_in_front),
		cmocka_unit_test(a_resent_message_gets_the_resent_forms),
		cmocka_unit_test(undisclosed_recipients_only_on_demand),
		cmocka_unit_test(the_id_is_never_of_localhost),
		cmocka_unit_test_setup_teardown(ids_are_unique, give_arena, take_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
