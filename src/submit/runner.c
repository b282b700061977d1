#include "submit/runner.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "submit/settle.h"

/* What a run knows of an account. */
struct account_state {
	const struct account *account;
	bool is_down;       /* not tried again in this run */
	int64_t not_before; /* login refused: all of it waits until then */
	struct error err;   /* why */
};

struct run {
	struct outbox *outbox;
	const struct runner_options *options;
	struct runner_report *report;
	struct retry_rules rules;
	struct account_state *accounts; /* one for each of the configuration */
	struct deliverer *link;         /* the open connection, or NULL */
	char **seen;                    /* ids tried in this run, sorted by arrival */
	size_t seen_count, seen_space;
};

/* Names are listed in order of arrival, so a binary search finds them. */
static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool was_seen(const struct run *r, const char *id)
{
	char *const key = (char *)(uintptr_t)id;

	return r->seen_count > 0 &&
	       bsearch(&key, r->seen, r->seen_count, sizeof(*r->seen), compare_ids) != NULL;
}

static void note_seen(struct run *r, const char *id)
{
	size_t at = r->seen_count;

	if (r->seen_count == r->seen_space) {
		r->seen_space = r->seen_space ? r->seen_space * 2 : 64;
		r->seen = mem_grow(r->seen, r->seen_space * sizeof(*r->seen));
	}
	while (at > 0 && strcmp(r->seen[at - 1], id) > 0) {
		r->seen[at] = r->seen[at - 1];
		at--;
	}
	r->seen[at] = mem_strdup(id);
	r->seen_count++;
}

static bool is_stopped(const struct run *r)
{
	return r->options->is_stopped && r->options->is_stopped();
}

static void tell(const struct run *r, const char *id, const char *what, const char *why)
{
	if (r->options->tell)
		r->options->tell(r->options->context, id, what, why ? why : "");
}

static bool holds_text(const char *whole, const char *part)
{
	return !part || strstr(whole, part) != NULL;
}

/* True when the person asked for this entry among others. */
static bool is_wanted(const struct run *r, const struct spool_item *item)
{
	const struct envelope *e = &item->entry.envelope;

	if (!holds_text(item->id, r->options->match_id) ||
		!holds_text(e->sender, r->options->match_sender))
		return false;
	if (!r->options->match_recipient)
		return true;
	for (size_t i = 0; i < e->count; i++)
		if (holds_text(e->recipients[i].address, r->options->match_recipient))
			return true;
	return false;
}

static bool is_due(const struct run *r, const struct spool_item *item, int64_t now)
{
	struct retry_facts facts = {item->entry.created, item->next, item->entry.status.attempts};

	if (item->entry.status.is_held)
		return false;
	return r->options->ignores_times || retry_is_due(&r->rules, &facts, now);
}

/* A file whose time has clearly not come need not be opened. Clocks that
 * jumped show in times beyond the longest pause: those are looked at. */
static bool may_be_due(const struct run *r, const struct spool_name *name, int64_t now)
{
	return r->options->ignores_times || name->next <= now || name->next - now > r->rules.max_s;
}

static struct account_state *state_of(struct run *r, const struct account *account)
{
	const struct config *config = r->outbox->config;

	for (size_t i = 0; i < config->account_count; i++)
		if (strcmp(r->accounts[i].account->name, account->name) == 0)
			return &r->accounts[i];
	return &r->accounts[0];
}

static void close_link(struct run *r)
{
	deliver_close(r->link);
	r->link = NULL;
}

/* An account that cannot be reached, or refuses the login, is not tried again
 * in this run: its other messages share the one attempt. */
static void mark_down(struct run *r, struct account_state *state, const struct error *err)
{
	state->is_down = true;
	state->err = *err;
	if (err->fate == FATE_LATER)
		return;
	state->not_before = clock_wall() + r->rules.max_s;

	const struct log_field fields[] = {
		{"account", state->account->name},
		{"reason", err->text},
	};

	log_event("account-refused", fields, ARRAY_LEN(fields));
}

static bool open_link(struct run *r, struct account_state *state, struct error *err)
{
	if (r->link && (deliver_account(r->link) != state->account || !deliver_is_usable(r->link)))
		close_link(r);
	if (r->link)
		return true;
	if (deliver_open(state->account, &r->options->mode, &r->link, err))
		return true;
	r->link = NULL;
	mark_down(r, state, err);
	return false;
}

/* Marks the open recipients in doubt, on disk, before the message could be complete. */
static bool mark_in_doubt(void *context, struct error *err)
{
	return spool_write_states(context, true, err);
}

/* The record of a delivery. A failure is dealt with when the entry is settled:
 * it is removed then, or buried. */
static void record_accepted(void *context)
{
	struct spool_item *item = context;
	struct error err = {0};

	if (spool_write_states(item, true, &err))
		return;

	const struct log_field fields[] = {{"id", item->id}, {"reason", err.text}};

	log_event("record-lost", fields, ARRAY_LEN(fields));
}

/* Signals that ask the process to end wait from before the final reply until
 * the outcome is on disk. */
static void block_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, old);
}

