#include "cli/args.h"

#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "cli/send_args.h"

/* Where an option's value stands. */
enum value {
	VALUE_NONE,     /* it has none */
	VALUE_REQUIRED, /* attached, or the next word */
	VALUE_ATTACHED, /* attached or missing; never the next word */
	VALUE_LETTER,   /* attached; the next word only where it is one letter: -e m */
	VALUE_SETTING,  /* attached; the next word only where it is no recipient: -o i */
	VALUE_MACRO,    /* as required; a name of one letter is followed by one more word */
};

typedef bool option_fn(struct request *r, const char *value, struct error *err);

static bool set_account(struct request *r, const char *value, UNUSED struct error *err)
{
	r->submission.account = value;
	return true;
}

static bool set_sender(struct request *r, const char *value, UNUSED struct error *err)
{
	r->submission.sender = value;
	return true;
}

static bool set_full_name(struct request *r, const char *value, UNUSED struct error *err)
{
	r->submission.full_name = value;
	return true;
}

static bool set_reads_headers(struct request *r, UNUSED const char *value, UNUSED struct error *err)
{
	r->submission.reads_headers = true;
	return true;
}

static bool set_ignores_dots(struct request *r, UNUSED const char *value, UNUSED struct error *err)
{
	r->submission.ignores_dots = true;
	return true;
}

static bool set_verbose(struct request *r, UNUSED const char *value, UNUSED struct error *err)
{
	r->verbose = true;
	return true;
}

static bool set_aliases(struct request *r, UNUSED const char *value, UNUSED struct error *err)
{
	r->mode = MODE_ALIASES;
	return true;
}

static bool set_notify(struct request *r, const char *value, UNUSED struct error *err)
{
	if (!dsn_notify_read(slice_of(value), &r->submission.notify) && r->verbose)
		fprintf(stderr, "sendmail: -N %s is not understood and ignored\n", value);
	return true;
}

static bool set_return(struct request *r, const char *value, UNUSED struct error *err)
{
	if (!dsn_return_read(slice_of(value), &r->submission.ret) && r->verbose)
		fprintf(stderr, "sendmail: -R %s is not understood and ignored\n", value);
	return true;
}

static bool set_envid(struct request *r, const char *value, UNUSED struct error *err)
{
	if (!dsn_envid_read(slice_of(value), r->envid) && r->verbose)
		fputs("sendmail: the value of -V is not understood and ignored\n", stderr);
	return true;
}

static void set_delivery(struct request *r, char letter)
{
	static const struct {
		char letter;
		enum delivery delivery;
	} modes[] = {
		{'i', DELIVERY_FOREGROUND},
		{'b', DELIVERY_BACKGROUND},
		{'q', DELIVERY_QUEUE},
		{'d', DELIVERY_QUEUE},
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (modes[i].letter != letter)
			continue;
		r->submission.delivery = modes[i].delivery;
		r->submission.has_delivery = true;
	}
}

/* "true", "t", "yes", "y", "1" and nothing at all mean yes. */
static bool means_yes(const char *value)
{
	return *value == '\0' || strchr("tTyY1", *value) != NULL;
}

/* -oX and -oXvalue: unknown letters are ignored, whatever they would set. */
static bool set_short_option(struct request *r, const char *value, UNUSED struct error *err)
{
	if (value[0] == 'i' && means_yes(value + 1))
		r->submission.ignores_dots = true;
	if (value[0] == 'd')
		set_delivery(r, value[1]);
	/* "-oit" sets option i to "t"; some callers mean -oi -t by it. Where no
	 * recipient is given, reading the header is all that can be meant. */
	if (strcmp(value, "it") == 0)
		r->submission.reads_headers_alone = true;
	return true;
}

/* -O Name=value: three of them mean something here. */
static bool set_long_option(struct request *r, const char *value, UNUSED struct error *err)
{
	size_t equals = slice_find(slice_of(value), '=');
	struct slice name = slice_trim(slice_upto(slice_of(value), equals));
	struct slice rest = slice_trim(slice_from(slice_of(value), equals + 1));

	if (slice_ieq(name, SLICE("DeliveryMode")) && rest.len > 0)
		set_delivery(r, ascii_lower(rest.ptr[0]));
	if (slice_ieq(name, SLICE("IgnoreDots")) && (rest.len == 0 || strchr("tTyY1", rest.ptr[0])))
		r->submission.ignores_dots = true;
	return true;
}

