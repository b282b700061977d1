#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "smtp/server.h"

/* What the handler is told to do, and what it saw. */
struct seen {
	struct buf text;     /* of all messages, each followed by "|" */
	struct buf mails;    /* "sender>rcpt,rcpt ENVID RET" for each message */
	size_t messages;     /* read to their end */
	size_t read_limit;   /* octets after which the handler stops to read; 0: reads all */
	struct error answer; /* what the handler fails with, where its exit code is set */
};

static bool take_recipient(void *context, const char *address, struct error *err)
{
	(void)context;
	if (strcmp(address, "nobody@x.test") == 0)
		return error_set(err, EX_DATAERR, "the recipient leads nowhere");
	if (strcmp(address, "config@x.test") == 0)
		return error_set(err, EX_CONFIG, "aliases:1: broken");
	return true;
}

static void note_mail(struct seen *seen, const struct server_mail *mail)
{
	buf_printf(&seen->mails, "%s>", mail->sender);
	for (size_t i = 0; i < mail->count; i++)
		buf_printf(&seen->mails, "%s%s[%u,%s]", i > 0 ? "," : "",
			mail->recipients[i].address, mail->recipients[i].notify,
			mail->recipients[i].orcpt ? mail->recipients[i].orcpt : "");
	buf_printf(&seen->mails, " %s %d;", mail->envid ? mail->envid : "-", (int)mail->ret);
}

static bool take_message(void *context, const struct server_mail *mail, intake_read_fn *read,
	void *read_context, struct error *err)
{
	struct seen *seen = context;
	char piece[7]; /* an odd size lets every state of the reader end a piece */
	size_t total = 0;
	size_t got = 0;

	note_mail(seen, mail);
	do {
		if (!read(read_context, piece, sizeof(piece), &got, err))
			return false;
		buf_add(&seen->text, (struct slice){piece, got});
		total += got;
	} while (got > 0 && (seen->read_limit == 0 || total < seen->read_limit));
	buf_add_char(&seen->text, '|');
	seen->messages++;
	if (seen->answer.exit_code == 0)
		return true;
	*err = seen->answer;
	return false;
}

/* One dialogue, its replies, and what the handler saw. */
struct talk {
	struct seen seen;
	struct buf replies;
	struct error err;
	uint64_t max_octets;
	bool is_served;
};

static void talk_init(struct talk *t)
{
	*t = (struct talk){.replies = BUF(8 << 20)};
	t->seen.text = BUF(8 << 20);
	t->seen.mails = BUF(8 << 20);
}

static void talk_done(struct talk *t)
{
	buf_done(&t->seen.text);
	buf_done(&t->seen.mails);
	buf_done(&t->replies);
}

