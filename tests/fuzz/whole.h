/* What targets share that look at a whole message. */
#pragma once

#include <stdlib.h>

#include "mail/content.h"

static inline void require(bool claim)
{
	if (!claim)
		abort();
}

/* Adds all octets of a message, as they will be sent, to out. */
static inline void all_of(const struct content *c, struct buf *out)
{
	struct content_reader reader;
	struct slice piece;
	struct error err = {0};

	content_start(&reader, c);
	for (;;) {
		require(content_next(&reader, &piece, &err));
		if (piece.len == 0)
			break;
		buf_add(out, piece);
	}
	content_stop(&reader);
}
