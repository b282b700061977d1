#include "net/tls_module.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "build_config.h"

/* TLS 1.2 or newer, forward secrecy, no key or signature below 112 bits. */
#define OUR_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%PROFILE_MEDIUM"

/* Alerts, tickets and requests without octets that one session may bring. */
enum { IDLE_RECORDS_MAX = 64 };

/* ---- The wire ---- */

static ssize_t push(gnutls_transport_ptr_t place, const giovec_t *parts, int count)
{
	struct tls_session *s = place;
	size_t total = 0;

	for (int i = 0; i < count; i++)
		total += parts[i].iov_len;

	char *room = fifo_room(&s->wire->out, total);

	if (!room) {
		gnutls_transport_set_errno(s->gnutls, ENOBUFS);
		return -1;
	}
	for (int i = 0; i < count; i++) {
		memcpy(room, parts[i].iov_base, parts[i].iov_len);
		room += parts[i].iov_len;
	}
	fifo_added(&s->wire->out, total);
	return (ssize_t)total;
}

static ssize_t pull(gnutls_transport_ptr_t place, void *into, size_t space)
{
	struct tls_session *s = place;
	struct slice have = slice_upto(fifo_slice(&s->wire->in), space);

	if (have.len == 0 && !s->wire->has_ended) {
		gnutls_transport_set_errno(s->gnutls, EAGAIN);
		return -1;
	}
	if (have.len > 0)
		memcpy(into, have.ptr, have.len);
	fifo_take(&s->wire->in, have.len);
	return (ssize_t)have.len;
}

static int pull_is_ready(gnutls_transport_ptr_t place, unsigned wait_ms UNUSED)
{
	const struct tls_session *s = place;

	return fifo_len(&s->wire->in) > 0 || s->wire->has_ended;
}

/* ---- Opening ---- */

static void session_free(void *self)
{
	struct tls_session *s = self;

	if (s->gnutls)
		gnutls_deinit(s->gnutls);
	if (s->credentials)
		gnutls_certificate_free_credentials(s->credentials);
	tls_trust_done(&s->trust);
	free(s);
}

/* The name as certificates and SNI have it: no dot at the end. */
static bool take_host(struct tls_session *s, const char *host, struct error *err)
{
	struct slice name = slice_of(host);

	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len >= sizeof(s->host))
		return error_set(err, EX_CONFIG, "there is no host name to verify the server by");
	memcpy(s->host, name.ptr, name.len);
	if (inet_pton(AF_INET, s->host, s->address) == 1)
		s->address_octets = 4;
	else if (inet_pton(AF_INET6, s->host, s->address) == 1)
		s->address_octets = 16;
	return true;
}

static bool set_priority(struct tls_session *s, const char *priority, struct error *err)
{
	const char *bad = NULL;
	int result =
		gnutls_priority_set_direct(s->gnutls, priority ? priority : OUR_PRIORITY, &bad);

	if (result >= 0)
		return true;
	return error_set(err, EX_CONFIG, "tls_priority is not understood from '%.60s' on: %s",
		bad ? bad : "", gnutls_strerror(result));
}

/* Octets of a path, or of a pkcs11: URI without the PIN behind the '?', for words. */
static int shown(const char *place)
{
	return (int)strcspn(place, "?");
}

/* Our own certificate, shown where the server asks for one. */
static bool set_certificate(
	struct tls_session *s, const struct tls_policy *policy, struct error *err)
{
	if (!policy->cert_file)
		return true;

	const char *key = policy->key_file ? policy->key_file : policy->cert_file;
	int result = gnutls_certificate_set_x509_key_file2(
		s->credentials, policy->cert_file, key, GNUTLS_X509_FMT_PEM, NULL, 0);

	if (result >= 0)
		return true;
	if (result == GNUTLS_E_DECRYPTION_FAILED)
		return error_set(err, EX_CONFIG,
			"the key '%.*s' is encrypted; pillarbox needs one without a passphrase",
			shown(key), key);
	return error_set(err, EX_CONFIG, "cannot use client certificate '%.*s' with key '%.*s': %s",
		shown(policy->cert_file), policy->cert_file, shown(key), key,
		gnutls_strerror(result));
}

