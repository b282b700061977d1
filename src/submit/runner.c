#include "submit/runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "mail/address.h"
#include "submit/seen.h"
#include "submit/settle.h"
#include "submit/stop.h"
#include "submit/wanted.h"

enum {
	DAY_S = 24 * 60 * 60,
	ENQUEUE_S = 10, /* what writing an entry may take: less than the first pause */
};

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
	size_t landed;                  /* messages that it brought to an end */
	struct seen seen;               /* what was tried in this run */
	struct account_state *current;  /* whose messages this pass sends */
	struct spool_name *names;       /* of this pass */
	size_t name_count, name_at;
	size_t again_at;         /* place of the first that goes once more, or name_count */
	bool found;              /* this pass came upon something new */
	struct spool_item first; /* claimed before the connection was there */
	bool has_first;
	struct error lost; /* for what a connection did not take any more */
};

/* One message on its way; lives from its claim until it is settled. */
struct parcel {
	struct smtp_mail mail; /* first, so that a mail is its parcel */
	struct spool_item item;
	struct deliver_fitted fitted;
	size_t place; /* of its name in the pass */
};

static void tell(const struct run *r, const char *id, const char *what, const char *why)
{
	if (r->options->tell)
		r->options->tell(r->options->context, id, what, why ? why : "");
}

static bool is_due(const struct run *r, const struct spool_item *item, int64_t now)
{
	struct retry_facts facts = {item->entry.created, item->next, item->entry.status.attempts};

	if (item->entry.status.is_held)
		return false;
	return r->options->ignores_times || retry_is_due(&r->rules, &facts, now);
}

/* A file whose time has clearly not come need not be opened. Clocks that
 * jumped show in times beyond the longest pause, in arrivals that lie ahead,
 * and in a first attempt that should have been made on arrival: those are
 * looked at. */
static bool may_be_due(const struct run *r, const struct spool_name *name, int64_t now)
{
	int64_t arrival = spool_arrival(name->id);

	return r->options->ignores_times || name->next <= now ||
	       name->next - now > r->rules.max_s || arrival > now + DAY_S ||
	       name->next <= arrival + ENQUEUE_S;
}

/* Its state, at the same place as the account stands in the configuration. */
static struct account_state *state_of(struct run *r, const struct account *account)
{
	return &r->accounts[account - r->outbox->config->accounts];
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
	if (r->link && (strcmp(deliver_account(r->link)->name, state->account->name) != 0 ||
			       !deliver_is_usable(r->link)))
		close_link(r);
	if (r->link)
		return true;
	r->landed = 0;
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

/* Settles an entry and gives it back. err is NULL where each recipient got its answer. */
static void finish(
	struct run *r, struct spool_item *item, const struct error *err, int64_t not_before)
{
	struct attempt attempt = {
		.err = err,
		.remote = r->link ? deliver_host(r->link) : "",
		.not_before = not_before,
	};
	enum settled settled = settle_entry(r->outbox, item, &attempt);

	if (settled != SETTLED_DEFERRED)
		r->landed++;
	count(r, item, settled, err ? err->text : item->entry.status.text);
	spool_release(item);
}

/* True where the server ended the connection after other messages, and nothing
 * was learnt about this one: that is no attempt. Since each connection has to
 * bring a message to an end before, this cannot go on for ever. */
static bool is_untouched(const struct run *r, const struct envelope *e, const struct error *err)
{
	if (!err || err->fate != FATE_LATER || (err->smtp_code != 421 && err->smtp_code != 0) ||
		r->landed == 0 || deliver_is_usable(r->link))
		return false;
	for (size_t i = 0; i < e->count; i++)
		if (e->recipients[i].state == RECIPIENT_SENT ||
			(e->recipients[i].state == RECIPIENT_FAILED && !e->recipients[i].is_told))
			return false;
	return true;
}

/* Gives an entry back for the next connection of this pass. */
static bool goes_again(
	struct run *r, struct spool_item *item, size_t place, const struct error *err)
{
	struct error ignored = {0};