/* A descriptor from which a child gives `text` in pieces. */
static int pipe_with(struct slice text, size_t piece)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	if (fork() == 0) {
		struct error err = {0};

		close(ends[0]);
		for (; text.len > 0; text = slice_from(text, piece))
			if (!file_write(ends[1], slice_upto(text, piece), "pipe", &err))
				_exit(1);
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

static struct server_handler handler_of(struct talk *t)
{
	return (struct server_handler){
		.recipient = take_recipient,
		.message = take_message,
		.context = &t->seen,
		.name = "box.test",
		.max_octets = t->max_octets,
	};
}

static void run_text(struct talk *t, struct slice text, size_t piece)
{
	struct server_handler handler = handler_of(t);
	int in = pipe_with(text, piece);
	int out = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	struct error err = {0};

	assert_true(out >= 0);
	t->is_served = server_run(in, out, &handler, &t->err);
	close(in);
	while (wait(NULL) > 0)
		;
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	assert_ok(file_read_all(out, &t->replies, "replies", &err), err);
	close(out);
}

static void run(struct talk *t, const char *text)
{
	run_text(t, slice_of(text), 65536);
}

/* The reply codes, as "220 250 ...": of a reply with several lines the last. */
static void codes(const struct talk *t, char *out, size_t space)
{
	struct slice rest = buf_slice(&t->replies);
	size_t len = 0;

	out[0] = '\0';
	for (struct slice line; (line = slice_word(&rest, "\r\n")).len > 0;) {
		assert_true(line.len >= 4);
		if (line.ptr[3] == '-')
			continue;
		len += (size_t)snprintf(
			out + len, space - len, "%s%.3s", len > 0 ? " " : "", line.ptr);
	}
}

static void expect(const struct talk *t, const char *want)
{
	char got[4096];

	codes(t, got, sizeof(got));
	if (strcmp(got, want) != 0)
		fail_msg("got '%s', want '%s'", got, want);
}

#define HEAD "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
#define HEAD_CODES "220 250 250 250 354 "

static void replies_follow_the_commands(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", "220"},
		{"QUIT\r\n", "220 221"},
		{"quit\r\n", "220 221"},
		{"QUIT\n", "220 221"},
		{"QUIT\r\nNOOP\r\n", "220 221"},
		{"QUIT", "220"}, /* a line that never ended is no command */
		{"EHLO [127.0.0.1]\r\nNOOP\r\nNOOP words\r\nRSET\r\nVRFY ann\r\nEXPN x\r\nHELP\r\n",
			"220 250 250 250 250 252 252 214"},
		{"HELO c\r\n", "220 250"},
		{"EHLO\r\nEHLO  \r\nHELO\r\n", "220 501 501 501"},
		{"\r\nFROB\r\nEHLOX c\r\nSTARTTLS\r\nAUTH PLAIN x\r\nBDAT 3 LAST\r\n",
			"220 500 500 500 500 500 500"},
		{"RCPT TO:<b@x.test>\r\nDATA\r\n", "220 503 503"},
		{"MAIL FROM:<a@x.test>\r\nMAIL FROM:<a@x.test>\r\nDATA\r\n", "220 250 503 554"},
		{"MAIL FROM:<a@x.test>\r\nRSET\r\nRCPT TO:<b@x.test>\r\n", "220 250 250 503"},
		{"MAIL FROM:<a@x.test>\r\nEHLO c\r\nRCPT TO:<b@x.test>\r\n", "220 250 250 503"},
		{"MAIL FROM:<>\r\nRCPT TO:<>\r\n", "220 250 501"},
		{"MAIL FROM: <a@x.test>\r\nRCPT TO: <b@x.test>\r\n", "220 250 250"},
		{"MAIL FROM:a@x.test SIZE=9\r\nRCPT TO:b@x.test\r\n", "220 250 250"},
		{"mail from:<a@x.test>\r\nrcpt to:<root>\r\n", "220 250 250"},
		{"MAIL FROM:<\"a>b\"@x.test>\r\n", "220 250"},
		{"MAIL <a@x.test>\r\nMAIL FROM:\r\nMAIL FROM:<a@x.test\r\nMAIL "
		 "FROM:<a@x.test>x\r\n",
			"220 501 501 501 501"},
		{"MAIL FROM:<a b@x.test>\r\nMAIL FROM:<a@x.test,c@x.test>\r\n", "220 501 501"},
		{"MAIL FROM:<a@x.test> SIZE=x\r\nMAIL FROM:<a@x.test> SIZE=\r\n", "220 501 501"},
		{"MAIL FROM:<a@x.test> BODY=8BITMIME SMTPUTF8 AUTH=<> SIZE=1\r\n", "220 250"},
		{"MAIL FROM:<a@x.test> BODY=BINARYMIME\r\nMAIL FROM:<a@x.test> FROB=1\r\n",
			"220 555 555"},
		{"MAIL FROM:<a@x.test> RET=SOME\r\nMAIL FROM:<a@x.test> RET=FULL\r\n",
			"220 501 250"},
		{"MAIL FROM:<a@x.test> ENVID=a+\r\nMAIL FROM:<a@x.test> ENVID=\r\n"
		 "MAIL FROM:<a@x.test> ENVID=a\x01\r\nMAIL FROM:<a@x.test> ENVID=a+20b\r\n",
			"220 501 501 501 250"},
		{"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test> NOTIFY=NEVER,DELAY\r\n"
		 "RCPT TO:<b@x.test> NOTIFY=FROB,DELAY\r\nRCPT TO:<b@x.test> NOTIFY=\r\n"
		 "RCPT TO:<b@x.test> ORCPT=bob\r\nRCPT TO:<b@x.test> X=1\r\n"
		 "RCPT TO:<b@x.test> NOTIFY=never ORCPT=rfc822;b@x.test\r\n",
			"220 250 501 501 501 501 555 250"},
		{"MAIL FROM:<a@x.test>\r\nRCPT TO:<nobody@x.test>\r\nRCPT TO:<config@x.test>\r\n"
		 "RCPT TO:<b@x.test>\r\n",
			"220 250 550 451 250"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece <= 4096; piece *= 64) {
			CLEANUP(talk_done) struct talk t;
			char got[512];

			talk_init(&t);
			run_text(&t, slice_of(cases[i].text), piece);
			codes(&t, got, sizeof(got));
			if (strcmp(got, cases[i].want) != 0)
				fail_msg("'%s': got '%s'", cases[i].text, got);
			assert_true(t.is_served);
			assert_int_equal(t.seen.messages, 0);
		}
	}
}

