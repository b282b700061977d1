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

/* The second question is asked where the first has no answer in this time. */
enum { HEAD_START_MS = 500 };

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

/* A child that is asked something, and what it has answered. */
struct asked {
	pid_t child;
	int fd; /* -1: it has ended */
	char *answer;
	size_t space, have;
};

static void begin(struct asked *a, lookup_fn *ask, const struct lookup_question *question,
	size_t space, int64_t deadline_ms)
{
	int ends[2];

	*a = (struct asked){.child = -1, .fd = -1, .answer = question->answer, .space = space};
	if (pipe2(ends, O_CLOEXEC) == 0) {
		a->child = fork();
		if (a->child == 0)
			be_child(ask, question->text, space, ends[1], deadline_ms);
		(void)close(ends[1]);
		a->fd = ends[0];
	}
	if (a->child < 0)
		fd_close(&a->fd);
}

/* Reads what is there. */
static void take(struct asked *a)
{
	ssize_t count =
		a->have < a->space ? read(a->fd, a->answer + a->have, a->space - a->have) : 0;

	if (count > 0)
		a->have += (size_t)count;
	else if (count == 0 || errno != EINTR)
		fd_close(&a->fd);
}

/* Ends the child, whether it has answered or not. */
static void end(struct asked *a)
{
	if (a->fd >= 0 && a->child > 0)
		(void)kill(a->child, SIGKILL);
	fd_close(&a->fd);
	while (a->child > 0 && waitpid(a->child, NULL, 0) < 0 && errno == EINTR)
		continue;
	a->child = -1;
}

/* Waits until one of them has ended that had not, or the deadline. Where there is no waiting
 * neither is heard of any more. */
static void wait_for_one(struct asked asked[2], int64_t deadline_ms)
{
	struct pollfd places[] = {
		{.fd = asked[0].fd, .events = POLLIN}, {.fd = asked[1].fd, .events = POLLIN}};

	while (asked[0].fd == places[0].fd && asked[1].fd == places[1].fd) {
		int left_ms = clock_left_ms(deadline_ms);
		int ready = poll(places, 2, left_ms);

		if (ready < 0 && errno != EINTR) {
			end(&asked[0]);
			end(&asked[1]);
		}
		if (ready == 0 && left_ms == 0)
			return;
		for (size_t i = 0; i < 2 && ready > 0; i++)
			if (places[i].revents != 0)
				take(&asked[i]);
	}
}

static bool has_answered(const struct asked *a)
{
	return a->fd < 0 && a->have > 0;
}

bool lookup_race(lookup_fn *ask, const struct lookup_question questions[2], size_t space,
	lookup_good_fn *is_good, int64_t deadline_ms, size_t *winner, size_t *got)
{
	struct asked asked[2] = {[1] = {.fd = -1}};
	int64_t head_start = clock_earlier(deadline_ms, clock_deadline(HEAD_START_MS));
	bool has_first = false, has_second = false;

	begin(&asked[0], ask, &questions[0], space, deadline_ms);
	if (asked[0].child < 0)
		asked[0].have = ask(questions[0].text, questions[0].answer, space);
	else
		wait_for_one(asked, questions[1].text ? head_start : deadline_ms);
	if (asked[0].fd >= 0 && questions[1].text)
		begin(&asked[1], ask, &questions[1], space, deadline_ms);
	for (;;) {
		has_first = has_answered(&asked[0]);
		has_second = has_answered(&asked[1]) && is_good(asked[1].answer, asked[1].have);
		if (has_first || has_second || (asked[0].fd < 0 && asked[1].fd < 0) ||
			clock_left_ms(deadline_ms) == 0)
			break;
		wait_for_one(asked, deadline_ms);
	}
	*winner = has_first ? 0 : 1;
	*got = asked[*winner].have;
	end(&asked[0]);
	end(&asked[1]);
	return has_first || has_second;
}

bool lookup_run(lookup_fn *ask, const void *question, void *answer, size_t space, size_t *got,
	const char *name, int64_t deadline_ms, struct error *err)
{
	const struct lookup_question questions[2] = {{question, answer}};
	size_t winner;

	return lookup_race(ask, questions, space, NULL, deadline_ms, &winner, got) ||
	       lookup_silence(name, err);
}

bool lookup_silence(const char *name, struct error *err)
{
	return error_set(
		err, EX_NOHOST, "looking up '%s' brought no answer: is there a network?", name);
}
