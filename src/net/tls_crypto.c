#include <gnutls/crypto.h>

#include "net/tls_module.h"

static const struct algorithm {
	gnutls_mac_algorithm_t mac;
	gnutls_digest_algorithm_t digest;
} algorithms[] = {
	[TLS_MD5] = {GNUTLS_MAC_MD5, GNUTLS_DIG_MD5},
	[TLS_SHA1] = {GNUTLS_MAC_SHA1, GNUTLS_DIG_SHA1},
	[TLS_SHA256] = {GNUTLS_MAC_SHA256, GNUTLS_DIG_SHA256},
};

/* GnuTLS takes octets by a pointer that could be written through, and does not. */
static gnutls_datum_t datum_of(struct slice s)
{
	static unsigned char empty[1];
	gnutls_datum_t datum = {.data = empty, .size = (unsigned)s.len};
	void *place = NULL;

	if (s.len > 0) {
		__builtin_memcpy(&place, &s.ptr, sizeof(place));
		datum.data = place;
	}
	return datum;
}

static bool check(int result, const char *what, struct error *err)
{
	return result >= 0 || error_set(err, EX_UNAVAILABLE, "%s is not available here: %s", what,
				      gnutls_strerror(result));
}

bool crypto_hmac(enum tls_digest digest, struct slice key, struct slice data, unsigned char *out,
	struct error *err)
{
	gnutls_datum_t with = datum_of(key), over = datum_of(data);

	return check(gnutls_hmac_fast(algorithms[digest].mac, with.data, with.size, over.data,
			     over.size, out),
		"this HMAC", err);
}

bool crypto_hash(enum tls_digest digest, struct slice data, unsigned char *out, struct error *err)
{
	gnutls_datum_t over = datum_of(data);

	return check(gnutls_hash_fast(algorithms[digest].digest, over.data, over.size, out),
		"this digest", err);
}

bool crypto_pbkdf2(enum tls_digest digest, struct slice password, struct slice salt,
	unsigned rounds, unsigned char *out, struct error *err)
{
	gnutls_datum_t key = datum_of(password), with = datum_of(salt);
	size_t octets = gnutls_hmac_get_len(algorithms[digest].mac);

	return check(gnutls_pbkdf2(algorithms[digest].mac, &key, &with, rounds, out, octets),
		"PBKDF2", err);
}

bool crypto_prepare_password(struct slice password, struct buf *out, struct error *err)
{
	gnutls_datum_t prepared = {0};
	gnutls_datum_t raw = datum_of(password);
	int result = gnutls_utf8_password_normalize(raw.data, raw.size, &prepared, 0);

	if (result < 0)
		return error_set(err, EX_DATAERR,
			"the password cannot be prepared as RFC 8265 wants it: %s",
			gnutls_strerror(result));
	buf_add(out, (struct slice){(const char *)prepared.data, prepared.size});
	gnutls_memset(prepared.data, 0, prepared.size);
	gnutls_free(prepared.data);
	return !out->is_full || error_set(err, EX_DATAERR, "the password is too long");
}
