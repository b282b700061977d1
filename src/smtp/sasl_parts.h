/* What the files of the login mechanisms share; nobody else includes this. */
#pragma once

#include "net/tls.h"
#include "smtp/sasl.h"

enum scram_stage {
	SCRAM_FIRST, /* client-first was sent or is to be */
	SCRAM_PROOF, /* client-final was sent */
	SCRAM_ENDED, /* the server's signature was right */
};

struct scram {
	enum tls_digest digest;
	size_t digest_octets;
	enum scram_stage stage;
	char nonce[64];              /* ours */
	char gs2[64];                /* gs2-header */
	struct buf first_bare;       /* client-first-message-bare */
	unsigned char signature[32]; /* ServerSignature that has to come */
};

struct sasl {
	struct sasl_params params;
	unsigned steps; /* challenges answered */
	bool is_complete;
	bool has_used_secret;
	char remark[160];
	struct scram scram;
};

/** Fails a login because of what the server sent. */
bool sasl_fault(const struct sasl *s, const char *what, struct error *err);

/** Prepares nonce, gs2-header and client-first-message-bare. RFC 5802 section 7. */
bool scram_init(struct sasl *s, struct error *err) NODISCARD;

/** Wipes what scram_init and the steps left. */
void scram_done(struct scram *scram);

/** client-first-message. */
void scram_start(struct sasl *s, struct buf *response);

/** Answers server-first-message, then checks server-final-message. */
bool scram_step(
	struct sasl *s, struct slice challenge, struct buf *response, struct error *err) NODISCARD;
