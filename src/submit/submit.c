#include "submit/submit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "submit/detach.h"
#include "submit/notice.h"
#include "submit/runner.h"

/* One message on its way through the table of outcomes. */
struct submission_run {
	struct outbox *outbox;
	struct composed *message;
	const struct deliver_mode *mode;
	struct submit_report *report;
	struct deliverer *link; /* to the server, or NULL */
	bool is_reused;         /* it served another message before */
	bool is_unreported;     /* some were refused, and nobody would ever hear of it */
};

static void log_outcome(const struct submission_run *r, const char *event, const char *reason)
{
	char octets[24];
	const struct log_field fields[] = {
		{"id", r->report->id[0] ? r->report->id : NULL},
		{"account", r->message->account->name},
		{"from", r->message->envelope.sender},
		{"to", r->message->envelope.recipients[0].address},
		{"size", octets},
		{"reason", reason && reason[0] ? reason : NULL},
	};

	snprintf(octets, sizeof(octets), "%llu",
		(unsigned long long)content_octets(&r->message->content));
	log_event(event, fields, ARRAY_LEN(fields));
}

static bool add_entry(
	struct submission_run *r, const struct outbox_note *note, char *id, struct error *err)
{
	return outbox_add(r->outbox, r->message->account->name, &r->message->envelope,
		&r->message->content, r->message->needs_smtputf8, note, id, err);
}

/* Adds to what the person is told to do; a hint that is there stays first. */
static void add_hint(struct error *err, const char *text)
{
	size_t len = strlen(err->hint);

	snprintf(err->hint + len, sizeof(err->hint) - len, "%s%s", len > 0 ? "; " : "", text);
}

/* Refused for good: the person gets the words, and the message under failed/. */
static bool keep_failed(struct submission_run *r, struct error *why)
{
	struct outbox_note note = {.attempts = 1, .last = why, .failed = true};
	char id[SPOOL_ID_SPACE];
	char text[384];
	struct error err = {0};

	if (add_entry(r, &note, id, &err))
		snprintf(text, sizeof(text),
			"the message is kept: 'pillarbox queue retry %s' sends it again", id);
	else
		snprintf(text, sizeof(text),
			"the message was not sent and no copy could be kept: %.250s", err.text);
	add_hint(why, text);
	log_outcome(r, "refused", why->text);
	return false;
}

enum { MOST_NAMED = 5, NAMES_SPACE = 240 };

/* Who does not have the message, as far as a hint has room for addresses. */
static void name_unserved(const struct envelope *e, struct buf *out)
{
	size_t named = 0, left = 0;

	for (size_t i = 0; i < e->count; i++) {
		const struct recipient *rcpt = &e->recipients[i];

		if (rcpt->state != RECIPIENT_PENDING && rcpt->state != RECIPIENT_SENT)
			continue;
		if (left > 0 || named == MOST_NAMED ||
			out->len + strlen(rcpt->address) + 4 > NAMES_SPACE)
			left++;
		else
			buf_printf(out, "%s<%s>", named++ > 0 ? ", " : "", rcpt->address);
	}
	if (left > 0)
		buf_printf(
			out, "%s%zu other%s", named > 0 ? " and " : "", left, left > 1 ? "s" : "");
}

/* Neither sent nor queued: says both, and which code tells the caller most. */
static bool neither(struct submission_run *r, const struct error *why, const struct error *queue,
	struct error *err)
{
	CLEANUP(buf_done) struct buf unserved = BUF(NAMES_SPACE + 32);
	bool is_known = queue->exit_code == EX_CANTCREAT || queue->exit_code == EX_IOERR ||
			queue->exit_code == EX_OSERR;
	/* Those that were set aside are no better off for it. */
	size_t accepted =
		envelope_count(&r->message->envelope, RECIPIENT_DELIVERED) - r->report->refused;
	int code = is_known ? queue->exit_code : EX_TEMPFAIL;