static bool set_mode(struct request *r, const char *value, struct error *err)
{
	static const struct {
		char letter;
		enum mode mode;
	} modes[] = {
		{'m', MODE_SEND},
		{'s', MODE_SMTP},
		{'p', MODE_LIST},
		{'i', MODE_ALIASES},
		{'v', MODE_VERIFY},
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (modes[i].letter != value[0] || value[1] != '\0')
			continue;
		r->mode = modes[i].mode;
		return true;
	}
	error_set(err, EX_USAGE, "there is no mode -b%.16s", value);
	if (value[0] != '\0' && strchr("dDl", value[0]))
		return error_hint(err, "pillarbox is no daemon: 'sendmail -q' or 'pillarbox queue "
				       "run' tries what is queued");
	return error_hint(err, "modes are -bm, -bs, -bp, -bi and -bv");
}

static bool set_queue_run(struct request *r, const char *value, UNUSED struct error *err)
{
	static const struct {
		char letter;
		size_t place;
	} filters[] = {
		{'I', offsetof(struct queue_filter, id)},
		{'R', offsetof(struct queue_filter, recipient)},
		{'S', offsetof(struct queue_filter, sender)},
	};

	r->mode = value[0] == '\0' || strcmp(value, "f") == 0 ? MODE_QUEUE_RUN : MODE_NOTHING;
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		if (value[0] != filters[i].letter)
			continue;
		*(const char **)((char *)&r->filter + filters[i].place) = value + 1;
		r->mode = MODE_QUEUE_RUN;
	}
	return true;
}

static bool set_debug(struct request *r, const char *value, UNUSED struct error *err)
{
	if (strcmp(value, "0.1") == 0)
		r->mode = MODE_VERSION;
	return true;
}

/* apply NULL: taken, with its value, for old callers; changes nothing. Values
 * that would name a file, a directory or a program are never looked at. */
static const struct option {
	char letter;
	enum value value;
	option_fn *apply;
	const char *value_name;
	const char *help; /* NULL: not listed */
} options[] = {
	{'t', VALUE_NONE, set_reads_headers, NULL, "take recipients from To, Cc and Bcc"},
	{'i', VALUE_NONE, set_ignores_dots, NULL,
		"a line with a single dot does not end the message"},
	{'f', VALUE_REQUIRED, set_sender, "ADDRESS",
		"envelope sender; '' or <> is the null sender"},
	{'r', VALUE_REQUIRED, set_sender, NULL, NULL},
	{'F', VALUE_REQUIRED, set_full_name, "NAME", "name for a From field that has to be added"},
	{'a', VALUE_REQUIRED, set_account, "ACCOUNT", "the account of the configuration to use"},
	{'v', VALUE_NONE, set_verbose, NULL, "show the dialogue with the server on standard error"},
	{'N', VALUE_REQUIRED, set_notify, "WHEN",
		"delivery notices: never, or success,failure,delay"},
	{'R', VALUE_REQUIRED, set_return, "WHAT", "what notices return: full or hdrs"},
	{'V', VALUE_REQUIRED, set_envid, "ID", "envelope identifier for notices"},
	{'b', VALUE_REQUIRED, set_mode, "MODE",
		"m send, s SMTP on standard input, p list the queue, i check aliases, v verify"},
	{'q', VALUE_ATTACHED, set_queue_run, NULL,
		"try all that is queued now; -qI, -qR, -qS with a text: some of it"},
	{'o', VALUE_SETTING, set_short_option, "X",
		"odi send now, odb in the background, odq queue only; others are ignored"},
	{'O', VALUE_REQUIRED, set_long_option, "NAME=VALUE",
		"DeliveryMode and IgnoreDots; others are ignored"},
	{'d', VALUE_ATTACHED, set_debug, NULL, NULL},
	{'I', VALUE_NONE, set_aliases, NULL, NULL},
	{'A', VALUE_LETTER, NULL, NULL, NULL},
	{'B', VALUE_REQUIRED, NULL, NULL, NULL},
	{'C', VALUE_REQUIRED, NULL, NULL, NULL},
	{'D', VALUE_REQUIRED, NULL, NULL, NULL},
	{'G', VALUE_NONE, NULL, NULL, NULL},
	{'J', VALUE_NONE, NULL, NULL, NULL},
	{'L', VALUE_REQUIRED, NULL, NULL, NULL},
	{'M', VALUE_MACRO, NULL, NULL, NULL},
	{'Q', VALUE_NONE, NULL, NULL, NULL},
	{'T', VALUE_NONE, NULL, NULL, NULL},
	{'U', VALUE_NONE, NULL, NULL, NULL},
	{'X', VALUE_REQUIRED, NULL, NULL, NULL},
	{'c', VALUE_NONE, NULL, NULL, NULL},
	{'e', VALUE_LETTER, NULL, NULL, NULL},
	{'h', VALUE_REQUIRED, NULL, NULL, NULL},
	{'m', VALUE_NONE, NULL, NULL, NULL},
	{'n', VALUE_NONE, NULL, NULL, NULL},
	{'p', VALUE_REQUIRED, NULL, NULL, NULL},
	{'s', VALUE_NONE, NULL, NULL, NULL},
};

