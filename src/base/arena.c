#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Small blocks first, for the many short runs; each next one is twice as
 * large, up to a limit. */
enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 1 << 20 };

struct arena_block {
	struct arena_block *before;
	size_t used;
	size_t space;
	alignas(max_align_t) char data[];
};

void arena_done(struct arena *a)
{
	while (a->last) {
		struct arena_block *before = a->last->before;

		free(a->last);
		a->last = before;
	}
}

static void add_block(struct arena *a, size_t octets)
{
	size_t space = a->last ? a->last->space * 2 : FIRST_BLOCK;

	if (space > LARGEST_BLOCK)
		space = LARGEST_BLOCK;
	if (space < octets)
		space = octets;

	struct arena_block *block = mem_grow(NULL, sizeof(*block) + space);

	*block = (struct arena_block){.before = a->last, .space = space};
	a->last = block;
}

void *arena_room(struct arena *a, size_t octets)
{
	size_t unit = alignof(max_align_t);
	size_t rounded = (octets + unit - 1) / unit * unit;

	if (rounded < octets)
		rounded = SIZE_MAX - sizeof(struct arena_block);
	if (!a->last || a->last->space - a->last->used < rounded)
		add_block(a, rounded);

	void *place = a->last->data + a->last->used;

	a->last->used += rounded;
	return place;
}

void *arena_alloc(struct arena *a, size_t octets)
{
	return memset(arena_room(a, octets), 0, octets);
}

char *arena_dup(struct arena *a, struct slice s)
{
	char *copy = arena_room(a, s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
	return text ? arena_dup(a, slice_of(text)) : NULL;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);

	int needed = vsnprintf(NULL, 0, format, args);
	char *text = arena_alloc(a, needed < 0 ? 1 : (size_t)needed + 1);

	if (needed > 0)
		vsnprintf(text, (size_t)needed + 1, format, again);
	va_end(again);
	va_end(args);
	return text;
}
