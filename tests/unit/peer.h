/* A scripted server, and one session against it: for the tests of src/smtp. */
#pragma once

#include "test.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "smtp/caps.h"
#include "smtp/session_parts.h"

/*
 * The server is a child process at the other end of a socket pair that plays
 * a script:
 *
 *   "> text"    sends the text and CRLF
 *   "< text"    reads a line that must be equal to the text
 *   "~ text"    reads a line that must begin with it
 *   "body"      reads and keeps lines up to a lone dot
 *   "octets N"  reads and keeps N octets
 *   "idle"      nothing may have arrived, nor arrive within 30 ms
 *   "hold"      waits until the client closes, saying nothing
 *   "end"       the client must close without another word
 *
 * and closes. What it kept, or where it stopped, comes back through a pipe.
 */
struct peer {
	pid_t pid;
	int report;
	struct buf kept; /* after peer_finish */
};

struct played {
	int fd;
	char input[65536];
	size_t have;
	struct buf kept;
};

UNUSED static bool fill(struct played *p)
{
	ssize_t got = read(p->fd, p->input + p->have, sizeof(p->input) - p->have);

	if (got <= 0)
		return false;
	p->have += (size_t)got;
	return true;
}

UNUSED static void take(struct played *p, size_t octets)
{
	memmove(p->input, p->input + octets, p->have - octets);
	p->have -= octets;
}

UNUSED static bool read_line(struct played *p, char *line, size_t space)
{
	for (;;) {
		char *end = memchr(p->input, '\n', p->have);

		if (end && end > p->input && end[-1] == '\r') {
			size_t len = (size_t)(end - p->input) - 1;

			if (len >= space)
				return false;
			memcpy(line, p->input, len);
			line[len] = '\0';
			take(p, len + 2);
			return true;
		}
		if (end || !fill(p)) /* a bare LF, or the end */
			return false;
	}
}

UNUSED static bool keep_body(struct played *p)
{
	char line[32768];

	while (read_line(p, line, sizeof(line))) {
		if (strcmp(line, ".") == 0)
			return true;
		buf_printf(&p->kept, "%s\r\n", line);
	}
	return false;
}

UNUSED static bool keep_octets(struct played *p, size_t octets)
{
	while (octets > 0) {
		size_t part = p->have < octets ? p->have : octets;

		buf_add(&p->kept, (struct slice){p->input, part});
		take(p, part);
		octets -= part;
		if (octets > 0 && !fill(p))
			return false;
	}
	return true;
}

UNUSED static bool is_idle(struct played *p)
{
	struct pollfd place = {.fd = p->fd, .events = POLLIN};

	return p->have == 0 && poll(&place, 1, 30) == 0;
}

UNUSED static bool play_line(struct played *p, const char *line)
{
	char got[32768];

	if (line[0] == '>') {
		dprintf(p->fd, "%s\r\n", line + 2);
		return true;
	}
	if (line[0] == '<')
		return read_line(p, got, sizeof(got)) && strcmp(got, line + 2) == 0;
	if (line[0] == '~')
		return read_line(p, got, sizeof(got)) &&
		       strncmp(got, line + 2, strlen(line + 2)) == 0;
	if (strcmp(line, "body") == 0)
		return keep_body(p);
	if (strncmp(line, "octets ", 7) == 0)
		return keep_octets(p, strtoul(line + 7, NULL, 10));
	if (strcmp(line, "idle") == 0)
		return is_idle(p);
	if (strcmp(line, "hold") == 0) {
		while (fill(p))
			p->have = 0;
		return true;
	}
	return strcmp(line, "end") == 0 && p->have == 0 && !fill(p);
}

UNUSED static void play(int fd, int report, const char *const *script)
{
	struct played *p = mem_alloc(sizeof(*p));
	struct error ignored = {0};

	p->fd = fd;
	p->kept = BUF(1 << 24);
	alarm(20);
	signal(SIGPIPE, SIG_IGN);
	for (; *script; script++) {
		if (play_line(p, *script))
			continue;
		dprintf(report, "stopped at: %s; unread: %.*s", *script, (int)p->have, p->input);
		_exit(1);
	}
	close(fd);
	(void)!file_write(report, buf_slice(&p->kept), "report", &ignored);
	_exit(0);
}

