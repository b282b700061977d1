#include "peer.h"

static void commands_go_in_one_flight(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example", "cy@y.example"),
		SCRIPT(PIPELINED, FROM, BOB, CY, "< DATA", "> 250 a", "> 250 b", "> 251 c",
			"> 354 go", "body", "< QUIT", "> 250 2.0.0 queued", "> 221 bye", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "DD");
	assert_string_equal(buf_text(&run.peer.kept), small);
	assert_int_equal(run.finals, 1);
	assert_int_equal(run.accepts, 1);
	assert_int_equal(run.envelope.recipients[0].last.code, 250);
	assert_string_equal(run.envelope.recipients[0].last.enhanced, "2.0.0");
	assert_string_equal(run.envelope.recipients[0].last.text, "queued");
	run_done(&run);
}

static void without_pipelining_each_command_waits(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example", "cy@y.example"),
		SCRIPT(SERIAL, FROM, "idle", "> 250 a", BOB, "idle", "> 250 b", CY, "idle",
			"> 550 5.1.1 no", "< DATA", "idle", "> 354 go", "body", "idle", "> 250 ok",
			"< QUIT", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "DF");
	run_done(&run);
}

static void a_small_message_goes_along_with_its_commands(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example", "cy@y.example"),
		SCRIPT(CHUNKED, FROM, BOB, CY, "< BDAT 21 LAST", "octets 21", "< QUIT", "> 250 a",
			"> 250 b", "> 550 5.1.1 c", "> 250 ok", "> 221 bye", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "DF");
	assert_string_equal(buf_text(&run.peer.kept), small);
	assert_int_equal(run.accepts, 1);
	run_done(&run);
}

static void partial_refusals_concern_their_recipient_alone(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example", "cy@y.example", "eve@x.example"),
		SCRIPT(PIPELINED, FROM, BOB, CY, EVE, "< DATA", "> 250 a", "> 550 5.1.1 no",
			"> 450 4.2.0 later", "> 252 ok", "> 354 go", "body", "< QUIT", "> 250 ok"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "FRD");
	assert_string_equal(run.envelope.recipients[0].last.enhanced, "5.1.1");
	assert_int_equal(run.envelope.recipients[1].last.code, 450);
	run_done(&run);
}

static void all_refused_and_354_gets_a_lone_dot(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example"),
		SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 550 no", "> 354 go", "< .",
			"> 250 taken", "< QUIT", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "F");
	assert_int_equal(run.accepts, 0);
	assert_int_equal(run.finals, 0);
	run_done(&run);
}

static void a_whole_message_for_nobody_is_delivered_to_nobody(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example"),
		SCRIPT(CHUNKED, FROM, BOB, "< BDAT 21 LAST", "octets 21", "< QUIT", "> 250 a",
			"> 550 no", "> 503 nobody", "> 221 bye"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "F");
	assert_int_equal(run.accepts, 0);
	run_done(&run);
}

/* The server that refuses everybody and hangs up has answered all the same. */
static void refusals_count_although_the_connection_is_lost(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example"),
		SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 550 5.1.1 no"));
	assert_true(run.sent);
	assert_states(&run, "F");
	run_done(&run);
	play_small(&run, TO("bob@x.example"),
		SCRIPT(CHUNKED, FROM, BOB, "~ BDAT 21 LAST", "octets 21", "< QUIT", "> 250 a",
			"> 550 5.1.1 no", "> 421 too many errors", "end"));
	assert_true(run.sent);
	assert_states(&run, "F");
	run_done(&run);
}

