/* The border between the program and its TLS module: one table of functions,
 * offered by the module as the symbol "pillarbox_tls". What they do is said in
 * tls.h; none of them does input or output on the connection. */
#pragma once

#include "net/stream_filter.h"
#include "net/tls.h"

struct tls_session; /* of the module */

struct tls_ops {
	const char *version; /* PILLARBOX_VERSION that the module was built for */

	/* Of a session that has finished its handshake; self is the session. */
	struct stream_filter filter;

	/* A session whose octets go over `wire`; `policy` lives until its handshake is done. */
	bool (*open)(struct stream_wire *wire, const struct tls_policy *policy,
		struct tls_session **out, struct error *err);

	/* Goes on with the handshake as far as wire->in reaches. *done is set
	 * when it is finished and the peer verified; else more input is needed. */
	bool (*handshake)(struct tls_session *s, bool *done, struct error *err);

	/* Tells what was agreed. */
	void (*describe)(const struct tls_session *s, struct tls_facts *facts);

	bool (*binding)(const struct tls_session *s, enum tls_binding kind, struct buf *out);
	bool (*hmac)(enum tls_digest digest, struct slice key, struct slice data,
		unsigned char *out, struct error *err);
	bool (*hash)(
		enum tls_digest digest, struct slice data, unsigned char *out, struct error *err);
	bool (*pbkdf2)(enum tls_digest digest, struct slice password, struct slice salt,
		unsigned rounds, unsigned char *out, struct error *err);
	bool (*prepare_password)(struct slice password, struct buf *out, struct error *err);
};
