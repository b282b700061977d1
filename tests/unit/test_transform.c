#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "mail/mime.h"
#include "mail/transform.h"

/* A content over a text, as the message reader would give it. */
static struct content content_of(struct slice text)
{
	size_t end = slice_search(text, SLICE("\r\n\r\n"));
	bool is_empty = slice_starts(text, SLICE("\r\n"));
	size_t head = is_empty ? 2 : end + 4;
	struct content c = {
		.head = slice_upto(text, head), .body = slice_from(text, head), .fd = -1};
	struct content body = {.head = c.body, .fd = -1};

	content_note_head(&body);
	c.has_8bit = body.head_has_8bit;
	c.longest_line = body.longest_line;
	c.has_nul = c.body.len > 0 && memchr(c.body.ptr, 0, c.body.len);
	content_note_head(&c);
	return c;
}

static void all_of(const struct content *c, struct buf *out)
{
	struct content_reader reader;
	struct slice piece;
	struct error err = {0};

	content_start(&reader, c);
	for (;;) {
		assert_ok(content_next(&reader, &piece, &err), err);
		if (piece.len == 0)
			break;
		buf_add(out, piece);
	}
	content_stop(&reader);
}

static void check(
	const char *name, const struct transform_wants *wants, struct slice text, struct slice want)
{
	CLEANUP(buf_done) struct buf got = BUF(1 << 24);
	struct content in = content_of(text);
	struct transformed out;
	struct error err = {0};

	if (!transform_content(&in, wants, &out, &err))
		fail_msg("%s: %s", name, err.text);
	all_of(&out.content, &got);
	if (!slice_eq(buf_slice(&got), want))
		fail_msg("%s: got\n%s", name, buf_text(&got));
	transformed_done(&out);
}

static void check_refused(const struct transform_wants *wants, struct slice text, const char *words)
{
	struct content in = content_of(text);
	struct transformed out;
	struct error err = {0};

	if (transform_content(&in, wants, &out, &err))
		fail_msg("not refused: %.*s", SLICE_ARG(text));
	assert_int_equal(err.exit_code, EX_DATAERR);
	if (!strstr(err.text, words))
		fail_msg("'%s' has no '%s'", err.text, words);
}

static const struct transform_wants plain = {.spill_dirs = {"/tmp"}};
static const struct transform_wants eight = {.has_8bitmime = true, .spill_dirs = {"/tmp"}};

