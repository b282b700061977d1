#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* An unlinked file of our own. */
static int open_scratch(void)
{
	char path[] = "/tmp/pillarbox-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void what_was_written_is_read(void **state)
{
	CLEANUP(fd_close) int fd = open_scratch();
	CLEANUP(buf_done) struct buf all = BUF(100);
	struct error err = {0};
	char two[2];
	size_t got;

	(void)state;
	assert_ok(file_write(fd, SLICE("hello "), "scratch", &err), err);
	assert_ok(file_write(fd, SLICE("world"), "scratch", &err), err);
	assert_ok(file_write_at(fd, SLICE("W"), 6, "scratch", &err), err);
	assert_ok(file_read_at(fd, two, sizeof(two), 5, &got, "scratch", &err), err);
	assert_int_equal(got, 2);
	assert_memory_equal(two, " W", 2);
	assert_ok(file_read_at(fd, two, sizeof(two), 11, &got, "scratch", &err), err);
	assert_int_equal(got, 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 11);
	lseek(fd, 0, SEEK_SET);
	buf_add_text(&all, ">");
	assert_ok(file_read_all(fd, &all, "scratch", &err), err);
	assert_string_equal(buf_text(&all), ">hello World");
}

static void faults_name_the_file(void **state)
{
	CLEANUP(fd_close) int directory = open("/", O_RDONLY | O_DIRECTORY);
	CLEANUP(fd_close) int full = open("/dev/full", O_WRONLY);
	struct error err = {0};
	char octet;
	size_t got = 77;

	(void)state;
	assert_false(file_read(directory, &octet, 1, &got, "standard input", &err));
	assert_int_equal(err.exit_code, EX_IOERR);
	assert_non_null(strstr(err.text, "standard input"));
	assert_int_equal(got, 77);
	assert_false(file_read_at(-1, &octet, 1, 0, &got, "x", &err));
	assert_false(file_write_at(-1, SLICE("x"), 0, "x", &err));
	if (full >= 0)
		assert_false(file_write(full, SLICE("x"), "x", &err));
	assert_int_equal(err.exit_code, EX_IOERR);
}

static void too_much_is_refused(void **state)
{
	CLEANUP(fd_close) int zero = open("/dev/zero", O_RDONLY);
	CLEANUP(buf_done) struct buf all = BUF(10000);
	struct error err = {0};

	(void)state;
	assert_false(file_read_all(zero, &all, "zero", &err));
	assert_int_equal(err.exit_code, EX_DATAERR);
}

/* A writer on the other end of a pipe that takes its time. */
static void write_slowly(int fd)
{
	for (int i = 0; i < 5; i++) {
		usleep(2000);
		(void)!write(fd, "abc", 3);
	}
	_exit(0);
}

static void a_descriptor_that_does_not_block_is_waited_for(void **state)
{
	CLEANUP(buf_done) struct buf all = BUF(100);
	struct error err = {0};
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);

	pid_t child = fork();

	if (child == 0)
		write_slowly(ends[1]);
	close(ends[1]);
	assert_ok(file_read_all(ends[0], &all, "pipe", &err), err);
	assert_string_equal(buf_text(&all), "abcabcabcabcabc");
	close(ends[0]);
	waitpid(child, NULL, 0);
}

/* The child's view: 0 and 2 are closed, then all three are open again. */
static void open_and_exit(void)
{
	struct error err;
	bool stdin_was_open = true;

	close(STDIN_FILENO);
	close(STDERR_FILENO);

	bool is_done = file_open_standard(&stdin_was_open, &err);
	int next = open("/dev/null", O_RDONLY);

	_exit(is_done && !stdin_was_open && next > STDERR_FILENO ? 0 : 1);
}

static void closed_standard_descriptors_are_opened(void **state)
{
	struct error err = {0};
	bool stdin_was_open = false;
	int status = -1;

	(void)state;

	pid_t child = fork();

	if (child == 0)
		open_and_exit();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_ok(file_open_standard(&stdin_was_open, &err), err);
}

static void closing_forgets_the_number(void **state)
{
	int fd = open_scratch();
	int number = fd;

	(void)state;
	fd_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	fd_close(&fd);
}

/* In a child: a test program needs its own descriptors. */
static int closed_but(int kept)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		int from = fcntl(STDIN_FILENO, F_DUPFD, 60);
		bool is_right = from == 60 && dup2(0, 61) == 61 && dup2(0, 62) == 62;

		file_close_from(60, kept);
		for (int fd = 60; fd <= 62; fd++)
			is_right = is_right && (fcntl(fd, F_GETFD) >= 0) == (fd == kept);
		_exit(is_right && fcntl(STDIN_FILENO, F_GETFD) >= 0 ? 0 : 1);
	}
	return waitpid(child, &status, 0) == child ? status : -1;
}

static void all_but_one_are_closed(void **state)
{
	(void)state;
	for (int kept = 60; kept <= 62; kept++)
		assert_int_equal(closed_but(kept), 0);
	assert_int_equal(closed_but(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(faults_name_the_file),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_descriptor_that_does_not_block_is_waited_for),
		cmocka_unit_test(closed_standard_descriptors_are_opened),
		cmocka_unit_test(closing_forgets_the_number),
		cmocka_unit_test(all_but_one_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
