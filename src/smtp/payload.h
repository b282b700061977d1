/* The octets of a message on their way to the server. */
#pragma once

#include "smtp/dialogue.h"

/**
 * Sends a message as DATA wants it: a dot at the start of a line doubled, and
 * a last line end added where it is missing. The final dot is not sent. What is
 * sent goes out as far as full records; the rest stays pending.
 *
 * Stops early where the server has spoken meanwhile: *interrupted, and its
 * reply is unread. Fails with EX_IOERR where the content cannot be read, as
 * stream_write where the connection is lost or stands still for progress_ms.
 */
bool payload_write_dotted(struct smtp_session *s, const struct content *content, bool *interrupted,
	struct error *err) NODISCARD;

/* A message as a sequence of chunks. */
struct payload {
	struct content_reader reader;
	struct slice rest; /* of the last piece read */
	uint64_t left;     /* octets not yet written */
};

/** Starts at the first octet; `content` must outlive c. */
void payload_start(struct smtp_session *s, struct payload *c, const struct content *content);

/**
 * Writes the next `octets` octets, at most what is left, as they are. Fails as
 * payload_write_dotted.
 */
bool payload_write(
	struct smtp_session *s, struct payload *c, uint64_t octets, struct error *err) NODISCARD;

/** Releases what payload_start took. */
void payload_stop(struct payload *c);