static void eight_bit_text_is_encoded_for_a_server_without_8bitmime(UNUSED void **state)
{
	check("no MIME", &plain, SLICE("Subject: x\r\n\r\ncaf\303\251, a drink in the morning\r\n"),
		SLICE("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
		      "charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "caf=C3=A9, a drink in the morning\r\n"));
	check("Latin-1", &plain, SLICE("Subject: x\r\n\r\ncaf\351, a drink in the morning\r\n"),
		SLICE("Subject: x\r\nMIME-Version: 1.0\r\n"
		      "Content-Type: text/plain; charset=unknown-8bit\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "caf=E9, a drink in the morning\r\n"));
	check("mostly 8-bit", &plain,
		SLICE("mime-version: 1.0\r\nContent-type: TEXT/html;\r\n charset=koi8-r\r\n"
		      "CONTENT-transfer-encoding: 8bit\r\n\r\n\301\302\303\304\r\n"),
		SLICE("mime-version: 1.0\r\nContent-type: TEXT/html;\r\n charset=koi8-r\r\n"
		      "CONTENT-transfer-encoding: base64\r\n\r\nwcLDxA0K\r\n"));
	check("charset missing", &plain,
		SLICE("Content-Type: text/plain;\r\nContent-Transfer-Encoding: 8bit\r\n"
		      "Content-Transfer-Encoding: binary\r\n\r\nabcdefghijkl\303\251\r\n"),
		SLICE("Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdefghijkl=C3=A9\r\n"));
	check("no header", &plain, SLICE("\r\nabcdefghijkl\303\251\r\n"),
		SLICE("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdefghijkl=C3=A9\r\n"));
}

static void only_the_part_that_needs_it_is_encoded(UNUSED void **state)
{
	check("multipart", &plain,
		SLICE("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--a b\r\n"
		      "Content-Type: text/plain\r\n\r\nplain .\r\n--a bX\r\n--a b  \r\n"
		      "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
		      "\211PNG\r\n\r\n--a b\r\n\r\ntext without type \303\251\r\n--a b--\r\n"
		      "epilogue\r\n--a b\r\n"),
		SLICE("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n"
		      "Content-Transfer-Encoding: 7bit\r\n\r\npreamble\r\n--a b\r\n"
		      "Content-Type: text/plain\r\n\r\nplain .\r\n--a bX\r\n--a b  \r\n"
		      "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		      "iVBORw0K\r\n--a b\r\n"
		      "Content-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "text without type =C3=A9\r\n--a b--\r\n"
		      "epilogue\r\n--a b\r\n"));
}

static void messages_inside_messages_are_opened(UNUSED void **state)
{
	check("rfc822", &plain,
		SLICE("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
		      "--o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
		      "8bit\r\n\r\n"
		      "Subject: caf\303\251\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
		      "--in\r\n\r\nabcdefghijkl\303\251\r\n--in--\r\n--o--\r\n"),
		SLICE("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
		      "--o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: "
		      "7bit\r\n\r\n"
		      "Subject: =?UTF-8?B?Y2Fmw6k=?=\r\n"
		      "Content-Type: multipart/mixed; boundary=in\r\n\r\n"
		      "--in\r\nContent-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "abcdefghijkl=C3=A9\r\n--in--\r\n--o--\r\n"));
	check("digest", &plain,
		SLICE("Content-Type: multipart/digest; boundary=o\r\n\r\n--o\r\n\r\n"
		      "Subject: x\r\n\r\nabcdefghijkl\303\251\r\n--o--\r\n"),
		SLICE("Content-Type: multipart/digest; boundary=o\r\n\r\n--o\r\n\r\n"
		      "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
		      "charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "abcdefghijkl=C3=A9\r\n--o--\r\n"));
}

static void an_outer_boundary_ends_inner_parts(UNUSED void **state)
{
	check("unclosed", &plain,
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
		      "Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nabcdefgh\r\n"
		      "--o\r\n\r\n--in\r\nabcdefghijkl\303\251\r\n--o\r\nContent-Type: text/x\r\n"
		      "--o--\r\n"),
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
		      "Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nabcdefgh\r\n"
		      "--o\r\nContent-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "=2D-in\r\nabcdefghijkl=C3=A9\r\n--o\r\nContent-Type: text/x\r\n"
		      "--o--\r\n"));
	check("body without empty line", &plain,
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
		      "abcdefghijkl\303\251\r\n--o--\r\n"),
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
		      "Content-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "abcdefghijkl=C3=A9\r\n--o--\r\n"));
}

static void preamble_and_epilogue_at_fault_are_left_out(UNUSED void **state)
{
	check("between", &plain,
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n\r\npr\303\251\r\n--o\r\n"
		      "\r\nx\r\n--o--\r\nepi\r\n"),
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
		      "\r\nx\r\n--o--\r\n"));
}

static void nul_is_encoded(UNUSED void **state)
{
	check("text", &eight, SLICE("A: 1\r\n\r\nabcdefghijkl\0\r\n"),
		SLICE("A: 1\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdefghijkl=00\r\n"));
	check("labels", &eight,
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n"
		      "Content-Transfer-Encoding: binary\r\n\r\n--o\r\n"
		      "Content-Type: application/x\r\nContent-Transfer-Encoding: "
		      "binary\r\n\r\na\0b\r\n"
		      "--o\r\n\r\n\303\251\r\n--o--\r\n"),
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\n--o\r\n"
		      "Content-Type: application/x\r\nContent-Transfer-Encoding: "
		      "base64\r\n\r\nYQBi\r\n"
		      "--o\r\n\r\n\303\251\r\n--o--\r\n"));
}

/* "<start><count times c><end>", on the heap for the caller. */
static struct slice long_text(const char *start, size_t count, char c, const char *end)
{
	size_t before = strlen(start), after = strlen(end);
	char *text = mem_alloc(before + count + after + 1);

	memcpy(text, start, before);
	memset(text + before, c, count);
	memcpy(text + before + count, end, after);
	return (struct slice){text, before + count + after};
}

static void long_lines_follow_the_policy(UNUSED void **state)
{
	struct transform_wants pass = eight, refuse = eight, binary = eight;
	struct slice fits = long_text("A: 1\r\n\r\n", 998, 'x', "\r\n");
	struct slice text = long_text("A: 1\r\n\r\n", 999, 'x', "\r\n");
	struct content in = content_of(text), small = content_of(fits);

	pass.long_lines = TRANSFORM_PASS;
	refuse.long_lines = TRANSFORM_REFUSE;
	binary.has_binarymime = true;
	assert_false(transform_needed(&small, &plain));
	assert_true(transform_needed(&in, &eight));
	assert_false(transform_needed(&in, &pass));
	assert_true(transform_needed(&in, &refuse));
	check("pass", &pass, text, text);
	check("fits", &eight, fits, fits);
	check("binary", &binary, text, text);
	check_refused(&refuse, text, "999");

	CLEANUP(buf_done) struct buf got = BUF(1 << 20);
	struct transformed out;
	struct error err = {0};

	assert_ok(transform_content(&in, &eight, &out, &err), err);
	assert_int_equal(out.content.longest_line, 76);
	all_of(&out.content, &got);
	assert_non_null(strstr(buf_text(&got), "charset=us-ascii\r\n"));
	assert_non_null(strstr(buf_text(&got), ": quoted-printable\r\n\r\nxxxx"));
	transformed_done(&out);
	free((void *)(uintptr_t)text.ptr);
	free((void *)(uintptr_t)fits.ptr);
}

static void encoded_parts_with_long_lines_are_wrapped(UNUSED void **state)
{
	struct slice base64 =
		long_text("Content-Transfer-Encoding: base64\r\n\r\n", 1200, 'A', "\r\n");
	struct slice qp = long_text(
		"Content-Transfer-Encoding: Quoted-Printable\r\n\r\n=3D", 1200, 'A', "\r\n");
	struct slice texts[] = {base64, qp};

	for (size_t i = 0; i < 2; i++) {
		CLEANUP(buf_done) struct buf got = BUF(1 << 20);
		struct content in = content_of(texts[i]);
		struct transformed out;
		struct error err = {0};
		size_t head = in.head.len, letters = 0;

		assert_ok(transform_content(&in, &eight, &out, &err), err);
		assert_int_equal(out.content.longest_line, 76);
		all_of(&out.content, &got);
		assert_memory_equal(got.data, in.head.ptr, head);
		for (size_t k = head; k < got.len; k++)
			letters += got.data[k] == 'A';
		assert_int_equal(letters, 1200);
		transformed_done(&out);
		free((void *)(uintptr_t)texts[i].ptr);
	}
}

static void signed_and_fixed_parts_are_never_touched(UNUSED void **state)
{
	const struct slice texts[] = {
		SLICE("Content-Type: multipart/signed; "
		      "boundary=o\r\n\r\n--o\r\n\r\n\303\251\r\n--o--\r\n"),
		SLICE("Content-Type: application/pkcs7-mime\r\n\r\n\303\251\r\n"),
		SLICE("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
		      "Content-Type: multipart/encrypted; boundary=o\r\n\r\n--o\r\n\r\n\303\251\r\n"
		      "--o--\r\n--x--\r\n"),
		SLICE("Content-Type: message/delivery-status\r\n\r\n\303\251\r\n"),
		SLICE("Content-Type: multipart/mixed\r\n\r\n\303\251\r\n"),
		SLICE("Content-Type: multipart/mixed; boundary=none\r\n\r\n\303\251\r\n"),
		SLICE("Content-Transfer-Encoding: x-uuencode\r\n\r\n\303\251\r\n"),
	};
	struct transform_wants pass = plain;

	pass.long_lines = TRANSFORM_PASS;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		check_refused(&plain, texts[i], "must not be changed");
		check("pass", &pass, texts[i], texts[i]);
		check("8BITMIME", &eight, texts[i], texts[i]);
	}
	check_refused(&pass,
		SLICE("Content-Type: multipart/signed; "
		      "boundary=o\r\n\r\n--o\r\n\r\n\0\r\n--o--\r\n"),
		"NUL");
	check_refused(&eight,
		SLICE("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nA: "
		      "\0\r\n\r\nx\r\n--o--\r\n"),
		"NUL");
}

static void headers_are_encoded_where_that_is_legal(UNUSED void **state)
{
	check("fields", &eight,
		SLICE("Subject: one caf\303\251 \303\251\r\n two \303\251 end\r\n"
		      "From: J\303\274rgen M <j@x>, plain@x, \"\303\251, b\" <b@x>\r\n"
		      "To: x@y (caf\303\251), gr\303\274n: a@b;\r\n"
		      "Cc: \303\251@x, \"\303\251\"@x\r\n"
		      "Message-ID: <\303\251@x>\r\n"
		      "Keywords: caf\303\251, tea\r\n"
		      "Content-Type: text/plain; name=\"caf\303\251 1.txt\"; "
		      "charset=utf-8\r\n\r\nx\r\n"),
		SLICE("Subject: one =?UTF-8?B?Y2Fmw6kgw6k=?=\r\n two =?UTF-8?B?w6k=?= end\r\n"
		      "From: =?UTF-8?B?SsO8cmdlbiBN?= <j@x>, plain@x, =?UTF-8?B?w6ksIGI=?= "
		      "<b@x>\r\n"
		      "To: x@y (=?UTF-8?B?Y2Fmw6k=?=), =?UTF-8?B?Z3LDvG4=?=: a@b;\r\n"
		      "Cc: \303\251@x, \"\303\251\"@x\r\n"
		      "Message-ID: <\303\251@x>\r\n"
		      "Keywords: =?UTF-8?B?Y2Fmw6k=?=, tea\r\n"
		      "Content-Type: text/plain; name*=utf-8''caf%C3%A9%201.txt; charset=utf-8\r\n"
		      "\r\nx\r\n"));

	struct transform_wants utf8 = eight;

	utf8.has_smtputf8 = true;
	check("SMTPUTF8", &utf8, SLICE("Subject: \303\251\r\n\r\nx\r\n"),
		SLICE("Subject: \303\251\r\n\r\nx\r\n"));
}

static void long_parameters_are_cut_as_rfc_2231_says(UNUSED void **state)
{
	check("long", &eight,
		SLICE("Content-Disposition: attachment;\r\n filename="
		      "\"\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\""
		      "\r\n\r\nx\r\n"),
		SLICE("Content-Disposition: attachment;\r\n filename*0*=utf-8''"
		      "%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9;\r\n"
		      " filename*1*=%C3%A9\r\n\r\nx\r\n"));
}

static void long_header_lines_are_folded_at_blanks(UNUSED void **state)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	CLEANUP(buf_done) struct buf want = BUF(1 << 20);

	buf_add_text(&text, "References:");
	buf_add_text(&want, "References:");
	for (size_t i = 0, column = 11; i < 300; i++) {
		buf_add_text(&text, " <abc@x>");
		if (column + 8 > 998) {
			buf_add_text(&want, "\r\n");
			column = 0;
		}
		buf_add_text(&want, " <abc@x>");
		column += 8;
	}
	buf_add_text(&text, "\r\nA: 1\r\n\r\nx\r\n");
	buf_add_text(&want, "\r\nA: 1\r\n\r\nx\r\n");
	check("fold", &eight, buf_slice(&text), buf_slice(&want));

	struct slice word = long_text("A: b ", 999, 'x', "\r\n\r\nx\r\n");

	check_refused(&eight, word, "'A'");
	free((void *)(uintptr_t)word.ptr);
}