static void messages_end_where_the_client_ended_them(void **state)
{
	static const struct {
		const char *head, *data, *want;
	} cases[] = {
		{HEAD, ".\r\n", "|"},
		{HEAD, "S: x\r\n\r\nbody\r\n.\r\n", "S: x\r\n\r\nbody\r\n|"},
		{HEAD, "..\r\n...x\r\n.y\r\n.\r\n", ".\r\n..x\r\ny\r\n|"},
		{HEAD, "a.\r\nb .\r\n.\r\n", "a.\r\nb .\r\n|"},
		/* Only CRLF counts around the dot for a client that speaks CRLF: what
		 * looks like an end behind a bare LF or CR would smuggle commands. */
		{HEAD, "x\n.\nRSET\nQUIT\n\r\n.\r\n", "x\n.\nRSET\nQUIT\n\r\n|"},
		{HEAD, "x\n.\r\nMAIL FROM:<e@x>\r\n.\r\n", "x\n.\r\nMAIL FROM:<e@x>\r\n|"},
		{HEAD, "x\r\n.\ny\r\n.\r\n", "x\r\n\ny\r\n|"},
		{HEAD, "x\r.\r\n.\r\n", "x\r.\r\n|"},
		{HEAD, "x\r\n.\ry\r\n.\r\n", "x\r\n\ry\r\n|"},
		{"EHLO c\nMAIL FROM:<a@x.test>\nRCPT TO:<b@x.test>\nDATA\n", "x\n..\n.\n",
			"x\n.\n|"},
		{"EHLO c\nMAIL FROM:<a@x.test>\nRCPT TO:<b@x.test>\nDATA\n", ".\n", "|"},
		{"EHLO c\nMAIL FROM:<a@x.test>\nRCPT TO:<b@x.test>\nDATA\n", "x\r\n..\r\n.\r\n",
			"x\r\n.\r\n|"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece <= 4096; piece *= 4) {
			CLEANUP(talk_done) struct talk t;
			CLEANUP(buf_done) struct buf text = BUF(4096);

			talk_init(&t);
			buf_printf(&text, "%s%sQUIT\r\n", cases[i].head, cases[i].data);
			run_text(&t, buf_slice(&text), piece);
			if (strcmp(buf_text(&t.seen.text), cases[i].want) != 0)
				fail_msg("case %zu by %zu: '%s'", i, piece, buf_text(&t.seen.text));
			expect(&t, HEAD_CODES "250 221");
		}
	}
}

static void octets_of_any_kind_pass(void **state)
{
	static const char text[] = HEAD "a\0b\xff\r\n.\0\r\n\r\n.\r\nQUIT\r\n";
	static const char want[] = "a\0b\xff\r\n\0\r\n\r\n|";
	CLEANUP(talk_done) struct talk t;

	(void)state;
	talk_init(&t);
	run_text(&t, (struct slice){text, sizeof(text) - 1}, 65536);
	assert_int_equal(t.seen.text.len, sizeof(want) - 1);
	assert_memory_equal(t.seen.text.data, want, sizeof(want) - 1);
	expect(&t, HEAD_CODES "250 221");
}

