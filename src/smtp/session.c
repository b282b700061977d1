#include "smtp/session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "smtp/auth.h"
#include "smtp/session_parts.h"

/* ---- EHLO ---- */

/* Our end of the connection as address literal (RFC 5321 section 4.1.3). */
static void note_literal(struct smtp_session *s, int fd)
{
	struct sockaddr_storage place = {0};
	socklen_t len = sizeof(place);
	char text[INET6_ADDRSTRLEN] = "";

	snprintf(s->literal, sizeof(s->literal), "[127.0.0.1]");
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&place, &len) < 0)
		return;
	if (place.ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, &place, sizeof(in));
		if (inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text)))
			snprintf(s->literal, sizeof(s->literal), "[%s]", text);
	} else if (place.ss_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, &place, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) &&
			inet_ntop(AF_INET, in6.sin6_addr.s6_addr + 12, text, sizeof(text)))
			snprintf(s->literal, sizeof(s->literal), "[%s]", text);
		else if (inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text)))
			snprintf(s->literal, sizeof(s->literal), "[IPv6:%s]", text);
	}
}

/* A host name of a strange machine must not become a part of a command. */
static bool is_ehlo_name(struct slice name)
{
	if (name.len == 0 || name.len > 255)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && !memchr("-._[]:", name.ptr[i], 6))
			return false;
	return true;
}

static void put_hello(struct smtp_session *s, const char *verb)
{
	char line[300];
	bool has_name = is_ehlo_name(slice_of(s->params.ehlo));

	snprintf(line, sizeof(line), "%s %s", verb, has_name ? s->params.ehlo : s->literal);
	dialogue_put(s, slice_of(line));
}

/* HELO serves a plain relay on the own machine; it offers neither TLS nor a
 * login, so it is of use only where neither is asked for. */
static bool may_helo(const struct smtp_session *s)
{
	int code = s->reply.code;

	return (code == 500 || code == 502 || code == 504 || code == 550) &&
	       s->params.tls == SMTP_TLS_NONE && !s->params.secret && !s->params.lmtp;
}

static bool say_hello(struct smtp_session *s, struct error *err)
{
	s->caps = (struct smtp_caps){0};
	put_hello(s, s->params.lmtp ? "LHLO" : "EHLO");
	if (!dialogue_read(s, PHASE_EHLO, s->setup_ms, err))
		return false;
	if (s->reply.code == 250) {
		caps_parse(&s->caps, buf_slice(&s->reply.text));
		return true;
	}
	if (!may_helo(s))
		return dialogue_refused(s, PHASE_EHLO, err);
	put_hello(s, "HELO");
	if (!dialogue_read(s, PHASE_EHLO, s->setup_ms, err))
		return false;
	return s->reply.code == 250 || dialogue_refused(s, PHASE_EHLO, err);
}

/* ---- Greeting and TLS ---- */

static bool hear_greeting(struct smtp_session *s, struct error *err)
{
	if (!dialogue_read(s, PHASE_GREETING, s->setup_ms, err)) {
		if (!err->hint[0] && s->params.tls == SMTP_TLS_STARTTLS && s->reply.lines == 0)
			error_hint(err, "if the server speaks TLS at once, set tls = implicit "
					"(usually port 465)");
		return false;
	}
	return s->reply.code == 220 || dialogue_refused(s, PHASE_GREETING, err);
}

static bool start_tls(struct smtp_session *s, struct error *err)
{
	char line[160];

	if (!tls_start(s->stream, &s->params.policy, s->setup_ms, &s->tls, err)) {
		if (!err->hint[0] && s->params.tls == SMTP_TLS_IMPLICIT &&
			s->params.target.port != 465 && !strstr(err->text, "certificate"))
			error_hint(err, "if the server expects STARTTLS, set tls = starttls "
					"(usually port 587)");
		return dialogue_end(s, err);
	}
	snprintf(line, sizeof(line), "%s %s", s->tls.protocol, s->tls.cipher);
	dialogue_trace(s, '*', slice_of(line));
	return true;
}

static bool no_starttls(struct smtp_session *s, struct error *err)
{
	bool is_masked =
		slice_search(buf_slice(&s->reply.text), SLICE("XXXXXX")) < s->reply.text.len;

	error_set(err, EX_TEMPFAIL, "%s: the server offers no STARTTLS: nothing was sent%s",
		s->peer, is_masked ? "; something on the way masks the offer" : "");
	error_fate(err, FATE_LATER);
	return error_hint(err, is_masked ? "a firewall rewrites the dialogue: try tls = implicit "
					   "with port 465"
					 : "a captive portal or a wrong port; if the server speaks "
					   "TLS at once, set tls = implicit with port 465");
}

/* RFC 3207: nothing that was said before TLS may count afterwards, neither
 * octets that lie in the buffer nor the extensions. */
