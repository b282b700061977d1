#include "mail/message.h"

#include <string.h>

#include "mail/body.h"
#include "mail/intake.h"

/* Additions to the header have limits of their own; what stands in the arena
 * already is never cut short on its way out. */
static const size_t head_max = SIZE_MAX / 2;

enum { LARGE_BLOCK = 32768 };

struct reader {
	const struct message_source *source;
	struct intake intake;
	struct buf block; /* the header block in canonical form */
	struct buf held;  /* raw: mbox lines, and a line that is not complete */
	size_t line_at;   /* where in held that line starts */
	bool has_cr;      /* a CR was seen: files of this system have none */
	bool in_body;
	struct body body;
};

static void reader_done(struct reader *r)
{
	intake_done(&r->intake);
	buf_done(&r->block);
	buf_done(&r->held);
	body_done(&r->body);
}

static bool is_mbox_line(struct slice line)
{
	return line.len <= HEADER_NAME_MAX &&
	       (slice_starts(line, SLICE("From ")) || slice_starts(line, SLICE(">From ")));
}

static bool header_too_large(struct error *err)
{
	return error_set(err, EX_DATAERR, "the header of the message is larger than %d octets",
		MESSAGE_HEADER_MAX);
}

/*
 * Room for a line of the block. When a block grows large it gets all the space
 * it may ever need at once, which costs address space alone: to move it again
 * and again would cost more than to read it.
 */
static char *block_room(struct buf *block, size_t octets)
{
	if (block->len > LARGE_BLOCK && block->space <= 4 * LARGE_BLOCK &&
		!buf_room(block, block->ceiling - block->len))
		return NULL;
	return buf_room(block, octets);
}

/* Adds a line of a field to the block. A CR inside would be a line end for
 * some, and so begin another field: it becomes a blank. */
static bool add_header_line(struct reader *r, struct slice line, struct error *err)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;

	char *room = block_room(&r->block, line.len + 2);
	char *cr = room;

	if (!room)
		return header_too_large(err);
	memcpy(room, line.ptr, line.len);
	while (r->has_cr && (cr = memchr(cr, '\r', (size_t)(room + line.len - cr))))
		*cr = ' ';
	memcpy(room + line.len, "\r\n", 2);
	r->block.len += line.len + 2;
	return true;
}

static bool hold(struct reader *r, struct slice text, struct error *err)
{
	buf_add(&r->held, text);
	return r->held.is_full ? header_too_large(err) : true;
}

static void forget_held(struct reader *r)
{
	if (r->held.len == 0)
		return;
	buf_clear(&r->held);
	r->line_at = 0;
}

/* The header ended without an empty line: what was held is text, the first of
 * the body. */
static bool begin_body(struct reader *r, struct error *err)
{
	r->in_body = true;
	if (!body_add(&r->body, buf_slice(&r->held), err))
		return false;
	buf_done(&r->held);
	return true;
}

/* Takes one line that is complete, from the place in held where it starts or,
 * where nothing is held, from the input itself. */
static bool take_line(struct reader *r, struct slice line, struct error *err)
{
	enum header_line kind = header_line_kind(line);
	bool is_held = r->held.len > r->line_at;

	/* ">From :" would be a field name; no program means that. */
	if (r->block.len == 0 && is_mbox_line(line) &&
		(kind == HEADER_LINE_OTHER || line.ptr[0] == '>')) {
		if (!is_held && !hold(r, line, err))
			return false;
		r->line_at = r->held.len;
		return true;
	}
	if (kind == HEADER_LINE_FIELD || (kind == HEADER_LINE_FOLDED && r->block.len > 0)) {
		if (!add_header_line(r, line, err))
			return false;
		forget_held(r);
		return true;
	}
	if (kind == HEADER_LINE_EMPTY) {
		r->in_body = true;
		buf_done(&r->held);
		return true;
	}
	return (is_held || hold(r, line, err)) && begin_body(r, err);
}

/* True when a line of which only the start is there is no part of a header
 * whatever follows. */
static bool is_text_already(const struct reader *r, struct slice start)
{
	enum header_line kind = header_line_kind(start);

	if (kind == HEADER_LINE_FOLDED)
		return r->block.len == 0;
	return kind == HEADER_LINE_OTHER && !(r->block.len == 0 && is_mbox_line(start));
}

static bool hold_start(struct reader *r, struct slice start, struct error *err)
{
	if (!hold(r, start, err))
		return false;
	if (is_text_already(r, slice_from(buf_slice(&r->held), r->line_at)))
		return begin_body(r, err);
	return true;
}