static void long_lines_of_a_message_pass(void **state)
{
	CLEANUP(talk_done) struct talk t;
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);

	(void)state;
	talk_init(&t);
	buf_add_text(&text, HEAD);
	for (int i = 0; i < 300000; i++)
		buf_add_char(&text, i % 1000 == 0 ? '.' : 'x');
	buf_add_text(&text, "\r\n.\r\nQUIT\r\n");
	run_text(&t, buf_slice(&text), 65536);
	/* The dot in front is taken for a doubled one, like any other. */
	assert_int_equal(t.seen.text.len, 300000 - 1 + 2 + 1);
	expect(&t, HEAD_CODES "250 221");
}

static void long_and_broken_commands_are_refused(void **state)
{
	CLEANUP(talk_done) struct talk t;
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);

	(void)state;
	talk_init(&t);
	for (int i = 0; i < 200000; i++)
		buf_add_text(&text, "x");
	buf_add_text(&text, "\r\nNOOP ");
	for (int i = 0; i < 9000; i++)
		buf_add_text(&text, "y");
	buf_add_text(&text, "\r\nNO");
	buf_add_char(&text, '\0');
	buf_add_text(&text, "OP\r\nNOOP\r\n");
	run_text(&t, buf_slice(&text), 65536);
	expect(&t, "220 500 500 500 250");
}

static void several_transactions_in_one_session(void **state)
{
	CLEANUP(talk_done) struct talk t;

	(void)state;
	talk_init(&t);
	run(&t, HEAD "one\r\n.\r\nMAIL FROM:<> RET=HDRS ENVID=Q1\r\n"
		     "RCPT TO:<c@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o@x.test\r\n"
		     "RCPT TO:<d@x.test>\r\nDATA\r\ntwo\r\n.\r\nRSET\r\nQUIT\r\n");
	expect(&t, HEAD_CODES "250 250 250 250 354 250 250 221");
	assert_string_equal(buf_text(&t.seen.text), "one\r\n|two\r\n|");
	assert_string_equal(buf_text(&t.seen.mails),
		"a@x.test>b@x.test[0,] - 0;>c@x.test[6,rfc822;o@x.test],d@x.test[0,] Q1 2;");
}

static void end_inside_data_drops_the_transaction(void **state)
{
	static const char *const cases[] = {
		HEAD,
		HEAD "body",
		HEAD "body\r\n",
		HEAD "body\r\n.",
		HEAD "body\r\n.\r",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(talk_done) struct talk t;

		talk_init(&t);
		run(&t, cases[i]);
		assert_true(t.is_served);
		assert_int_equal(t.seen.messages, 0);
		expect(&t, "220 250 250 250 354");
	}
}

static void what_the_handler_leaves_is_no_command(void **state)
{
	CLEANUP(talk_done) struct talk t;

	(void)state;
	talk_init(&t);
	t.seen.read_limit = 7;
	error_set(&t.seen.answer, EX_DATAERR, "refused early");
	run(&t, HEAD "1234567\r\nQUIT\r\nRSET\r\n.\r\nNOOP\r\nQUIT\r\n");
	expect(&t, HEAD_CODES "554 250 221");
}

