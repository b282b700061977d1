#include "smtp/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "mail/address.h"
#include "smtp/server_input.h"
#include "smtp/server_words.h"

enum {
	MOST_RECIPIENTS = 100000,
	MOST_FAULTS = 200,
	MOST_REPLIES = 32768, /* octets of replies that wait while more commands are there */
};

struct server {
	const struct server_handler *handler;
	struct server_input input;
	struct server_mail mail;
	bool is_done; /* QUIT, or too many faults */
	unsigned faults;
};

static void reply(struct server *s, const char *text)
{
	buf_add_text(&s->input.reply, text);
	buf_add(&s->input.reply, SLICE("\r\n"));
}

static void reply_fault(struct server *s, const char *text)
{
	s->faults++;
	reply(s, text);
	if (s->faults < MOST_FAULTS)
		return;
	reply(s, "421 4.7.0 too many faults");
	s->is_done = true;
}

/* A reply made of an error: its code where the next server gave one. The fate
 * decides between 4xx and 5xx, so that no code makes a client drop what may be
 * tried again, or try again what is refused. */
static void reply_error(struct server *s, const struct error *err)
{
	CLEANUP(buf_done) struct buf text = BUF(4096);
	bool is_later = err->fate != FATE_PERMANENT;
	int class = is_later ? 4 : 5;
	bool is_known = err->smtp_code / 100 == class;
	int code = is_known                      ? err->smtp_code
		   : is_later                    ? 451
		   : err->exit_code == EX_NOPERM ? 550
						 : 554;

	if (is_known && err->enhanced[0])
		buf_printf(&text, "%d %s ", code, err->enhanced);
	else
		buf_printf(&text, "%d %d.%s ", code, class, is_later ? "3.0" : "0.0");
	text_sanitize(&text, slice_of(err->text), 400);
	reply(s, buf_text(&text));
}

static void end_transaction(struct server *s)
{
	arena_done(&s->mail.arena);
	free(s->mail.recipients);
	s->mail = (struct server_mail){0};
}

static bool is_address(struct arena *arena, const char *text, bool may_be_null)
{
	struct mailbox box;
	struct error ignored = {0};

	if (text[0] == '\0')
		return may_be_null;
	return address_parse_one(arena, slice_of(text), &box, &ignored) && box.local[0] != '\0';
}

static void greet(struct server *s, struct slice rest, bool is_extended)
{
	CLEANUP(buf_done) struct buf text = BUF(1024);

	if (slice_trim(rest).len == 0) {
		reply_fault(s, "501 5.5.4 a name is needed");
		return;
	}
	end_transaction(s);
	if (!is_extended) {
		buf_printf(&text, "250 %s", s->handler->name);
	} else {
		buf_printf(&text, "250-%s\r\n250-PIPELINING\r\n", s->handler->name);
		if (s->handler->max_octets > 0)
			buf_printf(&text, "250-SIZE %" PRIu64 "\r\n", s->handler->max_octets);
		buf_add_text(&text,
			"250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES");
	}
	reply(s, buf_text(&text));
}

static void do_ehlo(struct server *s, struct slice rest)
{
	greet(s, rest, true);
}

static void do_helo(struct server *s, struct slice rest)
{
	greet(s, rest, false);
}

static void do_mail(struct server *s, struct slice rest)
{
	const char *fault = NULL;
	const char *sender = NULL;

	if (s->mail.is_open)
		fault = "503 5.5.1 a transaction is open already";
	else if (!server_take_path(&s->mail.arena, &rest, SLICE("FROM:"), &sender))
		fault = "501 5.5.4 use MAIL FROM:<address>";
	else if (!is_address(&s->mail.arena, sender, true))
		fault = "501 5.1.7 the sender is no address";
	else
		fault = server_mail_words(&s->mail, rest, s->handler->max_octets);
	if (fault) {
		if (!s->mail.is_open)
			end_transaction(s);
		reply_fault(s, fault);
		return;
	}
	s->mail.sender = sender;
	s->mail.is_open = true;
	reply(s, "250 2.1.0 sender ok");
}

static void add_recipient(struct server *s, const struct server_recipient *r)
{
	struct server_mail *m = &s->mail;

	if (m->count == m->space) {
		m->space = m->space ? m->space * 2 : 16;
		m->recipients = mem_grow(m->recipients, m->space * sizeof(*m->recipients));
	}
	m->recipients[m->count++] = *r;
}

/* An address that leads nowhere is refused; what the configuration or this
 * machine lacks is no reason for the client to give its message up. */
static void refuse_recipient(struct server *s, struct error *err)
{
	if (err->exit_code == EX_DATAERR)
		error_reply(err, 550, "5.1.2");
	else
		error_fate(err, FATE_LATER);
	reply_error(s, err);
}

