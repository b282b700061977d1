#include "smtp/payload.h"

#include <string.h>

#include "base/clock.h"

/* Octets that must get through within progress_ms: one full TLS record. */
enum { STRIDE = 16384 };

/* A peer that takes a little now and then keeps within progress_ms for ever:
 * one KiB in a second on the average is the least. */
static void start_clock(struct smtp_session *s, uint64_t octets)
{
	s->body_limit_ms = clock_deadline((int64_t)10 * s->params.progress_ms +
					  (int64_t)(octets < INT64_MAX / 2 ? octets : 0));
}

static bool write_all(struct smtp_session *s, struct slice octets, struct error *err)
{
	while (octets.len > 0) {
		struct slice part = slice_upto(octets, STRIDE);

		if (!stream_write(s->stream, part,
			    clock_earlier(dialogue_deadline(s), s->body_limit_ms), err))
			return false;
		octets = slice_from(octets, part.len);
	}
	return true;
}

/* Place behind the first dot at the start of a line, or piece.len + 1 where
 * there is none. A dot is rarer than a line end, so it is what is searched. */
static size_t find_dot(struct slice piece, bool at_line_start)
{
	size_t from = 0;

	if (at_line_start && piece.len > 0 && piece.ptr[0] == '.')
		return 1;
	while (from < piece.len) {
		size_t at = from + slice_find(slice_from(piece, from), '.');

		if (at >= piece.len)
			break;
		if (at > 0 && piece.ptr[at - 1] == '\n')
			return at + 1;
		from = at + 1;
	}
	return piece.len + 1;
}

/* Up to and with the dot, then from the dot on: so it is sent twice. */
static bool write_dotted(
	struct smtp_session *s, struct slice piece, bool at_line_start, struct error *err)
{
	for (;;) {
		size_t behind = find_dot(piece, at_line_start);

		if (behind > piece.len)
			return write_all(s, piece, err);
		if (!write_all(s, slice_upto(piece, behind), err))
			return false;
		piece = slice_from(piece, behind - 1);
		if (!write_all(s, slice_upto(piece, 1), err))
			return false;
		piece = slice_from(piece, 1);
		at_line_start = false;
	}
}

bool payload_write_dotted(
	struct smtp_session *s, const struct content *content, bool *interrupted, struct error *err)
{
	CLEANUP(content_stop) struct content_reader reader;
	bool at_line_start = true;

	start_clock(s, content_octets(content));
	content_start(&reader, content);
	*interrupted = false;
	for (;;) {
		struct slice piece;

		if (!content_next(&reader, &piece, err))
			return false;
		if (piece.len == 0)
			return at_line_start || write_all(s, SLICE("\r\n"), err);
		if (!write_dotted(s, piece, at_line_start, err))
			return false;
		at_line_start = piece.ptr[piece.len - 1] == '\n';
		*interrupted = stream_unread(s->stream) > 0;
		if (*interrupted)
			return true;
	}
}

void payload_start(struct smtp_session *s, struct payload *c, const struct content *content)
{
	start_clock(s, content_octets(content));
	*c = (struct payload){.left = content_octets(content)};
	content_start(&c->reader, content);
}

bool payload_write(struct smtp_session *s, struct payload *c, uint64_t octets, struct error *err)
{
	while (octets > 0 && c->left > 0) {
		if (c->rest.len == 0 && !content_next(&c->reader, &c->rest, err))
			return false;
		if (c->rest.len == 0)
			return error_set(err, EX_IOERR, "the message is shorter than it was");

		struct slice part = slice_upto(c->rest, octets < c->left ? octets : c->left);

		if (!write_all(s, part, err))
			return false;
		c->rest = slice_from(c->rest, part.len);
		c->left -= part.len;
		octets -= part.len;
	}
	return true;
}

void payload_stop(struct payload *c)
{
	content_stop(&c->reader);
}
