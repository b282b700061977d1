#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "mail/encode.h"

/* Encodes text given in pieces of the given size. */
static void encode(
	enum encoding encoding, struct slice text, size_t piece, bool ends_line, struct buf *out)
{
	CLEANUP(encoder_done) struct encoder e;

	encoder_init(&e, encoding);
	while (text.len > 0) {
		struct slice part = slice_upto(text, piece);

		encoder_add(&e, part, out);
		text = slice_from(text, part.len);
	}
	encoder_end(&e, ends_line, out);
}

static void check(enum encoding encoding, struct slice text, bool ends_line, const char *want)
{
	for (size_t piece = 1; piece <= text.len + 1; piece++) {
		CLEANUP(buf_done) struct buf out = BUF(1 << 20);

		encode(encoding, text, piece, ends_line, &out);
		if (strcmp(buf_text(&out), want) != 0)
			fail_msg("pieces of %zu: '%s', not '%s'", piece, buf_text(&out), want);
	}
}

#define X10 "xxxxxxxxxx"
#define X70 X10 X10 X10 X10 X10 X10 X10

static void quoted_printable_has_the_right_form(UNUSED void **state)
{
	check(ENCODE_QP, SLICE("plain\r\ntext\r\n"), true, "plain\r\ntext\r\n");
	check(ENCODE_QP, SLICE("caf\303\251 = x\0\r\n"), true, "caf=C3=A9 =3D x=00\r\n");
	check(ENCODE_QP, SLICE("blank \r\ntab\t\r\nend "), false, "blank=20\r\ntab=09\r\nend=20");
	check(ENCODE_QP, SLICE("From me\r\nFrom\r\nxFrom me\r\n.\r\n..\r\nx.\r\n"), true,
		"=46rom me\r\nFrom\r\nxFrom me\r\n=2E\r\n=2E.\r\nx.\r\n");
	check(ENCODE_QP, SLICE("a\rb\nc\r"), true, "a=0Db=0Ac=0D=\r\n");
	check(ENCODE_QP, SLICE(X70 "12345"), false, X70 "12345");
	check(ENCODE_QP, SLICE(X70 "123456"), false, X70 "12345=\r\n6");
	check(ENCODE_QP, SLICE(X70 "123\351"), false, X70 "123=\r\n=E9");
	check(ENCODE_QP, SLICE(X70 "12345.\r\n"), true, X70 "12345=\r\n=2E\r\n");
	check(ENCODE_QP, SLICE(X70 "12345From x"), true, X70 "12345=\r\n=46rom x=\r\n");
	check(ENCODE_QP, SLICE(""), true, "");
}

/* A line that begins so could be taken for the boundary of a multipart. */
static void soft_breaks_make_no_boundary(UNUSED void **state)
{
	check(ENCODE_QP, SLICE(X70 "12345--o\r\n"), true, X70 "12345=\r\n=2D-o\r\n");
	check(ENCODE_QP, SLICE("--o\r\n-o\r\n-\r\n"), true, "=2D-o\r\n-o\r\n-\r\n");
	check(ENCODE_REWRAP_QP, SLICE(X70 "1234=\r\n5--o--\r\n"), true,
		X70 "12345=\r\n=2D-o--\r\n");
}

