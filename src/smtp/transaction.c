#include "smtp/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "smtp/command.h"
#include "smtp/payload.h"

enum {
	COMMAND_MAX = 8192,     /* octets of one command; addresses are far shorter */
	FLIGHT_FULL = 32768,    /* octets of commands before their replies are read */
	RECIPIENTS_TAKEN = 100, /* by any server at once, RFC 5321 section 4.5.3.1.8 */
	/* Kept back for what follows the server's word: its note for each recipient, the log. */
	SPARE_OCTETS = 65536,
	SPARE_FOR_RECIPIENT = 1024,
};

/* A server that answers each command just before its limit must not hold us
 * for hours; one that takes its time for each recipient may. */
static int64_t command_limit(const struct smtp_session *s, size_t recipients)
{
	return clock_deadline(
		(int64_t)10 * s->params.progress_ms + (int64_t)1000 * (int64_t)recipients);
}

bool transaction_left_doubt(const struct smtp_mail *mail)
{
	return envelope_count(mail->envelope, RECIPIENT_SENT) > 0;
}

void transaction_init(struct transaction *t, struct smtp_session *s, struct smtp_mail *mail,
	struct attempt **group, size_t count)
{
	*t = (struct transaction){.session = s, .mail = mail, .group = group, .count = count};
	t->chunked = s->caps.chunking && !s->without_chunking && !s->params.lmtp;
	t->was_in_doubt = transaction_left_doubt(mail);
	t->limit_ms = command_limit(s, count);
	for (size_t i = 0; i < count; i++) {
		group[i]->state = ATTEMPT_OPEN;
		group[i]->was = group[i]->recipient->state;
	}
}

void transaction_done(struct transaction *t)
{
	free(t->group);
	t->group = NULL;
}

void transaction_fail(struct transaction *t, const struct error *cause)
{
	if (!t->has_failed)
		t->failure = *cause;
	t->has_failed = true;
}

bool transaction_is_on(const struct transaction *t)
{
	return !t->has_failed && !t->try_again;
}

bool transaction_is_whole(const struct transaction *t)
{
	return t->chunked && !t->was_in_doubt &&
	       content_octets(t->mail->content) <= TRANSACTION_WHOLE_MAX;
}

bool transaction_read(struct transaction *t, enum smtp_phase phase)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};
	int64_t deadline_ms = phase == PHASE_BODY
				      ? clock_deadline(s->params.reply_ms)
				      : clock_earlier(dialogue_deadline(s), t->limit_ms);

	if (dialogue_read(s, phase, deadline_ms, &cause))
		return true;
	transaction_lose(t, &cause);
	return false;
}

/* Once the last octet is on its way only a clear answer says that the
 * message was not taken. */
static bool is_in_doubt(const struct transaction *t)
{
	bool has_nobody = t->answered == t->count && t->accepted == 0;

	return t->awaits_final && t->is_flushed && transaction_is_on(t) && !has_nobody &&
	       t->session->cause.smtp_code < 400;
}

void transaction_lose(struct transaction *t, struct error *cause)
{
	if (is_in_doubt(t)) {
		t->is_uncertain = true;
		error_fate(cause, FATE_UNCERTAIN);
		error_hint(cause, "the server may have taken the message: trying again can make a "
				  "second copy, with the same Message-ID");
	}
	transaction_fail(t, cause);
}

void transaction_note(struct transaction *t, struct attempt *a)
{
	struct reply *r = &t->session->reply;

	envelope_note(t->mail->envelope, a->recipient, r->code, r->enhanced, reply_text(r));
}

void transaction_refuse(struct transaction *t, enum smtp_phase phase)
{
	struct error cause = {0};

	if (phase == PHASE_MAIL)
		dialogue_refused_sender(t->session, t->mail->envelope->sender, &cause);
	else
		dialogue_refused(t->session, phase, &cause);
	transaction_fail(t, &cause);
	t->is_definite = t->session->reply.code >= 400;
	for (size_t i = 0; i < t->count; i++)
		if (t->group[i]->state != ATTEMPT_ANSWERED)
			transaction_note(t, t->group[i]);
}

/* ---- Replies ---- */

/* A server that refuses RSET has no clean state to go on from. */
static void take_rset(struct transaction *t)
{
	struct error cause = {0};

	t->awaits_rset = false;
	if (!transaction_read(t, PHASE_RSET) || t->session->reply.code / 10 == 25)
		return;
	dialogue_refused(t->session, PHASE_RSET, &cause);
	error_fate(&cause, FATE_LATER);
	cause.exit_code = EX_TEMPFAIL;
	dialogue_end(t->session, &cause);
	transaction_fail(t, &cause);
}

