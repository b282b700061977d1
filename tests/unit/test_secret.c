#include "test.h"

#include "config_files.h"

#include <signal.h>

#include "base/clock.h"
#include "config/secret.h"

static const char *hosts[] = {"smtp.example.com", "srv:example.org"};

static struct account account_of_test(void)
{
	return (struct account){.name = "work",
		.origin = "config:1",
		.hosts = {hosts, ARRAY_LEN(hosts)},
		.user = "ann"};
}

static void expect_secret(const struct account *a, const char *want)
{
	CLEANUP(buf_wipe) struct buf out = BUF(8192);
	struct error err = {0};

	assert_ok(secret_get(a, &out, &err), err);
	assert_string_equal(buf_text(&out), want);
}

static void expect_no_secret(const struct account *a, int code, const char *want)
{
	CLEANUP(buf_wipe) struct buf out = BUF(8192);
	struct error err = {0};

	if (secret_get(a, &out, &err))
		fail_msg("got '%s', without: %s", buf_text(&out), want);
	assert_int_equal(out.len, 0);
	if (!strstr(err.text, want))
		fail_msg("'%s' is not in: %s", want, err.text);
	assert_int_equal(err.exit_code, code);
	assert_int_equal(err.fate, code == EX_TEMPFAIL ? FATE_LATER : FATE_PERMANENT);
	if (strstr(err.text, "hunter2") || strstr(err.hint, "hunter2"))
		fail_msg("%s", err.text);
}

static void expect_of_command(const char *command, const char *want)
{
	struct account a = account_of_test();

	a.password_command = command;
	expect_secret(&a, want);
}

static void expect_no_command(const char *command, int code, const char *want)
{
	struct account a = account_of_test();

	a.password_command = command;
	expect_no_secret(&a, code, want);
}

static void the_password_of_the_file_comes_as_it_is(void **state UNUSED)
{
	struct account a = account_of_test();
	char password[] = "a ;b#\"";

	a.password = password;
	expect_secret(&a, "a ;b#\"");
}

static void the_first_line_of_the_password_file(void **state UNUSED)
{
	struct account a = account_of_test();

	a.password_file = put("secret", " hunter2 \r\nmore\n", 0600);
	expect_secret(&a, " hunter2 ");
	a.password_file = put("secret", "hunter2", 0400);
	expect_secret(&a, "hunter2");
}

