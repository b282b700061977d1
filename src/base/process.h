/* Running another program: words without a shell, a time limit for all of its
 * group, bounded capture of what it says. For password commands and hooks. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* What to run. All is borrowed for the time of the call. */
struct process {
	char *const *argv;        /* the program, looked up in PATH, and its words; then NULL */
	const char *const *set;   /* "NAME=value" for its environment, then NULL; NULL: nothing */
	const char *const *unset; /* names to leave out of it; one that ends in "*" is a prefix */
	struct slice input;       /* its stdin; empty: /dev/null */
	int wait_ms;              /* limit for all of it, > 0 */
	struct buf *output;       /* gets its stdout up to the ceiling; whoever writes more finds
				     the pipe closed (is_full tells); NULL: /dev/null */
	struct buf *complaints;   /* gets its stderr up to the ceiling, the rest is dropped */
};

enum process_fate {
	PROCESS_EXITED,      /* code: its exit status */
	PROCESS_SIGNALLED,   /* code: the signal */
	PROCESS_NOT_STARTED, /* code: the errno of execvp(): not found, not executable */
	PROCESS_TIMED_OUT,   /* its group was ended after wait_ms */
	PROCESS_STOPPED, /* it wanted the terminal, which it does not get; its group was ended */
};

struct process_end {
	enum process_fate fate;
	int code;
};

/**
 * Runs a program to its end: in a process group of its own, without any of our
 * descriptors above 2, SIGPIPE and SIGCHLD at their default, no signal blocked.
 * The end of the program counts, not the end of its output, so that a daemon
 * which it leaves behind and which keeps the pipe holds nobody up. Works where
 * SIGCHLD is ignored. Must not be called beside other threads.
 *
 * out  set on success, which means only that the fate of the program is known
 *
 * Fails with EX_OSERR where there is no pipe or no process to be had.
 */
bool process_run(const struct process *p, struct process_end *out, struct error *err) NODISCARD;

/**
 * Returns 0 when a program of this name can be started, else the errno with
 * which execvp() would fail. Looks it up in PATH as that does.
 */
int process_look_up(const char *program);

/** Adds "exit status 3", "signal 9 (Killed)", "ran longer than 30 s" … to out. */
void process_explain(struct buf *out, const struct process *p, const struct process_end *end);
