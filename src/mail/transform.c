#include "mail/transform.h"

#include <string.h>

#include "mail/header_fix.h"
#include "mail/transform_plan.h"

/* Reads the message in order, any number of octets at a time. */
struct source {
	struct content_reader reader;
	struct slice rest; /* of the present piece */
	uint64_t place;
};

/* One transformation on its way. */
struct work {
	const struct mime_tree *tree;
	const struct plan *plan;
	struct source source;
	struct transformed result;
	struct buf text; /* owned: a header, or encoded text, on its way */
};

enum { TEXT_MAX = 128 << 20 };

static void work_done(struct work *w)
{
	content_stop(&w->source.reader);
	buf_done(&w->text);
	transformed_done(&w->result);
}

void transformed_done(struct transformed *t)
{
	buf_done(&t->head);
	body_done(&t->body);
}

bool transform_needed(const struct content *content, const struct transform_wants *wants)
{
	bool is_long = content->longest_line > HEADER_LINE_MAX;

	if (content->head_has_8bit && !wants->has_smtputf8)
		return true;
	if (is_long && wants->long_lines != TRANSFORM_PASS)
		return true;
	if (wants->has_binarymime)
		return false;
	return content->has_nul || (content->has_8bit && !wants->has_8bitmime);
}

/* Gives the next octets in front of `end`; empty when it is reached. */
static bool source_next(struct source *s, uint64_t end, struct slice *out, struct error *err)
{
	uint64_t left = end > s->place ? end - s->place : 0;

	if (s->rest.len == 0 && left > 0 && !content_next(&s->reader, &s->rest, err))
		return false;
	if (s->rest.len == 0 && left > 0)
		return error_set(err, EX_IOERR, "the message is cut short");
	*out = slice_upto(s->rest, left < s->rest.len ? (size_t)left : s->rest.len);
	s->rest = slice_from(s->rest, out->len);
	s->place += out->len;
	return true;
}

/* What comes from in front of the body of the message is its header. */
static bool put(struct work *w, uint64_t from, struct slice text, struct error *err)
{
	if (from >= w->tree->parts[0].body_start)
		return body_add(&w->result.body, text, err);
	buf_add(&w->result.head, text);
	return true;
}

static bool copy_to(struct work *w, uint64_t end, struct error *err)
{
	uint64_t border = w->tree->parts[0].body_start;
	struct slice text;

	for (;;) {
		uint64_t from = w->source.place;
		uint64_t stop = from < border && border < end ? border : end;

		if (!source_next(&w->source, stop, &text, err))
			return false;
		if (text.len == 0)
			return true;
		if (!put(w, from, text, err))
			return false;
	}
}

static bool drop_to(struct work *w, uint64_t end, struct error *err)
{
	struct slice text;

	do {
		if (!source_next(&w->source, end, &text, err))
			return false;
	} while (text.len > 0);
	return true;
}

static bool encode_to(struct work *w, const struct edit *edit, struct error *err)
{
	CLEANUP(encoder_done) struct encoder encoder;
	bool is_last = edit->end == content_octets(w->source.reader.content);
	struct slice text;

	encoder_init(&encoder, edit->encoding);
	do {
		if (!source_next(&w->source, edit->end, &text, err))
			return false;
		buf_clear(&w->text);
		if (text.len > 0)
			encoder_add(&encoder, text, &w->text);
		else
			encoder_end(&encoder, is_last, &w->text);
		if (!body_add(&w->result.body, buf_slice(&w->text), err))
			return false;
	} while (text.len > 0);
	return true;
}

/* The one field of that name gets the body; others of the name go. */
static void set_field(struct header *h, struct arena *arena, const char *name, struct slice body)
{
	const struct header_field *field = header_find(h, name, 0);

	if (!field) {
		header_append(h, arena, name, body);
		return;
	}

	size_t place = header_place(h, field);
	struct header_field kept;

	header_replace(h, arena, place, body);
	if (!header_find(h, name, place + 1))
		return;
	kept = h->fields[place];
	header_remove(h, name);
	header_append(h, arena, name, slice_trim(kept.body));
}

