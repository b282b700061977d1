#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "submit/notice.h"
#include "submit/notice_text.h"

#define MESSAGE "From: ann@x.test\r\nSubject: hello\r\n\r\nthe body\r\n"

/* A notice in the making: the message it is about, and its parts once written. */
struct letter {
	struct envelope envelope;
	struct content content;
	struct notice_subject subject;
	struct buf text;
	struct slice head;     /* of the notice, with its blank line */
	struct slice parts[4]; /* each with its own header */
	size_t part_count;
};

static void letter_init(struct letter *l, struct slice message)
{
	*l = (struct letter){.envelope = {.sender = "ann@x.test"}, .text = BUF(32 << 20)};
	l->content = (struct content){.body = message, .fd = -1};
	l->subject = (struct notice_subject){
		.account = "work",
		.remote = "smtp.x.test",
		.reason = "given up after 9 attempts",
		.arrived = 1767225600,
		.retried_until = 1767225600 + 5 * 86400,
	};
}

static void letter_done(struct letter *l)
{
	envelope_done(&l->envelope);
	buf_done(&l->text);
}

static struct recipient *add(struct letter *l, const char *address, enum recipient_state state,
	int code, const char *enhanced, const char *words)
{
	struct recipient *r = envelope_add(&l->envelope, address);

	r->state = state;
	if (code > 0 || words)
		envelope_note(&l->envelope, r, code, enhanced, words);
	return r;
}

/* Cuts the notice at its boundary, and holds it to what any mail must obey:
 * lines end in CRLF, and none is over 998 octets. */
static void take_apart(struct letter *l)
{
	CLEANUP(arena_done) struct arena arena = {0};
	struct slice rest = buf_slice(&l->text);
	struct slice mark;
	size_t at;

	for (struct slice lines = rest; lines.len > 0;) {
		size_t lf = slice_find(lines, '\n');

		assert_true(lf < lines.len && lf > 0 && lines.ptr[lf - 1] == '\r');
		assert_true(slice_find(slice_upto(lines, lf - 1), '\r') == lf - 1);
		if (lf - 1 > 998)
			fail_msg("a line of %zu octets", lf - 1);
		lines = slice_from(lines, lf + 1);
	}
	assert_true(slice_find(rest, '\0') == rest.len);
	at = slice_search(rest, SLICE("\r\n\r\n"));
	l->head = slice_upto(rest, at + 4);
	at = slice_search(l->head, SLICE("boundary=\""));
	assert_true(at < l->head.len);
	mark = slice_from(l->head, at + 10);
	mark = slice_upto(mark, slice_find(mark, '"'));
	mark = slice_of(arena_printf(&arena, "\r\n--%.*s", SLICE_ARG(mark)));
	/* The first boundary follows the blank line. */
	rest = slice_from(rest, l->head.len - 2);
	l->part_count = 0;
	for (;;) {
		at = slice_search(rest, mark);
		assert_true(at < rest.len);
		if (l->part_count > 0)
			l->parts[l->part_count - 1] = slice_upto(rest, at);
		else
			assert_int_equal(at, 0);
		rest = slice_from(rest, at + mark.len);
		if (slice_starts(rest, SLICE("--")))
			break;
		assert_true(slice_starts(rest, SLICE("\r\n")));
		rest = slice_from(rest, 2);
		assert_true(++l->part_count <= ARRAY_LEN(l->parts));
	}
	assert_true(slice_eq(rest, SLICE("--\r\n")));
	assert_int_equal(l->part_count, 3);
	for (size_t i = 0; i < l->part_count; i++)
		assert_true(slice_istarts(l->parts[i], SLICE("Content-Type: ")));
}

static void write_it(struct letter *l, enum notice_kind kind)
{
	struct error err = {0};

	l->subject.envelope = &l->envelope;
	l->subject.content = &l->content;
	buf_clear(&l->text);
	assert_ok(notice_write(&l->subject, kind, "box.test", 1767312000, &l->text, &err), err);
	take_apart(l);
}

static bool holds(struct slice text, const char *part)
{
	return slice_search(text, slice_of(part)) < text.len;
}

