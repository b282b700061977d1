#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "config_files.h"
#include "submit/compose.h"

#define ACCOUNT                                                                                    \
	"[account work]\nhost = smtp.example.com\nfrom = ann@example.com\n"                        \
	"[account other]\nhost = h\nfrom = other@example.org\nmatch = *@example.org\n"
#define DOMAIN "[mail]\ndomain = mail.test\n"
#define BODY "\n\nthe body\n"

/* One composition: a configuration, what the caller says, and what comes of it. */
struct draft {
	struct config config;
	struct submission s;
	struct composed out;
	struct error err;
	bool is_composed;
};

static void draft_init(struct draft *d, const char *config)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config_places places = {.only = put("config", config, 0600)};

	*d = (struct draft){.out = {.message.spill = -1}};
	if (!config_read(&places, write_fault_line, &faults, &d->config))
		fail_msg("%s", buf_text(&faults));
	d->s.input_name = "standard input";
}

static void draft_done(struct draft *d)
{
	if (d->is_composed)
		compose_done(&d->out);
	config_done(&d->config);
}

static bool compose(struct draft *d, const char *message)
{
	const char *path = put("message", message, 0600);

	if (d->is_composed)
		compose_done(&d->out);
	d->err = (struct error){0};
	d->s.input = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(d->s.input >= 0);
	d->is_composed = compose_message(&d->config, &d->s, NULL, &d->out, &d->err);
	close(d->s.input);
	return d->is_composed;
}

static void composes(struct draft *d, const char *message)
{
	if (!compose(d, message))
		fail_msg("%s: %s", message, d->err.text);
}

static void fails(struct draft *d, const char *message, int code, const char *words)
{
	if (compose(d, message))
		fail_msg("%s is taken", message);
	if (d->err.exit_code != code || !strstr(d->err.text, words))
		fail_msg("'%s': %d %s", message, d->err.exit_code, d->err.text);
}

static const char *recipients(const struct draft *d)
{
	static char text[2048];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < d->out.envelope.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
			d->out.envelope.recipients[i].address);
	return text;
}

/* The whole message as it would be sent. */
static const char *text_of(const struct draft *d)
{
	static char text[65536];
	struct content_reader reader;
	struct slice piece;
	struct error err = {0};
	size_t len = 0;

	content_start(&reader, &d->out.content);
	while (content_next(&reader, &piece, &err) && piece.len > 0) {
		assert_true(len + piece.len < sizeof(text));
		memcpy(text + len, piece.ptr, piece.len);
		len += piece.len;
	}
	content_stop(&reader);
	assert_string_equal(err.text, "");
	text[len] = '\0';
	return text;
}

static void expect_text(const struct draft *d, const char *part)
{
	if (!strstr(text_of(d), part))
		fail_msg("'%s' is not in '%s'", part, text_of(d));
}

static void expect_no_text(const struct draft *d, const char *part)
{
	if (strstr(text_of(d), part))
		fail_msg("'%s' is in '%s'", part, text_of(d));
}

