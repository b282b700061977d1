#include "mail/mime.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/header.h"
#include "mail/mime_kind.h"

enum {
	HEADER_MAX = 64 << 20, /* octets of one part's header in memory */
	DELIMITER_MAX = 998,   /* octets of a boundary line, blanks behind it included */
	NO_LEVEL = -1,
};

/* Where the walker is. */
enum state {
	IN_HEADER,
	IN_BODY, /* of a leaf */
	BETWEEN, /* in the preamble or epilogue of a multipart */
};

/* The UTF-8 character in hand: octets it still lacks, limits of the next one. */
struct utf8 {
	unsigned missing;
	unsigned char low, high;
};

/* A multipart or message that is not ended. */
struct level {
	size_t part;
	struct slice boundary; /* in the arena; empty for a message */
};

struct walk {
	struct mime_tree *tree;
	struct arena arena;
	struct level levels[MIME_DEPTH_MAX];
	size_t depth;
	size_t part; /* the one that the present line belongs to */
	enum state state;
	struct buf header;  /* of the present part, as far as it was read */
	struct buf pending; /* the start of a line that cannot be judged yet */
	uint64_t offset;    /* of the text in hand */
	bool at_line_start;
	size_t line; /* octets of the present line so far */
	struct utf8 utf8;
};

void mime_done(struct mime_tree *tree)
{
	free(tree->parts);
	*tree = (struct mime_tree){0};
}

static void walk_done(struct walk *w)
{
	arena_done(&w->arena);
	buf_done(&w->header);
	buf_done(&w->pending);
}

static struct mime_part *present(struct walk *w)
{
	return &w->tree->parts[w->part];
}

/* False where text, cut anywhere, is not well-formed UTF-8 (RFC 3629). */
static bool utf8_goes_on(struct utf8 *u, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (u->missing > 0) {
			if (c < u->low || c > u->high)
				return false;
			*u = (struct utf8){u->missing - 1, 0x80, 0xbf};
		} else if (c >= 0x80) {
			if (c < 0xc2 || c > 0xf4)
				return false;
			u->missing = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
			u->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
			u->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
		}
	}
	return true;
}

/* Octets that quoted-printable has to encode, without the rare cases. */
static uint64_t count_coded(struct slice text)
{
	uint64_t coded = 0;

	for (size_t i = 0; i < text.len; i++)
		coded += (unsigned char)text.ptr[i] >= 0x7f || (unsigned char)text.ptr[i] < 0x09;
	return coded;
}

/* Notes text that is a line or a part of one. */
static void note(struct walk *w, struct mime_facts *facts, struct slice text, bool is_end)
{
	size_t octets;

	w->line += text.len;
	octets = is_end && w->line >= 2 ? w->line - 2 : w->line;
	if (octets > facts->longest_line)
		facts->longest_line = octets;
	facts->octets += text.len;
	facts->has_nul = facts->has_nul || memchr(text.ptr, '\0', text.len) != NULL;
	facts->coded += count_coded(text);
	if (!slice_has_8bit(text) && w->utf8.missing == 0)
		return;
	facts->has_8bit = true;
	facts->is_utf8 = facts->is_utf8 && utf8_goes_on(&w->utf8, text);
}

static void end_line(struct walk *w)
{
	w->line = 0;
	w->at_line_start = true;
}

/* Begins the part whose header starts here. */
static bool start_part(struct walk *w, size_t parent, bool is_message, struct error *err)
{
	struct mime_tree *tree = w->tree;

	if (tree->count >= MIME_PARTS_MAX)
		return error_set(
			err, EX_DATAERR, "the message has more than %d MIME parts", MIME_PARTS_MAX);
	if (tree->count == tree->space) {
		tree->space = tree->space == 0 ? 8 : 2 * tree->space;
		tree->parts = mem_grow(tree->parts, tree->space * sizeof(*tree->parts));
	}
	w->part = tree->count++;
	*present(w) = (struct mime_part){
		.parent = parent,
		.is_message = is_message,
		.header_start = w->offset,
		.header.is_utf8 = true,
		.body.is_utf8 = true,
	};
	w->state = IN_HEADER;
	w->utf8 = (struct utf8){0};
	buf_clear(&w->header);
	return true;
}

