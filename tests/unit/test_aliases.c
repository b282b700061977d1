#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "mail/aliases.h"

static const char sample[] = "# the usual ones\n"
			     "postmaster: root\n"
			     "Root:\troot@host.example,\n"
			     "\t\"Lee, Ann\" <ann@x> (boss),\n"
			     "# a remark between\n"
			     "  # and one behind blanks\n"
			     "\n"
			     "  carl\r\n"
			     "carl: Carl@Y, carl@y, Carl@y\n"
			     "\"john smith\" : js@x\n"
			     "self: self, other@x\n"
			     "final: \\root\n"
			     "one: two\n"
			     "two: three, 2@x\n"
			     "three: one\n"
			     "loop: pool\n"
			     "pool: loop\n"
			     "robot: \"|/bin/robot a, b\"\n"
			     "raw: |/bin/robot\n"
			     "void: /dev/null\n"
			     "list: :include:/etc/list\n"
			     "mixed: ann@x, void\n"
			     "twice: first@x\n"
			     "TWICE: second@x";

/* The addresses behind a name, or the error's words, in one line. */
static const char *expand(struct aliases *table, struct arena *arena, const char *name)
{
	struct mailbox box = {.local = name, .domain = ""};
	struct mailbox_list list = {0};
	struct error err = {0};
	const char *text = "";

	if (!aliases_expand(table, arena, &box, &list, &err)) {
		assert_int_equal(err.exit_code, EX_CONFIG);
		assert_int_equal(list.count, 0);
		return arena_strdup(arena, err.text);
	}
	for (size_t i = 0; i < list.count; i++)
		text = arena_printf(arena, "%s%s%s%s%s", text, i > 0 ? " " : "",
			list.items[i].local, list.items[i].domain[0] ? "@" : "",
			list.items[i].domain);
	return text;
}

static void names_lead_to_addresses(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{"root", "root@host.example ann@x Carl@Y carl@y"},
		{"ROOT", "root@host.example ann@x Carl@Y carl@y"},
		{"postmaster", "root@host.example ann@x Carl@Y carl@y"},
		{"nobody", "nobody"},
		{"\"john smith\"", "js@x"},
		{"self", "self other@x"},
		{"final", "root"},
		{"one", "2@x"},
		{"three", "2@x"},
		{"twice", "first@x"},
		{"loop", "the alias 'loop' leads back to itself and to no address"},
		{"robot",
			"f:18: the alias 'robot' leads to a command, '|/bin/robot a, b', where no "
			"mail is delivered"},
		{"raw", "f:19: the alias 'raw' leads to a command, '|/bin/robot', where no mail is "
			"delivered"},
		{"mixed", "f:20: the alias 'void' leads to a file, '/dev/null', where no mail is "
			  "delivered"},
		{"list", "f:21: the alias 'list' leads to a list in a file, ':include:/etc/list', "
			 "where no mail is delivered"},
		{"root", "root@host.example ann@x Carl@Y carl@y"},
	};
	CLEANUP(aliases_done) struct aliases table = {0};
	struct error err = {0};

	assert_ok(aliases_parse(&table, "f", slice_of(sample), &err), err);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(expand(&table, *state, cases[i].name), cases[i].want);
}

static void the_catch_all_serves_unknown_names(void **state)
{
	CLEANUP(aliases_done) struct aliases table = {0};
	struct error err = {0};

	assert_ok(aliases_add(&table, SLICE("*"), SLICE("ann@x, root"), "c", &err), err);
	assert_ok(aliases_add(&table, SLICE("bob"), SLICE("bob@x"), "c", &err), err);
	assert_ok(aliases_add(&table, SLICE("team"), SLICE("bob, carl, dora"), "c", &err), err);
	assert_ok(aliases_add(&table, SLICE("stay"), SLICE("\\stay"), "c", &err), err);
	assert_string_equal(expand(&table, *state, "anybody"), "ann@x root");
	assert_string_equal(expand(&table, *state, "bob"), "bob@x");
	assert_string_equal(expand(&table, *state, "team"), "bob@x ann@x root");
	assert_string_equal(expand(&table, *state, "stay"), "stay");
	/* What came first counts: the configuration before the file. */
	assert_ok(aliases_parse(&table, "f", SLICE("bob: late@x\nroot: r@x"), &err), err);
	assert_string_equal(expand(&table, *state, "bob"), "bob@x");
	assert_string_equal(expand(&table, *state, "anybody"), "ann@x r@x");
}

static void faults_name_their_line(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"a: b\n\nnonsense\n", "f:3: 'nonsense' lacks the ':' between name and targets"},
		{": b", "f:1: '' is no name for an alias"},
		{"\"\": b", "f:1: '\"\"' is no name for an alias"},
		{"#\na:\n b@x\nc:\n#\n\nd: x", "f:4: 'c' has no target"},
		{"a: , ,", "f:1: 'a' has no target"},
		{"a: b c", "f:1: the address 'b c' is not valid: it has a blank inside"},
		{"a: <>", "f:1: '<>' is no address"},
		{"a: \"b", "f:1: the address '\"b' is not valid: a quotation mark is not closed"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(aliases_done) struct aliases table = {0};
		struct error err = {0};

		if (aliases_parse(&table, "f", slice_of(cases[i].text), &err))
			fail_msg("'%s' passes", cases[i].text);
		assert_int_equal(err.exit_code, EX_CONFIG);
		assert_string_equal(err.text, cases[i].want);
	}
}

/* A chain of 100,000 aliases, each of which leads to the next one and to the
 * first: neither depth nor circles may cost more than their length. */
static void long_chains_are_linear(void **state)
{
	CLEANUP(aliases_done) struct aliases table = {0};
	CLEANUP(buf_done) struct buf text = BUF(10000000);
	struct error err = {0};

	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "n%d: n%d, n0, u%d@x\n", i, i + 1, i % 3);
	assert_ok(aliases_parse(&table, "f", buf_slice(&text), &err), err);
	/* The deepest alias comes first: 99,999 is divisible by three. */
	assert_string_equal(expand(&table, *state, "n0"), "n100000 u0@x u2@x u1@x n0");
	for (int i = 0; i < 10; i++)
		assert_string_equal(expand(&table, *state, "n100000"), "n100000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lead_to_addresses),
		cmocka_unit_test(the_catch_all_serves_unknown_names),
		cmocka_unit_test(faults_name_their_line),
		cmocka_unit_test(long_chains_are_linear),
	};

	return cmocka_run_group_tests(tests, give_arena, take_arena);
}
