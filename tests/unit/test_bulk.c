#include "peer.h"

enum { MAILS = 12 };

/* Several messages from one feed, against one script. */
struct load {
	struct run run; /* its own message is not used */
	struct envelope envelopes[MAILS];
	struct smtp_mail mails[MAILS];
	struct content contents[MAILS];
	size_t count, given;
	struct error errors[MAILS]; /* exit_code 0: smtp_send would return true */
	char order[MAILS + 1];      /* in which they were done: 'a' is the first */
	size_t done;
};

static struct smtp_mail *next(void *context)
{
	struct load *load = context;

	return load->given < load->count ? &load->mails[load->given++] : NULL;
}

static void done(void *context, struct smtp_mail *mail, const struct error *err)
{
	struct load *load = context;
	size_t place = (size_t)(mail - load->mails);

	assert_true(place < load->given && load->done < MAILS);
	load->order[load->done++] = (char)('a' + place);
	if (err)
		load->errors[place] = *err;
}

/* The n-th message goes from a<n>@x.example to b<n>@x.example. */
static void load_init(struct load *load, size_t count)
{
	static const char *const nobody[] = {NULL};

	memset(load, 0, sizeof(*load));
	run_init(&load->run, nobody, small);
	load->count = count;
	for (size_t i = 0; i < count; i++) {
		struct envelope *e = &load->envelopes[i];

		e->sender = arena_printf(&e->arena, "a%zu@x.example", i);
		(void)envelope_add(e, arena_printf(&e->arena, "b%zu@x.example", i));
		load->contents[i] = load->run.content;
		load->mails[i] = load->run.mail;
		load->mails[i].envelope = e;
		load->mails[i].content = &load->contents[i];
	}
}

static void load_play(struct load *load, size_t window, const char *const *script)
{
	struct smtp_feed feed = {.next = next, .done = done, .context = load, .window = window};
	struct smtp_session *s = NULL;
	struct stream *stream = peer_start(&load->run.peer, script);

	assert_ok(smtp_open_stream(&load->run.params, stream, &s, &load->run.err), load->run.err);
	smtp_send_many(s, &feed);
	smtp_close(s);
	peer_finish(&load->run.peer);
	assert_int_equal(load->done, load->given);
}

static void load_done(struct load *load)
{
	for (size_t i = 0; i < load->count; i++)
		envelope_done(&load->envelopes[i]);
	run_done(&load->run);
}

/* The state of each message's recipient: "DFS…". */
static void assert_load(const struct load *load, const char *want)
{
	char got[MAILS + 1] = "";

	for (size_t i = 0; i < load->count; i++)
		got[i] = (char)load->envelopes[i].recipients[0].state;
	assert_string_equal(got, want);
}

#define M(n) "< MAIL FROM:<a" #n "@x.example>"
#define R(n) "< RCPT TO:<b" #n "@x.example>"
#define B "< BDAT 21 LAST", "octets 21"

