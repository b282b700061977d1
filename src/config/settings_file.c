#include "config/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/guard.h"
#include "config/ini.h"

enum { MOST_ACCOUNTS = 256 };

/* Sections that are there once, and where their settings go. */
static const char *const single_sections[SINGLE_SECTIONS] = {
	"defaults", "mail", "aliases", "queue", "log", "notify"};

/* The reading of one file. */
struct file {
	struct settings *s;
	const char *path;
	const struct stat *st;
	enum layer layer;
	struct section *section; /* where settings go; NULL: skip them */
	const char *table;       /* the section's name in options[]; "aliases" for those */
	char heading[64];        /* for words: "[account work]" */
};

static bool tell(struct file *f, unsigned line, const char *what, const struct buf *more)
{
	CLEANUP(buf_done) struct buf clean = BUF(512);
	struct error fault;

	text_sanitize(&clean, slice_of(what), 256);
	if (more)
		text_sanitize(&clean, buf_slice(more), 128);
	error_set(&fault, EX_CONFIG, "%s", buf_text(&clean));
	return settings_fault_at(f->s, f->path, line, &fault);
}

/* --- sections -------------------------------------------------------------------- */

static const char *next_section(void *context)
{
	size_t *next = context;

	return *next < SINGLE_SECTIONS ? single_sections[(*next)++] : NULL;
}

static void unknown_section(struct file *f, const struct ini_entry *entry)
{
	CLEANUP(buf_done) struct buf words = BUF(512);
	CLEANUP(buf_done) struct buf guess = BUF(128);
	struct slice rest = entry->section;
	struct slice first = slice_word(&rest, " ");
	size_t next = 0;

	buf_printf(&words, "unknown section [%.*s]", SLICE_ARG(entry->section));
	if (slice_trim(rest).len > 0)
		buf_printf(&guess, ": did you mean [account %.*s]?", SLICE_ARG(slice_trim(rest)));
	else
		option_suggest_from(&guess, first, next_section, &next);
	tell(f, entry->line, buf_text(&words), &guess);
}

/* Notes where a section that may be there once began. False for the second one. */
static bool begin_single(struct file *f, size_t i, unsigned line)
{
	if (f->s->began[i].source == f->path) {
		CLEANUP(buf_done) struct buf words = BUF(256);

		buf_printf(&words, "section %s is there twice; first in line %u", f->heading,
			f->s->began[i].line);
		tell(f, line, buf_text(&words), NULL);
		return false;
	}
	f->s->began[i].source = f->path;
	f->s->began[i].line = line;
	return true;
}

static struct section *find_account(struct settings *s, struct slice name)
{
	for (size_t i = 0; i < s->account_count; i++)
		if (slice_eq(slice_of(s->accounts[i].name), name))
			return &s->accounts[i];
	return NULL;
}

static struct section *new_account(struct settings *s, struct slice name)
{
	struct arena *arena = &s->config->arena;

	if (s->account_count == s->account_space) {
		size_t space = s->account_space > 0 ? s->account_space * 2 : 4;
		struct section *grown = arena_alloc(arena, space * sizeof(*grown));

		if (s->account_count > 0)
			memcpy(grown, s->accounts, s->account_count * sizeof(*grown));
		s->accounts = grown;
		s->account_space = space;
	}

	struct section *account = &s->accounts[s->account_count++];

	account->name = arena_dup(arena, name);
	account->settings = arena_alloc(arena, option_count * sizeof(*account->settings));
	return account;
}

/* Names go into queue files and the environment of commands. */
static bool name_is_fine(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && !strchr("._@+-", name.ptr[i]) &&
			(unsigned char)name.ptr[i] < 0x80)
			return false;
	return name.len > 0 && name.ptr[0] != '-' && text_is_utf8(name);
}

static void begin_account(struct file *f, struct slice name, unsigned line)
{
	struct section *account = find_account(f->s, name);

	if (!name_is_fine(name)) {
		tell(f, line,
			"an account is named as in [account work], with letters, digits and ._@+-",
			NULL);
		return;
	}
	if (account && account->source == f->path) {
		CLEANUP(buf_done) struct buf words = BUF(256);

		buf_printf(&words, "section %s is there twice; first in line %u", f->heading,
			account->line);
		tell(f, line, buf_text(&words), NULL);
		return;
	}
	if (!account && f->s->account_count == MOST_ACCOUNTS) {
		tell(f, line, "there are more than 256 accounts", NULL);
		return;
	}
	if (!account)
		account = new_account(f->s, name);
	account->source = f->path;
	account->line = line;
	account->layer = f->layer;
	f->section = account;
}

static void begin_section(struct file *f, const struct ini_entry *entry)
{
	struct slice rest = entry->section;
	struct slice first = slice_word(&rest, " ");

	f->section = NULL;
	snprintf(f->heading, sizeof(f->heading), "[%.*s]", SLICE_ARG(entry->section));
	if (slice_eq(first, SLICE("account"))) {
		f->table = "account";
		begin_account(f, slice_trim(rest), entry->line);
		return;
	}
	for (size_t i = 0; i < SINGLE_SECTIONS; i++) {
		if (!slice_eq(slice_of(single_sections[i]), entry->section))
			continue;
		if (!begin_single(f, i, entry->line))
			return;
		f->table = i == 0 ? "account" : single_sections[i];
		f->section = i == 0 ? &f->s->defaults : &f->s->alone;
		return;
	}
	unknown_section(f, entry);
}

/* --- settings -------------------------------------------------------------------- */

static void unknown_key(struct file *f, const struct ini_entry *entry)
{
	CLEANUP(buf_done) struct buf words = BUF(512);
	CLEANUP(buf_done) struct buf guess = BUF(128);

	buf_printf(&words, "unknown key '%.*s' in %s", SLICE_ARG(entry->key), f->heading);
	option_suggest(&guess, f->table, entry->key);
	tell(f, entry->line, buf_text(&words), &guess);
}

static void read_setting(struct file *f, const struct ini_entry *entry)
{
	struct setting origin = {.source = f->path, .line = entry->line, .layer = f->layer};
	struct error fault;

	if (strcmp(f->table, "aliases") == 0) {
		settings_alias(f->s, entry->key, entry->value, &origin);
		return;
	}

	const struct option *option = option_find(f->table, entry->key);

	if (!option) {
		unknown_key(f, entry);
		return;
	}
	if (option_is_secret(option, entry->value) &&
		!guard_check_private(f->st, f->path, "a password", &fault))
		settings_fault_at(f->s, f->path, entry->line, &fault);
	settings_set(f->s, f->section, option, entry->value, &origin);
}

static bool on_entry(void *context, const struct ini_entry *entry)
{
	struct file *f = context;

	if (entry->key.len == 0)
		begin_section(f, entry);
	else if (entry->section.len == 0)
		tell(f, entry->line,
			"there is a key before any section; the first line should be "
			"[account NAME]",
			NULL);
	else if (f->section)
		read_setting(f, entry);
	return settings_go_on(f->s);
}

static bool on_fault(void *context, unsigned line, const char *text)
{
	return tell(context, line, text, NULL);
}

void settings_read(struct settings *s, struct slice text, const char *path, enum layer layer,
	const struct stat *st)
{
	struct file file = {.s = s, .path = path, .st = st, .layer = layer};
	struct ini_sink sink = {on_entry, on_fault, &file};

	ini_read(text, &sink);
}