static void expect(struct slice text, const char *part)
{
	if (!holds(text, part))
		fail_msg("'%s' is not in:\n%.*s", part, SLICE_ARG(text));
}

static bool is_due(struct letter *l, enum notice_kind kind)
{
	l->subject.envelope = &l->envelope;
	l->subject.content = &l->content;
	return notice_is_due(&l->subject, kind);
}

static void a_failure_notice_has_three_parts(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;

	letter_init(&l, SLICE(MESSAGE));
	add(&l, "bob@y.test", RECIPIENT_DELIVERED, 250, "2.1.5", "fine");
	add(&l, "carl@y.test", RECIPIENT_FAILED, 550, "5.1.1", "no such user");
	add(&l, "dora@y.test", RECIPIENT_FAILED, 551, "", "moved away");
	add(&l, "emil@y.test", RECIPIENT_PENDING, 451, "4.2.0", "grey");
	add(&l, "fred@y.test", RECIPIENT_FAILED, 0, "", "");
	write_it(&l, NOTICE_FAILURE);
	expect(l.head, "\r\nFrom: Mail Delivery System <MAILER-DAEMON@x.test>\r\n");
	expect(l.head, "\r\nTo: <ann@x.test>\r\n");
	expect(l.head, "\r\nSubject: Undelivered mail: hello\r\n");
	expect(l.head, "\r\nAuto-Submitted: auto-replied\r\n");
	expect(l.head, "\r\nMIME-Version: 1.0\r\n");
	expect(l.head, "multipart/report; report-type=delivery-status;");
	expect(l.head, "\r\nMessage-ID: <");
	assert_true(slice_starts(l.head, SLICE("Date: ")));
	expect(l.parts[0], "text/plain; charset=utf-8");
	expect(l.parts[0], "<carl@y.test>\r\n    the server smtp.x.test said: 550 5.1.1 no such");
	expect(l.parts[0], "<fred@y.test>\r\n    given up after 9 attempts\r\n");
	expect(l.parts[1], "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; box");
	expect(l.parts[1], "\r\nArrival-Date: ");
	expect(l.parts[1],
		"\r\n\r\nFinal-Recipient: rfc822; carl@y.test\r\nAction: failed\r\nStatus: "
		"5.1.1\r\n"
		"Remote-MTA: dns; smtp.x.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
		"Last-Attempt-Date: ");
	expect(l.parts[1], "\r\n\r\nFinal-Recipient: rfc822; dora@y.test\r\nAction: failed\r\n"
			   "Status: 5.0.0\r\n");
	expect(l.parts[1], "Diagnostic-Code: smtp; 551 moved away\r\n");
	expect(l.parts[1], "Diagnostic-Code: x-pillarbox; given up after 9 attempts\r\n");
	expect(l.parts[2], "Content-Type: message/rfc822\r\n");
	expect(l.parts[2], "\r\n\r\n" MESSAGE);
	for (size_t i = 0; i < 2; i++) {
		assert_false(holds(l.parts[i], "bob@y.test"));
		assert_false(holds(l.parts[i], "emil@y.test"));
	}
}

static void a_delay_notice_is_about_those_who_wait(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;

	letter_init(&l, SLICE(MESSAGE));
	add(&l, "bob@y.test", RECIPIENT_PENDING, 451, "4.2.0", "grey");
	add(&l, "carl@y.test", RECIPIENT_SENT, 0, "", "");
	add(&l, "dora@y.test", RECIPIENT_FAILED, 550, "5.1.1", "no");
	write_it(&l, NOTICE_DELAY);
	expect(l.head, "\r\nSubject: Delayed mail, still being tried: hello\r\n");
	expect(l.parts[1],
		"Final-Recipient: rfc822; bob@y.test\r\nAction: delayed\r\nStatus: 4.2.0");
	expect(l.parts[1],
		"Final-Recipient: rfc822; carl@y.test\r\nAction: delayed\r\nStatus: 4.0.0");
	expect(l.parts[1], "Will-Retry-Until: ");
	assert_false(holds(l.parts[1], "dora@y.test"));
	/* The message itself is not lost: its header is enough. */
	expect(l.parts[2], "Content-Type: text/rfc822-headers\r\n");
	assert_false(holds(l.parts[2], "the body"));
}

