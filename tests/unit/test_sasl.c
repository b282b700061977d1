#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "smtp/sasl.h"

/* One exchange as a script: what the server says (raw), what we must answer. */
struct turn {
	const char *challenge, *response;
};

static struct sasl *begin(const struct sasl_params *params)
{
	struct sasl *s = NULL;
	struct error err = {0};

	assert_ok(sasl_new(params, &s, &err), err);
	return s;
}

/* Encodes a raw challenge and gives it to the machine. */
static bool step(struct sasl *s, const char *challenge, struct buf *response, struct error *err)
{
	CLEANUP(buf_done) struct buf encoded = BUF(65536);

	base64_encode(&encoded, slice_of(challenge));
	return sasl_step(s, buf_slice(&encoded), response, err);
}

static void expect_turns(
	struct sasl *s, const char *initial, const struct turn *turns, size_t count)
{
	CLEANUP(buf_done) struct buf response = BUF(65536);

	assert_int_equal(sasl_start(s, &response), initial != NULL);
	if (initial)
		assert_string_equal(buf_text(&response), initial);
	for (size_t i = 0; i < count; i++) {
		struct error err = {0};

		assert_false(sasl_is_complete(s));
		buf_clear(&response);
		assert_ok(step(s, turns[i].challenge, &response, &err), err);
		assert_string_equal(buf_text(&response), turns[i].response);
	}
	assert_true(sasl_is_complete(s));
}

