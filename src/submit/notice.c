#include "submit/notice.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/complete.h"
#include "mail/header.h"

enum {
	LARGEST_RETURNED = 64 * 1024,         /* a whole message is returned up to this size */
	LARGEST_RETURNED_ASKED = 1024 * 1024, /* the same where RET=FULL asks for it */
	LARGEST_HEADER = 64 * 1024,           /* of the header block that is returned */
	LARGEST_NOTICE = 16 * 1024 * 1024,
	MOST_TOLD = 200, /* recipients named in the text for people */
};

static bool concerns(const struct recipient *r, enum notice_kind kind)
{
	unsigned asked = kind == NOTICE_FAILURE ? DSN_FAILURE : DSN_DELAY;

	if (r->notify != 0 && (r->notify & asked) == 0)
		return false;
	if (kind == NOTICE_FAILURE)
		return r->state == RECIPIENT_FAILED && !r->is_told;
	return r->state == RECIPIENT_PENDING || r->state == RECIPIENT_SENT;
}

bool notice_is_due(const struct notice_subject *subject, enum notice_kind kind)
{
	const struct envelope *e = subject->envelope;

	if (e->sender[0] == '\0')
		return false;
	for (size_t i = 0; i < e->count; i++)
		if (concerns(&e->recipients[i], kind))
			return true;
	return false;
}

/* One notice that is being written. */
struct writer {
	const struct notice_subject *subject;
	enum notice_kind kind;
	const char *host;
	int64_t now;
	struct arena *arena;
	struct buf *out;
	const char *boundary;
	const char *original_subject;
	bool returns_all;
};

/* The header block of the original, up to a limit. */
static bool read_original(struct writer *w, struct buf *head, struct buf *all, struct error *err)
{
	struct content_reader reader;
	struct slice piece;
	bool is_read;

	content_start(&reader, w->subject->content);
	while ((is_read = content_next(&reader, &piece, err)) && piece.len > 0) {
		buf_add(all, slice_upto(piece, all->ceiling - all->len));
		if (all->len == all->ceiling)
			break;
	}
	content_stop(&reader);
	if (!is_read)
		return false;

	struct slice text = buf_slice(all);
	size_t end = slice_search(text, SLICE("\r\n\r\n"));
	size_t head_octets = slice_starts(text, SLICE("\r\n")) ? 0
			     : end < text.len                  ? end + 2
							       : text.len;

	buf_add(head, slice_upto(text, head_octets < head->ceiling ? head_octets : 0));
	return true;
}

static const char *subject_of(struct writer *w, const struct buf *head)
{
	struct header h = {0};
	const struct header_field *field;
	const char *text = "";

	header_parse(&h, buf_slice(head));
	field = header_find(&h, "Subject", 0);
	if (field)
		text = header_unfold(w->arena, field->body);
	header_done(&h);
	if (strlen(text) > 200)
		text = arena_dup(w->arena, slice_upto(slice_of(text), 200));
	return text;
}

static void write_header(struct writer *w)
{
	struct slice domain = address_domain(w->subject->envelope->sender);
	const char *title =
		w->kind == NOTICE_FAILURE ? "Undelivered mail" : "Delayed mail, still being tried";
	const char *about =
		slice_has_8bit(slice_of(w->original_subject)) ? "" : w->original_subject;

	buf_printf(w->out, "Date: %s\r\n", complete_date(w->arena, w->now));
	buf_printf(
		w->out, "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\n", SLICE_ARG(domain));
	buf_printf(w->out, "To: <%s>\r\n", w->subject->envelope->sender);
	buf_printf(w->out, "Subject: %s%s%s\r\n", title, about[0] ? ": " : "", about);
	buf_printf(w->out, "Message-ID: %s\r\n",
		complete_message_id(w->arena, arena_dup(w->arena, domain), w->now));
	buf_printf(w->out,
		"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n"
		"\tboundary=\"%s\"\r\n\r\n",
		w->boundary);
}

