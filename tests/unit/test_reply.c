#include "test.h"

#include <stdio.h>
#include <string.h>

#include "smtp/reply.h"

static int give_reply(void **state)
{
	static struct reply reply;

	reply_init(&reply);
	*state = &reply;
	return 0;
}

static int take_reply(void **state)
{
	reply_done(*state);
	return 0;
}

/* Feeds lines until one is the last; fails the test where one is refused. */
static void feed(struct reply *r, const char *const *lines)
{
	struct error err = {0};
	bool is_last = false;

	reply_clear(r);
	for (; *lines; lines++) {
		assert_false(is_last);
		assert_ok(reply_take(r, slice_of(*lines), &is_last, &err), err);
	}
	assert_true(is_last);
}

static void replies_are_put_together(void **state)
{
	static const struct {
		const char *lines[4];
		int code;
		const char *enhanced, *words;
	} cases[] = {
		{{"250 ok"}, 250, "", "250 ok"},
		{{"250"}, 250, "", "250"},
		{{"250 "}, 250, "", "250"},
		{{"250-", "250"}, 250, "", "250"},
		{{"220-", "220"}, 220, "", "220"},
		{{"250-one", "250-two", "250 three"}, 250, "", "250 one two three"},
		{{"535-5.7.8 wrong", "535 5.7.8 password"}, 535, "5.7.8",
			"535 5.7.8 wrong password"},
		{{"550 5.1.1"}, 550, "5.1.1", "550 5.1.1"},
		{{"550 5.1.1x y"}, 550, "", "550 5.1.1x y"},
		{{"550 4.1.1 class of another code"}, 550, "", "550 4.1.1 class of another code"},
		{{"550 5.1234.1 x"}, 550, "", "550 5.1234.1 x"},
		{{"550 5.123.123 x"}, 550, "5.123.123", "550 5.123.123 x"},
		{{"450 4.7.1 \033[31mred\a"}, 450, "4.7.1", "450 4.7.1 ?[31mred?"},
		{{"220 gr\303\274\303\237 \377"}, 220, "", "220 gr\303\274\303\237 ?"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reply *r = *state;
		CLEANUP(buf_done) struct buf words = BUF(4096);

		feed(r, cases[i].lines);
		reply_words(r, &words);
		assert_int_equal(r->code, cases[i].code);
		assert_string_equal(r->enhanced, cases[i].enhanced);
		assert_string_equal(buf_text(&words), cases[i].words);
	}
}

static void a_nul_hides_nothing(void **state)
{
	struct reply *r = *state;
	struct error err = {0};
	bool is_last = false;
	CLEANUP(buf_done) struct buf words = BUF(4096);

	assert_ok(reply_take(r, SLICE("550 a\0b"), &is_last, &err), err);
	reply_words(r, &words);
	assert_string_equal(buf_text(&words), "550 a?b");
}

static void strange_lines_break_the_protocol(void **state)
{
	static const char *const lines[] = {"", "2", "25", "250x", "250\ttab", "150 early",
		"650 late", "abc", " 250 ok", "2 0 ok", "-50 x", "HTTP/1.1 400 Bad Request",
		"+OK ready", "SSH-2.0-x", "* OK IMAP4", "\x15\x03\x01"};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct reply *r = *state;
		struct error err = {0};
		bool is_last = false;

		reply_clear(r);
		if (reply_take(r, slice_of(lines[i]), &is_last, &err))
			fail_msg("'%s' was taken", lines[i]);
		assert_int_equal(err.exit_code, EX_PROTOCOL);
		assert_int_equal(err.fate, FATE_LATER);
		assert_int_equal(err.hint[0] != '\0', i >= 11);
	}
}

static void codes_do_not_change_within_a_reply(void **state)
{
	struct reply *r = *state;
	struct error err = {0};
	bool is_last = false;

	assert_ok(reply_take(r, SLICE("250-a"), &is_last, &err), err);
	assert_false(reply_take(r, SLICE("550 b"), &is_last, &err));
	assert_int_equal(err.exit_code, EX_PROTOCOL);
}

static void replies_have_limits(void **state)
{
	struct reply *r = *state;
	struct error err = {0};
	bool is_last = false;
	static char line[REPLY_LINE_MAX + 1];

	for (int i = 0; i < REPLY_LINES_MAX; i++)
		assert_ok(reply_take(r, SLICE("250-x"), &is_last, &err), err);
	assert_false(reply_take(r, SLICE("250 x"), &is_last, &err));

	memset(line, 'x', sizeof(line));
	memcpy(line, "250-", 4);
	reply_clear(r);
	assert_false(reply_take(r, (struct slice){line, sizeof(line)}, &is_last, &err));
	for (int i = 0; i < 15; i++)
		assert_ok(reply_take(r, (struct slice){line, REPLY_LINE_MAX}, &is_last, &err), err);
	assert_false(reply_take(r, (struct slice){line, REPLY_LINE_MAX}, &is_last, &err));
}

static void long_texts_are_cut_for_people(void **state)
{
	struct reply *r = *state;
	struct error err = {0};
	bool is_last = false;
	static char line[4000];
	CLEANUP(buf_done) struct buf words = BUF(REPLY_OCTETS_MAX);

	memset(line, 'x', sizeof(line));
	memcpy(line, "250 ", 4);
	assert_ok(reply_take(r, (struct slice){line, sizeof(line)}, &is_last, &err), err);
	reply_words(r, &words);
	assert_true(words.len < 450);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replies_are_put_together, give_reply, take_reply),
		cmocka_unit_test_setup_teardown(a_nul_hides_nothing, give_reply, take_reply),
		cmocka_unit_test_setup_teardown(
			strange_lines_break_the_protocol, give_reply, take_reply),
		cmocka_unit_test_setup_teardown(
			codes_do_not_change_within_a_reply, give_reply, take_reply),
		cmocka_unit_test_setup_teardown(replies_have_limits, give_reply, take_reply),
		cmocka_unit_test_setup_teardown(
			long_texts_are_cut_for_people, give_reply, take_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
