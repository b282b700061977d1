/* The client side of one SMTP or LMTP connection, from connect to QUIT.
 * RFC 5321, 6409, 3207, 4954, 2920, 2033. The session knows no configuration
 * file: its parameters are plain values. */
#pragma once

#include "mail/content.h"
#include "mail/envelope.h"
#include "mail/status.h"
#include "net/dial.h"
#include "net/tls.h"

enum smtp_tls {
	SMTP_TLS_STARTTLS,
	SMTP_TLS_IMPLICIT,
	SMTP_TLS_NONE,
};

/* One line of the dialogue, for -v: '>' sent, '<' received, '*' a remark. The
 * line is sanitised and holds no secret: AUTH data is masked by the session. */
typedef void smtp_trace_fn(void *context, char direction, const char *line);

/* Gives the password or token, when it is needed and not before. `fresh` asks
 * for a new one after the server refused the last. The caller of the function wipes `out`. */
typedef bool smtp_secret_fn(void *context, bool fresh, struct buf *out, struct error *err);

/* All text is borrowed and must outlive the session. */
struct smtp_params {
	struct dial_target target;
	enum smtp_tls tls;
	struct tls_policy policy;
	bool lmtp;
	const char *ehlo; /* name for EHLO; NULL: address literal of our end of the connection */
	const char *auth; /* mechanisms allowed, lower case, blank separated; "auto"; "none" */
	const char *user; /* login, or NULL */
	smtp_secret_fn *secret; /* NULL without a login */
	void *secret_context;
	bool secret_can_refresh;  /* asking again may give another one (a command) */
	bool clear_login_allowed; /* tls none: loopback, or the person insists */
	int connect_ms;           /* connect to authenticated, all steps together, > 0 */
	int progress_ms;          /* without an octet moving, > 0 */
	int reply_ms;             /* for the reply to the final dot, > 0 */
	smtp_trace_fn *trace;     /* or NULL */
	void *trace_context;
};

/* One message to send, with its outcome. */
struct smtp_mail {
	struct envelope
		*envelope; /* recipients that are PENDING or SENT are sent to; states are updated */
	const struct content *content;
	struct demands demands; /* for this attempt: those of the envelope and the account */
	bool needs_smtputf8;    /* an address or the header needs SMTPUTF8 */
	bool is_last;           /* QUIT goes along with the last flight */
	/* Called before the first octet that could complete the message: marks
	 * the entry in doubt. May be NULL. False ends the transaction unsent. */
	bool (*before_final)(void *context, struct error *err);
	/* Called at once when the final reply accepted the message for the
	 * recipients now DELIVERED: records it. May be NULL. */
	void (*accepted)(void *context);
	void *context;
	/* Called, once, where the server refused BODY=8BITMIME, or a parameter beside
	 * it, although it offered it: puts a content in place that smtp_caps() allows
	 * by then. May be NULL. False: there is none, the content is the one before. */
	bool (*fit_again)(void *fit_context, struct error *err);
	void *fit_context;
	bool was_fit_again;
};

struct smtp_session;

/**
 * Connects, greets, starts TLS and verifies it, and logs in.
 *
 * out  set on success; release with smtp_close or smtp_free
 *
 * Fails with fate FATE_LATER and EX_TEMPFAIL for what may pass (network, 4xx,
 * TLS), EX_NOPERM for a refused login or one that cannot be made, EX_UNAVAILABLE for a permanent
 * refusal, EX_CONFIG for unusable parameters. err->text names host:port and
 * the phase, and the server's words.
 */
bool smtp_open(
	const struct smtp_params *params, struct smtp_session **out, struct error *err) NODISCARD;

/**
 * Sends one message in as many transactions as the server's limits ask for.
 *
 * True when every recipient was given an answer: each is DELIVERED, FAILED or
 * (4xx) PENDING with its reply noted in `last`. False when the message as a
 * whole failed for the recipients still PENDING or SENT: err has the cause and
 * fate; FATE_UNCERTAIN with recipients SENT when the final reply was lost.
 * Recipients accepted at RCPT alone are never DELIVERED.
 */
bool smtp_send(struct smtp_session *s, struct smtp_mail *mail, struct error *err) NODISCARD;

/* Where many messages come from and their outcomes go to. */
struct smtp_feed {
	/* The next message, or NULL when there is none. It stays valid until
	 * done was called for it; is_last is of no account. */
	struct smtp_mail *(*next)(void *context);
	/* The outcome: err is NULL where smtp_send would return true. Called once
	 * for each message, in the order of their settling. */
	void (*done)(void *context, struct smtp_mail *mail, const struct error *err);
	void *context;
	size_t window; /* most messages whose replies are awaited, 1 to 10 */
};

/**
 * Sends messages until the feed or the session ends. Each has the outcome that
 * smtp_send would give it: an error in one touches no other; a connection that
 * is lost leaves at most the window in doubt.
 *
 * Where the server has PIPELINING and CHUNKING whole transactions of small
 * messages go in one flight, at most 256 KiB of them; with PIPELINING alone the
 * commands of the next message go along with the end of the one before. A
 * message is taken from the feed only while the session is usable.
 * RFC 2920, 3030.
 */
void smtp_send_many(struct smtp_session *s, const struct smtp_feed *feed);

struct smtp_caps;

/** What the server offered in its last EHLO; valid until the session goes. smtp/caps.h has the fields. */
const struct smtp_caps *smtp_caps(const struct smtp_session *s);

/** What TLS agreed on, or NULL in the clear; valid until the session goes. */
const struct tls_facts *smtp_tls_facts(const struct smtp_session *s);

/** From now on: this limit for the reply to the final dot, in milliseconds, > 0, and no traces. */
void smtp_go_on_quietly(struct smtp_session *s, int reply_ms);

/** True while another message may be sent on this session. */
bool smtp_is_usable(const struct smtp_session *s);

/** Sends QUIT where that has not been done, does not wait for its answer, and frees. NULL is fine. */
void smtp_close(struct smtp_session *s);

/** Closes at once, without a word, and frees. NULL is fine. */
void smtp_free(struct smtp_session *s);
