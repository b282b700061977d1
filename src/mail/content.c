#include "mail/content.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"

enum { PIECE_OCTETS = 65536 };

uint64_t content_octets(const struct content *c)
{
	return c->head.len + (c->fd >= 0 ? c->fd_octets : c->body.len);
}

void content_note_head(struct content *c)
{
	struct slice rest = c->head;

	c->head_has_8bit = slice_has_8bit(rest);
	while (rest.len > 0) {
		size_t lf = slice_find(rest, '\n');
		size_t octets = lf > 0 && lf < rest.len ? lf - 1 : lf;

		if (octets > c->longest_line)
			c->longest_line = octets;
		rest = slice_from(rest, lf + 1);
	}
}

void content_start(struct content_reader *r, const struct content *c)
{
	*r = (struct content_reader){.content = c};
}

/* Reads the next piece of the file, which starts behind `head`. */
static bool next_of_file(struct content_reader *r, struct slice *piece, struct error *err)
{
	const struct content *c = r->content;
	uint64_t place = r->position - c->head.len;
	uint64_t left = c->fd_octets - place;
	size_t wanted = left < PIECE_OCTETS ? (size_t)left : PIECE_OCTETS;
	size_t got = 0;

	if (!r->window)
		r->window = mem_grow(NULL, PIECE_OCTETS);
	if (wanted > 0 && !file_read_at(c->fd, r->window, wanted, c->fd_offset + (int64_t)place,
				  &got, "the stored message", err))
		return false;
	if (got == 0 && wanted > 0)
		return error_set(err, EX_IOERR,
			"the stored message is cut short: %llu of %llu octets are missing",
			(unsigned long long)left, (unsigned long long)c->fd_octets);
	*piece = (struct slice){r->window, got};
	r->position += got;
	return true;
}

bool content_next(struct content_reader *r, struct slice *piece, struct error *err)
{
	const struct content *c = r->content;
	bool in_head = r->position < c->head.len;

	if (!in_head && c->fd >= 0)
		return next_of_file(r, piece, err);

	struct slice rest = in_head ? slice_from(c->head, (size_t)r->position)
				    : slice_from(c->body, (size_t)(r->position - c->head.len));

	*piece = slice_upto(rest, PIECE_OCTETS);
	r->position += piece->len;
	return true;
}

void content_stop(struct content_reader *r)
{
	free(r->window);
	r->window = NULL;
}
