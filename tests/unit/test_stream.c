#include "test.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/stream.h"

enum { PATIENCE_MS = 20000 };

static int64_t soon(void)
{
	return clock_deadline(PATIENCE_MS);
}

/* A stream and the other end of it. */
static struct stream *pair(int *peer)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*peer = ends[1];
	return stream_new(ends[0], "peer:25");
}

static void say(int peer, const char *octets, size_t count)
{
	assert_int_equal(write(peer, octets, count), count);
}

static void say_text(int peer, const char *text)
{
	say(peer, text, strlen(text));
}

static void assert_line(struct stream *s, const char *want)
{
	struct slice line;
	struct error err = {0};

	assert_ok(stream_read_line(s, soon(), 512, &line, &err), err);
	if (!slice_eq(line, slice_of(want)))
		fail_msg("'%.*s' for '%s'", SLICE_ARG(line), want);
}

static void assert_no_line(struct stream *s, int64_t deadline_ms, int exit_code, const char *words)
{
	struct slice line = SLICE("untouched");
	struct error err = {0};

	assert_false(stream_read_line(s, deadline_ms, 512, &line, &err));
	assert_int_equal(err.exit_code, exit_code);
	assert_int_equal(err.fate, FATE_LATER);
	assert_non_null(strstr(err.text, "peer:25"));
	if (!strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
	assert_true(slice_eq(line, SLICE("untouched")));
	assert_true(stream_is_dead(s));
}

static void lines_end_in_lf_with_or_without_cr(void **state UNUSED)
{
	int peer;
	struct stream *s = pair(&peer);

	say_text(peer, "220 one\r\n250 two\n\r\n\n250 \r three\r\r\n");
	assert_line(s, "220 one");
	assert_line(s, "250 two");
	assert_line(s, "");
	assert_line(s, "");
	assert_line(s, "250 \r three\r");
	assert_int_equal(stream_unread(s), 0);
	stream_free(s);
	close(peer);
}

static void lines_survive_a_cut_at_each_octet(void **state UNUSED)
{
	static const char text[] = "220-a\r\n220 b\n250 c\r\n";

	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		int peer;
		struct stream *s = pair(&peer);
		pid_t child = fork();

		if (child == 0) {
			(void)!write(peer, text, cut);
			/* The reader has taken the first part once its queue is empty. */
			usleep(1000);
			(void)!write(peer, text + cut, sizeof(text) - 1 - cut);
			_exit(0);
		}
		assert_line(s, "220-a");
		assert_line(s, "220 b");
		assert_line(s, "250 c");
		assert_int_equal(stream_unread(s), 0);
		stream_free(s);
		close(peer);
		waitpid(child, NULL, 0);
	}
}

static void nul_is_kept_as_an_octet(void **state UNUSED)
{
	int peer;
	struct slice line;
	struct error err = {0};
	struct stream *s = pair(&peer);

	say(peer, "250 a\0b\r\n", 9);
	assert_ok(stream_read_line(s, soon(), 512, &line, &err), err);
	assert_true(slice_eq(line, ((struct slice){"250 a\0b", 7})));
	stream_free(s);
	close(peer);
}

