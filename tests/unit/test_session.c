#include "peer.h"

static void openings_that_fail_say_why(void **state)
{
	const struct {
		const char *const *script;
		const char *word, *hint;
	} cases[] = {
		{SCRIPT("> 554 no service", "< QUIT"), "554", ""},
		{SCRIPT("> 421 busy", "end"), "421", ""},
		{SCRIPT("> 250 what", "end"), "250", ""},
		{SCRIPT("> 354 what", "end"), "354", ""},
		{SCRIPT("> +OK POP3", "end"), "+OK", "POP3"},
		{SCRIPT("> SSH-2.0-x", "end"), "SSH", "SSH"},
		{SCRIPT("> HTTP/1.1 400 x", "end"), "HTTP", "web"},
		{SCRIPT(HELLO, "> 550 no", "< HELO me.example", "> 550 no", "< QUIT"), "550", ""},
		{SCRIPT(HELLO, "> 421 no", "end"), "421", ""},
		{SCRIPT(HELLO, "> 220 what", "end"), "220", ""},
		{SCRIPT(HELLO, "> 501 what", "< QUIT"), "501", ""},
		{SCRIPT(HELLO), "closed", ""},
		{SCRIPT(HELLO, "> 250-a", "> 550 b", "end"), "changes", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;

		play_small(&run, TO("bob@x.example"), cases[i].script);
		assert_false(run.opened);
		assert_int_equal(run.err.fate, FATE_LATER);
		if (!strstr(run.err.text, cases[i].word) || !strstr(run.err.hint, cases[i].hint))
			fail_msg("case %zu: %s (%s)", i, run.err.text, run.err.hint);
		assert_states(&run, "R");
		run_done(&run);
	}
}

static void helo_serves_where_nothing_else_is_wanted(void **state)
{
	struct run run;

	(void)state;
	play_small(&run, TO("bob@x.example"),
		SCRIPT(HELLO, "> 502 no", "< HELO me.example", "> 250 peer", FROM, "> 250 a", BOB,
			"> 250 b", "< DATA", "> 354 go", "body", "> 250 ok", "< QUIT", "end"));
	assert_ok(run.sent, run.err);
	run_done(&run);
}

static void no_login_goes_over_helo_or_without_leave(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.params.auth = "auto";
	run.params.user = "ann";
	run.params.secret = give_password;
	run.params.clear_login_allowed = true;
	run_play(&run, SCRIPT(HELLO, "> 502 no", "< QUIT"));
	assert_false(run.opened);
	run_done(&run);

	run_init(&run, TO("bob@x.example"), small);
	run.params.auth = "auto";
	run.params.user = "ann";
	run.params.secret = give_password;
	run_play(&run, SCRIPT(HELLO, "> 250 AUTH PLAIN", "< QUIT"));
	assert_false(run.opened);
	assert_int_equal(run.err.exit_code, EX_CONFIG);
	run_done(&run);
}

static void starttls_that_is_not_offered_sends_nothing(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.params.tls = SMTP_TLS_STARTTLS;
	run.params.auth = "auto";
	run.params.user = "ann";
	run.params.secret = give_password;
	run_play(&run, SCRIPT(HELLO, "> 250-peer", "> 250-XXXXXXXA", "> 250 AUTH PLAIN", "< QUIT"));
	assert_false(run.opened);
	assert_int_equal(run.err.fate, FATE_LATER);
	assert_non_null(strstr(run.err.text, "masks"));
	run_done(&run);
}

static void octets_behind_the_answer_to_starttls_end_it(void **state)
{
	static const char *const replies[] = {"> 220 go\r\n250 injected", "> 220 go\r\nx"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		struct run run;

		run_init(&run, TO("bob@x.example"), small);
		run.params.tls = SMTP_TLS_STARTTLS;
		run_play(&run, SCRIPT(HELLO, "> 250-peer", "> 250 STARTTLS", "< STARTTLS",
				       replies[i], "end"));
		assert_false(run.opened);
		assert_int_equal(run.err.fate, FATE_LATER);
		assert_non_null(strstr(run.err.text, "tampering"));
		run_done(&run);
	}
}

/* ---- Login ---- */

static void play_login(struct run *run, const char *auth, bool refresh, const char *const *script)
{
	run_init(run, TO("bob@x.example"), small);
	run->params.auth = auth;
	run->params.user = "ann";
	run->params.secret = give_password;
	run->params.secret_can_refresh = refresh;
	run->params.clear_login_allowed = true;
	run_play(run, script);
	assert_null(strstr(buf_text(&run->trace), "c2VjcmV0"));
	assert_null(strstr(buf_text(&run->trace), "AGFubg"));
	assert_null(strstr(run->err.text, "c2VjcmV0"));
	assert_null(strstr(run->err.text, "secret"));
}

#define PLAIN_LINE "< AUTH PLAIN AGFubgBzZWNyZXQ="
#define FRESH_LINE "< AUTH PLAIN AGFubgBmcmVzaA=="
#define REST FROM, "> 250 a", BOB, "> 250 b", "< DATA", "> 354 go", "body", "> 250 ok", "< QUIT"

static void logins_succeed(void **state)
{
	const struct {
		const char *auth;
		const char *const *script;
	} cases[] = {
		{"auto", SCRIPT(HELLO, "> 250-peer", "> 250 AUTH LOGIN PLAIN", PLAIN_LINE,
				 "> 235 ok", REST)},
		{"login", SCRIPT(HELLO, "> 250-peer", "> 250 AUTH LOGIN PLAIN", "< AUTH LOGIN",
				  "> 334 VXNlcm5hbWU6", "< YW5u", "> 334 UGFzc3dvcmQ6",
				  "< c2VjcmV0", "> 235 ok", REST)},
		/* CRAM-MD5 is never chosen by itself. */
		{"auto", SCRIPT(HELLO, "> 250-peer", "> 250 AUTH CRAM-MD5 PLAIN", PLAIN_LINE,
				 "> 235 ok", REST)},
		/* Not known after all: the next one. */
		{"auto", SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN LOGIN", PLAIN_LINE,
				 "> 504 what", "< AUTH LOGIN", "> 334 VXNlcm5hbWU6", "< YW5u",
				 "> 334 UGFzc3dvcmQ6", "< c2VjcmV0", "> 235 ok", REST)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;

		play_login(&run, cases[i].auth, false, cases[i].script);
		assert_ok(run.sent, run.err);
		run_done(&run);
	}
}

static void logins_fail_as_they_should(void **state)
{
	const struct {
		const char *auth;
		bool refresh;
		const char *const *script;
		int exit_code;
		enum fate fate;
		const char *word;
	} cases[] = {
		{"auto", false, SCRIPT(HELLO, "> 250 peer", "< QUIT"), EX_NOPERM, FATE_PERMANENT,
			"no login"},
		{"auto", false, SCRIPT(HELLO, "> 250-peer", "> 250 AUTH NTLM GSSAPI", "< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "NTLM GSSAPI"},
		{"scram-sha-256", false, SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", "< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "PLAIN"},
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN LOGIN", PLAIN_LINE,
				"> 535 5.7.8 wrong", "< QUIT", "end"),
			EX_NOPERM, FATE_PERMANENT, "login refused: 535 5.7.8 wrong"},
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE,
				"> 535 your password is secret", "< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "535 (text withheld"},
		/* The command itself comes back, whole or cut short. */
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE,
				"> 500 unknown: AUTH PLAIN AGFubgBzZWNyZXQ=", "< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "500 (text withheld"},
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE,
				"> 500 unknown: AUTH PLAIN AGFubgBzZWNyZX...", "< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "500 (text withheld"},
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE,
				"> AGFubgBzZWNyZXQ= is no command", "end"),
			EX_PROTOCOL, FATE_LATER, "'(text withheld"},
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE,
				"> 454 4.7.0 later", "< QUIT"),
			EX_TEMPFAIL, FATE_LATER, "454"},
		{"auto", true,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE, "> 535 wrong",
				FRESH_LINE, "> 535 wrong again", "< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "wrong again"},
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE, "> 421 bye",
				"end"),
			EX_TEMPFAIL, FATE_LATER, "421"},
		{"auto", false, SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE),
			EX_TEMPFAIL, FATE_LATER, "closed"},
		/* Success before its time. */
		{"login", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH LOGIN", "< AUTH LOGIN", "> 235 ok",
				"end"),
			EX_PROTOCOL, FATE_LATER, "before"},
		/* Broken and endless challenges are cancelled. */
		{"login", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH LOGIN", "< AUTH LOGIN",
				"> 334 not base64!", "< *", "> 501 cancelled", "end"),
			EX_PROTOCOL, FATE_LATER, "base64"},
		{"login", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH LOGIN", "< AUTH LOGIN", "> 334",
				"< YW5u", "> 334 ", "< c2VjcmV0", "> 334 UGFzc3dvcmQ6", "< *",
				"> 501 cancelled", "end"),
			EX_PROTOCOL, FATE_LATER, "more than"},
		{"auto", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE, "> 250 fine",
				"end"),
			EX_PROTOCOL, FATE_LATER, "250"},
		{"xoauth2", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH XOAUTH2", "~ AUTH XOAUTH2 ",
				"> 334 eyJzdGF0dXMiOiI0MDEiLCJ4IjoiYyJ9", "< ", "> 535 5.7.8 bad",
				"< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "535 5.7.8 bad (status 401)"},
		{"oauthbearer", false,
			SCRIPT(HELLO, "> 250-peer", "> 250 AUTH OAUTHBEARER", "~ AUTH OAUTHBEARER ",
				"> 334 eyJzdGF0dXMiOiI0MDEiLCJ4IjoiYyJ9",
				"< AQ==", "> 535 5.7.8 bad", "< QUIT"),
			EX_NOPERM, FATE_PERMANENT, "535 5.7.8 bad (status 401)"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;

		play_login(&run, cases[i].auth, cases[i].refresh, cases[i].script);
		assert_false(run.opened);
		if (run.err.exit_code != cases[i].exit_code || run.err.fate != cases[i].fate ||
			!strstr(run.err.text, cases[i].word))
			fail_msg("case %zu: exit %d, fate %d: %s", i, run.err.exit_code,
				(int)run.err.fate, run.err.text);
		run_done(&run);
	}
}