	if (queue->exit_code == EX_NOPERM)
		code = EX_CANTCREAT;
	error_set(err, code, "%.480s; and the queue cannot take the message: %.480s", why->text,
		queue->text);
	err->smtp_code = why->smtp_code;
	error_fate(err, FATE_LATER);
	name_unserved(&r->message->envelope, &unserved);
	if (accepted > 0)
		error_hint(err, "%zu of %zu recipients have the message; send it again to %s alone",
			accepted, r->message->envelope.count, buf_text(&unserved));
	else
		error_hint(err, "the message is nowhere: %s",
			queue->hint[0] ? queue->hint : "send it again later");
	log_outcome(r, "lost", err->text);
	return false;
}

/* What is still open goes to the queue. */
static bool queue_rest(
	struct submission_run *r, unsigned attempts, const struct error *why, struct error *err)
{
	struct outbox_note note = {.attempts = attempts, .last = why};
	struct error queue = {0};

	if (!add_entry(r, &note, r->report->id, &queue))
		return neither(r, why, &queue, err);
	r->report->is_queued = true;
	r->report->why = *why;
	log_outcome(r, "queued", why->text);
	return true;
}

/* The replies to recipients in that state, as an error of the whole: each by
 * name, up to a few. */
static void gather_replies(
	const struct submission_run *r, enum recipient_state state, struct error *err)
{
	const struct envelope *e = &r->message->envelope;
	CLEANUP(buf_done) struct buf text = BUF(900);
	const struct recipient *first = NULL;
	size_t count = envelope_count(e, state);
	size_t named = 0;

	for (size_t i = 0; i < e->count && named < MOST_NAMED; i++) {
		const struct recipient *rcpt = &e->recipients[i];

		if (rcpt->state != state)
			continue;
		first = first ? first : rcpt;
		buf_printf(&text, "%s<%s>: %d %s%s%.200s", named++ > 0 ? "; " : "", rcpt->address,
			rcpt->last.code, rcpt->last.enhanced, rcpt->last.enhanced[0] ? " " : "",
			rcpt->last.text);
	}
	if (count > named)
		buf_printf(&text, "; and %zu more", count - named);
	error_set(err, state == RECIPIENT_FAILED ? EX_NOUSER : EX_TEMPFAIL, "%s: %s%srefused%s: %s",
		r->link ? deliver_peer(r->link) : r->message->account->name,
		count == e->count && count > 1 ? "all " : "",
		count == 1 ? "recipient " : "recipients ",
		state == RECIPIENT_FAILED ? "" : " for now", buf_text(&text));
	if (first)
		error_reply(err, first->last.code, first->last.enhanced);
}

/* A copy for those that were refused, where nobody gets a notice. */
static void keep_refused(struct submission_run *r)
{
	struct error *refusal = &r->report->refusal;
	struct outbox_note note = {
		.attempts = 1, .last = refusal, .failed = true, .refused_alone = true};
	char id[SPOOL_ID_SPACE];
	struct error err = {0};

	if (add_entry(r, &note, id, &err)) {
		error_hint(
			refusal, "a copy is kept: 'pillarbox queue retry %s' sends it again", id);
		return;
	}
	r->is_unreported = true;
	error_hint(refusal,
		"the other recipients are served; for these neither a notice nor a copy could be "
		"kept: %.200s",
		err.text);
	log_outcome(r, "copy-lost", err.text);
}

/* Some were refused while others have the message or will get it: the sender
 * is told by mail. Without one, a copy stays under failed/. */
static void report_refused(struct submission_run *r)
{
	struct composed *m = r->message;
	struct error *refusal = &r->report->refusal;
	struct error ignored = {0};
	struct notice_subject subject = {
		.account = m->account->name,
		.envelope = &m->envelope,
		.content = &m->content,
		.remote = r->link ? deliver_host(r->link) : "",
		.arrived = clock_wall(),
	};
	bool has_sender = m->envelope.sender[0] != '\0';

	gather_replies(r, RECIPIENT_FAILED, refusal);
	log_outcome(r, "partly-refused", refusal->text);
	if (has_sender && !notice_is_due(&subject, NOTICE_FAILURE)) {
		error_hint(refusal, "no notice is sent, as was asked for");
	} else if (has_sender && notice_queue(r->outbox, &subject, NOTICE_FAILURE, &ignored)) {
		error_hint(refusal, "the sender gets a notice");
		r->report->wants_run = true;
	} else {
		keep_refused(r);
	}
}

