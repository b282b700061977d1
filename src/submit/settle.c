#include "submit/settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "submit/hooks.h"
#include "submit/notice.h"

/* Everything one settlement looks at. */
struct settlement {
	struct outbox *outbox;
	struct spool_item *item;
	const struct attempt *attempt;
	int64_t now;
	bool is_told; /* of the failures */
};

static void log_entry(const struct settlement *s, const char *event, const char *why)
{
	const struct log_field fields[] = {
		{"id", s->item->id},
		{"account", s->item->entry.account},
		{"from", s->item->entry.envelope.sender},
		{"server", s->attempt->remote},
		{"reason", why},
	};

	log_event(event, fields, ARRAY_LEN(fields));
}

/* The first recipient whose own reply says why the message is not done. */
static const struct recipient *unhappy(const struct settlement *s)
{
	const struct envelope *e = &s->item->entry.envelope;

	for (size_t i = 0; i < e->count; i++)
		if (e->recipients[i].state != RECIPIENT_DELIVERED && e->recipients[i].last.code > 0)
			return &e->recipients[i];
	return NULL;
}

/* Why the message as a whole, or else a recipient of it, is not done: one line
 * that lives in the entry's arena. */
static const char *reason_of(const struct settlement *s)
{
	const struct recipient *r = s->attempt->err ? NULL : unhappy(s);

	if (s->attempt->err)
		return s->attempt->err->text;
	if (!r)
		return "";
	return arena_printf(&s->item->entry.envelope.arena, "%s refused <%s>: %d %s%s%.300s",
		s->attempt->remote[0] ? s->attempt->remote : "the server", r->address, r->last.code,
		r->last.enhanced, r->last.enhanced[0] ? " " : "", r->last.text);
}

static int code_of(const struct settlement *s)
{
	const struct recipient *r = s->attempt->err ? NULL : unhappy(s);

	return s->attempt->err ? s->attempt->err->smtp_code : r ? r->last.code : 0;
}

/* True for the recipients that a hook is about. */
static bool concerns(const struct recipient *r, bool is_failure)
{
	if (is_failure)
		return r->state == RECIPIENT_FAILED;
	return r->state == RECIPIENT_PENDING || r->state == RECIPIENT_SENT;
}

static void run_hook(const struct settlement *s, bool is_failure)
{
	const struct envelope *e = &s->item->entry.envelope;
	CLEANUP(buf_done) struct buf recipients = BUF(4096);
	CLEANUP(buf_done) struct buf file = BUF(8192);

	for (size_t i = 0; i < e->count; i++)
		if (concerns(&e->recipients[i], is_failure))
			buf_printf(&recipients, "%s%s", recipients.len > 0 ? " " : "",
				e->recipients[i].address);
	buf_printf(&file, "%s/%s%s", spool_path(s->outbox->spool), is_failure ? "failed/" : "",
		s->item->id);

	const struct hook_facts facts = {
		.event = is_failure ? "failure" : "stuck",
		.id = s->item->id,
		.account = s->item->entry.account,
		.sender = e->sender,
		.recipients = buf_text(&recipients),
		.reason = reason_of(s),
		.file = buf_text(&file),
	};

	hooks_run(s->outbox->config, &facts);
}

static struct notice_subject subject_of(const struct settlement *s)
{
	const struct entry *entry = &s->item->entry;

	return (struct notice_subject){
		.account = entry->account,
		.envelope = &entry->envelope,
		.content = &s->item->content,
		.remote = s->attempt->remote ? s->attempt->remote : "",
		.reason = reason_of(s),
		.arrived = entry->created,
		.retried_until = entry->created + s->outbox->config->queue.expire_s,
	};
}

/* Tells the sender. False when nobody can be told: the null sender, or a queue
 * that takes no notice; NOTIFY=NEVER counts as told. */
