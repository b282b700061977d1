#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/duration.h"
#include "cli/print.h"
#include "cli/programs.h"
#include "cli/queue_change.h"
#include "cli/queue_view.h"
#include "submit/runner.h"
#include "submit/stop.h"

/* What the words behind "queue" ask for. */
struct call {
	bool as_json;
	bool all;
	bool check;
	bool verbose;
	const char *account;
	const char *every;
	char **ids;
	int id_count;
};

static int fail(const struct error *err)
{
	print_fault("pillarbox", err);
	return err->exit_code;
}

static int list(struct outbox *outbox, const struct call *call)
{
	struct error err = {0};

	return queue_view_list(outbox, call->as_json, &err) ? EX_OK : fail(&err);
}

static int needs_ids(const char *what)
{
	struct error err = {0};

	error_set(&err, EX_USAGE, "'queue %s' needs the id of a message", what);
	error_hint(&err, "'pillarbox queue' lists them");
	return fail(&err);
}

static int show(struct outbox *outbox, const struct call *call)
{
	struct error err = {0};

	if (call->id_count != 1)
		return needs_ids("show");
	return queue_view_show(outbox, call->ids[0], &err) ? EX_OK : fail(&err);
}

/* Applies a change to each id; one that fails does not keep the others from it. */
static int change(struct outbox *outbox, const struct call *call, const char *what,
	bool (*apply)(struct outbox *, const char *, struct error *))
{
	int code = EX_OK;

	if (call->id_count == 0)
		return needs_ids(what);
	for (int i = 0; i < call->id_count; i++) {
		struct error err = {0};

		if (!apply(outbox, call->ids[i], &err))
			code = fail(&err);
	}
	return code;
}

static int hold(struct outbox *outbox, const struct call *call)
{
	return change(outbox, call, "hold", queue_change_hold);
}

static int release(struct outbox *outbox, const struct call *call)
{
	return change(outbox, call, "release", queue_change_release);
}

static int delete (struct outbox *outbox, const struct call *call)
{
	return change(outbox, call, "delete", queue_change_delete);
}

static void tell_person(UNUSED void *context, const char *id, const char *what, const char *why)
{
	printf("%s %s%s%s\n", id, what, why[0] ? ": " : "", why);
	fflush(stdout);
}

static void tell_program(UNUSED void *context, const char *id, const char *what, const char *why)
{
	CLEANUP(buf_done) struct buf line = BUF(65536);
	struct json json = {.out = &line};

	json_open(&json, '{');
	json_text(&json, "id", id);
	json_text(&json, "result", what);
	json_text(&json, "error", why);
	json_close(&json, '}');
	puts(buf_text(&line));
	fflush(stdout);
}

/* For entries that were asked for by name: success is silent, the rest is an error. */
static void tell_trouble(UNUSED void *context, const char *id, const char *what, const char *why)
{
	struct error err = {0};

	if (strcmp(what, "delivered") == 0)
		return;
	error_set(&err, EX_TEMPFAIL, "%s %s: %s", id, what, why);
	print_fault("pillarbox", &err);
}

/* only: the entries to try, or NULL for all that are due. */
static bool run_once(struct outbox *outbox, const struct call *call, const struct spool_name *only,
	size_t only_count, struct runner_report *report, struct error *err)
{
	bool is_watched = isatty(STDOUT_FILENO) || call->verbose;
	struct runner_options options = {
		.account = call->account,
		.only = only,
		.only_count = only_count,
		.mode = {.in_queue_run = true, .trace = call->verbose ? print_trace : NULL},
		.tell = call->as_json ? tell_program
			: is_watched  ? tell_person
			: only        ? tell_trouble
				      : NULL,
	};
	char program[] = "pillarbox";

	options.mode.trace_context = program;
	if (!outbox_open(outbox, false, err))
		return err->exit_code == EX_NOINPUT;
	return runner_run(outbox, &options, report, err);
}

/* A foreground loop for containers and systems without timers; only a signal
 * ends it. A queue that cannot be read now may be readable later. */
static int run_again_and_again(struct outbox *outbox, const struct call *call, int64_t pause_s)
{
	while (!stop_is_asked()) {
		struct runner_report report = {0};
		struct error err = {0};

		if (!run_once(outbox, call, NULL, 0, &report, &err))
			print_fault("pillarbox", &err);
		for (int64_t s = 0; s < pause_s && !stop_is_asked(); s++)
			poll(NULL, 0, 1000);
	}
	return EX_OK;
}

static int run(struct outbox *outbox, const struct call *call)
{
	struct runner_report report = {0};
	struct error err = {0};
	int64_t pause_s = 0;

	stop_watch();
	if (!call->every)
		return run_once(outbox, call, NULL, 0, &report, &err) ? EX_OK : fail(&err);
	if (!duration_read(call->every, &pause_s, &err)) {
		error_prefix(&err, "--every");
		return fail(&err);
	}
	return run_again_and_again(outbox, call, pause_s);
}

