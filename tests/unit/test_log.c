#include "test.h"

#include <regex.h>
#include <sys/wait.h>

#include "base/log.h"
#include "config_files.h"

static char log_path[512];

static int make_log(void **state)
{
	if (make_dir(state) != 0)
		return -1;
	snprintf(log_path, sizeof(log_path), "%s/log", test_dir);
	return 0;
}

static int end_log(void **state)
{
	log_set("test", NULL, false, false);
	return remove_dir(state);
}

static const char *written(void)
{
	static char text[1 << 20];
	FILE *file = fopen(log_path, "re");
	size_t len = 0;

	if (file) {
		len = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[len] = '\0';
	return text;
}

static void expect_match(const char *pattern)
{
	regex_t compiled;

	assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&compiled, written(), 0, NULL, 0) != 0)
		fail_msg("%s", written());
	regfree(&compiled);
}

static void a_line_has_time_program_process_and_fields(void **state UNUSED)
{
	static const struct log_field fields[] = {
		{"id", "7-1"},
		{"none", NULL},
		{"reason", "no such \"user\""},
		{"empty", ""},
	};

	log_set("sendmail", log_path, false, false);
	log_event("refused", fields, ARRAY_LEN(fields));
	expect_match("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{4} "
		     "sendmail\\[[0-9]+\\]: refused id=7-1 reason=\"no such \\\\\"user\\\\\"\" "
		     "empty=\"\"\n$");
}

static void a_line_can_be_json(void **state UNUSED)
{
	static const struct log_field fields[] = {
		{"id", "7-1"}, {"none", NULL}, {"reason", "a\"b"}};

	log_set("sendmail", log_path, false, true);
	log_event("sent", fields, ARRAY_LEN(fields));
	expect_match("^\\{\"time\":\"[^\"]+\",\"program\":\"sendmail\",\"pid\":[0-9]+,"
		     "\"event\":\"sent\",\"id\":\"7-1\",\"reason\":\"a\\\\\"b\"\\}\n$");
}

static void values_make_no_lines_of_their_own(void **state UNUSED)
{
	static const struct log_field fields[] = {
		{"to", "a\r\n2026-01-01 sendmail[1]: sent\x1b[2J\x9b"}};
	static const bool ways[] = {false, true};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		log_set("sendmail", log_path, false, ways[i]);
		log_event("sent", fields, 1);
	}
	const char *text = written();
	size_t lines = 0;

	for (const char *c = text; *c; c++) {
		lines += *c == '\n';
		assert_true(*c == '\n' || (unsigned char)*c >= ' ');
	}
	assert_int_equal(lines, 2);
}

static void long_values_leave_whole_lines(void **state UNUSED)
{
	static char large[100000];
	struct log_field fields[8];
	static const bool ways[] = {false, true};

	memset(large, '"', sizeof(large) - 1);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		fields[i] = (struct log_field){"value", large};
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		log_set("sendmail", log_path, false, ways[i]);
		log_event("sent", fields, ARRAY_LEN(fields));
	}
	const char *text = written();
	size_t len = strlen(text);

	assert_true(len > 2000 && len < 100000);
	assert_string_equal(text + len - 3, "\"}\n");
	expect_match("value=\"[^\n]*\\.\\.\\.\"\n\\{");
}

static void nothing_is_written_where_nothing_is_named(void **state UNUSED)
{
	log_set("sendmail", NULL, false, false);
	log_event("sent", NULL, 0);
	assert_string_equal(written(), "");
}

static void what_is_no_file_of_ours_is_left_alone(void **state UNUSED)
{
	char other[600];

	snprintf(other, sizeof(other), "%s/other", test_dir);
	assert_int_equal(symlink(other, log_path), 0);
	log_set("sendmail", log_path, false, false);
	log_event("sent", NULL, 0);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(unlink(log_path), 0);
	/* A pipe without a reader must not stop the mail. */
	assert_int_equal(mkfifo(log_path, 0600), 0);
	log_event("sent", NULL, 0);
	assert_int_equal(unlink(log_path), 0);
	assert_int_equal(mkdir(log_path, 0700), 0);
	log_event("sent", NULL, 0);
	assert_int_equal(rmdir(log_path), 0);
	log_set("sendmail", "/nonexistent/log", false, false);
	log_event("sent", NULL, 0);
}

static void a_new_file_is_private(void **state UNUSED)
{
	struct stat st;
	mode_t old = umask(0);

	log_set("sendmail", log_path, false, false);
	log_event("sent", NULL, 0);
	umask(old);
	assert_int_equal(stat(log_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void lines_of_several_processes_stay_whole(void **state UNUSED)
{
	enum { PROCESSES = 4, LINES = 200 };
	size_t lines = 0;

	log_set("sendmail", log_path, false, false);
	for (int p = 0; p < PROCESSES; p++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < LINES; i++) {
			const struct log_field field = {"text", "a few words in a row"};

			log_event("sent", &field, 1);
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	for (const char *line = written(); *line; line = strchr(line, '\n') + 1, lines++)
		assert_non_null(strstr(line, "sent text=\"a few words in a row\"\n"));
	assert_int_equal(lines, PROCESSES * LINES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_log, end_log)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_has_time_program_process_and_fields),
		TEST(a_line_can_be_json),
		TEST(values_make_no_lines_of_their_own),
		TEST(long_values_leave_whole_lines),
		TEST(nothing_is_written_where_nothing_is_named),
		TEST(what_is_no_file_of_ours_is_left_alone),
		TEST(a_new_file_is_private),
		TEST(lines_of_several_processes_stay_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
