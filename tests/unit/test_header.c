#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "mail/header.h"

static void check_block(const struct header *h, const char *want)
{
	CLEANUP(buf_done) struct buf out = BUF(1 << 20);

	header_write(h, &out);
	assert_string_equal(buf_text(&out), want);
}

static void parse_takes_fields_apart(UNUSED void **state)
{
	CLEANUP(header_done) struct header h = {0};

	header_parse(&h, SLICE("To \t: ann@x\r\nSubject:one\r\n two\r\n\tthree\r\nX:\r\n"));
	assert_int_equal(h.count, 3);
	assert_true(slice_eq(h.fields[0].name, SLICE("To")));
	assert_true(slice_eq(h.fields[0].body, SLICE(" ann@x")));
	assert_true(slice_eq(h.fields[0].whole, SLICE("To \t: ann@x\r\n")));
	assert_true(slice_eq(h.fields[1].body, SLICE("one\r\n two\r\n\tthree")));
	assert_int_equal(h.fields[2].body.len, 0);
	check_block(&h, "To \t: ann@x\r\nSubject:one\r\n two\r\n\tthree\r\nX:\r\n");
}

static void find_ignores_case_and_goes_on(UNUSED void **state)
{
	CLEANUP(header_done) struct header h = {0};
	const struct header_field *field;

	header_parse(&h, SLICE("to: a\r\nTx: b\r\nTO : c\r\nT: d\r\n"));
	field = header_find(&h, "To", 0);
	assert_non_null(field);
	assert_int_equal(header_place(&h, field), 0);
	field = header_find(&h, "To", 1);
	assert_non_null(field);
	assert_int_equal(header_place(&h, field), 2);
	assert_null(header_find(&h, "To", 3));
	assert_null(header_find(&h, "Cc", 0));
}

static void remove_keeps_the_order_of_the_rest(UNUSED void **state)
{
	CLEANUP(header_done) struct header h = {0};

	header_parse(&h, SLICE("Bcc: a\r\nA: 1\r\nbcc : b\r\n c\r\nB: 2\r\nBCC:\r\n"));
	assert_int_equal(header_remove(&h, "Bcc"), 3);
	assert_int_equal(header_remove(&h, "Bcc"), 0);
	check_block(&h, "A: 1\r\nB: 2\r\n");
}

static void fields_are_added_on_either_side(void **state)
{
	CLEANUP(header_done) struct header h = {0};

	header_append(&h, *state, "C", SLICE("3"));
	header_prepend(&h, *state, "B", SLICE("2"));
	header_parse(&h, SLICE("D: 4\r\n"));
	header_prepend(&h, *state, "A", SLICE("1\r\n 1"));
	header_append(&h, *state, "E", SLICE(""));
	check_block(&h, "A: 1\r\n 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: \r\n");
	assert_true(slice_eq(h.fields[0].name, SLICE("A")));
}

static void replace_keeps_the_name_as_written(void **state)
{
	CLEANUP(header_done) struct header h = {0};

	header_parse(&h, SLICE("FROM : a\r\n b\r\nX: y\r\n"));
	header_replace(&h, *state, 0, SLICE("new@x"));
	header_replace(&h, *state, 1, SLICE(" z\r\n z"));
	check_block(&h, "FROM : new@x\r\nX: z\r\n z\r\n");
}

static void no_body_can_begin_another_field(void **state)
{
	CLEANUP(header_done) struct header h = {0};

	header_append(&h, *state, "A", SLICE("1\r\nBcc: x"));
	header_append(&h, *state, "B", SLICE("1\nBcc: x\r y\0z\r\n"));
	header_append(&h, *state, "C", SLICE("1\r\n"));
	check_block(&h, "A: 1  Bcc: x\r\nB: 1 Bcc: x  y z  \r\nC: 1  \r\n");
	assert_int_equal(h.count, 3);
}

static void unfold_gives_one_line(void **state)
{
	const struct {
		struct slice body;
		const char *want;
	} cases[] = {
		{SLICE(" one\r\n two\r\n\tthree "), "one two\tthree"},
		{SLICE(""), ""},
		{SLICE("\r\n \r\n x"), "x"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(header_unfold(*state, cases[i].body), cases[i].want);
}

static void lines_are_told_apart(UNUSED void **state)
{
	const struct {
		struct slice line;
		enum header_line want;
	} cases[] = {
		{SLICE(""), HEADER_LINE_OPEN},
		{SLICE("\r"), HEADER_LINE_OPEN},
		{SLICE("\n"), HEADER_LINE_EMPTY},
		{SLICE("\r\n"), HEADER_LINE_EMPTY},
		{SLICE("\r\r\n"), HEADER_LINE_EMPTY},
		{SLICE("\rx"), HEADER_LINE_OTHER},
		{SLICE(" x"), HEADER_LINE_FOLDED},
		{SLICE("\t\n"), HEADER_LINE_FOLDED},
		{SLICE("Sub"), HEADER_LINE_OPEN},
		{SLICE("Sub "), HEADER_LINE_OPEN},
		{SLICE("Sub:"), HEADER_LINE_FIELD},
		{SLICE("Sub \t:"), HEADER_LINE_FIELD},
		{SLICE("Sub x"), HEADER_LINE_OTHER},
		{SLICE("Sub\n"), HEADER_LINE_OTHER},
		{SLICE(":"), HEADER_LINE_OTHER},
		{SLICE("S\303:"), HEADER_LINE_OTHER},
		{SLICE("S\177:"), HEADER_LINE_OTHER},
		{SLICE("a\0b: c"), HEADER_LINE_OTHER},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (header_line_kind(cases[i].line) != cases[i].want)
			fail_msg("case %zu: '%.*s'", i, SLICE_ARG(cases[i].line));
}

static void a_hundred_thousand_fields_are_linear(void **state)
{
	enum { FIELDS = 100000 };
	CLEANUP(buf_done) struct buf block = BUF(4 << 20);
	CLEANUP(buf_done) struct buf out = BUF(8 << 20);
	CLEANUP(header_done) struct header h = {0};

	for (int i = 0; i < FIELDS; i++)
		buf_printf(&block, i % 2 ? "Bcc: a%d\r\n" : "X: %d\r\n", i);
	header_parse(&h, buf_slice(&block));
	assert_int_equal(h.count, FIELDS);
	for (int i = 0; i < FIELDS; i++) {
		header_prepend(&h, *state, "P", SLICE("p"));
		header_append(&h, *state, "Q", SLICE("q"));
	}
	assert_int_equal(header_remove(&h, "bcc"), FIELDS / 2);
	assert_int_equal(h.count, FIELDS / 2 + 2 * FIELDS);
	header_write(&h, &out);
	assert_false(out.is_full);
	assert_memory_equal(out.data, "P: p\r\nP: p\r\n", 12);
	assert_memory_equal(out.data + out.len - 6, "Q: q\r\n", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_takes_fields_apart),
		cmocka_unit_test(find_ignores_case_and_goes_on),
		cmocka_unit_test(remove_keeps_the_order_of_the_rest),
		cmocka_unit_test_setup_teardown(
			fields_are_added_on_either_side, give_arena, take_arena),
		cmocka_unit_test_setup_teardown(
			replace_keeps_the_name_as_written, give_arena, take_arena),
		cmocka_unit_test_setup_teardown(
			no_body_can_begin_another_field, give_arena, take_arena),
		cmocka_unit_test_setup_teardown(unfold_gives_one_line, give_arena, take_arena),
		cmocka_unit_test(lines_are_told_apart),
		cmocka_unit_test_setup_teardown(
			a_hundred_thousand_fields_are_linear, give_arena, take_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