	if (!is_untouched(r, &item->entry.envelope, err) ||
		!spool_write_states(item, true, &ignored))
		return false;
	seen_drop(&r->seen, item->id);
	if (place < r->again_at)
		r->again_at = place;
	spool_release(item);
	return true;
}

/* True when the run is for all accounts, or for the one of this entry. */
static bool belongs(const struct run *r, const struct account *account)
{
	return !r->options->account || strcmp(account->name, r->options->account) == 0;
}

static void tell_damaged(struct run *r, const char *id, const struct error *err)
{
	const struct log_field fields[] = {{"file", id}, {"reason", err->text}};

	log_event("damaged", fields, ARRAY_LEN(fields));
	tell(r, id, "damaged", err->text);
	r->report->damaged++;
}

/* Claims an entry that this run may send. False when there is nothing to do with it. */
static bool claim(struct run *r, const char *id, struct spool_item *item)
{
	struct error err = {0};

	switch (spool_claim(r->outbox->spool, id, false, item, &err)) {
	case SPOOL_CLAIMED:
		if (is_due(r, item, clock_wall()) && wanted_item(r->options, item))
			return true;
		spool_release(item);
		return false;
	case SPOOL_BUSY:
		r->report->busy++;
		return false;
	case SPOOL_DAMAGED:
		tell_damaged(r, id, &err);
		return false;
	case SPOOL_GONE:
		break;
	}
	return false;
}

/*
 * What to do with an entry that was claimed: true when it goes out now, over
 * the connection of the account that this pass is about. An entry of another
 * account is left for a later pass, unseen.
 */
static bool goes_out(struct run *r, struct spool_item *item)
{
	const struct account *account = NULL;
	struct error err = {0};

	if (!find_account(r, item, &account, &err)) {
		seen_add(&r->seen, item->id);
		if (r->options->account && strcmp(item->entry.account, r->options->account) != 0) {
			spool_release(item);
			return false;
		}
		finish(r, item, &err, clock_wall() + r->rules.max_s);
		return false;
	}

	struct account_state *state = state_of(r, account);

	if (!r->current && belongs(r, account) && !state->is_down)
		r->current = state;
	if (r->current == state && !state->is_down) {
		seen_add(&r->seen, item->id);
		return true;
	}
	if (state->is_down || !belongs(r, account))
		seen_add(&r->seen, item->id);
	if (state->is_down)
		finish(r, item, &state->err, state->not_before);
	else
		spool_release(item);
	return false;
}

/* The next entry of the pass that goes out now, claimed; false at its end. */
static bool next_item(struct run *r, struct spool_item *item)
{
	int64_t now = clock_wall();

	while (r->name_at < r->name_count && !stop_is_asked()) {
		const struct spool_name *name = &r->names[r->name_at++];

		if (!may_be_due(r, name, now) || !wanted_name(r->options, name->id) ||
			seen_has(&r->seen, name->id))
			continue;
		r->found = true;
		if (!claim(r, name->id, item)) {
			seen_add(&r->seen, name->id);
			continue;
		}
		if (goes_out(r, item))
			return true;
	}
	return false;
}

/* The message of an entry, for the server; NULL where it cannot be made fit,
 * and then the entry is settled. */
static struct smtp_mail *make_parcel(struct run *r, const struct spool_item *item)
{
	struct parcel *p = mem_alloc(sizeof(*p));
	struct error err = {0};

	p->item = *item;
	p->place = r->name_at - 1;
	p->mail = (struct smtp_mail){
		.envelope = &p->item.entry.envelope,
		.content = &p->item.content,
		.needs_smtputf8 = p->item.entry.needs_smtputf8,
		.before_final = mark_in_doubt,
		.accepted = record_accepted,
		.context = &p->item,
	};
	if (deliver_fit(r->link, r->outbox->config->mail.long_lines, spool_path(r->outbox->spool),
		    &p->mail, &p->fitted, &err))
		return &p->mail;
	finish(r, &p->item, &err, 0);
	free(p);
	return NULL;
}

/* The next message for the connection. */
static struct smtp_mail *next_mail(void *context)
{
	struct run *r = context;
	struct smtp_mail *mail = NULL;
	struct spool_item item;

