#include "test.h"

#include <stdalign.h>
#include <string.h>

#include "base/arena.h"

static void memory_is_zeroed_aligned_and_apart(void **state)
{
	struct arena a = {0};
	unsigned char *places[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t octets = i % 97 == 0 ? 10000 : i % 50;

		places[i] = arena_alloc(&a, octets);
		assert_int_equal((uintptr_t)places[i] % alignof(max_align_t), 0);
		for (size_t k = 0; k < octets; k++)
			assert_int_equal(places[i][k], 0);
		memset(places[i], (int)(i % 251), octets);
	}
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (size_t k = 0; k < i % 50; k++)
			assert_int_equal(places[i][k], i % 251);
	arena_done(&a);
	assert_null(a.last);
	assert_string_equal(arena_strdup(&a, "again"), "again");
	arena_done(&a);
	arena_done(&a);
}

static void text_is_copied(void **state)
{
	struct arena a = {0};
	char text[] = "text";
	char *copy = arena_strdup(&a, text);
	char *part = arena_dup(&a, slice_upto(slice_of(text), 2));

	(void)state;
	text[0] = '!';
	assert_string_equal(copy, "text");
	assert_string_equal(part, "te");
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_dup(&a, (struct slice){0}), "");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	assert_string_equal(arena_printf(&a, "%s", ""), "");

	char *large = arena_alloc(&a, 3000001);

	memset(large, 'l', 3000000);
	assert_int_equal(strlen(arena_printf(&a, "%s.", large)), 3000001);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(text_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
