#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/stream_state.h"

/*
 * After a failed send: what the peer had to say before it went may tell why.
 * The connection is over for sending, but not for reading.
 */
static bool die_sending(struct stream *s, struct error *err)
{
	struct error ignored = {0};
	size_t before;

	error_errno(err, EX_TEMPFAIL, "the connection to %s broke while sending", s->peer);
	do {
		before = fifo_len(&s->in) + fifo_len(&s->wire.in);
	} while (stream_has_room(s) && stream_receive(s, &ignored) &&
		 fifo_len(&s->in) + fifo_len(&s->wire.in) > before);
	return stream_kill(s, err);
}

/* Sends from the front of a queue and then of *more, as much as goes at once. */
static ssize_t send_some(struct stream *s, struct fifo *front, struct slice *more)
{
	struct slice first = fifo_slice(front);
	struct iovec parts[2] = {
		{.iov_base = first.len > 0 ? front->octets.data + front->start : NULL,
			.iov_len = first.len},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};

	if (more->len > 0) {
		/* sendmsg only reads, though its type does not say so. */
		memcpy(&parts[1].iov_base, &more->ptr, sizeof(more->ptr));
		parts[1].iov_len = more->len;
		message.msg_iovlen = 2;
	}

	ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent <= 0)
		return sent;

	size_t from_first = (size_t)sent < first.len ? (size_t)sent : first.len;

	if (front == &s->flight)
		fifo_take_wiped(front, from_first);
	else
		fifo_take(front, from_first);
	*more = slice_from(*more, (size_t)sent - from_first);
	s->has_sent = true;
	return sent;
}

/* Sends a queue and then `more` to the last octet, and reads meanwhile. */
static bool send_all(struct stream *s, struct fifo *front, struct slice more, int64_t deadline_ms,
	struct error *err)
{
	while (fifo_len(front) + more.len > 0) {
		short ready = 0;

		if (send_some(s, front, &more) >= 0 || errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return die_sending(s, err);
		if (!stream_wait(s, (short)(stream_has_room(s) ? POLLOUT | POLLIN : POLLOUT),
			    deadline_ms, &ready, err))
			return false;
		if ((ready & POLLIN) != 0 && !stream_receive(s, err))
			return false;
	}
	return true;
}

bool stream_send_wire(struct stream *s, int64_t deadline_ms, struct error *err)
{
	return send_all(s, &s->wire.out, (struct slice){0}, deadline_ms, err);
}

/* Seals octets of at most one record. */
static bool seal(struct stream *s, struct slice octets, struct error *err)
{
	return s->filter->seal(s->filter_self, octets, err) || stream_kill(s, err);
}

/* Sends the wire once a batch has come together. */
static bool send_batch(struct stream *s, int64_t deadline_ms, struct error *err)
{
	if (fifo_len(&s->wire.out) < BATCH_OCTETS)
		return true;
	return stream_send_wire(s, deadline_ms, err);
}

void stream_put(struct stream *s, struct slice octets)
{
	if (!s->is_dead && !fifo_add(&s->flight, octets))
		s->flight_is_cut = true;
}

/* Part of a flight would be a wrong dialogue: it is all or nothing. */
static bool check_flight(struct stream *s, struct error *err)
{
	if (s->is_dead)
		return stream_fail_again(s, err);
	if (!s->flight_is_cut)
		return true;
	error_set(err, EX_SOFTWARE, "more than %d octets at once for %s", FLIGHT_MAX, s->peer);
	return stream_kill(s, err);
}

bool stream_flush(struct stream *s, int64_t deadline_ms, struct error *err)
{
	if (!check_flight(s, err))
		return false;
	if (!s->filter)
		return send_all(s, &s->flight, (struct slice){0}, deadline_ms, err);
	while (fifo_len(&s->flight) > 0) {
		struct slice part = slice_upto(fifo_slice(&s->flight), STREAM_RECORD_OCTETS);

		if (!seal(s, part, err))
			return false;
		fifo_take_wiped(&s->flight, part.len);
		if (!send_batch(s, deadline_ms, err))
			return false;
	}
	return stream_send_wire(s, deadline_ms, err);
}

/* A body in the clear: everything but an odd end goes out from where it lies. */
static bool write_plain(
	struct stream *s, struct slice octets, int64_t deadline_ms, struct error *err)
{
	size_t odd = (fifo_len(&s->flight) + octets.len) % STREAM_RECORD_OCTETS;
	size_t now = octets.len > odd ? octets.len - odd : 0;

	if (!send_all(s, &s->flight, slice_upto(octets, now), deadline_ms, err))
		return false;
	stream_put(s, slice_from(octets, now));
	return true;
}

/* A body through the filter: full records, taken from where they lie. */
static bool write_sealed(
	struct stream *s, struct slice octets, int64_t deadline_ms, struct error *err)
{
	while (fifo_len(&s->flight) + octets.len >= STREAM_RECORD_OCTETS) {
		size_t waiting = fifo_len(&s->flight);
		size_t fill = waiting < STREAM_RECORD_OCTETS ? STREAM_RECORD_OCTETS - waiting : 0;
		struct slice record = slice_upto(octets, fill);

		if (waiting > 0) {
			stream_put(s, record);
			record = slice_upto(fifo_slice(&s->flight), STREAM_RECORD_OCTETS);
		}
		if (!seal(s, record, err))
			return false;
		if (waiting > 0)
			fifo_take_wiped(&s->flight, record.len);
		octets = slice_from(octets, fill);
		if (!send_batch(s, deadline_ms, err))
			return false;
	}
	stream_put(s, octets);
	return true;
}

bool stream_write(struct stream *s, struct slice octets, int64_t deadline_ms, struct error *err)
{
	if (!check_flight(s, err))
		return false;
	if (fifo_len(&s->flight) + octets.len < STREAM_RECORD_OCTETS) {
		stream_put(s, octets);
		return true;
	}
	return s->filter ? write_sealed(s, octets, deadline_ms, err)
			 : write_plain(s, octets, deadline_ms, err);
}

void stream_send_last(struct stream *s)
{
	struct slice none = {0};

	(void)!send_some(s, &s->wire.out, &none);
	fifo_clear(&s->wire.out);
}
