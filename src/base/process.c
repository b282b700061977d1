#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum {
	LOOK_MS = 50,      /* how often the program is looked at while its pipes are quiet */
	GRACE_MS = 500,    /* between the polite and the final signal */
	DRAIN_CHUNKS = 64, /* of PIPE_BUF each: what may wait in a pipe after the end */
};

extern char **environ;

/* Our ends of the pipes, -1 where there is none, and the program itself. */
struct run {
	const struct process *p;
	int input, output, complaints, failure;
	struct slice unsent;
	pid_t pid;
	int64_t deadline_ms;
};

static void run_done(struct run *r)
{
	fd_close(&r->input);
	fd_close(&r->output);
	fd_close(&r->complaints);
	fd_close(&r->failure);
}

/* --- the environment ----------------------------------------------------- */

static bool name_is(const char *entry, const char *name)
{
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '*')
		return strncmp(entry, name, len - 1) == 0;
	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

static bool is_left_out(const struct process *p, const char *entry)
{
	for (size_t i = 0; p->unset && p->unset[i]; i++)
		if (name_is(entry, p->unset[i]))
			return true;
	for (size_t i = 0; p->set && p->set[i]; i++) {
		size_t len = strcspn(p->set[i], "=");

		if (strncmp(entry, p->set[i], len) == 0 && entry[len] == '=')
			return true;
	}
	return false;
}

/* The program's environment; the array is the caller's, the texts are borrowed. */
static char **make_environment(const struct process *p)
{
	size_t count = 0, n = 0;

	while (environ && environ[count])
		count++;
	for (size_t i = 0; p->set && p->set[i]; i++)
		count++;

	char **list = mem_alloc((count + 1) * sizeof(*list));

	for (size_t i = 0; environ && environ[i]; i++)
		if (!is_left_out(p, environ[i]))
			list[n++] = environ[i];
	for (size_t i = 0; p->set && p->set[i]; i++)
		memcpy(&list[n++], &p->set[i], sizeof(*list));
	return list;
}

/* --- the child, between fork and exec ------------------------------------ */

static void reset_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	/* Other signals that the caller ignores (nohup) stay ignored; handlers
	 * end with exec by themselves. */
	sigaction(SIGPIPE, &standard, NULL);
	sigaction(SIGCHLD, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts `fd`, or /dev/null, in place of one of the standard descriptors. */
static bool place(int fd, int standard)
{
	if (fd < 0)
		fd = open("/dev/null", standard == STDIN_FILENO ? O_RDONLY : O_WRONLY);
	return fd >= 0 && dup2(fd, standard) == standard;
}

static void become(const struct process *p, char **environment, const int theirs[4])
{
	int cause, failure;

	setpgid(0, 0);
	reset_signals();
	/* Above 2 first, lest placing one descriptor overwrites the next. */
	failure = fcntl(theirs[3], F_DUPFD, 3);
	if (failure >= 0 && place(theirs[0], STDIN_FILENO) && place(theirs[1], STDOUT_FILENO) &&
		place(theirs[2], STDERR_FILENO) && (failure == 3 || dup2(failure, 3) == 3) &&
		fcntl(3, F_SETFD, FD_CLOEXEC) == 0) {
		failure = 3;
		file_close_from(4, -1);
		environ = environment;
		execvp(p->argv[0], p->argv);
	}
	cause = errno;
	if (write(failure, &cause, sizeof(cause)) < 0)
		_exit(126);
	_exit(127);
}

/* --- looking up ----------------------------------------------------------- */

static int look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : EACCES;
}

/* The part behind the next colon; NULL behind the last. */
static const char *behind_colon(const char *path)
{
	const char *colon = strchr(path, ':');

	return colon ? colon + 1 : NULL;
}

int process_look_up(const char *program)
{
	const char *path = getenv("PATH");
	int cause = ENOENT;

	if (strchr(program, '/'))
		return look_at(program);
	/* What the C library takes for an unset PATH. */
	for (path = path ? path : "/bin:/usr/bin"; path; path = behind_colon(path)) {
		CLEANUP(buf_done) struct buf file = BUF(PATH_MAX);
		int len = (int)strcspn(path, ":");
		int seen;

		/* An empty part of PATH is the current directory. */
		buf_printf(&file, "%.*s%s%s", len, path, len > 0 ? "/" : "", program);
		seen = look_at(buf_text(&file));
		if (seen == 0)
			return 0;
		cause = seen == EACCES ? seen : cause;
	}
	return cause;
}