/* A refusal at each step, pipelined: the states, the exit code, and the fate. */
static void refusals_of_the_whole_are_told(void **state)
{
	const struct {
		const char *const *script;
		const char *states;
		int exit_code;
		enum fate fate;
		int code;
	} cases[] = {
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 550 5.7.1 not you", "> 503 x", "> 503 x",
			 "< QUIT"),
			"R", EX_UNAVAILABLE, FATE_PERMANENT, 550},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 451 later", "> 503 x", "> 503 x",
			 "< QUIT"),
			"R", EX_TEMPFAIL, FATE_LATER, 451},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 550 no", "> 503 x", "> 354 go", "< .",
			 "> 554 no", "< QUIT"),
			"R", EX_UNAVAILABLE, FATE_PERMANENT, 550},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 554 5.6.0 bad",
			 "< QUIT"),
			"R", EX_DATAERR, FATE_PERMANENT, 554},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 451 later",
			 "< QUIT"),
			"R", EX_TEMPFAIL, FATE_LATER, 451},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 250 what", "end"),
			"R", EX_PROTOCOL, FATE_LATER, 250},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "body",
			 "< QUIT", "> 554 spam", "> 221 bye"),
			"R", EX_DATAERR, FATE_PERMANENT, 554},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "body",
			 "> 451 later"),
			"R", EX_TEMPFAIL, FATE_LATER, 451},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 421 closing", "end"), "R", EX_TEMPFAIL,
			FATE_LATER, 421},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 421 closing", "end"), "R",
			EX_TEMPFAIL, FATE_LATER, 421},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "body",
			 "< QUIT", "> 421 closing", "end"),
			"R", EX_TEMPFAIL, FATE_LATER, 421},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a"), "R", EX_TEMPFAIL, FATE_LATER,
			0},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 220 what", "end"), "R",
			EX_PROTOCOL, FATE_LATER, 220},
		/* Out of step: the answer to the dot may not come before it. */
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a\r\n250 b\r\n354 go\r\n250 queued",
			 "end"),
			"R", EX_PROTOCOL, FATE_LATER, 250},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a\r\n250 b\r\n354 go\r\n550 no",
			 "end"),
			"R", EX_PROTOCOL, FATE_LATER, 550},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a\r\n250 b\r\n354 go\r\n421 bye",
			 "end"),
			"R", EX_TEMPFAIL, FATE_LATER, 421},
		/* Lost or senseless answers to the dot leave doubt. */
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "body"),
			"S", EX_TEMPFAIL, FATE_UNCERTAIN, 0},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "body",
			 "< QUIT", "> 354 what", "end"),
			"S", EX_PROTOCOL, FATE_UNCERTAIN, 354},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "body",
			 "< QUIT", "> 220 what", "end"),
			"S", EX_PROTOCOL, FATE_UNCERTAIN, 220},
		{SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "body",
			 "< QUIT", "> garbage", "end"),
			"S", EX_PROTOCOL, FATE_UNCERTAIN, 0},
		{SCRIPT(CHUNKED, FROM, BOB, "~ BDAT 21 LAST", "octets 21"), "S", EX_TEMPFAIL,
			FATE_UNCERTAIN, 0},
		{SCRIPT(CHUNKED, FROM, BOB, "~ BDAT 21 LAST", "octets 21", "> 250 a"), "S",
			EX_TEMPFAIL, FATE_UNCERTAIN, 0},
		{SCRIPT(CHUNKED, FROM, BOB, "~ BDAT 21 LAST", "octets 21", "> 250 a", "> 250 b"),
			"S", EX_TEMPFAIL, FATE_UNCERTAIN, 0},
		{SCRIPT(CHUNKED, FROM, BOB, "~ BDAT 21 LAST", "octets 21", "> 550 no", "> 503 x"),
			"R", EX_UNAVAILABLE, FATE_PERMANENT, 550},
		{SCRIPT(CHUNKED, FROM, BOB, "~ BDAT 21 LAST", "octets 21", "< QUIT", "> 250 a",
			 "> 250 b", "> 554 no", "> 221 bye"),
			"R", EX_DATAERR, FATE_PERMANENT, 554},
		{SCRIPT(CHUNKED, FROM, BOB, "~ BDAT 21 LAST", "octets 21", "< QUIT", "> 421 bye"),
			"R", EX_TEMPFAIL, FATE_LATER, 421},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;

		play_small(&run, TO("bob@x.example"), cases[i].script);
		if (run.sent)
			fail_msg("case %zu: sent", i);
		if (run.err.exit_code != cases[i].exit_code || run.err.fate != cases[i].fate ||
			run.err.smtp_code != cases[i].code)
			fail_msg("case %zu: exit %d, fate %d, code %d: %s", i, run.err.exit_code,
				(int)run.err.fate, run.err.smtp_code, run.err.text);
		assert_states(&run, cases[i].states);
		assert_int_equal(run.accepts, 0);
		assert_non_null(strstr(run.err.text, "peer:25"));
		run_done(&run);
	}
}