static bool tell_sender(const struct settlement *s, enum notice_kind kind)
{
	struct notice_subject subject = subject_of(s);
	struct error err = {0};

	if (subject.envelope->sender[0] == '\0')
		return false;
	if (!notice_is_due(&subject, kind) || notice_queue(s->outbox, &subject, kind, &err))
		return true;
	log_entry(s, "notice-lost", err.text);
	return false;
}

static size_t count_open(const struct envelope *e)
{
	return envelope_count(e, RECIPIENT_PENDING) + envelope_count(e, RECIPIENT_SENT);
}

static void mark_told(struct envelope *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->recipients[i].state == RECIPIENT_FAILED)
			e->recipients[i].is_told = true;
}

/* A notice is stored before the failure is recorded: F on disk means told.
 * Where the queue takes no notice now, the refused ones stay as they were: they
 * are refused again, and told of then. Of a null sender's nobody is told. */
static void tell_failures(struct settlement *s)
{
	struct envelope *e = &s->item->entry.envelope;

	if (envelope_count(e, RECIPIENT_FAILED) == 0)
		return;
	s->is_told = tell_sender(s, NOTICE_FAILURE);
	if (s->is_told || (e->sender[0] == '\0' && count_open(e) > 0))
		mark_told(e);
}

/* Writes what is now known of the recipients. After a delivery this record is
 * what keeps the message from being sent twice. */
static bool record_states(const struct settlement *s)
{
	struct error err = {0};

	if (spool_write_states(s->item, true, &err))
		return true;
	log_entry(s, "record-lost", err.text);
	return false;
}

static void remove_entry(const struct settlement *s)
{
	struct error err = {0};

	if (spool_remove(s->outbox->spool, s->item, &err))
		return;
	log_entry(s, "remove-failed", err.text);
	if (!spool_bury(s->outbox->spool, s->item, &err))
		log_entry(s, "bury-failed", err.text);
}

/* Some have the message, and the file cannot be made to say so: a new file for
 * the others takes its place. Where that cannot be written either, nothing can
 * be changed any more, and to send twice is better than not to send. */
static void replace_entry(const struct settlement *s, int64_t next)
{
	struct error err = {0};

	if (outbox_replace(s->outbox, s->item, next, &err))
		remove_entry(s);
	else
		log_entry(s, "replace-failed", err.text);
}

static int64_t next_attempt(const struct settlement *s)
{
	struct retry_rules rules = outbox_rules(s->outbox->config);
	int64_t next = retry_next(&rules, s->item->entry.status.attempts, s->now,
		(uint32_t)(s->now ^ (int64_t)s->item->file_octets));

	return s->attempt->not_before > next ? s->attempt->not_before : next;
}

/* A failed entry that has to stay in the queue. Where the sender knows, it is
 * held, so that not every run tells him again; else a later run tries both. */
static void keep_in_queue(const struct settlement *s, const struct error *why)
{
	struct entry_status *status = &s->item->entry.status;
	struct error err = {0};

	log_entry(s, "move-failed", why->text);
	status->is_held = s->is_told;
	text_sanitize_into(status->text, sizeof(status->text), slice_of(why->text));
	if (!spool_write_status(s->item, next_attempt(s), &err))
		log_entry(s, "record-lost", err.text);
}

/* What the lists show of the entry: the reason, and the reply's code. */
static void set_status(const struct settlement *s)
{
	struct entry_status *status = &s->item->entry.status;

	text_sanitize_into(status->text, sizeof(status->text), slice_of(reason_of(s)));
	status->code = code_of(s);
}

/* Where nothing reached anybody, or nobody could be told, the person gets to
 * see the message itself under failed/. */
static enum settled give_up(const struct settlement *s)
{
	const struct envelope *e = &s->item->entry.envelope;
	struct error err = {0};

