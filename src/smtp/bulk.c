/* Many messages on one connection, their flights laid into one another. */
#include <stdlib.h>
#include <string.h>

#include "smtp/command.h"
#include "smtp/send_parts.h"

enum {
	WINDOW_MAX = 10,          /* messages in flight */
	WINDOW_OCTETS = 262144,   /* octets of them */
	REFILL_PERCENT = 30,      /* of the window that still flies when more is sent */
	BULK_RECIPIENTS_MAX = 100 /* more make a transaction of their own worth while */
};

/* One message on its way. */
struct flying {
	struct sending sending;
	struct transaction t;
};

struct bulk {
	struct smtp_session *session;
	const struct smtp_feed *feed;
	size_t window;
	struct flying flying[WINDOW_MAX]; /* oldest first */
	size_t count;
	struct sending rest[WINDOW_MAX + 1]; /* to be sent alone, when nothing else flies */
	size_t rest_count;
	bool is_drained; /* nothing more will be taken from the feed */
};

static void report(struct bulk *b, struct sending *g, const struct error *err)
{
	b->feed->done(b->feed->context, g->mail, err);
	sending_done(g);
}

static bool is_chunked(const struct smtp_session *s)
{
	return s->caps.chunking && !s->without_chunking && !s->params.lmtp;
}

static uint64_t octets_in_flight(const struct bulk *b)
{
	uint64_t octets = 0;

	for (size_t i = 0; i < b->count; i++)
		octets += content_octets(b->flying[i].sending.mail->content);
	return octets;
}

/* A message that takes one transaction, which need not be waited for. */
static bool fits(const struct smtp_session *s, const struct sending *g)
{
	uint64_t rcpt_max = s->caps.rcpt_max > 0 ? s->caps.rcpt_max : BULK_RECIPIENTS_MAX;

	return s->caps.pipelining && s->caps.domain_max == 0 && g->count <= rcpt_max &&
	       g->count <= BULK_RECIPIENTS_MAX && !transaction_left_doubt(g->mail) &&
	       !transaction_lacks_form(s, g->mail) &&
	       (!is_chunked(s) || content_octets(g->mail->content) <= TRANSACTION_WHOLE_MAX);
}

/* The state a failed BDAT leaves is only known to be clean after RSET (RFC
 * 3030 section 2), and whether this one fails is not known yet. */
static void take_off(struct bulk *b, struct sending *g)
{
	struct smtp_session *s = b->session;
	struct flying *f = &b->flying[b->count];

	f->sending = *g;
	if (b->count > 0 && is_chunked(s))
		s->needs_rset = true;
	sending_next(&f->sending, s, &f->t);
	f->t.in_bulk = true;
	b->count++;
	transaction_begin(&f->t);
}

/* Takes one message from the feed. False where none was to be had. */
static bool take_one(struct bulk *b)
{
	struct smtp_session *s = b->session;
	struct smtp_mail *mail = smtp_is_usable(s) ? b->feed->next(b->feed->context) : NULL;
	struct sending g;
	struct error err = {0};

	if (!mail) {
		b->is_drained = true;
		return false;
	}
	sending_init(&g, mail);
	if (!sending_is_open(&g))
		report(b, &g, NULL);
	else if (!command_check(&s->caps, mail, tls_is_on(s->stream), s->peer, &err))
		report(b, &g, &err);
	else if (fits(s, &g))
		take_off(b, &g);
	else
		b->rest[b->rest_count++] = g;
	return true;
}

/*
 * Behind DATA no command may follow in the same flight: there one message at
 * a time takes off. Else the window is filled again when most of it has
 * landed: a flight for each that lands would make both sides wait each time.
 * How long the next one is, is known when it was taken: there is room for any.
 */
static void fill(struct bulk *b)
{
	size_t window = is_chunked(b->session) ? b->window : 1;

	if (b->count > window * REFILL_PERCENT / 100)
		return;
	while (b->count < window && b->rest_count == 0 && !b->is_drained &&
		octets_in_flight(b) <= WINDOW_OCTETS - TRANSACTION_WHOLE_MAX)
		if (!take_one(b))
			return;
}

/* Sends all flights. Where that breaks, any of them but the last may have
 * arrived whole. */
static void flush(struct bulk *b)
{
	struct smtp_session *s = b->session;
	struct error ignored = {0};

	if (s->is_over)
		return;

	bool is_sent = stream_flush(s->stream, dialogue_deadline(s), &ignored);
	size_t arrived = is_sent ? b->count : b->count - 1;

	for (size_t i = 0; i < arrived; i++)
		if (b->flying[i].t.awaits_final)
			b->flying[i].t.is_flushed = true;
}

/* True where the message goes once more, by itself: refused parameters, too
 * many recipients, BDAT not known. */
static bool needs_more(const struct bulk *b, const struct flying *f)
{
	const struct smtp_session *s = b->session;

	if (!sending_is_open(&f->sending) || f->t.is_uncertain || f->t.is_definite)
		return false;
	return !f->t.has_failed || (s->is_over && s->may_go_on && s->can_dial);
}

static void land(struct bulk *b)
{
	struct flying f = b->flying[0];

	b->count--;
	memmove(&b->flying[0], &b->flying[1], b->count * sizeof(b->flying[0]));
	if (needs_more(b, &f))
		b->rest[b->rest_count++] = f.sending;
	else
		report(b, &f.sending,
			f.t.has_failed && !sending_is_settled(&f.sending) ? &f.t.failure : NULL);
	transaction_done(&f.t);
}

static void settle_oldest(struct bulk *b)
{
	struct transaction *t = &b->flying[0].t;

	flush(b);
	transaction_envelope(t);
	transaction_body(t);
	if (!t->chunked && b->rest_count == 0 && !b->is_drained) {
		/* The commands of the next message go along with this one's end. */
		(void)take_one(b);
		flush(b);
	}
	transaction_final(t);
	land(b);
}

static void send_rest(struct bulk *b)
{
	for (size_t i = 0; i < b->rest_count; i++) {
		struct error err = {0};
		bool goes_well = sending_run(&b->rest[i], b->session, &err);

		report(b, &b->rest[i], goes_well ? NULL : &err);
	}
	b->rest_count = 0;
}

void smtp_send_many(struct smtp_session *s, const struct smtp_feed *feed)
{
	struct bulk b = {.session = s, .feed = feed};

	b.window = feed->window < 1 ? 1 : feed->window > WINDOW_MAX ? WINDOW_MAX : feed->window;
	do {
		fill(&b);
		if (b.count > 0)
			settle_oldest(&b);
		else
			send_rest(&b);
	} while (b.count > 0 || b.rest_count > 0 || !b.is_drained);
}
