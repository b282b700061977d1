#include "smtp/dialogue.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

enum { TRACE_MAX = 1000, ECHO_MIN = 4 };

void dialogue_trace(const struct smtp_session *s, char direction, struct slice line)
{
	if (!s->params.trace)
		return;

	CLEANUP(buf_done) struct buf shown = BUF((size_t)4 * TRACE_MAX);

	text_sanitize(&shown, line, TRACE_MAX);
	s->params.trace(s->params.trace_context, direction, buf_text(&shown));
}

void dialogue_put(struct smtp_session *s, struct slice line)
{
	dialogue_trace(s, '>', line);
	stream_put(s->stream, line);
	stream_put(s->stream, SLICE("\r\n"));
}

/* The last word of the line is what must not come back. */
static void note_secret(struct smtp_session *s, struct slice line)
{
	struct slice word = line;

	for (size_t blank; (blank = slice_find(word, ' ')) < word.len;)
		word = slice_from(word, blank + 1);
	mem_wipe(s->echo, sizeof(s->echo));
	word = slice_upto(word, sizeof(s->echo) - 1);
	memcpy(s->echo, word.ptr, word.len);
}

void dialogue_put_secret(struct smtp_session *s, struct slice line, const char *shown)
{
	note_secret(s, line);
	dialogue_trace(s, '>', slice_of(shown));
	stream_put(s->stream, line);
	stream_put(s->stream, SLICE("\r\n"));
}

bool dialogue_end(struct smtp_session *s, const struct error *cause)
{
	if (!s->is_over)
		s->cause = *cause;
	s->is_over = true;
	return false;
}

/* The layer below knows the peer and what happened, not at which step. */
static bool lose(struct smtp_session *s, enum smtp_phase phase, struct error *err)
{
	size_t len = strlen(err->text);

	snprintf(err->text + len, sizeof(err->text) - len, " (at the step: %s)",
		phase_table[phase].words);
	error_fate(err, FATE_LATER);
	return dialogue_end(s, err);
}

/* Servers have been seen to repeat what they were sent, whole or cut short. */
static bool repeats_secret(const struct smtp_session *s, struct slice line)
{
	struct slice echo = slice_of(s->echo);

	return (s->secret.len > 0 && slice_search(line, s->secret) < line.len) ||
	       (echo.len >= ECHO_MIN && slice_search(line, echo) < line.len);
}

/* A line of a reply to the login, or in its place one without its text. */
static struct slice withhold_secret(
	const struct smtp_session *s, struct slice line, char *place, size_t space)
{
	bool has_code = line.len > 4 && ascii_is_digit(line.ptr[0]) &&
			ascii_is_digit(line.ptr[1]) && ascii_is_digit(line.ptr[2]);

	if (slice_starts(line, SLICE("334")) || !repeats_secret(s, line))
		return line;
	snprintf(place, space, "%.*s(text withheld: it repeats the login)", has_code ? 4 : 0,
		line.ptr);
	return slice_of(place);
}

static void trace_reply(const struct smtp_session *s, enum smtp_phase phase, struct slice line)
{
	if (phase == PHASE_AUTH && slice_starts(line, SLICE("334")))
		line = SLICE("334 ***");
	dialogue_trace(s, '<', line);
}

/* The server closes the channel: no command may follow (RFC 5321 section
 * 3.8), whatever it answers. */
static void note_closing(struct smtp_session *s, enum smtp_phase phase)
{
	struct error cause = {0};

	dialogue_refused(s, phase, &cause);
	error_fate(&cause, FATE_LATER);
	dialogue_end(s, &cause);
}

bool dialogue_read(
	struct smtp_session *s, enum smtp_phase phase, int64_t deadline_ms, struct error *err)
{
	bool is_last = false;

	if (s->is_over) {
		*err = s->cause;
		return false;
	}
	reply_clear(&s->reply);
	/* What the server may have taken already is not to be sent twice. */
	stream_set_patient(s->stream, s->on_the_way > 0);
	while (!is_last) {
		struct slice line;
		char place[64];

		if (!stream_read_line(s->stream, deadline_ms, REPLY_LINE_MAX, &line, err))
			return lose(s, phase, err);
		if (phase == PHASE_AUTH)
			line = withhold_secret(s, line, place, sizeof(place));
		trace_reply(s, phase, line);
		if (!reply_take(&s->reply, line, &is_last, err)) {
			error_prefix(err, "%s", s->peer);
			return lose(s, phase, err);
		}
	}
	if (s->reply.code == 421)
		note_closing(s, phase);
	return true;
}

bool dialogue_broken(struct smtp_session *s, enum smtp_phase phase, struct error *err)
{
	CLEANUP(buf_done) struct buf words = BUF(4096);

	reply_words(&s->reply, &words);
	error_set(err, EX_PROTOCOL, "%s: unexpected answer at the step %s: %s", s->peer,
		phase_table[phase].words, buf_text(&words));
	error_reply(err, s->reply.code, s->reply.enhanced);
	error_fate(err, FATE_LATER);
	return dialogue_end(s, err);
}

/* Before the login nothing speaks of the mail at hand: a server that is not
 * willing now, or the wrong one, may be another tomorrow. */
static enum fate fate_of(enum smtp_phase phase, int code)
{
	if (phase < PHASE_AUTH || code == 421)
		return FATE_LATER;
	return status_fate(phase, code);
}

/* who  whom the refusal is about, with what parts it from the server's words */
static bool refused(
	struct smtp_session *s, enum smtp_phase phase, const char *who, struct error *err)
{
	struct reply *r = &s->reply;
	CLEANUP(buf_done) struct buf words = BUF(4096);
	enum fate fate = fate_of(phase, r->code);
	int exit_code = fate == FATE_PERMANENT ? status_exit_code(phase, r->code, r->enhanced)
					       : EX_TEMPFAIL;

	if (r->code < 400)
		return dialogue_broken(s, phase, err);
	reply_words(r, &words);
	error_set(err, exit_code, "%s: %s refused: %s%s", s->peer, phase_table[phase].words, who,
		buf_text(&words));
	error_reply(err, r->code, r->enhanced);
	return error_fate(err, fate);
}

bool dialogue_refused(struct smtp_session *s, enum smtp_phase phase, struct error *err)
{
	return refused(s, phase, "", err);
}

bool dialogue_refused_sender(struct smtp_session *s, const char *sender, struct error *err)
{
	CLEANUP(buf_done) struct buf who = BUF(1024);

	buf_printf(&who, "<%s>: ", sender);
	return refused(s, PHASE_MAIL, buf_text(&who), err);
}

int64_t dialogue_deadline(const struct smtp_session *s)
{
	return clock_deadline(s->params.progress_ms);
}