/* C61, C05, C06: where the envelope sender comes from. */
static void the_sender_is_found_in_order(void **state UNUSED)
{
	static const char bare[] = "[account work]\nhost = h\n" DOMAIN;
	static const struct {
		const char *config, *given, *message, *want;
	} cases[] = {
		{ACCOUNT, NULL, "From: fran@x.test" BODY, "ann@example.com"},
		{ACCOUNT, "bob@y.test", "From: fran@x.test" BODY, "bob@y.test"},
		{ACCOUNT, "Bob B <bob@y.test>", "From: fran@x.test" BODY, "bob@y.test"},
		{ACCOUNT, "", "From: fran@x.test" BODY, ""},
		{ACCOUNT, "<>", "From: fran@x.test" BODY, ""},
		{ACCOUNT, "www-data", "From: fran@x.test" BODY, "ann@example.com"},
		{ACCOUNT DOMAIN, "www-data", "From: fran@x.test" BODY, "www-data@mail.test"},
		{bare, NULL, "From: Fran <fran@x.test>" BODY, "fran@x.test"},
		{bare, NULL, "From: fran (Cron Daemon)" BODY, "fran@mail.test"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const char *const operands[] = {"bob@z.test"};
		CLEANUP(draft_done) struct draft d;

		draft_init(&d, cases[i].config);
		d.s.operands = operands;
		d.s.operand_count = 1;
		d.s.sender = cases[i].given;
		composes(&d, cases[i].message);
		if (strcmp(d.out.envelope.sender, cases[i].want) != 0)
			fail_msg("case %zu: '%s'", i, d.out.envelope.sender);
	}
}

static void a_sender_that_is_no_address_is_a_usage_fault(void **state UNUSED)
{
	static const char *const cases[] = {
		"a@b>\r\nRCPT TO:<x@y>", "a b@c", "a@b, c@d", "<a@b", "a@b\n", "\x01@b"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const char *const operands[] = {"bob@z.test"};
		CLEANUP(draft_done) struct draft d;

		draft_init(&d, ACCOUNT);
		d.s.operands = operands;
		d.s.operand_count = 1;
		d.s.sender = cases[i];
		fails(&d, "Subject: x" BODY, EX_USAGE, "-f");
	}
}

static void the_account_fits_the_sender_or_the_header(void **state UNUSED)
{
	static const struct {
		const char *name, *given, *from, *want;
	} cases[] = {
		{NULL, NULL, "fran@x.test", "work"},
		{NULL, "somebody@example.org", "fran@x.test", "other"},
		{NULL, NULL, "somebody@example.org", "other"},
		{NULL, "ann@example.com", "somebody@example.org", "work"},
		{"work", "somebody@example.org", "fran@x.test", "work"},
		{NULL, "", "somebody@example.org", "other"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const char *const operands[] = {"bob@z.test"};
		CLEANUP(draft_done) struct draft d;
		char message[256];

		draft_init(&d, ACCOUNT);
		d.s.operands = operands;
		d.s.operand_count = 1;
		d.s.account = cases[i].name;
		d.s.sender = cases[i].given;
		snprintf(message, sizeof(message), "From: %s" BODY, cases[i].from);
		composes(&d, message);
		if (strcmp(d.out.account->name, cases[i].want) != 0)
			fail_msg("case %zu: '%s'", i, d.out.account->name);
	}
}

/* C38 to C45, C49: who receives with -t. */
static void the_header_names_recipients(void **state UNUSED)
{
	static const struct {
		const char *message, *want;
	} cases[] = {
		{"To: a@x, b@x\nCc: c@x\nBcc: d@x" BODY, "a@x b@x c@x d@x"},
		{"TO : a@x\ncC:\n b@x,\n\tc@x" BODY, "a@x b@x c@x"},
		{"To: a@x\nTo: b@x" BODY, "a@x b@x"},
		{"To: a@x, A@X, a@X, A@x" BODY, "a@x A@X"},
		{"To: team: a@x, Bob <b@x>;, empty:;, c@x" BODY, "a@x b@x c@x"},
		{"To: undisclosed:;\nBcc: a@x" BODY, "a@x"},
		{"To: \"a, b\"@x, <@r,@s:c@x>, d (e@f) @x" BODY, "\"a, b\"@x c@x d@x"},
		{"To: a@x,, ,b@x," BODY, "a@x b@x"},
		{"To: a@x\nResent-To: b@x" BODY, "b@x"},
		{"To: a@x\nResent-Bcc: b@x\nResent-Cc: c@x" BODY, "c@x b@x"},
		{"To: a@x\nApparently-To: b@x" BODY, "a@x"},
		{"To: a@x\n\nCc: b@x\n", "a@x"},
		{"Subject: x\nTo: nobody-here" BODY, "nobody-here@mail.test"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(draft_done) struct draft d;

		draft_init(&d, ACCOUNT DOMAIN);
		d.s.reads_headers = true;
		composes(&d, cases[i].message);
		if (strcmp(recipients(&d), cases[i].want) != 0)
			fail_msg("case %zu: %s", i, recipients(&d));
	}
}

static void operands_are_lists_and_join_the_header(void **state UNUSED)
{
	static const char *const operands[] = {"Carl <c@x>, d@x", "\"e, f\"@x", "a@x"};
	CLEANUP(draft_done) struct draft d;

	draft_init(&d, ACCOUNT);
	d.s.operands = operands;
	d.s.operand_count = 3;
	composes(&d, "To: a@x, b@x" BODY);
	assert_string_equal(recipients(&d), "c@x d@x \"e, f\"@x a@x");
	d.s.reads_headers_alone = true;
	composes(&d, "To: a@x, b@x" BODY);
	assert_string_equal(recipients(&d), "c@x d@x \"e, f\"@x a@x");
	d.s.reads_headers = true;
	composes(&d, "To: a@x, b@x" BODY);
	assert_string_equal(recipients(&d), "c@x d@x \"e, f\"@x a@x b@x");
	d.s.operand_count = 0;
	d.s.reads_headers = false;
	composes(&d, "To: a@x, b@x" BODY);
	assert_string_equal(recipients(&d), "a@x b@x");
}

static void faults_name_the_field_or_the_operand(void **state UNUSED)
{
	static const char *const two[] = {"a@x", "b@@x"};
	static const char *const empty[] = {""};
	static const char *const null[] = {"a@x", "<>"};
	CLEANUP(draft_done) struct draft d;

	draft_init(&d, ACCOUNT);
	d.s.reads_headers = true;
	fails(&d, "To: a@x\nCc: b@@x" BODY, EX_DATAERR, "Cc");
	fails(&d, "Subject: x" BODY, EX_USAGE, "no recipients");
	fails(&d, "To: empty:;" BODY, EX_USAGE, "no recipients");
	fails(&d, "To: nobody-here" BODY, EX_DATAERR, "nobody-here");
	d.s.reads_headers = false;
	fails(&d, "To: a@x" BODY, EX_USAGE, "no recipients");
	d.s.operands = two;
	d.s.operand_count = 2;
	fails(&d, "To: a@x" BODY, EX_DATAERR, "recipient 2");
	d.s.operands = empty;
	d.s.operand_count = 1;
	fails(&d, "To: a@x" BODY, EX_USAGE, "recipients");
	d.s.operands = null;
	d.s.operand_count = 2;
	fails(&d, "To: a@x" BODY, EX_DATAERR, "recipient 2 is empty");
	d.s.account = "wrok";
	d.s.operand_count = 1;
	fails(&d, "To: a@x" BODY, EX_CONFIG, "wrok");
}

/* C50, C51, C53, C56: what goes and what comes. */
static void the_message_is_completed(void **state UNUSED)
{
	CLEANUP(draft_done) struct draft d;

	draft_init(&d, ACCOUNT DOMAIN);
	d.s.reads_headers = true;
	d.s.full_name = "Cron \"D\"";
	composes(&d, "Return-Path: <x@y>\nTo: a@x\nBcc: b@x,\n c@x\nSubject: x" BODY);
	assert_string_equal(recipients(&d), "a@x b@x c@x");
	expect_no_text(&d, "b@x");
	expect_no_text(&d, "c@x");
	expect_no_text(&d, "Return-Path");
	expect_text(&d, "From: \"Cron \\\"D\\\"\" <ann@example.com>\r\n");
	expect_text(&d, "Date: ");
	expect_text(&d, "@example.com>\r\n"); /* of the Message-ID as well */
	expect_text(&d, "To: a@x\r\n");
	expect_text(&d, "\r\n\r\nthe body\r\n");
	assert_int_equal(content_octets(&d.out.content), strlen(text_of(&d)));
}

static void the_id_has_a_domain_that_belongs_to_the_sender(void **state UNUSED)
{
	static const struct {
		const char *config, *sender, *want;
	} cases[] = {
		{ACCOUNT, "x@y.test", "@y.test>\r\n"},
		{ACCOUNT, "", "@example.com>\r\n"},
		{ACCOUNT DOMAIN, "x@[127.0.0.1]", "@mail.test>\r\n"},
		{ACCOUNT, "x@[127.0.0.1]", "@pillarbox.invalid>\r\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const char *const operands[] = {"bob@z.test"};
		CLEANUP(draft_done) struct draft d;
		const char *id;

		draft_init(&d, cases[i].config);
		d.s.operands = operands;
		d.s.operand_count = 1;
		d.s.sender = cases[i].sender;
		composes(&d, "From: f@q.test" BODY);
		id = strstr(text_of(&d), "Message-ID: <");
		assert_non_null(id);
		id = strchr(id, '@');
		assert_non_null(id);
		if (strncmp(id, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("case %zu: %.40s", i, id);
	}
}

static void the_display_name_has_an_order(void **state UNUSED)
{
	CLEANUP(draft_done) struct draft d;
	CLEANUP(draft_done) struct draft named;
	const char *set =
		"[account work]\nhost = h\nfrom = ann@example.com\nfrom_name = By Config\n";

	setenv("NAME", "By Variable", 1);
	draft_init(&d, ACCOUNT);
	d.s.reads_headers = true;
	composes(&d, "To: a@x" BODY);
	expect_text(&d, "From: By Variable <ann@example.com>\r\n");
	d.s.full_name = "";
	composes(&d, "To: a@x" BODY);
	expect_text(&d, "From: ann@example.com\r\n");
	d.s.full_name = "A\r\nBcc: evil@x";
	composes(&d, "To: a@x" BODY);
	expect_no_text(&d, "\nBcc:");
	draft_init(&named, set);
	named.s.reads_headers = true;
	composes(&named, "To: a@x" BODY);
	expect_text(&named, "From: By Config <ann@example.com>\r\n");
	named.s.full_name = "By Option";
	composes(&named, "To: a@x" BODY);
	expect_text(&named, "From: By Option <ann@example.com>\r\n");
	composes(&named, "From: me@x\nTo: a@x" BODY);
	expect_text(&named, "From: me@x\r\n");
	unsetenv("NAME");
}

/* C46, C54: bare names in the header become whole addresses, names stay. */
static void bare_names_in_the_header_are_qualified(void **state UNUSED)
{
	CLEANUP(draft_done) struct draft d;

	draft_init(&d, ACCOUNT DOMAIN);
	d.s.reads_headers = true;
	composes(&d, "From: root (Cron Daemon)\nTo: Root <root>, b@x,\n carl\nReply-To: me\n"
		     "X-To: root\nSubject: root" BODY);
	expect_text(&d, "From: root@mail.test (Cron Daemon)\r\n");
	expect_text(&d, "To: Root <root@mail.test>, b@x,\r\n carl@mail.test\r\n");
	expect_text(&d, "Reply-To: me@mail.test\r\n");
	expect_text(&d, "X-To: root\r\nSubject: root\r\n");
}

static void a_forced_from_keeps_name_and_answers(void **state UNUSED)
{
	static const char config[] =
		"[account work]\nhost = h\nfrom = ann@example.com\nfrom_policy = force\n";
	static const struct {
		const char *header, *from, *reply_to;
	} cases[] = {
		{"From: Fran <fran@x.test>\nTo: a@x", "From: Fran <ann@example.com>\r\n",
			"Reply-To: fran@x.test\r\n"},
		{"From: fran@x.test\nReply-To: r@x\nTo: a@x", "From: ann@example.com\r\n",
			"Reply-To: r@x\r\n"},
		{"From: Me <ann@EXAMPLE.com>\nTo: a@x", "From: Me <ann@EXAMPLE.com>\r\n", NULL},
		{"To: a@x", "<ann@example.com>\r\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(draft_done) struct draft d;
		char message[256];

		draft_init(&d, config);
		d.s.reads_headers = true;
		d.s.sender = "fran@x.test";
		d.s.full_name = "N";
		snprintf(message, sizeof(message), "%s" BODY, cases[i].header);
		composes(&d, message);
		expect_text(&d, cases[i].from);
		if (cases[i].reply_to)
			expect_text(&d, cases[i].reply_to);
		else
			expect_no_text(&d, "Reply-To");
		assert_string_equal(d.out.envelope.sender, "ann@example.com");
		d.s.sender = "<>";
		composes(&d, message);
		assert_string_equal(d.out.envelope.sender, "");
	}
}

static void notices_belong_to_each_operand(void **state UNUSED)
{
	static const char *const operands[] = {"<a@x>", "<b@x>", "<a@x>", "<c@x>"};
	static const struct operand_notices notices[] = {{DSN_NEVER, NULL},
		{DSN_FAILURE, "rfc822;o@x"}, {DSN_SUCCESS, "rfc822;late@x"}, {0, NULL}};
	CLEANUP(draft_done) struct draft d;
	const struct recipient *r;

	draft_init(&d, ACCOUNT);
	d.s.operands = operands;
	d.s.operand_count = 4;
	d.s.notices = notices;
	d.s.notify = DSN_DELAY;
	d.s.ret = DSN_RETURN_FULL;
	d.s.envid = "id";
	composes(&d, "To: q@x" BODY);
	assert_int_equal(d.out.envelope.count, 3);
	r = d.out.envelope.recipients;
	assert_int_equal(r[0].notify, DSN_NEVER);
	assert_null(r[0].orcpt);
	assert_int_equal(r[1].notify, DSN_FAILURE);
	assert_string_equal(r[1].orcpt, "rfc822;o@x");
	assert_int_equal(r[2].notify, DSN_DELAY); /* what -N says for all */
	assert_int_equal(d.out.envelope.ret, DSN_RETURN_FULL);
	assert_string_equal(d.out.envelope.envid, "id");
}

static void utf8_addresses_ask_for_smtputf8(void **state UNUSED)
{
	static const struct {
		const char *sender, *recipient;
		bool want;
	} cases[] = {
		{"a@x.test", "b@x.test", false},
		{"a@x.test", "gr\xc3\xbc@x.test", true},
		{"gr\xc3\xbc@x.test", "b@x.test", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(draft_done) struct draft d;

		draft_init(&d, ACCOUNT);
		d.s.operands = &cases[i].recipient;
		d.s.operand_count = 1;
		d.s.sender = cases[i].sender;
		composes(&d, "From: q@x.test" BODY);
		assert_int_equal(d.out.needs_smtputf8, cases[i].want);
	}
}

static void an_empty_input_is_a_message(void **state UNUSED)
{
	static const char *const operands[] = {"a@x"};
	CLEANUP(draft_done) struct draft d;

	draft_init(&d, ACCOUNT);
	d.s.operands = operands;
	d.s.operand_count = 1;
	composes(&d, "");
	expect_text(&d, "Date: ");
	expect_text(&d, "Message-ID: ");
	expect_text(&d, "ann@example.com>\r\n");
	composes(&d, "just words\n");
	expect_text(&d, "\r\n\r\njust words\r\n");
}

static void what_is_too_large_is_refused(void **state UNUSED)
{
	static const char *const operands[] = {"a@x"};
	CLEANUP(draft_done) struct draft d;
	CLEANUP(buf_done) struct buf text = BUF(8192);

	draft_init(&d, ACCOUNT "[mail]\nmax_size = 2K\n");
	d.s.operands = operands;
	d.s.operand_count = 1;
	buf_add_text(&text, "Subject: x\n\n");
	while (text.len < 3000)
		buf_add_text(&text, "a line\n");
	fails(&d, buf_text(&text), EX_DATAERR, "larger than 2048 octets");
	assert_int_equal(d.err.smtp_code, 552);
}

static void without_an_account_nothing_is_composed(void **state UNUSED)
{
	static const char *const operands[] = {"a@x"};
	CLEANUP(draft_done) struct draft d;

	draft_init(&d, "");
	d.s.operands = operands;
	d.s.operand_count = 1;
	assert_false(compose(&d, "Subject: x" BODY));
	assert_int_equal(d.err.exit_code, EX_CONFIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_sender_is_found_in_order),
		TEST(a_sender_that_is_no_address_is_a_usage_fault),
		TEST(the_account_fits_the_sender_or_the_header),
		TEST(the_header_names_recipients),
		TEST(operands_are_lists_and_join_the_header),
		TEST(faults_name_the_field_or_the_operand),
		TEST(the_message_is_completed),
		TEST(the_id_has_a_domain_that_belongs_to_the_sender),
		TEST(the_display_name_has_an_order),
		TEST(bare_names_in_the_header_are_qualified),
		TEST(a_forced_from_keeps_name_and_answers),
		TEST(notices_belong_to_each_operand),
		TEST(utf8_addresses_ask_for_smtputf8),
		TEST(an_empty_input_is_a_message),
		TEST(what_is_too_large_is_refused),
		TEST(without_an_account_nothing_is_composed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