/* The words for one recipient: its own reply, else what holds for all. */
static const char *words_for(const struct writer *w, const struct recipient *r)
{
	if (r->last.text && r->last.text[0])
		return r->last.text;
	return w->subject->reason && w->subject->reason[0] ? w->subject->reason
							   : "no reason is known";
}

static void write_told(struct writer *w)
{
	const struct envelope *e = w->subject->envelope;
	size_t told = 0;

	for (size_t i = 0; i < e->count; i++) {
		const struct recipient *r = &e->recipients[i];

		if (!concerns(r, w->kind))
			continue;
		if (++told > MOST_TOLD) {
			buf_add_text(w->out, "and others, listed in the report below.\r\n\r\n");
			return;
		}
		buf_printf(w->out, "<%s>\r\n", r->address);
		if (r->last.code > 0)
			buf_printf(w->out, "    the server %s said: %d %s%s%s\r\n\r\n",
				w->subject->remote, r->last.code, r->last.enhanced,
				r->last.enhanced[0] ? " " : "", words_for(w, r));
		else
			buf_printf(w->out, "    %s\r\n\r\n", words_for(w, r));
	}
}

static void write_text_part(struct writer *w)
{
	buf_printf(w->out,
		"--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: 8bit\r\n\r\n",
		w->boundary);
	if (w->kind == NOTICE_FAILURE)
		buf_add_text(w->out,
			"This is pillarbox. Your message could not be delivered to the "
			"recipients\r\n"
			"below; it will not be tried again for them. All others have it.\r\n\r\n");
	else
		buf_add_text(w->out,
			"This is pillarbox. Your message could not be delivered yet to the "
			"recipients\r\n"
			"below. You need not do anything: it is being tried again.\r\n\r\n");
	write_told(w);
	if (w->kind == NOTICE_DELAY)
		buf_printf(w->out, "It will be given up on %s.\r\n\r\n",
			complete_date(w->arena, w->subject->retried_until));
	buf_printf(w->out, "Host: %s\r\nSubject: %s\r\n\r\n", w->host, w->original_subject);
}

/* RFC 3463 wants a status for each: the server's own, else by the reply's class. */
static const char *status_of(const struct recipient *r, enum notice_kind kind)
{
	if (r->last.enhanced && r->last.enhanced[0])
		return r->last.enhanced;
	if (kind == NOTICE_DELAY)
		return "4.0.0";
	return r->last.code >= 400 && r->last.code < 500 ? "4.4.7" : "5.0.0";
}

static void write_recipient(struct writer *w, const struct recipient *r)
{
	const char *type = slice_has_8bit(slice_of(r->address)) ? "utf-8" : "rfc822";

	buf_add_text(w->out, "\r\n");
	if (r->orcpt) {
		size_t split = slice_find(slice_of(r->orcpt), ';');

		if (r->orcpt[split] == ';')
			buf_printf(w->out, "Original-Recipient: %.*s; %s\r\n", (int)split, r->orcpt,
				r->orcpt + split + 1);
	}
	buf_printf(w->out, "Final-Recipient: %s; %s\r\nAction: %s\r\nStatus: %s\r\n", type,
		r->address, w->kind == NOTICE_FAILURE ? "failed" : "delayed",
		status_of(r, w->kind));
	if (w->subject->remote && w->subject->remote[0])
		buf_printf(w->out, "Remote-MTA: dns; %s\r\n", w->subject->remote);
	if (r->last.code > 0)
		buf_printf(w->out, "Diagnostic-Code: smtp; %d %s%s%s\r\n", r->last.code,
			r->last.enhanced, r->last.enhanced[0] ? " " : "", words_for(w, r));
	else
		buf_printf(w->out, "Diagnostic-Code: x-pillarbox; %s\r\n", words_for(w, r));
	buf_printf(w->out, "Last-Attempt-Date: %s\r\n", complete_date(w->arena, w->now));
	if (w->kind == NOTICE_DELAY)
		buf_printf(w->out, "Will-Retry-Until: %s\r\n",
			complete_date(w->arena, w->subject->retried_until));
}

