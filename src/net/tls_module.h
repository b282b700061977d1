/* What the files of the TLS module share; nothing else includes it. */
#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "net/tls_ops.h"
#include "net/tls_trust.h"

struct tls_session {
	gnutls_session_t gnutls;
	gnutls_certificate_credentials_t credentials;
	struct stream_wire *wire;        /* borrowed */
	const struct tls_policy *policy; /* borrowed; NULL once the handshake is done */
	char host[256];                  /* the policy's, without a dot at its end */
	unsigned char address[16];       /* host as an IP literal */
	size_t address_octets;           /* 4, 16, or 0 where host is a name */
	struct tls_trust trust;
	bool is_verified;
	bool used_pin;
	unsigned idle_records;  /* alerts and requests that brought no octets */
	struct error complaint; /* of the verification, where exit_code is not 0 */
};

/** Callback of GnuTLS: judges the peer's chain; 0, or an error of GnuTLS with s->complaint set. */
int tls_verify_peer(gnutls_session_t gnutls);

/** tls_hmac. */
bool crypto_hmac(enum tls_digest digest, struct slice key, struct slice data, unsigned char *out,
	struct error *err);

/** tls_hash. */
bool crypto_hash(enum tls_digest digest, struct slice data, unsigned char *out, struct error *err);

/** tls_pbkdf2. */
bool crypto_pbkdf2(enum tls_digest digest, struct slice password, struct slice salt,
	unsigned rounds, unsigned char *out, struct error *err);

/** tls_prepare_password. */
bool crypto_prepare_password(struct slice password, struct buf *out, struct error *err);
