#include "test.h"

#include "config_files.h"

static void expect(struct config *c, const char *text)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config_places places = {.only = text ? put("config", text, 0600) : NULL};

	if (!config_read(&places, write_fault_line, &faults, c))
		fail_msg("%s", buf_text(&faults));
}

static void expect_fault(const char *text, const char *want)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config_places places = {.only = text ? put("config", text, 0600) : NULL};
	struct config c;

	if (config_read(&places, write_fault_line, &faults, &c))
		fail_msg("was taken, without: %s", want);
	if (!strstr(buf_text(&faults), want))
		fail_msg("'%s' is not in: %s", want, buf_text(&faults));
	if (strstr(buf_text(&faults), "hunter2"))
		fail_msg("%s", buf_text(&faults));
}

static void a_host_alone_makes_an_account(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	const struct account *a;
	struct error err = {0};

	setenv("PILLARBOX_HOST", "smtp.example.com", 1);
	setenv("PILLARBOX_PORT", " 2525 ", 1);
	setenv("PILLARBOX_USER", "ann", 1);
	setenv("PILLARBOX_PASSWORD", "hunter2", 1);
	setenv("PILLARBOX_FROM", "ann@example.com", 1);
	setenv("PILLARBOX_TLS_TRUST_FILE", "/ca.pem", 1);
	setenv("PILLARBOX_MAIL_DOMAIN", "example.com", 1);
	setenv("PILLARBOX_QUEUE_DIRECTORY", "/q", 1);
	setenv("PILLARBOX_QUEUE_MAX_SIZE", "2M", 1);
	setenv("PILLARBOX_LOG_FILE", "/log", 1);
	setenv("PILLARBOX_ALIASES", "root=a@x.example, b@x.example; *=c@x.example;", 1);
	setenv("PILLARBOX_TEST_SOMETHING", "x", 1);
	setenv("PILLARBOX_EHLO", "", 1);
	expect(&c, NULL);
	assert_ok(config_choose(&c, NULL, NULL, NULL, &a, &err), err);
	assert_string_equal(a->name, "environment");
	assert_string_equal(a->origin, "environment");
	assert_string_equal(a->hosts.items[0], "smtp.example.com");
	assert_int_equal(a->port, 2525);
	assert_string_equal(a->user, "ann");
	assert_string_equal(a->password, "hunter2");
	assert_string_equal(a->from, "ann@example.com");
	assert_string_equal(a->tls_trust_file, "/ca.pem");
	assert_null(a->ehlo);
	assert_string_equal(c.mail.domain, "example.com");
	assert_string_equal(c.queue.directory, "/q");
	assert_true(c.queue.max_size == 2 << 20);
	assert_string_equal(c.log.file, "/log");
	assert_int_equal(c.alias_count, 2);
	assert_string_equal(c.aliases[0].target, "a@x.example, b@x.example");
	assert_string_equal(c.aliases[1].name, "*");
	assert_string_equal(c.aliases[1].target, "c@x.example");
	assert_string_equal(c.sources, "environment");
}

static void its_keys_win_over_the_account_in_use(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	const struct account *a;
	struct error err = {0};

	setenv("PILLARBOX_PORT", "26", 1);
	setenv("PILLARBOX_PASSWORD_FILE", "/secret", 1);
	setenv("PILLARBOX_FROM", "env@example.com", 1);
	expect(&c, "[account one]\nhost = h\nport = 25\nuser = u\npassword_command = x\n"
		   "[account two]\nhost = g\nuser = u\nfrom = two@example.com\n");
	/* Which one is in use is decided by what the file says. */
	assert_ok(config_choose(&c, NULL, "env@example.com", NULL, &a, &err), err);
	assert_string_equal(a->name, "one");
	assert_ok(config_choose(&c, NULL, "two@example.com", NULL, &a, &err), err);
	assert_string_equal(a->name, "two");
	assert_string_equal(a->from, "env@example.com");
	assert_int_equal(a->port, 26);
	assert_ok(config_choose(&c, "one", NULL, NULL, &a, &err), err);
	assert_int_equal(a->port, 26);
	assert_string_equal(a->password_file, "/secret");
	assert_null(a->password_command);
	assert_string_equal(a->hosts.items[0], "h");
}

/* F-30 */
static void a_secret_is_taken_out_of_the_environment(void **state UNUSED)
{
	static char entry[] = "PILLARBOX_PASSWORD=hunter2";
	CLEANUP(config_done) struct config c = {0}, again = {0};

	setenv("PILLARBOX_HOST", "h", 1);
	setenv("PILLARBOX_USER", "u", 1);
	assert_int_equal(putenv(entry), 0);
	expect(&c, NULL);
	assert_null(getenv("PILLARBOX_PASSWORD"));
	/* The memory that others may look at is overwritten as well. */
	assert_null(strstr(entry + strlen("PILLARBOX_PASSWORD="), "hunter2"));
	assert_int_equal(entry[strlen("PILLARBOX_PASSWORD=")], '\0');
	assert_string_equal(c.accounts[0].password, "hunter2");
	expect(&again, NULL);
	assert_string_equal(again.accounts[0].password, "hunter2");
}

