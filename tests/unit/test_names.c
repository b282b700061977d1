#include "test.h"

#include "config_files.h"
#include "submit/names.h"

/* Who resolves: a configuration made of `text`, and a host and login of the
 * test's own. */
struct resolver {
	struct config config;
	struct names names;
	struct envelope envelope;
	struct arena arena;
};

static void resolver_init(struct resolver *r, const char *text)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config_places places = {.only = put("config", text, 0600)};

	*r = (struct resolver){.envelope = {.sender = ""}};
	if (!config_read(&places, write_fault_line, &faults, &r->config))
		fail_msg("%s", buf_text(&faults));
	names_init(&r->names, &r->config);
	r->names.knows_caller = true;
	r->names.login = "ann";
	r->names.full_name = "Ann Lee";
	r->names.host = "box";
	r->names.account = r->config.account_count > 0 ? &r->config.accounts[0] : NULL;
}

static void resolver_done(struct resolver *r)
{
	names_done(&r->names);
	envelope_done(&r->envelope);
	arena_done(&r->arena);
	config_done(&r->config);
}

static struct mailbox box_of(struct resolver *r, const char *text)
{
	struct mailbox box;
	struct error err = {0};

	assert_ok(address_parse_one(&r->arena, slice_of(text), &box, &err), err);
	return box;
}

/* The recipients that a text stands for, with blanks between, or the words of the error. */
static const char *resolve(struct resolver *r, const char *text)
{
	static char out[2048];
	struct mailbox box = box_of(r, text);
	struct error err = {0};
	size_t len = 0;

	envelope_done(&r->envelope);
	r->envelope = (struct envelope){.sender = ""};
	out[0] = '\0';
	if (!names_add_recipient(&r->names, &box, &r->envelope, &err)) {
		snprintf(out, sizeof(out), "%d %s (%s)", err.exit_code, err.text, err.hint);
		return out;
	}
	for (size_t i = 0; i < r->envelope.count; i++)
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s", i > 0 ? " " : "",
			r->envelope.recipients[i].address);
	return out;
}

static const char *sender(struct resolver *r, const char *text)
{
	static char out[2048];
	struct mailbox box = box_of(r, text);
	struct error err = {0};
	const char *wire = NULL;

	if (names_sender(&r->names, &box, &wire, &err))
		return wire;
	snprintf(out, sizeof(out), "%d %s", err.exit_code, err.text);
	return out;
}

static const char *qualified(struct resolver *r, const char *text)
{
	struct mailbox box = box_of(r, text);

	return names_qualify(&r->names, &r->arena, &box);
}

#define ACCOUNT "[account work]\nhost = smtp.example.com\nfrom = ann@example.com\n"
#define DOMAIN "[mail]\ndomain = example.org\n"

