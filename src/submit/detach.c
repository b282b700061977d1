#include "submit/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* A signal that waited is forgotten: it was meant for the caller. */
static void default_signals(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGALRM};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		signal(signals[i], SIG_IGN);
		signal(signals[i], SIG_DFL);
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

bool detach_fork(bool *is_child, struct error *err)
{
	sigset_t all, before;

	/* The caller ends at once, and a terminal's session with it at times: its
	 * hang-up must not reach the child that has no session of its own yet. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);

	pid_t pid = fork();
	int fork_errno = errno;

	if (pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	errno = fork_errno;
	if (pid < 0)
		return error_errno(err, EX_OSERR, "cannot start a process for the queue");
	*is_child = pid == 0;
	if (pid > 0)
		return true;
	setsid();
	default_signals();
	if (chdir("/") < 0)
		_exit(EX_OSERR);

	int null;

	do
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (null < 0 && errno == EINTR);
	if (null < 0)
		_exit(EX_OSERR);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			_exit(EX_OSERR);
	close(null);
	return true;
}
