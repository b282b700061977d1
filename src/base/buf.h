/* Growing text that owns its memory and never passes the ceiling it was given
 * at birth. What does not fit is left out and remembered in `is_full`, so that
 * many additions need only one check at the end. */
#pragma once

#include "base/slice.h"

struct buf {
	char *data;     /* owned; NUL-terminated once anything was added */
	size_t len;     /* octets in use, without the NUL */
	size_t space;   /* octets allocated */
	size_t ceiling; /* most octets that len may reach */
	bool is_full;   /* an addition did not fit and was left out whole */
};

/** An empty text with a ceiling, for the initialisation of a variable. */
#define BUF(max_octets) ((struct buf){.ceiling = (max_octets)})

/** Frees the memory; b may be used again with the same ceiling. */
void buf_done(struct buf *b);

/** Overwrites all that b ever held in its present memory, then frees it. */
void buf_wipe(struct buf *b);

/** Empties b and keeps its memory. */
void buf_clear(struct buf *b);

/** Adds octets at the end. The source may not lie in b itself. */
void buf_add(struct buf *b, struct slice s);

/** Adds a NUL-terminated text at the end; NULL adds nothing. */
void buf_add_text(struct buf *b, const char *text);

/** Adds one octet at the end. */
static inline void buf_add_char(struct buf *b, char c);

/** Adds formatted text at the end. */
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/**
 * Makes room for at least `octets` more behind the end and returns the place,
 * or NULL (and is_full) where the ceiling forbids it. The caller adds to len
 * what it has written.
 */
static inline char *buf_room(struct buf *b, size_t octets) NODISCARD;

/** Removes the first `octets` of b. */
void buf_shift(struct buf *b, size_t octets);

/** Borrows the whole text; valid until b changes. */
struct slice buf_slice(const struct buf *b);

/** Borrows the text as a NUL-terminated string; valid until b changes. */
const char *buf_text(const struct buf *b);

/* --- what is done for each octet or word of a message, to be inlined ------------ */

/** buf_room where the memory has to grow, or the ceiling is passed. */
char *buf_grow(struct buf *b, size_t octets) NODISCARD;

static inline char *buf_room(struct buf *b, size_t octets)
{
	bool has_room =
		octets < b->space && b->len + octets < b->space && b->len + octets <= b->ceiling;

	return has_room ? b->data + b->len : buf_grow(b, octets);
}

static inline void buf_add_char(struct buf *b, char c)
{
	char *room = buf_room(b, 1);

	if (!room)
		return;
	room[0] = c;
	room[1] = '\0';
	b->len++;
}
