#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "cli/args.h"

enum { MOST_WORDS = 16 };

/* A command line that ends with NULL. */
struct line {
	const char *words[MOST_WORDS];
};

static int words_of(const struct line *line)
{
	int count = 0;

	while (count < MOST_WORDS && line->words[count])
		count++;
	return count;
}

/* Arguments are not const for historical reasons; none of them is written to. */
static bool parse(const struct line *line, struct request *out, struct error *err)
{
	static char *argv[MOST_WORDS + 1];
	int argc = words_of(line);

	for (int i = 0; i < argc; i++)
		argv[i] = (char *)(uintptr_t)line->words[i];
	argv[argc] = NULL;
	return args_parse(argc, argv, out, err);
}

/* The same for pillarbox send, whose long options have values. */
static void send_takes_account_and_file_anywhere(void **state)
{
	static const struct line lines[] = {
		{{"send", "--account", "work", "--config", "file", "-t", "a@b.c"}},
		{{"send", "-t", "a@b.c", "--account=work", "--config=file"}},
		{{"send", "--config=other", "a@b.c", "--config", "file", "-a", "work", "-ti"}},
	};
	static const struct line faulty[] = {
		{{"send", "--config"}},
		{{"send", "a@b.c", "--account"}},
		{{"send", "--configuration=x"}},
		{{"send", "--help=x"}},
	};
	struct request r;
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char *argv[MOST_WORDS + 1];

		memcpy(argv, lines[i].words, sizeof(lines[i].words));
		if (!args_parse_send(words_of(&lines[i]), argv, &r, &err))
			fail_msg("%zu: %s", i, err.text);
		assert_string_equal(r.submission.account, "work");
		assert_string_equal(r.config_file, "file");
		assert_int_equal(r.submission.operand_count, 1);
		assert_true(r.submission.reads_headers);
		/* As sendmail, no word names a file. */
		assert_false(parse(&lines[i], &r, &err));
	}
	for (size_t i = 0; i < ARRAY_LEN(faulty); i++) {
		char *argv[MOST_WORDS + 1];

		memcpy(argv, faulty[i].words, sizeof(faulty[i].words));
		assert_false(args_parse_send(words_of(&faulty[i]), argv, &r, &err));
		assert_int_equal(err.exit_code, EX_USAGE);
	}
}

/* The operands with blanks between them. */
static const char *operands(const struct request *r)
{
	static char text[512];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < r->submission.operand_count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
			r->submission.operands[i]);
	return text;
}

static void expect_operands(const struct line *line, const char *want)
{
	struct request r;
	struct error err = {0};

	if (!parse(line, &r, &err))
		fail_msg("%s: %s", line->words[1], err.text);
	if (strcmp(operands(&r), want) != 0)
		fail_msg("%s %s: '%s'", line->words[1], line->words[2], operands(&r));
	if (r.mode != MODE_SEND)
		fail_msg("%s: mode %d", line->words[1], (int)r.mode);
}