static void nobody_is_told_who_asked_for_silence(void **state UNUSED)
{
	static const struct {
		unsigned notify;
		bool failure, delay;
	} cases[] = {
		{0, true, true},
		{DSN_NEVER, false, false},
		{DSN_SUCCESS, false, false},
		{DSN_FAILURE, true, false},
		{DSN_DELAY, false, true},
		{DSN_SUCCESS | DSN_FAILURE | DSN_DELAY, true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(letter_done) struct letter l;

		letter_init(&l, SLICE(MESSAGE));
		add(&l, "ok@y.test", RECIPIENT_DELIVERED, 250, "", "");
		add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no")->notify = cases[i].notify;
		add(&l, "carl@y.test", RECIPIENT_PENDING, 450, "", "no")->notify = cases[i].notify;
		assert_int_equal(is_due(&l, NOTICE_FAILURE), cases[i].failure);
		assert_int_equal(is_due(&l, NOTICE_DELAY), cases[i].delay);
		l.envelope.sender = "";
		assert_false(is_due(&l, NOTICE_FAILURE));
		assert_false(is_due(&l, NOTICE_DELAY));
	}
}

static void silence_of_one_leaves_the_others_told(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;

	letter_init(&l, SLICE(MESSAGE));
	add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no")->notify = DSN_NEVER;
	add(&l, "carl@y.test", RECIPIENT_FAILED, 550, "", "no");
	add(&l, "dora@y.test", RECIPIENT_FAILED, 550, "", "no")->is_told = true;
	assert_true(is_due(&l, NOTICE_FAILURE));
	write_it(&l, NOTICE_FAILURE);
	assert_true(holds(l.parts[1], "carl@y.test"));
	assert_false(holds(l.parts[1], "bob@y.test"));
	assert_false(holds(l.parts[1], "dora@y.test"));
}

static void what_goes_back_follows_ret_and_size(void **state UNUSED)
{
	static const struct {
		enum dsn_return ret;
		size_t octets;
		bool whole;
	} cases[] = {
		{DSN_RETURN_UNSET, 1000, true},
		{DSN_RETURN_UNSET, 64 * 1024 + 1000, false},
		{DSN_RETURN_HEADERS, 1000, false},
		{DSN_RETURN_FULL, 64 * 1024 + 1000, true},
		{DSN_RETURN_FULL, 2 * 1024 * 1024, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(letter_done) struct letter l;
		CLEANUP(buf_done) struct buf message = BUF(4 << 20);

		buf_add_text(&message, MESSAGE);
		while (message.len < cases[i].octets)
			buf_add_text(&message, "a line that says nothing at all\r\n");
		letter_init(&l, buf_slice(&message));
		add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
		l.envelope.ret = cases[i].ret;
		write_it(&l, NOTICE_FAILURE);
		expect(l.parts[2], "\r\n\r\nFrom: ann@x.test\r\nSubject: hello\r\n");
		assert_int_equal(holds(l.parts[2], "the body"), cases[i].whole);
		assert_int_equal(holds(l.parts[2], "text/rfc822-headers"), !cases[i].whole);
	}
}

/* What no server would take cannot go back in a part that must not be encoded. */
static void messages_that_break_the_rules_go_back_as_headers(void **state UNUSED)
{
	static const char nul[] = MESSAGE "a\0b\r\n";
	CLEANUP(buf_done) struct buf body = BUF(1 << 20);
	CLEANUP(buf_done) struct buf head = BUF(1 << 20);
	struct slice messages[4];

	buf_add_text(&body, MESSAGE);
	buf_add_text(&head, "Subject: x\r\nX-Long: ");
	for (int i = 0; i < 1500; i++) {
		buf_add_text(&body, "y");
		buf_add_text(&head, "z");
	}
	buf_add_text(&body, "\r\n");
	buf_add_text(&head, "\r\n\r\nthe body\r\n");
	messages[0] = (struct slice){nul, sizeof(nul) - 1};
	messages[1] = buf_slice(&body);
	messages[2] = buf_slice(&head);
	messages[3] = SLICE("Subject: gr\xfc\xdf\r\nFrom: \xc3\xa4@x\r\n\r\nthe body\r\n");
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		CLEANUP(letter_done) struct letter l;

		letter_init(&l, messages[i]);
		add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
		l.envelope.ret = i == 3 ? DSN_RETURN_HEADERS : DSN_RETURN_FULL;
		write_it(&l, NOTICE_FAILURE);
		expect(l.parts[2], "text/rfc822-headers");
		expect(l.parts[2], i < 2 ? "7bit" : "quoted-printable");
		assert_false(holds(l.parts[2], "the body"));
		assert_false(slice_has_8bit(buf_slice(&l.text)));
	}
}

static void an_8bit_message_is_said_to_be_one(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;

	letter_init(&l, SLICE("Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n"));
	add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
	write_it(&l, NOTICE_FAILURE);
	expect(l.parts[2], "Content-Transfer-Encoding: 8bit\r\n");
	expect(l.parts[2], "gr\xc3\xbc\xc3\x9f");
	assert_false(slice_has_8bit(l.parts[0]) || slice_has_8bit(l.head));
}

static void messages_without_header_or_body_are_returned(void **state UNUSED)
{
	static const char *const cases[] = {
		"", "\r\n", "\r\nbody\r\n", "Subject: x\r\n", "X: y\r\n\r\n"};
	static const enum dsn_return rets[] = {DSN_RETURN_FULL, DSN_RETURN_HEADERS};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t k = 0; k < ARRAY_LEN(rets); k++) {
			CLEANUP(letter_done) struct letter l;

			letter_init(&l, slice_of(cases[i]));
			add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
			l.envelope.ret = rets[k];
			write_it(&l, NOTICE_FAILURE);
		}
	}
}