static void do_rcpt(struct server *s, struct slice rest)
{
	struct server_recipient r = {0};
	struct error err = {0};
	const char *fault = NULL;

	if (!s->mail.is_open)
		fault = "503 5.5.1 MAIL comes first";
	else if (!server_take_path(&s->mail.arena, &rest, SLICE("TO:"), &r.address))
		fault = "501 5.5.4 use RCPT TO:<address>";
	else if (!is_address(&s->mail.arena, r.address, false))
		fault = "501 5.1.3 the recipient is no address";
	else if (s->mail.count >= MOST_RECIPIENTS)
		fault = "452 4.5.3 too many recipients";
	else
		fault = server_rcpt_words(&s->mail.arena, rest, &r);
	if (fault) {
		reply_fault(s, fault);
		return;
	}
	if (!s->handler->recipient(s->handler->context, r.address, &err)) {
		refuse_recipient(s, &err);
		return;
	}
	add_recipient(s, &r);
	reply(s, "250 2.1.5 recipient ok");
}

static void do_data(struct server *s, UNUSED struct slice rest)
{
	struct error err = {0};
	uint64_t drained = 0;
	size_t got = 1;
	char drain[4096];

	if (s->mail.count == 0) {
		reply_fault(s, s->mail.is_open ? "554 5.5.1 no valid recipients"
					       : "503 5.5.1 MAIL comes first");
		return;
	}
	reply(s, "354 end the message with a dot on a line of its own");
	server_begin_message(&s->input);

	bool is_taken = s->handler->message(
		s->handler->context, &s->mail, server_read_message, &s->input, &err);

	/* What the handler left unread of the message is no command; but a message
	 * that does not end is not read for ever. */
	while (!s->input.is_complete && !s->input.has_ended && got > 0 &&
		drained < INTAKE_DRAINED_MAX) {
		struct error ignored = {0};

		if (!server_read_message(&s->input, drain, sizeof(drain), &got, &ignored))
			break;
		drained += got;
	}
	end_transaction(s);
	if (!s->input.is_complete) {
		s->is_done = true;
		return;
	}
	if (is_taken)
		reply(s, "250 2.0.0 the message is accepted");
	else
		reply_error(s, &err);
}

static void do_rset(struct server *s, UNUSED struct slice rest)
{
	end_transaction(s);
	reply(s, "250 2.0.0 ok");
}

static void do_noop(struct server *s, UNUSED struct slice rest)
{
	reply(s, "250 2.0.0 ok");
}

static void do_vrfy(struct server *s, UNUSED struct slice rest)
{
	reply(s, "252 2.5.0 send it and see");
}

static void do_help(struct server *s, UNUSED struct slice rest)
{
	reply(s, "214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
}

static void do_quit(struct server *s, UNUSED struct slice rest)
{
	reply(s, "221 2.0.0 bye");
	s->is_done = true;
}

static const struct verb {
	const char *name;
	void (*run)(struct server *s, struct slice rest);
} verbs[] = {
	{"EHLO", do_ehlo},
	{"HELO", do_helo},
	{"MAIL", do_mail},
	{"RCPT", do_rcpt},
	{"DATA", do_data},
	{"RSET", do_rset},
	{"NOOP", do_noop},
	{"VRFY", do_vrfy},
	{"EXPN", do_vrfy},
	{"HELP", do_help},
	{"QUIT", do_quit},
};

static void run_line(struct server *s, struct slice line)
{
	struct slice rest = line;
	struct slice verb = slice_word(&rest, " \t");

	if (slice_find(line, '\0') < line.len) {
		reply_fault(s, "500 5.5.2 a NUL is no part of a command");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (!slice_ieq(verb, slice_of(verbs[i].name)))
			continue;
		verbs[i].run(s, rest);
		return;
	}
	reply_fault(s, "500 5.5.2 unknown command");
}

static bool serve(struct server *s, struct error *err)
{
	enum server_line kind = SERVER_LINE;
	struct slice line;

	buf_printf(&s->input.reply, "220 %s ESMTP\r\n", s->handler->name);
	while (!s->is_done) {
		if (!server_read_line(&s->input, &kind, &line, err))
			return false;
		if (kind == SERVER_LINE_END)
			return true;
		if (kind == SERVER_LINE_TOO_LONG)
			reply_fault(s, "500 5.5.2 the line is too long");
		else
			run_line(s, line);
		if (s->input.reply.len > MOST_REPLIES && !server_flush(&s->input, err))
			return false;
	}
	return server_flush(&s->input, err);
}

bool server_run(int in, int out, const struct server_handler *handler, struct error *err)
{
	struct server s = {.handler = handler};

	server_input_init(&s.input, in, out);

	bool is_served = serve(&s, err);

	end_transaction(&s);
	server_input_done(&s.input);
	return is_served;
}
