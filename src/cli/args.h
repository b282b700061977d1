/* The command line of `sendmail`: one table of options, read by the parser and
 * by --help. No option names a file or a program. Contract part 2. */
#pragma once

#include "base/error.h"
#include "submit/submission.h"

/* What a call of sendmail, mailq or newaliases is to do. */
enum mode {
	MODE_SEND,      /* read a message and send it */
	MODE_SMTP,      /* -bs: speak SMTP on standard input and output */
	MODE_LIST,      /* -bp, mailq: print the queue */
	MODE_ALIASES,   /* -bi, newaliases: check the aliases */
	MODE_VERIFY,    /* -bv: say where recipients would go */
	MODE_QUEUE_RUN, /* -q: try all that is queued */
	MODE_NOTHING,   /* -q30m: there is no daemon to ask for that */
	MODE_HELP,      /* --help */
	MODE_VERSION,   /* --version, -d0.1 */
};

/* -qI, -qR, -qS: only entries whose id, recipient or sender has this text; NULL: all. */
struct queue_filter {
	const char *id;
	const char *recipient;
	const char *sender;
};

struct request {
	enum mode mode;
	bool is_tool;            /* called as `pillarbox send`, which knows long options */
	const char *config_file; /* --config; NULL: not given */
	bool verbose; /* -v */
	struct queue_filter filter;
	struct submission submission;
};

/**
 * Takes the command line apart. Options may follow recipients up to "--".
 *
 * argv      argv[0] chooses mailq and newaliases by its last component; may be empty.
 *           argv is reordered: the operands come to stand together
 * out       set on success; borrows from argv
 *
 * Fails with EX_USAGE for unknown options, missing values and modes that do
 * not exist. Nothing is read from standard input.
 */
bool args_parse(int argc, char **argv, struct request *out, struct error *err) NODISCARD;

/** The same for `pillarbox send`, which takes long options besides: see cli/send_args.h. */
bool args_parse_send(int argc, char **argv, struct request *out, struct error *err) NODISCARD;

/** Prints the table of options, for a person who called that program, to standard output. */
void args_print_help(bool is_tool);
