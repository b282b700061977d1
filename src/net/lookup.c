#include "net/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/clock.h"
#include "base/file.h"

_Noreturn static void be_child(
	lookup_fn *ask, const void *question, size_t space, int out, int64_t deadline_ms)
{
	static char answer[LOOKUP_ANSWER_OCTETS];
	struct error ignored;

#ifdef __linux__
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	/* Where the parent is killed and the system does not tell us. */
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm((unsigned)clock_left_ms(deadline_ms) / 1000 + 2);
	/* The child must hold no lock of a queue entry, nor a connection. */
	file_close_from(3, out);

	size_t len = ask(question, answer, space < sizeof(answer) ? space : sizeof(answer));

	(void)!file_write(out, (struct slice){answer, len}, "pipe", &ignored);
	_exit(0);
}

/* Reads up to the end of the pipe or the deadline. */
static bool read_answer(int fd, char *answer, size_t space, size_t *got, int64_t deadline_ms)
{
	size_t have = 0;

	for (;;) {
		struct pollfd place = {.fd = fd, .events = POLLIN};
		int left_ms = clock_left_ms(deadline_ms);
		int ready = poll(&place, 1, left_ms);

		if (ready == 0 && left_ms == 0)
			return false;
		if (ready <= 0) {
			if (ready < 0 && errno != EINTR)
				return false;
			continue;
		}

		ssize_t count = have < space ? read(fd, answer + have, space - have) : 0;

		if (count == 0) {
			*got = have;
			return have > 0;
		}
		if (count > 0)
			have += (size_t)count;
		else if (errno != EINTR)
			return false;
	}
}

bool lookup_run(lookup_fn *ask, const void *question, void *answer, size_t space, size_t *got,
	const char *name, int64_t deadline_ms, struct error *err)
{
	int ends[2];
	pid_t child = -1;

	if (pipe2(ends, O_CLOEXEC) == 0) {
		child = fork();
		if (child == 0)
			be_child(ask, question, space, ends[1], deadline_ms);
		(void)close(ends[1]);
		if (child < 0)
			(void)close(ends[0]);
	}
	if (child < 0) {
		*got = ask(question, answer, space);
		return true;
	}

	bool answered = read_answer(ends[0], answer, space, got, deadline_ms);

	(void)close(ends[0]);
	if (!answered)
		(void)kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (!answered)
		return error_set(err, EX_NOHOST,
			"looking up '%s' brought no answer: is there a network?", name);
	return true;
}