static bool set_up(struct tls_session *s, const struct tls_policy *policy, struct error *err)
{
	int result = gnutls_certificate_allocate_credentials(&s->credentials);

	if (result >= 0)
		result =
			gnutls_init(&s->gnutls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (result < 0)
		return error_set(
			err, EX_SOFTWARE, "GnuTLS cannot start: %s", gnutls_strerror(result));
	if (!take_host(s, policy->host, err) || !set_priority(s, policy->priority, err) ||
		!set_certificate(s, policy, err))
		return false;
	/* With pins no anchor is asked. */
	if (policy->pin_count == 0 &&
		!tls_trust_open(&s->trust, policy->trust_file, s->credentials, err))
		return false;
	/* RFC 6066 section 3: no address literals in SNI. */
	if (s->address_octets == 0)
		result = gnutls_server_name_set(
			s->gnutls, GNUTLS_NAME_DNS, s->host, strlen(s->host));
	if (result >= 0)
		result = gnutls_credentials_set(s->gnutls, GNUTLS_CRD_CERTIFICATE, s->credentials);
	if (result < 0)
		return error_set(err, EX_CONFIG, "TLS cannot be set up for '%s': %s", s->host,
			gnutls_strerror(result));

	gnutls_session_set_ptr(s->gnutls, s);
	gnutls_session_set_verify_function(s->gnutls, tls_verify_peer);
	gnutls_transport_set_ptr(s->gnutls, s);
	gnutls_transport_set_vec_push_function(s->gnutls, push);
	gnutls_transport_set_pull_function(s->gnutls, pull);
	gnutls_transport_set_pull_timeout_function(s->gnutls, pull_is_ready);
	return true;
}

static bool session_open(struct stream_wire *wire, const struct tls_policy *policy,
	struct tls_session **out, struct error *err)
{
	struct tls_session *s = mem_alloc(sizeof(*s));

	s->wire = wire;
	s->policy = policy;
	if (!set_up(s, policy, err)) {
		session_free(s);
		return false;
	}
	*out = s;
	return true;
}

/* ---- Handshake ---- */

/* The words for a handshake that failed for a reason other than the certificate. */
static bool explain_failure(struct tls_session *s, int result, struct error *err)
{
	switch (result) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED: {
		const char *alert = gnutls_alert_get_name(gnutls_alert_get(s->gnutls));

		return error_set(err, EX_TEMPFAIL, "the server ended the handshake: %s",
			alert ? alert : "unknown alert");
	}
	case GNUTLS_E_PREMATURE_TERMINATION:
		return error_set(
			err, EX_TEMPFAIL, "the server closed the connection in the handshake");
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_RECORD_OVERFLOW:
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		error_set(err, EX_TEMPFAIL,
			"the server does not speak TLS 1.2 or newer at this point: %s",
			gnutls_strerror(result));
		return error_hint(err,
			"is it the right port? 465 wants tls = implicit, 587 and 25 want "
			"tls = starttls");
	default:
		return error_set(
			err, EX_TEMPFAIL, "the handshake failed: %s", gnutls_strerror(result));
	}
}

/* What the server sends on and on without octets for us must end some time. */
static bool count_idle(struct tls_session *s)
{
	return ++s->idle_records <= IDLE_RECORDS_MAX;
}