static bool upgrade(struct smtp_session *s, struct error *err)
{
	if (!s->caps.starttls)
		return no_starttls(s, err);
	dialogue_put(s, SLICE("STARTTLS"));
	if (!dialogue_read(s, PHASE_STARTTLS, s->setup_ms, err))
		return false;
	if (s->reply.code != 220)
		return dialogue_refused(s, PHASE_STARTTLS, err);
	if (stream_unread(s->stream) > 0) {
		error_set(err, EX_PROTOCOL,
			"%s: octets in the clear behind the answer to STARTTLS: somebody may be "
			"tampering with the connection",
			s->peer);
		error_fate(err, FATE_LATER);
		return dialogue_end(s, err);
	}
	reply_clear(&s->reply);
	return start_tls(s, err) && say_hello(s, err);
}

/* ---- Opening ---- */

/* From a connected stream to a session that is logged in. */
static bool introduce(struct smtp_session *s, struct error *err)
{
	enum smtp_tls tls = s->params.tls;

	return (tls != SMTP_TLS_IMPLICIT || start_tls(s, err)) && hear_greeting(s, err) &&
	       say_hello(s, err) && (tls != SMTP_TLS_STARTTLS || upgrade(s, err)) &&
	       auth_login(s, err);
}

static bool dial(struct smtp_session *s, struct error *err)
{
	int fd;

	if (!dial_connect(&s->params.target, s->setup_ms, &fd, err))
		return false;
	note_literal(s, fd);
	s->stream = stream_new(fd, s->peer);
	return true;
}

static void forget_connection(struct smtp_session *s)
{
	stream_free(s->stream);
	s->stream = NULL;
	reply_clear(&s->reply);
	s->caps = (struct smtp_caps){0};
	s->quit_sent = s->is_over = s->may_go_on = s->needs_rset = false;
	s->mails = 0;
}

static struct smtp_session *session_new(const struct smtp_params *params)
{
	struct smtp_session *s = mem_alloc(sizeof(*s));
	const struct dial_target *target = &params->target;

	s->params = *params;
	reply_init(&s->reply);
	note_literal(s, -1);
	if (target->socket_path)
		snprintf(s->peer, sizeof(s->peer), "%s", target->socket_path);
	else
		snprintf(s->peer, sizeof(s->peer), "%s:%u", target->host ? target->host : "?",
			target->port);
	s->setup_ms = clock_deadline(params->connect_ms);
	return s;
}

bool smtp_open(const struct smtp_params *params, struct smtp_session **out, struct error *err)
{
	struct smtp_session *s = session_new(params);

	s->can_dial = true;
	if (!dial(s, err) || !introduce(s, err)) {
		smtp_close(s);
		return false;
	}
	*out = s;
	return true;
}

bool smtp_open_stream(const struct smtp_params *params, struct stream *stream,
	struct smtp_session **out, struct error *err)
{
	struct smtp_session *s = session_new(params);

	s->stream = stream;
	if (!introduce(s, err)) {
		smtp_close(s);
		return false;
	}
	*out = s;
	return true;
}

/* The answer to QUIT is of no interest; a peer that takes nothing is not
 * waited for long. */
static void say_goodbye(struct smtp_session *s)
{
	enum { FAREWELL_MS = 200 };
	struct error ignored = {0};

	if (!s->stream || s->is_over || stream_is_dead(s->stream))
		return;
	if (!s->quit_sent)
		dialogue_put(s, SLICE("QUIT"));
	s->quit_sent = true;
	(void)!stream_flush(s->stream, clock_deadline(FAREWELL_MS), &ignored);
}

static bool has_reached_mail_max(const struct smtp_session *s)
{
	return s->caps.mail_max > 0 && s->mails >= s->caps.mail_max;
}

bool session_ready(struct smtp_session *s, struct error *err)
{
	if (s->stream && !s->is_over && !has_reached_mail_max(s))
		return true;
	if (has_reached_mail_max(s) && !s->is_over) {
		error_set(&s->cause, EX_TEMPFAIL,
			"%s: the server takes no more than %llu messages "
			"on a connection",
			s->peer, (unsigned long long)s->caps.mail_max);
		s->may_go_on = true;
	}
	if (!s->may_go_on || !s->can_dial) {
		*err = s->cause;
		return false;
	}
	say_goodbye(s);
	forget_connection(s);
	s->setup_ms = clock_deadline(s->params.connect_ms);
	if (dial(s, err) && introduce(s, err))
		return true;
	return dialogue_end(s, err);
}

/* ---- Use and end ---- */

const struct smtp_caps *smtp_caps(const struct smtp_session *s)
{
	return &s->caps;
}

const struct tls_facts *smtp_tls_facts(const struct smtp_session *s)
{
	return s->stream && tls_is_on(s->stream) ? &s->tls : NULL;
}

void smtp_go_on_quietly(struct smtp_session *s, int reply_ms)
{
	s->params.reply_ms = reply_ms;
	s->params.trace = NULL;
}

bool smtp_is_usable(const struct smtp_session *s)
{
	return s->stream && !s->is_over && !s->quit_sent && !stream_is_dead(s->stream) &&
	       !has_reached_mail_max(s);
}

void smtp_close(struct smtp_session *s)
{
	if (s)
		say_goodbye(s);
	smtp_free(s);
}

void smtp_free(struct smtp_session *s)
{
	if (!s)
		return;
	stream_free(s->stream);
	reply_done(&s->reply);
	free(s);
}