/* Says of an encoded text what it is, where its header does not. */
static void set_type(struct header *h, struct arena *arena, const struct mime_part *part)
{
	const char *charset = !part->body.has_8bit ? "us-ascii"
			      : part->body.is_utf8 ? "utf-8"
						   : "unknown-8bit";

	if (part->is_message && !header_find(h, "MIME-Version", 0))
		header_append(h, arena, "MIME-Version", SLICE("1.0"));
	if (!part->has_type) {
		set_field(h, arena, "Content-Type",
			slice_of(arena_printf(arena, "text/plain; charset=%s", charset)));
		return;
	}

	/* A guess is better than US-ASCII, which is what nothing stands for; but
	 * HTML and its like may say inside what they are. */
	const struct header_field *type = header_find(h, "Content-Type", 0);
	bool is_known = part->body.is_utf8 || part->is_plain;

	if (!part->is_text || part->has_charset || !part->body.has_8bit || !is_known)
		return;

	struct slice body = slice_trim(type->body);

	if (body.len > 0 && body.ptr[body.len - 1] == ';')
		body.len--;
	header_replace(h, arena, header_place(h, type),
		slice_of(arena_printf(arena, "%s; charset=%s", arena_dup(arena, body), charset)));
}

static bool fix_header(struct work *w, size_t i, struct buf *out, struct error *err)
{
	CLEANUP(arena_done) struct arena arena = {0};
	CLEANUP(header_done) struct header h = {0};
	const struct header_plan *plan = &w->plan->headers[i];
	const struct mime_part *part = &w->tree->parts[i];

	header_parse(&h, buf_slice(&w->text));
	if (plan->sets_type)
		set_type(&h, &arena, part);
	if (plan->transfer)
		set_field(&h, &arena, "Content-Transfer-Encoding", slice_of(plan->transfer));
	if (plan->encodes_8bit)
		header_encode_8bit(&h, &arena);
	if (plan->refolds && !header_refold(&h, &arena, err))
		return false;
	header_write(&h, out);
	if (plan->adds_blank)
		buf_add(out, SLICE("\r\n"));
	return true;
}

static bool rewrite_header(struct work *w, const struct edit *edit, struct error *err)
{
	CLEANUP(buf_done) struct buf out = BUF(2 * TEXT_MAX);
	struct slice text;

	buf_clear(&w->text);
	do {
		if (!source_next(&w->source, edit->end, &text, err))
			return false;
		buf_add(&w->text, text);
	} while (text.len > 0);
	if (!fix_header(w, edit->part, &out, err))
		return false;
	if (w->text.is_full || out.is_full)
		return error_set(err, EX_DATAERR, "the header of a MIME part is too large");
	if (edit->part == 0)
		buf_add(&w->result.head, buf_slice(&out));
	return edit->part == 0 || body_add(&w->result.body, buf_slice(&out), err);
}

static bool apply(struct work *w, const struct edit *edit, struct error *err)
{
	if (!copy_to(w, edit->start, err))
		return false;
	switch (edit->kind) {
	case EDIT_HEADER:
		return rewrite_header(w, edit, err);
	case EDIT_BODY:
		return encode_to(w, edit, err);
	case EDIT_DROP:
		return drop_to(w, edit->end, err);
	}
	return true;
}

static bool apply_all(struct work *w, struct error *err)
{
	for (size_t i = 0; i < w->plan->count; i++)
		if (!apply(w, &w->plan->edits[i], err))
			return false;
	return copy_to(w, content_octets(w->source.reader.content), err) &&
	       body_end(&w->result.body, err);
}

bool transform_content(const struct content *in, const struct transform_wants *wants,
	struct transformed *out, struct error *err)
{
	CLEANUP(mime_done) struct mime_tree tree = {0};
	CLEANUP(plan_done) struct plan plan = {0};
	CLEANUP(work_done)
	struct work w = {
		.tree = &tree,
		.plan = &plan,
		.result.head = BUF(SIZE_MAX / 2),
		.text = BUF(TEXT_MAX),
	};

	body_init(&w.result.body, wants->spill_dirs);
	if (!mime_walk(in, &tree, err) || !plan_make(&tree, wants, &plan, err))
		return false;
	content_start(&w.source.reader, in);
	if (!apply_all(&w, err))
		return false;
	*out = w.result;
	out->content = (struct content){.head = buf_slice(&out->head)};
	body_content(&out->body, &out->content);
	content_note_head(&out->content);
	w.result = (struct transformed){.body.spill.fd = -1};
	return true;
}
