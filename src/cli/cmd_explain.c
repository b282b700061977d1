#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "cli/programs.h"
#include "config/options.h"

static const struct {
	int code;
	const char *words;
} codes[] = {
	{EX_OK, "every recipient was accepted, or the message is safe in the queue"},
	{EX_USAGE,
		"wrong use: an unknown option, a bad sender, or no recipients; nothing was sent"},
	{EX_DATAERR, "the message or an address cannot be sent as it is, or the server refused the "
		     "message"},
	{EX_NOINPUT, "there is no such file or queue entry"},
	{EX_NOUSER, "the server refused every recipient"},
	{EX_NOHOST, "the host name in the configuration cannot be used"},
	{EX_UNAVAILABLE, "the server refused the sender or the service"},
	{EX_SOFTWARE, "a fault in pillarbox"},
	{EX_OSERR, "the system has no process, descriptor or random number to give"},
	{EX_CANTCREAT, "the queue or a file in it cannot be made"},
	{EX_IOERR, "reading or writing failed"},
	{EX_TEMPFAIL, "neither sent nor queued now; try again"},
	{EX_PROTOCOL, "the server does not speak SMTP as it should"},
	{EX_NOPERM, "the server refused the login, or a file is not fit to be read"},
	{EX_CONFIG, "the configuration cannot be used"},
};

static bool explain_code(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		char number[8];

		snprintf(number, sizeof(number), "%d", codes[i].code);
		if (strcmp(number, word) != 0)
			continue;
		printf("exit code %s: %s\n", number, codes[i].words);
		return true;
	}
	return false;
}

static bool explain_key(const char *word)
{
	bool is_known = false;

	for (size_t i = 0; i < option_count; i++) {
		CLEANUP(buf_done) struct buf values = BUF(1024);

		if (strcmp(options[i].key, word) != 0)
			continue;
		option_describe(&options[i], &values);
		printf("[%s] %s\n  %s\n  values:  %s\n  default: %s\n", options[i].section,
			options[i].key, options[i].help, buf_text(&values),
			options[i].value       ? options[i].value
			: options[i].otherwise ? options[i].otherwise
					       : "none");
		is_known = true;
	}
	return is_known;
}

int pillarbox_explain(int argc, char **argv)
{
	struct error err = {0};
	CLEANUP(buf_done) struct buf meant = BUF(256);

	if (argc == 2 && (explain_code(argv[1]) || explain_key(argv[1])))
		return EX_OK;
	if (argc != 2) {
		error_set(&err, EX_USAGE, "'explain' takes one configuration key or exit code");
	} else {
		option_suggest(&meant, "account", slice_of(argv[1]));
		error_set(&err, EX_USAGE, "there is no key or exit code '%.64s'%s", argv[1],
			buf_text(&meant));
	}
	print_fault("pillarbox", &err);
	return EX_USAGE;
}
