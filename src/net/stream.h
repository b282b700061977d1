/* Lines and octets to and from one peer, in the clear or over TLS, with
 * absolute deadlines (clock_now_ms). What is to be sent is collected and goes
 * out as one flight; waiting for the peer sends what is pending first. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct stream;

/**
 * Takes over a connected socket, which is close-on-exec already; sets
 * TCP_NODELAY where it is TCP. No call on it blocks, whatever its mode.
 *
 * peer  "host:port" for the words of errors; copied
 */
struct stream *stream_new(int fd, const char *peer);

/** Closes without waiting; ends TLS with close_notify where that goes at once. NULL is fine. */
void stream_free(struct stream *s);

/**
 * Reads one line, its LF or CRLF removed, after sending what is pending.
 *
 * max   most octets of the line, without its end
 * line  borrowed; valid until the next call that reads or sends (stream_put does not)
 *
 * Fails with EX_TEMPFAIL when the peer closes, resets, ends TLS without
 * close_notify, or the deadline passes; with EX_PROTOCOL (and FATE_LATER) when
 * the line is longer than max. Lines that had arrived before are given out all
 * the same, also after sending failed: the peer may have said why.
 */
bool stream_read_line(struct stream *s, int64_t deadline_ms, size_t max, struct slice *line,
	struct error *err) NODISCARD;

/** Octets received from the peer and not given out yet; 0 after a clean reply. */
size_t stream_unread(const struct stream *s);

/** True once the peer closed, reset, or timed out: nothing more can be sent. */
bool stream_is_dead(const struct stream *s);

/** Adds octets to the flight (at most 8 MiB); they are copied. Nothing is sent yet. */
void stream_put(struct stream *s, struct slice octets);

/**
 * Sends all that is pending. Reads what the peer sends meanwhile into the
 * buffer (up to a limit), so that two full pipes cannot block each other. Fails as stream_read_line.
 */
bool stream_flush(struct stream *s, int64_t deadline_ms, struct error *err) NODISCARD;

/**
 * Sends pending and given octets as far as full records and segments go,
 * keeping the small rest for the next flight: for the body of a message.
 */
bool stream_write(
	struct stream *s, struct slice octets, int64_t deadline_ms, struct error *err) NODISCARD;

/**
 * Whether waits go on although SIGTERM, SIGINT or SIGHUP came while it was
 * blocked. Without this such a signal ends a wait that lasts, and the stream.
 */
void stream_set_patient(struct stream *s, bool is_patient);

/** Octets of the flight that were not sent yet. */
size_t stream_pending(const struct stream *s);

/** Number of flights whose answer was waited for so far, the greeting's among them: for traces and benchmarks. */
unsigned stream_waits(const struct stream *s);