static void failures_become_replies_by_their_fate(void **state)
{
	static const struct {
		int exit_code;
		enum fate fate;
		int code;
		const char *enhanced, *want;
	} cases[] = {
		{EX_DATAERR, FATE_PERMANENT, 0, "", "554 5.0.0 words\r\n"},
		{EX_DATAERR, FATE_PERMANENT, 552, "5.3.4", "552 5.3.4 words\r\n"},
		{EX_NOPERM, FATE_PERMANENT, 0, "", "550 5.0.0 words\r\n"},
		{EX_NOUSER, FATE_PERMANENT, 550, "5.1.1", "550 5.1.1 words\r\n"},
		{EX_NOUSER, FATE_PERMANENT, 550, "", "550 5.0.0 words\r\n"},
		{EX_TEMPFAIL, FATE_LATER, 0, "", "451 4.3.0 words\r\n"},
		{EX_TEMPFAIL, FATE_LATER, 452, "4.2.2", "452 4.2.2 words\r\n"},
		/* A code of the other class would say the opposite of the fate. */
		{EX_TEMPFAIL, FATE_LATER, 550, "5.7.1", "451 4.3.0 words\r\n"},
		{EX_DATAERR, FATE_PERMANENT, 451, "4.7.1", "554 5.0.0 words\r\n"},
		{EX_TEMPFAIL, FATE_UNCERTAIN, 0, "", "451 4.3.0 words\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(talk_done) struct talk t;
		struct slice replies;

		talk_init(&t);
		error_set(&t.seen.answer, cases[i].exit_code, "words");
		error_fate(&t.seen.answer, cases[i].fate);
		error_reply(&t.seen.answer, cases[i].code, cases[i].enhanced);
		run(&t, HEAD "x\r\n.\r\n");
		replies = buf_slice(&t.replies);
		if (slice_search(replies, slice_of(cases[i].want)) == replies.len)
			fail_msg("case %zu: %s", i, buf_text(&t.replies));
	}
}

static void words_of_errors_stay_on_one_line(void **state)
{
	CLEANUP(talk_done) struct talk t;

	(void)state;
	talk_init(&t);
	error_set(&t.seen.answer, EX_DATAERR, "x");
	for (size_t i = 0; i + 1 < sizeof(t.seen.answer.text); i++)
		t.seen.answer.text[i] = i % 3 == 0 ? '\n' : '\x1b';
	run(&t, HEAD "x\r\n.\r\nQUIT\r\n");
	expect(&t, HEAD_CODES "554 221");
	for (size_t i = 0, start = 0; i < t.replies.len; i++) {
		assert_true(t.replies.data[i] != '\x1b');
		if (t.replies.data[i] != '\n')
			continue;
		assert_true(i + 1 - start <= 512); /* RFC 5321 section 4.5.3.1.5 */
		start = i + 1;
	}
}

static void extensions_are_offered(void **state)
{
	static const char *const words[] = {"250-box.test\r\n", "250-PIPELINING\r\n",
		"250-SIZE 1000\r\n", "250-8BITMIME\r\n", "250-SMTPUTF8\r\n", "250-DSN\r\n",
		"250 ENHANCEDSTATUSCODES\r\n"};
	CLEANUP(talk_done) struct talk t;
	struct slice replies;

	(void)state;
	talk_init(&t);
	t.max_octets = 1000;
	run(&t, "EHLO c\r\nMAIL FROM:<a@x.test> SIZE=1001\r\nMAIL FROM:<a@x.test> SIZE=1000\r\n");
	expect(&t, "220 250 552 250");
	replies = buf_slice(&t.replies);
	assert_true(slice_starts(replies, SLICE("220 box.test ESMTP\r\n")));
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_search(replies, slice_of(words[i])) == replies.len)
			fail_msg("%s is missing", words[i]);
}

static void a_flood_gets_every_reply(void **state)
{
	enum { COUNT = 60000 };
	CLEANUP(talk_done) struct talk t;
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	size_t lines = 0;

	(void)state;
	talk_init(&t);
	for (int i = 0; i < COUNT; i++)
		buf_add_text(&text, "EHLO x\n");
	run_text(&t, buf_slice(&text), 65536);
	assert_true(t.is_served);
	for (size_t i = 0; i + 4 <= t.replies.len; i++)
		lines += memcmp(t.replies.data + i, "\n250 ", 5) == 0;
	assert_int_equal(lines, COUNT);
}

static void faults_without_end_close_the_session(void **state)
{
	CLEANUP(talk_done) struct talk t;
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);

	(void)state;
	talk_init(&t);
	for (int i = 0; i < 1000; i++)
		buf_add_text(&text, "FROB\r\n");
	run_text(&t, buf_slice(&text), 65536);
	assert_true(t.is_served);
	assert_true(slice_iends(buf_slice(&t.replies), SLICE("421 4.7.0 too many faults\r\n")));
	assert_true(t.replies.len < 20000);
}

