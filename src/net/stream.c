#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/stream_state.h"

struct stream *stream_new(int fd, const char *peer)
{
	struct stream *s = mem_alloc(sizeof(*s));
	int on = 1;

	/* Fails for a unix socket, which knows no such delay. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	s->peer = mem_strdup(peer);
	s->in = FIFO(UNREAD_MAX + RECEIVE_OCTETS);
	s->flight = FIFO(FLIGHT_MAX);
	s->wire.in = FIFO(UNREAD_MAX);
	s->wire.out = FIFO(WIRE_MAX);
	s->overdue_ms = INT64_MIN;
	s->has_sent = true; /* The connection itself: its answer is the greeting. */
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->filter) {
		if (!s->is_dead && stream_pending(s) == 0) {
			s->filter->end(s->filter_self);
			stream_send_last(s);
		}
		s->filter->free(s->filter_self);
	}
	/* A close with octets unread would reset the connection under the
	 * peer's last words to its log. */
	if (!s->is_dead) {
		char rest[512];

		(void)!recv(s->fd, rest, sizeof(rest), MSG_DONTWAIT);
	}
	fd_close(&s->fd);
	fifo_wipe(&s->in);
	fifo_wipe(&s->flight);
	fifo_wipe(&s->wire.in);
	fifo_wipe(&s->wire.out);
	free(s->peer);
	free(s);
}

size_t stream_unread(const struct stream *s)
{
	return fifo_len(&s->in);
}

bool stream_is_dead(const struct stream *s)
{
	return s->is_dead;
}

size_t stream_pending(const struct stream *s)
{
	return fifo_len(&s->flight) + fifo_len(&s->wire.out);
}

unsigned stream_waits(const struct stream *s)
{
	return s->waits;
}

const char *stream_peer(const struct stream *s)
{
	return s->peer;
}

struct stream_wire *stream_wire(struct stream *s)
{
	return &s->wire;
}

void stream_set_filter(struct stream *s, const struct stream_filter *filter, void *self)
{
	s->filter = filter;
	s->filter_self = self;
}

void *stream_filter_self(const struct stream *s)
{
	return s->filter ? s->filter_self : NULL;
}

bool stream_kill(struct stream *s, const struct error *err)
{
	s->is_dead = true;
	s->cause = *err;
	fifo_take_wiped(&s->flight, fifo_len(&s->flight));
	fifo_clear(&s->wire.out);
	return false;
}

bool stream_fail_again(const struct stream *s, struct error *err)
{
	*err = s->cause;
	return false;
}

/* ---- Receiving ---- */

/* Decrypts what has arrived into s->in, as far as there is room. */
static bool unseal(struct stream *s, struct error *err)
{
	while (fifo_len(&s->in) < UNREAD_MAX) {
		char *room = fifo_room(&s->in, STREAM_RECORD_OCTETS);
		size_t got = 0;

		if (!room)
			return true;
		switch (s->filter->unseal(s->filter_self, room, STREAM_RECORD_OCTETS, &got, err)) {
		case STREAM_UNSEAL_DATA:
			fifo_added(&s->in, got);
			break;
		case STREAM_UNSEAL_MORE:
			return true;
		case STREAM_UNSEAL_END:
			error_set(err, EX_TEMPFAIL, "%s closed the connection", s->peer);
			return stream_kill(s, err);
		case STREAM_UNSEAL_FAILED:
			return stream_kill(s, err);
		}
	}
	return true;
}

/*
 * Takes what the kernel has for us, once, without waiting. False at the end
 * of the connection, with the error set.
 */
static bool receive_raw(struct stream *s, struct fifo *to, struct error *err)
{
	char *room = fifo_room(to, RECEIVE_OCTETS);
	ssize_t got = room ? recv(s->fd, room, RECEIVE_OCTETS, MSG_DONTWAIT) : 0;

	if (!room) {
		error_set(err, EX_PROTOCOL, "%s sends without end", s->peer);
		return error_fate(err, FATE_LATER);
	}
	if (got > 0) {
		fifo_added(to, (size_t)got);
		return true;
	}
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return true;
	s->wire.has_ended = true;
	if (got < 0)
		return error_errno(err, EX_TEMPFAIL, "the connection to %s broke", s->peer);
	return error_set(err, EX_TEMPFAIL, "%s closed the connection", s->peer);
}

bool stream_receive(struct stream *s, struct error *err)
{
	if (!s->filter)
		return receive_raw(s, &s->in, err) || stream_kill(s, err);

	bool goes_on = receive_raw(s, &s->wire.in, err);
	struct error filtered = {0};

	/* At the end the filter says whether TLS was ended in due form. */
	if (!unseal(s, &filtered)) {
		*err = filtered;
		return false;
	}
	return goes_on || stream_kill(s, err);
}

bool stream_has_room(const struct stream *s)
{
	return fifo_len(&s->in) < UNREAD_MAX;
}

void stream_set_patient(struct stream *s, bool is_patient)
{
	s->is_patient = is_patient;
}

