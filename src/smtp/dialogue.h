/* The state of a session, and the turns of its dialogue: commands put into
 * the flight, replies read, refusals put into words. For the files of this
 * folder alone. */
#pragma once

#include "smtp/caps.h"
#include "smtp/reply.h"
#include "smtp/session.h"

struct smtp_session {
	struct smtp_params params;
	struct stream *stream; /* owned; NULL between two connections */
	char peer[320];        /* "host:port" or the socket's path, for the words */
	char literal[64];      /* our end of the connection, as address literal */
	struct smtp_caps caps; /* of the last EHLO */
	struct reply reply;    /* the last one read */
	int64_t setup_ms;      /* deadline from connect to login, all steps together */
	struct tls_facts tls;
	struct slice secret; /* of the login that is going on, borrowed; else empty */
	char echo[9];        /* how the last secret line began, to know its echo; wiped */
	bool can_dial;       /* another connection may be opened */
	bool quit_sent;
	bool is_over;          /* nothing more may be said on this connection */
	bool may_go_on;        /* it is over for a reason that a new connection cures */
	struct error cause;    /* why it is over */
	bool needs_rset;       /* a transaction was left open or failed */
	int64_t body_limit_ms; /* deadline of the message being written */
	uint64_t mails;        /* transactions of this connection */
	size_t on_the_way;     /* messages that it may have taken before their end is heard of */
	bool without_options;  /* the server refused MAIL for its optional parameters */
	bool without_8bitmime; /* BODY=8BITMIME was among those */
	bool without_dsn;      /* it refused RCPT for them */
	bool without_chunking; /* it offered CHUNKING and does not know BDAT */
};

/** Gives one line, sanitised, to whoever traces: '>', '<', or '*'. */
void dialogue_trace(const struct smtp_session *s, char direction, struct slice line);

/** Adds a command to the flight, with CRLF, and traces it. */
void dialogue_put(struct smtp_session *s, struct slice line);

/**
 * Adds a line whose last word holds a secret; the trace shows `shown` in its
 * place. Replies of the phase PHASE_AUTH that repeat it lose their text.
 */
void dialogue_put_secret(struct smtp_session *s, struct slice line, const char *shown);

/**
 * Sends what is pending and reads one whole reply into s->reply.
 *
 * True for every reply, 421 among them, after which the session is over and
 * all further reading fails with its words. Fails with fate FATE_LATER, the
 * session over, where the connection is lost or the grammar broken; the text
 * names peer and phase. In the phase PHASE_AUTH challenges are not traced.
 */
bool dialogue_read(struct smtp_session *s, enum smtp_phase phase, int64_t deadline_ms,
	struct error *err) NODISCARD;

/**
 * Sets err from s->reply, which refused a phase: exit code and fate by the
 * rules of mail/status.h, the server's words as text. A 2xx or 3xx reply, which makes
 * no sense where this is called, is a protocol error. Returns false.
 */
bool dialogue_refused(struct smtp_session *s, enum smtp_phase phase, struct error *err);

/** The same for the phase PHASE_MAIL, with words that name the sender. */
bool dialogue_refused_sender(struct smtp_session *s, const char *sender, struct error *err);

/** Ends the session because the server left the protocol. Returns false. */
bool dialogue_broken(struct smtp_session *s, enum smtp_phase phase, struct error *err);

/** Marks the session as over for a cause. Returns false. */
bool dialogue_end(struct smtp_session *s, const struct error *cause);

/** The deadline for a reply to a command after login: progress_ms from now. */
int64_t dialogue_deadline(const struct smtp_session *s);