static void a_password_file_has_to_be_closed_and_sound(void **state UNUSED)
{
	struct account a = account_of_test();
	char path[512], longest[5000];

	a.password_file = put("secret", "hunter2\n", 0644);
	expect_no_secret(&a, EX_CONFIG, "can be read by others");
	a.password_file = put("secret", "hunter2\n", 0620);
	expect_no_secret(&a, EX_CONFIG, "can be written by others");
	a.password_file = put("secret", "", 0600);
	expect_no_secret(&a, EX_CONFIG, "first line is empty");
	a.password_file = put("secret", "\nhunter2", 0600);
	expect_no_secret(&a, EX_CONFIG, "first line is empty");
	a.password_file = put_octets("secret", SLICE("hunter2\0x\n"), 0600);
	expect_no_secret(&a, EX_CONFIG, "NUL");
	memset(longest, 'x', sizeof(longest));
	a.password_file = put_octets("secret", (struct slice){longest, 4097}, 0600);
	expect_no_secret(&a, EX_CONFIG, "longer than 4096");
	snprintf(path, sizeof(path), "%s/fifo", test_dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	a.password_file = path;
	expect_no_secret(&a, EX_CONFIG, "is a FIFO");
	snprintf(path, sizeof(path), "%s/none", test_dir);
	expect_no_secret(&a, EX_CONFIG, "cannot open the password_file");
}

static void credentials_are_guarded_by_their_manager(void **state UNUSED)
{
	struct account a = account_of_test();
	char outside[600];

	put("cred", "hunter2\n", 0444);
	a.password_credential = "cred";
	expect_no_secret(&a, EX_CONFIG, "CREDENTIALS_DIRECTORY is not set");
	setenv("CREDENTIALS_DIRECTORY", test_dir, 1);
	expect_secret(&a, "hunter2");
	a.password_credential = NULL;
	snprintf(outside, sizeof(outside), "%s/cred", test_dir);
	a.password_file = outside;
	expect_secret(&a, "hunter2");
	/* A way out of the directory is none. */
	snprintf(outside, sizeof(outside), "%s/../%s/cred", test_dir, strrchr(test_dir, '/') + 1);
	expect_no_secret(&a, EX_CONFIG, "can be read by others");
	setenv("CREDENTIALS_DIRECTORY", "relative", 1);
	a = account_of_test();
	a.password_credential = "cred";
	expect_no_secret(&a, EX_CONFIG, "CREDENTIALS_DIRECTORY is not set");
}

static void the_first_line_of_what_the_command_says(void **state UNUSED)
{
	expect_of_command("echo hunter2", "hunter2");
	expect_of_command("printf 'hunter2\\r\\nmore\\n'", "hunter2");
	expect_of_command("printf hunter2", "hunter2");
	expect_of_command("sh -c 'echo hunter2; head -c 100000 /dev/zero'", "hunter2");
	expect_of_command("sh -c 'echo oops >&2; echo hunter2'", "hunter2");
	/* No shell: nothing is expanded. */
	expect_of_command("echo $HOME;x", "$HOME;x");
	expect_of_command("sh -c 'echo hunter2; sleep 20 &'", "hunter2");
}

static void a_command_that_fails_is_tried_again_later(void **state UNUSED)
{
	expect_no_command("sh -c 'echo hunter2; echo locked >&2; exit 2'", EX_TEMPFAIL,
		"account 'work': password_command 'sh' failed: exit status 2: locked");
	expect_no_command("sh -c 'kill -9 $$'", EX_TEMPFAIL, "signal 9");
	expect_no_command("true", EX_TEMPFAIL, "first line is empty");
	expect_no_command("printf 'hunter2\\0x\\n'", EX_TEMPFAIL, "NUL");
	expect_no_command("head -c 5000 /dev/zero", EX_TEMPFAIL, "longer than 4096");
	/* What it says may steer the terminal. */
	expect_no_command("sh -c 'printf \"\\033[2Jx\\n\" >&2; exit 1'", EX_TEMPFAIL, ": ?[2Jx");
}

static void a_command_that_is_not_there_is_a_fault_of_the_configuration(void **state UNUSED)
{
	expect_no_command("/no/such/program show", EX_CONFIG, "No such file");
	expect_no_command("/", EX_CONFIG, "Permission denied");
	expect_no_command("sh -c 'x", EX_CONFIG, "not closed");
}

static void the_command_sees_no_secret_and_no_input(void **state UNUSED)
{
	setenv("PILLARBOX_PASSWORD", "hunter2", 1);
	setenv("PILLARBOX_PASSWORD_FILE", "/x", 1);
	expect_of_command("sh -c 'echo \"<$PILLARBOX_PASSWORD$PILLARBOX_PASSWORD_FILE>\"'", "<>");
	expect_of_command("sh -c 'cat; echo end'", "end");
}

static void an_ignored_sigchld_does_not_matter(void **state UNUSED)
{
	signal(SIGCHLD, SIG_IGN);
	expect_of_command("sh -c 'echo hunter2'", "hunter2");
	signal(SIGCHLD, SIG_DFL);
}

static void netrc_is_the_last_resort(void **state UNUSED)
{
	struct account a = account_of_test();

	setenv("NETRC", put("netrc", "machine smtp.example.com login ann password hunter2", 0600),
		1);
	expect_secret(&a, "hunter2");
	put("netrc", "machine example.org login ann password hunter3", 0600);
	expect_secret(&a, "hunter3");
	put("netrc", "machine example.net login ann password hunter2", 0600);
	expect_no_secret(&a, EX_CONFIG, "account 'work' (config:1) has no password");
	put("netrc", "machine smtp.example.com login ann password hunter2", 0644);
	expect_no_secret(&a, EX_CONFIG, "can be read by others");
	setenv("NETRC", "/none", 1);
	expect_no_secret(&a, EX_CONFIG, "has no password");
	unsetenv("NETRC");
	setenv("HOME", test_dir, 1);
	put(".netrc", "machine smtp.example.com login ann password hunter2", 0600);
	expect_secret(&a, "hunter2");
}

static void a_secret_that_does_not_fit_is_no_secret(void **state UNUSED)
{
	CLEANUP(buf_wipe) struct buf out = BUF(4);
	struct account a = account_of_test();
	struct error err = {0};
	char password[] = "hunter2";

	a.password = password;
	assert_false(secret_get(&a, &out, &err));
	a.password = NULL;
	a.password_command = "echo hunter2";
	assert_false(secret_get(&a, &out, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_password_of_the_file_comes_as_it_is),
		TEST(the_first_line_of_the_password_file),
		TEST(a_password_file_has_to_be_closed_and_sound),
		TEST(credentials_are_guarded_by_their_manager),
		TEST(the_first_line_of_what_the_command_says),
		TEST(a_command_that_fails_is_tried_again_later),
		TEST(a_command_that_is_not_there_is_a_fault_of_the_configuration),
		TEST(the_command_sees_no_secret_and_no_input),
		TEST(an_ignored_sigchld_does_not_matter),
		TEST(netrc_is_the_last_resort),
		TEST(a_secret_that_does_not_fit_is_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