UNUSED static struct stream *peer_start(struct peer *p, const char *const *script)
{
	int ends[2], report[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(pipe(report), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		close(ends[0]);
		close(report[0]);
		play(ends[1], report[1], script);
	}
	close(ends[1]);
	close(report[1]);
	p->report = report[0];
	p->kept = BUF(1 << 24);
	return stream_new(ends[0], "peer:25");
}

UNUSED static void peer_finish(struct peer *p)
{
	struct error err = {0};
	int status = 0;

	assert_ok(file_read_all(p->report, &p->kept, "report", &err), err);
	fd_close(&p->report);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("server: %s (status %x)", buf_text(&p->kept), (unsigned)status);
}

/* ---- One run: a session against a script ---- */

struct run {
	struct peer peer;
	struct smtp_params params;
	struct envelope envelope;
	struct content content;
	struct smtp_mail mail;
	struct error err;
	bool opened, sent;
	unsigned finals, accepts; /* calls of the callbacks */
	bool objects;             /* before_final says no */
	struct buf trace;
};

UNUSED static void trace_line(void *context, char direction, const char *line)
{
	struct run *run = context;

	buf_printf(&run->trace, "%c%s\n", direction, line);
}

UNUSED static bool before_final(void *context, struct error *err)
{
	struct run *run = context;

	run->finals++;
	return !run->objects || error_set(err, EX_CANTCREAT, "cannot mark");
}

UNUSED static void accepted(void *context)
{
	struct run *run = context;

	run->accepts++;
}

UNUSED static bool give_password(void *context, bool fresh, struct buf *out, struct error *err)
{
	(void)context;
	(void)err;
	buf_add_text(out, fresh ? "fresh" : "secret");
	return true;
}

UNUSED static void run_init(struct run *run, const char *const *recipients, const char *text)
{
	*run = (struct run){
		.params = {.target = {.host = "peer", .port = 25},
			.tls = SMTP_TLS_NONE,
			.ehlo = "me.example",
			.auth = "none",
			.connect_ms = 10000,
			.progress_ms = 10000,
			.reply_ms = 10000,
			.trace = trace_line},
		.content = {.body = slice_of(text), .fd = -1},
		.trace = BUF(1 << 22),
	};
	run->params.trace_context = run;
	run->envelope.sender = "ann@example.org";
	for (; *recipients; recipients++)
		(void)envelope_add(&run->envelope, *recipients);
	run->mail = (struct smtp_mail){.envelope = &run->envelope,
		.content = &run->content,
		.is_last = true,
		.before_final = before_final,
		.accepted = accepted,
		.context = run};
}

UNUSED static void run_play(struct run *run, const char *const *script)
{
	struct smtp_session *s = NULL;

	run->opened = smtp_open_stream(&run->params, peer_start(&run->peer, script), &s, &run->err);
	if (run->opened)
		run->sent = smtp_send(s, &run->mail, &run->err);
	smtp_close(s);
	peer_finish(&run->peer);
}

UNUSED static void run_done(struct run *run)
{
	buf_done(&run->peer.kept);
	buf_done(&run->trace);
	envelope_done(&run->envelope);
}

/* The states of all recipients in order: "DF" for delivered, failed. */
UNUSED static void assert_states(const struct run *run, const char *want)
{
	char got[64] = "";

	for (size_t i = 0; i < run->envelope.count && i + 1 < sizeof(got); i++)
		got[i] = (char)run->envelope.recipients[i].state;
	assert_string_equal(got, want);
}

#define TO(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})

#define HELLO "> 220 peer", "< EHLO me.example"
#define PIPELINED HELLO, "> 250-peer", "> 250 PIPELINING"
#define CHUNKED HELLO, "> 250-peer", "> 250-PIPELINING", "> 250 CHUNKING"
#define SERIAL HELLO, "> 250 peer"
#define FROM "< MAIL FROM:<ann@example.org>"
#define BOB "< RCPT TO:<bob@x.example>"
#define CY "< RCPT TO:<cy@y.example>"
#define EVE "< RCPT TO:<eve@x.example>"

UNUSED static const char small[] = "Subject: x\r\n\r\nhello\r\n";

/* Plays a script with recipients and the small message; *run stays open. */
UNUSED static void play_small(
	struct run *run, const char *const *recipients, const char *const *script)
{
	run_init(run, recipients, small);
	run_play(run, script);
}
