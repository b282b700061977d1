#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/tls_module.h"

/* What one judgement needs. */
struct judged {
	struct tls_session *session;
	const gnutls_datum_t *chain; /* of GnuTLS, the leaf first */
	unsigned count;
	gnutls_x509_crt_t leaf;
};

/* One name of the leaf, with its kind (gnutls_x509_subject_alt_name_t). */
struct offered {
	char octets[256];
	size_t len;
	unsigned kind;
};

/* Reads the n-th alternative name. 1: there is one; 0: it is too long or odd; -1: no more. */
static int read_name(gnutls_x509_crt_t leaf, unsigned n, struct offered *name)
{
	int result;

	name->len = sizeof(name->octets);
	result = gnutls_x509_crt_get_subject_alt_name2(
		leaf, n, name->octets, &name->len, &name->kind, NULL);
	if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return -1;
	return result >= 0 && name->len <= sizeof(name->octets);
}

/*
 * RFC 9525 section 6.3: equal without regard to case; a wildcard stands for one
 * whole leftmost label, with two labels at least behind it.
 */
static bool name_matches(struct slice pattern, struct slice host)
{
	if (!slice_starts(pattern, SLICE("*.")))
		return slice_ieq(pattern, host);

	struct slice base = slice_from(pattern, 1);
	struct slice parent = slice_from(host, slice_find(host, '.'));

	return parent.len < host.len && slice_find(slice_from(base, 1), '.') < base.len - 1 &&
	       slice_ieq(base, parent);
}

/* True when an alternative name has these octets, or is a pattern of this DNS name. */
static bool has_name(const struct judged *j, struct slice wanted, unsigned kind)
{
	for (unsigned n = 0;; n++) {
		struct offered name;
		int found = read_name(j->leaf, n, &name);
		struct slice octets = {name.octets, found > 0 ? name.len : 0};

		if (found < 0)
			return false;
		if (found == 0 || name.kind != kind)
			continue;
		if (kind == GNUTLS_SAN_DNSNAME ? name_matches(octets, wanted)
					       : slice_eq(octets, wanted))
			return true;
	}
}

/*
 * GnuTLS looks at the common name too where it finds no name of the kind (or
 * one that is too long for it), which RFC 9525 forbids: this is the stricter
 * check beside it.
 */
static bool has_name_of_host(const struct judged *j)
{
	const struct tls_session *s = j->session;

	if (s->address_octets > 0)
		return has_name(j, (struct slice){(const char *)s->address, s->address_octets},
			GNUTLS_SAN_IPADDRESS);
	return has_name(j, slice_of(s->host), GNUTLS_SAN_DNSNAME);
}

static bool has_name_of_domain(const struct judged *j)
{
	const char *domain = j->session->policy->domain;

	return domain && has_name(j, slice_of(domain), GNUTLS_SAN_DNSNAME);
}

/* ---- Words ---- */

static void add_time(struct buf *out, time_t when)
{
	char words[40];
	struct tm parts;

	if (!gmtime_r(&when, &parts) ||
		strftime(words, sizeof(words), "%Y-%m-%d %H:%M UTC", &parts) == 0)
		buf_add_text(out, "an unknown time");
	else
		buf_add_text(out, words);
}

static void add_name(struct buf *out, const struct offered *name)
{
	char words[INET6_ADDRSTRLEN];

	if (name->kind == GNUTLS_SAN_DNSNAME)
		text_sanitize(out, (struct slice){name->octets, name->len}, 100);
	else if (name->kind == GNUTLS_SAN_IPADDRESS && (name->len == 4 || name->len == 16))
		buf_add_text(out, inet_ntop(name->len == 4 ? AF_INET : AF_INET6, name->octets,
					  words, sizeof(words)));
}

/* The names that a client could verify the leaf by. */
static void add_names(struct buf *out, gnutls_x509_crt_t leaf)
{
	enum { SHOWN_MAX = 6 };
	unsigned shown = 0;

	for (unsigned n = 0;; n++) {
		struct offered name;
		int found = read_name(leaf, n, &name);

		if (found < 0)
			break;
		if (found == 0 ||
			(name.kind != GNUTLS_SAN_DNSNAME && name.kind != GNUTLS_SAN_IPADDRESS))
			continue;
		if (shown == SHOWN_MAX) {
			buf_add_text(out, " and more");
			break;
		}
		buf_add_text(out, shown++ > 0 ? ", " : "");
		add_name(out, &name);
	}
	if (shown == 0)
		buf_add_text(out, "no host at all (a common name does not count)");
}

