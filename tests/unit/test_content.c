#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "mail/content.h"

static int file_with(struct slice text)
{
	struct error err = {0};
	int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_ok(file_write(fd, text, "test file", &err), err);
	return fd;
}

static void check_pieces(const struct content *c, struct slice want)
{
	struct content_reader r;
	struct slice piece;
	struct error err = {0};
	size_t at = 0;

	assert_int_equal(content_octets(c), want.len);
	content_start(&r, c);
	for (;;) {
		assert_ok(content_next(&r, &piece, &err), err);
		if (piece.len == 0)
			break;
		assert_true(piece.len <= 65536 && at + piece.len <= want.len);
		assert_memory_equal(piece.ptr, want.ptr + at, piece.len);
		at += piece.len;
	}
	assert_int_equal(at, want.len);
	/* The end stays the end. */
	assert_ok(content_next(&r, &piece, &err), err);
	assert_int_equal(piece.len, 0);
	content_stop(&r);
}

enum { LEN = 200001 };

static void pieces_give_head_and_body_from_wherever_they_are(UNUSED void **state)
{
	CLEANUP(mem_free) char *all = mem_alloc(LEN + 100);

	for (size_t i = 0; i < LEN + 100; i++)
		all[i] = (char)(i * 7 % 251);

	CLEANUP(fd_close) int fd = file_with((struct slice){all, LEN + 100});

	for (size_t head = 0; head <= LEN; head += head < 3 ? 1 : 33331) {
		struct content memory = {
			.head = {all, head}, .body = {all + head, LEN - head}, .fd = -1};
		struct content file = {.head = {all, head},
			.fd = fd,
			.fd_offset = (int64_t)head,
			.fd_octets = LEN - head};

		check_pieces(&memory, (struct slice){all, LEN});
		check_pieces(&file, (struct slice){all, LEN});
	}

	struct content middle = {.fd = fd, .fd_offset = 50, .fd_octets = LEN};

	check_pieces(&middle, (struct slice){all + 50, LEN});
}

static void memory_is_given_without_a_copy(UNUSED void **state)
{
	struct content c = {.head = SLICE("head"), .body = SLICE("body"), .fd = -1};
	struct content_reader r;
	struct slice piece;
	struct error err = {0};

	content_start(&r, &c);
	assert_ok(content_next(&r, &piece, &err), err);
	assert_ptr_equal(piece.ptr, c.head.ptr);
	assert_ok(content_next(&r, &piece, &err), err);
	assert_ptr_equal(piece.ptr, c.body.ptr);
	assert_null(r.window);
	content_stop(&r);
}

static void a_short_file_is_an_error(UNUSED void **state)
{
	CLEANUP(fd_close) int fd = file_with(SLICE("only this"));
	struct content c = {.fd = fd, .fd_octets = 10};
	struct content_reader r;
	struct slice piece;
	struct error err = {0};

	content_start(&r, &c);
	assert_ok(content_next(&r, &piece, &err), err);
	assert_int_equal(piece.len, 9);
	assert_false(content_next(&r, &piece, &err));
	assert_int_equal(err.exit_code, EX_IOERR);
	content_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_give_head_and_body_from_wherever_they_are),
		cmocka_unit_test(memory_is_given_without_a_copy),
		cmocka_unit_test(a_short_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
