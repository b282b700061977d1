/* The transformation: what comes out fits the server, and the bodies of all
 * parts decode to what they were. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "mail/body.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/transform.h"
#include "whole.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Splits canonical text into header block and body as the reader would. */
static void make_content(struct slice text, struct content *c)
{
	struct slice rest = text;
	struct content body = {.fd = -1};

	while (rest.len > 0) {
		enum header_line kind = header_line_kind(rest);
		bool is_first = rest.len == text.len;

		if (kind != HEADER_LINE_FIELD && (kind != HEADER_LINE_FOLDED || is_first))
			break;
		rest = slice_from(rest, slice_find(rest, '\n') + 1);
	}
	if (slice_starts(rest, SLICE("\r\n")))
		rest = slice_from(rest, 2);
	*c = (struct content){
		.head = slice_upto(text, text.len - rest.len), .body = rest, .fd = -1};
	body.head = rest;
	content_note_head(&body);
	c->has_8bit = body.head_has_8bit;
	c->longest_line = body.longest_line;
	c->has_nul = rest.len > 0 && memchr(rest.ptr, 0, rest.len);
	content_note_head(c);
}

/* Quoted-printable as lenient as readers are. */
static void decode_qp(struct slice in, struct buf *out)
{
	while (in.len > 0) {
		size_t end = slice_search(in, SLICE("\r\n"));
		bool has_end = end < in.len, is_soft = false;
		struct slice line = slice_upto(in, end);

		while (line.len > 0 && ascii_is_blank(line.ptr[line.len - 1]))
			line.len--;
		for (size_t i = 0; i < line.len; i++) {
			bool is_code = line.ptr[i] == '=' && i + 2 < line.len &&
				       ascii_hex(line.ptr[i + 1]) >= 0 &&
				       ascii_hex(line.ptr[i + 2]) >= 0;

			is_soft = line.ptr[i] == '=' && i + 1 == line.len;
			if (is_soft)
				break;
			buf_add_char(out, is_code ? (char)(ascii_hex(line.ptr[i + 1]) << 4 |
							    ascii_hex(line.ptr[i + 2]))
						  : line.ptr[i]);
			i += is_code ? 2 : 0;
		}
		if (has_end && !is_soft)
			buf_add(out, SLICE("\r\n"));
		in = slice_from(in, end + 2);
	}
}

/* The letters of base64 alone: what they stand for may be broken already. */
static void keep_letters(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++)
		if (ascii_is_alnum(in.ptr[i]) || (in.ptr[i] != '\0' && strchr("+/=", in.ptr[i])))
			buf_add_char(out, in.ptr[i]);
}

static void decode(const struct mime_part *part, struct slice text, struct buf *out)
{
	struct slice body = slice_upto(slice_from(text, (size_t)part->body_start),
		(size_t)(part->body_end - part->body_start));

	if (part->transfer == MIME_QP)
		decode_qp(body, out);
	else if (part->transfer == MIME_BASE64)
		keep_letters(body, out);
	else
		buf_add(out, body);
}

/* Both bodies stand for the same, whatever their encodings. */
static void check_leaf(const struct mime_part *before, struct slice text,
	const struct mime_part *after, struct slice result)
{
	CLEANUP(buf_done) struct buf old = BUF(64 << 20);
	CLEANUP(buf_done) struct buf new = BUF(64 << 20);
	CLEANUP(buf_done) struct buf plain = BUF(64 << 20);

	decode(before, text, &old);
	decode(after, result, &new);
	if (before->transfer != MIME_BASE64 && after->transfer == MIME_BASE64) {
		require(base64_decode(&plain, buf_slice(&new)));
		require(slice_eq(buf_slice(&old), buf_slice(&plain)));
		return;
	}
	/* A line end that a broken body lacked may have been closed softly. */
	require(slice_eq(buf_slice(&old), buf_slice(&new)));
}

static void check_result(const struct content *in, const struct transformed *out,
	const struct transform_wants *wants)
{
	CLEANUP(buf_done) struct buf text = BUF(64 << 20);
	CLEANUP(buf_done) struct buf result = BUF(64 << 20);
	CLEANUP(mime_done) struct mime_tree before = {0};
	CLEANUP(mime_done) struct mime_tree after = {0};
	struct error err = {0};

	all_of(in, &text);
	all_of(&out->content, &result);
	require(memmem(result.data, result.len, "\r\n", 2) != NULL);
	if (wants->long_lines == TRANSFORM_ENCODE) {
		require(out->content.longest_line <= 998);
		require(!out->content.has_nul);
	}
	require(mime_walk(in, &before, &err) && mime_walk(&out->content, &after, &err));
	require(before.count == after.count);
	for (size_t i = 0; i < before.count; i++) {
		require(before.parts[i].kind == after.parts[i].kind);
		/* In fields that may hold no encoded words 8-bit octets stay. */
		if (wants->long_lines == TRANSFORM_ENCODE && !wants->has_8bitmime)
			require(!after.parts[i].body.has_8bit);
		if (before.parts[i].kind == MIME_LEAF)
			check_leaf(&before.parts[i], buf_slice(&text), &after.parts[i],
				buf_slice(&result));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const dirs[SPILL_DIRS] = {"/tmp"};
	struct body canonical;
	struct content in;
	struct transformed out;
	struct error err = {0};

	if (size < 2 || size > 200000)
		return 0;

	struct transform_wants wants = {
		.has_8bitmime = (data[0] & 1) != 0,
		.has_smtputf8 = (data[0] & 2) != 0,
		.long_lines = (data[0] & 4) != 0 ? TRANSFORM_PASS : TRANSFORM_ENCODE,
		.spill_dirs = {"/tmp"},
	};

	body_init(&canonical, dirs);
	require(body_add(&canonical, (struct slice){(const char *)data + 1, size - 1}, &err) &&
		body_end(&canonical, &err));
	make_content(buf_slice(&canonical.text), &in);
	if (memchr(in.head.ptr, 0, in.head.len) == NULL) {
		if (transform_content(&in, &wants, &out, &err)) {
			check_result(&in, &out, &wants);
			transformed_done(&out);
		} else {
			require(err.exit_code == EX_DATAERR);
		}
	}
	body_done(&canonical);
	return 0;
}
