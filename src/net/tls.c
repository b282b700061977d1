#include "net/tls.h"

#include <stdlib.h>
#include <string.h>

#include "base/module.h"
#include "build_config.h"
#include "net/stream_filter.h"
#include "net/tls_ops.h"

/* Loads the module by the first call. */
static bool get_ops(const struct tls_ops **ops, struct error *err)
{
	static const struct tls_ops *loaded;
	void *found;

	if (!loaded) {
		/* GnuTLS would write the session's keys to the file it names. */
		unsetenv("SSLKEYLOGFILE");
		if (!module_load("tls", "pillarbox_tls", &found, err))
			return false;

		const struct tls_ops *candidate = found;

		if (strcmp(candidate->version, PILLARBOX_VERSION) != 0)
			return error_set(err, EX_OSFILE,
				"the TLS module is of version %s, the program of %s",
				candidate->version, PILLARBOX_VERSION);
		loaded = candidate;
	}
	*ops = loaded;
	return true;
}

/*
 * True for a lone ChangeCipherSpec: TLS 1.3 sends it for the eyes of boxes on
 * the way (RFC 8446 appendix D.4), and no server waits for it. It goes along
 * with the next flight.
 */
static bool is_no_flight(const struct stream_wire *wire)
{
	return slice_eq(fifo_slice(&wire->out), SLICE("\x14\x03\x03\x00\x01\x01"));
}

/* All steps of the handshake, with the network between them. */
static bool shake_hands(struct stream *s, const struct tls_ops *ops, struct tls_session *session,
	int64_t deadline_ms, struct error *err)
{
	bool done = false;

	for (;;) {
		if (!ops->handshake(session, &done, err)) {
			/* What is pending now is the alert that tells the server why. */
			stream_send_last(s);
			error_prefix(err, "TLS with %s", stream_peer(s));
			return stream_kill(s, err);
		}
		if (done)
			return true;
		if (!stream_exchange(s, is_no_flight(stream_wire(s)), deadline_ms, err))
			return error_prefix(err, "TLS handshake");
	}
}

bool tls_start(struct stream *s, const struct tls_policy *policy, int64_t deadline_ms,
	struct tls_facts *facts, struct error *err)
{
	const struct tls_ops *ops;
	struct tls_session *session;

	/* RFC 3207 section 6: what came in the clear must not be taken for
	 * something that came over TLS. */
	if (stream_unread(s) > 0) {
		error_set(err, EX_TEMPFAIL,
			"%s sent octets in the clear behind its answer to STARTTLS: "
			"somebody may be in between",
			stream_peer(s));
		return stream_kill(s, err);
	}
	if (stream_pending(s) > 0 || tls_is_on(s))
		return error_set(
			err, EX_SOFTWARE, "TLS with %s begun amid a flight", stream_peer(s));
	if (!get_ops(&ops, err) || !ops->open(stream_wire(s), policy, &session, err))
		return false;
	if (!shake_hands(s, ops, session, deadline_ms, err)) {
		ops->filter.free(session);
		return false;
	}
	stream_set_filter(s, &ops->filter, session);
	ops->describe(session, facts);
	return true;
}

bool tls_is_on(const struct stream *s)
{
	return stream_filter_self(s) != NULL;
}

bool tls_channel_binding(const struct stream *s, enum tls_binding kind, struct buf *out)
{
	const struct tls_ops *ops;
	struct error ignored;
	const struct tls_session *session = stream_filter_self(s);

	return session && get_ops(&ops, &ignored) && ops->binding(session, kind, out);
}

bool tls_hmac(enum tls_digest digest, struct slice key, struct slice data, unsigned char *out,
	struct error *err)
{
	const struct tls_ops *ops;

	return get_ops(&ops, err) && ops->hmac(digest, key, data, out, err);
}

bool tls_hash(enum tls_digest digest, struct slice data, unsigned char *out, struct error *err)
{
	const struct tls_ops *ops;

	return get_ops(&ops, err) && ops->hash(digest, data, out, err);
}

bool tls_pbkdf2(enum tls_digest digest, struct slice password, struct slice salt, unsigned rounds,
	unsigned char *out, struct error *err)
{
	const struct tls_ops *ops;

	return get_ops(&ops, err) && ops->pbkdf2(digest, password, salt, rounds, out, err);
}

bool tls_prepare_password(struct slice password, struct buf *out, struct error *err)
{
	const struct tls_ops *ops;

	return get_ops(&ops, err) && ops->prepare_password(password, out, err);
}