/* Takes lines off the chunk until it is empty or the body begins. */
static bool take_header(struct reader *r, struct slice *chunk, struct error *err)
{
	while (chunk->len > 0 && !r->in_body) {
		size_t lf = slice_find(*chunk, '\n');
		bool is_complete = lf < chunk->len;
		struct slice line = slice_upto(*chunk, is_complete ? lf + 1 : lf);

		*chunk = slice_from(*chunk, line.len);
		if (!is_complete)
			return hold_start(r, line, err);
		if (r->held.len > r->line_at) {
			if (!hold(r, line, err))
				return false;
			line = slice_from(buf_slice(&r->held), r->line_at);
		}
		if (!take_line(r, line, err))
			return false;
	}
	return true;
}

/* At the end of the input: a last line without its end, and mbox lines that
 * nothing followed. */
static bool end_header(struct reader *r, struct error *err)
{
	if (r->held.len > r->line_at) {
		if (!hold(r, SLICE("\n"), err) ||
			!take_line(r, slice_from(buf_slice(&r->held), r->line_at), err))
			return false;
	}
	return r->in_body || r->held.len == 0 || begin_body(r, err);
}

static bool check_size(const struct reader *r, struct error *err)
{
	uint64_t limit = r->source->max_octets;

	if (limit == 0 || r->block.len + r->held.len + 2 + r->body.octets <= limit)
		return true;
	error_set(err, EX_DATAERR, "the message is larger than %llu octets",
		(unsigned long long)limit);
	error_reply(err, 552, "5.3.4"); /* what an SMTP client is told */
	return error_hint(err, "max_size in section [mail] of the configuration sets the limit");
}

static bool read_all(struct reader *r, struct error *err)
{
	struct slice chunk;

	for (;;) {
		if (!intake_next(&r->intake, &chunk, err))
			return false;
		if (chunk.len == 0)
			break;
		r->has_cr = r->has_cr || slice_find(chunk, '\r') < chunk.len;
		if (!r->in_body && !take_header(r, &chunk, err))
			return false;
		if (r->in_body && !body_add(&r->body, chunk, err))
			return false;
		if (!check_size(r, err))
			return false;
	}
	if (!r->in_body && !end_header(r, err))
		return false;
	return body_end(&r->body, err) && check_size(r, err);
}

static bool check_header(const struct reader *r, struct error *err)
{
	if (r->block.len > 0 && memchr(r->block.data, '\0', r->block.len))
		return error_set(err, EX_DATAERR, "the header of the message holds a NUL octet");
	return true;
}

/* Hands over what the reader owns. */
static void make_message(struct reader *r, struct message *m)
{
	*m = (struct message){
		.block = r->block,
		.body = r->body.text,
		.spill = r->body.spill.fd,
		.spill_octets = r->body.spill.octets,
		.head = BUF(head_max),
		.facts = {.fd = -1},
	};
	body_content(&r->body, &m->facts);
	header_parse(&m->header, buf_slice(&m->block));
	r->block = BUF(0);
	r->body.text = BUF(0);
	r->body.spill.fd = -1;
}

bool message_read(const struct message_source *source, struct message *out, struct error *err)
{
	CLEANUP(reader_done)
	struct reader r = {
		.source = source,
		.block = BUF(MESSAGE_HEADER_MAX),
		.held = BUF(MESSAGE_HEADER_MAX),
	};

	intake_init(&r.intake, source->fd, source->name, source->dot_ends);
	r.intake.read = source->read;
	r.intake.context = source->context;
	body_init(&r.body, source->spill_dirs);
	if (!read_all(&r, err) || !check_header(&r, err)) {
		if (err->exit_code != EX_IOERR)
			intake_drain(&r.intake);
		return false;
	}
	make_message(&r, out);
	return true;
}

void message_done(struct message *m)
{
	header_done(&m->header);
	buf_done(&m->block);
	buf_done(&m->body);
	buf_done(&m->head);
	arena_done(&m->arena);
	/* A message that is all zeros owns no descriptor: ours are 3 and above. */
	if (m->spill > 2) {
		struct spill spill = {.fd = m->spill};

		spill_done(&spill);
	}
	m->spill = -1;
}

void message_content(struct message *m, struct content *out)
{
	struct content c = m->facts;

	m->head.ceiling = head_max;
	buf_clear(&m->head);
	header_write(&m->header, &m->head);
	buf_add(&m->head, SLICE("\r\n"));
	c.head = buf_slice(&m->head);
	c.body = m->spill > 2 ? (struct slice){0} : buf_slice(&m->body);
	content_note_head(&c);
	*out = c;
}