/* The line was short enough before its one word became an encoded word. */
static void header_lines_that_grow_too_long_are_folded(UNUSED void **state)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 16);
	CLEANUP(buf_done) struct buf got = BUF(1 << 16);
	struct transformed out;
	struct error err = {0};

	buf_add_text(&text, "X-Note: \303\251");
	while (text.len < 990)
		buf_add_text(&text, " abc");
	buf_add_text(&text, "\r\n\r\nx\r\n");

	struct content in = content_of(buf_slice(&text));

	assert_true(in.longest_line <= 998);
	assert_ok(transform_content(&in, &plain, &out, &err), err);
	all_of(&out.content, &got);
	assert_true(out.content.longest_line <= 998);
	assert_true(slice_search(buf_slice(&got), SLICE("=?utf-8?")) < got.len ||
		    slice_search(buf_slice(&got), SLICE("=?UTF-8?")) < got.len);
	transformed_done(&out);
}

static void large_messages_are_spilled_and_come_from_files(UNUSED void **state)
{
	struct slice text = long_text("A: 1\r\n\r\n", 3 << 20, 'x', "\303\251\r\n");
	CLEANUP(fd_close) int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	CLEANUP(buf_done) struct buf got = BUF(1 << 24);
	struct content in = content_of(text);
	struct transformed out;
	struct error err = {0};

	assert_ok(file_write(fd, SLICE("..."), "x", &err), err);
	assert_ok(file_write(fd, text, "x", &err), err);
	/* All of it in the file, as a queue entry has it. */
	in.head = in.body = (struct slice){0};
	in.fd = fd;
	in.fd_offset = 3;
	in.fd_octets = text.len;
	assert_ok(transform_content(&in, &plain, &out, &err), err);
	assert_true(out.content.fd > 2);
	all_of(&out.content, &got);
	assert_int_equal(out.content.longest_line, 76);
	assert_false(out.content.has_8bit);
	assert_memory_equal(got.data, "A: 1\r\nMIME-Version: 1.0\r\n", 25);
	assert_memory_equal(got.data + got.len - 9, "x=C3=A9\r\n", 9);
	transformed_done(&out);
	free((void *)(uintptr_t)text.ptr);
}

