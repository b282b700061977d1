#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

/* The outcome of one run of "sh -c script". */
struct ran {
	struct buf output, complaints;
	struct process_end end;
};

static void ran_done(struct ran *r)
{
	buf_done(&r->output);
	buf_done(&r->complaints);
}

static struct process shell(struct ran *r, char *argv[4], char *script)
{
	static char sh[] = "sh", minus_c[] = "-c";

	argv[0] = sh;
	argv[1] = minus_c;
	argv[2] = script;
	argv[3] = NULL;
	*r = (struct ran){.output = BUF(4096), .complaints = BUF(4096)};
	return (struct process){
		.argv = argv, .wait_ms = 10000, .output = &r->output, .complaints = &r->complaints};
}

static void run(struct ran *r, char *script)
{
	char *argv[4];
	struct process p = shell(r, argv, script);
	struct error err = {0};

	assert_ok(process_run(&p, &r->end, &err), err);
}

static void gives_output_complaints_and_status(void **state UNUSED)
{
	char script[] = "echo out; echo oops >&2; exit 3";
	CLEANUP(ran_done) struct ran r;

	run(&r, script);
	assert_int_equal(r.end.fate, PROCESS_EXITED);
	assert_int_equal(r.end.code, 3);
	assert_string_equal(buf_text(&r.output), "out\n");
	assert_string_equal(buf_text(&r.complaints), "oops\n");
}

static void tells_a_signal(void **state UNUSED)
{
	char script[] = "kill -KILL $$";
	CLEANUP(ran_done) struct ran r;

	run(&r, script);
	assert_int_equal(r.end.fate, PROCESS_SIGNALLED);
	assert_int_equal(r.end.code, SIGKILL);
}

static void tells_what_is_not_there_or_not_executable(void **state UNUSED)
{
	char missing[] = "pillarbox-no-such-program", dir[] = "/";
	char *argv[] = {missing, NULL};
	struct process p = {.argv = argv, .wait_ms = 5000};
	struct process_end end;
	struct error err = {0};

	/* A directory of PATH that is closed to us would give another errno. */
	setenv("PATH", "/usr/bin:/bin", 1);
	assert_ok(process_run(&p, &end, &err), err);
	assert_int_equal(end.fate, PROCESS_NOT_STARTED);
	assert_int_equal(end.code, ENOENT);
	argv[0] = dir;
	assert_ok(process_run(&p, &end, &err), err);
	assert_int_equal(end.fate, PROCESS_NOT_STARTED);
	assert_int_equal(end.code, EACCES);
}

static void a_program_is_looked_up_as_it_would_be_started(void **state UNUSED)
{
	setenv("PATH", "/nonexistent:/usr/bin:/bin", 1);
	assert_int_equal(process_look_up("sh"), 0);
	assert_int_equal(process_look_up("/bin/sh"), 0);
	assert_int_equal(process_look_up("pillarbox-no-such-program"), ENOENT);
	assert_int_equal(process_look_up("/pillarbox-no-such-program"), ENOENT);
	assert_int_equal(process_look_up("/"), EACCES);
	assert_int_equal(process_look_up("/etc/passwd"), EACCES);
	setenv("PATH", "/etc:", 1);
	assert_int_equal(process_look_up("passwd"), EACCES);
	assert_int_equal(process_look_up("sh"), ENOENT);
	unsetenv("PATH");
	assert_int_equal(process_look_up("sh"), 0);
	setenv("PATH", "/usr/bin:/bin", 1);
}

/* F-22 */
static void ends_a_group_that_takes_too_long(void **state UNUSED)
{
	char script[] = "trap '' TERM; sleep 60 & sleep 60";
	CLEANUP(ran_done) struct ran r;
	char *argv[4];
	struct process p = shell(&r, argv, script);
	int64_t start = clock_now_ms();
	struct error err = {0};

	p.wait_ms = 200;
	assert_ok(process_run(&p, &r.end, &err), err);
	assert_int_equal(r.end.fate, PROCESS_TIMED_OUT);
	assert_true(clock_now_ms() - start < 8000);
}

static void a_daemon_that_keeps_the_pipe_holds_nobody_up(void **state UNUSED)
{
	char script[] = "echo secret; sleep 20 & exit 0";
	CLEANUP(ran_done) struct ran r;
	int64_t start = clock_now_ms();

	run(&r, script);
	assert_int_equal(r.end.fate, PROCESS_EXITED);
	assert_int_equal(r.end.code, 0);
	assert_string_equal(buf_text(&r.output), "secret\n");
	assert_true(clock_now_ms() - start < 8000);
}

/* F-21 */
static void output_is_bounded_and_the_rest_dropped(void **state UNUSED)
{
	char script[] = "echo first; head -c 3000000 /dev/zero; exit 0";
	CLEANUP(ran_done) struct ran r;

	run(&r, script);
	assert_int_equal(r.end.fate, PROCESS_EXITED);
	assert_int_equal(r.end.code, 0);
	assert_int_equal(r.output.len, 4096);
	assert_true(r.output.is_full);
	assert_memory_equal(r.output.data, "first\n", 6);
}

