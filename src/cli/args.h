/* The command line of `sendmail`: one table of options, read by the parser and
 * by --help. No option names a file or a program. Contract part 2. */
#pragma once

#include "base/error.h"
#include "mail/dsn.h"
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
	bool is_send; /* called as `pillarbox send` */
	bool verbose; /* -v */
	struct queue_filter filter;
	const char *config_file;     /* --config, of pillarbox send; else NULL */
	char envid[DSN_ENVID_SPACE]; /* -V in xtext; what submission.envid points to */
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

/**
 * The same for `pillarbox send`, which takes the options of cli/send_args.h as
 * well, --config FILE among them: the one command line on which a person may
 * name a file.
 */
bool args_parse_send(int argc, char **argv, struct request *out, struct error *err) NODISCARD;

/** Prints the table of options, those of `pillarbox send` where asked for, to standard output. */
void args_print_help(bool is_send);