static void a_fresh_secret_is_tried_once(void **state)
{
	struct run run;

	(void)state;
	play_login(&run, "auto", true,
		SCRIPT(HELLO, "> 250-peer", "> 250 AUTH PLAIN", PLAIN_LINE, "> 535 wrong",
			FRESH_LINE, "> 235 ok", REST));
	assert_ok(run.sent, run.err);
	run_done(&run);
}

static bool give_long_token(void *context, bool fresh, struct buf *out, struct error *err)
{
	(void)context;
	(void)fresh;
	(void)err;
	for (int i = 0; i < 10000; i++)
		buf_add_char(out, 't');
	return true;
}

/* A-17 */
static void a_long_first_response_waits_for_its_challenge(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.params.auth = "xoauth2";
	run.params.user = "ann";
	run.params.secret = give_long_token;
	run.params.clear_login_allowed = true;
	run_play(&run, SCRIPT(HELLO, "> 250-peer", "> 250 AUTH XOAUTH2", "< AUTH XOAUTH2", "> 334 ",
			       "~ dXNlcj1hbm4BYXV0aD1CZWFyZXIgdHR0", "> 235 ok", REST));
	assert_ok(run.sent, run.err);
	run_done(&run);
}

static void a_silent_or_trickling_server_is_left(void **state)
{
	struct run run;
	int64_t start = clock_now_ms();

	(void)state;
	run_init(&run, TO("bob@x.example"), small);
	run.params.connect_ms = 150;
	run_play(&run, SCRIPT("> 220-slow", "hold"));
	assert_false(run.opened);
	assert_int_equal(run.err.fate, FATE_LATER);
	assert_true(clock_now_ms() - start < 5000);
	run_done(&run);

	run_init(&run, TO("bob@x.example"), small);
	run.params.reply_ms = 150;
	run_play(&run, SCRIPT(PIPELINED, FROM, BOB, "< DATA", "> 250 a", "> 250 b", "> 354 go",
			       "body", "hold"));
	assert_false(run.sent);
	assert_int_equal(run.err.fate, FATE_UNCERTAIN);
	assert_states(&run, "S");
	run_done(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openings_that_fail_say_why),
		cmocka_unit_test(helo_serves_where_nothing_else_is_wanted),
		cmocka_unit_test(no_login_goes_over_helo_or_without_leave),
		cmocka_unit_test(starttls_that_is_not_offered_sends_nothing),
		cmocka_unit_test(octets_behind_the_answer_to_starttls_end_it),
		cmocka_unit_test(logins_succeed),
		cmocka_unit_test(logins_fail_as_they_should),
		cmocka_unit_test(a_fresh_secret_is_tried_once),
		cmocka_unit_test(a_long_first_response_waits_for_its_challenge),
		cmocka_unit_test(a_silent_or_trickling_server_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