/* --- starting ------------------------------------------------------------- */

/* A pipe, both ends above the standard descriptors: a closed 0, 1 or 2 of ours
 * must not become an end that the child then overwrites. */
static bool make_pipe(bool wanted, int *ours, int *theirs, bool ours_reads, struct error *err)
{
	int ends[2], high[2];

	if (!wanted)
		return true;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	for (int i = 0; i < 2; i++) {
		high[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 4);
		close(ends[i]);
	}
	*ours = high[ours_reads ? 0 : 1];
	*theirs = high[ours_reads ? 1 : 0];
	if (high[0] < 0 || high[1] < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	fcntl(*ours, F_SETFL, fcntl(*ours, F_GETFL) | O_NONBLOCK);
	return true;
}

static void theirs_done(int theirs[4])
{
	for (int i = 0; i < 4; i++)
		fd_close(&theirs[i]);
}

/* Starts the program; *cause is the errno of a failed exec, else 0. */
static bool start(struct run *r, int *cause, struct error *err)
{
	CLEANUP(mem_free) char **environment = make_environment(r->p);
	int theirs[4] = {-1, -1, -1, -1};

	if (!make_pipe(r->p->input.len > 0, &r->input, &theirs[0], false, err) ||
		!make_pipe(r->p->output, &r->output, &theirs[1], true, err) ||
		!make_pipe(r->p->complaints, &r->complaints, &theirs[2], true, err) ||
		!make_pipe(true, &r->failure, &theirs[3], true, err)) {
		theirs_done(theirs);
		return false;
	}
	r->pid = fork();
	if (r->pid == 0)
		become(r->p, environment, theirs);
	theirs_done(theirs);
	if (r->pid < 0)
		return error_errno(err, EX_OSERR, "cannot start a process");
	/* Both sides do this: whoever comes second finds it done. */
	setpgid(r->pid, r->pid);

	struct pollfd wait = {.fd = r->failure, .events = POLLIN};

	*cause = 0;
	/* The pipe closes by itself when exec succeeds. */
	while (poll(&wait, 1, clock_left_ms(r->deadline_ms)) < 0 && errno == EINTR)
		;
	if (read(r->failure, cause, sizeof(*cause)) != sizeof(*cause))
		*cause = 0;
	return true;
}

/* --- while it runs -------------------------------------------------------- */

/* Takes what a pipe holds now; closes it at its end. */
static void take(int *fd, struct buf *into)
{
	char chunk[4096];
	ssize_t n;

	for (int i = 0; i < DRAIN_CHUNKS && *fd >= 0; i++) {
		n = read(*fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n <= 0) {
			fd_close(fd);
			break;
		}

		struct slice s = {chunk, (size_t)n};
		size_t space = into->ceiling - into->len;

		buf_add(into, slice_upto(s, space));
		if (s.len > space)
			into->is_full = true;
	}
	mem_wipe(chunk, sizeof(chunk));
}

/* Gives the program what it takes of its input now. SIGPIPE is held back by
 * the caller. */
static void give(struct run *r)
{
	ssize_t n = write(r->input, r->unsent.ptr, r->unsent.len);

	if (n > 0)
		r->unsent = slice_from(r->unsent, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		r->unsent = (struct slice){0};
	if (r->unsent.len == 0)
		fd_close(&r->input);
}

static void serve_pipes(struct run *r, int wait_ms)
{
	struct pollfd fds[] = {
		{.fd = r->input, .events = POLLOUT},
		{.fd = r->output, .events = POLLIN},
		{.fd = r->complaints, .events = POLLIN},
	};

	if (poll(fds, ARRAY_LEN(fds), wait_ms) <= 0)
		return;
	if (fds[0].revents)
		give(r);
	if (fds[1].revents)
		take(&r->output, r->p->output);
	/* Who writes on and on learns from the closed pipe that nobody listens. */
	if (r->output >= 0 && r->p->output->is_full)
		fd_close(&r->output);
	if (fds[2].revents)
		take(&r->complaints, r->p->complaints);
}

static void end_group(struct run *r)
{
	int64_t grace_ms = clock_deadline(GRACE_MS);
	int status;

	kill(-r->pid, SIGTERM);
	kill(-r->pid, SIGCONT);
	while (clock_left_ms(grace_ms) > 0) {
		if (waitpid(r->pid, &status, WNOHANG) == r->pid) {
			kill(-r->pid, SIGKILL);
			return;
		}
		poll(NULL, 0, 5);
	}
	kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
}

static struct process_end end_of(int status)
{
	if (WIFSIGNALED(status))
		return (struct process_end){PROCESS_SIGNALLED, WTERMSIG(status)};
	return (struct process_end){PROCESS_EXITED, WEXITSTATUS(status)};
}

static struct process_end attend(struct run *r)
{
	int status = 0, nap_ms = 1;

	for (;;) {
		bool is_quiet = r->input < 0 && r->output < 0 && r->complaints < 0;
		pid_t done = waitpid(r->pid, &status, WNOHANG | WUNTRACED);

		if (done == r->pid && WIFSTOPPED(status)) {
			end_group(r);
			return (struct process_end){PROCESS_STOPPED, WSTOPSIG(status)};
		}
		if (done == r->pid || (done < 0 && errno != EINTR))
			break;

		int left_ms = clock_left_ms(r->deadline_ms);

		if (left_ms == 0) {
			end_group(r);
			return (struct process_end){PROCESS_TIMED_OUT, 0};
		}
		/* With the pipes closed only the end can come, and mostly at once. */
		if (!is_quiet)
			nap_ms = LOOK_MS;
		else
			nap_ms = nap_ms >= LOOK_MS ? 1 : nap_ms * 2;
		serve_pipes(r, nap_ms < left_ms ? nap_ms : left_ms);
	}
	/* What it wrote before its end is still in the pipes. */
	take(&r->output, r->p->output);
	take(&r->complaints, r->p->complaints);
	return end_of(status);
}

/* --- the whole ------------------------------------------------------------ */

/* Dispositions that would spoil waiting and writing, as they were. */
struct dispositions {
	struct sigaction child, pipe;
};

static void hold_dispositions(struct dispositions *old)
{
	struct sigaction standard = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};

	/* With SIGCHLD ignored the kernel throws exit statuses away. */
	sigaction(SIGCHLD, &standard, &old->child);
	sigaction(SIGPIPE, &ignore, &old->pipe);
}

static void restore_dispositions(const struct dispositions *old)
{
	sigaction(SIGCHLD, &old->child, NULL);
	sigaction(SIGPIPE, &old->pipe, NULL);
}

bool process_run(const struct process *p, struct process_end *out, struct error *err)
{
	CLEANUP(run_done)
	struct run r = {.p = p,
		.input = -1,
		.output = -1,
		.complaints = -1,
		.failure = -1,
		.unsent = p->input,
		.deadline_ms = clock_deadline(p->wait_ms)};
	struct dispositions old;
	int cause = 0;

	hold_dispositions(&old);

	bool is_started = start(&r, &cause, err);

	if (is_started) {
		struct process_end end = attend(&r);

		*out = cause ? (struct process_end){PROCESS_NOT_STARTED, cause} : end;
	}
	restore_dispositions(&old);
	return is_started;
}

void process_explain(struct buf *out, const struct process *p, const struct process_end *end)
{
	switch (end->fate) {
	case PROCESS_EXITED:
		buf_printf(out, "exit status %d", end->code);
		break;
	case PROCESS_SIGNALLED:
		buf_printf(out, "signal %d (%s)", end->code, strsignal(end->code));
		break;
	case PROCESS_NOT_STARTED:
		buf_add_text(out, strerror(end->code));
		break;
	case PROCESS_TIMED_OUT:
		buf_printf(out, "ran longer than %d s", (p->wait_ms + 999) / 1000);
		break;
	case PROCESS_STOPPED:
		buf_add_text(out, "asked on the terminal, which it cannot have");
		break;
	}
}