static void long_and_strange_words_stay_within_the_rules(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;
	char solid[1400];
	char mixed[1400];

	memset(solid, 'x', sizeof(solid) - 1);
	solid[sizeof(solid) - 1] = '\0';
	for (size_t i = 0; i + 1 < sizeof(mixed); i++)
		mixed[i] = i % 9 == 8 ? ' ' : (char)("\xc3\xa4"[i % 9 % 2]);
	mixed[sizeof(mixed) - 1] = '\0';
	letter_init(&l, SLICE("Subject: =?utf-8?q?a?=\r\n =?utf-8?q?b?= \xe4\x01 x\r\n\r\nb\r\n"));
	add(&l, "one@y.test", RECIPIENT_FAILED, 550, "5.1.1", solid);
	add(&l, "two@y.test", RECIPIENT_FAILED, 550, "5.1.1", mixed);
	add(&l, "three@y.test", RECIPIENT_FAILED, 550, "", "a\r\n\r\nFinal-Recipient: rfc822; x");
	add(&l, "four@y.test", RECIPIENT_FAILED, 0, "", solid);
	l.subject.remote = solid;
	write_it(&l, NOTICE_FAILURE);
	assert_false(slice_has_8bit(l.head));
	assert_false(slice_has_8bit(l.parts[0]));
	assert_false(slice_has_8bit(l.parts[1]));
	expect(l.parts[0], "quoted-printable");
	/* The words of a server make no field of their own. */
	assert_false(holds(l.parts[1], "\r\nFinal-Recipient: rfc822; x\r\n"));
}

static void a_long_subject_is_cut_at_a_blank(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;
	CLEANUP(buf_done) struct buf message = BUF(4096);

	buf_add_text(&message, "Subject:");
	for (int i = 0; i < 100; i++)
		buf_add_text(&message, i % 10 == 0 ? "\r\n word" : " word");
	buf_add_text(&message, "\r\n\r\nb\r\n");
	letter_init(&l, buf_slice(&message));
	add(&l, "one@y.test", RECIPIENT_FAILED, 550, "", "no");
	write_it(&l, NOTICE_FAILURE);
	expect(l.head, "Subject: Undelivered mail: word word");
	expect(l.head, " word word\r\nMessage-ID");
}