static void line_limit_is_exact(void **state UNUSED)
{
	static const struct {
		const char *end;
		size_t len;
		bool good;
	} cases[] = {
		{"\r\n", 511, true},
		{"\r\n", 512, true},
		{"\n", 512, true},
		{"\r\n", 513, false},
		{"\n", 513, false},
		{"", 514, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[600];
		int peer;
		struct slice line;
		struct error err = {0};
		struct stream *s = pair(&peer);

		memset(text, 'x', sizeof(text));
		say(peer, text, cases[i].len);
		say_text(peer, cases[i].end);
		if (cases[i].good) {
			assert_ok(stream_read_line(s, soon(), 512, &line, &err), err);
			assert_int_equal(line.len, cases[i].len);
		} else {
			assert_no_line(s, soon(), EX_PROTOCOL, "more than 512 octets");
			/* The rest of the line is not a line. */
			say_text(peer, "\r\n250 ok\r\n");
			assert_no_line(s, soon(), EX_PROTOCOL, "more than 512 octets");
		}
		stream_free(s);
		close(peer);
	}
}

static void last_words_are_read_before_the_end(void **state UNUSED)
{
	int peer;
	struct stream *s = pair(&peer);

	say_text(peer, "421 bye\r\n221 half a li");
	close(peer);
	assert_line(s, "421 bye");
	assert_no_line(s, soon(), EX_TEMPFAIL, "closed the connection");
	assert_no_line(s, soon(), EX_TEMPFAIL, "closed the connection");
	stream_free(s);
}

static void trickle_ends_at_the_deadline(void **state UNUSED)
{
	int peer;
	struct stream *s = pair(&peer);
	pid_t child = fork();

	if (child == 0) {
		while (send(peer, "x", 1, MSG_NOSIGNAL) == 1)
			usleep(2000);
		_exit(0);
	}
	close(peer);
	assert_no_line(s, clock_deadline(60), EX_TEMPFAIL, "time-out");
	stream_free(s);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void past_deadline_still_looks_once(void **state UNUSED)
{
	int peer;
	struct slice line;
	struct error err = {0};
	struct stream *s = pair(&peer);
	int64_t past = clock_now_ms() - 5;

	say_text(peer, "250 it is here\r\n");
	assert_ok(stream_read_line(s, past, 512, &line, &err), err);
	assert_true(slice_eq(line, SLICE("250 it is here")));
	say_text(peer, "250 too late\r\n");
	assert_no_line(s, past, EX_TEMPFAIL, "time-out");
	stream_free(s);
	close(peer);
}

static void reading_sends_what_is_pending(void **state UNUSED)
{
	char got[64] = "";
	int peer;
	struct stream *s = pair(&peer);

	stream_put(s, SLICE("EHLO a\r\n"));
	stream_put(s, SLICE("NOOP\r\n"));
	assert_int_equal(stream_pending(s), 14);
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), -1);
	say_text(peer, "250 ok\r\n");
	assert_line(s, "250 ok");
	assert_int_equal(stream_pending(s), 0);
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), 14);
	assert_string_equal(got, "EHLO a\r\nNOOP\r\n");
	stream_free(s);
	close(peer);
}

static void waits_count_flights(void **state UNUSED)
{
	int peer;
	struct stream *s = pair(&peer);

	say_text(peer, "220 hi\r\n");
	assert_line(s, "220 hi");
	assert_int_equal(stream_waits(s), 1);
	stream_put(s, SLICE("MAIL\r\nRCPT\r\n"));
	say_text(peer, "250 1\r\n250 2\r\n");
	assert_line(s, "250 1");
	assert_line(s, "250 2");
	assert_int_equal(stream_waits(s), 2);
	stream_free(s);
	close(peer);
}

/* Reads everything, answers each 1000 octets with a line, checks the pattern. */
static void answer_while_reading(int peer, size_t total)
{
	char chunk[1000];
	size_t got = 0;

	while (got < total) {
		ssize_t n = read(peer, chunk, sizeof(chunk));

		if (n <= 0)
			_exit(1);
		for (ssize_t i = 0; i < n; i++)
			if (chunk[i] != (char)('a' + (got + (size_t)i) % 23))
				_exit(2);
		got += (size_t)n;
		/* Blocks when our replies are not read: both pipes full. */
		if (write(peer, "250 0123456789012345678901234567890123456789\r\n", 46) != 46)
			_exit(3);
	}
	_exit(0);
}

/* Reads the replies of answer_while_reading up to the end. */
static void read_replies(struct stream *s)
{
	struct slice line;
	struct error err = {0};

	while (stream_read_line(s, soon(), 512, &line, &err))
		if (!slice_eq(line, SLICE("250 0123456789012345678901234567890123456789")))
			fail_msg("'%.*s'", SLICE_ARG(line));
	assert_non_null(strstr(err.text, "closed the connection"));
}

static void give_pattern(char *text, size_t total)
{
	for (size_t i = 0; i < total; i++)
		text[i] = (char)('a' + i % 23);
}

/* P-07 */
static void two_full_pipes_do_not_block(void **state UNUSED)
{
	enum { TOTAL = 6000000 };
	char *text = malloc(TOTAL);
	int peer, small = 4096, status;
	struct error err = {0};
	struct stream *s = pair(&peer);

	give_pattern(text, TOTAL);
	setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));

	pid_t child = fork();

	if (child == 0)
		answer_while_reading(peer, TOTAL);
	close(peer);
	stream_put(s, (struct slice){text, TOTAL});
	assert_ok(stream_flush(s, soon(), &err), err);
	assert_true(stream_unread(s) > 40000);
	read_replies(s);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	stream_free(s);
	free(text);
}