static void note_header(struct walk *w)
{
	struct mime_part *part = present(w);
	struct slice rest = buf_slice(&w->header);

	while (rest.len > 0) {
		size_t lf = slice_find(rest, '\n');
		struct slice line = slice_upto(rest, lf + 1);

		w->line = 0;
		note(w, &part->header, line, true);
		rest = slice_from(rest, line.len);
	}
	w->line = 0;
	w->utf8 = (struct utf8){0};
}

/* A part of a digest is a message where nothing else is said (RFC 2046
 * section 5.1.5). */
static bool is_in_digest(const struct walk *w)
{
	return w->depth > 0 && w->levels[w->depth - 1].boundary.len > 0 &&
	       w->tree->parts[w->levels[w->depth - 1].part].is_digest;
}

static void push(struct walk *w, struct slice boundary)
{
	w->levels[w->depth++] =
		(struct level){w->part, {arena_dup(&w->arena, boundary), boundary.len}};
}

/* The header of the present part is complete; its body starts at body_start. */
static bool end_header(struct walk *w, uint64_t header_end, uint64_t body_start, struct error *err)
{
	CLEANUP(buf_done) struct buf boundary = BUF(MIME_BOUNDARY_MAX);
	struct mime_part *part = present(w);

	part->header_end = header_end;
	part->body_start = body_start;
	part->has_blank = body_start > header_end;
	note_header(w);
	mime_classify(part, buf_slice(&w->header), part->has_blank && is_in_digest(w),
		w->depth < MIME_DEPTH_MAX, &boundary);
	w->state = part->kind == MIME_LEAF ? IN_BODY : BETWEEN;
	if (part->kind != MIME_LEAF)
		push(w, buf_slice(&boundary));
	if (part->kind != MIME_MESSAGE)
		return true;

	uint64_t here = w->offset;

	w->offset = body_start;
	if (!start_part(w, w->part, true, err))
		return false;
	w->offset = here;
	return true;
}

/* Ends the present part and all levels above `depth`. */
static void close_down_to(struct walk *w, size_t depth, uint64_t end)
{
	struct mime_part *part = present(w);

	if (w->state == IN_HEADER) {
		/* It was cut in its header: there is no body to take apart. */
		part->kind = MIME_LEAF;
		part->header_end = part->body_start = w->offset;
		note_header(w);
	}
	part->body_end = end > part->body_start ? end : part->body_start;
	while (w->depth > depth) {
		part = &w->tree->parts[w->levels[--w->depth].part];
		part->body_end = end > part->body_start ? end : part->body_start;
	}
}

/* True when the line is the boundary line of a level, or could become one. */
static bool begins_delimiter(const struct walk *w, struct slice line)
{
	return w->depth > 0 && slice_starts(SLICE("--"), slice_upto(line, 2));
}

/* The level whose boundary the complete line is, inner ones first. */
static int find_level(const struct walk *w, struct slice line, bool *is_last)
{
	if (line.len < 4 || !slice_starts(line, SLICE("--")))
		return NO_LEVEL;
	line = slice_from(line, 2);
	for (size_t i = w->depth; i-- > 0;) {
		struct slice boundary = w->levels[i].boundary;
		struct slice rest = slice_from(line, boundary.len);

		if (boundary.len == 0 || !slice_starts(line, boundary))
			continue;
		*is_last = slice_starts(rest, SLICE("--"));
		if (slice_trim(slice_from(rest, *is_last ? 2 : 0)).len == 0)
			return (int)i;
	}
	return NO_LEVEL;
}

static bool take_delimiter(
	struct walk *w, size_t level, struct slice line, bool is_last, struct error *err)
{
	size_t multipart = w->levels[level].part;
	struct mime_part *part = &w->tree->parts[multipart];
	uint64_t before = w->offset >= 2 ? w->offset - 2 : 0;

	if (!part->has_parts) {
		part->has_parts = true;
		part->preamble_end = w->offset;
	}
	/* The multipart itself goes on, unless nothing of it was open but itself. */
	if (w->part != multipart)
		close_down_to(w, level + 1, before);
	end_line(w);
	w->offset += line.len;
	if (!is_last)
		return start_part(w, multipart, false, err);
	part->epilogue_start = w->offset;
	w->part = multipart;
	w->state = BETWEEN;
	w->utf8 = (struct utf8){0};
	w->depth = level;
	return true;
}

