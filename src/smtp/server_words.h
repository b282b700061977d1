/* The words behind the verbs of a client: paths and parameters of MAIL and
 * RCPT. RFC 5321 section 4.1.1, RFC 1870, 3461, 4954, 6152, 6531. */
#pragma once

#include "smtp/server.h"

/**
 * Takes "FROM:<path>" or "TO:<path>" off the front of *rest and sets *path to
 * what stands in the brackets. Blanks behind the colon, and callers that leave
 * out the brackets, are understood. False where the syntax is another one.
 */
bool server_take_path(
	struct arena *arena, struct slice *rest, struct slice keyword, const char **path);

/**
 * Reads the parameters of MAIL into mail.
 *
 * max_octets  the limit that SIZE is held against; 0: none
 *
 * Returns NULL, or the reply that refuses them.
 */
const char *server_mail_words(struct server_mail *mail, struct slice rest, uint64_t max_octets);

/** Reads the parameters of RCPT into r; texts go into arena. Returns NULL, or the reply. */
const char *server_rcpt_words(struct arena *arena, struct slice rest, struct server_recipient *r);