/* Codes by which servers refuse parameters they do not know: RFC 5321
 * section 4.1.1.11 and what is met in the field. */
static bool refuses_parameters(const struct reply *r)
{
	return r->code == 555 || r->code == 504 || r->code == 501;
}

static bool is_8bit(const struct content *c)
{
	return c->has_8bit || c->head_has_8bit;
}

bool transaction_lacks_form(const struct smtp_session *s, const struct smtp_mail *mail)
{
	return s->without_8bitmime && mail->fit_again && !mail->was_fit_again &&
	       is_8bit(mail->content);
}

static void take_mail(struct transaction *t)
{
	struct smtp_session *s = t->session;

	t->awaits_mail = false;
	if (!transaction_read(t, PHASE_MAIL))
		return;
	t->mail_ok = s->reply.code == 250;
	if (t->mail_ok)
		return;
	s->needs_rset = true;
	if (t->has_options && refuses_parameters(&s->reply)) {
		s->without_options = true;
		s->without_8bitmime = s->without_8bitmime || is_8bit(t->mail->content);
		t->try_again = true;
		return;
	}
	if (refuses_parameters(&s->reply))
		s->without_options = false;
	transaction_refuse(t, PHASE_MAIL);
}

/* "Too many recipients" means that the others got in and this one comes with
 * the next transaction (RFC 5321 section 4.5.3.1.10). */
static bool is_too_many(const struct transaction *t)
{
	const struct reply *r = &t->session->reply;
	const char *detail = r->enhanced[0] ? r->enhanced + 1 : "";

	if (t->accepted == 0 || r->code == 421)
		return false;
	return strcmp(detail, ".5.3") == 0 || r->code == 452 || (r->code == 552 && !*detail);
}

static void settle_refused(struct transaction *t, struct attempt *a)
{
	int code = t->session->reply.code;
	bool for_good = code != 421 && status_fate(PHASE_RCPT, code) == FATE_PERMANENT;

	transaction_note(t, a);
	a->recipient->state = for_good ? RECIPIENT_FAILED : RECIPIENT_PENDING;
	a->state = ATTEMPT_ANSWERED;
}

static void take_rcpt(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct attempt *a = t->group[t->answered];
	struct error cause = {0};

	if (!transaction_read(t, PHASE_RCPT))
		return;
	t->answered++;
	if (!t->mail_ok)
		return;
	if (s->reply.code / 10 == 25) {
		a->state = ATTEMPT_ACCEPTED;
		t->accepted++;
	} else if (s->reply.code < 400) {
		dialogue_broken(s, PHASE_RCPT, &cause);
		transaction_fail(t, &cause);
	} else if (is_too_many(t)) {
		a->state = ATTEMPT_AGAIN;
	} else if (a->with_parameters && refuses_parameters(&s->reply)) {
		a->state = ATTEMPT_AGAIN;
		s->without_dsn = true;
	} else {
		/* It was not for the parameters, then. */
		if (refuses_parameters(&s->reply))
			s->without_dsn = false;
		settle_refused(t, a);
	}
}

/* 354 where nobody accepted still wants its dot; anything but 354 and a
 * refusal would leave both sides with different ideas of what follows. */
static void take_data(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};

	t->awaits_data = false;
	if (!transaction_read(t, PHASE_DATA))
		return;
	t->data_ok = s->reply.code == 354;
	if (t->data_ok)
		return;
	s->needs_rset = true;
	if (s->reply.code < 400) {
		dialogue_broken(s, PHASE_DATA, &cause);
		transaction_fail(t, &cause);
	} else if (transaction_is_on(t) && t->accepted > 0) {
		transaction_refuse(t, PHASE_DATA);
	}
}

/* A message that went along with its commands: whether its end went out
 * decides later what a lost reply means. What broke is met again on reading. */
static void flush_whole(struct transaction *t)
{
	struct error ignored = {0};

	if (t->awaits_final && !t->is_flushed && !t->session->is_over)
		t->is_flushed =
			stream_flush(t->session->stream, dialogue_deadline(t->session), &ignored);
}

void transaction_envelope(struct transaction *t)
{
	flush_whole(t);
	if (t->in_bulk)
		t->limit_ms = command_limit(t->session, t->count);
	if (t->awaits_rset && !t->session->is_over)
		take_rset(t);
	if (t->awaits_mail && !t->session->is_over)
		take_mail(t);
	while (t->answered < t->put && !t->session->is_over)
		take_rcpt(t);
	if (t->awaits_data && !t->session->is_over)
		take_data(t);
	if (t->session->is_over) {
		struct error cause = t->session->cause;

		transaction_lose(t, &cause);
	}
}