static void add_issuer(struct buf *out, gnutls_x509_crt_t cert)
{
	char words[256];
	size_t space = sizeof(words);

	if (gnutls_x509_crt_get_issuer_dn(cert, words, &space) < 0)
		memcpy(words, "?", 2);
	buf_add_char(out, '\'');
	text_sanitize(out, slice_of(words), 150);
	buf_add_char(out, '\'');
}

static void say_owner(struct buf *out, const struct judged *j)
{
	buf_add_text(out, "it is for ");
	add_names(out, j->leaf);
	buf_printf(out, ", not for '%s'", j->session->host);
}

/* Expired or not valid yet: often it is the clock here that is wrong. */
static void say_time(struct buf *out, const struct judged *j)
{
	time_t from = gnutls_x509_crt_get_activation_time(j->leaf);
	time_t until = gnutls_x509_crt_get_expiration_time(j->leaf);
	time_t now = (time_t)clock_wall();

	if (now > until)
		buf_add_text(out, "it has expired");
	else if (now < from)
		buf_add_text(out, "it is not valid yet");
	else
		buf_add_text(
			out, "a certificate above it in the chain has expired or is not valid yet");
	buf_add_text(out, " (valid from ");
	add_time(out, from);
	buf_add_text(out, " to ");
	add_time(out, until);
	buf_add_text(out, "; the clock here says ");
	add_time(out, now);
	buf_add_char(out, ')');
}

static bool is_self_signed(gnutls_x509_crt_t cert)
{
	return gnutls_x509_crt_check_issuer(cert, cert) != 0;
}

/* Names the issuer that is missing, as far as the server has shown the way to it. */
static void say_missing_issuer(struct buf *out, const struct judged *j, gnutls_x509_crt_t last)
{
	if (is_self_signed(last))
		buf_add_text(out, "its root is not among the trusted certificates: ");
	else if (j->count == 1)
		buf_add_text(out, "incomplete chain or unknown issuer: the server sent its own "
				  "certificate alone, and not trusted here is ");
	else
		buf_add_text(out, "incomplete chain or unknown issuer: not trusted here is ");
	add_issuer(out, last);
}

static void say_issuer(struct buf *out, const struct judged *j)
{
	gnutls_datum_t der = j->chain[j->count - 1];
	gnutls_x509_crt_t last = NULL;

	if (is_self_signed(j->leaf))
		buf_add_text(out, "it is self-signed and not among the trusted certificates");
	else if (gnutls_x509_crt_init(&last) < 0 ||
		 gnutls_x509_crt_import(last, &der, GNUTLS_X509_FMT_DER) < 0)
		buf_add_text(out, "its chain cannot be read");
	else
		say_missing_issuer(out, j, last);
	gnutls_x509_crt_deinit(last);
}

static void say_purpose(struct buf *out, const struct judged *j UNUSED)
{
	buf_add_text(out, "it is not meant for a server (its extended key usage forbids that)");
}

static void say_weak(struct buf *out, const struct judged *j UNUSED)
{
	buf_add_text(out, "a key or signature in its chain is too weak (such as SHA-1 or RSA below "
			  "2048 bits)");
}

static void say_revoked(struct buf *out, const struct judged *j UNUSED)
{
	buf_add_text(out, "it was revoked by its issuer");
}

static void say_not_ca(struct buf *out, const struct judged *j UNUSED)
{
	buf_add_text(out, "who issued it is no certificate authority");
}

/* Faults that we have better words for than GnuTLS, the telling ones first. */
static const struct fault {
	unsigned bits;
	void (*say)(struct buf *out, const struct judged *j);
} faults[] = {
	{GNUTLS_CERT_REVOKED, say_revoked},
	{GNUTLS_CERT_SIGNER_NOT_FOUND, say_issuer},
	{GNUTLS_CERT_SIGNER_NOT_CA, say_not_ca},
	{GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED, say_time},
	{GNUTLS_CERT_UNEXPECTED_OWNER, say_owner},
	{GNUTLS_CERT_PURPOSE_MISMATCH, say_purpose},
	{GNUTLS_CERT_INSECURE_ALGORITHM, say_weak},
};

static void say_other(struct buf *out, unsigned status)
{
	gnutls_datum_t words = {0};

	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) < 0)
		buf_add_text(out, "its verification failed");
	text_sanitize(out, (struct slice){(const char *)words.data, words.size}, 300);
	gnutls_free(words.data);
}

/* Adds the digest of the key as the option tls_pin takes it. */
static void add_pin(struct buf *out, const struct tls_pin *pin)
{
	buf_add_text(out, "sha256:");
	for (size_t i = 0; i < sizeof(pin->digest); i++)
		buf_printf(out, "%02x", pin->digest[i]);
}