	if (r->has_first)
		mail = make_parcel(r, &r->first);
	r->has_first = false;
	while (!mail && next_item(r, &item))
		mail = make_parcel(r, &item);
	return mail;
}

static void mail_is_done(void *context, struct smtp_mail *mail, const struct error *err)
{
	struct parcel *p = (struct parcel *)mail;

	if (!goes_again(context, &p->item, p->place, err))
		finish(context, &p->item, err, 0);
	deliver_unfit(&p->fitted);
	free(p);
}

/* A refused login is not tried again with each entry whose time comes: all
 * that wait for the account wait until then. It is no attempt of theirs. */
static void postpone(struct run *r, const struct account_state *state)
{
	int64_t now = clock_wall();

	for (size_t i = 0; i < r->name_count && state->not_before > 0; i++) {
		const struct spool_name *name = &r->names[i];
		CLEANUP(spool_release) struct spool_item item = {.fd = -1};
		const struct account *account = NULL;
		struct error ignored = {0};

		if (may_be_due(r, name, now) || name->next >= state->not_before ||
			spool_claim(r->outbox->spool, name->id, false, &item, &ignored) !=
				SPOOL_CLAIMED)
			continue;
		if (!find_account(r, &item, &account, &ignored) || state_of(r, account) != state ||
			item.entry.status.is_held)
			continue;
		item.entry.status.code = state->err.smtp_code;
		text_sanitize_into(item.entry.status.text, sizeof(item.entry.status.text),
			slice_of(state->err.text));
		(void)!spool_write_status(&item, state->not_before, &ignored);
	}
}

/* Goes on with what the connection that ended did not take. */
static void step_back(struct run *r)
{
	if (r->again_at < r->name_at)
		r->name_at = r->again_at;
	r->again_at = r->name_count;
}

/* Sends the messages of one account until the pass has no more; connects
 * again where the server ended the connection. */
static void send_account(struct run *r)
{
	struct smtp_feed feed = {next_mail, mail_is_done, r, r->outbox->config->queue.window};
	struct error err = {0};

	while (next_item(r, &r->first)) {
		if (!open_link(r, r->current, &err)) {
			finish(r, &r->first, &err, r->current->not_before);
			postpone(r, r->current);
			continue;
		}
		r->has_first = true;
		deliver_many(r->link, &feed);
		/* A connection that ended before it took anything. */
		if (r->has_first)
			finish(r, &r->first, &r->lost, 0);
		r->has_first = false;
		step_back(r);
	}
}

/* One scan, and with it the messages of one account. */
static bool run_pass(struct run *r, struct error *err)
{
	r->found = false;
	r->current = NULL;
	r->name_at = 0;
	if (!spool_list(r->outbox->spool, false, &r->names, &r->name_count, err))
		return false;
	r->again_at = r->name_count;
	send_account(r);
	free(r->names);
	r->names = NULL;
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
	/* One that was handed over has carried a message. */
	r->landed = r->link ? 1 : 0;
	error_set(&r->lost, EX_TEMPFAIL, "the connection ended before the message was sent");
}

static void end_run(struct run *r)
{
	close_link(r);
	seen_done(&r->seen);
	free(r->accounts);
}

bool runner_run(struct outbox *outbox, const struct runner_options *options,
	struct runner_report *report, struct error *err)
{
	struct run r = {.outbox = outbox, .options = options, .report = report, .found = true};
	bool is_read = true;

	stop_watch();
	start_run(&r);
	while (r.found && is_read && !stop_is_asked())
		is_read = run_pass(&r, err);
	end_run(&r);
	if (is_read)
		spool_clean(outbox->spool, clock_wall(), outbox->config->queue.keep_failed_s);
	return is_read;
}
