#include "smtp/server_input.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

void server_input_init(struct server_input *s, int in, int out)
{
	*s = (struct server_input){.in = in, .out = out, .reply = BUF(1 << 20)};
	s->window = mem_alloc(SERVER_WINDOW);
}

void server_input_done(struct server_input *s)
{
	buf_done(&s->reply);
	free(s->window);
	s->window = NULL;
}

bool server_flush(struct server_input *s, struct error *err)
{
	if (!file_write(s->out, buf_slice(&s->reply), "standard output", err))
		return false;
	buf_clear(&s->reply);
	return true;
}

/* Reads more behind what is there; the client gets its replies before we wait. */
static bool fill(struct server_input *s, struct error *err)
{
	size_t got = 0;

	if (!server_flush(s, err))
		return false;
	if (s->start > 0) {
		memmove(s->window, s->window + s->start, s->end - s->start);
		s->end -= s->start;
		s->start = 0;
	}
	if (!file_read(
		    s->in, s->window + s->end, SERVER_WINDOW - s->end, &got, "standard input", err))
		return false;
	s->end += got;
	s->has_ended = got == 0;
	return true;
}

static struct slice waiting(const struct server_input *s)
{
	return (struct slice){s->window + s->start, s->end - s->start};
}

bool server_read_line(
	struct server_input *s, enum server_line *kind, struct slice *line, struct error *err)
{
	bool is_long = false;
	size_t lf;

	while ((lf = slice_find(waiting(s), '\n')) == waiting(s).len) {
		if (waiting(s).len > SERVER_LONGEST_LINE) {
			is_long = true;
			s->start = s->end;
		}
		if (!fill(s, err))
			return false;
		if (s->has_ended) {
			*kind = SERVER_LINE_END;
			return true;
		}
	}
	*line = slice_upto(waiting(s), lf);
	s->start += lf + 1;
	s->is_crlf = line->len > 0 && line->ptr[line->len - 1] == '\r';
	if (s->is_crlf)
		line->len--;
	*kind = is_long || line->len > SERVER_LONGEST_LINE ? SERVER_LINE_TOO_LONG : SERVER_LINE;
	return true;
}

void server_begin_message(struct server_input *s)
{
	s->at_line_start = true;
	s->is_complete = false;
}

/* A line that begins with a dot: the end mark, or text whose first dot goes.
 * False when more input is needed to tell. */
static bool take_dot(struct server_input *s)
{
	struct slice rest = waiting(s);
	struct slice crlf = SLICE(".\r\n");
	size_t lf = slice_find(slice_upto(rest, crlf.len), '\n');
	bool is_mark =
		slice_starts(rest, crlf) || (!s->is_crlf && slice_starts(rest, SLICE(".\n")));

	if (rest.len < crlf.len && lf == rest.len && slice_starts(crlf, rest))
		return false;
	if (is_mark) {
		s->start += lf + 1;
		s->is_complete = true;
		return true;
	}
	/* A client that ends its lines with CRLF doubles dots behind CRLF alone,
	 * and this is such a place. One that ends its commands with LF may still
	 * pass a message on whose lines end in CRLF: either mark is its end. */
	s->start++;
	s->at_line_start = false;
	return true;
}

/* Copies up to the end of a line, or as much as there is. */
static size_t copy_text(struct server_input *s, char *into, size_t space)
{
	struct slice text = slice_upto(waiting(s), space);
	size_t lf = slice_find(text, '\n');
	size_t len = lf < text.len ? lf + 1 : text.len;

	memcpy(into, text.ptr, len);
	s->start += len;
	if (lf == text.len) {
		s->at_line_start = false;
		s->ended_in_cr = text.ptr[len - 1] == '\r';
		return len;
	}
	s->at_line_start = !s->is_crlf || (lf > 0 ? text.ptr[lf - 1] == '\r' : s->ended_in_cr);
	s->ended_in_cr = false;
	return len;
}

bool server_read_message(void *context, void *into, size_t octets, size_t *got, struct error *err)
{
	struct server_input *s = context;
	size_t done = 0;

	while (done < octets && !s->is_complete) {
		bool needs_more = s->start == s->end;

		if (!needs_more && s->at_line_start && s->window[s->start] == '.') {
			needs_more = !take_dot(s);
			if (!needs_more)
				continue;
		}
		if (!needs_more) {
			done += copy_text(s, (char *)into + done, octets - done);
			continue;
		}
		if (done > 0)
			break;
		if (!fill(s, err))
			return false;
		if (s->has_ended)
			return error_set(
				err, EX_IOERR, "the client closed before the end of its message");
	}
	*got = done;
	return true;
}