/* A client that waits for each reply before it says more. */
static void replies_do_not_wait_for_more_commands(void **state)
{
	static const struct {
		const char *say, *want;
	} steps[] = {{"", "220 "}, {"EHLO c\r\n", "250-"},
		{"MAIL FROM:<a@x.test>\r\n", "250 2.1.0"}, {"RCPT TO:<b@x.test>\r\n", "250 2.1.5"},
		{"DATA\r\n", "354 "}, {"x\r\n.\r\n", "250 2.0.0"}, {"QUIT\r\n", "221 "}};
	int ends[2];
	pid_t child;
	int status = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	child = fork();
	if (child == 0) {
		struct talk t;
		struct server_handler handler;

		close(ends[0]);
		alarm(20);
		talk_init(&t);
		handler = handler_of(&t);
		_exit(server_run(ends[1], ends[1], &handler, &t.err) ? 0 : 1);
	}
	close(ends[1]);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		char got[1024] = "";

		assert_true(write(ends[0], steps[i].say, strlen(steps[i].say)) >= 0);
		assert_true(read(ends[0], got, sizeof(got) - 1) > 0);
		if (strncmp(got, steps[i].want, strlen(steps[i].want)) != 0)
			fail_msg("'%s' got '%s'", steps[i].say, got);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(ends[0]);
}

static void a_client_that_is_gone_is_an_error(void **state)
{
	CLEANUP(talk_done) struct talk t;
	struct server_handler handler;
	int ends[2];
	int in;

	(void)state;
	talk_init(&t);
	handler = handler_of(&t);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	in = pipe_with(SLICE(HEAD "x\r\n.\r\n"), 4096);
	assert_false(server_run(in, ends[1], &handler, &t.err));
	assert_int_equal(t.err.exit_code, EX_IOERR);
	assert_int_equal(t.seen.messages, 0);
	close(in);
	close(ends[1]);
	while (wait(NULL) > 0)
		;
	in = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ends[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_false(server_run(in, ends[1], &handler, &t.err));
	assert_int_equal(t.err.exit_code, EX_IOERR);
	close(ends[1]);
	close(in);
}

static void thousands_of_recipients(void **state)
{
	enum { COUNT = 5000 };
	CLEANUP(talk_done) struct talk t;
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	size_t taken = 0;

	(void)state;
	talk_init(&t);
	buf_add_text(&text, "EHLO c\r\nMAIL FROM:<a@x.test>\r\n");
	for (int i = 0; i < COUNT; i++)
		buf_printf(&text, "RCPT TO:<r%d@x.test>\r\n", i);
	buf_add_text(&text, "DATA\r\nx\r\n.\r\nQUIT\r\n");
	run_text(&t, buf_slice(&text), 65536);
	assert_int_equal(t.seen.messages, 1);
	for (size_t i = 0; i < t.seen.mails.len; i++)
		taken += t.seen.mails.data[i] == '[';
	assert_int_equal(taken, COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_follow_the_commands),
		cmocka_unit_test(messages_end_where_the_client_ended_them),
		cmocka_unit_test(octets_of_any_kind_pass),
		cmocka_unit_test(long_lines_of_a_message_pass),
		cmocka_unit_test(long_and_broken_commands_are_refused),
		cmocka_unit_test(several_transactions_in_one_session),
		cmocka_unit_test(end_inside_data_drops_the_transaction),
		cmocka_unit_test(what_the_handler_leaves_is_no_command),
		cmocka_unit_test(failures_become_replies_by_their_fate),
		cmocka_unit_test(words_of_errors_stay_on_one_line),
		cmocka_unit_test(extensions_are_offered),
		cmocka_unit_test(a_flood_gets_every_reply),
		cmocka_unit_test(faults_without_end_close_the_session),
		cmocka_unit_test(replies_do_not_wait_for_more_commands),
		cmocka_unit_test(a_client_that_is_gone_is_an_error),
		cmocka_unit_test(thousands_of_recipients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