	log_entry(s, "failed", reason_of(s));
	if (s->is_told && envelope_count(e, RECIPIENT_DELIVERED) > 0) {
		remove_entry(s);
		return SETTLED_FAILED;
	}
	/* The lists show why from its status. */
	set_status(s);
	if (!spool_write_status(s->item, s->now, &err))
		log_entry(s, "record-lost", err.text);
	if (spool_move(s->outbox->spool, s->item, true, &err)) {
		/* Under failed/ the person sees who failed. */
		mark_told(&s->item->entry.envelope);
		record_states(s);
	} else {
		keep_in_queue(s, &err);
	}
	run_hook(s, true);
	return SETTLED_FAILED;
}

/* The rest is given up for a reason that holds for all of it. */
static void fail_pending(struct envelope *e, const struct error *why, bool keeps_reply)
{
	for (size_t i = 0; i < e->count; i++) {
		struct recipient *r = &e->recipients[i];

		if (r->state != RECIPIENT_PENDING && r->state != RECIPIENT_SENT)
			continue;
		r->state = RECIPIENT_FAILED;
		if (why && !(keeps_reply && r->last.code > 0))
			notice_note(e, r, why);
	}
}

static enum settled defer(const struct settlement *s)
{
	struct retry_rules rules = outbox_rules(s->outbox->config);
	struct entry_status *status = &s->item->entry.status;
	struct error err = {0};
	struct retry_facts facts = {s->item->entry.created, s->item->next, status->attempts};
	bool is_late = retry_is_late(&rules, &facts, s->now);

	/* Once, whether or not there is a sender to be told. */
	if (is_late && !status->was_warned) {
		(void)tell_sender(s, NOTICE_DELAY);
		run_hook(s, false);
		status->was_warned = true;
	}
	set_status(s);

	int64_t next = next_attempt(s);

	if (!record_states(s) && envelope_count(&s->item->entry.envelope, RECIPIENT_DELIVERED) > 0)
		replace_entry(s, next);
	else if (!spool_write_status(s->item, next, &err))
		log_entry(s, "record-lost", err.text);
	log_entry(s, "deferred", status->text);
	return SETTLED_DEFERRED;
}

/* A fault of this machine says nothing about the message: it waits, whatever
 * such a fault means to a caller who is told of it at once. */
static bool is_local_fault(const struct error *err)
{
	return err->smtp_code == 0 &&
	       (err->exit_code == EX_IOERR || err->exit_code == EX_OSERR ||
		       err->exit_code == EX_OSFILE || err->exit_code == EX_CANTCREAT);
}

static bool is_refused(const struct attempt *attempt)
{
	return attempt->err && attempt->err->fate == FATE_PERMANENT && attempt->not_before == 0 &&
	       !is_local_fault(attempt->err);
}

static void expire(const struct settlement *s)
{
	struct retry_rules rules = outbox_rules(s->outbox->config);
	const struct entry *entry = &s->item->entry;
	struct retry_facts facts = {entry->created, s->item->next, entry->status.attempts};
	struct error err = {0};

	if (!retry_is_expired(&rules, &facts, s->now))
		return;
	error_set(&err, EX_TEMPFAIL, "given up after %u attempts; last: %s", facts.attempts,
		reason_of(s));
	/* "Delivery time expired", RFC 3463 section 3.5. */
	error_reply(&err, 0, "4.4.7");
	fail_pending(&s->item->entry.envelope, &err, true);
}

enum settled settle_entry(
	struct outbox *outbox, struct spool_item *item, const struct attempt *attempt)
{
	struct settlement s = {outbox, item, attempt, clock_wall(), false};
	struct envelope *e = &item->entry.envelope;

	item->entry.status.attempts++;
	if (is_refused(attempt))
		fail_pending(e, attempt->err, false);
	if (count_open(e) > 0)
		expire(&s);
	tell_failures(&s);
	if (count_open(e) > 0)
		return defer(&s);
	if (envelope_count(e, RECIPIENT_FAILED) > 0) {
		record_states(&s);
		return give_up(&s);
	}
	log_entry(&s, "delivered", NULL);
	remove_entry(&s);
	return SETTLED_DELIVERED;
}