static void write_status_part(struct writer *w)
{
	const struct envelope *e = w->subject->envelope;

	buf_printf(w->out, "--%s\r\nContent-Type: message/delivery-status\r\n\r\n", w->boundary);
	buf_printf(w->out, "Reporting-MTA: dns; %s\r\n", w->host);
	if (e->envid)
		buf_printf(w->out, "Original-Envelope-Id: %s\r\n", e->envid);
	buf_printf(w->out, "Arrival-Date: %s\r\n", complete_date(w->arena, w->subject->arrived));
	for (size_t i = 0; i < e->count; i++)
		if (concerns(&e->recipients[i], w->kind))
			write_recipient(w, &e->recipients[i]);
	buf_add_text(w->out, "\r\n");
}

static void write_original(struct writer *w, const struct buf *head, const struct buf *all)
{
	const struct buf *part = w->returns_all ? all : head;

	buf_printf(w->out, "--%s\r\nContent-Type: %s\r\n", w->boundary,
		w->returns_all ? "message/rfc822" : "text/rfc822-headers");
	if (slice_has_8bit(buf_slice(part)))
		buf_add_text(w->out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_text(w->out, "\r\n");
	buf_add(w->out, buf_slice(part));
	if (!w->returns_all && head->len == 0)
		buf_add_text(w->out, "\r\n");
	buf_printf(w->out, "\r\n--%s--\r\n", w->boundary);
}

/* The whole message goes back when it is small, or when RET=FULL asks for it. */
static uint64_t returned_limit(const struct writer *w)
{
	if (w->kind == NOTICE_DELAY || w->subject->envelope->ret == DSN_RETURN_HEADERS)
		return 0;
	return w->subject->envelope->ret == DSN_RETURN_FULL ? LARGEST_RETURNED_ASKED
							    : LARGEST_RETURNED;
}

bool notice_write(const struct notice_subject *subject, enum notice_kind kind, const char *host,
	int64_t now, struct buf *out, struct error *err)
{
	CLEANUP(arena_done) struct arena arena = {0};
	CLEANUP(buf_done) struct buf head = BUF(LARGEST_HEADER);
	CLEANUP(buf_done) struct buf all = BUF(LARGEST_RETURNED_ASKED);
	struct writer w = {.subject = subject,
		.kind = kind,
		.host = host,
		.now = now,
		.arena = &arena,
		.out = out};

	if (!read_original(&w, &head, &all, err))
		return false;
	w.returns_all = content_octets(subject->content) <= returned_limit(&w);
	/* A boundary with 96 random bits does not occur in the message. */
	const char *id = complete_message_id(&arena, "r", now);
	size_t at = slice_find(slice_of(id), '@');

	w.boundary = arena_printf(&arena, "=_%.*s", (int)at - 1, id + 1);
	w.original_subject = subject_of(&w, &head);
	write_header(&w);
	write_text_part(&w);
	write_status_part(&w);
	write_original(&w, &head, &all);
	if (out->is_full)
		return error_set(
			err, EX_IOERR, "the notice would be larger than %zu octets", out->ceiling);
	return true;
}

static const char *reporting_host(struct arena *arena)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		return "localhost";

	CLEANUP(buf_done) struct buf clean = BUF(1024);

	text_sanitize(&clean, slice_of(name), sizeof(name));
	return arena_dup(arena, buf_slice(&clean));
}

bool notice_queue(struct outbox *outbox, const struct notice_subject *subject,
	enum notice_kind kind, struct error *err)
{
	CLEANUP(arena_done) struct arena arena = {0};
	CLEANUP(buf_done) struct buf text = BUF(LARGEST_NOTICE);
	CLEANUP(envelope_done) struct envelope envelope = {.sender = ""};
	struct outbox_note note = {0};
	char id[SPOOL_ID_SPACE];

	if (!notice_write(subject, kind, reporting_host(&arena), clock_wall(), &text, err))
		return false;
	envelope_add(&envelope, subject->envelope->sender);

	struct content content = {.body = buf_slice(&text), .fd = -1};

	content.has_8bit = slice_has_8bit(content.body);
	return outbox_add(outbox, subject->account, &envelope, &content,
		address_needs_smtputf8(subject->envelope->sender), &note, id, err);
}
