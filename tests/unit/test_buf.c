#include "test.h"

#include <string.h>

#include "base/buf.h"

static void additions_follow_each_other(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(100);

	(void)state;
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(buf_slice(&b).len, 0);
	buf_add(&b, SLICE("ab"));
	buf_add_text(&b, "cd");
	buf_add_text(&b, NULL);
	buf_add_char(&b, 'e');
	buf_printf(&b, "%d-%s", 42, "x");
	assert_string_equal(buf_text(&b), "abcde42-x");
	assert_int_equal(b.len, 9);
	assert_false(b.is_full);
	buf_shift(&b, 5);
	assert_string_equal(buf_text(&b), "42-x");
	buf_shift(&b, 100);
	assert_string_equal(buf_text(&b), "");
	buf_add(&b, SLICE("a\0b"));
	assert_int_equal(b.len, 3);
	buf_clear(&b);
	assert_string_equal(buf_text(&b), "");
}

/* What does not fit is left out whole, and shorter text fits still. */
static void the_ceiling_holds(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(4);

	(void)state;
	buf_add_text(&b, "abc");
	buf_add_text(&b, "de");
	assert_true(b.is_full);
	assert_string_equal(buf_text(&b), "abc");
	buf_printf(&b, "%s", "12");
	assert_string_equal(buf_text(&b), "abc");
	assert_null(buf_room(&b, 2));
	assert_null(buf_room(&b, SIZE_MAX));
	buf_add_char(&b, 'd');
	assert_string_equal(buf_text(&b), "abcd");
	buf_clear(&b);
	assert_false(b.is_full);
	buf_done(&b);
	assert_int_equal(b.ceiling, 4);
	buf_add_text(&b, "abcde");
	assert_true(b.is_full);
	assert_int_equal(b.len, 0);
}

static void long_text_grows_in_place(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(1000000);

	(void)state;
	for (size_t i = 0; i < 1000000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	assert_int_equal(b.len, 1000000);
	assert_false(b.is_full);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	assert_int_equal(b.data[b.len], 0);
}

static void room_is_filled_by_the_caller(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(200);
	char *room = buf_room(&b, 150);

	(void)state;
	assert_non_null(room);
	memset(room, 'x', 150);
	b.len += 150;
	buf_add_char(&b, 'y');
	assert_int_equal(b.len, 151);
	assert_int_equal(b.data[150], 'y');
}

static void wiping_empties(void **state)
{
	struct buf b = BUF(100);

	(void)state;
	buf_wipe(&b);
	buf_add_text(&b, "secret");
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.ceiling, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(additions_follow_each_other),
		cmocka_unit_test(the_ceiling_holds),
		cmocka_unit_test(long_text_grows_in_place),
		cmocka_unit_test(room_is_filled_by_the_caller),
		cmocka_unit_test(wiping_empties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