/* The refused ones are reported, and are no business of the entry that the
 * others get. */
static void set_refused_aside(struct submission_run *r)
{
	struct envelope *e = &r->message->envelope;

	r->report->refused = envelope_count(e, RECIPIENT_FAILED);
	if (r->report->refused == 0)
		return;
	report_refused(r);
	for (size_t i = 0; i < e->count; i++)
		if (e->recipients[i].state == RECIPIENT_FAILED)
			e->recipients[i].state = RECIPIENT_DELIVERED;
}

/* Every recipient got an answer of its own. */
static bool settle_answers(struct submission_run *r, struct error *err)
{
	const struct envelope *e = &r->message->envelope;
	size_t waiting = envelope_count(e, RECIPIENT_PENDING);
	struct error why = {0};

	r->report->accepted = envelope_count(e, RECIPIENT_DELIVERED);
	r->report->refused = envelope_count(e, RECIPIENT_FAILED);
	if (r->report->refused == e->count) {
		gather_replies(r, RECIPIENT_FAILED, err);
		return keep_failed(r, err);
	}
	if (waiting > 0) {
		gather_replies(r, RECIPIENT_PENDING, &why);
		set_refused_aside(r);
		return queue_rest(r, 1, &why, err);
	}
	if (r->report->refused > 0)
		report_refused(r);
	else
		log_outcome(r, "sent", NULL);
	return true;
}

/* The message as a whole was not taken, for the recipients that are open. */
static bool settle_fault(struct submission_run *r, struct error *why, struct error *err)
{
	struct envelope *e = &r->message->envelope;

	if (why->fate != FATE_PERMANENT) {
		set_refused_aside(r);
		return queue_rest(r, 1, why, err);
	}
	if (envelope_count(e, RECIPIENT_DELIVERED) == 0) {
		*err = *why;
		return keep_failed(r, err);
	}
	for (size_t i = 0; i < e->count; i++) {
		struct recipient *rcpt = &e->recipients[i];

		if (rcpt->state != RECIPIENT_PENDING && rcpt->state != RECIPIENT_SENT)
			continue;
		rcpt->state = RECIPIENT_FAILED;
		notice_note(e, rcpt, why);
	}
	return settle_answers(r, err);
}

/* True when entries wait whose time has come: the open connection is theirs next. */
static bool queue_has_due(struct outbox *outbox)
{
	struct error ignored = {0};

	return outbox_open(outbox, false, &ignored) && spool_has_due(outbox->spool, clock_wall());
}

/* The connection that was kept from the message before, where it is for the
 * same account, else a new one. */
static bool open_link(struct submission_run *r, struct error *why)
{
	struct deliverer **kept = r->mode->kept;

	r->link = kept ? *kept : NULL;
	if (kept)
		*kept = NULL;
	r->is_reused = r->link && deliver_is_usable(r->link) &&
		       deliver_account(r->link) == r->message->account;
	if (r->is_reused)
		return true;
	deliver_close(r->link);
	r->link = NULL;
	return deliver_open(r->message->account, r->mode, &r->link, why);
}

static bool send_once(struct submission_run *r, struct error *why)
{
	struct smtp_mail mail = {
		.envelope = &r->message->envelope,
		.content = &r->message->content,
		.needs_smtputf8 = r->message->needs_smtputf8,
		.is_last = !r->report->wants_run && !r->mode->kept,
	};

	return deliver_message(
		r->link, r->outbox->config->mail.long_lines, r->outbox->directory, &mail, why);
}

/* True when a connection that was kept turned out to be gone, before the
 * server could have taken anything of this message. */
static bool was_stale(const struct submission_run *r, const struct error *why)
{
	const struct envelope *e = &r->message->envelope;

	return r->is_reused && why->fate == FATE_LATER && !deliver_is_usable(r->link) &&
	       envelope_count(e, RECIPIENT_PENDING) == e->count;
}