/* C09: each row of the contract's table takes what it takes and no more. */
static void options_take_what_the_table_says(void **state)
{
	static const struct line alone[] = {
		/* no value: the next word is a recipient */
		{{"sendmail", "-t", "r@x"}},
		{{"sendmail", "-i", "r@x"}},
		{{"sendmail", "-v", "r@x"}},
		{{"sendmail", "-m", "r@x"}},
		{{"sendmail", "-n", "r@x"}},
		{{"sendmail", "-s", "r@x"}},
		{{"sendmail", "-c", "r@x"}},
		{{"sendmail", "-T", "r@x"}},
		{{"sendmail", "-U", "r@x"}},
		{{"sendmail", "-G", "r@x"}},
		{{"sendmail", "-J", "r@x"}},
		{{"sendmail", "-Q", "r@x"}},
		{{"sendmail", "-bm", "r@x"}},
		/* attached only */
		{{"sendmail", "-d", "r@x"}},
		{{"sendmail", "-d9.1", "r@x"}},
		{{"sendmail", "-Am", "r@x"}},
		{{"sendmail", "-Ac", "r@x"}},
		{{"sendmail", "-A", "r@x"}},
		{{"sendmail", "-em", "r@x"}},
		{{"sendmail", "-e", "r@x"}},
		{{"sendmail", "-e", "root", "-v"}},
		{{"sendmail", "-oi", "r@x"}},
		{{"sendmail", "-odi", "r@x"}},
		{{"sendmail", "-oem", "r@x"}},
		{{"sendmail", "-om", "r@x"}},
		{{"sendmail", "-or5m", "r@x"}},
		{{"sendmail", "-oA/etc/aliases", "r@x"}},
		{{"sendmail", "-oZ9", "r@x"}},
		{{"sendmail", "-o", "r@x"}},
		{{"sendmail", "-o", "root"}},
		{{"sendmail", "-o", "-t", "r@x"}},
		/* one more word */
		{{"sendmail", "-f", "s@x", "r@x"}},
		{{"sendmail", "-r", "s@x", "r@x"}},
		{{"sendmail", "-F", "Name", "r@x"}},
		{{"sendmail", "-B", "8BITMIME", "r@x"}},
		{{"sendmail", "-N", "never", "r@x"}},
		{{"sendmail", "-R", "hdrs", "r@x"}},
		{{"sendmail", "-V", "id", "r@x"}},
		{{"sendmail", "-O", "DeliveryMode=b", "r@x"}},
		{{"sendmail", "-h", "17", "r@x"}},
		{{"sendmail", "-L", "tag", "r@x"}},
		{{"sendmail", "-p", "esmtp:host", "r@x"}},
		{{"sendmail", "-X", "/tmp/log", "r@x"}},
		{{"sendmail", "-D", "/tmp/log", "r@x"}},
		{{"sendmail", "-C", "/etc/mail.cf", "r@x"}},
		{{"sendmail", "-a", "work", "r@x"}},
		{{"sendmail", "-e", "m", "r@x"}},
		{{"sendmail", "-A", "c", "r@x"}},
		{{"sendmail", "-o", "i", "r@x"}},
		{{"sendmail", "-o", "em", "r@x"}},
		{{"sendmail", "-o", "iTrue", "r@x"}},
		{{"sendmail", "-o", "Q/var/spool", "r@x"}},
		/* the same attached */
		{{"sendmail", "-fs@x", "r@x"}},
		{{"sendmail", "-FName", "r@x"}},
		{{"sendmail", "-B8BITMIME", "r@x"}},
		{{"sendmail", "-Nnever", "r@x"}},
		{{"sendmail", "-Rfull", "r@x"}},
		{{"sendmail", "-Vid", "r@x"}},
		{{"sendmail", "-ODeliveryMode=b", "r@x"}},
		{{"sendmail", "-h17", "r@x"}},
		{{"sendmail", "-C/etc/mail.cf", "r@x"}},
		/* a macro: its name, and a value where that stands apart */
		{{"sendmail", "-M", "r", "smtp", "r@x"}},
		{{"sendmail", "-Mrsmtp", "r@x"}},
		{{"sendmail", "-M", "rsmtp", "r@x"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(alone); i++)
		expect_operands(&alone[i], strcmp(alone[i].words[2], "root") == 0 ? "root" : "r@x");
}

static void operands_keep_their_order_around_options(void **state)
{
	static const struct {
		struct line line;
		const char *want;
	} cases[] = {
		{{{"sendmail"}}, ""},
		{{{"sendmail", "a", "b"}}, "a b"},
		{{{"sendmail", "a", "-f", "x@y", "b", "-oi", "c"}}, "a b c"},
		{{{"sendmail", "a", "--", "-x@y", "--", "-f"}}, "a -x@y -- -f"},
		{{{"sendmail", "--"}}, ""},
		{{{"sendmail", "-f", "--", "a"}}, "a"},
		{{{"sendmail", "-i", "", "b"}}, " b"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request r;
		struct error err = {0};

		assert_ok(parse(&cases[i].line, &r, &err), err);
		assert_string_equal(operands(&r), cases[i].want);
	}
}

static void clusters_are_taken_apart(void **state)
{
	static const struct line lines[] = {
		{{"sendmail", "-ti"}},
		{{"sendmail", "-it"}},
		{{"sendmail", "-t", "-i"}},
		{{"sendmail", "-oi", "-t"}},
		{{"sendmail", "-oitrue", "-t"}},
		{{"sendmail", "-itf", "s@x"}},
		{{"sendmail", "-itfs@x"}},
		{{"sendmail", "-vti", "-OIgnoreDots=true"}},
		{{"sendmail", "-t", "-O", "IgnoreDots"}},
		{{"sendmail", "-t", "-o", "i"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct request r;
		struct error err = {0};

		assert_ok(parse(&lines[i], &r, &err), err);
		if (!r.submission.reads_headers || !r.submission.ignores_dots)
			fail_msg("%s", lines[i].words[1]);
		assert_int_equal(r.submission.operand_count, 0);
	}
}

/* -oit sets an option to "t"; some mean -oi -t by it. */
static void oit_reads_the_header_without_recipients_alone(void **state)
{
	struct request r;
	struct error err = {0};

	(void)state;
	assert_ok(parse(&(struct line){{"sendmail", "-oit"}}, &r, &err), err);
	assert_true(r.submission.ignores_dots && r.submission.reads_headers_alone);
	assert_false(r.submission.reads_headers);
}

static void dots_are_ignored_only_where_asked(void **state)
{
	static const struct line lines[] = {
		{{"sendmail", "-t"}},
		{{"sendmail", "-t", "-oifalse"}},
		{{"sendmail", "-t", "-OIgnoreDots=no"}},
		{{"sendmail", "-t", "-oe"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct request r;
		struct error err = {0};

		assert_ok(parse(&lines[i], &r, &err), err);
		assert_false(r.submission.ignores_dots);
	}
}

static void the_last_sender_wins(void **state)
{
	static const struct {
		struct line line;
		const char *want;
	} cases[] = {
		{{{"sendmail", "-f", "a@x", "-r", "b@x"}}, "b@x"},
		{{{"sendmail", "-rb@x", "-fa@x"}}, "a@x"},
		{{{"sendmail", "-f", ""}}, ""},
		{{{"sendmail", "-f", "<>"}}, "<>"},
		{{{"sendmail", "-f", "-t"}}, "-t"},
		{{{"sendmail", "-t"}}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request r;
		struct error err = {0};

		assert_ok(parse(&cases[i].line, &r, &err), err);
		if (!cases[i].want)
			assert_null(r.submission.sender);
		else
			assert_string_equal(r.submission.sender, cases[i].want);
	}
}

static void delivery_is_what_the_last_option_says(void **state)
{
	static const struct {
		struct line line;
		bool has;
		enum delivery want;
	} cases[] = {
		{{{"sendmail", "-t"}}, false, DELIVERY_FOREGROUND},
		{{{"sendmail", "-odi"}}, true, DELIVERY_FOREGROUND},
		{{{"sendmail", "-odb"}}, true, DELIVERY_BACKGROUND},
		{{{"sendmail", "-odq"}}, true, DELIVERY_QUEUE},
		{{{"sendmail", "-odd"}}, true, DELIVERY_QUEUE},
		{{{"sendmail", "-odb", "-odi"}}, true, DELIVERY_FOREGROUND},
		{{{"sendmail", "-od"}}, false, DELIVERY_FOREGROUND},
		{{{"sendmail", "-odx"}}, false, DELIVERY_FOREGROUND},
		{{{"sendmail", "-ODeliveryMode=b"}}, true, DELIVERY_BACKGROUND},
		{{{"sendmail", "-O", "deliverymode=Queue"}}, true, DELIVERY_QUEUE},
		{{{"sendmail", "-O", "DeliveryMode = i"}}, true, DELIVERY_FOREGROUND},
		{{{"sendmail", "-O", "DeliveryMode"}}, false, DELIVERY_FOREGROUND},
		{{{"sendmail", "-O", "=b"}}, false, DELIVERY_FOREGROUND},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request r;
		struct error err = {0};

		assert_ok(parse(&cases[i].line, &r, &err), err);
		if (r.submission.has_delivery != cases[i].has ||
			r.submission.delivery != cases[i].want)
			fail_msg("%s", cases[i].line.words[1]);
	}
}

static void values_that_mean_nothing_change_nothing(void **state)
{
	static const struct line lines[] = {
		{{"sendmail", "-N", "bogus", "-R", "some", "-V", "\xc3\xa4", "-B", "9BIT"}},
		{{"sendmail", "-N", "never,delay", "-R", "", "-V", "", "-h", "many"}},
		{{"sendmail", "-N", "", "-Rx", "-h", "-1", "-B", ""}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct request r;
		struct error err = {0};

		assert_ok(parse(&lines[i], &r, &err), err);
		assert_int_equal(r.submission.notify, 0);
		assert_int_equal(r.submission.ret, DSN_RETURN_UNSET);
		assert_null(r.submission.envid);
		assert_int_equal(r.submission.operand_count, 0);
	}
}

static void values_that_mean_something_are_kept(void **state)
{
	struct request r;
	struct error err = {0};
	static const struct line line = {{"sendmail", "-N", "success,delay", "-Rhdrs", "-V", "a b",
		"-FCron Daemon", "-a", "work", "-v", "-t"}};

	(void)state;
	assert_ok(parse(&line, &r, &err), err);
	assert_int_equal(r.submission.notify, DSN_SUCCESS | DSN_DELAY);
	assert_int_equal(r.submission.ret, DSN_RETURN_HEADERS);
	assert_string_equal(r.submission.envid, "a+20b");
	assert_string_equal(r.submission.full_name, "Cron Daemon");
	assert_string_equal(r.submission.account, "work");
	assert_true(r.verbose && r.submission.reads_headers);
}

static void modes_follow_option_and_name(void **state)
{
	static const struct {
		struct line line;
		enum mode want;
	} cases[] = {
		{{{"sendmail"}}, MODE_SEND},
		{{{"/usr/lib/sendmail", "-t"}}, MODE_SEND},
		{{{"send-mail"}}, MODE_SEND},
		{{{"-sendmail"}}, MODE_SEND},
		{{{"mailq"}}, MODE_LIST},
		{{{"/usr/bin/mailq", "-v", "-Ac"}}, MODE_LIST},
		{{{"newaliases"}}, MODE_ALIASES},
		{{{"/usr/bin/newaliases", "-v"}}, MODE_ALIASES},
		{{{"sendmail", "-bs"}}, MODE_SMTP},
		{{{"sendmail", "-bs", "-i"}}, MODE_SMTP},
		{{{"sendmail", "-bs", "-odb", "-oem"}}, MODE_SMTP},
		{{{"sendmail", "-bp"}}, MODE_LIST},
		{{{"sendmail", "-bi"}}, MODE_ALIASES},
		{{{"sendmail", "-I"}}, MODE_ALIASES},
		{{{"sendmail", "-bv", "a@x"}}, MODE_VERIFY},
		{{{"sendmail", "-bs", "-bm"}}, MODE_SEND},
		{{{"sendmail", "-q"}}, MODE_QUEUE_RUN},
		{{{"sendmail", "-qf"}}, MODE_QUEUE_RUN},
		{{{"sendmail", "-q", "-v"}}, MODE_QUEUE_RUN},
		{{{"sendmail", "-q30m"}}, MODE_NOTHING},
		{{{"sendmail", "-q1h30m"}}, MODE_NOTHING},
		{{{"sendmail", "-qp"}}, MODE_NOTHING},
		{{{"sendmail", "-qGgroup"}}, MODE_NOTHING},
		{{{"sendmail", "--help"}}, MODE_HELP},
		{{{"sendmail", "--version"}}, MODE_VERSION},
		{{{"sendmail", "-d0.1"}}, MODE_VERSION},
		{{{"sendmail", "-d0.10"}}, MODE_SEND},
		{{{"sendmail", "-d0"}}, MODE_SEND},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request r;
		struct error err = {0};

		assert_ok(parse(&cases[i].line, &r, &err), err);
		if (r.mode != cases[i].want)
			fail_msg("%s %s: %d", cases[i].line.words[0], cases[i].line.words[1],
				(int)r.mode);
	}
}

static void a_queue_run_can_be_filtered(void **state)
{
	struct request r;
	struct error err = {0};

	(void)state;
	assert_ok(parse(&(struct line){{"sendmail", "-qI6", "-qRbob@x", "-qSann"}}, &r, &err), err);
	assert_int_equal(r.mode, MODE_QUEUE_RUN);
	assert_string_equal(r.filter.id, "6");
	assert_string_equal(r.filter.recipient, "bob@x");
	assert_string_equal(r.filter.sender, "ann");
}

/* C10, C11: one line names the option, and nothing is taken over. */
static void what_is_unknown_is_refused(void **state)
{
	static const struct {
		struct line line;
		const char *word;
	} cases[] = {
		{{{"sendmail", "-Z", "a@x"}}, "-Z"},
		{{{"sendmail", "-x"}}, "-x"},
		{{{"sendmail", "-E"}}, "-E"},
		{{{"sendmail", "-tx"}}, "-x"},
		{{{"sendmail", "a@x", "-y@x"}}, "-y"},
		{{{"sendmail", "-"}}, "-"},
		{{{"sendmail", "--help-me"}}, "--help-me"},
		{{{"sendmail", "--config=/x"}}, "--config=/x"},
		{{{"sendmail", "-bd"}}, "-bd"},
		{{{"sendmail", "-bD"}}, "-bD"},
		{{{"sendmail", "-bl"}}, "-bl"},
		{{{"sendmail", "-bt"}}, "-bt"},
		{{{"sendmail", "-bh"}}, "-bh"},
		{{{"sendmail", "-bH"}}, "-bH"},
		{{{"sendmail", "-bP"}}, "-bP"},
		{{{"sendmail", "-ba"}}, "-ba"},
		{{{"sendmail", "-bC"}}, "-bC"},
		{{{"sendmail", "-bz"}}, "-bz"},
		{{{"sendmail", "-bsx"}}, "-bsx"},
		{{{"sendmail", "-bd", "-q30m"}}, "-bd"},
		{{{"sendmail", "-b", ""}}, "-b"},
		{{{"sendmail", "-f"}}, "-f"},
		{{{"sendmail", "-t", "-F"}}, "-F"},
		{{{"sendmail", "-b"}}, "-b"},
		{{{"sendmail", "-M"}}, "-M"},
		{{{"sendmail", "-q", "a@x"}}, "-q"},
		{{{"sendmail", "-q30m", "a@x"}}, "-q"},
		{{{"sendmail", "-qRx", "a@x"}}, "-q"},
		{{{"sendmail", "-I", "a@x"}}, "-I"},
		{{{"sendmail", "-q", "--", "a@x"}}, "-q"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request r = {.verbose = true};
		struct error err = {0};

		if (parse(&cases[i].line, &r, &err))
			fail_msg("%s is taken", cases[i].line.words[1]);
		assert_int_equal(err.exit_code, EX_USAGE);
		if (!strstr(err.text, cases[i].word))
			fail_msg("%s: '%s'", cases[i].word, err.text);
		assert_true(r.verbose); /* out is untouched */
	}
}

static void a_daemon_is_pointed_to_the_runner(void **state)
{
	struct request r;
	struct error err = {0};

	(void)state;
	assert_false(parse(&(struct line){{"sendmail", "-bd"}}, &r, &err));
	assert_non_null(strstr(err.hint, "sendmail -q"));
	err = (struct error){0};
	assert_false(parse(&(struct line){{"sendmail", "-b", ""}}, &r, &err));
	assert_null(strstr(err.hint, "daemon"));
}

static void an_empty_argv_is_a_call_without_words(void **state)
{
	char *argv[] = {NULL};
	struct request r;
	struct error err = {0};

	(void)state;
	assert_ok(args_parse(0, argv, &r, &err), err);
	assert_int_equal(r.mode, MODE_SEND);
	assert_int_equal(r.submission.operand_count, 0);
}

/* The help comes from the same table; it lists what people use. */
static bool parse_send(const struct line *line, struct request *out, struct error *err)
{
	static char *argv[MOST_WORDS + 1];
	int argc = words_of(line);

	for (int i = 0; i < argc; i++)
		argv[i] = (char *)(uintptr_t)line->words[i];
	argv[argc] = NULL;
	return args_parse_send(argc, argv, out, err);
}

static void the_tool_takes_long_options_besides(void **state)
{
	static const struct line line = {{"send", "-t", "--require-tls", "--deliver-by", "2h;R",
		"--priority=-3", "bob@example.net", "--hold-for", "90s", "--account", "work",
		"--config=/etc/x", "-fann@example.org", "--", "--priority"}};
	struct request r;
	struct error err = {0};

	(void)state;
	assert_ok(parse_send(&line, &r, &err), err);
	assert_true(r.submission.reads_headers);
	assert_string_equal(operands(&r), "bob@example.net --priority");
	assert_string_equal(r.submission.account, "work");
	assert_string_equal(r.submission.sender, "ann@example.org");
	assert_string_equal(r.config_file, "/etc/x");

	const struct demands *d = &r.submission.demands;

	assert_true(d->require_tls);
	assert_int_equal(d->deliver_by_s, 7200);
	assert_int_equal(d->deliver_by_mode, 'R');
	assert_true(d->has_priority);
	assert_int_equal(d->priority, -3);
	assert_int_equal(d->hold_for_s, 90);
}

static void forms_of_deliver_by(void **state)
{
	static const struct {
		const char *value;
		long seconds;
		char mode;
	} cases[] = {
		{"2h", 7200, 'N'},
		{"2h;N", 7200, 'N'},
		{"2h;r", 7200, 'R'},
		{"2h return", 7200, 'R'},
		{"90s notify", 90, 'N'},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct line line = {{"send", "--deliver-by", cases[i].value}};
		struct request r;
		struct error err = {0};

		assert_ok(parse_send(&line, &r, &err), err);
		assert_int_equal(r.submission.demands.deliver_by_s, cases[i].seconds);
		assert_int_equal(r.submission.demands.deliver_by_mode, cases[i].mode);
	}
}

static void bad_demands_are_faults_of_usage(void **state)
{
	static const struct line cases[] = {
		{{"send", "--priority"}},
		{{"send", "--priority", "10"}},
		{{"send", "--priority", "high"}},
		{{"send", "--deliver-by", ""}},
		{{"send", "--deliver-by", "soon"}},
		{{"send", "--deliver-by", "2h;X"}},
		{{"send", "--deliver-by", ";R"}},
		{{"send", "--deliver-by", "0s"}},
		{{"send", "--hold-for", "-1h"}},
		{{"send", "--hold-for=100000000h"}},
		{{"send", "--require-tls=yes"}},
		{{"send", "--require"}},
		{{"send", "--unknown", "x"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request r;
		struct error err = {0};

		if (parse_send(&cases[i], &r, &err))
			fail_msg("%s is taken", cases[i].words[1]);
		assert_int_equal(err.exit_code, EX_USAGE);
	}
}

/* Called as sendmail no option names a file, and none is longer than a letter. */
static void sendmail_takes_none_of_them(void **state)
{
	static const char *const words[] = {"--account=work", "--config=/etc/x", "--require-tls",
		"--deliver-by=2h", "--priority=1", "--hold-for=1h"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct line line = {{"sendmail", words[i], "bob@example.net"}};
		struct request r;
		struct error err = {0};

		assert_false(parse(&line, &r, &err));
		assert_int_equal(err.exit_code, EX_USAGE);
	}
}

static void help_lists_the_options(void **state)
{
	static const char *const words[] = {"-t", "-i", "-f ADDRESS", "-F NAME", "-a ACCOUNT", "-v",
		"-N WHEN", "-R WHAT", "-V ID", "-b MODE", "-q", "--help", "--version"};
	char text[8192] = "";
	int saved = dup(STDOUT_FILENO);
	int file = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	(void)state;
	assert_true(saved >= 0 && file >= 0);
	fflush(stdout);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	args_print_help(false);
	fflush(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
	close(file);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strstr(text, words[i]))
			fail_msg("%s is missing", words[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_take_what_the_table_says),
		cmocka_unit_test(operands_keep_their_order_around_options),
		cmocka_unit_test(clusters_are_taken_apart),
		cmocka_unit_test(oit_reads_the_header_without_recipients_alone),
		cmocka_unit_test(dots_are_ignored_only_where_asked),
		cmocka_unit_test(the_last_sender_wins),
		cmocka_unit_test(delivery_is_what_the_last_option_says),
		cmocka_unit_test(values_that_mean_nothing_change_nothing),
		cmocka_unit_test(values_that_mean_something_are_kept),
		cmocka_unit_test(modes_follow_option_and_name),
		cmocka_unit_test(a_queue_run_can_be_filtered),
		cmocka_unit_test(what_is_unknown_is_refused),
		cmocka_unit_test(a_daemon_is_pointed_to_the_runner),
		cmocka_unit_test(an_empty_argv_is_a_call_without_words),
		cmocka_unit_test(send_takes_account_and_file_anywhere),
		cmocka_unit_test(the_tool_takes_long_options_besides),
		cmocka_unit_test(forms_of_deliver_by),
		cmocka_unit_test(bad_demands_are_faults_of_usage),
		cmocka_unit_test(sendmail_takes_none_of_them),
		cmocka_unit_test(help_lists_the_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