/* ---- Commands ---- */

static struct command_style style_of(const struct transaction *t)
{
	const struct smtp_session *s = t->session;

	return (struct command_style){
		.with_options = !s->without_options,
		.with_dsn = !s->without_dsn && !s->without_options,
		.binary = t->mail->content->has_nul,
	};
}

static void put_mail(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct command_style style = style_of(t);
	CLEANUP(buf_done) struct buf line = BUF(COMMAND_MAX);

	if (s->needs_rset) {
		dialogue_put(s, SLICE("RSET"));
		t->awaits_rset = true;
		s->needs_rset = false;
	}
	t->has_options = command_mail(&line, &s->caps, t->mail, &style);
	dialogue_put(s, buf_slice(&line));
	t->awaits_mail = true;
	s->mails++;
}

static void put_rcpt(struct transaction *t)
{
	struct attempt *a = t->group[t->put];
	struct command_style style = style_of(t);
	CLEANUP(buf_done) struct buf line = BUF(COMMAND_MAX);

	a->with_parameters = command_rcpt(&line, &t->session->caps, a->recipient, &style);
	dialogue_put(t->session, buf_slice(&line));
	t->put++;
}

bool transaction_mark_sent(struct transaction *t)
{
	struct error cause = {0};

	mem_keep_spare(SPARE_OCTETS + t->count * SPARE_FOR_RECIPIENT);
	for (size_t i = 0; i < t->count; i++)
		if (t->group[i]->state <= ATTEMPT_ACCEPTED)
			t->group[i]->recipient->state = RECIPIENT_SENT;
	if (t->mail->before_final && !t->mail->before_final(t->mail->context, &cause)) {
		transaction_fail(t, &cause);
		return false;
	}
	t->is_on_the_way = true;
	t->session->on_the_way++;
	return true;
}

void transaction_put_quit(struct transaction *t)
{
	struct smtp_session *s = t->session;

	if (!t->may_quit || !s->caps.pipelining || s->quit_sent)
		return;
	/* Some of so many may have to come in another transaction: their replies tell. */
	if (t->answered < t->count && t->count > RECIPIENTS_TAKEN)
		return;
	for (size_t i = 0; i < t->count; i++)
		if (t->group[i]->state == ATTEMPT_AGAIN)
			return;
	dialogue_put(s, SLICE("QUIT"));
	s->quit_sent = true;
}

/* All octets of a small message, so that one that cannot be read breaks off
 * before BDAT has promised its size, and the connection serves the others. */
static bool gather(const struct content *content, struct buf *out, struct error *err)
{
	CLEANUP(content_stop) struct content_reader reader;
	struct slice piece;

	content_start(&reader, content);
	do {
		if (!content_next(&reader, &piece, err))
			return false;
		buf_add(out, piece);
	} while (piece.len > 0);
	return out->len == content_octets(content) ||
	       error_set(err, EX_IOERR, "the message is not as long as it was");
}

/* The whole message behind its commands: the reply to BDAT is the final one.
 * What was put cannot be taken back, so the content is read first. */
static void put_whole(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};
	CLEANUP(buf_done) struct buf whole = BUF(TRANSACTION_WHOLE_MAX + 1);
	CLEANUP(buf_done) struct buf line = BUF(64);

	if (!gather(t->mail->content, &whole, &cause)) {
		transaction_fail(t, &cause);
		s->needs_rset = true;
		return;
	}
	if (!transaction_mark_sent(t)) {
		s->needs_rset = true;
		return;
	}
	buf_printf(&line, "BDAT %zu LAST", whole.len);
	dialogue_put(s, buf_slice(&line));
	stream_put(s->stream, buf_slice(&whole));
	t->chunks_awaited = 1;
	t->awaits_final = true;
	transaction_put_quit(t);
}

static bool must_wait(const struct transaction *t)
{
	const struct smtp_session *s = t->session;

	return !s->caps.pipelining || (!t->in_bulk && stream_pending(s->stream) > FLIGHT_FULL);
}

void transaction_begin(struct transaction *t)
{
	struct smtp_session *s = t->session;

	put_mail(t);
	if (!s->caps.pipelining)
		transaction_envelope(t);
	while (t->put < t->count && transaction_is_on(t)) {
		put_rcpt(t);
		if (must_wait(t))
			transaction_envelope(t);
	}
	if (!transaction_is_on(t) || (t->answered == t->count && t->accepted == 0))
		return;
	if (transaction_is_whole(t)) {
		put_whole(t);
	} else if (!t->chunked) {
		dialogue_put(s, SLICE("DATA"));
		t->awaits_data = true;
		if (!s->caps.pipelining)
			transaction_envelope(t);
	}
}