static void older_doubt_stays_until_an_answer(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.envelope.recipients[0].state = RECIPIENT_SENT;
	run_play(&run, SCRIPT(PIPELINED, FROM, BOB, "< DATA"));
	assert_false(run.sent);
	assert_int_equal(run.err.fate, FATE_LATER);
	assert_states(&run, "S");
	run_done(&run);
}

static void dots_are_doubled_wherever_a_piece_begins(void **state)
{
	static const char *const texts[] = {"\r\n", ".\r\n", "..\r\n", ".\r\n.\r\n", "a.\r\n.b\r\n",
		"x\r\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n", "no end", ".", "a..b\r\n...\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct run run;
		CLEANUP(buf_done) struct buf want = BUF(4096);
		struct slice rest = slice_of(texts[i]);

		while (rest.len > 0) {
			size_t end = slice_find(rest, '\n');
			struct slice line = slice_trim(slice_upto(rest, end));

			buf_printf(&want, "%s%.*s\r\n",
				line.len > 0 && line.ptr[0] == '.' ? "." : "", SLICE_ARG(line));
			rest = slice_from(rest, end + 1);
		}
		run_init(&run, TO("bob@x.example"), texts[i]);
		run_play(&run, SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b",
				       "> 354 go", "body", "< QUIT", "> 250 ok", "end"));
		assert_ok(run.sent, run.err);
		assert_string_equal(buf_text(&run.peer.kept), buf_text(&want));
		run_done(&run);
	}
}

/* Every distance between the start of the text and the end of a piece. (M-05) */
static void dots_are_doubled_across_every_boundary(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 12; shift++) {
		struct run run;
		CLEANUP(buf_done) struct buf text = BUF(1 << 20);
		CLEANUP(buf_done) struct buf want = BUF(1 << 20);

		while (text.len < 65536 - 8 - shift) {
			buf_add_text(&text, "filler\r\n");
			buf_add_text(&want, "filler\r\n");
		}
		for (size_t i = 0; i < 400; i++) {
			buf_add_text(&text, shift % 2 ? ".\r\n" : ".x\r\n");
			buf_add_text(&want, shift % 2 ? "..\r\n" : "..x\r\n");
		}
		run_init(&run, TO("bob@x.example"), buf_text(&text));
		run_play(&run, SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b",
				       "> 354 go", "body", "< QUIT", "> 250 ok", "end"));
		assert_ok(run.sent, run.err);
		assert_int_equal(run.peer.kept.len, want.len);
		assert_string_equal(buf_text(&run.peer.kept), buf_text(&want));
		run_done(&run);
	}
}