static bool send_message(struct submission_run *r, struct error *why)
{
	if (send_once(r, why))
		return true;
	if (!was_stale(r, why))
		return false;
	deliver_close(r->link);
	r->link = NULL;
	r->is_reused = false;
	return deliver_open(r->message->account, r->mode, &r->link, why) && send_once(r, why);
}

/* What becomes of the connection: it is kept, handed to a run of the queue, or closed. */
static void leave_link(struct submission_run *r, bool is_settled)
{
	bool is_usable = r->link && deliver_is_usable(r->link);

	if (is_usable && r->mode->kept)
		*r->mode->kept = r->link;
	else if (is_usable && is_settled && r->report->wants_run)
		r->report->link = r->link;
	else
		deliver_close(r->link);
}

static bool send_now(struct submission_run *r, struct error *err)
{
	struct error why = {0};

	if (!deliver_check(r->message->account, err))
		return false;
	if (!open_link(r, &why))
		return settle_fault(r, &why, err);
	r->report->wants_run = queue_has_due(r->outbox);

	bool is_settled =
		send_message(r, &why) ? settle_answers(r, err) : settle_fault(r, &why, err);

	/* Exit 0 would promise what nobody keeps. */
	if (is_settled && r->is_unreported) {
		*err = r->report->refusal;
		is_settled = false;
	}
	leave_link(r, is_settled);
	return is_settled;
}

/* Queued because that was asked for. Where the queue cannot take it, sending
 * it now is better than refusing it (contract C66). */
static bool queue_first(struct submission_run *r, bool runs, struct error *err)
{
	struct outbox_note note = {.attempts = 0};
	struct error queue = {0};

	if (!add_entry(r, &note, r->report->id, &queue)) {
		log_outcome(r, "queue-refused", queue.text);
		return send_now(r, err);
	}
	r->report->is_queued = true;
	r->report->wants_run = runs;
	log_outcome(r, "queued", NULL);
	return true;
}

/* From the end of the input on, the message is secured before the process
 * gives way to a signal (contract C80): it has its outcome soon after, or a
 * wait for the server ends and it is queued. The signals stay held so that the
 * caller hears of that. */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

bool submit_composed(struct outbox *outbox, struct composed *message, enum delivery delivery,
	const struct deliver_mode *mode, struct submit_report *report, struct error *err)
{
	struct submission_run r = {
		.outbox = outbox, .message = message, .mode = mode, .report = report};

	*report = (struct submit_report){.account = message->account->name};
	if (delivery == DELIVERY_FOREGROUND)
		return send_now(&r, err);
	return queue_first(&r, delivery == DELIVERY_BACKGROUND, err);
}

bool submit_message(struct outbox *outbox, const struct submission *submission,
	const struct deliver_mode *mode, struct submit_report *report, struct error *err)
{
	CLEANUP(compose_done) struct composed message = {.message.spill = -1};
	enum delivery delivery =
		submission->has_delivery ? submission->delivery : outbox->config->queue.delivery;

	if (!compose_message(outbox->config, submission, outbox->directory, &message, err))
		return false;
	hold_signals();
	return submit_composed(outbox, &message, delivery, mode, report, err);
}

/* The parent leaves the connection to the child: not even a closing word of
 * TLS may come from here, so it is kept until the process ends. */
static struct deliverer *volatile left_to_child;

void submit_run_detached(struct outbox *outbox, struct submit_report *report)
{
	struct runner_options options = {.account = report->account, .handed = report->link};
	struct runner_report ran = {0};
	struct error err = {0};
	bool is_child = false;

	if (!detach_fork(&is_child, &err)) {
		deliver_close(report->link);
		report->link = NULL;
		return;
	}
	if (!is_child) {
		left_to_child = report->link;
		report->link = NULL;
		return;
	}
	options.mode.in_queue_run = true;
	if (options.handed)
		deliver_enter_run(options.handed);
	if (outbox_open(outbox, false, &err) && !runner_run(outbox, &options, &ran, &err)) {
		const struct log_field fields[] = {{"reason", err.text}};

		log_event("run-failed", fields, ARRAY_LEN(fields));
	}
	_exit(EX_OK);
}
