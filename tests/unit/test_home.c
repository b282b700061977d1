#include "test.h"

#include "config_files.h"

#include <pwd.h>

#include "config/home.h"

/* The home of the passwd entry, which is all a test may know of it. */
static const char *passwd_home(void)
{
	struct passwd *entry = getpwuid(getuid());

	return entry && entry->pw_dir && entry->pw_dir[0] == '/' ? entry->pw_dir : NULL;
}

static void expect_passwd_home(struct arena *arena)
{
	const char *want = passwd_home();
	const char *home = config_home(arena);

	if (!want)
		assert_null(home);
	else
		assert_string_equal(home, want);
}

static void home_is_believed_where_it_is_ours(void **state UNUSED)
{
	struct arena arena = {0};

	setenv("HOME", test_dir, 1);
	assert_string_equal(config_home(&arena), test_dir);
	arena_done(&arena);
}

static void else_the_passwd_entry_tells(void **state UNUSED)
{
	static const char *const bad[] = {"", "relative", "/none/such/home", "~", "/"};
	struct arena arena = {0};

	expect_passwd_home(&arena);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		setenv("HOME", bad[i], 1);
		expect_passwd_home(&arena);
	}
	arena_done(&arena);
}

static void the_home_of_somebody_else_is_not_believed(void **state UNUSED)
{
	struct arena arena = {0};
	char other[512];

	snprintf(other, sizeof(other), "%s/other", test_dir);
	assert_int_equal(mkdir(other, 0755), 0);
	if (getuid() != 0)
		setenv("HOME", "/", 1); /* root's */
	else
		assert_int_equal(chown(other, 12345, (gid_t)-1), 0);
	if (getuid() == 0)
		setenv("HOME", other, 1);
	expect_passwd_home(&arena);
	if (getuid() == 0) {
		setenv("HOME", test_dir, 1);
		setenv("XDG_CONFIG_HOME", other, 1);
		assert_null(strstr(home_config_file(&arena), "/other/"));
	}
	arena_done(&arena);
}

static void base_directories_come_first_where_they_are_absolute(void **state UNUSED)
{
	struct arena arena = {0};
	struct config c = {0};
	char want[512];

	setenv("HOME", test_dir, 1);
	snprintf(want, sizeof(want), "%s/.config/pillarbox/config", test_dir);
	assert_string_equal(home_config_file(&arena), want);
	setenv("XDG_CONFIG_HOME", "relative", 1);
	assert_string_equal(home_config_file(&arena), want);
	setenv("XDG_CONFIG_HOME", "/none/x", 1);
	assert_string_equal(home_config_file(&arena), "/none/x/pillarbox/config");

	snprintf(want, sizeof(want), "%s/.local/state/pillarbox/queue", test_dir);
	assert_string_equal(config_queue_directory(&arena, &c), want);
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_string_equal(config_queue_directory(&arena, &c), want);
	setenv("XDG_STATE_HOME", "/none/s", 1);
	assert_string_equal(config_queue_directory(&arena, &c), "/none/s/pillarbox/queue");
	c.queue.directory = "/q";
	assert_string_equal(config_queue_directory(&arena, &c), "/q");
	arena_done(&arena);
}

static void a_path_may_begin_in_the_home(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf faults = BUF(4096);
	struct config c = {0};
	struct config_places places = {
		.only = put("config", "[account a]\nhost = x\ntls_trust_file = ~/ca.pem\n", 0600)};
	char want[512];

	setenv("HOME", test_dir, 1);
	snprintf(want, sizeof(want), "%s/ca.pem", test_dir);
	assert_true(config_read(&places, write_fault_line, &faults, &c));
	assert_string_equal(c.accounts[0].tls_trust_file, want);
	config_done(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(home_is_believed_where_it_is_ours),
		TEST(else_the_passwd_entry_tells),
		TEST(the_home_of_somebody_else_is_not_believed),
		TEST(base_directories_come_first_where_they_are_absolute),
		TEST(a_path_may_begin_in_the_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
