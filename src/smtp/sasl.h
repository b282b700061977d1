/* The login mechanisms, each as a machine without I/O: what the client says,
 * given what the server said. RFC 4954, 4616 (PLAIN), 2195 (CRAM-MD5), 5802 and
 * 7677 (SCRAM), 4422 (EXTERNAL), 7628 (OAUTHBEARER); LOGIN and XOAUTH2 as
 * servers have them. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* Strongest first: the order of choice. */
enum sasl_mechanism {
	SASL_SCRAM_SHA_256_PLUS,
	SASL_SCRAM_SHA_1_PLUS,
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_1,
	SASL_EXTERNAL,
	SASL_OAUTHBEARER,
	SASL_XOAUTH2,
	SASL_CRAM_MD5,
	SASL_PLAIN,
	SASL_LOGIN,
	SASL_COUNT
};

enum {
	SASL_TEXT_MAX = 65536,     /* octets of a secret or a response */
	SASL_CHALLENGE_MAX = 8192, /* octets of a challenge, decoded */
	SASL_ROUNDS_MAX = 1000000, /* iterations a SCRAM server may ask for */
};

/** Name on the wire, upper case. */
const char *sasl_name(enum sasl_mechanism mechanism);

/** Finds a mechanism by its name, without regard to case. */
bool sasl_find(struct slice name, enum sasl_mechanism *out) NODISCARD;

/** True where the mechanism binds the login to the TLS channel. */
bool sasl_binds_channel(enum sasl_mechanism mechanism);

/** True where the mechanism needs a password or token; false for EXTERNAL. */
bool sasl_needs_secret(enum sasl_mechanism mechanism);

/* Everything a login needs; all text is borrowed and must outlive the machine. */
struct sasl_params {
	enum sasl_mechanism mechanism;
	const char *user;         /* never NULL; "" for EXTERNAL without a name */
	struct slice secret;      /* password or token */
	const char *host;         /* for OAUTHBEARER */
	unsigned port;            /* for OAUTHBEARER */
	const char *binding_name; /* "tls-exporter", for -PLUS; else NULL */
	struct slice binding;     /* channel binding data, for -PLUS */
	bool binding_unused;      /* SCRAM: we could bind, the server does not offer it (gs2 "y") */
	const char *nonce;        /* for tests; NULL: random */
};

struct sasl; /* opaque: holds intermediate secrets */

/**
 * Starts a login. Fails with EX_CONFIG where user or secret hold what the
 * mechanism cannot carry (NUL, or ^A for OAuth), EX_OSERR without randomness.
 */
bool sasl_new(const struct sasl_params *params, struct sasl **out, struct error *err) NODISCARD;

/** Wipes and frees. NULL is fine. */
void sasl_free(struct sasl *s);

/**
 * The first response of a mechanism in which the client speaks first, added to
 * `response` (raw, not base64). False where the server speaks first.
 */
bool sasl_start(struct sasl *s, struct buf *response);

/**
 * Answers one challenge.
 *
 * challenge  what stood behind "334 ": base64, or empty
 * response   gets the answer added, raw; may stay empty
 *
 * Fails with EX_PROTOCOL and fate FATE_LATER where the challenge is not what
 * the mechanism allows: the caller then cancels with "*".
 */
bool sasl_step(
	struct sasl *s, struct slice challenge, struct buf *response, struct error *err) NODISCARD;

/** True when a 235 may be believed: all steps were made, the server's proof verified. */
bool sasl_is_complete(const struct sasl *s);

/** True once an answer that depends on the secret was given out. */
bool sasl_has_used_secret(const struct sasl *s);

/** What an OAuth server said of the cause, "status 400, scheme bearer", or "". */
const char *sasl_remark(const struct sasl *s);
