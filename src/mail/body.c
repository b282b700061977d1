#include "mail/body.h"

#include <string.h>

/* Input is worked on in runs of this size, so that the room they can need in
 * canonical form, twice as much, is there before. */
enum { RUN_OCTETS = 65536 };

void body_init(struct body *b, const char *const *spill_dirs)
{
	*b = (struct body){.text = BUF(BODY_IN_MEMORY + 2 * RUN_OCTETS + 8)};
	spill_init(&b->spill, spill_dirs);
}

void body_done(struct body *b)
{
	buf_done(&b->text);
	spill_done(&b->spill);
}

static void end_line(struct body *b, char **out)
{
	*(*out)++ = '\r';
	*(*out)++ = '\n';
	if (b->line > b->longest_line)
		b->longest_line = b->line;
	b->line = 0;
}

static void add_piece(struct body *b, char **out, const char *from, size_t octets)
{
	memcpy(*out, from, octets);
	*out += octets;
	b->line += octets;
}

/* A run without any CR: the usual case, copied line by line. */
static void add_lf_run(struct body *b, char **out, const char *at, const char *end)
{
	const char *lf;

	while (at < end && (lf = memchr(at, '\n', (size_t)(end - at)))) {
		add_piece(b, out, at, (size_t)(lf - at));
		end_line(b, out);
		at = lf + 1;
	}
	add_piece(b, out, at, (size_t)(end - at));
}

/* A run with CR in it: each CR ends a line and swallows the LF behind it. */
static void add_cr_run(struct body *b, char **out, const char *at, const char *end)
{
	const char *cr;

	while (at < end && (cr = memchr(at, '\r', (size_t)(end - at)))) {
		add_lf_run(b, out, at, cr);
		at = cr + 1;
		if (at == end) {
			b->cr_waits = true;
			return;
		}
		end_line(b, out);
		if (*at == '\n')
			at++;
	}
	add_lf_run(b, out, at, end);
}

/* Canonical text of one run at `out`; returns its end. */
static char *add_run(struct body *b, char *out, struct slice run)
{
	const char *at = run.ptr, *end = run.ptr + run.len;

	if (b->cr_waits) {
		b->cr_waits = false;
		end_line(b, &out);
		if (*at == '\n')
			at++;
	}
	b->has_8bit = b->has_8bit || slice_has_8bit(run);
	b->has_nul = b->has_nul || memchr(run.ptr, '\0', run.len) != NULL;
	if (at < end && memchr(at, '\r', (size_t)(end - at)))
		add_cr_run(b, &out, at, end);
	else
		add_lf_run(b, &out, at, end);
	return out;
}

static bool move_to_file(struct body *b, struct error *err)
{
	if (!spill_write(&b->spill, buf_slice(&b->text), err))
		return false;
	buf_clear(&b->text);
	return true;
}

/* The counterpart of buf_room: takes over what was written up to `end`. */
static void note_written(struct body *b, const char *end)
{
	size_t octets = (size_t)(end - (b->text.data + b->text.len));

	b->text.len += octets;
	b->octets += octets;
}

bool body_add(struct body *b, struct slice raw, struct error *err)
{
	while (raw.len > 0) {
		struct slice run = slice_upto(raw, RUN_OCTETS);
		char *room;

		if (b->text.len > BODY_IN_MEMORY && !move_to_file(b, err))
			return false;
		room = buf_room(&b->text, 2 * run.len + 2);
		if (!room)
			return error_set(err, EX_SOFTWARE, "no room for a run of the body");
		note_written(b, add_run(b, room, run));
		raw = slice_from(raw, run.len);
	}
	return true;
}

bool body_end(struct body *b, struct error *err)
{
	if (b->cr_waits || b->line > 0) {
		char *room = buf_room(&b->text, 2);

		if (!room)
			return error_set(err, EX_SOFTWARE, "no room for the end of the body");
		b->cr_waits = false;
		end_line(b, &room);
		note_written(b, room);
	}
	if (b->spill.fd < 0 && b->text.len <= BODY_IN_MEMORY)
		return true;
	if (!move_to_file(b, err))
		return false;
	buf_done(&b->text);
	return true;
}

void body_content(const struct body *b, struct content *c)
{
	c->body = b->spill.fd < 0 ? buf_slice(&b->text) : (struct slice){0};
	c->fd = b->spill.fd;
	c->fd_offset = 0;
	c->fd_octets = b->spill.octets;
	c->has_8bit = b->has_8bit;
	c->has_nul = b->has_nul;
	c->longest_line = b->longest_line;
}
