/* The place in a stream where TLS stands: a filter turns the octets of the
 * dialogue into those on the wire and back. It does no input or output itself. */
#pragma once

#include "net/fifo.h"
#include "net/stream.h"

/* Largest payload of a TLS record (RFC 8446 section 5.1). */
enum { STREAM_RECORD_OCTETS = 16384 };

/* What is on its way between a filter and the peer. */
struct stream_wire {
	struct fifo in;  /* received, not yet read by the filter */
	struct fifo out; /* written by the filter, not yet sent */
	bool has_ended;  /* nothing will be received any more */
};

/* What became of an attempt to read through a filter. */
enum stream_unseal {
	STREAM_UNSEAL_DATA,   /* octets were given */
	STREAM_UNSEAL_MORE,   /* more octets are needed on wire->in */
	STREAM_UNSEAL_END,    /* the peer ended the dialogue in due form */
	STREAM_UNSEAL_FAILED, /* the error is set */
};

/* A filter; `self` is its own state. */
struct stream_filter {
	/* Puts at most STREAM_RECORD_OCTETS, sealed, on wire->out. */
	bool (*seal)(void *self, struct slice plain, struct error *err);
	/* Reads wire->in and gives 1 to `space` octets. */
	enum stream_unseal (*unseal)(
		void *self, char *into, size_t space, size_t *got, struct error *err);
	/* Puts the farewell on wire->out. */
	void (*end)(void *self);
	/* Frees self. */
	void (*free)(void *self);
};

/** The wire of s, for a filter; lives as long as s. */
struct stream_wire *stream_wire(struct stream *s);

/**
 * Sends what is on wire->out (unless it is to be held back for later), waits
 * for the peer, and adds what it sends to wire->in: one step of a handshake.
 * Fails as stream_read_line.
 */
bool stream_exchange(struct stream *s, bool hold, int64_t deadline_ms, struct error *err) NODISCARD;

/**
 * From now on all octets of s pass through the filter. Takes ownership of
 * self. Nothing may be pending or unread but on the wire.
 */
void stream_set_filter(struct stream *s, const struct stream_filter *filter, void *self);

/** The state that stream_set_filter was given, NULL without a filter. */
void *stream_filter_self(const struct stream *s);

/** Sends what is on wire->out where that goes at once; what is left is dropped. */
void stream_send_last(struct stream *s);

/**
 * Notes that the stream is of no more use, and why: every later call fails
 * with the same error. Returns false.
 */
bool stream_kill(struct stream *s, const struct error *err);

/** "host:port" for the words of errors; lives as long as s. */
const char *stream_peer(const struct stream *s);
