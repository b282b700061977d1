#include "mail/intake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

/* In front of each chunk there is room for the octets held back from the last. */
enum { CHUNK_OCTETS = 65536, HELD_MAX = 2 };

void intake_init(struct intake *in, int fd, const char *name, bool dot_ends)
{
	*in = (struct intake){.fd = fd, .name = name, .dot_ends = dot_ends, .at_line_start = true};
	in->window = mem_grow(NULL, HELD_MAX + CHUNK_OCTETS);
}

void intake_done(struct intake *in)
{
	free(in->window);
	in->window = NULL;
}

/*
 * Looks at a line that begins with a dot. Gives true when the text before it
 * is all there is for now: the line is the end mark, or may still become it.
 */
static bool stops_at_dot(struct intake *in, struct slice line)
{
	if (line.len == 1 || (line.len == 2 && line.ptr[1] == '\r')) {
		in->held = line.len;
		return true;
	}
	if (line.ptr[1] != '\n' && (line.ptr[1] != '\r' || line.ptr[2] != '\n'))
		return false;
	in->has_ended = true;
	return true;
}

/* Octets of a chunk in front of the end mark. */
static size_t find_end(struct intake *in, struct slice chunk)
{
	size_t at = 0;

	while (at < chunk.len) {
		struct slice rest = slice_from(chunk, at);

		if (in->at_line_start && rest.ptr[0] == '.' && stops_at_dot(in, rest))
			return at;

		size_t lf = slice_find(rest, '\n');

		in->at_line_start = lf < rest.len;
		at += in->at_line_start ? lf + 1 : rest.len;
	}
	return chunk.len;
}

static bool read_chunk(struct intake *in, size_t *got, struct error *err)
{
	char *into = in->window + HELD_MAX;

	if (in->read)
		return in->read(in->context, into, CHUNK_OCTETS, got, err);
	return file_read(in->fd, into, CHUNK_OCTETS, got, in->name, err);
}

bool intake_next(struct intake *in, struct slice *chunk, struct error *err)
{
	*chunk = (struct slice){in->window, 0};
	while (chunk->len == 0 && !in->has_ended) {
		size_t got = 0;

		if (!read_chunk(in, &got, err))
			return false;
		if (got == 0) {
			/* A dot that is the very last of the input ended it as well. */
			in->has_ended = true;
			return true;
		}
		memcpy(in->window + HELD_MAX - in->held, ".\r", in->held);
		*chunk = (struct slice){in->window + HELD_MAX - in->held, in->held + got};
		in->held = 0;
		if (in->dot_ends)
			chunk->len = find_end(in, *chunk);
	}
	return true;
}

void intake_drain(struct intake *in)
{
	struct error ignored = {0};
	struct stat st;
	uint64_t drained = 0;
	size_t got = 1;

	if (in->has_ended || (!in->read && fstat(in->fd, &st) == 0 && S_ISREG(st.st_mode)))
		return;
	while (got > 0 && drained < INTAKE_DRAINED_MAX && read_chunk(in, &got, &ignored))
		drained += got;
	in->has_ended = true;
}
