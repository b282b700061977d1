/* The server side of SMTP on a pair of descriptors, for `sendmail -bs`: the
 * caller is the own user, so there is neither login nor TLS. RFC 5321, 1870,
 * 2034, 2920, 3461, 6152, 6531. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "mail/envelope.h"
#include "mail/intake.h"

struct server_recipient {
	const char *address; /* as given, between < and > */
	const char *orcpt;   /* xtext with its type, or NULL */
	unsigned notify;     /* bits of enum dsn_notify */
};

/* One transaction, as the client said it. */
struct server_mail {
	struct arena arena;
	const char *sender; /* as given; "" is the null sender */
	const char *envid;  /* xtext, or NULL */
	enum dsn_return ret;
	bool is_open;                        /* MAIL was accepted */
	struct server_recipient *recipients; /* on the heap */
	size_t count;
	size_t space;
};

/* Who decides. Every function fails with words for the reply: the fate chooses
 * 4xx or 5xx, an SMTP code of the error is passed on. */
struct server_handler {
	/* A recipient's address, before it is taken. */
	bool (*recipient)(void *context, const char *address, struct error *err);
	/* A whole message, to be read to its end with `read`. True only when it
	 * was accepted by the next server or is durably queued. */
	bool (*message)(void *context, const struct server_mail *mail, intake_read_fn *read,
		void *read_context, struct error *err);
	void *context;
	const char *name;    /* of this host, for the greeting */
	uint64_t max_octets; /* SIZE; 0: none */
};

/**
 * Serves one client to QUIT or the end of the input. What was not finished
 * then is dropped. Replies go out whenever no further command is waiting.
 *
 * Fails with EX_IOERR where the descriptors cannot be read or written.
 */
bool server_run(int in, int out, const struct server_handler *handler, struct error *err) NODISCARD;
