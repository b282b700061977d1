#include "submit/detach.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void default_signals(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGALRM};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		signal(signals[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

bool detach_fork(bool *is_child, struct error *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return error_errno(err, EX_OSERR, "cannot start a process for the queue");
	*is_child = pid == 0;
	if (pid > 0)
		return true;
	setsid();
	default_signals();
	if (chdir("/") < 0)
		_exit(EX_OSERR);

	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		_exit(EX_OSERR);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			_exit(EX_OSERR);
	close(null);
	return true;
}
