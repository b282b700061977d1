/* Trust anchors, of which a connection needs one out of a hundred and more:
 * only those whose names stand in the peer's chain are given to GnuTLS. */
#pragma once

#include <gnutls/gnutls.h>

#include "base/error.h"
#include "base/slice.h"

struct tls_trust {
	char *text;       /* owned; PEM file, or NULL where GnuTLS has loaded all */
	size_t octets;    /* of text */
	const char *path; /* of text or of what GnuTLS has loaded, for words; borrowed */
	bool is_explicit; /* the person named it */
};

/**
 * Opens a PEM file or directory, or the system's store where `path` is NULL.
 * What cannot be read piece by piece is loaded into `credentials` at once.
 *
 * Fails with EX_CONFIG.
 */
bool tls_trust_open(struct tls_trust *trust, const char *path,
	gnutls_certificate_credentials_t credentials, struct error *err) NODISCARD;

/**
 * Loads the anchors that can matter for a chain into `credentials`: those that
 * issued one of its certificates, and those that stand in it themselves.
 *
 * Fails with EX_CONFIG where the file that the person named holds no certificate.
 */
bool tls_trust_load(struct tls_trust *trust, const gnutls_datum_t *chain, unsigned count,
	gnutls_certificate_credentials_t credentials, struct error *err) NODISCARD;

/** Frees what trust owns. */
void tls_trust_done(struct tls_trust *trust);
