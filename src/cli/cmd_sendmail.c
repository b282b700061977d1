#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "build_config.h"
#include "cli/args.h"
#include "cli/mailq.h"
#include "cli/print.h"
#include "cli/programs.h"
#include "cli/start.h"
#include "submit/names.h"
#include "submit/runner.h"
#include "submit/serve.h"
#include "submit/submit.h"
#include "submit/verify.h"

/* As the person called it, for the beginning of lines on standard error. */
static char program[16] = "sendmail";

static int fail(const struct error *err)
{
	print_fault(program, err);
	return err->exit_code;
}

static struct deliver_mode mode_of(const struct request *r, bool in_queue_run)
{
	return (struct deliver_mode){
		.in_queue_run = in_queue_run,
		.trace = r->verbose ? print_trace : NULL,
		.trace_context = program,
	};
}

/* A person at a terminal, or -v, hears that the mail waits; nobody else does. */
static void say_outcome(const struct request *r, const struct submit_report *report)
{
	if (!r->verbose && !isatty(STDERR_FILENO))
		return;
	if (report->refused > 0)
		print_fault(program, &report->refusal);
	if (!report->is_queued)
		return;

	struct error why = report->why;

	if (why.text[0])
		error_prefix(&why, "queued as %s", report->id);
	else
		error_set(&why, EX_OK, "queued as %s", report->id);
	print_fault(program, &why);
}

static int send_message(const struct request *r, struct outbox *outbox)
{
	struct deliver_mode mode = mode_of(r, false);
	struct submit_report report = {0};
	struct error err = {0};

	if (!submit_message(outbox, &r->submission, &mode, &report, &err))
		return fail(&err);
	say_outcome(r, &report);
	if (report.wants_run || report.link)
		submit_run_detached(outbox, &report);
	return EX_OK;
}

/* -bs: the client on standard input has its own replies; only a broken pipe
 * is told here. */
static int serve(const struct request *r, struct outbox *outbox)
{
	struct deliver_mode mode = mode_of(r, false);
	struct submit_report rest = {0};
	struct error err = {0};

	if (!serve_client(outbox, &r->submission, STDIN_FILENO, STDOUT_FILENO, &mode,
		    &rest.wants_run, &err))
		return fail(&err);
	if (rest.wants_run)
		submit_run_detached(outbox, &rest);
	return EX_OK;
}

static void tell_run(UNUSED void *context, const char *id, const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s%s%s\n", program, id, what, why[0] ? ": " : "", why);
}

static int run_queue(const struct request *r, struct outbox *outbox)
{
	struct runner_options options = {
		.account = r->submission.account,
		.ignores_times = true,
		.match_id = r->filter.id,
		.match_recipient = r->filter.recipient,
		.match_sender = r->filter.sender,
		.mode = mode_of(r, true),
		.tell = r->verbose ? tell_run : NULL,
	};
	struct runner_report report = {0};
	struct error err = {0};

	if (!outbox_open(outbox, false, &err))
		return err.exit_code == EX_NOINPUT ? EX_OK : fail(&err);
	return runner_run(outbox, &options, &report, &err) ? EX_OK : fail(&err);
}

static void tell_fault(UNUSED void *context, const struct error *fault)
{
	print_fault(program, fault);
}

/* -bv: where the recipients would go; nothing is read or sent. */
static int verify(const struct request *r, const struct config *config)
{
	struct error err = {0};

	return verify_recipients(config, &r->submission, stdout, tell_fault, NULL, &err)
		       ? EX_OK
		       : fail(&err);
}

/* -bi, newaliases: there is no table to build, but it can be checked. */
static int check_aliases(const struct config *config)
{
	CLEANUP(names_done) struct names names;
	struct error err = {0};

	names_init(&names, config);
	return names_load_aliases(&names, &err) ? EX_OK : fail(&err);
}

static int act(const struct request *r, const struct config *config)
{
	struct outbox outbox;
	int code = EX_OK;

	outbox_init(&outbox, config);
	switch (r->mode) {
	case MODE_SEND:
		code = send_message(r, &outbox);
		break;
	case MODE_SMTP:
		code = serve(r, &outbox);
		break;
	case MODE_LIST:
		code = mailq_print(&outbox);
		break;
	case MODE_VERIFY:
		code = verify(r, config);
		break;
	case MODE_QUEUE_RUN:
		code = run_queue(r, &outbox);
		break;
	case MODE_ALIASES:
		code = check_aliases(config);
		break;
	case MODE_NOTHING:
	case MODE_HELP:
	case MODE_VERSION:
		break;
	}
	outbox_done(&outbox);
	return code;
}

/* What needs no configuration. */
static bool answers_at_once(const struct request *r)
{
	if (r->mode == MODE_HELP)
		args_print_help(r->is_send);
	if (r->mode == MODE_VERSION)
		puts("pillarbox " PILLARBOX_VERSION);
	return r->mode == MODE_HELP || r->mode == MODE_VERSION || r->mode == MODE_NOTHING;
}

/* A message can only be read from something that can be read. */
static bool check_input(const struct request *r, bool stdin_was_open, struct error *err)
{
	if (stdin_was_open || (r->mode != MODE_SEND && r->mode != MODE_SMTP))
		return true;
	error_set(err, EX_IOERR, "standard input is closed, there is no message to read");
	return error_hint(err, "pipe the message into sendmail");
}

/* From the options to the exit code. */
static int run(const struct request *request, const char *config_file, bool stdin_was_open)
{
	struct config config = {0};
	struct error err = {0};

	if (answers_at_once(request))
		return EX_OK;
	if (!check_input(request, stdin_was_open, &err) || !config_load(config_file, &config, &err))
		return fail(&err);
	log_set(program, config.log.file, config.log.syslog, config.log.json);

	int code = act(request, &config);

	config_done(&config);
	return code;
}

int sendmail_main(int argc, char **argv)
{
	struct request request;
	struct error err = {0};
	bool stdin_was_open = false;

	if (!start_process(&stdin_was_open, &err) || !args_parse(argc, argv, &request, &err))
		return fail(&err);
	return print_finish(program, run(&request, NULL, stdin_was_open));
}

int pillarbox_send(int argc, char **argv, const char *config_file, bool stdin_was_open)
{
	struct request request;
	struct error err = {0};

	snprintf(program, sizeof(program), "pillarbox");
	if (!args_parse_send(argc, argv, &request, &err))
		return fail(&err);
	return run(
		&request, request.config_file ? request.config_file : config_file, stdin_was_open);
}
