/* One message in as many transactions as the server's limits ask for. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/address.h"
#include "smtp/command.h"
#include "smtp/send_parts.h"

void sending_done(struct sending *g)
{
	free(g->attempts);
	g->attempts = NULL;
}

/* An address that would break the command concerns itself alone. */
static void refuse_unsafe(struct smtp_mail *mail, struct recipient *r)
{
	envelope_note(mail->envelope, r, 0, "5.1.3", "the address cannot be sent as it is");
	r->state = RECIPIENT_FAILED;
}

void sending_init(struct sending *g, struct smtp_mail *mail)
{
	struct envelope *e = mail->envelope;

	*g = (struct sending){.mail = mail};
	g->attempts = mem_alloc((e->count + 1) * sizeof(*g->attempts));
	for (size_t i = 0; i < e->count; i++) {
		struct recipient *r = &e->recipients[i];

		if (r->state != RECIPIENT_PENDING && r->state != RECIPIENT_SENT)
			continue;
		if (!r->address[0] || !command_is_safe_path(r->address))
			refuse_unsafe(mail, r);
		else
			g->attempts[g->count++] = (struct attempt){.recipient = r};
	}
}

bool sending_is_open(const struct sending *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->attempts[i].state == ATTEMPT_OPEN)
			return true;
	return false;
}

bool sending_is_settled(const struct sending *g)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->attempts[i].recipient->state != RECIPIENT_DELIVERED &&
			g->attempts[i].recipient->state != RECIPIENT_FAILED)
			return false;
	return true;
}

/* The domains of one transaction, where the server limits them (RFC 9422). */
struct domains {
	struct slice *seen; /* owned */
	size_t count, limit;
};

static bool has_place(struct domains *d, const char *address)
{
	struct slice domain = address_domain(address);

	if (d->limit == 0)
		return true;
	for (size_t i = 0; i < d->count; i++)
		if (slice_ieq(d->seen[i], domain))
			return true;
	if (d->count >= d->limit)
		return false;
	d->seen[d->count++] = domain;
	return true;
}

void sending_next(struct sending *g, struct smtp_session *s, struct transaction *t)
{
	size_t limit = s->caps.rcpt_max > 0 && s->caps.rcpt_max < g->count
			       ? (size_t)s->caps.rcpt_max
			       : g->count;
	struct attempt **group = mem_alloc((limit + 1) * sizeof(struct attempt *));
	struct domains domains = {
		.limit = s->caps.domain_max < g->count ? (size_t)s->caps.domain_max : 0,
	};
	size_t count = 0, open = 0;

	if (domains.limit > 0)
		domains.seen = mem_alloc(domains.limit * sizeof(*domains.seen));
	for (size_t i = 0; i < g->count; i++) {
		struct attempt *a = &g->attempts[i];

		if (a->state != ATTEMPT_OPEN)
			continue;
		open++;
		if (count < limit && has_place(&domains, a->recipient->address))
			group[count++] = a;
	}
	free(domains.seen);
	transaction_init(t, s, g->mail, group, count);
	t->may_quit = g->may_quit && count == open;
}

/* What may not be changed, a signed part for one, goes once more as it is. */
static void fit_again(struct smtp_session *s, struct smtp_mail *mail)
{
	struct error ignored = {0};

	mail->was_fit_again = true;
	s->caps.eight_bit_mime = false;
	(void)!mail->fit_again(mail->fit_context, &ignored);
}

bool sending_run(struct sending *g, struct smtp_session *s, struct error *err)
{
	bool goes_well = true;

	while (goes_well && sending_is_open(g)) {
		CLEANUP(transaction_done) struct transaction t = {0};

		if (!session_ready(s, err))
			return false;
		if (transaction_lacks_form(s, g->mail))
			fit_again(s, g->mail);
		if (!command_check(&s->caps, g->mail, tls_is_on(s->stream), s->peer, err))
			return false;
		sending_next(g, s, &t);
		transaction_begin(&t);
		transaction_envelope(&t);
		transaction_body(&t);
		transaction_final(&t);
		goes_well = !t.has_failed || sending_is_settled(g);
		if (!goes_well)
			*err = t.failure;
	}
	return goes_well;
}

bool smtp_send(struct smtp_session *s, struct smtp_mail *mail, struct error *err)
{
	CLEANUP(sending_done) struct sending sending;

	sending_init(&sending, mail);
	sending.may_quit = mail->is_last;
	return sending_run(&sending, s, err);
}
