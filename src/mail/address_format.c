#include "mail/address.h"

#include <string.h>

#include "mail/encoded_word.h"

enum {
	/* Longer names become encoded words, which can be folded anywhere. */
	PLAIN_NAME_MAX = 200,
	/* Room left for the field's name on the first line: "Resent-From: ". */
	FIELD_NAME_ROOM = 13,
};

struct slice address_rewrite(
	struct arena *arena, struct slice body, address_qualify_fn *qualify, void *context)
{
	struct mailbox_list list = {0};
	struct error ignored;
	size_t len = body.len;
	size_t changes = 0;

	if (!address_parse_list(arena, body, &list, &ignored))
		return body;

	struct slice *texts = arena_alloc(arena, list.count * sizeof(*texts));

	for (size_t i = 0; i < list.count; i++) {
		texts[i] = slice_of(qualify(context, arena, &list.items[i]));
		if (!texts[i].ptr)
			continue;
		len += texts[i].len;
		changes++;
	}
	if (changes == 0)
		return body;

	/* The sources stand in the body in the order of the list. */
	char *out = arena_alloc(arena, len + 1);
	const char *from = body.ptr;
	size_t filled = 0;

	for (size_t i = 0; i < list.count; i++) {
		struct slice source = list.items[i].source;

		if (!texts[i].ptr)
			continue;
		memcpy(out + filled, from, (size_t)(source.ptr - from));
		filled += (size_t)(source.ptr - from);
		memcpy(out + filled, texts[i].ptr, texts[i].len);
		filled += texts[i].len;
		from = source.ptr + source.len;
	}

	size_t rest = (size_t)(body.ptr + body.len - from);

	memcpy(out + filled, from, rest);
	return (struct slice){out, filled + rest};
}

/* The name without control characters and without blanks at its ends. A tab is
 * a blank. */
static struct slice clean_name(struct arena *arena, const char *name)
{
	struct slice all = slice_of(name);
	char *clean = arena_alloc(arena, all.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < all.len; i++) {
		char c = all.ptr[i];

		if (c == '\t')
			c = ' ';
		if (ascii_is_control(c))
			continue;
		/* C1, of which some steer terminals. */
		if (c == '\xc2' && i + 1 < all.len && (unsigned char)all.ptr[i + 1] >= 0x80 &&
			(unsigned char)all.ptr[i + 1] < 0xa0) {
			i++;
			continue;
		}
		clean[len++] = c;
	}
	return slice_trim((struct slice){clean, len});
}

/* True for a phrase of atoms with one blank between two of them. */
static bool is_phrase(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == ' ' ? name.ptr[i - 1] == ' '
			     : !ascii_is_alnum(c) && !strchr("!#$%&'*+-/=?^_`{|}~", c))
			return false;
	}
	return true;
}

static void add_quoted(struct buf *out, struct slice name)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '"' || name.ptr[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, name.ptr[i]);
	}
	buf_add_char(out, '"');
}

/* Octets on the last line of text that begins at some column. */
static size_t column_of(struct slice text, size_t first_column)
{
	const char *line = text.len > 0 ? memrchr(text.ptr, '\n', text.len) : NULL;

	return line ? (size_t)(text.ptr + text.len - line) - 1 : first_column + text.len;
}

const char *address_format(struct arena *arena, const char *name, const char *wire)
{
	struct slice clean = clean_name(arena, name);
	size_t wire_len = strlen(wire);
	CLEANUP(buf_done) struct buf out = BUF(16 * clean.len + wire_len + 512);

	if (clean.len == 0)
		return arena_strdup(arena, wire);
	if (slice_has_8bit(clean) || clean.len > PLAIN_NAME_MAX) {
		encoded_word_add(&out, clean, FIELD_NAME_ROOM);
		if (column_of(buf_slice(&out), FIELD_NAME_ROOM) + wire_len + 3 > ENCODED_LINE_MAX)
			buf_add(&out, SLICE("\r\n"));
	} else if (is_phrase(clean)) {
		buf_add(&out, clean);
	} else {
		add_quoted(&out, clean);
	}
	buf_printf(&out, " <%s>", wire);
	return arena_dup(arena, buf_slice(&out));
}