/* Makes the named entries due; those that are found are in `names`. */
static int revive(
	struct outbox *outbox, const struct call *call, struct spool_name *names, size_t *count)
{
	int code = EX_OK;

	for (int i = 0; i < call->id_count; i++) {
		struct error err = {0};

		if (!outbox_open(outbox, false, &err) ||
			!spool_find(outbox->spool, call->ids[i], &names[*count], &err) ||
			!queue_change_retry(outbox, names[*count].id, &err))
			code = fail(&err);
		else
			++*count;
	}
	return code;
}

/* The person hears of each, and the exit code tells whether they went out. */
static int retry(struct outbox *outbox, const struct call *call)
{
	CLEANUP(mem_free)
	struct spool_name *names = mem_alloc((size_t)(call->id_count + 1) * sizeof(*names));
	struct runner_report report = {0};
	struct error err = {0};
	size_t count = 0;
	int code;

	stop_watch();
	if (call->all)
		return queue_change_retry_all(outbox, &err) ? run(outbox, call) : fail(&err);
	if (call->id_count == 0)
		return needs_ids("retry");
	code = revive(outbox, call, names, &count);
	if (count > 0 && !run_once(outbox, call, names, count, &report, &err))
		return fail(&err);
	if (report.failed > 0)
		return EX_UNAVAILABLE;
	return report.deferred > 0 ? EX_TEMPFAIL : code;
}

static const struct action {
	const char *name;
	bool takes_ids;
	int (*act)(struct outbox *outbox, const struct call *call);
	const char *usage;
	const char *help;
} actions[] = {
	{"list", false, list, "[--json]", "what waits and what failed; the default"},
	{"show", true, show, "ID", "envelope and message"},
	{"run", false, run, "[--account NAME] [--every 5m] [--json]", "try what is due"},
	{"retry", true, retry, "ID... | --all", "try these now, failed ones too"},
	{"hold", true, hold, "ID...", "no further attempts until released"},
	{"release", true, release, "ID...", "end hold"},
	{"delete", true, delete, "ID...", "remove for good"},
};

static int print_help(void)
{
	puts("usage: pillarbox queue [ACTION] ...\n");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		printf("  %-8s %-40s %s\n", actions[i].name, actions[i].usage, actions[i].help);
	puts("  --check                                           one line and an exit code for "
	     "monitoring");
	return EX_OK;
}

static bool parse(int argc, char **argv, struct call *call, bool *wants_help, struct error *err)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'A'},
		{"check", no_argument, NULL, 'c'},
		{"verbose", no_argument, NULL, 'v'},
		{"account", required_argument, NULL, 'a'},
		{"every", required_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":a:v", options, NULL)) != -1) {
		switch (letter) {
		case 'j':
			call->as_json = true;
			break;
		case 'A':
			call->all = true;
			break;
		case 'c':
			call->check = true;
			break;
		case 'v':
			call->verbose = true;
			break;
		case 'a':
			call->account = optarg;
			break;
		case 'e':
			call->every = optarg;
			break;
		case 'h':
			*wants_help = true;
			break;
		default:
			error_set(err, EX_USAGE, "unknown option or missing value: %.64s",
				argv[optind - 1]);
			return error_hint(err, "see 'pillarbox queue --help'");
		}
	}
	call->ids = argv + optind;
	call->id_count = argc - optind;
	return true;
}

static bool check_ids(const struct action *action, const struct call *call, struct error *err)
{
	if (call->id_count == 0 || (action->takes_ids && !call->all))
		return true;
	error_set(err, EX_USAGE, "'queue %s%s' takes no '%.64s'", action->name,
		call->all ? " --all" : "", call->ids[0]);
	return error_hint(err, "see 'pillarbox queue --help'");
}

/* The first word that is no option names the action. */
static const struct action *find_action(struct call *call, struct error *err)
{
	if (call->id_count == 0)
		return &actions[0];

	const char *name = call->ids[0];

	call->ids++;
	call->id_count--;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return check_ids(&actions[i], call, err) ? &actions[i] : NULL;
	error_set(err, EX_USAGE, "'queue' knows no '%.64s'", name);
	error_hint(err, "see 'pillarbox queue --help'");
	return NULL;
}

int pillarbox_queue(int argc, char **argv, const char *config_file)
{
	struct call call = {0};
	struct config config = {0};
	struct outbox outbox;
	struct error err = {0};
	bool wants_help = false;

	if (!parse(argc, argv, &call, &wants_help, &err))
		return fail(&err);
	if (wants_help)
		return print_help();

	const struct action *action = find_action(&call, &err);

	if (!action || !config_load(config_file, &config, &err))
		return fail(&err);
	log_set("pillarbox", config.log.file, config.log.syslog, config.log.json);
	outbox_init(&outbox, &config);

	int code = call.check ? queue_view_check(&outbox) : action->act(&outbox, &call);

	outbox_done(&outbox);
	config_done(&config);
	return code;
}
