/* Memory that goes all at once: parsed text lives in the arena of its message
 * or its configuration. */
#pragma once

#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *last; /* owned; NULL while empty */
};

/** Frees everything that came from a; a is empty and usable afterwards. */
void arena_done(struct arena *a);

/** Zeroed octets, aligned for any type, that live as long as a. Never NULL. */
void *arena_alloc(struct arena *a, size_t octets) NODISCARD;

/** The same for who fills them at once: the octets have any value. */
void *arena_room(struct arena *a, size_t octets) NODISCARD;

/** A NUL-terminated copy of s that lives as long as a. */
char *arena_dup(struct arena *a, struct slice s) NODISCARD;

/** A NUL-terminated copy of text; NULL gives NULL. */
char *arena_strdup(struct arena *a, const char *text) NODISCARD;

/** Formatted text that lives as long as a. */
char *arena_printf(struct arena *a, const char *format, ...) NODISCARD PRINTF_LIKE(2, 3);
