#include "mail/header.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void header_done(struct header *h)
{
	free(h->store);
	*h = (struct header){0};
}

/* Moves the fields to a store with room for so many more on either side. */
static void move_fields(struct header *h, size_t in_front, size_t behind)
{
	size_t space = in_front + h->count + behind;
	struct header_field *store = mem_grow(NULL, space * sizeof(*store));

	if (h->count > 0)
		memcpy(store + in_front, h->fields, h->count * sizeof(*store));
	free(h->store);
	h->store = store;
	h->fields = store + in_front;
	h->space = space;
}

static size_t room_in_front(const struct header *h)
{
	return h->store ? (size_t)(h->fields - h->store) : 0;
}

static size_t room_behind(const struct header *h)
{
	return h->space - room_in_front(h) - h->count;
}

/* As many again, so that a long row of additions stays linear. */
static size_t spare_fields(const struct header *h)
{
	return h->count < 16 ? 16 : h->count;
}

static void add_last(struct header *h, struct header_field field)
{
	if (room_behind(h) == 0)
		move_fields(h, room_in_front(h), spare_fields(h));
	h->fields[h->count++] = field;
}

/* Takes one field apart: name, blanks, colon, body, CRLF. */
static struct header_field split_field(struct slice whole)
{
	struct header_field field = {.whole = whole};
	size_t colon = slice_find(whole, ':');
	size_t end = colon;

	while (end > 0 && ascii_is_blank(whole.ptr[end - 1]))
		end--;
	field.name = slice_upto(whole, end);
	field.body = slice_from(whole, colon + 1);
	if (field.body.len >= 2)
		field.body.len -= 2;
	return field;
}

void header_parse(struct header *h, struct slice block)
{
	/* The usual length of a field, and room for what completion puts in front. */
	size_t expected = block.len / 48 + 8;

	if (room_behind(h) < expected)
		move_fields(h, room_in_front(h) + 8, expected);
	while (block.len > 0) {
		size_t end = 0;

		do {
			const char *lf = memchr(block.ptr + end, '\n', block.len - end);

			end = lf ? (size_t)(lf - block.ptr) + 1 : block.len;
		} while (end < block.len && ascii_is_blank(block.ptr[end]));
		add_last(h, split_field(slice_upto(block, end)));
		block = slice_from(block, end);
	}
}

/* Compares lengths and the first letters before anything else: a header may
 * have a hundred thousand fields and is searched for a dozen names. */
static bool is_named(const struct header_field *field, struct slice name)
{
	return field->name.len == name.len && name.len > 0 &&
	       ((field->name.ptr[0] ^ name.ptr[0]) & 0x5f) == 0 && slice_ieq(field->name, name);
}

const struct header_field *header_find(const struct header *h, const char *name, size_t from)
{
	struct slice wanted = slice_of(name);

	for (size_t i = from; i < h->count; i++)
		if (is_named(&h->fields[i], wanted))
			return &h->fields[i];
	return NULL;
}

size_t header_place(const struct header *h, const struct header_field *field)
{
	return (size_t)(field - h->fields);
}

size_t header_remove(struct header *h, const char *name)
{
	return header_remove_from(h, name, 0);
}

size_t header_remove_from(struct header *h, const char *name, size_t from)
{
	const struct header_field *first = header_find(h, name, from);
	struct slice wanted = slice_of(name);

	if (!first)
		return 0;

	size_t kept = header_place(h, first);

	for (size_t i = kept; i < h->count; i++) {
		if (is_named(&h->fields[i], wanted))
			continue;
		if (kept != i)
			h->fields[kept] = h->fields[i];
		kept++;
	}

	size_t removed = h->count - kept;

	h->count = kept;
	return removed;
}

/* A body must not end its field: a CR or LF that is no part of a fold, and a
 * NUL, become blanks. */
static void blank_line_ends(char *body, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool is_fold = i + 2 < len && body[i] == '\r' && body[i + 1] == '\n' &&
			       ascii_is_blank(body[i + 2]);

		if (is_fold)
			i += 2;
		else if (body[i] == '\r' || body[i] == '\n' || body[i] == '\0')
			body[i] = ' ';
	}
}

