/* The second half of a transaction: the message and its final reply. */
#include <string.h>

#include "base/clock.h"
#include "smtp/payload.h"
#include "smtp/transaction.h"

enum {
	CHUNK_OCTETS = 262144, /* of a large message; an error stops the rest */
	CHUNKS_AHEAD = 4,      /* chunks whose replies may be outstanding */
};

/* ---- The message ---- */

/* The connection can say no more, because half a message stands in it. What
 * the server said in between knows the reason better than the broken write. */
static void abandon(struct transaction *t, const struct error *cause)
{
	struct smtp_session *s = t->session;
	struct error refusal = {0};

	if (!s->is_over && dialogue_read(s, PHASE_BODY, dialogue_deadline(s), &refusal))
		transaction_refuse(t, PHASE_FINAL);
	else
		transaction_fail(t, cause->exit_code != 0 ? cause : &refusal);
	dialogue_end(s, &t->failure);
}

/* A local fault must not wait for a server that waits for us. */
static void give_up(struct transaction *t, const struct error *cause)
{
	bool is_ours = cause->exit_code == EX_IOERR;
	struct error named = *cause;

	if (!is_ours)
		error_fate(&named, FATE_LATER);
	if (is_ours)
		dialogue_end(t->session, &named);
	abandon(t, &named);
}

/* A reply before there was anything to answer: the server is out of step,
 * and nothing it says can be taken for an answer to the message. */
static void hear_stray(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};

	if (dialogue_read(s, PHASE_BODY, dialogue_deadline(s), &cause)) {
		if (s->reply.code == 421)
			cause = s->cause;
		else
			dialogue_broken(s, PHASE_BODY, &cause);
	}
	transaction_fail(t, &cause);
}

static void put_dotted(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};
	bool interrupted;

	if (stream_unread(s->stream) > 0) {
		hear_stray(t);
		return;
	}
	if (!payload_write_dotted(s, t->mail->content, &interrupted, &cause)) {
		give_up(t, &cause);
	} else if (interrupted) {
		abandon(t, &cause);
	} else if (!transaction_mark_sent(t)) {
		dialogue_end(s, &t->failure);
	} else {
		stream_put(s->stream, SLICE(".\r\n"));
		t->awaits_final = true;
		transaction_put_quit(t);
	}
}

/* The reply to a chunk that is not the last. */
static bool take_chunk(struct transaction *t)
{
	struct smtp_session *s = t->session;

	if (!transaction_read(t, PHASE_BODY))
		return false;
	t->chunks_awaited--;
	t->knows_bdat |= s->reply.code / 10 == 25;
	if (s->reply.code / 10 == 25)
		return !t->has_failed;
	s->needs_rset = true;
	if (!t->has_failed)
		transaction_refuse(t, PHASE_FINAL);
	return false;
}

static bool is_unknown_command(const struct transaction *t)
{
	int code = t->session->reply.code;

	return code == 500 || code == 502 || code == 503 || code == 504;
}

/* A server that offers CHUNKING and does not know BDAT takes the octets of the
 * chunk for commands: this connection is of no more use, DATA on the next is. */
static bool falls_back(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};

	if (!t->chunked || t->knows_bdat || !is_unknown_command(t) || t->mail->content->has_nul)
		return false;
	dialogue_refused(s, PHASE_FINAL, &cause);
	error_fate(&cause, FATE_LATER);
	dialogue_end(s, &cause);
	s->without_chunking = true;
	s->may_go_on = true;
	t->try_again = true;
	t->has_failed = t->is_definite = false;
	return true;
}

/* Replies to chunks are read when some are outstanding, and before the last
 * is sent those that are there already: no octet follows an error. */
static bool settle_chunks(struct transaction *t, unsigned ahead)
{
	struct smtp_session *s = t->session;

	while (t->chunks_awaited > ahead ||
		(t->chunks_awaited > 0 && stream_unread(s->stream) > 0)) {
		if (take_chunk(t))
			continue;
		if (!s->is_over)
			(void)falls_back(t);
		return false;
	}
	return true;
}

static void drain_chunks(struct transaction *t)
{
	while (t->chunks_awaited > 0 && !t->session->is_over)
		(void)take_chunk(t);
}

static bool put_chunk(struct transaction *t, struct payload *chunks)
{
	struct smtp_session *s = t->session;
	bool is_last = chunks->left <= CHUNK_OCTETS;
	uint64_t octets = is_last ? chunks->left : CHUNK_OCTETS;
	struct error cause = {0};
	CLEANUP(buf_done) struct buf line = BUF(64);

	if (is_last && !transaction_mark_sent(t)) {
		s->needs_rset = true;
		return false;
	}
	buf_printf(&line, "BDAT %llu%s", (unsigned long long)octets, is_last ? " LAST" : "");
	dialogue_put(s, buf_slice(&line));
	if (!payload_write(s, chunks, octets, &cause)) {
		give_up(t, &cause);
		return false;
	}
	t->chunks_awaited++;
	t->awaits_final = is_last;
	return true;
}

static void put_chunks(struct transaction *t)
{
	struct smtp_session *s = t->session;
	unsigned ahead = s->caps.pipelining ? CHUNKS_AHEAD : 0;
	struct payload chunks;

	payload_start(s, &chunks, t->mail->content);
	while (chunks.left > 0) {
		if (!settle_chunks(t, ahead) || !put_chunk(t, &chunks))
			break;
		/* The first answer tells whether BDAT is known at all; until
		 * then no more is risked. */
		if (!t->knows_bdat && !t->awaits_final && !settle_chunks(t, 0))
			break;
	}
	if (t->awaits_final)
		transaction_put_quit(t);
	else
		drain_chunks(t);
	payload_stop(&chunks);
}