static void ids_of_the_sender_are_decoded(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;
	struct recipient *r;

	letter_init(&l, SLICE(MESSAGE));
	l.envelope.envid = "id+20+2B1+0D+0AX:+20y";
	r = add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
	r->orcpt = "rfc822;b+2Bc@z.test";
	add(&l, "carl@y.test", RECIPIENT_FAILED, 550, "", "no")->orcpt = "nonsense";
	write_it(&l, NOTICE_FAILURE);
	expect(l.parts[1], "\r\nOriginal-Envelope-Id: id +1??X: y\r\n");
	expect(l.parts[1], "\r\nOriginal-Recipient: rfc822; b+c@z.test\r\n");
	assert_false(holds(l.parts[1], "nonsense"));
}

static void international_addresses_have_their_own_form(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;

	letter_init(&l, SLICE(MESSAGE));
	l.envelope.sender = "\xc3\xa4@x.test";
	add(&l, "gr\xc3\xbc\xc3\x9f\xe2\x82\xac@y.test", RECIPIENT_FAILED, 550, "", "no");
	write_it(&l, NOTICE_FAILURE);
	expect(l.head, "\r\nTo: <\xc3\xa4@x.test>\r\n");
	expect(l.parts[1], "Final-Recipient: utf-8; gr\\x{FC}\\x{DF}\\x{20AC}@y.test\r\n");
	assert_false(slice_has_8bit(l.parts[1]));
}

static void many_recipients_are_bounded(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;
	char address[64];

	letter_init(&l, SLICE(MESSAGE));
	for (int i = 0; i < 12000; i++) {
		snprintf(address, sizeof(address), "r%05d@y.test", i);
		add(&l, address, RECIPIENT_FAILED, 550, "5.1.1", "no such user");
	}
	write_it(&l, NOTICE_FAILURE);
	expect(l.parts[0], "<r00199@y.test>");
	expect(l.parts[0], "and 11800 others");
	assert_false(holds(l.parts[0], "<r00200@y.test>"));
	expect(l.parts[1], "rfc822; r00200@y.test");
}

static void two_notices_have_different_boundaries_and_ids(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter a;
	CLEANUP(letter_done) struct letter b;

	letter_init(&a, SLICE(MESSAGE));
	letter_init(&b, SLICE(MESSAGE));
	add(&a, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
	add(&b, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
	write_it(&a, NOTICE_FAILURE);
	write_it(&b, NOTICE_FAILURE);
	assert_false(slice_eq(a.head, b.head));
}

static void a_message_that_cannot_be_read_is_an_error(void **state UNUSED)
{
	CLEANUP(letter_done) struct letter l;
	struct error err = {0};

	letter_init(&l, SLICE(""));
	l.content = (struct content){.fd = -1, .body = SLICE("")};
	l.content.fd = 999;
	l.content.fd_octets = 100;
	add(&l, "bob@y.test", RECIPIENT_FAILED, 550, "", "no");
	l.subject.envelope = &l.envelope;
	l.subject.content = &l.content;
	assert_false(notice_write(&l.subject, NOTICE_FAILURE, "box", 0, &l.text, &err));
	assert_int_equal(err.exit_code, EX_IOERR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_notice_has_three_parts),
		cmocka_unit_test(a_delay_notice_is_about_those_who_wait),
		cmocka_unit_test(nobody_is_told_who_asked_for_silence),
		cmocka_unit_test(silence_of_one_leaves_the_others_told),
		cmocka_unit_test(what_goes_back_follows_ret_and_size),
		cmocka_unit_test(messages_that_break_the_rules_go_back_as_headers),
		cmocka_unit_test(an_8bit_message_is_said_to_be_one),
		cmocka_unit_test(messages_without_header_or_body_are_returned),
		cmocka_unit_test(long_and_strange_words_stay_within_the_rules),
		cmocka_unit_test(a_long_subject_is_cut_at_a_blank),
		cmocka_unit_test(ids_of_the_sender_are_decoded),
		cmocka_unit_test(international_addresses_have_their_own_form),
		cmocka_unit_test(many_recipients_are_bounded),
		cmocka_unit_test(two_notices_have_different_boundaries_and_ids),
		cmocka_unit_test(a_message_that_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