static void scram_sha_1_follows_the_example_of_rfc_5802(void **state)
{
	static const struct turn turns[] = {
		{"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
			"p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="},
		{"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", ""},
	};
	const struct sasl_params params = {
		.mechanism = SASL_SCRAM_SHA_1,
		.user = "user",
		.secret = SLICE("pencil"),
		.nonce = "fyko+d2lbbFgONRv9qkxdawL",
	};
	struct sasl *s = begin(&params);

	(void)state;
	expect_turns(s, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", turns, ARRAY_LEN(turns));
	sasl_free(s);
}

static void scram_sha_256_follows_the_example_of_rfc_7677(void **state)
{
	static const struct turn turns[] = {
		{"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		 "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
			"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	};
	const struct sasl_params params = {
		.mechanism = SASL_SCRAM_SHA_256,
		.user = "user",
		.secret = SLICE("pencil"),
		.nonce = "rOprNGfwEbeRWgbNEkqO",
	};
	struct sasl *s = begin(&params);

	(void)state;
	expect_turns(s, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", turns, ARRAY_LEN(turns));
	sasl_free(s);
}

static void scram_names_its_channel_binding(void **state)
{
	static const struct {
		enum sasl_mechanism mechanism;
		const char *binding_name;
		bool unused;
		const char *first, *bound;
	} cases[] = {
		{SASL_SCRAM_SHA_256_PLUS, "tls-exporter", false, "p=tls-exporter,,n=a=3Db=2Cc,r=N",
			"p=tls-exporter,,DATA"},
		{SASL_SCRAM_SHA_1_PLUS, "tls-server-end-point", false,
			"p=tls-server-end-point,,n=a=3Db=2Cc,r=N", "p=tls-server-end-point,,DATA"},
		{SASL_SCRAM_SHA_256, NULL, true, "y,,n=a=3Db=2Cc,r=N", "y,,"},
		{SASL_SCRAM_SHA_1, NULL, false, "n,,n=a=3Db=2Cc,r=N", "n,,"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct sasl_params params = {
			.mechanism = cases[i].mechanism,
			.user = "a=b,c",
			.secret = SLICE("x"),
			.nonce = "N",
			.binding_name = cases[i].binding_name,
			.binding = SLICE("DATA"),
			.binding_unused = cases[i].unused,
		};
		struct sasl *s = begin(&params);
		struct error err = {0};
		CLEANUP(buf_done) struct buf response = BUF(65536);
		CLEANUP(buf_done) struct buf want = BUF(65536);

		assert_true(sasl_start(s, &response));
		assert_string_equal(buf_text(&response), cases[i].first);
		buf_clear(&response);
		assert_ok(step(s, "r=Nserver,s=c2FsdA==,i=1", &response, &err), err);
		buf_add_text(&want, "c=");
		base64_encode(&want, slice_of(cases[i].bound));
		buf_add_text(&want, ",r=Nserver,p=");
		assert_true(slice_starts(buf_slice(&response), buf_slice(&want)));
		sasl_free(s);
	}
}

static struct sasl *begin_scram(void)
{
	const struct sasl_params params = {
		.mechanism = SASL_SCRAM_SHA_256,
		.user = "user",
		.secret = SLICE("pencil"),
		.nonce = "ABC",
	};

	return begin(&params);
}

static void scram_refuses_bent_first_messages(void **state)
{
	static const char *const messages[] = {
		"",
		"r=ABC,s=c2FsdA==,i=4096",         /* adds nothing to our nonce */
		"r=ABDxyz,s=c2FsdA==,i=4096",      /* another nonce */
		"r=xyzABC,s=c2FsdA==,i=4096",      /* ours is not in front */
		"m=ext,r=ABCx,s=c2FsdA==,i=4096",  /* mandatory extension */
		"s=c2FsdA==,r=ABCx,i=4096",        /* order */
		"r=ABCx,i=4096,s=c2FsdA==",        /* order */
		"r=ABCx,r=ABCx,s=c2FsdA==,i=4096", /* doubled */
		"r=ABCx,s=c2FsdA==,i=4096,i=1",    /* doubled behind */
		"r=ABCx,s=c2FsdA==,i=4096,m=ext",  /* mandatory extension behind */
		"r=ABCx,s=c2FsdA==,i=4096,junk",   /* no attribute */
		"r=ABCx,s=,i=4096",                /* no salt */
		"r=ABCx,s=c2Fsd,i=4096",           /* no base64 */
		"r=ABCx,s=c2FsdA==",               /* no count */
		"r=ABCx,s=c2FsdA==,i=",            /* empty count */
		"r=ABCx,s=c2FsdA==,i=0",
		"r=ABCx,s=c2FsdA==,i=-1",
		"r=ABCx,s=c2FsdA==,i=1000001",
		"r=ABCx,s=c2FsdA==,i=99999999999999999999",
		"r=ABCx,s=c2FsdA==,i=4096x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct sasl *s = begin_scram();
		struct error err = {0};
		CLEANUP(buf_done) struct buf response = BUF(65536);

		(void)sasl_start(s, &response);
		if (step(s, messages[i], &response, &err))
			fail_msg("'%s' was taken", messages[i]);
		assert_int_equal(err.fate, FATE_LATER);
		assert_false(sasl_is_complete(s));
		assert_false(sasl_has_used_secret(s));
		sasl_free(s);
	}
}

static void scram_lets_harmless_extensions_pass(void **state)
{
	struct sasl *s = begin_scram();
	struct error err = {0};
	CLEANUP(buf_done) struct buf response = BUF(65536);

	(void)state;
	(void)sasl_start(s, &response);
	assert_ok(step(s, "r=ABCx,s=c2FsdA==,i=1,t=ext", &response, &err), err);
	sasl_free(s);
}

static void scram_believes_no_server_without_its_signature(void **state)
{
	static const char *const messages[] = {
		"", "v=", "v=AAAA", "x=1", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct sasl *s = begin_scram();
		struct error err = {0};
		CLEANUP(buf_done) struct buf response = BUF(65536);

		(void)sasl_start(s, &response);
		assert_ok(step(s, "r=ABCx,s=c2FsdA==,i=1", &response, &err), err);
		assert_false(sasl_is_complete(s));
		assert_false(step(s, messages[i], &response, &err));
		assert_false(sasl_is_complete(s));
		sasl_free(s);
	}
}

static void scram_hears_the_servers_error(void **state)
{
	struct sasl *s = begin_scram();
	struct error err = {0};
	CLEANUP(buf_done) struct buf response = BUF(65536);

	(void)state;
	(void)sasl_start(s, &response);
	assert_ok(step(s, "r=ABCx,s=c2FsdA==,i=1", &response, &err), err);
	buf_clear(&response);
	assert_ok(step(s, "e=invalid-proof", &response, &err), err);
	assert_int_equal(response.len, 0);
	assert_string_equal(sasl_remark(s), "invalid-proof");
	assert_false(sasl_is_complete(s));
	assert_false(step(s, "v=AAAA", &response, &err));
	sasl_free(s);
}

static void challenges_must_be_base64(void **state)
{
	static const char *const lines[] = {"!", "AAA", "AA AA", " QUJD", "QUJD ", "QUJD\nQUJD"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const struct sasl_params params = {
			.mechanism = SASL_LOGIN, .user = "u", .secret = SLICE("p")};
		struct sasl *s = begin(&params);
		struct error err = {0};
		CLEANUP(buf_done) struct buf response = BUF(65536);

		assert_false(sasl_step(s, slice_of(lines[i]), &response, &err));
		assert_int_equal(response.len, 0);
		sasl_free(s);
	}
}

static void an_overlong_challenge_is_refused(void **state)
{
	const struct sasl_params params = {
		.mechanism = SASL_LOGIN, .user = "u", .secret = SLICE("p")};
	struct sasl *s = begin(&params);
	struct error err = {0};
	CLEANUP(buf_done) struct buf response = BUF(65536);
	static char line[102400];

	(void)state;
	memset(line, 'A', sizeof(line));
	assert_false(sasl_step(s, (struct slice){line, sizeof(line)}, &response, &err));
	sasl_free(s);
}

static void plain_says_all_at_once(void **state)
{
	const struct sasl_params params = {
		.mechanism = SASL_PLAIN, .user = "ann", .secret = SLICE(" p\303\244ss ;# ")};
	struct sasl *s = begin(&params);
	struct error err = {0};
	CLEANUP(buf_done) struct buf response = BUF(65536);

	(void)state;
	assert_true(sasl_start(s, &response));
	assert_true(slice_eq(buf_slice(&response), SLICE("\0ann\0 p\303\244ss ;# ")));
	assert_true(sasl_is_complete(s));
	assert_false(step(s, "more?", &response, &err));
	sasl_free(s);
}

static void login_answers_two_questions(void **state)
{
	static const struct turn turns[] = {{"Username:", "ann"}, {"whatever", "secret"}};
	const struct sasl_params params = {
		.mechanism = SASL_LOGIN, .user = "ann", .secret = SLICE("secret")};
	struct sasl *s = begin(&params);
	struct error err = {0};
	CLEANUP(buf_done) struct buf response = BUF(65536);

	(void)state;
	expect_turns(s, NULL, turns, ARRAY_LEN(turns));
	assert_false(step(s, "And now?", &response, &err));
	assert_int_equal(response.len, 0);
	sasl_free(s);
}

static void cram_md5_follows_the_example_of_rfc_2195(void **state)
{
	static const struct turn turns[] = {
		{"<1896.697170952@postoffice.reston.mci.net>",
			"tim b913a602c7eda7a495b4e6e7334d3890"},
	};
	const struct sasl_params params = {
		.mechanism = SASL_CRAM_MD5, .user = "tim", .secret = SLICE("tanstaaftanstaaf")};
	struct sasl *s = begin(&params);

	(void)state;
	expect_turns(s, NULL, turns, ARRAY_LEN(turns));
	sasl_free(s);
}

static void oauth_sends_the_token_and_reports_the_cause(void **state)
{
	static const struct {
		enum sasl_mechanism mechanism;
		const char *initial, *error_answer;
	} cases[] = {
		{SASL_XOAUTH2, "user=a@b\001auth=Bearer tok\001\001", ""},
		{SASL_OAUTHBEARER, "n,a=a@b,\001host=h\001port=587\001auth=Bearer tok\001\001",
			"\001"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct sasl_params params = {
			.mechanism = cases[i].mechanism,
			.user = "a@b",
			.secret = SLICE("tok"),
			.host = "h",
			.port = 587,
		};
		struct sasl *s = begin(&params);
		struct error err = {0};
		CLEANUP(buf_done) struct buf response = BUF(65536);

		assert_true(sasl_start(s, &response));
		assert_string_equal(buf_text(&response), cases[i].initial);
		assert_true(sasl_is_complete(s));
		buf_clear(&response);
		assert_ok(step(s, "{\"status\":\"401\",\"schemes\": \"bearer\",\"x\":\"tok\"}",
				  &response, &err),
			err);
		assert_string_equal(buf_text(&response), cases[i].error_answer);
		assert_string_equal(sasl_remark(s), "status 401, scheme bearer");
		assert_false(sasl_is_complete(s));
		assert_false(step(s, "again", &response, &err));
		sasl_free(s);
	}
}

static void what_would_forge_a_field_is_refused(void **state)
{
	static const struct {
		enum sasl_mechanism mechanism;
		const char *user;
		struct slice secret;
	} cases[] = {
		{SASL_PLAIN, "zoe", {"a\0b", 3}},
		{SASL_SCRAM_SHA_256, "zoe", {"a\0b", 3}},
		{SASL_XOAUTH2, "zoe", {"a\001b", 3}},
		{SASL_OAUTHBEARER, "z\001e", {"tok", 3}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct sasl_params params = {.mechanism = cases[i].mechanism,
			.user = cases[i].user,
			.secret = cases[i].secret};
		struct sasl *s = NULL;
		struct error err = {0};

		assert_false(sasl_new(&params, &s, &err));
		assert_null(s);
		assert_null(strstr(err.text, cases[i].user));
	}
}

static void names_are_found_in_any_case(void **state)
{
	enum sasl_mechanism found;

	(void)state;
	for (unsigned i = 0; i < SASL_COUNT; i++) {
		assert_true(sasl_find(slice_of(sasl_name((enum sasl_mechanism)i)), &found));
		assert_int_equal(found, i);
	}
	assert_true(sasl_find(SLICE("scram-sha-256-plus"), &found));
	assert_int_equal(found, SASL_SCRAM_SHA_256_PLUS);
	assert_false(sasl_find(SLICE("NTLM"), &found));
	assert_false(sasl_find(SLICE("PLAI"), &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scram_sha_1_follows_the_example_of_rfc_5802),
		cmocka_unit_test(scram_sha_256_follows_the_example_of_rfc_7677),
		cmocka_unit_test(scram_names_its_channel_binding),
		cmocka_unit_test(scram_refuses_bent_first_messages),
		cmocka_unit_test(scram_lets_harmless_extensions_pass),
		cmocka_unit_test(scram_believes_no_server_without_its_signature),
		cmocka_unit_test(scram_hears_the_servers_error),
		cmocka_unit_test(challenges_must_be_base64),
		cmocka_unit_test(an_overlong_challenge_is_refused),
		cmocka_unit_test(plain_says_all_at_once),
		cmocka_unit_test(login_answers_two_questions),
		cmocka_unit_test(cram_md5_follows_the_example_of_rfc_2195),
		cmocka_unit_test(oauth_sends_the_token_and_reports_the_cause),
		cmocka_unit_test(what_would_forge_a_field_is_refused),
		cmocka_unit_test(names_are_found_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