static void any_key_of_an_account_can_come_from_a_file(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};

	setenv("PILLARBOX_HOST_FILE", put("host", "smtp.example.com\nmore\n", 0644), 1);
	setenv("PILLARBOX_USER_FILE", put("user", "  ann\r\n", 0644), 1);
	expect(&c, NULL);
	assert_string_equal(c.accounts[0].hosts.items[0], "smtp.example.com");
	assert_string_equal(c.accounts[0].user, "ann");
}

static void faults_name_the_variable(void **state UNUSED)
{
	static const struct {
		const char *name, *value, *name2, *value2, *want;
	} cases[] = {
		{"PILLARBOX_PORT", "x", NULL, NULL, "PILLARBOX_PORT: port must be"},
		{"PILLARBOX_QUEUE_DELIVERY", "later", NULL, NULL,
			"PILLARBOX_QUEUE_DELIVERY: delivery must be"},
		{"PILLARBOX_USER", "a", "PILLARBOX_USER_FILE", "/dev/null",
			"PILLARBOX_USER_FILE: '/dev/null' is not a file"},
		{"PILLARBOX_USER_FILE", "/none", NULL, NULL, "PILLARBOX_USER_FILE: cannot open"},
		{"PILLARBOX_PASSWORD", "hunter2", "PILLARBOX_PASSWORD_FILE", "/x",
			"PILLARBOX_PASSWORD_FILE: password_file cannot stand beside password, "
			"which is given in PILLARBOX_PASSWORD"},
		{"PILLARBOX_PASSWORD", "hunter2\nx", NULL, NULL,
			"PILLARBOX_PASSWORD: the value holds a control character"},
		{"PILLARBOX_ALIASES", "root", NULL, NULL, "PILLARBOX_ALIASES: aliases are"},
		{"PILLARBOX_ALIASES", "root=|x", NULL, NULL, "PILLARBOX_ALIASES: an alias leads"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		clear_variables();
		setenv(cases[i].name, cases[i].value, 1);
		if (cases[i].name2)
			setenv(cases[i].name2, cases[i].value2, 1);
		expect_fault("[account a]\nhost = x\n", cases[i].want);
	}
}

static void the_same_key_as_value_and_as_file_is_a_fault(void **state UNUSED)
{
	setenv("PILLARBOX_USER", "ann", 1);
	setenv("PILLARBOX_USER_FILE", put("user", "bob\n", 0600), 1);
	expect_fault("[account a]\nhost = x\n", "user is given twice");
}

static void a_file_of_its_own_replaces_both(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	const struct account *a;
	struct error err = {0};

	setenv("PILLARBOX_CONFIG", put("named", "[account named]\nhost = x\n", 0600), 1);
	assert_ok(config_load(NULL, &c, &err), err);
	assert_int_equal(c.account_count, 1);
	assert_ok(config_choose(&c, NULL, NULL, NULL, &a, &err), err);
	assert_string_equal(a->name, "named");
	setenv("PILLARBOX_CONFIG", "relative", 1);
	config_done(&c);
	assert_false(config_load(NULL, &c, &err));
	assert_non_null(strstr(err.text, "PILLARBOX_CONFIG has to be an absolute path"));
	/* The caller's choice comes before the environment's. */
	assert_ok(config_load(put("other", "[account other]\nhost = x\n", 0600), &c, &err), err);
	assert_string_equal(c.accounts[0].name, "other");
}

static void one_that_is_not_there_is_a_fault(void **state UNUSED)
{
	struct config c;
	struct error err = {0};

	setenv("PILLARBOX_CONFIG", "/none/config", 1);
	assert_false(config_load(NULL, &c, &err));
	assert_int_equal(err.exit_code, EX_CONFIG);
	assert_non_null(strstr(err.text, "cannot open '/none/config'"));
}

static void check_tells_faults_of_lines_and_of_accounts(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);

	assert_true(config_check(
		put("config", "[account a]\nhost = x\n", 0600), write_fault_line, &faults));
	assert_int_equal(faults.len, 0);
	assert_false(
		config_check(put("config", "[account a]\nuser = x\n[account b]\nuser = y\n", 0600),
			write_fault_line, &faults));
	assert_non_null(strstr(buf_text(&faults), "config:1: account 'a' has no server"));
	assert_non_null(strstr(buf_text(&faults), "config:3: account 'b' has no server"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_host_alone_makes_an_account),
		TEST(its_keys_win_over_the_account_in_use),
		TEST(a_secret_is_taken_out_of_the_environment),
		TEST(any_key_of_an_account_can_come_from_a_file),
		TEST(faults_name_the_variable),
		TEST(the_same_key_as_value_and_as_file_is_a_fault),
		TEST(a_file_of_its_own_replaces_both),
		TEST(one_that_is_not_there_is_a_fault),
		TEST(check_tells_faults_of_lines_and_of_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