static void whole_transactions_share_a_flight(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 3);
	load_play(&load, 10,
		SCRIPT(CHUNKED, M(0), R(0), B, "< RSET", M(1), R(1), B, "< RSET", M(2), R(2), B,
			"idle", "> 250 a", "> 250 b", "> 250 c", "> 250 r", "> 250 a", "> 250 b",
			"> 250 c", "> 250 r", "> 250 a", "> 250 b", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DDD");
	assert_string_equal(load.order, "abc");
	assert_int_equal(load.run.accepts, 3);
	load_done(&load);
}

static void the_window_is_kept(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 3);
	load_play(&load, 2,
		SCRIPT(CHUNKED, M(0), R(0), B, "< RSET", M(1), R(1), B, "idle", "> 250 a",
			"> 250 b", "> 250 c", "> 250 r", "> 250 a", "> 250 b", "> 250 c", M(2),
			R(2), B, "> 250 a", "> 250 b", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DDD");
	load_done(&load);
}

/* One flight for several, and the server still has something to do meanwhile. */
static void the_window_is_filled_when_most_of_it_has_landed(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 6);
	load_play(&load, 4,
		SCRIPT(CHUNKED, M(0), R(0), B, "< RSET", M(1), R(1), B, "< RSET", M(2), R(2), B,
			"< RSET", M(3), R(3), B, "> 250 a", "> 250 b", "> 250 c", "> 250 r",
			"> 250 a", "> 250 b", "> 250 c", "idle", "> 250 r", "> 250 a", "> 250 b",
			"> 250 c", "< RSET", M(4), R(4), B, "< RSET", M(5), R(5), B, "> 250 r",
			"> 250 a", "> 250 b", "> 250 c", "> 250 r", "> 250 a", "> 250 b", "> 250 c",
			"> 250 r", "> 250 a", "> 250 b", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DDDDDD");
	load_done(&load);
}

/* Five messages of 60,000 octets would be more than 256 KiB. */
static void the_window_has_room_for_few_octets(void **state)
{
#define L "< BDAT 60000 LAST", "octets 60000"
	static char text[60000];
	struct load load;

	(void)state;
	load_init(&load, 5);
	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 2, "\r\n", 2);
	for (size_t i = 0; i < load.count; i++)
		load.contents[i].body = (struct slice){text, sizeof(text)};
	load_play(&load, 10,
		SCRIPT(CHUNKED, M(0), R(0), L, "< RSET", M(1), R(1), L, "< RSET", M(2), R(2), L,
			"< RSET", M(3), R(3), L, "idle", "> 250 a", "> 250 b", "> 250 c", "< RSET",
			M(4), R(4), L, "> 250 r", "> 250 a", "> 250 b", "> 250 c", "> 250 r",
			"> 250 a", "> 250 b", "> 250 c", "> 250 r", "> 250 a", "> 250 b", "> 250 c",
			"> 250 r", "> 250 a", "> 250 b", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DDDDD");
	load_done(&load);
#undef L
}

static void an_error_touches_its_own_message_alone(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 4);
	load_play(&load, 10,
		SCRIPT(CHUNKED, M(0), R(0), B, "< RSET", M(1), R(1), B, "< RSET", M(2), R(2), B,
			"< RSET", M(3), R(3), B, "> 250 a", "> 250 b", "> 554 5.6.0 no", "> 250 r",
			"> 550 5.7.1 no", "> 503 b", "> 503 c", "> 250 r", "> 250 a",
			"> 550 5.1.1 no", "> 503 c", "> 250 r", "> 250 a", "> 250 b", "> 250 c",
			"< QUIT", "end"));
	assert_load(&load, "RRFD");
	assert_int_equal(load.errors[0].exit_code, EX_DATAERR);
	assert_int_equal(load.errors[1].smtp_code, 550);
	assert_int_equal(load.errors[2].exit_code, 0);
	assert_int_equal(load.errors[3].exit_code, 0);
	load_done(&load);
}

static void a_lost_connection_leaves_the_window_in_doubt(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 5);
	load_play(&load, 4,
		SCRIPT(CHUNKED, M(0), R(0), B, "< RSET", M(1), R(1), B, "< RSET", M(2), R(2), B,
			"< RSET", M(3), R(3), B, "> 250 a", "> 250 b", "> 250 c"));
	assert_load(&load, "DSSSR");
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(load.errors[i].fate, FATE_UNCERTAIN);
	assert_int_equal(load.given, 4);
	load_done(&load);
}

static void a_closing_server_leaves_no_doubt(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 3);
	load_play(&load, 3,
		SCRIPT(CHUNKED, M(0), R(0), B, "< RSET", M(1), R(1), B, "< RSET", M(2), R(2), B,
			"> 250 a", "> 250 b", "> 250 c", "> 250 r", "> 421 closing", "end"));
	assert_load(&load, "DRR");
	assert_int_equal(load.errors[1].fate, FATE_LATER);
	assert_int_equal(load.errors[2].fate, FATE_LATER);
	load_done(&load);
}

static void with_pipelining_alone_commands_follow_the_end(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 3);
	load_play(&load, 10,
		SCRIPT(PIPELINED, M(0), R(0), "< DATA", "idle", "> 250 a", "> 250 b", "> 354 go",
			"body", M(1), R(1), "< DATA", "idle", "> 250 c", "> 250 a", "> 550 no",
			"> 503 nobody", "< RSET", M(2), R(2), "< DATA", "> 250 r", "> 250 a",
			"> 250 b", "> 354 go", "body", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DFD");
	assert_string_equal(load.order, "abc");
	load_done(&load);
}

static void a_lost_answer_concerns_the_sent_message_alone(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 3);
	load_play(&load, 10,
		SCRIPT(PIPELINED, M(0), R(0), "< DATA", "> 250 a", "> 250 b", "> 354 go", "body",
			M(1), R(1), "< DATA"));
	assert_load(&load, "SRR");
	assert_int_equal(load.errors[0].fate, FATE_UNCERTAIN);
	assert_int_equal(load.errors[1].fate, FATE_LATER);
	assert_int_equal(load.given, 2);
	load_done(&load);
}

static void without_pipelining_they_go_one_by_one(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 2);
	load_play(&load, 10,
		SCRIPT(SERIAL, M(0), "idle", "> 250 a", R(0), "idle", "> 250 b", "< DATA", "idle",
			"> 354 go", "body", "idle", "> 250 c", M(1), "> 250 a", R(1), "> 250 b",
			"< DATA", "> 354 go", "body", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DD");
	load_done(&load);
}

static void what_is_left_over_goes_by_itself(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 2);
	(void)envelope_add(&load.envelopes[0], "c0@x.example");
	load_play(&load, 10,
		SCRIPT(CHUNKED, M(0), R(0), "< RCPT TO:<c0@x.example>", B, "< RSET", M(1), R(1), B,
			"> 250 a", "> 250 b", "> 452 4.5.3 too many", "> 250 c", "> 250 r",
			"> 250 a", "> 250 b", "> 250 c", M(0), "< RCPT TO:<c0@x.example>", B,
			"> 250 a", "> 250 b", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DD");
	assert_int_equal(load.envelopes[0].recipients[1].state, RECIPIENT_DELIVERED);
	assert_string_equal(load.order, "ba");
	load_done(&load);
}

static void the_limit_of_messages_ends_the_taking(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 3);
	load_play(&load, 10,
		SCRIPT(HELLO, "> 250-peer", "> 250-PIPELINING", "> 250-CHUNKING",
			"> 250 LIMITS MAILMAX=2", M(0), R(0), B, "< RSET", M(1), R(1), B, "> 250 a",
			"> 250 b", "> 250 c", "> 250 r", "> 250 a", "> 250 b", "> 250 c", "< QUIT",
			"end"));
	assert_load(&load, "DDR");
	assert_int_equal(load.given, 2);
	load_done(&load);
}

static void what_cannot_be_sent_does_not_hold_the_others(void **state)
{
	struct load load;

	(void)state;
	load_init(&load, 3);
	load.mails[1].demands.require_tls = true;
	load.envelopes[2].recipients[0].state = RECIPIENT_DELIVERED;
	load_play(&load, 10,
		SCRIPT(CHUNKED, M(0), R(0), B, "> 250 a", "> 250 b", "> 250 c", "< QUIT", "end"));
	assert_load(&load, "DRD");
	assert_int_equal(load.errors[1].exit_code, EX_UNAVAILABLE);
	assert_int_equal(load.errors[2].exit_code, 0);
	load_done(&load);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_transactions_share_a_flight),
		cmocka_unit_test(the_window_is_kept),
		cmocka_unit_test(the_window_is_filled_when_most_of_it_has_landed),
		cmocka_unit_test(the_window_has_room_for_few_octets),
		cmocka_unit_test(an_error_touches_its_own_message_alone),
		cmocka_unit_test(a_lost_connection_leaves_the_window_in_doubt),
		cmocka_unit_test(a_closing_server_leaves_no_doubt),
		cmocka_unit_test(with_pipelining_alone_commands_follow_the_end),
		cmocka_unit_test(a_lost_answer_concerns_the_sent_message_alone),
		cmocka_unit_test(without_pipelining_they_go_one_by_one),
		cmocka_unit_test(what_is_left_over_goes_by_itself),
		cmocka_unit_test(the_limit_of_messages_ends_the_taking),
		cmocka_unit_test(what_cannot_be_sent_does_not_hold_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