static const struct option *find_option(char letter)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

/* The words that are left to read. */
struct words_left {
	int count;
	char **words;
};

static const char *next_word(struct words_left *left)
{
	if (left->count == 0)
		return NULL;
	left->count--;
	return *left->words++;
}

/* True for what could be the value of -o in a word of its own: a letter, two,
 * or something that nobody is called. A recipient is never swallowed. */
static bool is_setting(const char *word)
{
	struct slice s = slice_of(word);

	if (s.len <= 2 || slice_ieq(s, SLICE("itrue")))
		return true;
	return !(word[0] >= 'a' && word[0] <= 'z') && slice_find(s, '@') == s.len;
}

/* True where the next word is the value of an option without an attached one. */
static bool takes_next(const struct option *o, const struct words_left *left)
{
	const char *next = left->count > 0 ? left->words[0] : "-";

	switch (o->value) {
	case VALUE_REQUIRED:
	case VALUE_MACRO:
		return true;
	case VALUE_LETTER:
		return ascii_is_alpha(next[0]) && next[1] == '\0';
	case VALUE_SETTING:
		return next[0] != '-' && next[0] != '\0' && is_setting(next);
	case VALUE_NONE:
	case VALUE_ATTACHED:
		return false;
	}
	return false;
}

/* The value of an option: `attached` is what stands behind its letter. */
static bool take_value(const struct option *o, const char *attached, struct words_left *left,
	const char **value, struct error *err)
{
	*value = attached;
	if (*attached != '\0' || !takes_next(o, left))
		return true;
	*value = next_word(left);
	if (!*value)
		return error_set(err, EX_USAGE, "option -%c needs a value", o->letter);
	if (o->value == VALUE_MACRO && strlen(*value) == 1)
		(void)next_word(left);
	return true;
}

static bool unknown_option(const char *word, char letter, struct error *err)
{
	if (letter == '-')
		error_set(err, EX_USAGE, "unknown option %.64s", word);
	else
		error_set(err, EX_USAGE, "unknown option -%c", letter);
	return error_hint(
		err, "--help lists the options; a recipient that begins with '-' goes behind '--'");
}

/* A word of options: "-t", "-ti", "-tfann@example.org". */
static bool apply_cluster(
	struct request *r, const char *word, struct words_left *left, struct error *err)
{
	for (const char *at = word + 1; *at; at++) {
		const struct option *o = find_option(*at);
		const char *value = "";

		if (!o)
			return unknown_option(word, *at, err);
		if (o->value != VALUE_NONE && !take_value(o, at + 1, left, &value, err))
			return false;
		if (o->apply && !o->apply(r, value, err))
			return false;
		if (o->value != VALUE_NONE)
			return true;
	}
	return true;
}

static bool set_help(struct request *r, UNUSED const char *value, UNUSED struct error *err)
{
	r->mode = MODE_HELP;
	return true;
}

