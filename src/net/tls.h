/* TLS for a stream, and the cryptography that SASL needs. GnuTLS stands behind
 * a module that is loaded by the first call. */
#pragma once

#include "base/buf.h"
#include "net/stream.h"

/* SHA-256 of a public key (SubjectPublicKeyInfo). */
struct tls_pin {
	unsigned char digest[32];
};

/* What a peer must show; all text is borrowed for the call. */
struct tls_policy {
	const char *host;           /* name to verify and to send as SNI, or IP literal */
	const char *domain;         /* whose SRV records led here: does as well; or NULL */
	const char *trust_file;     /* PEM file or directory; NULL: the system's store */
	const struct tls_pin *pins; /* the leaf's key must be one of these; then no authority, name
				     * or date is asked; NULL without */
	size_t pin_count;
	const char *cert_file; /* client certificate (PEM or pkcs11:), or NULL */
	const char *key_file;  /* its key, likewise; NULL: in cert_file */
	const char *priority;  /* GnuTLS priority string, or NULL for ours */
};

/* What was agreed, for -v and for `pillarbox check`. */
struct tls_facts {
	char protocol[16]; /* "TLS1.3" */
	char cipher[96];   /* one line for people */
	bool used_pin;
};

/**
 * Does the handshake and verifies the peer. The client's last handshake flight
 * stays pending, so that the caller's next octets join it. On return nothing
 * of the old dialogue can be read from s. TLS 1.2 or newer.
 *
 * Fails with EX_TEMPFAIL and fate FATE_LATER for every TLS fault, among them a
 * certificate that does not verify: a captive portal looks the same. The text
 * says what is wrong: names offered, dates and local time, incomplete chain.
 * Files of the policy that cannot be read: EX_CONFIG. Fails when octets were
 * unread before the handshake (RFC 3207 section 6).
 */
bool tls_start(struct stream *s, const struct tls_policy *policy, int64_t deadline_ms,
	struct tls_facts *facts, struct error *err) NODISCARD;

/** True once tls_start has succeeded on s. */
bool tls_is_on(const struct stream *s);

/* Channel bindings of RFC 9266 and RFC 5929. */
enum tls_binding {
	TLS_BINDING_EXPORTER,
	TLS_BINDING_SERVER_END_POINT,
};

/** Adds the channel binding data to out; false where this session has none. */
bool tls_channel_binding(const struct stream *s, enum tls_binding kind, struct buf *out) NODISCARD;

/* Digests for SASL. */
enum tls_digest {
	TLS_MD5,    /* CRAM-MD5 alone */
	TLS_SHA1,   /* 20 octets */
	TLS_SHA256, /* 32 octets */
};

/** HMAC (RFC 2104) into out, which has room for the digest (at most 32 octets). */
bool tls_hmac(enum tls_digest digest, struct slice key, struct slice data, unsigned char *out,
	struct error *err) NODISCARD;

/** Plain digest into out. */
bool tls_hash(
	enum tls_digest digest, struct slice data, unsigned char *out, struct error *err) NODISCARD;

/** PBKDF2 with HMAC (RFC 8018), one digest long. */
bool tls_pbkdf2(enum tls_digest digest, struct slice password, struct slice salt, unsigned rounds,
	unsigned char *out, struct error *err) NODISCARD;

/** A password prepared by OpaqueString (RFC 8265), added to out. EX_DATAERR where it cannot be. */
bool tls_prepare_password(struct slice password, struct buf *out, struct error *err) NODISCARD;