static bool session_handshake(struct tls_session *s, bool *done, struct error *err)
{
	int result;

	do
		result = gnutls_handshake(s->gnutls);
	while (result == GNUTLS_E_WARNING_ALERT_RECEIVED && count_idle(s));
	if (result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED)
		return true;
	if (result == GNUTLS_E_SUCCESS && s->is_verified) {
		tls_trust_done(&s->trust);
		s->policy = NULL;
		*done = true;
		return true;
	}
	/* Nothing of a handshake that is not to be goes out but the alert. */
	fifo_clear(&s->wire->out);
	if (s->complaint.exit_code != 0)
		*err = s->complaint;
	else if (result == GNUTLS_E_SUCCESS)
		error_set(err, EX_TEMPFAIL, "the server showed no certificate");
	else
		explain_failure(s, result, err);
	if (s->complaint.exit_code != 0 || result == GNUTLS_E_SUCCESS)
		(void)gnutls_alert_send(s->gnutls, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
	else
		(void)gnutls_alert_send_appropriate(s->gnutls, result);
	return false;
}

static void session_describe(const struct tls_session *s, struct tls_facts *facts)
{
	const char *protocol = gnutls_protocol_get_name(gnutls_protocol_get_version(s->gnutls));
	char *words = gnutls_session_get_desc(s->gnutls);

	snprintf(facts->protocol, sizeof(facts->protocol), "%s", protocol ? protocol : "TLS");
	snprintf(facts->cipher, sizeof(facts->cipher), "%s", words ? words : "");
	facts->used_pin = s->used_pin;
	gnutls_free(words);
}

/* ---- Records ---- */

static bool session_seal(void *self, struct slice plain, struct error *err)
{
	struct tls_session *s = self;

	while (plain.len > 0) {
		ssize_t taken = gnutls_record_send(s->gnutls, plain.ptr, plain.len);

		if (taken < 0)
			return error_set(err, EX_TEMPFAIL, "TLS failed while sending: %s",
				gnutls_strerror((int)taken));
		plain = slice_from(plain, (size_t)taken);
	}
	return true;
}

static enum stream_unseal fail_reading(struct tls_session *s, int result, struct error *err)
{
	if (result == GNUTLS_E_PREMATURE_TERMINATION)
		error_set(err, EX_TEMPFAIL,
			"the connection to the server broke off: TLS was not ended in due form");
	else if (result == GNUTLS_E_FATAL_ALERT_RECEIVED)
		explain_failure(s, result, err);
	else
		error_set(
			err, EX_TEMPFAIL, "TLS failed while reading: %s", gnutls_strerror(result));
	return STREAM_UNSEAL_FAILED;
}

static enum stream_unseal session_unseal(
	void *self, char *into, size_t space, size_t *got, struct error *err)
{
	struct tls_session *s = self;

	for (;;) {
		ssize_t given = gnutls_record_recv(s->gnutls, into, space);

		if (given > 0) {
			*got = (size_t)given;
			return STREAM_UNSEAL_DATA;
		}
		if (given == 0)
			return STREAM_UNSEAL_END;
		if (given == GNUTLS_E_AGAIN) {
			/* After a ticket or a key update there may be more. */
			if (fifo_len(&s->wire->in) == 0 && !s->wire->has_ended)
				return STREAM_UNSEAL_MORE;
		} else if (given == GNUTLS_E_REHANDSHAKE) {
			(void)gnutls_alert_send(
				s->gnutls, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
		} else if (given != GNUTLS_E_WARNING_ALERT_RECEIVED &&
			   given != GNUTLS_E_INTERRUPTED) {
			return fail_reading(s, (int)given, err);
		}
		if (!count_idle(s)) {
			error_set(err, EX_TEMPFAIL, "the server sends TLS records without end");
			return STREAM_UNSEAL_FAILED;
		}
	}
}

static void session_end(void *self)
{
	struct tls_session *s = self;

	(void)gnutls_bye(s->gnutls, GNUTLS_SHUT_WR);
}

static bool session_binding(const struct tls_session *s, enum tls_binding kind, struct buf *out)
{
	/* GNUTLS_CB_TLS_EXPORTER and its sibling came with 3.7.2. */
#if GNUTLS_VERSION_NUMBER >= 0x030702
	gnutls_datum_t data = {0};

	if (gnutls_session_channel_binding(s->gnutls,
		    kind == TLS_BINDING_EXPORTER ? GNUTLS_CB_TLS_EXPORTER
						 : GNUTLS_CB_TLS_SERVER_END_POINT,
		    &data) < 0)
		return false;
	buf_add(out, (struct slice){(const char *)data.data, data.size});
	gnutls_free(data.data);
	return !out->is_full;
#else
	(void)s, (void)kind, (void)out;
	return false;
#endif
}

extern const struct tls_ops pillarbox_tls;

EXPORTED const struct tls_ops pillarbox_tls = {
	.version = PILLARBOX_VERSION,
	.filter = {session_seal, session_unseal, session_end, session_free},
	.open = session_open,
	.handshake = session_handshake,
	.describe = session_describe,
	.binding = session_binding,
	.hmac = crypto_hmac,
	.hash = crypto_hash,
	.pbkdf2 = crypto_pbkdf2,
	.prepare_password = crypto_prepare_password,
};