/* poll() does not count the time that the machine sleeps, deadlines do: after
 * a long wait it has to be looked at the clock again, and at signals that are
 * held back. */
enum { WAIT_MAX_MS = 1000 };

static bool is_asked_to_end(const struct stream *s)
{
	sigset_t held;

	return !s->is_patient && sigpending(&held) == 0 &&
	       (sigismember(&held, SIGTERM) == 1 || sigismember(&held, SIGINT) == 1 ||
		       sigismember(&held, SIGHUP) == 1);
}

bool stream_wait(
	struct stream *s, short events, int64_t deadline_ms, short *ready, struct error *err)
{
	struct pollfd place = {.fd = s->fd, .events = events};

	for (;;) {
		int left_ms = clock_left_ms(deadline_ms);
		int found = 0;

		if (left_ms > 0 || s->overdue_ms != deadline_ms)
			found = poll(&place, 1, left_ms < WAIT_MAX_MS ? left_ms : WAIT_MAX_MS);
		if (left_ms == 0)
			s->overdue_ms = deadline_ms;
		if (found > 0) {
			*ready = place.revents;
			return true;
		}
		if (found == 0 && clock_left_ms(deadline_ms) == 0) {
			error_set(err, EX_TEMPFAIL, "%s %s", s->peer,
				(events & POLLOUT) != 0 ? "does not take what we send (time-out)"
							: "does not answer (time-out)");
			return stream_kill(s, err);
		}
		if (found == 0 && is_asked_to_end(s)) {
			error_set(err, EX_TEMPFAIL, "a signal ended the wait for %s", s->peer);
			return stream_kill(s, err);
		}
		if (found < 0 && errno != EINTR) {
			error_errno(err, EX_OSERR, "cannot wait for %s", s->peer);
			return stream_kill(s, err);
		}
	}
}

/* ---- Lines ---- */

/*
 * Before the client waits: counts one wait for each flight that needs an answer
 * to go on. Where we wait for more of the same answer the peer may hold it back
 * until it sees what it has sent acknowledged (Nagle), and our kernel may hold
 * the acknowledgement back for 40 ms: TLS tickets with a reply behind them do that.
 */
static void begin_wait(struct stream *s)
{
	if (s->has_sent)
		s->waits++;
#ifdef TCP_QUICKACK
	else
		(void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
#endif
	s->has_sent = false;
}

bool stream_exchange(struct stream *s, bool hold, int64_t deadline_ms, struct error *err)
{
	short ready = 0;

	if (s->is_dead)
		return stream_fail_again(s, err);
	if (!hold && !stream_send_wire(s, deadline_ms, err))
		return false;
	begin_wait(s);
	if (!stream_wait(s, POLLIN, deadline_ms, &ready, err))
		return false;
	return receive_raw(s, &s->wire.in, err) || stream_kill(s, err);
}

static bool fail_too_long(struct stream *s, size_t max, struct error *err)
{
	error_set(err, EX_PROTOCOL, "%s sent a line of more than %zu octets", s->peer, max);
	error_fate(err, FATE_LATER);
	/* The rest of the line must never be taken for a line of its own. */
	fifo_clear(&s->in);
	return stream_kill(s, err);
}

/* Finds a whole line at the front of s->in. False only where it is too long. */
static bool find_line(
	struct stream *s, size_t max, struct slice *line, bool *found, struct error *err)
{
	struct slice have = fifo_slice(&s->in);
	const char *end = have.len > s->searched
				  ? memchr(have.ptr + s->searched, '\n', have.len - s->searched)
				  : NULL;

	*found = end != NULL;
	if (!end) {
		s->searched = have.len;
		/* One octet more may be the CR of the line end. */
		return have.len <= max + 1 || fail_too_long(s, max, err);
	}

	size_t len = (size_t)(end - have.ptr);

	if (len > 0 && have.ptr[len - 1] == '\r')
		len--;
	if (len > max)
		return fail_too_long(s, max, err);
	*line = slice_upto(have, len);
	fifo_take(&s->in, (size_t)(end - have.ptr) + 1);
	s->searched = 0;
	return true;
}

bool stream_read_line(
	struct stream *s, int64_t deadline_ms, size_t max, struct slice *line, struct error *err)
{
	struct error sending = {0};
	bool found = false;
	bool looked = false;

	/* Where sending fails a reply may be there all the same, which knows
	 * the reason better; the cause is kept in s. */
	if (!s->is_dead)
		(void)!stream_flush(s, deadline_ms, &sending);
	for (;;) {
		short ready = 0;

		if (!find_line(s, max, line, &found, err))
			return false;
		if (found)
			return true;
		if (s->is_dead)
			return stream_fail_again(s, err);
		/* What the filter held back while s->in was full comes first. */
		if (!looked && s->filter && fifo_len(&s->wire.in) > 0) {
			looked = true;
			(void)!unseal(s, err);
			continue;
		}
		begin_wait(s);
		if (!stream_wait(s, POLLIN, deadline_ms, &ready, err))
			return false;
		/* A last line may have come with the end of the connection. */
		(void)!stream_receive(s, err);
	}
}
