#include <stdio.h>
#include <string.h>

#include "build_config.h"
#include "cli/print.h"
#include "cli/programs.h"
#include "cli/start.h"

/* What stands in front of the subcommand's own words. */
struct start {
	int argc;
	char **argv;
	const char *config_file;
	bool stdin_was_open;
};

static int run_send(const struct start *s)
{
	return pillarbox_send(s->argc, s->argv, s->config_file, s->stdin_was_open);
}

static int run_queue(const struct start *s)
{
	return pillarbox_queue(s->argc, s->argv, s->config_file);
}

static int run_check(const struct start *s)
{
	return pillarbox_check(s->argc, s->argv, s->config_file);
}

static int run_explain(const struct start *s)
{
	return pillarbox_explain(s->argc, s->argv);
}

static const struct command {
	const char *name;
	int (*run)(const struct start *s);
	bool helps_itself; /* it has a --help of its own */
	const char *usage;
	const char *help;
} commands[] = {
	{"send", run_send, true, "[options of sendmail] [recipient ...]",
		"send the message on standard input"},
	{"queue", run_queue, true, "[list|show|run|retry|hold|release|delete]",
		"look at what waits, and act on it"},
	{"check", run_check, false, "[--account NAME] [-v]",
		"try the configuration against the server"},
	{"explain", run_explain, false, "KEY|CODE",
		"what a configuration key or an exit code means"},
};

static int print_help(void)
{
	puts("usage: pillarbox [--config FILE] COMMAND ...\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-8s %-42s %s\n", commands[i].name, commands[i].usage, commands[i].help);
	puts("\n  --config FILE   read this file in place of the system's and your own\n"
	     "  --help          this text\n"
	     "  --version       the version\n"
	     "\n"
	     "See pillarbox(1), pillarbox.conf(5), pillarbox-queue(7).");
	return EX_OK;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int run_command(const struct command *c, const struct start *s)
{
	if (c->helps_itself || s->argc < 2 || !is_help(s->argv[1]))
		return c->run(s);
	printf("usage: pillarbox %s %s\n\n  %s\n", c->name, c->usage, c->help);
	return EX_OK;
}

static int usage_fault(const char *word)
{
	struct error err = {0};

	if (word)
		error_set(&err, EX_USAGE, "there is no command '%.64s'", word);
	else
		error_set(&err, EX_USAGE, "no command given");
	error_hint(&err, "'pillarbox --help' lists them");
	print_fault("pillarbox", &err);
	return EX_USAGE;
}

/* Moves "--config FILE", before or behind the command's name, out of the way. */
static bool take_config(struct start *s, int at)
{
	static const char option[] = "--config";

	if (at + 1 < s->argc && strcmp(s->argv[at], option) == 0) {
		s->config_file = s->argv[at + 1];
		memmove(&s->argv[at], &s->argv[at + 2],
			(size_t)(s->argc - at - 1) * sizeof(*s->argv));
		s->argc -= 2;
		return true;
	}
	if (at < s->argc && strncmp(s->argv[at], "--config=", sizeof(option)) == 0) {
		s->config_file = s->argv[at] + sizeof(option);
		memmove(&s->argv[at], &s->argv[at + 1], (size_t)(s->argc - at) * sizeof(*s->argv));
		s->argc--;
		return true;
	}
	return false;
}

static int dispatch(struct start *s)
{
	while (take_config(s, 1))
		continue;
	if (s->argc < 2)
		return usage_fault(NULL);
	if (is_help(s->argv[1]) || strcmp(s->argv[1], "help") == 0)
		return print_help();
	if (strcmp(s->argv[1], "--version") == 0) {
		puts("pillarbox " PILLARBOX_VERSION);
		return EX_OK;
	}
	s->argc--;
	s->argv++;
	while (take_config(s, 1))
		continue;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(s->argv[0], commands[i].name) == 0)
			return run_command(&commands[i], s);
	return usage_fault(s->argv[0]);
}

int pillarbox_main(int argc, char **argv)
{
	struct start s = {.argc = argc, .argv = argv};
	struct error err = {0};

	if (start_process(&s.stdin_was_open, &err))
		return print_finish("pillarbox", dispatch(&s));
	print_fault("pillarbox", &err);
	return err.exit_code;
}