static bool send_entry(
	struct run *r, struct account_state *state, struct spool_item *item, struct error *err)
{
	struct smtp_mail mail = {
		.envelope = &item->entry.envelope,
		.content = &item->content,
		.needs_smtputf8 = item->entry.needs_smtputf8,
		.before_final = mark_in_doubt,
		.accepted = record_accepted,
		.context = item,
	};

	if (!open_link(r, state, err))
		return false;
	return deliver_message(r->link, r->outbox->config->mail.long_lines,
		spool_path(r->outbox->spool), &mail, err);
}

static void count(
	struct run *r, const struct spool_item *item, enum settled settled, const char *why)
{
	switch (settled) {
	case SETTLED_DELIVERED:
		r->report->delivered++;
		tell(r, item->id, "delivered", "");
		break;
	case SETTLED_DEFERRED:
		r->report->deferred++;
		tell(r, item->id, "deferred", why);
		break;
	case SETTLED_FAILED:
		r->report->failed++;
		tell(r, item->id, "failed", why);
		break;
	}
}

/* The account an entry belongs to; one that is gone from the configuration
 * keeps its mail waiting until it is back. */
static bool find_account(const struct run *r, const struct spool_item *item,
	const struct account **account, struct error *err)
{
	const char *name = item->entry.account[0] ? item->entry.account : NULL;

	return config_choose(
		r->outbox->config, name, item->entry.envelope.sender, NULL, account, err);
}

static void try_entry(struct run *r, struct spool_item *item)
{
	const struct account *account = NULL;
	struct attempt attempt = {0};
	struct error err = {0};
	sigset_t old;

	block_signals(&old);
	if (!find_account(r, item, &account, &err)) {
		attempt.not_before = clock_wall() + r->rules.max_s;
		attempt.err = &err;
	} else {
		struct account_state *state = state_of(r, account);

		if (state->is_down)
			err = state->err;
		if (state->is_down || !send_entry(r, state, item, &err))
			attempt.err = &err;
		if (state->is_down)
			attempt.not_before = state->not_before;
		attempt.remote = account->hosts.count > 0 ? account->hosts.items[0] : "";
	}
	/* An account that was marked down for good still waits; a message that the
	 * server refused for good does not. */
	count(r, item, settle_entry(r->outbox, item, &attempt),
		attempt.err ? err.text : item->entry.status.text);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static bool belongs(const struct run *r, const struct spool_item *item)
{
	const struct account *account;
	struct error ignored = {0};

	if (!r->options->account || strcmp(item->entry.account, r->options->account) == 0)
		return true;
	return find_account(r, item, &account, &ignored) &&
	       strcmp(account->name, r->options->account) == 0;
}

static void look_at(struct run *r, const char *id)
{
	struct spool_item item;
	struct error err = {0};

	switch (spool_claim(r->outbox->spool, id, false, &item, &err)) {
	case SPOOL_CLAIMED:
		if (is_due(r, &item, clock_wall()) && is_wanted(r, &item) && belongs(r, &item))
			try_entry(r, &item);
		spool_release(&item);
		break;
	case SPOOL_BUSY:
		r->report->busy++;
		break;
	case SPOOL_DAMAGED: {
		const struct log_field fields[] = {{"file", id}, {"reason", err.text}};

		log_event("damaged", fields, ARRAY_LEN(fields));
		tell(r, id, "damaged", err.text);
		r->report->damaged++;
		break;
	}
	case SPOOL_GONE:
		break;
	}
}

/* One scan; *found tells whether anything new was looked at. */
static bool run_pass(struct run *r, bool *found, struct error *err)
{
	struct spool_name *names = NULL;
	size_t name_count = 0;
	int64_t now = clock_wall();

	if (!spool_list(r->outbox->spool, false, &names, &name_count, err))
		return false;
	*found = false;
	for (size_t i = 0; i < name_count && !is_stopped(r); i++) {
		if (!may_be_due(r, &names[i], now) || was_seen(r, names[i].id))
			continue;
		note_seen(r, names[i].id);
		look_at(r, names[i].id);
		*found = true;
	}
	free(names);
	return true;
}

static void start_run(struct run *r)
{
	const struct config *config = r->outbox->config;

	r->rules = outbox_rules(config);
	r->accounts = mem_alloc((config->account_count + 1) * sizeof(*r->accounts));
	for (size_t i = 0; i < config->account_count; i++)
		r->accounts[i].account = &config->accounts[i];
	r->link = r->options->handed;
}

static void end_run(struct run *r)
{
	close_link(r);
	for (size_t i = 0; i < r->seen_count; i++)
		free(r->seen[i]);
	free(r->seen);
	free(r->accounts);
}

bool runner_run(struct outbox *outbox, const struct runner_options *options,
	struct runner_report *report, struct error *err)
{
	struct run r = {.outbox = outbox, .options = options, .report = report};
	bool found = true;
	bool is_read = true;

	start_run(&r);
	while (found && is_read && !is_stopped(&r))
		is_read = run_pass(&r, &found, err);
	end_run(&r);
	if (is_read)
		spool_clean(outbox->spool, clock_wall(), outbox->config->queue.keep_failed_s);
	return is_read;
}