/* Writes "<start><separator><body>CRLF" into the arena and takes it apart again. */
static struct header_field make_field(
	struct arena *arena, struct slice start, struct slice separator, struct slice body)
{
	size_t before = start.len + separator.len;
	char *text = arena_alloc(arena, before + body.len + 3);

	memcpy(text, start.ptr, start.len);
	if (separator.len > 0)
		memcpy(text + start.len, separator.ptr, separator.len);
	if (body.len > 0)
		memcpy(text + before, body.ptr, body.len);
	blank_line_ends(text + before, body.len);
	memcpy(text + before + body.len, "\r\n", 2);
	return split_field((struct slice){text, before + body.len + 2});
}

void header_append(struct header *h, struct arena *arena, const char *name, struct slice body)
{
	add_last(h, make_field(arena, slice_of(name), SLICE(": "), body));
}

void header_prepend(struct header *h, struct arena *arena, const char *name, struct slice body)
{
	if (room_in_front(h) == 0)
		move_fields(h, spare_fields(h), room_behind(h));
	*--h->fields = make_field(arena, slice_of(name), SLICE(": "), body);
	h->count++;
}

void header_replace(struct header *h, struct arena *arena, size_t place, struct slice body)
{
	struct header_field *field = &h->fields[place];
	size_t start = (size_t)(field->body.ptr - field->whole.ptr);
	bool has_blank = body.len > 0 && (ascii_is_blank(body.ptr[0]) || body.ptr[0] == '\r');

	*field = make_field(arena, slice_upto(field->whole, start),
		has_blank ? (struct slice){0} : SLICE(" "), body);
}

void header_set_whole(struct header *h, struct arena *arena, size_t place, struct slice whole)
{
	h->fields[place] = split_field((struct slice){arena_dup(arena, whole), whole.len});
}

void header_write(const struct header *h, struct buf *out)
{
	size_t i = 0;

	/* Fields that still stand side by side in memory are copied as one. */
	while (i < h->count) {
		struct slice run = h->fields[i++].whole;

		while (i < h->count && h->fields[i].whole.ptr == run.ptr + run.len)
			run.len += h->fields[i++].whole.len;
		buf_add(out, run);
	}
}

const char *header_unfold(struct arena *arena, struct slice body)
{
	char *text = arena_dup(arena, slice_trim(body));
	size_t kept = 0;

	for (size_t i = 0; text[i] != '\0'; i++)
		if (text[i] != '\r' && text[i] != '\n')
			text[kept++] = text[i];
	text[kept] = '\0';
	return text;
}

/* 'x': an octet of a field name, RFC 5322 section 3.6.8. */
static const char name_class[257] = "                                "
				    " xxxxxxxxxxxxxxxxxxxxxxxxx xxxxx"
				    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ";

/* Octets at the start of a line that may stand in a field name. */
static size_t name_length(struct slice line)
{
	const char *at = line.ptr, *end = line.ptr + line.len;

	while (at < end && name_class[(unsigned char)*at] == 'x')
		at++;
	return (size_t)(at - line.ptr);
}

enum header_line header_line_kind(struct slice line)
{
	size_t name;

	if (line.len == 0)
		return HEADER_LINE_OPEN;
	if (ascii_is_blank(line.ptr[0]))
		return HEADER_LINE_FOLDED;
	name = name_length(line);
	if (name > HEADER_NAME_MAX)
		return HEADER_LINE_OTHER;
	if (name > 0) {
		size_t colon = name;

		while (colon < line.len && ascii_is_blank(line.ptr[colon]))
			colon++;
		if (colon == line.len)
			return HEADER_LINE_OPEN;
		return line.ptr[colon] == ':' ? HEADER_LINE_FIELD : HEADER_LINE_OTHER;
	}
	while (name < line.len && line.ptr[name] == '\r')
		name++;
	if (name == line.len)
		return HEADER_LINE_OPEN;
	return line.ptr[name] == '\n' ? HEADER_LINE_EMPTY : HEADER_LINE_OTHER;
}