static bool take_header_line(struct walk *w, struct slice line, struct error *err)
{
	buf_add(&w->header, line);
	if (w->header.is_full)
		return error_set(err, EX_DATAERR, "the header of a MIME part is too large");
	w->offset += line.len;
	end_line(w);
	return true;
}

static bool take_line(struct walk *w, struct slice line, bool is_end, struct error *err);

/* Takes a line of a header, or of what turns out to be none. */
static bool take_header(struct walk *w, struct slice line, bool is_end, struct error *err)
{
	enum header_line kind = header_line_kind(line);

	if (kind == HEADER_LINE_FIELD || (kind == HEADER_LINE_FOLDED && w->header.len > 0))
		return take_header_line(w, line, err);
	/* No field, and no empty line before it: the body begins here, and may do
	 * so with its first boundary line. */
	if (kind != HEADER_LINE_EMPTY)
		return end_header(w, w->offset, w->offset, err) && take_line(w, line, is_end, err);
	if (!end_header(w, w->offset, w->offset + line.len, err))
		return false;
	w->offset += line.len;
	end_line(w);
	return true;
}

/* Takes a line of a body, or a part of one. */
static void take_text(struct walk *w, struct slice text, bool is_end)
{
	note(w, &present(w)->body, text, is_end);
	w->offset += text.len;
	w->at_line_start = false;
	if (is_end)
		end_line(w);
}

/* True when the start of a line does not tell yet what to do with it. */
static bool has_to_wait(const struct walk *w, struct slice line)
{
	if (begins_delimiter(w, line) && line.len < DELIMITER_MAX)
		return true;
	return w->state == IN_HEADER && header_line_kind(line) != HEADER_LINE_OTHER &&
	       !(header_line_kind(line) == HEADER_LINE_FOLDED && w->header.len == 0);
}

static bool take_line(struct walk *w, struct slice line, bool is_end, struct error *err)
{
	bool is_last = false;
	int level = w->at_line_start && is_end ? find_level(w, line, &is_last) : NO_LEVEL;

	if (level != NO_LEVEL)
		return take_delimiter(w, (size_t)level, line, is_last, err);
	if (w->state == IN_HEADER)
		return take_header(w, line, is_end, err);
	take_text(w, line, is_end);
	return true;
}

static bool take_piece(struct walk *w, struct slice piece, struct error *err)
{
	while (piece.len > 0) {
		size_t lf = slice_find(piece, '\n');
		bool is_end = lf < piece.len;
		struct slice line = slice_upto(piece, is_end ? lf + 1 : lf);
		bool is_whole = w->at_line_start && w->pending.len == 0;

		piece = slice_from(piece, line.len);
		if (w->pending.len > 0 || (is_whole && !is_end && has_to_wait(w, line))) {
			buf_add(&w->pending, line);
			if (w->pending.is_full)
				return error_set(
					err, EX_DATAERR, "the header of a MIME part is too large");
			line = buf_slice(&w->pending);
			if (!is_end && has_to_wait(w, line))
				return true;
		}
		if (!take_line(w, line, is_end, err))
			return false;
		buf_clear(&w->pending);
	}
	return true;
}

static bool walk_all(struct walk *w, const struct content *content, struct error *err)
{
	struct content_reader reader;
	struct slice piece;
	bool is_done;

	content_start(&reader, content);
	while ((is_done = content_next(&reader, &piece, err)) && piece.len > 0)
		if (!take_piece(w, piece, err)) {
			is_done = false;
			break;
		}
	content_stop(&reader);
	if (!is_done)
		return false;
	if (w->pending.len > 0 && !take_line(w, buf_slice(&w->pending), false, err))
		return false;
	close_down_to(w, 0, w->offset);
	return true;
}

bool mime_walk(const struct content *content, struct mime_tree *out, struct error *err)
{
	CLEANUP(mime_done) struct mime_tree tree = {0};
	CLEANUP(walk_done)
	struct walk w = {
		.tree = &tree,
		.header = BUF(HEADER_MAX),
		.pending = BUF(HEADER_MAX),
		.at_line_start = true,
	};

	if (!start_part(&w, 0, true, err) || !walk_all(&w, content, err))
		return false;
	*out = tree;
	tree = (struct mime_tree){0};
	return true;
}