static bool read_pin(gnutls_x509_crt_t leaf, struct tls_pin *pin)
{
	size_t octets = sizeof(pin->digest);

	return gnutls_x509_crt_get_key_id(leaf, GNUTLS_KEYID_USE_SHA256, pin->digest, &octets) >=
		       0 &&
	       octets == sizeof(pin->digest);
}

static bool complain(struct judged *j, unsigned status)
{
	struct error *err = &j->session->complaint;
	CLEANUP(buf_done) struct buf words = BUF(sizeof(err->text) - 100);
	bool said = false;

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		if ((status & faults[i].bits) == 0)
			continue;
		buf_add_text(&words, said ? "; " : "");
		faults[i].say(&words, j);
		said = true;
	}
	if (!said)
		say_other(&words, status);
	error_set(err, EX_TEMPFAIL, "the certificate is not accepted: %s", buf_text(&words));

	const char *domain = j->session->policy->domain;
	struct tls_pin pin;

	if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0 && domain)
		error_hint(err,
			"only the DNS, which anybody may forge, led here from '%s'; if this is the "
			"right server, set host to its name in place of srv:%s",
			domain, domain);
	if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0 && read_pin(j->leaf, &pin)) {
		CLEANUP(buf_done) struct buf digest = BUF(100);

		add_pin(&digest, &pin);
		error_hint(err,
			"name the issuer's certificate in tls_trust_file; or, if this is your own "
			"server and you have compared its key: tls_pin = %s",
			buf_text(&digest));
	}
	return false;
}

/* ---- Judgement ---- */

/*
 * A pin is trust in exactly this key, whose possession the handshake proves.
 * Authorities, names and dates are not asked then: self-signed certificates of
 * one's own smarthost are what pins are for.
 */
static bool judge_pin(struct judged *j)
{
	const struct tls_policy *policy = j->session->policy;
	struct error *err = &j->session->complaint;
	CLEANUP(buf_done) struct buf words = BUF(100);
	struct tls_pin pin;

	if (!read_pin(j->leaf, &pin))
		return error_set(err, EX_TEMPFAIL, "the server's key cannot be read");
	for (size_t i = 0; i < policy->pin_count; i++) {
		if (memcmp(pin.digest, policy->pins[i].digest, sizeof(pin.digest)) != 0)
			continue;
		j->session->used_pin = true;
		return true;
	}
	add_pin(&words, &pin);
	return error_set(err, EX_TEMPFAIL, "the server's key is none of tls_pin: it is %s",
		buf_text(&words));
}

static bool judge_chain(struct judged *j)
{
	struct tls_session *s = j->session;
	struct error *err = &s->complaint;
	unsigned status = 0;
	bool is_of_domain = has_name_of_domain(j);
	const char *name = is_of_domain ? s->policy->domain : s->host;
	gnutls_typed_vdata_st asked[] = {
		{.type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *)(uintptr_t)name},
		{.type = GNUTLS_DT_KEY_PURPOSE_OID,
			.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER},
	};

	if (!tls_trust_load(&s->trust, j->chain, j->count, s->credentials, err))
		return false;

	int result = gnutls_certificate_verify_peers(s->gnutls, asked, ARRAY_LEN(asked), &status);

	if (result < 0)
		return error_set(err, EX_TEMPFAIL, "the certificate cannot be verified: %s",
			gnutls_strerror(result));
	if (!is_of_domain && !has_name_of_host(j))
		status |= GNUTLS_CERT_UNEXPECTED_OWNER;
	return status == 0 || complain(j, status);
}

static bool judge(struct tls_session *s)
{
	struct judged j = {.session = s};
	bool is_good;

	j.chain = gnutls_certificate_get_peers(s->gnutls, &j.count);
	if (!j.chain || j.count == 0 ||
		gnutls_certificate_type_get2(s->gnutls, GNUTLS_CTYPE_SERVER) != GNUTLS_CRT_X509)
		return error_set(
			&s->complaint, EX_TEMPFAIL, "the server showed no X.509 certificate");
	if (gnutls_x509_crt_init(&j.leaf) < 0)
		return error_set(&s->complaint, EX_TEMPFAIL, "out of memory");
	if (gnutls_x509_crt_import(j.leaf, &j.chain[0], GNUTLS_X509_FMT_DER) < 0)
		is_good = error_set(
			&s->complaint, EX_TEMPFAIL, "the server's certificate cannot be read");
	else
		is_good = s->policy->pin_count > 0 ? judge_pin(&j) : judge_chain(&j);
	gnutls_x509_crt_deinit(j.leaf);
	return is_good;
}

int tls_verify_peer(gnutls_session_t gnutls)
{
	struct tls_session *s = gnutls_session_get_ptr(gnutls);

	/* Only the handshake of tls_start is judged by a policy. */
	s->is_verified = s->policy && judge(s);
	return s->is_verified ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}
