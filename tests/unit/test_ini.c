#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "config/ini.h"

/* What the reader finds is written down as text, one line each. */
static bool write_entry(void *context, const struct ini_entry *e)
{
	struct buf *out = context;

	if (e->key.len == 0)
		buf_printf(out, "%u [%.*s]\n", e->line, SLICE_ARG(e->section));
	else
		buf_printf(out, "%u %.*s|%.*s|%.*s\n", e->line, SLICE_ARG(e->section),
			SLICE_ARG(e->key), SLICE_ARG(e->value));
	return true;
}

static bool write_fault(void *context, unsigned line, const char *text)
{
	buf_printf(context, "%u fault %s\n", line, text);
	return true;
}

static void read_into(struct buf *out, struct slice text)
{
	struct ini_sink sink = {write_entry, write_fault, out};

	ini_read(text, &sink);
}

static void reads_sections_keys_and_whole_values(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{"\n\n; c\n# c\n   ; c\n", ""},
		{"[a]\nk = v\n", "1 [a]\n2 a|k|v\n"},
		{"[a]\nk = v", "1 [a]\n2 a|k|v\n"},
		{"\xef\xbb\xbf[a]\r\nk = v\r\n", "1 [a]\n2 a|k|v\n"},
		{"[ account \t work ]\nk=v\n", "1 [account work]\n2 account work|k|v\n"},
		{"[a]\nk = a ;b\n", "1 [a]\n2 a|k|a ;b\n"},
		{"[a]\nk = ;b # \"x\" = : \t\n", "1 [a]\n2 a|k|;b # \"x\" = :\n"},
		{"[a]\nk =\n", "1 [a]\n2 a|k|\n"},
		{"[a]\n  host = x\n\tuser = y\n", "1 [a]\n2 a|host|x\n3 a|user|y\n"},
		{"[a]\nhost = x\n  user = y\n", "1 [a]\n2 a|host|x\n3 a|user|y\n"},
		{"k = v\n", "1 |k|v\n"},
		{"[a]\n* = x\n", "1 [a]\n2 a|*|x\n"},
		{"[a]\n[b]\nk = v\n", "1 [a]\n2 [b]\n3 b|k|v\n"},
		{"[a]\nk = v\nk = w\n", "1 [a]\n2 a|k|v\n3 a|k|w\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = BUF(65536);

		read_into(&out, slice_of(cases[i].text));
		assert_string_equal(buf_text(&out), cases[i].want);
	}
}

static void faults_name_their_line(void **state UNUSED)
{
	const struct {
		struct slice text;
		const char *want;
	} cases[] = {
		{SLICE("[a]\nk = a\0b\n"), "2 fault the line holds a NUL"},
		{SLICE("[a]\rk = v\r"), "1 fault the line holds a carriage return"},
		{SLICE("[a]\nk = \x1b[2J\n"), "2 fault the line holds a control character"},
		{SLICE("\xff\xfe[\0a\0]\0"), "1 fault the file is UTF-16"},
		{SLICE("[a\nk = v\n"), "1 fault the section header has no ']'"},
		{SLICE("[a] ; x\n"), "1 fault there is text behind the section header"},
		{SLICE("[]\n"), "1 fault the section has no name"},
		{SLICE("[a]\n\nhost: x\n"), "3 fault write 'key = value', with '='"},
		{SLICE("[a]\nhost:x = y\n"), "2 fault write 'key = value', with '='"},
		{SLICE("[a]\nhost x\n"), "2 fault the line has no '='"},
		{SLICE("[a]\n= x\n"), "2 fault there is no key"},
		{SLICE("[a]\nexport k = x\n"), "2 fault the key holds a blank"},
		{SLICE("[a]\n\"k\" = x\n"), "2 fault the key holds an unusual character"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf out = BUF(65536);

		read_into(&out, cases[i].text);
		if (!strstr(buf_text(&out), cases[i].want))
			fail_msg("%zu: %s", i, buf_text(&out));
	}
}

static void keys_below_a_faulty_header_belong_nowhere(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out = BUF(65536);

	read_into(&out, SLICE("[a]\nk = 1\n[b\nk = 2\n[c]\nk = 3\n"));
	assert_string_equal(buf_text(&out),
		"1 [a]\n2 a|k|1\n3 fault the section header has no ']'\n5 [c]\n6 c|k|3\n");
}

/* Fills a line up to `len` octets with `with`. */
static void add_line(struct buf *b, const char *start, size_t len, char with)
{
	size_t from = b->len;

	buf_add_text(b, start);
	while (b->len - from < len)
		buf_add_char(b, with);
	buf_add_char(b, '\n');
}

static void lines_of_any_length_stay_whole(void **state UNUSED)
{
	static const size_t lengths[] = {197, 198, 199, 200, 201, 398, 399, 4096, 65535, 65536};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		CLEANUP(buf_done) struct buf text = BUF(1 << 20);
		CLEANUP(buf_done) struct buf out = BUF(1 << 20);
		CLEANUP(buf_done) struct buf want = BUF(1 << 20);

		buf_add_text(&text, "[a]\n");
		add_line(&text, "password=", lengths[i], '=');
		buf_add_text(&want, "1 [a]\n2 a|");
		add_line(&want, "password|", lengths[i], '=');
		read_into(&out, buf_slice(&text));
		/* SLICE_ARG shows 65536 octets, as many as a value can have. */
		assert_string_equal(buf_text(&out), buf_text(&want));
	}
}