static void bodies_arrive_whole_in_odd_pieces(void **state UNUSED)
{
	enum { TOTAL = 700001 };
	static const size_t steps[] = {1, 16383, 16384, 16385, 5, 70000, 0, 33333};
	char *text = malloc(TOTAL);
	int peer, status;
	struct error err = {0};
	struct stream *s = pair(&peer);
	pid_t child = fork();

	give_pattern(text, TOTAL);
	if (child == 0)
		answer_while_reading(peer, TOTAL);
	close(peer);
	for (size_t at = 0, i = 0; at < TOTAL; i++) {
		size_t step = steps[i % ARRAY_LEN(steps)];

		if (step > TOTAL - at)
			step = TOTAL - at;
		if (i % 3 == 0)
			stream_put(s, (struct slice){text + at, step});
		else
			assert_ok(stream_write(s, (struct slice){text + at, step}, soon(), &err),
				err);
		at += step;
		assert_true(i % 3 == 0 || stream_pending(s) < 16384);
	}
	assert_ok(stream_flush(s, soon(), &err), err);
	read_replies(s);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	stream_free(s);
	free(text);
}

static void peer_that_takes_nothing_ends_at_the_deadline(void **state UNUSED)
{
	char *text = calloc(1, 4 << 20);
	int peer;
	struct error err = {0};
	struct stream *s = pair(&peer);

	assert_false(stream_write(s, (struct slice){text, 4 << 20}, clock_deadline(40), &err));
	assert_non_null(strstr(err.text, "does not take"));
	assert_int_equal(err.fate, FATE_LATER);
	assert_int_equal(stream_pending(s), 0);
	assert_true(stream_is_dead(s));
	stream_free(s);
	free(text);
	close(peer);
}

static void reply_is_read_after_sending_failed(void **state UNUSED)
{
	int peer;
	struct error err = {0};
	struct stream *s = pair(&peer);

	/* SIGPIPE would end the test here. */
	signal(SIGPIPE, SIG_DFL);
	say_text(peer, "552 too big\r\n");
	close(peer);
	stream_put(s, SLICE("more and more"));
	assert_false(stream_flush(s, soon(), &err));
	assert_true(stream_is_dead(s));
	assert_line(s, "552 too big");
	assert_no_line(s, soon(), EX_TEMPFAIL, "broke while sending");
	stream_free(s);
}

static void reading_prefers_the_reply_to_the_failed_flight(void **state UNUSED)
{
	int peer;
	struct stream *s = pair(&peer);

	say_text(peer, "421 going down\r\n");
	close(peer);
	stream_put(s, SLICE("NOOP\r\n"));
	assert_line(s, "421 going down");
	assert_no_line(s, soon(), EX_TEMPFAIL, "broke while sending");
	stream_free(s);
}

static void oversized_flight_is_refused_whole(void **state UNUSED)
{
	char *text = calloc(1, 5 << 20), got;
	int peer;
	struct error err = {0};
	struct stream *s = pair(&peer);

	stream_put(s, (struct slice){text, 5 << 20});
	stream_put(s, (struct slice){text, 5 << 20});
	assert_false(stream_flush(s, soon(), &err));
	assert_int_equal(err.exit_code, EX_SOFTWARE);
	assert_int_equal(recv(peer, &got, 1, MSG_DONTWAIT), -1);
	stream_free(s);
	free(text);
	close(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_in_lf_with_or_without_cr),
		cmocka_unit_test(lines_survive_a_cut_at_each_octet),
		cmocka_unit_test(nul_is_kept_as_an_octet),
		cmocka_unit_test(line_limit_is_exact),
		cmocka_unit_test(last_words_are_read_before_the_end),
		cmocka_unit_test(trickle_ends_at_the_deadline),
		cmocka_unit_test(past_deadline_still_looks_once),
		cmocka_unit_test(reading_sends_what_is_pending),
		cmocka_unit_test(waits_count_flights),
		cmocka_unit_test(two_full_pipes_do_not_block),
		cmocka_unit_test(bodies_arrive_whole_in_odd_pieces),
		cmocka_unit_test(peer_that_takes_nothing_ends_at_the_deadline),
		cmocka_unit_test(reply_is_read_after_sending_failed),
		cmocka_unit_test(reading_prefers_the_reply_to_the_failed_flight),
		cmocka_unit_test(oversized_flight_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