void transaction_body(struct transaction *t)
{
	struct smtp_session *s = t->session;
	bool wanted = transaction_is_on(t) && t->accepted > 0;

	if (s->is_over || t->awaits_final)
		return;
	if (t->data_ok && !wanted) {
		/* An empty message for nobody: the only way out of DATA. */
		stream_put(s->stream, SLICE(".\r\n"));
		t->awaits_final = true;
	} else if (t->data_ok) {
		put_dotted(t);
	} else if (wanted && t->chunked) {
		put_chunks(t);
	} else if (t->mail_ok) {
		s->needs_rset = true;
	}
}

/* ---- The final reply ---- */

static bool read_final(struct transaction *t, int64_t limit_ms)
{
	struct smtp_session *s = t->session;
	int64_t deadline_ms = clock_earlier(clock_deadline(s->params.reply_ms), limit_ms);
	struct error cause = {0};

	if (dialogue_read(s, PHASE_FINAL, deadline_ms, &cause))
		return true;
	transaction_lose(t, &cause);
	return false;
}

static void settle(struct transaction *t, struct attempt *a)
{
	struct smtp_session *s = t->session;
	int code = s->reply.code;

	transaction_note(t, a);
	if (code / 10 == 25) {
		a->recipient->state = RECIPIENT_DELIVERED;
		a->state = ATTEMPT_ANSWERED;
		t->is_delivered = true;
	} else if (code >= 400 && s->params.lmtp) {
		bool for_good = code != 421 && status_fate(PHASE_FINAL, code) == FATE_PERMANENT;

		a->recipient->state = for_good ? RECIPIENT_FAILED : RECIPIENT_PENDING;
		a->state = ATTEMPT_ANSWERED;
	}
}

/* One reply that holds for all: RFC 5321 section 4.1.1.4. */
static void take_final(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};
	int code = s->reply.code;

	for (size_t i = 0; i < t->count; i++)
		if (t->group[i]->state == ATTEMPT_ACCEPTED)
			settle(t, t->group[i]);
	if (code / 10 == 25)
		return;
	s->needs_rset = t->chunked;
	if (code >= 400) {
		dialogue_refused(s, PHASE_FINAL, &cause);
		t->is_definite = true;
	} else {
		/* Neither yes nor no: nobody knows what the server did. */
		dialogue_broken(s, PHASE_FINAL, &cause);
		error_fate(&cause, FATE_UNCERTAIN);
		t->is_uncertain = true;
	}
	transaction_fail(t, &cause);
}

/* One reply for each recipient that was accepted: RFC 2033 section 4.2. */
static void take_final_lmtp(struct transaction *t)
{
	struct smtp_session *s = t->session;
	int64_t limit_ms =
		clock_deadline(s->params.reply_ms + (int64_t)1000 * (int64_t)t->accepted);
	struct error cause = {0};

	for (size_t i = 0; i < t->count; i++) {
		struct attempt *a = t->group[i];

		if (a->state != ATTEMPT_ACCEPTED)
			continue;
		if (!read_final(t, limit_ms))
			return;
		settle(t, a);
		if (a->state == ATTEMPT_ANSWERED)
			continue;
		dialogue_broken(s, PHASE_FINAL, &cause);
		error_fate(&cause, FATE_UNCERTAIN);
		t->is_uncertain = true;
		transaction_fail(t, &cause);
		return;
	}
}

/* All of it has to be with the kernel before there can be doubt. */
static bool flush(struct transaction *t)
{
	struct smtp_session *s = t->session;
	struct error cause = {0};

	if (t->is_flushed || stream_flush(s->stream, dialogue_deadline(s), &cause))
		t->is_flushed = true;
	else
		give_up(t, &cause);
	return t->is_flushed;
}

/* The answer to a message that nobody was to get, or after an earlier error. */
static void skip_final(struct transaction *t)
{
	if (!t->data_ok)
		t->session->needs_rset = true;
	(void)!read_final(t, INT64_MAX);
}

/* What was not settled is as it was; a clear "no" ends older doubt too. */
static void restore(struct transaction *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct attempt *a = t->group[i];

		if (a->state == ATTEMPT_ANSWERED)
			continue;
		if (a->state == ATTEMPT_AGAIN)
			a->recipient->state = a->was;
		else if (t->is_uncertain)
			a->recipient->state = RECIPIENT_SENT;
		else if (t->is_definite)
			a->recipient->state = RECIPIENT_PENDING;
		else
			a->recipient->state = a->was;
		a->state = ATTEMPT_OPEN;
	}
}

/* Behind QUIT nothing can be said; another connection may be opened. */
static void note_quit(struct smtp_session *s)
{
	struct error cause = {0};

	if (!s->quit_sent || s->is_over)
		return;
	error_set(&cause, EX_TEMPFAIL, "%s: the session was ended", s->peer);
	dialogue_end(s, &cause);
	s->may_go_on = true;
}

void transaction_final(struct transaction *t)
{
	struct smtp_session *s = t->session;

	if (t->awaits_final && !s->is_over && flush(t)) {
		while (t->chunks_awaited > 1 && !s->is_over)
			(void)take_chunk(t);
		if (!transaction_is_on(t) || t->accepted == 0)
			skip_final(t);
		else if (s->params.lmtp)
			take_final_lmtp(t);
		else if (read_final(t, INT64_MAX) && !falls_back(t))
			take_final(t);
	}
	if (t->is_on_the_way)
		s->on_the_way--;
	t->is_on_the_way = false;
	restore(t);
	if (t->is_delivered && t->mail->accepted)
		t->mail->accepted(t->mail->context);
	note_quit(s);
}
