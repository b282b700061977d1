/* From an account to an open session: the one place where configuration,
 * secrets and the SMTP dialogue meet. */
#pragma once

#include "config/account.h"
#include "mail/transform.h"
#include "smtp/session.h"

/* A connection to an account's smarthost, logged in. */
struct deliverer;

/* How the person or the program wants it done. */
struct deliver_mode {
	struct deliverer **kept; /* where a connection stays open from one message to the
				    next, and may be found; NULL: none is kept */
	bool in_queue_run;       /* longer time limits, nobody waits */
	smtp_trace_fn *trace;    /* for -v, or NULL */
	void *trace_context;
};

/**
 * Checks what can be checked without a network: secrets in files, their modes.
 * Fails with EX_CONFIG or EX_NOPERM.
 */
bool deliver_check(const struct account *account, struct error *err) NODISCARD;

/** True when the account logs in with a user and a secret. */
bool deliver_logs_in(const struct account *account);

/**
 * Connects to the account's first host that works and logs in.
 *
 * account  borrowed, must outlive the deliverer
 * out      set on success; release with deliver_close or deliver_abandon
 *
 * Fails as smtp_open, with the words for the last host tried.
 */
bool deliver_open(const struct account *account, const struct deliver_mode *mode,
	struct deliverer **out, struct error *err) NODISCARD;

/* The form of a message that a server can take; empty where it needs none. */
struct deliver_fitted {
	struct transformed transformed;
	bool is_on;
	/* What it was made of, to make it again for less than the server had promised. */
	const struct deliverer *deliverer;
	enum long_lines long_lines;
	const char *spill_dir;
	struct smtp_mail *mail;
	const struct content *original;
	bool needs_smtputf8; /* whatever the content */
};

/**
 * Fits a message to what the server of d takes (8-bit, long lines, header),
 * and fills in the demands of the message and its account for this attempt.
 *
 * mail       its content is replaced by a fitted one where it has to be
 * spill_dir  directory for the fitted form of a large message; NULL: TMPDIR, /var/tmp
 * out        set on success; must live until mail was sent; release with deliver_unfit
 *
 * Fails as transform_content, and with EX_UNAVAILABLE where the time that the
 * message was to be delivered in is over.
 */
bool deliver_fit(const struct deliverer *d, enum long_lines long_lines, const char *spill_dir,
	struct smtp_mail *mail, struct deliver_fitted *out, struct error *err) NODISCARD;

/** Frees. */
void deliver_unfit(struct deliver_fitted *fitted);

/** Sends one message, fitted. The outcome is that of deliver_fit and smtp_send. */
bool deliver_message(struct deliverer *d, enum long_lines long_lines, const char *spill_dir,
	struct smtp_mail *mail, struct error *err) NODISCARD;

/** Sends messages from a feed, which fits them; see smtp_send_many. */
void deliver_many(struct deliverer *d, const struct smtp_feed *feed);

/** "host:port" of the server, or the path of its socket; lives as long as d. */
const char *deliver_peer(const struct deliverer *d);

/** Its host name alone, for notices. */
const char *deliver_host(const struct deliverer *d);

/** Goes on with the time limits of a queue run, and without traces: nobody watches any more. */
void deliver_enter_run(struct deliverer *d);

/** True while another message may go over this connection. */
bool deliver_is_usable(const struct deliverer *d);

/** The account that d belongs to. */
const struct account *deliver_account(const struct deliverer *d);

/** Says QUIT and frees. NULL is fine. */
void deliver_close(struct deliverer *d);