static void too_many_recipients_go_in_another_transaction(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example", "cy@y.example", "eve@x.example"), small);
	run.mail.is_last = false;
	run_play(&run, SCRIPT(PIPELINED, FROM, BOB, CY, EVE, "< DATA", "> 250 a", "> 250 b",
			       "> 452 4.5.3 too many", "> 452 4.5.3 too many", "> 354 go", "body",
			       "> 250 ok", FROM, CY, EVE, "< DATA", "> 250 a", "> 250 b",
			       "> 550 5.1.1 no", "> 354 go", "body", "> 250 ok", "< QUIT", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "DDF");
	assert_int_equal(run.accepts, 2);
	run_done(&run);
}

static void a_full_disk_is_no_limit_of_recipients(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example"),
		SCRIPT(SERIAL, FROM, "> 250 a", BOB, "> 452 4.3.1 disk", "< QUIT"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "R");
	run_done(&run);
}

static void limits_of_the_server_split_the_recipients(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example", "cy@y.example", "eve@x.example"), small);
	run_play(&run, SCRIPT(HELLO, "> 250-peer", "> 250-PIPELINING", "> 250 LIMITS RCPTMAX=2",
			       FROM, BOB, CY, "< DATA", "> 250 a", "> 250 b", "> 250 c", "> 354 go",
			       "body", "> 250 ok", FROM, EVE, "< DATA", "> 250 a", "> 250 b",
			       "> 354 go", "body", "< QUIT", "> 250 ok", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "DDD");
	run_done(&run);
}

static void limits_of_domains_split_the_recipients(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example", "cy@y.example", "eve@x.example"), small);
	run_play(&run,
		SCRIPT(HELLO, "> 250-peer", "> 250-PIPELINING", "> 250 LIMITS RCPTDOMAINMAX=1",
			FROM, BOB, EVE, "< DATA", "> 250 a", "> 250 b", "> 250 c", "> 354 go",
			"body", "> 250 ok", FROM, CY, "< DATA", "> 250 a", "> 250 b", "> 354 go",
			"body", "< QUIT", "> 250 ok", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "DDD");
	run_done(&run);
}

static void the_limit_of_messages_ends_the_session(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example", "cy@y.example"), small);
	run_play(&run, SCRIPT(HELLO, "> 250-peer", "> 250-PIPELINING",
			       "> 250 LIMITS RCPTMAX=1 MAILMAX=1", FROM, BOB, "< DATA", "> 250 a",
			       "> 250 b", "> 354 go", "body", "> 250 ok", "< QUIT", "end"));
	assert_false(run.sent);
	assert_int_equal(run.err.fate, FATE_LATER);
	assert_states(&run, "DR");
	run_done(&run);
}

/* M-06 */
static void a_large_message_goes_in_chunks(void **state)
{
	struct run run;
	CLEANUP(buf_done) struct buf text = BUF(1 << 22);

	(void)state;
	while (text.len < 600000)
		buf_add_text(&text, ".leading dots stay as they are in chunks\r\n");
	run_init(&run, TO("bob@x.example"), buf_text(&text));

	char last[64], octets[64];

	snprintf(last, sizeof(last), "< BDAT %zu LAST", text.len - 2 * 262144);
	snprintf(octets, sizeof(octets), "octets %zu", text.len - 2 * 262144);
	run_play(&run, SCRIPT(CHUNKED, FROM, BOB, "idle", "> 250 a", "> 250 b", "< BDAT 262144",
			       "octets 262144", "> 250 c", "< BDAT 262144", "octets 262144", last,
			       octets, "< QUIT", "> 250 d", "> 250 e", "> 221 bye", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "D");
	assert_true(slice_eq(buf_slice(&run.peer.kept), buf_slice(&text)));
	run_done(&run);
}

/* V-13 */
static void no_chunk_follows_an_error(void **state)
{
	static const struct {
		const char *reply;
		int exit_code;
		enum fate fate;
	} cases[] = {
		{"> 552 5.3.4 too large", EX_DATAERR, FATE_PERMANENT},
		{"> 451 later", EX_TEMPFAIL, FATE_LATER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;
		CLEANUP(buf_done) struct buf text = BUF(1 << 22);

		while (text.len < 600000)
			buf_add_text(&text, "many words\r\n");
		run_init(&run, TO("bob@x.example"), buf_text(&text));
		run_play(&run, SCRIPT(CHUNKED, FROM, BOB, "> 250 a", "> 250 b", "< BDAT 262144",
				       "octets 262144", cases[i].reply, "< QUIT", "end"));
		assert_false(run.sent);
		assert_int_equal(run.err.exit_code, cases[i].exit_code);
		assert_int_equal(run.err.fate, cases[i].fate);
		assert_states(&run, "R");
		run_done(&run);
	}
}

static void an_unknown_bdat_ends_the_connection(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example"),
		SCRIPT(CHUNKED, FROM, BOB, "~ BDAT", "octets 21", "< QUIT", "> 250 a", "> 250 b",
			"> 502 unknown", "end"));
	assert_false(run.sent);
	assert_int_equal(run.err.fate, FATE_LATER);
	assert_states(&run, "R");
	run_done(&run);
}

/* V-17 */
static void refused_parameters_are_dropped_once(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.content.has_8bit = true;
	run.envelope.ret = DSN_RETURN_HEADERS;
	run.envelope.envid = "id+2B1";
	run.envelope.recipients[0].notify = DSN_FAILURE | DSN_DELAY;
	run.envelope.recipients[0].orcpt = "rfc822;bob@x";
	run_play(&run,
		SCRIPT(HELLO, "> 250-peer", "> 250-PIPELINING", "> 250-SIZE 1000", "> 250-8BITMIME",
			"> 250 DSN",
			"< MAIL FROM:<ann@example.org> SIZE=21 BODY=8BITMIME RET=HDRS ENVID=id+2B1",
			"< RCPT TO:<bob@x.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@x",
			"< DATA", "> 555 5.5.4 unknown parameter", "> 503 x", "> 503 x", "< RSET",
			FROM, BOB, "< DATA", "> 250 r", "> 250 a", "> 250 b", "> 354 go", "body",
			"< QUIT", "> 250 ok", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "D");
	run_done(&run);
}

/* V-17 */
static void refused_dsn_parameters_are_dropped_once(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.envelope.recipients[0].notify = DSN_NEVER | DSN_SUCCESS;
	run_play(&run,
		SCRIPT(HELLO, "> 250-peer", "> 250-PIPELINING", "> 250 DSN", FROM,
			"< RCPT TO:<bob@x.example> NOTIFY=NEVER", "< DATA", "> 250 a", "> 501 what",
			"> 554 nobody", "< RSET", FROM, BOB, "< DATA", "> 250 r", "> 250 a",
			"> 501 5.1.3 bad address", "> 554 nobody", "< QUIT", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "F");
	run_done(&run);
}

static void what_the_server_cannot_take_is_told_before_it_is_sent(void **state)
{
	static const struct {
		const char *extension;
		struct demands demands;
		bool utf8, nul;
		int exit_code;
		const char *word;
	} cases[] = {
		{"SIZE 20", {0}, false, false, EX_DATAERR, "20"},
		{"DSN", {0}, true, false, EX_DATAERR, "SMTPUTF8"},
		{"CHUNKING", {0}, false, true, EX_DATAERR, "NUL"},
		{"DSN", {.require_tls = true}, false, false, EX_UNAVAILABLE, "REQUIRETLS"},
		{"DSN", {.deliver_by_s = 60, .deliver_by_mode = 'R'}, false, false, EX_UNAVAILABLE,
			"DELIVERBY"},
		{"DELIVERBY 120", {.deliver_by_s = 60, .deliver_by_mode = 'R'}, false, false,
			EX_UNAVAILABLE, "120"},
		{"DSN", {.has_priority = true}, false, false, EX_UNAVAILABLE, "MT-PRIORITY"},
		{"DSN", {.hold_for_s = 60}, false, false, EX_UNAVAILABLE, "FUTURERELEASE"},
		{"FUTURERELEASE 30 x", {.hold_for_s = 60}, false, false, EX_UNAVAILABLE, "30"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;
		char line[64];

		snprintf(line, sizeof(line), "> 250 %s", cases[i].extension);
		run_init(&run, TO("bob@x.example"), small);
		run.mail.demands = cases[i].demands;
		run.mail.needs_smtputf8 = cases[i].utf8;
		run.content.has_nul = cases[i].nul;
		run_play(&run, SCRIPT(HELLO, "> 250-peer", line, "< QUIT", "end"));
		assert_false(run.sent);
		assert_int_equal(run.err.exit_code, cases[i].exit_code);
		assert_int_equal(run.err.fate, FATE_PERMANENT);
		assert_non_null(strstr(run.err.text, cases[i].word));
		assert_states(&run, "R");
		run_done(&run);
	}
}

static void demands_stand_in_mail(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.mail.demands = (struct demands){.deliver_by_s = 120,
		.deliver_by_mode = 'N',
		.priority = -3,
		.has_priority = true,
		.hold_for_s = 60};
	run.mail.needs_smtputf8 = true;
	run_play(&run,
		SCRIPT(HELLO, "> 250-peer", "> 250-SMTPUTF8", "> 250-DELIVERBY",
			"> 250-MT-PRIORITY", "> 250 FUTURERELEASE 100 x",
			"< MAIL FROM:<ann@example.org> SMTPUTF8 BY=120;N MT-PRIORITY=-3 HOLDFOR=60",
			"> 250 a", BOB, "> 250 b", "< DATA", "> 354 go", "body", "> 250 ok",
			"< QUIT", "end"));
	assert_ok(run.sent, run.err);
	run_done(&run);
}

static void addresses_cannot_carry_commands(void **state)
{
	static const char *const bad[] = {"a@b\r\nRCPT TO:<evil@x>", "a@b> SIZE=1", "a b@x",
		"a<b@x", "a@b\n", "\"open@x", "\"a\\"};
	struct run run;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		run_init(&run, TO(bad[i], "bob@x.example"), small);
		run_play(&run, SCRIPT(SERIAL, FROM, "> 250 a", BOB, "> 250 b", "< DATA", "> 354 go",
				       "body", "> 250 ok", "< QUIT", "end"));
		assert_ok(run.sent, run.err);
		assert_states(&run, "FD");
		run_done(&run);

		run_init(&run, TO("bob@x.example"), small);
		run.envelope.sender = bad[i];
		run_play(&run, SCRIPT(SERIAL, "< QUIT", "end"));
		assert_false(run.sent);
		assert_int_equal(run.err.exit_code, EX_DATAERR);
		run_done(&run);
	}
	run_init(&run, TO("\"a <b>\\\" c\"@x.example"), small);
	run_play(&run,
		SCRIPT(SERIAL, FROM, "> 250 a", "< RCPT TO:<\"a <b>\\\" c\"@x.example>", "> 250 b",
			"< DATA", "> 354 go", "body", "> 250 ok", "< QUIT", "end"));
	assert_ok(run.sent, run.err);
	run_done(&run);
}

static void an_objection_before_the_end_sends_nothing(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.objects = true;
	run_play(&run,
		SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go", "end"));
	assert_false(run.sent);
	assert_int_equal(run.err.exit_code, EX_CANTCREAT);
	assert_states(&run, "R");
	run_done(&run);
}

static void lmtp_answers_for_each_recipient(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example", "cy@y.example", "eve@x.example"), small);
	run.params.lmtp = true;
	run_play(&run, SCRIPT("> 220 peer", "< LHLO me.example", "> 250-peer", "> 250-CHUNKING",
			       "> 250 PIPELINING", FROM, BOB, CY, EVE, "< DATA", "> 250 a",
			       "> 250 b", "> 250 c", "> 250 d", "> 354 go", "body", "< QUIT",
			       "> 250 ok", "> 552 5.2.2 full", "> 451 later", "end"));
	assert_ok(run.sent, run.err);
	assert_states(&run, "DFR");
	assert_int_equal(run.accepts, 1);
	run_done(&run);
}

static void lmtp_leaves_the_unanswered_in_doubt(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example", "cy@y.example"), small);
	run.params.lmtp = true;
	run_play(&run,
		SCRIPT("> 220 peer", "< LHLO me.example", "> 250 PIPELINING", FROM, "> 250 a", BOB,
			"> 250 b", CY, "> 250 c", "< DATA", "> 354 go", "body", "> 250 ok"));
	assert_false(run.sent);
	assert_int_equal(run.err.fate, FATE_UNCERTAIN);
	assert_states(&run, "DS");
	assert_int_equal(run.accepts, 1);
	run_done(&run);
}

static void many_recipients_need_few_flights(void **state)
{
	enum { MANY = 3000 };
	struct run run;
	static char address[MANY][40], command[MANY][64];
	static const char *list[MANY + 1], *script[2 * MANY + 20];
	size_t n = 0;
	const char *const *hello = SCRIPT(PIPELINED, FROM);

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(address[i], sizeof(address[i]), "user%zu@x.example", i);
		snprintf(command[i], sizeof(command[i]), "< RCPT TO:<%s>", address[i]);
		list[i] = address[i];
	}
	for (; *hello; hello++)
		script[n++] = *hello;
	script[n++] = "> 250 a";
	for (size_t i = 0; i < MANY; i++) {
		script[n++] = command[i];
		script[n++] = i % 3 ? "> 250 2.1.5 recipient ok" : "> 550 5.1.1 unknown";
	}
	script[n++] = "< DATA";
	script[n++] = "> 354 go";
	script[n++] = "body";
	script[n++] = "> 250 ok";
	script[n] = NULL;
	run_init(&run, list, small);
	run_play(&run, script);
	assert_ok(run.sent, run.err);
	assert_int_equal(envelope_count(&run.envelope, RECIPIENT_DELIVERED), MANY / 3 * 2);
	assert_int_equal(envelope_count(&run.envelope, RECIPIENT_FAILED), MANY / 3);
	run_done(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_go_in_one_flight),
		cmocka_unit_test(without_pipelining_each_command_waits),
		cmocka_unit_test(a_small_message_goes_along_with_its_commands),
		cmocka_unit_test(partial_refusals_concern_their_recipient_alone),
		cmocka_unit_test(all_refused_and_354_gets_a_lone_dot),
		cmocka_unit_test(a_whole_message_for_nobody_is_delivered_to_nobody),
		cmocka_unit_test(refusals_count_although_the_connection_is_lost),
		cmocka_unit_test(refusals_of_the_whole_are_told),
		cmocka_unit_test(older_doubt_stays_until_an_answer),
		cmocka_unit_test(dots_are_doubled_wherever_a_piece_begins),
		cmocka_unit_test(dots_are_doubled_across_every_boundary),
		cmocka_unit_test(too_many_recipients_go_in_another_transaction),
		cmocka_unit_test(a_full_disk_is_no_limit_of_recipients),
		cmocka_unit_test(limits_of_the_server_split_the_recipients),
		cmocka_unit_test(limits_of_domains_split_the_recipients),
		cmocka_unit_test(the_limit_of_messages_ends_the_session),
		cmocka_unit_test(a_large_message_goes_in_chunks),
		cmocka_unit_test(no_chunk_follows_an_error),
		cmocka_unit_test(an_unknown_bdat_ends_the_connection),
		cmocka_unit_test(refused_parameters_are_dropped_once),
		cmocka_unit_test(refused_dsn_parameters_are_dropped_once),
		cmocka_unit_test(what_the_server_cannot_take_is_told_before_it_is_sent),
		cmocka_unit_test(demands_stand_in_mail),
		cmocka_unit_test(addresses_cannot_carry_commands),
		cmocka_unit_test(an_objection_before_the_end_sends_nothing),
		cmocka_unit_test(lmtp_answers_for_each_recipient),
		cmocka_unit_test(lmtp_leaves_the_unanswered_in_doubt),
		cmocka_unit_test(many_recipients_need_few_flights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