static void a_longer_line_is_refused(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	CLEANUP(buf_done) struct buf out = BUF(1 << 20);

	buf_add_text(&text, "[a]\n");
	add_line(&text, "password=", 65537, 'x');
	read_into(&out, buf_slice(&text));
	assert_string_equal(
		buf_text(&out), "1 [a]\n2 fault the line is longer than 65536 octets\n");
}

static void the_tail_of_a_long_comment_is_comment(void **state UNUSED)
{
	for (size_t pad = 150; pad < 260; pad++) {
		CLEANUP(buf_done) struct buf text = BUF(65536);
		CLEANUP(buf_done) struct buf out = BUF(65536);

		buf_add_text(&text, "[a]\n# ");
		for (size_t i = 0; i < pad; i++)
			buf_add_char(&text, 'c');
		buf_add_text(&text, " host=evil.example\n");
		read_into(&out, buf_slice(&text));
		assert_string_equal(buf_text(&out), "1 [a]\n");
	}
}

static void section_names_are_never_cut(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf out = BUF(65536);

	/* 48 octets, which differ in the last one. */
	read_into(&out, SLICE("[account 1234567890123456789012345678901234567890]\nk=1\n"
			      "[account 123456789012345678901234567890123456789x]\nk=2\n"
			      "[account 12345678901234567890123456789012345678901]\nk=3\n"));
	assert_string_equal(buf_text(&out),
		"1 [account 1234567890123456789012345678901234567890]\n"
		"2 account 1234567890123456789012345678901234567890|k|1\n"
		"3 [account 123456789012345678901234567890123456789x]\n"
		"4 account 123456789012345678901234567890123456789x|k|2\n"
		"5 fault the section's name is longer than 48 octets\n");
}

static void a_million_lines_end_at_the_limit(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 21);
	CLEANUP(buf_done) struct buf out = BUF(1 << 20);

	for (int i = 0; i < 1000000; i++)
		buf_add_char(&text, '\n');
	read_into(&out, buf_slice(&text));
	assert_string_equal(buf_text(&out), "100001 fault the file has more than 100000 lines\n");
}

static bool stop(void *context, const struct ini_entry *e UNUSED)
{
	(*(int *)context)++;
	return false;
}

static bool stop_fault(void *context, unsigned line UNUSED, const char *text UNUSED)
{
	(*(int *)context)++;
	return false;
}

static void the_sink_can_end_the_reading(void **state UNUSED)
{
	int calls = 0;
	struct ini_sink sink = {stop, stop_fault, &calls};

	ini_read(SLICE("[a]\nk=1\nk=2\nx\n"), &sink);
	assert_int_equal(calls, 1);
	ini_read(SLICE("x\nx\n[a]\n"), &sink);
	assert_int_equal(calls, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sections_keys_and_whole_values),
		cmocka_unit_test(faults_name_their_line),
		cmocka_unit_test(keys_below_a_faulty_header_belong_nowhere),
		cmocka_unit_test(lines_of_any_length_stay_whole),
		cmocka_unit_test(a_longer_line_is_refused),
		cmocka_unit_test(the_tail_of_a_long_comment_is_comment),
		cmocka_unit_test(section_names_are_never_cut),
		cmocka_unit_test(a_million_lines_end_at_the_limit),
		cmocka_unit_test(the_sink_can_end_the_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