static bool set_version(struct request *r, UNUSED const char *value, UNUSED struct error *err)
{
	r->mode = MODE_VERSION;
	return true;
}

/* What every program knows; `pillarbox send` has a table of its own besides. */
static const struct send_option long_options[] = {
	{"--help", NULL, set_help, NULL},
	{"--version", NULL, set_version, NULL},
};

static const struct send_option *find_long(const struct request *r, struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(long_options); i++)
		if (slice_eq(name, slice_of(long_options[i].name)))
			return &long_options[i];
	return r->is_send ? send_option_find(name) : NULL;
}

/* "--name", "--name value" or "--name=value"; a value may begin with "-". */
static bool apply_long(
	struct request *r, const char *word, struct words_left *left, struct error *err)
{
	size_t equals = slice_find(slice_of(word), '=');
	const struct send_option *o = find_long(r, slice_upto(slice_of(word), equals));
	const char *value = word[equals] == '=' ? word + equals + 1 : NULL;

	if (!o || (value && !o->value_name))
		return unknown_option(word, '-', err);
	if (o->value_name && !value)
		value = next_word(left);
	if (o->value_name && !value)
		return error_set(err, EX_USAGE, "option %s needs a value", o->name);
	return o->apply(r, value, err);
}

static void mode_of_name(struct request *r, const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *last = slash ? slash + 1 : name;

	if (strcmp(last, "mailq") == 0)
		r->mode = MODE_LIST;
	if (strcmp(last, "newaliases") == 0)
		r->mode = MODE_ALIASES;
}

/* Recipients make no sense where nothing is sent to them. */
static bool check_operands(const struct request *r, bool asks_queue, struct error *err)
{
	bool takes_none = asks_queue || r->mode == MODE_ALIASES;

	if (r->submission.operand_count == 0 || !takes_none)
		return true;
	return error_set(err, EX_USAGE, "recipients cannot be given together with -q or -I");
}

static bool parse(int argc, char **argv, bool is_send, struct request *out, struct error *err)
{
	struct request r = {.mode = MODE_SEND, .is_send = is_send};
	struct words_left left = {argc > 0 ? argc - 1 : 0, argc > 0 ? argv + 1 : argv};
	size_t operands = 0;
	char **kept = left.words;

	r.submission.input_name = "standard input";
	if (argc > 0)
		mode_of_name(&r, argv[0]);
	for (const char *word; (word = next_word(&left));) {
		if (strcmp(word, "--") == 0)
			break;
		if (word[0] != '-') {
			kept[operands++] = left.words[-1];
			continue;
		}
		if (word[1] == '\0')
			return unknown_option(word, '-', err);
		if (word[1] == '-' ? !apply_long(&r, word, &left, err)
				   : !apply_cluster(&r, word, &left, err))
			return false;
	}
	while (next_word(&left))
		kept[operands++] = left.words[-1];
	r.submission.operands = (const char *const *)kept;
	r.submission.operand_count = operands;
	if (!check_operands(&r, r.mode == MODE_QUEUE_RUN || r.mode == MODE_NOTHING, err))
		return false;
	*out = r;
	out->submission.envid = out->envid[0] ? out->envid : NULL;
	return true;
}

bool args_parse(int argc, char **argv, struct request *out, struct error *err)
{
	return parse(argc, argv, false, out, err);
}

bool args_parse_send(int argc, char **argv, struct request *out, struct error *err)
{
	return parse(argc, argv, true, out, err);
}

void args_print_help(bool is_send)
{
	printf("usage: %s [options] [--] [recipient ...] < message\n",
		is_send ? "pillarbox send" : "sendmail");
	puts("\n"
	     "Reads a message to its end and submits it to the smarthost of the configuration.\n"
	     "Exit 0: every recipient was accepted, or the message is safe in the queue.\n");
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		char form[32];

		if (!options[i].help)
			continue;
		snprintf(form, sizeof(form), "-%c %s", options[i].letter,
			options[i].value_name ? options[i].value_name : "");
		printf("  %-14s %s\n", form, options[i].help);
	}
	if (is_send)
		send_options_print();
	puts("  --help         this text\n"
	     "  --version      the version\n"
	     "\n"
	     "Other options of Sendmail are taken and ignored: see sendmail(1).");
}
