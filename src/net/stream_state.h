/* The inside of a stream, shared by its two files alone: stream.c reads,
 * stream_send.c sends. */
#pragma once

#include "net/stream_filter.h"

enum {
	/* Room for one recv: more than any reply, and one whole TLS record. */
	RECEIVE_OCTETS = STREAM_RECORD_OCTETS + 512,
	/* Replies that may pile up while we send. A peer that sends more has to
	 * wait until they are read. */
	UNREAD_MAX = 1 << 20,
	/* A flight that is larger than this is a fault of the program. */
	FLIGHT_MAX = 8 << 20,
	/* Sealed octets that are sent in one go: four full records. */
	BATCH_OCTETS = 4 * STREAM_RECORD_OCTETS,
	WIRE_MAX = 1 << 20,
};

struct stream {
	int fd;
	char *peer;
	struct fifo in;     /* received, not yet given out */
	size_t searched;    /* octets at the front of in that hold no line end */
	struct fifo flight; /* to be sent, not yet sealed or sent */
	struct stream_wire wire;
	const struct stream_filter *filter; /* NULL in the clear */
	void *filter_self;
	int64_t overdue_ms; /* the deadline that has had its one late attempt */
	bool flight_is_cut; /* the flight passed its ceiling */
	bool is_dead;
	bool is_patient; /* waits on although a signal is held */
	bool has_sent;   /* since the last wait */
	unsigned waits;
	struct error cause; /* of death */
};

/** Fails with the error that ended s. */
bool stream_fail_again(const struct stream *s, struct error *err);

/** True while what the peer sends can be taken in. */
bool stream_has_room(const struct stream *s);

/**
 * Takes what the kernel has received, once, without waiting. Fails, and s is
 * dead, at the end of the connection; octets may have been added all the same.
 */
bool stream_receive(struct stream *s, struct error *err);

/**
 * Waits for one of the events of poll(). A deadline that has passed allows one
 * look at what is there already, not one more for each octet of a peer that
 * trickles. Fails with EX_TEMPFAIL, and s is dead.
 */
bool stream_wait(struct stream *s, short events, int64_t deadline_ms, short *ready,
	struct error *err) NODISCARD;

/** Sends the wire to its last octet. Fails as stream_flush. */
bool stream_send_wire(struct stream *s, int64_t deadline_ms, struct error *err) NODISCARD;
