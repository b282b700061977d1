#include "submit/notice.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/complete.h"
#include "mail/header.h"
#include "mail/xtext.h"
#include "submit/notice_text.h"

enum {
	LARGEST_RETURNED = 64 * 1024,         /* a whole message is returned up to this size */
	LARGEST_RETURNED_ASKED = 1024 * 1024, /* the same where RET=FULL asks for it */
	LARGEST_HEADER = 64 * 1024,           /* of the header block that is returned */
	LARGEST_NOTICE = 16 * 1024 * 1024,
	MOST_TOLD = 200,       /* recipients named in the text for people */
	MOST_LISTED = 10000,   /* recipients in the part for programs */
	LONGEST_SUBJECT = 200, /* octets of the original one that are shown */
	LONGEST_LINE = 998,    /* RFC 5322 section 2.1.1 */
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

/* The original subject on one line, cut at a blank where it is long. */
static const char *subject_of(struct writer *w, const struct buf *head)
{
	CLEANUP(buf_done) struct buf clean = BUF(2 * LONGEST_SUBJECT);
	struct header h = {0};
	const struct header_field *field;
	struct slice text = {0};

	header_parse(&h, buf_slice(head));
	field = header_find(&h, "Subject", 0);
	if (field)
		text = slice_trim(slice_of(header_unfold(w->arena, field->body)));
	header_done(&h);
	if (text.len > LONGEST_SUBJECT) {
		size_t end = LONGEST_SUBJECT;

		while (end > 0 && !ascii_is_blank(text.ptr[end]))
			end--;
		text = slice_trim(slice_upto(text, end > 0 ? end : LONGEST_SUBJECT));
	}
	text_sanitize(&clean, text, LONGEST_SUBJECT);
	return arena_dup(w->arena, buf_slice(&clean));
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

void notice_note(struct envelope *e, struct recipient *r, const struct error *why)
{
	const char *words = NULL;
	char said[32];

	snprintf(said, sizeof(said), ": %d %s%s", why->smtp_code, why->enhanced,
		why->enhanced[0] ? " " : "");
	if (why->smtp_code > 0)
		words = strstr(why->text, said);
	envelope_note(
		e, r, why->smtp_code, why->enhanced, words ? words + strlen(said) : why->text);
}

/* The words for one recipient: its own reply, else what holds for all. */
static const char *words_for(const struct writer *w, const struct recipient *r)
{
	if (r->last.text && r->last.text[0])
		return r->last.text;
	return w->subject->reason && w->subject->reason[0] ? w->subject->reason
							   : "no reason is known";
}

/* "550 5.1.1 words" where a server said it, else the words. */
static const char *answer_for(const struct writer *w, const struct recipient *r)
{
	if (r->last.code == 0)
		return words_for(w, r);
	return arena_printf(w->arena, "%d %s%s%s", r->last.code, r->last.enhanced,
		r->last.enhanced[0] ? " " : "", words_for(w, r));
}

static void write_told(const struct writer *w, struct buf *out)
{
	const struct envelope *e = w->subject->envelope;
	size_t told = 0;

	for (size_t i = 0; i < e->count; i++) {
		const struct recipient *r = &e->recipients[i];

		if (!concerns(r, w->kind) || ++told > MOST_TOLD)
			continue;
		buf_printf(out, "<%s>\r\n", r->address);
		notice_words(out, "    ",
			r->last.code == 0 ? words_for(w, r)
					  : arena_printf(w->arena, "the server %s said: %s",
						    w->subject->remote, answer_for(w, r)));
		buf_add_text(out, "\r\n");
	}
	if (told > MOST_TOLD)
		buf_printf(out, "and %zu others, listed in the report below.\r\n\r\n",
			told - MOST_TOLD);
}

/* The part for people; encoded where it is not plain, so that every server takes it. */
static void write_text_part(struct writer *w)
{
	CLEANUP(buf_done) struct buf text = BUF(LARGEST_NOTICE);

	if (w->kind == NOTICE_FAILURE)
		buf_add_text(&text, "This is pillarbox. Your message could not be delivered to the "
				    "recipients\r\n"
				    "below; it will not be tried again for them.\r\n\r\n");
	else
		buf_add_text(&text,
			"This is pillarbox. Your message could not be delivered yet to the "
			"recipients\r\n"
			"below. You need not do anything: it is being tried again.\r\n\r\n");
	write_told(w, &text);
	if (w->kind == NOTICE_DELAY)
		buf_printf(&text, "It will be given up on %s.\r\n\r\n",
			complete_date(w->arena, w->subject->retried_until));
	buf_printf(&text, "Host: %s\r\nSubject: %s\r\n", w->host, w->original_subject);

	bool is_plain = notice_is_plain(buf_slice(&text));

	buf_printf(w->out,
		"--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: %s\r\n\r\n",
		w->boundary, is_plain ? "7bit" : "quoted-printable");
	if (is_plain)
		buf_add(w->out, buf_slice(&text));
	else
		notice_quoted(w->out, buf_slice(&text));
	buf_add_text(w->out, "\r\n");
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

/* The address that was written first, where the client told it (RFC 3461 section 4.2). */
static void write_original_recipient(struct writer *w, const char *orcpt)
{
	CLEANUP(buf_done) struct buf value = BUF(4096);
	struct slice text = slice_of(orcpt);
	size_t split = slice_find(text, ';');

	if (split == text.len)
		return;
	buf_printf(&value, "%.*s; ", (int)split, orcpt);
	xtext_decode(slice_from(text, split + 1), &value);
	notice_field(w->out, "Original-Recipient", buf_text(&value));
}

static void write_recipient(struct writer *w, const struct recipient *r)
{
	CLEANUP(buf_done) struct buf address = BUF(16384);

	notice_address(&address, r->address);
	buf_add_text(w->out, "\r\n");
	if (r->orcpt)
		write_original_recipient(w, r->orcpt);
	notice_field(w->out, "Final-Recipient", buf_text(&address));
	buf_printf(w->out, "Action: %s\r\nStatus: %s\r\n",
		w->kind == NOTICE_FAILURE ? "failed" : "delayed", status_of(r, w->kind));
	if (w->subject->remote && w->subject->remote[0])
		notice_field(w->out, "Remote-MTA",
			arena_printf(w->arena, "dns; %s", w->subject->remote));
	notice_field(w->out, "Diagnostic-Code",
		arena_printf(w->arena, "%s; %s", r->last.code > 0 ? "smtp" : "x-pillarbox",
			answer_for(w, r)));
	notice_field(w->out, "Last-Attempt-Date", complete_date(w->arena, w->now));
	if (w->kind == NOTICE_DELAY)
		notice_field(w->out, "Will-Retry-Until",
			complete_date(w->arena, w->subject->retried_until));
}

static void write_status_part(struct writer *w)
{
	const struct envelope *e = w->subject->envelope;
	size_t listed = 0;

	buf_printf(w->out, "--%s\r\nContent-Type: message/delivery-status\r\n\r\n", w->boundary);
	notice_field(w->out, "Reporting-MTA", arena_printf(w->arena, "dns; %s", w->host));
	if (e->envid) {
		CLEANUP(buf_done) struct buf id = BUF(4096);

		xtext_decode(slice_of(e->envid), &id);
		notice_field(w->out, "Original-Envelope-Id", buf_text(&id));
	}
	notice_field(w->out, "Arrival-Date", complete_date(w->arena, w->subject->arrived));
	for (size_t i = 0; i < e->count && listed < MOST_LISTED; i++) {
		if (!concerns(&e->recipients[i], w->kind))
			continue;
		write_recipient(w, &e->recipients[i]);
		listed++;
	}
	buf_add_text(w->out, "\r\n");
}

/* A header block that breaks the rules of lines goes in quoted-printable, as
 * RFC 6522 section 4 wants it. */
static void write_headers(struct writer *w, struct slice head)
{
	bool is_plain = notice_is_plain(head);

	buf_printf(w->out,
		"--%s\r\nContent-Type: text/rfc822-headers\r\n"
		"Content-Transfer-Encoding: %s\r\n\r\n",
		w->boundary, is_plain ? "7bit" : "quoted-printable");
	if (is_plain)
		buf_add(w->out, head);
	else
		notice_quoted(w->out, head);
}

static void write_original(struct writer *w, const struct buf *head, const struct buf *all)
{
	if (!w->returns_all) {
		write_headers(w, buf_slice(head));
	} else {
		bool has_8bit = slice_has_8bit(buf_slice(all));

		buf_printf(w->out,
			"--%s\r\nContent-Type: message/rfc822\r\n"
			"Content-Transfer-Encoding: %s\r\n\r\n",
			w->boundary, has_8bit ? "8bit" : "7bit");
		buf_add(w->out, buf_slice(all));
	}
	buf_printf(w->out, "\r\n--%s--\r\n", w->boundary);
}

/* A message/rfc822 part cannot be encoded: what no server would take is left out. */
static bool can_return_all(struct slice all)
{
	return slice_find(all, '\0') == all.len && notice_longest_line(all) <= LONGEST_LINE;
}

/* The whole message goes back when it is small, or when RET=FULL asks for it. */
static uint64_t returned_limit(const struct writer *w)
{
	/* RFC 8689 section 5: what had to travel by TLS alone is not returned. */
	if (w->kind == NOTICE_DELAY || w->subject->envelope->ret == DSN_RETURN_HEADERS ||
		w->subject->envelope->demands.require_tls)
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
	w.returns_all = content_octets(subject->content) <= returned_limit(&w) &&
			can_return_all(buf_slice(&all));
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

static struct content content_of(struct slice text)
{
	size_t end = slice_search(text, SLICE("\r\n\r\n"));
	struct content content = {
		.head = slice_upto(text, end + 4), .body = slice_from(text, end + 4), .fd = -1};

	content.has_8bit = slice_has_8bit(content.body);
	content.longest_line = notice_longest_line(content.body);
	content_note_head(&content);
	return content;
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

	struct content content = content_of(buf_slice(&text));

	return outbox_add(outbox, subject->account, &envelope, &content,
		address_needs_smtputf8(subject->envelope->sender), &note, id, err);
}