static void recipients_are_resolved_in_order(void **state UNUSED)
{
	static const char plain[] = ACCOUNT;
	static const char domain[] = ACCOUNT DOMAIN;
	static const char aliases[] =
		ACCOUNT DOMAIN "[aliases]\nroot = ann@x.test, carl\ncarl = Carl <carl@y.test>\nann "
			       "= other@x.test\n"
			       "up = down\ndown = up\nself = self, s@x.test\n";
	static const char all[] = ACCOUNT "[aliases]\nroot = r@x.test\n* = all@x.test\n";
	static const struct {
		const char *config, *name, *want;
	} cases[] = {
		{plain, "bob@example.net", "bob@example.net"},
		{plain, "bob@EXAMPLE.net", "bob@EXAMPLE.net"},
		{plain, "ann", "ann@example.com"},
		{plain, "ann@box", "ann@example.com"},
		{plain, "ann@BOX", "ann@example.com"},
		{plain, "ann@localhost", "ann@example.com"},
		{plain, "ann@localhost.localdomain", "ann@example.com"},
		{domain, "root", "root@example.org"},
		{domain, "root@box", "root@example.org"},
		{domain, "root@localhost", "root@example.org"},
		{domain, "ann", "ann@example.com"},
		{domain, "\"a b\"", "\"a b\"@example.org"},
		{domain, "\"a> NOTIFY=NEVER\"", "\"a> NOTIFY=NEVER\"@example.org"},
		{aliases, "root", "ann@x.test carl@y.test"},
		{aliases, "Root@localhost", "ann@x.test carl@y.test"},
		{aliases, "ann", "other@x.test"}, /* an alias comes before the own login */
		{aliases, "self", "self@example.org s@x.test"},
		{aliases, "root@elsewhere.test", "root@elsewhere.test"},
		{all, "root", "r@x.test"},
		{all, "ann", "all@x.test"},
		{all, "anybody@localhost", "all@x.test"},
		{all, "bob@example.net", "bob@example.net"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(resolver_done) struct resolver r;
		const char *got;

		resolver_init(&r, cases[i].config);
		got = resolve(&r, cases[i].name);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("case %zu, %s: '%s'", i, cases[i].name, got);
	}
}

static void a_name_that_leads_nowhere_names_the_keys(void **state UNUSED)
{
	CLEANUP(resolver_done) struct resolver r;
	const char *got;

	resolver_init(&r, ACCOUNT);
	got = resolve(&r, "root");
	assert_int_equal(strncmp(got, "65 ", 3), 0);
	assert_non_null(strstr(got, "'root'"));
	assert_non_null(strstr(got, "[aliases]"));
	assert_non_null(strstr(got, "'domain'"));
	assert_int_equal(r.envelope.count, 0);
}

static void loops_end(void **state UNUSED)
{
	CLEANUP(resolver_done) struct resolver r;
	const char *got;

	resolver_init(&r, ACCOUNT DOMAIN "[aliases]\nup = down\ndown = up\n");
	got = resolve(&r, "up");
	/* Either words or an address, but an end. */
	assert_true(got[0] != '\0');
	assert_null(strstr(got, "up down"));
}

static void the_own_login_without_a_from_uses_the_domain(void **state UNUSED)
{
	CLEANUP(resolver_done) struct resolver r;
	CLEANUP(resolver_done) struct resolver none;

	resolver_init(&r, "[account work]\nhost = h\n" DOMAIN);
	assert_string_equal(resolve(&r, "ann"), "ann@example.org");
	resolver_init(&none, "[account work]\nhost = h\n");
	assert_int_equal(strncmp(resolve(&none, "ann"), "65 ", 3), 0);
}

static void a_host_that_is_the_mail_domain_is_no_bare_name(void **state UNUSED)
{
	CLEANUP(resolver_done) struct resolver r;

	resolver_init(&r, ACCOUNT DOMAIN "[aliases]\n* = all@x.test\n");
	r.names.host = "example.org";
	assert_string_equal(resolve(&r, "bob@example.org"), "bob@example.org");
	assert_string_equal(resolve(&r, "bob"), "all@x.test");
}

static void a_file_of_aliases_is_read(void **state UNUSED)
{
	CLEANUP(resolver_done) struct resolver r;
	char text[1024];

	snprintf(text, sizeof(text),
		ACCOUNT "[mail]\naliases_file = %s\n[aliases]\nroot = own@x.test\n",
		put("aliases", "root: file@x.test\ncarl: carl@x.test\n", 0644));
	resolver_init(&r, text);
	assert_string_equal(resolve(&r, "carl"), "carl@x.test");
	/* What the configuration itself says comes first. */
	assert_string_equal(resolve(&r, "root"), "own@x.test");
}

static void faults_of_the_aliases_are_told(void **state UNUSED)
{
	static const struct {
		const char *file, *want;
	} cases[] = {
		{"/nonexistent/aliases", "/nonexistent/aliases"},
		{"/dev/null", "no regular file"},
		{"/", "no regular file"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(resolver_done) struct resolver r;
		char text[1024];
		struct error err = {0};

		snprintf(text, sizeof(text), ACCOUNT "[mail]\naliases_file = %s\n", cases[i].file);
		resolver_init(&r, text);
		assert_false(names_load_aliases(&r.names, &err));
		assert_int_equal(err.exit_code, EX_CONFIG);
		if (!strstr(err.text, cases[i].want))
			fail_msg("%s: %s", cases[i].file, err.text);
		assert_int_equal(strncmp(resolve(&r, "root"), "78 ", 3), 0);
		/* Whole addresses need no aliases. */
		assert_string_equal(resolve(&r, "bob@example.net"), "bob@example.net");
	}
}

static void aliases_to_programs_are_never_run(void **state UNUSED)
{
	static const char *const targets[] = {
		"|/bin/robot", "\"|/bin/robot a\"", "/var/mail/x", ":include:/etc/list"};

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		CLEANUP(resolver_done) struct resolver r;
		char text[256];

		snprintf(text, sizeof(text), "robot: %s\n", targets[i]);
		const char *file = put("aliases", text, 0644);

		snprintf(text, sizeof(text), ACCOUNT "[mail]\naliases_file = %s\n", file);
		resolver_init(&r, text);
		if (!strchr("67", resolve(&r, "robot")[0]) || r.envelope.count != 0)
			fail_msg("%s: %s", targets[i], resolve(&r, "robot"));
	}
}

static void senders_are_qualified(void **state UNUSED)
{
	static const char none[] = "[account work]\nhost = h\n";
	static const struct {
		const char *config, *host, *name, *want;
	} cases[] = {
		{ACCOUNT, "box", "", ""},
		{ACCOUNT, "box", "<>", ""},
		{ACCOUNT, "box", "x@y.test", "x@y.test"},
		{ACCOUNT, "box", "ann", "ann@example.com"},
		{ACCOUNT, "box", "ann@box", "ann@example.com"},
		{ACCOUNT, "box", "fail2ban", "ann@example.com"},
		{ACCOUNT DOMAIN, "box", "fail2ban", "fail2ban@example.org"},
		{ACCOUNT DOMAIN, "box", "ann", "ann@example.com"},
		{none, "box.example.net", "www", "www@box.example.net"},
		{none, "box", "www", "65 the sender 'www' has no domain"},
		{none, "localhost.localdomain", "www", "65 the sender 'www' has no domain"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(resolver_done) struct resolver r;
		const char *got;

		resolver_init(&r, cases[i].config);
		r.names.host = cases[i].host;
		got = sender(&r, cases[i].name);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("case %zu, %s: '%s'", i, cases[i].name, got);
	}
}

static void header_names_are_qualified(void **state UNUSED)
{
	static const struct {
		const char *config, *name, *want;
	} cases[] = {
		{ACCOUNT DOMAIN, "root", "root@example.org"},
		{ACCOUNT DOMAIN "[aliases]\nroot = a@x\n", "root", "root@example.org"},
		{ACCOUNT "[aliases]\nroot = a@x.test\n", "root", "a@x.test"},
		{ACCOUNT "[aliases]\nroot = a@x.test, b@x.test\n", "root", "root@box"},
		{ACCOUNT, "ann", "ann@example.com"},
		{ACCOUNT, "root", "root@box"},
		{ACCOUNT, "root@elsewhere.test", NULL},
		{ACCOUNT DOMAIN, "root@localhost", "root@example.org"},
		{ACCOUNT DOMAIN, "root@Box.", "root@example.org"},
		{ACCOUNT "[aliases]\nroot = a@x.test\n", "root@box", "a@x.test"},
		{ACCOUNT, "root@localhost", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(resolver_done) struct resolver r;
		const char *got;

		resolver_init(&r, cases[i].config);
		got = qualified(&r, cases[i].name);
		if (strcmp(got ? got : "-", cases[i].want ? cases[i].want : "-") != 0)
			fail_msg("case %zu, %s: '%s'", i, cases[i].name, got ? got : "-");
	}
}

static void the_caller_has_an_address_where_its_domain_is_public(void **state UNUSED)
{
	CLEANUP(resolver_done) struct resolver r;
	CLEANUP(resolver_done) struct resolver with_domain;

	resolver_init(&with_domain, ACCOUNT DOMAIN);
	assert_string_equal(names_caller_address(&with_domain.names), "ann@example.org");
	resolver_init(&r, ACCOUNT);
	assert_null(names_caller_address(&r.names));
	r.names.host = "box.example.net";
	assert_string_equal(names_caller_address(&r.names), "ann@box.example.net");
	/* A login of another kind of system is quoted, not passed as it is. */
	r.names.login = names_local_part(&r.arena, "WORK\\ann lee");
	assert_string_equal(names_caller_address(&r.names), "\"WORK\\\\ann lee\"@box.example.net");
	r.names.login = NULL;
	assert_null(names_caller_address(&r.names));
}

static void a_login_becomes_a_local_part(void **state)
{
	static const struct {
		const char *login, *want;
	} cases[] = {
		{"ann", "ann"},
		{"www-data", "www-data"},
		{"ann.lee", "ann.lee"},
		{"_cron", "_cron"},
		{"ann..lee", "\"ann..lee\""},
		{"WORK\\ann", "\"WORK\\\\ann\""},
		{"a\"b", "\"a\\\"b\""},
		{"ann@work.test", "\"ann@work.test\""},
		{"a> SIZE=1", "\"a> SIZE=1\""},
		{"", NULL},
		{"a\nb", NULL},
		{"\x01", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *got = names_local_part(*state, cases[i].login);

		assert_string_equal(got ? got : "-", cases[i].want ? cases[i].want : "-");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			recipients_are_resolved_in_order, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			a_name_that_leads_nowhere_names_the_keys, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(loops_end, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			the_own_login_without_a_from_uses_the_domain, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			a_host_that_is_the_mail_domain_is_no_bare_name, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_file_of_aliases_is_read, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			faults_of_the_aliases_are_told, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			aliases_to_programs_are_never_run, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(senders_are_qualified, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(header_names_are_qualified, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			the_caller_has_an_address_where_its_domain_is_public, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			a_login_becomes_a_local_part, give_arena, take_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