static void base64_has_the_right_form(UNUSED void **state)
{
	check(ENCODE_BASE64, SLICE("abc"), true, "YWJj\r\n");
	check(ENCODE_BASE64, SLICE("abcd"), false, "YWJjZA==");
	check(ENCODE_BASE64, SLICE("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		true,
		"eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4\r\n");
	check(ENCODE_BASE64, SLICE("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0"),
		false,
		"eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4\r\n"
		"AA==");
	check(ENCODE_BASE64, SLICE(""), true, "");
}

static void encoded_text_is_wrapped_anew(UNUSED void **state)
{
	check(ENCODE_REWRAP_QP, SLICE("a=C3=a9=\r\nb =  \r\nc  \t\r\nd \r\n"), true,
		"a=C3=A9b=20c\r\nd\r\n");
	check(ENCODE_REWRAP_QP, SLICE(X70 "12=3D=41x\r\n"), true, X70 "12=3D=\r\n=41x\r\n");
	check(ENCODE_REWRAP_QP, SLICE("a=zb\351\0=4\r\n"), true, "a=3Dzb=E9=00=3D4\r\n");
	check(ENCODE_REWRAP_QP, SLICE("a =\r\n \r\nb\t=  \r\n\r\n"), true, "a=20\r\nb=09\r\n");
	check(ENCODE_REWRAP_QP, SLICE("a\r\nb="), true, "a\r\nb=\r\n");
	check(ENCODE_REWRAP_QP, SLICE("x  y  "), false, "x  y");
	check(ENCODE_REWRAP_BASE64, SLICE("QU\r\nJD!\351 RA==\r\n"), true, "QUJDRA==\r\n");
	check(ENCODE_REWRAP_BASE64, SLICE(X70 "123456" X10), false, X70 "123456\r\n" X10);
	check(ENCODE_REWRAP_BASE64, SLICE(X70 "123456\r\n"), true, X70 "123456\r\n");
}

/* A decoder of its own, by the letter of RFC 2045 section 6.7. */
static size_t decode_qp(struct slice in, char *out)
{
	size_t n = 0;

	while (in.len > 0) {
		size_t end = slice_search(in, SLICE("\r\n"));
		bool has_end = end < in.len, is_soft = false;
		struct slice line = slice_upto(in, end);

		assert_true(line.len <= 76);
		assert_true(line.len == 0 || !ascii_is_blank(line.ptr[line.len - 1]));
		for (size_t i = 0; i < line.len; i++) {
			assert_true(
				line.ptr[i] == '\t' || (line.ptr[i] >= ' ' && line.ptr[i] < 0x7f));
			if (line.ptr[i] != '=') {
				out[n++] = line.ptr[i];
			} else if (i + 1 == line.len) {
				is_soft = true;
			} else {
				assert_true(i + 2 < line.len);
				out[n++] = (char)(ascii_hex(line.ptr[i + 1]) << 4 |
						  ascii_hex(line.ptr[i + 2]));
				i += 2;
			}
		}
		if (has_end && !is_soft) {
			out[n++] = '\r';
			out[n++] = '\n';
		}
		in = slice_from(in, end + 2);
	}
	return n;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void random_text_comes_back(UNUSED void **state)
{
	static const char special[] = "\r\n\r\n .=\tF\0\377From ";
	enum { LARGEST = 20000 };
	CLEANUP(mem_free) char *text = mem_alloc(LARGEST);
	CLEANUP(mem_free) char *back = mem_alloc(4 * LARGEST);
	uint32_t seed = 7;

	for (int round = 0; round < 200; round++) {
		size_t len = next_random(&seed) % LARGEST;
		uint32_t sparse = 1 + next_random(&seed) % 50;
		size_t piece = 1 + next_random(&seed) % 3000;
		CLEANUP(buf_done) struct buf qp = BUF(1 << 20);
		CLEANUP(buf_done) struct buf again = BUF(1 << 20);
		CLEANUP(buf_done) struct buf b64 = BUF(1 << 20);
		CLEANUP(buf_done) struct buf joined = BUF(1 << 20);
		CLEANUP(buf_done) struct buf decoded = BUF(1 << 20);

		for (size_t i = 0; i < len; i++) {
			uint32_t r = next_random(&seed);

			text[i] = r % sparse == 0 ? special[(r >> 8) % (sizeof(special) - 1)]
						  : (char)('a' + (r >> 8) % 26);
		}
		encode(ENCODE_QP, (struct slice){text, len}, piece, round % 2 == 0, &qp);
		assert_int_equal(decode_qp(buf_slice(&qp), back), len);
		assert_memory_equal(back, text, len);

		encode(ENCODE_REWRAP_QP, buf_slice(&qp), piece, false, &again);
		assert_int_equal(decode_qp(buf_slice(&again), back), len);
		assert_memory_equal(back, text, len);

		encode(ENCODE_BASE64, (struct slice){text, len}, piece, true, &b64);
		for (size_t i = 0; i < b64.len; i++)
			if (b64.data[i] != '\r' && b64.data[i] != '\n')
				buf_add_char(&joined, b64.data[i]);
		assert_true(base64_decode(&decoded, buf_slice(&joined)));
		assert_int_equal(decoded.len, len);
		assert_true(len == 0 || memcmp(decoded.data, text, len) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quoted_printable_has_the_right_form),
		cmocka_unit_test(soft_breaks_make_no_boundary),
		cmocka_unit_test(base64_has_the_right_form),
		cmocka_unit_test(encoded_text_is_wrapped_anew),
		cmocka_unit_test(random_text_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