static void stdin_is_the_null_device_or_what_is_given(void **state UNUSED)
{
	char script[] = "cat; echo end";
	CLEANUP(ran_done) struct ran r, q;
	char *argv[4];
	struct process p;
	struct error err = {0};

	run(&r, script);
	assert_string_equal(buf_text(&r.output), "end\n");
	p = shell(&q, argv, script);
	p.input = SLICE("given ");
	assert_ok(process_run(&p, &q.end, &err), err);
	assert_string_equal(buf_text(&q.output), "given end\n");
}

static void input_that_nobody_reads_is_no_fault(void **state UNUSED)
{
	static char much[300000];
	char script[] = "exit 0";
	CLEANUP(ran_done) struct ran r;
	char *argv[4];
	struct process p = shell(&r, argv, script);
	struct error err = {0};

	p.input = (struct slice){much, sizeof(much)};
	assert_ok(process_run(&p, &r.end, &err), err);
	assert_int_equal(r.end.fate, PROCESS_EXITED);
	assert_int_equal(r.end.code, 0);
}

static void the_environment_is_changed_as_told(void **state UNUSED)
{
	static const char *const set[] = {"TEST_NEW=1", "TEST_OLD=2", NULL};
	static const char *const unset[] = {"TEST_GONE*", NULL};
	char script[] = "echo \"$TEST_NEW,$TEST_OLD,$TEST_GONE_A,$TEST_KEPT\"";
	CLEANUP(ran_done) struct ran r;
	char *argv[4];
	struct process p = shell(&r, argv, script);
	struct error err = {0};

	setenv("TEST_OLD", "old", 1);
	setenv("TEST_GONE_A", "gone", 1);
	setenv("TEST_KEPT", "kept", 1);
	p.set = set;
	p.unset = unset;
	assert_ok(process_run(&p, &r.end, &err), err);
	assert_string_equal(buf_text(&r.output), "1,2,,kept\n");
}

static void works_where_sigchld_is_ignored_and_signals_are_blocked(void **state UNUSED)
{
	/* With SIGPIPE ignored "yes" would complain about its closed pipe. */
	char script[] = "yes | head -n 1; exit 4";
	CLEANUP(ran_done) struct ran r;
	struct sigaction after;
	sigset_t all, old;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	run(&r, script);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(r.end.fate, PROCESS_EXITED);
	assert_int_equal(r.end.code, 4);
	assert_string_equal(buf_text(&r.output), "y\n");
	assert_string_equal(buf_text(&r.complaints), "");
	sigaction(SIGCHLD, NULL, &after);
	assert_true(after.sa_handler == SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
}

/* F-24 */
static void descriptors_of_ours_do_not_get_in(void **state UNUSED)
{
	char script[] = "ls /proc/self/fd | tr '\\n' ' '";
	CLEANUP(ran_done) struct ran r;
	int fd = open("/dev/null", O_RDONLY);

	assert_true(fd >= 0);
	if (access("/proc/self/fd", R_OK) != 0)
		return;
	assert_true(dup2(fd, 77) == 77);
	run(&r, script);
	close(77);
	close(fd);
	/* 3 is the directory that ls reads. */
	assert_string_equal(buf_text(&r.output), "0 1 2 3 ");
}

static void works_with_the_standard_descriptors_closed(void **state UNUSED)
{
	char script[] = "cat; echo out; echo err >&2";
	CLEANUP(ran_done) struct ran r;
	int kept[3];

	for (int fd = 0; fd < 3; fd++) {
		kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	run(&r, script);
	for (int fd = 0; fd < 3; fd++) {
		if (kept[fd] >= 0)
			dup2(kept[fd], fd);
		close(kept[fd]);
	}
	assert_string_equal(buf_text(&r.output), "out\n");
	assert_string_equal(buf_text(&r.complaints), "err\n");
}

/* F-23 */
static void a_stopped_program_is_ended_at_once(void **state UNUSED)
{
	/* As reading from the terminal in a group of the background does. */
	char script[] = "kill -TTIN $$; sleep 20";
	CLEANUP(ran_done) struct ran r;
	int64_t start = clock_now_ms();

	run(&r, script);
	/* Where the group is an orphan the kernel drops the signal; then it runs on. */
	if (r.end.fate == PROCESS_TIMED_OUT)
		return;
	assert_int_equal(r.end.fate, PROCESS_STOPPED);
	assert_true(clock_now_ms() - start < 8000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_output_complaints_and_status),
		cmocka_unit_test(tells_a_signal),
		cmocka_unit_test(tells_what_is_not_there_or_not_executable),
		cmocka_unit_test(a_program_is_looked_up_as_it_would_be_started),
		cmocka_unit_test(ends_a_group_that_takes_too_long),
		cmocka_unit_test(a_daemon_that_keeps_the_pipe_holds_nobody_up),
		cmocka_unit_test(output_is_bounded_and_the_rest_dropped),
		cmocka_unit_test(stdin_is_the_null_device_or_what_is_given),
		cmocka_unit_test(input_that_nobody_reads_is_no_fault),
		cmocka_unit_test(the_environment_is_changed_as_told),
		cmocka_unit_test(works_where_sigchld_is_ignored_and_signals_are_blocked),
		cmocka_unit_test(descriptors_of_ours_do_not_get_in),
		cmocka_unit_test(works_with_the_standard_descriptors_closed),
		cmocka_unit_test(a_stopped_program_is_ended_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
