#include <stdio.h>
#include <string.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#include "cli/print.h"
#include "cli/programs.h"
#include "submit/deliver.h"
#include "submit/outbox.h"

static char program[] = "pillarbox";

static int fail(const struct error *err)
{
	print_fault(program, err);
	return err->exit_code;
}

/* What the words behind "check" ask for. */
struct call {
	const char *account;
	bool verbose;
};

static bool parse(int argc, char **argv, struct call *call, struct error *err)
{
	for (int i = 1; i < argc; i++) {
		bool takes_name = strcmp(argv[i], "--account") == 0 || strcmp(argv[i], "-a") == 0;

		if (strcmp(argv[i], "-v") == 0 || strcmp(argv[i], "--verbose") == 0) {
			call->verbose = true;
		} else if (takes_name && i + 1 < argc) {
			call->account = argv[++i];
		} else {
			error_set(err, EX_USAGE, "unknown option or missing value: %.64s", argv[i]);
			return error_hint(err, "usage: pillarbox check [--account NAME] [-v]");
		}
	}
	return true;
}

static void print_account(const struct account *a)
{
	printf("account %s (%s)\n  server   ", a->name, a->origin);
	for (size_t i = 0; i < a->hosts.count; i++)
		printf("%s%s", i > 0 ? ", " : "", a->hosts.items[i]);
	if (a->socket)
		printf("%s", a->socket);
	printf("\n  sender   %s\n  login    %s\n", a->from ? a->from : "(from the message)",
		a->user ? a->user : "(none)");
	fflush(stdout);
}

static bool check_account(const struct account *a, bool verbose, struct error *err)
{
	struct deliver_mode mode = {
		.trace = verbose ? print_trace : NULL, .trace_context = program};
	struct deliverer *link = NULL;

	print_account(a);
	if (!deliver_check(a, err) || !deliver_open(a, &mode, &link, err))
		return false;
	deliver_close(link);
	printf("  result   connected, %s%s\n",
		a->tls == ACCOUNT_TLS_NONE ? "without TLS" : "certificate verified",
		deliver_logs_in(a) ? ", logged in" : "");
	return true;
}

/* Each account is tried; one that fails does not hide the next. */
static int check_all(const struct config *config, const struct call *call)
{
	int code = EX_OK;

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *a = NULL;
		struct error err = {0};

		if (call->account && strcmp(config->accounts[i].name, call->account) != 0)
			continue;
		if (config_choose(config, config->accounts[i].name, NULL, NULL, &a, &err) &&
			check_account(a, call->verbose, &err))
			continue;
		printf("  result   failed\n");
		fflush(stdout);
		code = fail(&err);
	}
	return code;
}

/* A queue in memory keeps mail only until the machine goes down. */
static void warn_of_memory(const char *directory)
{
#ifdef __linux__
	struct statfs fs;

	if (statfs(directory, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC))
		printf("  warning  it lies in memory: what waits there does not survive a "
		       "reboot\n");
#else
	(void)directory;
#endif
}

/* A warning is all: volumes of containers are open to everybody as a rule, and
 * mail that may not wait in a queue is lost for sure. */
static void warn_of_place(const struct spool *spool)
{
	CLEANUP(buf_done) struct buf why = BUF(8192);

	if (!spool_place_is_safe(spool, &why))
		printf("  warning  %s\n", buf_text(&why));
}

/* Says where mail would wait; the directory need not be there yet. */
static int check_queue(const struct config *config)
{
	struct outbox outbox;
	struct error err = {0};
	int code = EX_OK;

	outbox_init(&outbox, config);
	if (outbox_open(&outbox, false, &err) || err.exit_code == EX_NOINPUT)
		printf("queue %s\n", outbox.directory);
	else
		code = fail(&err);
	if (outbox.spool) {
		warn_of_memory(outbox.directory);
		warn_of_place(outbox.spool);
	}
	outbox_done(&outbox);
	return code;
}

int pillarbox_check(int argc, char **argv, const char *config_file)
{
	struct call call = {0};
	struct config config = {0};
	const struct account *chosen;
	struct error err = {0};

	if (!parse(argc, argv, &call, &err) || !config_load(config_file, &config, &err))
		return fail(&err);
	printf("configuration %s\n",
		config.sources && config.sources[0] ? config.sources : "(none)");

	/* No account at all, or none of that name, is told in the usual words. */
	int code = config_choose(&config, call.account, NULL, NULL, &chosen, &err) ? EX_OK
										   : fail(&err);

	if (code == EX_OK)
		code = check_queue(&config);
	if (code == EX_OK)
		code = check_all(&config, &call);
	config_done(&config);
	return code;
}
