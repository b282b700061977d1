/* The header block: what is taken apart comes together again, and what is
 * added or rewritten stays one field. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/header.h"
#include "mail/header_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim)
{
	if (!claim)
		abort();
}

/* The lines of data that may stand in a header, in canonical form. */
static void make_block(struct slice text, struct buf *block)
{
	while (text.len > 0) {
		size_t lf = slice_find(text, '\n');
		struct slice line = slice_upto(text, lf);
		enum header_line kind = header_line_kind(slice_upto(text, lf + 1));

		text = slice_from(text, lf + 1);
		if (kind != HEADER_LINE_FIELD && (kind != HEADER_LINE_FOLDED || block->len == 0))
			continue;
		for (size_t i = 0; i < line.len; i++)
			buf_add_char(block, line.ptr[i] == '\r' ? ' ' : line.ptr[i]);
		buf_add(block, SLICE("\r\n"));
	}
}

/* The block has as many fields as h, all its lines are of fields. */
static void check_written(const struct header *h)
{
	CLEANUP(buf_done) struct buf out = BUF(64 << 20);
	CLEANUP(header_done) struct header again = {0};
	struct slice rest;

	header_write(h, &out);
	header_parse(&again, buf_slice(&out));
	require(again.count == h->count);
	for (rest = buf_slice(&out); rest.len > 0;) {
		size_t lf = slice_find(rest, '\n');
		enum header_line kind = header_line_kind(rest);

		require(lf > 0 && lf < rest.len && rest.ptr[lf - 1] == '\r');
		require(slice_find(rest, '\r') == lf - 1);
		require(kind == HEADER_LINE_FIELD || kind == HEADER_LINE_FOLDED);
		rest = slice_from(rest, lf + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_done) struct arena arena = {0};
	CLEANUP(buf_done) struct buf block = BUF(64 << 20);
	CLEANUP(buf_done) struct buf out = BUF(64 << 20);
	CLEANUP(header_done) struct header h = {0};
	struct slice text = {(const char *)data, size};
	struct error err = {0};

	make_block(text, &block);
	header_parse(&h, buf_slice(&block));
	header_write(&h, &out);
	require(slice_eq(buf_slice(&out), buf_slice(&block)));
	check_written(&h);
	for (size_t i = 0; i < h.count; i++)
		(void)header_unfold(&arena, h.fields[i].body);

	header_append(&h, &arena, "X", text);
	header_prepend(&h, &arena, "Y", text);
	header_replace(&h, &arena, 1, text);
	check_written(&h);
	header_remove(&h, "To");
	require(!header_find(&h, "tO", 0));
	header_encode_8bit(&h, &arena);
	check_written(&h);
	if (header_refold(&h, &arena, &err))
		for (size_t i = 0; i < h.count; i++)
			for (struct slice rest = h.fields[i].whole; rest.len > 0;) {
				size_t lf = slice_find(rest, '\n');

				require(lf <= HEADER_LINE_MAX + 1);
				rest = slice_from(rest, lf + 1);
			}
	check_written(&h);
	return 0;
}
