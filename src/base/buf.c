#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_done(struct buf *b)
{
	free(b->data);
	*b = BUF(b->ceiling);
}

void buf_wipe(struct buf *b)
{
	mem_wipe(b->data, b->space);
	buf_done(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->is_full = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Moves by copy and wipe, so that no outgrown memory keeps a secret. */
static void set_space(struct buf *b, size_t space)
{
	char *data = mem_grow(NULL, space);

	if (b->data) {
		memcpy(data, b->data, b->len);
		mem_wipe(b->data, b->len);
		free(b->data);
	}
	b->data = data;
	b->data[b->len] = '\0';
	b->space = space;
}

char *buf_grow(struct buf *b, size_t octets)
{
	if (octets > b->ceiling || b->len > b->ceiling - octets) {
		b->is_full = true;
		return NULL;
	}
	if (b->len + octets + 1 > b->space) {
		size_t space = b->space < 64 ? 64 : b->space;

		while (space < b->len + octets + 1)
			space *= 2;
		set_space(b, space);
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, struct slice s)
{
	char *room = buf_room(b, s.len);

	if (!room)
		return;
	if (s.len > 0)
		memcpy(room, s.ptr, s.len);
	b->len += s.len;
	b->data[b->len] = '\0';
}

void buf_add_text(struct buf *b, const char *text)
{
	buf_add(b, slice_of(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);

	/* Most of what is formatted is short and fits into the space that is there. */
	size_t free_space = b->space - b->len;
	int needed = vsnprintf(b->data ? b->data + b->len : NULL, free_space, format, args);
	char *room = needed < 0 ? NULL : buf_room(b, (size_t)needed);

	if (room && (size_t)needed >= free_space)
		vsnprintf(room, (size_t)needed + 1, format, again);
	if (room)
		b->len += (size_t)needed;
	else if (b->data)
		b->data[b->len] = '\0';
	va_end(again);
	va_end(args);
}

void buf_shift(struct buf *b, size_t octets)
{
	if (octets == 0)
		return;
	if (octets > b->len)
		octets = b->len;
	memmove(b->data, b->data + octets, b->len - octets);
	b->len -= octets;
	b->data[b->len] = '\0';
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->data, b->len};
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}
