#include "smtp/command.h"

#include <string.h>

#include "mail/dsn.h"

/* ---- What must be true ---- */

static bool lacks(const char *peer, const char *extension, const char *wanted, struct error *err)
{
	return error_set(err, EX_UNAVAILABLE, "%s: the server does not offer %s, which %s needs",
		peer, extension, wanted);
}

static bool check_demands(const struct smtp_caps *caps, const struct demands *d, bool is_tls,
	const char *peer, struct error *err)
{
	if (d->require_tls && (!caps->require_tls || !is_tls))
		return lacks(peer, "REQUIRETLS", "require_tls", err);
	if (d->deliver_by_s != 0 && !caps->deliver_by)
		return lacks(peer, "DELIVERBY", "deliver_by", err);
	if (d->has_priority && !caps->mt_priority)
		return lacks(peer, "MT-PRIORITY", "priority", err);
	if (d->hold_for_s > 0 && !caps->future_release)
		return lacks(peer, "FUTURERELEASE", "hold_for", err);
	if (d->deliver_by_s > 0 && d->deliver_by_mode == 'R' &&
		(uint64_t)d->deliver_by_s < caps->deliver_min_s)
		return error_set(err, EX_UNAVAILABLE,
			"%s: the server needs at least %llu seconds for deliver_by, asked are %ld",
			peer, (unsigned long long)caps->deliver_min_s, d->deliver_by_s);
	if (d->hold_for_s > 0 && caps->hold_max_s > 0 && (uint64_t)d->hold_for_s > caps->hold_max_s)
		return error_set(err, EX_UNAVAILABLE,
			"%s: the server holds a message for at most %llu seconds, asked are %ld",
			peer, (unsigned long long)caps->hold_max_s, d->hold_for_s);
	return true;
}

bool command_check(const struct smtp_caps *caps, const struct smtp_mail *mail, bool is_tls,
	const char *peer, struct error *err)
{
	uint64_t octets = content_octets(mail->content);

	if (!command_is_safe_path(mail->envelope->sender))
		return error_set(err, EX_DATAERR, "the sender's address cannot be sent");
	if (mail->needs_smtputf8 && !caps->smtputf8)
		return error_set(err, EX_DATAERR,
			"%s: the server does not offer SMTPUTF8, which an address or header of "
			"this message needs",
			peer);
	if (mail->content->has_nul && !(caps->chunking && caps->binary_mime))
		return error_set(err, EX_DATAERR,
			"%s: the message holds NUL octets, which the server cannot take", peer);
	if (caps->size_limit > 0 && octets > caps->size_limit)
		return error_set(err, EX_DATAERR,
			"%s: the message has %llu octets, the server takes at most %llu", peer,
			(unsigned long long)octets, (unsigned long long)caps->size_limit);
	return check_demands(caps, &mail->demands, is_tls, peer, err);
}

bool command_is_safe_path(const char *address)
{
	bool is_quoted = false;

	for (const char *c = address; *c; c++) {
		if (ascii_is_control(*c))
			return false;
		if (*c == '"') {
			is_quoted = !is_quoted;
		} else if (is_quoted && *c == '\\') {
			c++;
			if (*c == '\0' || ascii_is_control(*c))
				return false;
		} else if (!is_quoted && strchr(" <>", *c)) {
			return false;
		}
	}
	return !is_quoted;
}

/* ---- MAIL ---- */

/* xtext stands in queue files that people may edit: a blank would begin
 * another parameter. */
static bool is_parameter(const char *text)
{
	if (!text || !*text)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool add_options(struct buf *out, const struct smtp_caps *caps, const struct smtp_mail *mail,
	const struct command_style *style)
{
	const struct content *c = mail->content;
	const struct envelope *e = mail->envelope;
	size_t before = out->len;

	if (!style->with_options)
		return false;
	if (caps->size)
		buf_printf(out, " SIZE=%llu", (unsigned long long)content_octets(c));
	if (!style->binary && caps->eight_bit_mime && (c->has_8bit || c->head_has_8bit))
		buf_add_text(out, " BODY=8BITMIME");
	if (caps->dsn && e->ret != DSN_RETURN_UNSET)
		buf_printf(out, " RET=%s", dsn_return_word(e->ret));
	if (caps->dsn && is_parameter(e->envid))
		buf_printf(out, " ENVID=%s", e->envid);
	return out->len > before;
}

bool command_mail(struct buf *out, const struct smtp_caps *caps, const struct smtp_mail *mail,
	const struct command_style *style)
{
	const struct demands *d = &mail->demands;

	buf_printf(out, "MAIL FROM:<%s>", mail->envelope->sender);
	if (style->binary)
		buf_add_text(out, " BODY=BINARYMIME");
	if (mail->needs_smtputf8)
		buf_add_text(out, " SMTPUTF8");
	if (d->require_tls)
		buf_add_text(out, " REQUIRETLS");
	if (d->deliver_by_s != 0)
		buf_printf(out, " BY=%ld;%c", d->deliver_by_s, d->deliver_by_mode);
	if (d->has_priority)
		buf_printf(out, " MT-PRIORITY=%d", d->priority);
	if (d->hold_for_s > 0)
		buf_printf(out, " HOLDFOR=%ld", d->hold_for_s);
	return add_options(out, caps, mail, style);
}

/* ---- RCPT ---- */

bool command_rcpt(struct buf *out, const struct smtp_caps *caps, const struct recipient *rcpt,
	const struct command_style *style)
{
	buf_printf(out, "RCPT TO:<%s>", rcpt->address);

	size_t before = out->len;

	if (caps->dsn && style->with_dsn) {
		if (rcpt->notify != 0) {
			buf_add_text(out, " NOTIFY=");
			dsn_notify_write(rcpt->notify, out);
		}
		if (is_parameter(rcpt->orcpt))
			buf_printf(out, " ORCPT=%s", rcpt->orcpt);
	}
	return out->len > before;
}
