#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "mail/message.h"

/* A descriptor from which `text` can be read, by way of a nameless file. */
static int file_with(struct slice text)
{
	struct error err = {0};
	int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_ok(file_write(fd, text, "test file", &err), err);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* A pipe into which a child writes `text` in pieces of the given size. */
static int pipe_with(struct slice text, size_t piece)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	if (fork() == 0) {
		close(ends[0]);
		while (text.len > 0) {
			struct error err = {0};
			struct slice part = slice_upto(text, piece);

			if (!file_write(ends[1], part, "pipe", &err))
				_exit(1);
			text = slice_from(text, part.len);
		}
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

static bool read_from(int fd, bool dot_ends, struct message *m, struct error *err)
{
	struct message_source source = {
		.fd = fd,
		.name = "standard input",
		.max_octets = 50 << 20,
		.dot_ends = dot_ends,
		.spill_dirs = {"/nonexistent", "/tmp"},
	};
	bool is_read = message_read(&source, m, err);

	close(fd);
	return is_read;
}

/* All octets of a content; the caller frees them. */
static char *all_of(const struct content *c, size_t *len)
{
	struct content_reader reader;
	struct slice piece;
	struct error err = {0};
	char *all = mem_alloc((size_t)content_octets(c) + 1);

	*len = 0;
	content_start(&reader, c);
	for (;;) {
		assert_ok(content_next(&reader, &piece, &err), err);
		if (piece.len == 0)
			break;
		assert_true(piece.len <= 65536);
		assert_true(*len + piece.len <= content_octets(c));
		memcpy(all + *len, piece.ptr, piece.len);
		*len += piece.len;
	}
	content_stop(&reader);
	assert_int_equal(*len, content_octets(c));
	return all;
}

static void check_text(struct slice input, struct slice want, bool dot_ends)
{
	struct message m;
	struct content c;
	struct error err = {0};
	size_t len;

	assert_ok(read_from(file_with(input), dot_ends, &m, &err), err);
	message_content(&m, &c);

	CLEANUP(mem_free) char *got = all_of(&c, &len);

	if (len != want.len || memcmp(got, want.ptr, len) != 0)
		fail_msg("'%.*s': got '%s'", SLICE_ARG(input), got);
	message_done(&m);
}

static void lines_and_header_are_made_canonical(UNUSED void **state)
{
	const struct {
		struct slice input, want;
	} cases[] = {
		{SLICE(""), SLICE("\r\n")},
		{SLICE("\n"), SLICE("\r\n")},
		{SLICE("\r\n"), SLICE("\r\n")},
		{SLICE("Subject: x\n\nbody\n"), SLICE("Subject: x\r\n\r\nbody\r\n")},
		{SLICE("Subject: x\r\n\r\nbody\r\n"), SLICE("Subject: x\r\n\r\nbody\r\n")},
		{SLICE("Subject: x\r\n\nbody\r\nand\n"),
			SLICE("Subject: x\r\n\r\nbody\r\nand\r\n")},
		{SLICE("Subject: x\n\r\nbody"), SLICE("Subject: x\r\n\r\nbody\r\n")},
		{SLICE("A: 1\n\na\rb\r\rc\n"), SLICE("A: 1\r\n\r\na\r\nb\r\n\r\nc\r\n")},
		{SLICE("A: 1\n\na\r\r\nb\n"), SLICE("A: 1\r\n\r\na\r\n\r\nb\r\n")},
		{SLICE("A: 1\n\nend\r"), SLICE("A: 1\r\n\r\nend\r\n")},
		{SLICE("A: 1\rBcc: x@y\n\n"), SLICE("A: 1 Bcc: x@y\r\n\r\n")},
		{SLICE("A: 1\r\r\n\r\r\nb\r\r\n"), SLICE("A: 1 \r\n\r\nb\r\n\r\n")},
		{SLICE("A: 1\n\n\r.\r\n.\n\n.\r\n"), SLICE("A: 1\r\n\r\n\r\n.\r\n.\r\n\r\n.\r\n")},
		{SLICE("A: 1\n\r.\rB: 2\n\n"), SLICE("A: 1\r\n\r\n\r\n.\r\nB: 2\r\n\r\n")},
		{SLICE("From ann Thu Jan 1\n>From bob\nA: 1\n\nFrom x\n"),
			SLICE("A: 1\r\n\r\nFrom x\r\n")},
		{SLICE("From : ann@x\n\nb"), SLICE("From : ann@x\r\n\r\nb\r\n")},
		{SLICE("From ann\n\nb"), SLICE("\r\nb\r\n")},
		{SLICE("From here on\nall is well\n"),
			SLICE("\r\nFrom here on\r\nall is well\r\n")},
		{SLICE("From here on"), SLICE("\r\nFrom here on\r\n")},
		{SLICE("just text\nA: 1\n"), SLICE("\r\njust text\r\nA: 1\r\n")},
		{SLICE(" A: 1\nB: 2\n"), SLICE("\r\n A: 1\r\nB: 2\r\n")},
		{SLICE("\tx\n\n"), SLICE("\r\n\tx\r\n\r\n")},
		{SLICE("A: 1\nno field\nB: 2\n\nx\n"),
			SLICE("A: 1\r\n\r\nno field\r\nB: 2\r\n\r\nx\r\n")},
		{SLICE("A: 1\nB c: 2\n"), SLICE("A: 1\r\n\r\nB c: 2\r\n")},
		{SLICE("A: 1\nB\303\204: 2\n"), SLICE("A: 1\r\n\r\nB\303\204: 2\r\n")},
		{SLICE("A: 1\n: 2\n"), SLICE("A: 1\r\n\r\n: 2\r\n")},
		{SLICE("A: 1\n two\n\tthree\nB: 4"),
			SLICE("A: 1\r\n two\r\n\tthree\r\nB: 4\r\n\r\n")},
		{SLICE("A: 1\n "), SLICE("A: 1\r\n \r\n\r\n")},
		{SLICE("To \t: ann@x\n\n"), SLICE("To \t: ann@x\r\n\r\n")},
		{SLICE("A: 1\r"), SLICE("A: 1\r\n\r\n")},
		{SLICE("A: 1\n\r"), SLICE("A: 1\r\n\r\n")},
		{SLICE("A: 1\n\n..\n.\n.x\n"), SLICE("A: 1\r\n\r\n..\r\n.\r\n.x\r\n")},
		{SLICE("A: 1\n\na\0b\n"), SLICE("A: 1\r\n\r\na\0b\r\n")},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_text(cases[i].input, cases[i].want, false);
}

static void a_lone_dot_ends_the_input_where_asked(UNUSED void **state)
{
	const struct {
		struct slice input, want;
	} cases[] = {
		{SLICE("A: 1\n\nx\n.\ny\n"), SLICE("A: 1\r\n\r\nx\r\n")},
		{SLICE("A: 1\n\nx\n.\r\ny\n"), SLICE("A: 1\r\n\r\nx\r\n")},
		{SLICE("A: 1\n.\nB: 2\n"), SLICE("A: 1\r\n\r\n")},
		{SLICE(".\nB: 2\n"), SLICE("\r\n")},
		{SLICE("A: 1\n\n.."), SLICE("A: 1\r\n\r\n..\r\n")},
		{SLICE("A: 1\n\nx.\n.x\n..\n"), SLICE("A: 1\r\n\r\nx.\r\n.x\r\n..\r\n")},
		{SLICE("A: 1\n\nx\n."), SLICE("A: 1\r\n\r\nx\r\n")},
		{SLICE("A: 1\n\nx\n.\r."), SLICE("A: 1\r\n\r\nx\r\n.\r\n.\r\n")},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_text(cases[i].input, cases[i].want, true);
}

static void the_dot_is_found_over_every_cut(UNUSED void **state)
{
	struct slice input = SLICE("A: 1\n\n.x\n..\nx\r\n.\r\nrest\n");
	struct slice want = SLICE("A: 1\r\n\r\n.x\r\n..\r\nx\r\n");

	for (size_t piece = 1; piece <= input.len; piece++) {
		struct message m;
		struct content c;
		struct error err = {0};
		size_t len;

		/* One octet at a time makes the cuts certain; the others are extra. */
		assert_ok(read_from(pipe_with(input, piece), true, &m, &err), err);
		message_content(&m, &c);

		CLEANUP(mem_free) char *got = all_of(&c, &len);

		assert_int_equal(len, want.len);
		assert_memory_equal(got, want.ptr, len);
		message_done(&m);
		wait(NULL);
	}
}

/* An oracle of its own for bodies: octet by octet, with one octet of memory. */
static size_t canonical_body(struct slice in, char *out)
{
	size_t n = 0;
	bool at_start = true;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];

		if (c == '\n' && i > 0 && in.ptr[i - 1] == '\r')
			continue;
		at_start = c == '\n' || c == '\r';
		if (at_start)
			out[n++] = '\r';
		out[n++] = at_start ? '\n' : c;
	}
	if (!at_start) {
		out[n++] = '\r';
		out[n++] = '\n';
	}
	return n;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void check_body(struct slice body, char *space, char *want)
{
	struct message m;
	struct content c;
	struct error err = {0};
	size_t want_len = canonical_body(body, want), len;

	memcpy(space, "A: 1\n\n", 6);
	memcpy(space + 6, body.ptr, body.len);
	assert_ok(read_from(file_with((struct slice){space, body.len + 6}), false, &m, &err), err);
	message_content(&m, &c);

	CLEANUP(mem_free) char *got = all_of(&c, &len);

	assert_int_equal(len, want_len + 8);
	assert_memory_equal(got, "A: 1\r\n\r\n", 8);
	assert_memory_equal(got + 8, want, want_len);
	assert_int_equal(c.has_8bit, slice_has_8bit(body));
	assert_int_equal(c.has_nul, memchr(body.ptr, 0, body.len) != NULL);
	message_done(&m);
}

enum { LARGEST = 600000 };

/* Every place from 1 to 70,000: a mark stands every 70 octets or so, and the
 * whole is moved by one octet a round, over every end of a chunk. (M-05) */
static void every_place_of_a_line_end_is_canonical(UNUSED void **state)
{
	const struct slice marks[] = {SLICE("\r\n.\r\n"), SLICE("\r.\r"), SLICE("\n.\n"),
		SLICE("\r\r\n"), SLICE("\n.\r\n"), SLICE("\r\n\0.\r\n"), SLICE("\n\r")};
	CLEANUP(mem_free) char *body = mem_alloc(LARGEST);
	CLEANUP(mem_free) char *space = mem_alloc(LARGEST + 16);
	CLEANUP(mem_free) char *want = mem_alloc(2 * LARGEST);
	enum { LEN = 140000, STEP = 71 };

	for (size_t shift = 0; shift < STEP; shift++) {
		memset(body, 'x', LEN);
		for (size_t at = shift, i = shift; at + 10 < LEN; at += STEP, i++)
			memcpy(body + at, marks[i % ARRAY_LEN(marks)].ptr,
				marks[i % ARRAY_LEN(marks)].len);
		for (size_t cut = 0; cut < 4; cut++)
			check_body((struct slice){body, LEN - cut}, space, want);
	}
	for (size_t m = 0; m < ARRAY_LEN(marks); m++)
		for (size_t at = 65520; at < 65545; at++) {
			memset(body, 'x', at + 40);
			memcpy(body + at, marks[m].ptr, marks[m].len);
			check_body((struct slice){body, at + 20}, space, want);
			check_body((struct slice){body, at + 1}, space, want);
		}
}

static void random_bodies_are_canonical(UNUSED void **state)
{
	static const char common[] = "\r\r\n\n\n.. xF\0";
	CLEANUP(mem_free) char *body = mem_alloc(LARGEST);
	CLEANUP(mem_free) char *space = mem_alloc(LARGEST + 16);
	CLEANUP(mem_free) char *want = mem_alloc(2 * LARGEST);
	uint32_t seed = 1;

	for (size_t round = 0; round < 60; round++) {
		size_t len = round % 6 == 0 ? LARGEST - round : next_random(&seed) % 140000;
		uint32_t sparse = round % 3 == 0 ? 1 : 200;

		for (size_t i = 0; i < len; i++) {
			uint32_t r = next_random(&seed);

			body[i] = r % sparse == 0 ? common[(r >> 9) % 11] : (char)('a' + r % 26);
		}
		if (round % 4 == 0 && len > 0)
			body[next_random(&seed) % len] = (char)0xe9;
		check_body((struct slice){body, len}, space, want);
	}
}

/* M-05 */
static void a_header_is_read_over_every_cut(UNUSED void **state)
{
	struct slice input =
		SLICE("From a\r\nA: 1\r\n two\nB : 3\r\rx\r\n\r\nbody\r\rmore\r\n.\r\n");
	struct slice want = SLICE("A: 1\r\n two\r\nB : 3  x\r\n\r\nbody\r\n\r\nmore\r\n.\r\n");

	for (size_t piece = 1; piece < input.len; piece++) {
		struct message m;
		struct content c;
		struct error err = {0};
		size_t len;

		assert_ok(read_from(pipe_with(input, piece), false, &m, &err), err);
		message_content(&m, &c);

		CLEANUP(mem_free) char *got = all_of(&c, &len);

		assert_int_equal(len, want.len);
		assert_memory_equal(got, want.ptr, len);
		assert_int_equal(m.header.count, 2);
		message_done(&m);
		wait(NULL);
	}
}

static void facts_are_noted(UNUSED void **state)
{
	struct message m;
	struct content c;
	struct error err = {0};

	assert_ok(read_from(file_with(SLICE("Subject: \303\251\n\nabc\rdefgh\n")), false, &m, &err),
		err);
	message_content(&m, &c);
	assert_true(c.head_has_8bit);
	assert_false(c.has_8bit);
	assert_false(c.has_nul);
	assert_int_equal(c.longest_line, 11);
	assert_int_equal(c.fd, -1);
	message_done(&m);

	assert_ok(read_from(file_with(SLICE("A: 1\n\nabcdefgh\303\nx\0\n")), false, &m, &err), err);
	message_content(&m, &c);
	assert_false(c.head_has_8bit);
	assert_true(c.has_8bit);
	assert_true(c.has_nul);
	assert_int_equal(c.longest_line, 9);
	message_done(&m);
}

static void text_without_line_ends_is_no_header(UNUSED void **state)
{
	CLEANUP(mem_free) char *text = mem_alloc(6 << 20);
	struct message m;
	struct content c;
	struct error err = {0};

	memset(text, 'x', 6 << 20);
	assert_ok(read_from(file_with((struct slice){text, 6 << 20}), false, &m, &err), err);
	message_content(&m, &c);
	assert_int_equal(m.header.count, 0);
	assert_int_equal(content_octets(&c), (6 << 20) + 4);
	assert_int_equal(c.longest_line, 6 << 20);
	assert_true(c.fd > 2);
	message_done(&m);
}

static void a_spilled_body_leaves_no_name_and_a_safe_descriptor(UNUSED void **state)
{
	CLEANUP(mem_free) char *text = mem_alloc(1 << 20);
	struct message m;
	struct error err = {0};
	struct stat st;

	memset(text, '\n', 1 << 20);
	assert_ok(read_from(file_with((struct slice){text, 1 << 20}), false, &m, &err), err);
	assert_true(m.spill > 2);
	assert_int_equal(fstat(m.spill, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 2 * ((1 << 20) - 1));
	assert_int_equal(m.spill_octets, st.st_size);
	assert_true((fcntl(m.spill, F_GETFD) & FD_CLOEXEC) != 0);
	message_done(&m);
	assert_int_equal(m.spill, -1);
}

static void no_place_to_spill_is_an_error_in_words(UNUSED void **state)
{
	CLEANUP(mem_free) char *text = mem_alloc(1 << 20);
	struct message m;
	struct error err = {0};
	struct message_source source = {
		.name = "standard input", .spill_dirs = {"/nonexistent/a", "/nonexistent/b"}};

	memset(text, 'a', 1 << 20);
	source.fd = file_with((struct slice){text, 1 << 20});
	assert_false(message_read(&source, &m, &err));
	close(source.fd);
	assert_int_equal(err.exit_code, EX_CANTCREAT);
	assert_non_null(strstr(err.text, "/nonexistent/b"));
	assert_non_null(strstr(err.text, "No such file"));
}

static void too_large_is_refused_and_the_writer_not_hurt(UNUSED void **state)
{
	CLEANUP(mem_free) char *text = mem_alloc(3 << 20);
	struct message m;
	struct error err = {0};
	int status = 0;

	memset(text, 'a', 3 << 20);
	struct message_source source = {
		.fd = pipe_with((struct slice){text, 3 << 20}, 4096),
		.name = "standard input",
		.max_octets = 1000,
		.spill_dirs = {"/tmp"},
	};

	assert_false(message_read(&source, &m, &err));
	close(source.fd);
	assert_true(wait(&status) > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(err.exit_code, EX_DATAERR);
	assert_non_null(strstr(err.text, "1000"));
	assert_non_null(strstr(err.hint, "max_size"));
}

static void the_limit_is_exact(UNUSED void **state)
{
	struct message m;

	for (uint64_t limit = 12; limit <= 13; limit++) {
		struct error err = {0};
		struct message_source source = {
			.fd = file_with(SLICE("A: 1\n\nabc\n")), .name = "x", .max_octets = limit};
		bool fits = message_read(&source, &m, &err);

		close(source.fd);
		assert_int_equal(fits, limit == 13);
		if (fits)
			message_done(&m);
	}
}

static void a_huge_header_is_refused(UNUSED void **state)
{
	size_t len = 5 << 20;
	CLEANUP(mem_free) char *text = mem_alloc(len);

	for (int many = 0; many < 2; many++) {
		struct message m;
		struct error err = {0};

		memset(text, 'a', len);
		for (size_t i = 0; i + 4 <= len && many; i += 4)
			memcpy(text + i, "a:b\n", 4);
		memcpy(text, "a:aa", 4);
		assert_false(read_from(file_with((struct slice){text, len}), false, &m, &err));
		assert_int_equal(err.exit_code, EX_DATAERR);
		assert_non_null(strstr(err.text, "header"));
	}
}

static void a_nul_in_the_header_is_refused(UNUSED void **state)
{
	struct message m;
	struct error err = {0};

	assert_false(read_from(file_with(SLICE("A: 1\0\nB: 2\n\n")), false, &m, &err));
	assert_int_equal(err.exit_code, EX_DATAERR);
}

static void what_cannot_be_read_is_never_a_message(UNUSED void **state)
{
	struct message m;
	struct error err = {0};

	assert_false(read_from(open("/", O_RDONLY), false, &m, &err));
	assert_int_equal(err.exit_code, EX_IOERR);
	assert_non_null(strstr(err.text, "standard input"));

	struct message_source closed = {.fd = 999, .name = "standard input"};

	err = (struct error){0};
	assert_false(message_read(&closed, &m, &err));
	assert_int_equal(err.exit_code, EX_IOERR);
}

static void a_descriptor_that_does_not_block_is_waited_for(UNUSED void **state)
{
	int fd = pipe_with(SLICE("A: 1\n\nabc\n"), 1);
	struct message m;
	struct error err = {0};

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_ok(read_from(fd, false, &m, &err), err);
	assert_int_equal(m.body.len, 5);
	message_done(&m);
	wait(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_and_header_are_made_canonical),
		cmocka_unit_test(a_lone_dot_ends_the_input_where_asked),
		cmocka_unit_test(the_dot_is_found_over_every_cut),
		cmocka_unit_test(every_place_of_a_line_end_is_canonical),
		cmocka_unit_test(random_bodies_are_canonical),
		cmocka_unit_test(a_header_is_read_over_every_cut),
		cmocka_unit_test(facts_are_noted),
		cmocka_unit_test(text_without_line_ends_is_no_header),
		cmocka_unit_test(a_spilled_body_leaves_no_name_and_a_safe_descriptor),
		cmocka_unit_test(no_place_to_spill_is_an_error_in_words),
		cmocka_unit_test(too_large_is_refused_and_the_writer_not_hurt),
		cmocka_unit_test(the_limit_is_exact),
		cmocka_unit_test(a_huge_header_is_refused),
		cmocka_unit_test(a_nul_in_the_header_is_refused),
		cmocka_unit_test(what_cannot_be_read_is_never_a_message),
		cmocka_unit_test(a_descriptor_that_does_not_block_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
