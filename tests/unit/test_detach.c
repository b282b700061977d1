#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "submit/detach.h"

/* What the child of detach_fork tells. */
struct told {
	pid_t session;
	bool hears_hangups;
};

/* The caller: leads a group of its own that is hung up as soon as it has its
 * answer, as that of a terminal is when its last program ends. */
static _Noreturn void call_and_hang_up(int out)
{
	struct error err = {0};
	bool is_child = false;

	setpgid(0, 0);
	if (!detach_fork(&is_child, &err))
		_exit(1);
	if (is_child) {
		struct sigaction hangup;
		sigset_t blocked;

		sigaction(SIGHUP, NULL, &hangup);
		sigprocmask(SIG_SETMASK, NULL, &blocked);

		struct told told = {
			.session = getsid(0) == getpid() ? getpid() : 0,
			.hears_hangups =
				hangup.sa_handler == SIG_DFL && !sigismember(&blocked, SIGHUP),
		};

		if (write(out, &told, sizeof(told)) != sizeof(told))
			_exit(1);
		_exit(0);
	}
	kill(0, SIGHUP);
	_exit(0);
}

static void child_outlives_the_hangup_of_its_caller(void **state UNUSED)
{
	/* Under nohup it would be ignored. */
	signal(SIGHUP, SIG_DFL);
	for (int i = 0; i < 100; i++) {
		int ends[2];
		int status;
		struct told told = {0};

		assert_int_equal(pipe(ends), 0);

		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			close(ends[0]);
			call_and_hang_up(ends[1]);
		}
		close(ends[1]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* The caller itself is not shielded. */
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
		assert_int_equal(read(ends[0], &told, sizeof(told)), sizeof(told));
		assert_true(told.session > 0);
		assert_true(told.hears_hangups);
		close(ends[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_outlives_the_hangup_of_its_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