static void too_many_parts_are_refused(UNUSED void **state)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 24);

	buf_add_text(&text, "Content-Type: multipart/mixed; boundary=o\r\n\r\n");
	for (int i = 0; i < MIME_PARTS_MAX + 1; i++)
		buf_add_text(&text, "--o\r\n\r\n\303\251\r\n");
	check_refused(&plain, buf_slice(&text), "parts");
}

static void deep_nesting_is_not_followed_for_ever(UNUSED void **state)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 24);

	buf_add_text(&text, "Content-Type: message/rfc822\r\n\r\n");
	for (int i = 0; i < 1000; i++)
		buf_add_text(&text, "Content-Type: message/rfc822\r\n\r\n");
	buf_add_text(&text, "A: 1\r\n\r\n\303\251\r\n");
	check_refused(&plain, buf_slice(&text), "cannot be taken apart");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight_bit_text_is_encoded_for_a_server_without_8bitmime),
		cmocka_unit_test(only_the_part_that_needs_it_is_encoded),
		cmocka_unit_test(messages_inside_messages_are_opened),
		cmocka_unit_test(an_outer_boundary_ends_inner_parts),
		cmocka_unit_test(preamble_and_epilogue_at_fault_are_left_out),
		cmocka_unit_test(nul_is_encoded),
		cmocka_unit_test(long_lines_follow_the_policy),
		cmocka_unit_test(encoded_parts_with_long_lines_are_wrapped),
		cmocka_unit_test(signed_and_fixed_parts_are_never_touched),
		cmocka_unit_test(headers_are_encoded_where_that_is_legal),
		cmocka_unit_test(long_parameters_are_cut_as_rfc_2231_says),
		cmocka_unit_test(long_header_lines_are_folded_at_blanks),
		cmocka_unit_test(header_lines_that_grow_too_long_are_folded),
		cmocka_unit_test(large_messages_are_spilled_and_come_from_files),
		cmocka_unit_test(too_many_parts_are_refused),
		cmocka_unit_test(deep_nesting_is_not_followed_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
