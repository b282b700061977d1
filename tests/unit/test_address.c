#include "test.h"

#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/text.h"
#include "mail/address.h"

/* Writes a list as "name|local|domain; ..." so that a case is one line. */
static const char *show(struct arena *arena, const struct mailbox_list *list)
{
	const char *text = "";

	for (size_t i = 0; i < list->count; i++)
		text = arena_printf(arena, "%s%s%s|%s|%s", text, i > 0 ? "; " : "",
			address_name(arena, &list->items[i]), list->items[i].local,
			list->items[i].domain);
	return text;
}

static void lists_give_their_mailboxes(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{" \t ", ""},
		{"ann@example.org", "|ann|example.org"},
		{"<ann@example.org>", "|ann|example.org"},
		{"Ann <ann@example.org>", "Ann|ann|example.org"},
		{"Ann Lee <ann@example.org>, bob@x", "Ann Lee|ann|example.org; |bob|x"},
		{"\"Lee, Ann\" <ann@example.org>", "Lee, Ann|ann|example.org"},
		{"\"a \\\"b\\\" \\\\c\" <a@x>", "a \"b\" \\c|a|x"},
		{"\"Joe\" Q.  \"X\" Public <j@x>", "Joe Q. X Public|j|x"},
		{"Joe\"X\" <j@x>", "JoeX|j|x"},
		{"John Q. Public <j@x>", "John Q. Public|j|x"},
		{"\"\" <a@x>", "|a|x"},
		/* Names and comments. */
		{"root (Cron Daemon)", "Cron Daemon|root|"},
		{"root@x (Cron Daemon)", "Cron Daemon|root|x"},
		{"\"(Cron Daemon)\" <user>", "(Cron Daemon)|user|"},
		{"(early) a@x (late)", "late|a|x"},
		{"<a@x> (late)", "late|a|x"},
		{"Ann <a@x> (late)", "Ann|a|x"},
		{"a@x (a (nested \\) one) z)", "a (nested ) one) z|a|x"},
		{"a@x ()", "|a|x"},
		{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
			"Pete|pete|silly.test"},
		{"a(1)@(2)x(3).(4)y", "|a|x.y"},
		{"a@x (=?utf-8?q?b=2C_c=40d?=)", "=?utf-8?q?b=2C_c=40d?=|a|x"},
		{"=?utf-8?q?b=2C_c=40d?= <a@x>", "=?utf-8?q?b=2C_c=40d?=|a|x"},
		/* Groups. */
		{"undisclosed-recipients:;", ""},
		{"undisclosed-recipients:", ""},
		{"A Group:Ed <e@x>,joe@y,John <j@z>;", "Ed|e|x; |joe|y; John|j|z"},
		{"g: a@x; , h:; b@y", "|a|x; |b|y"},
		{"g: a@x;b@y", "|a|x; |b|y"},
		{"g:,,a@x,;", "|a|x"},
		{"g: h: a@x; b@y;", "|a|x; |b|y"},
		{"\"quoted: group\" :a@x;", "|a|x"},
		{"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", ""},
		/* Empty elements, the null address. */
		{",,a@x,,b@y,", "|a|x; |b|y"},
		{"a@x;b@y;", "|a|x; |b|y"},
		{"<>", ""},
		{"< (c) >, a@x", "|a|x"},
		{"MAILER-DAEMON <>", ""},
		/* Obsolete forms. */
		{"<@a.example,@b.example:ann@c.example>", "|ann|c.example"},
		{"<,,@a.example, ,@[192.0.2.1]:ann@c.example>", "|ann|c.example"},
		{"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
			"Mary Smith|mary|example.net; |jdoe|test.example"},
		{"john . smith @ example . org", "|john.smith|example.org"},
		{"\"john\" . smith@x", "|john.smith|x"},
		{"\"a b\".c@x", "|\"a b.c\"|x"},
		{"a.\"b\"@x", "|a.b|x"},
		{"a@\r\n x", "|a|x"},
		{"a@x,\r\n\tb@y,\n c@z", "|a|x; |b|y; |c|z"},
		{"a@x \r\n \r\n ,b@y", "|a|x; |b|y"},
		/* Local parts. */
		{"\"a b\"@x", "|\"a b\"|x"},
		{"\"abc\"@x", "|abc|x"},
		{"\"a\\\"b\"@x", "|\"a\\\"b\"|x"},
		{"\"a\\bc\"@x", "|abc|x"},
		{"\"a\\\\b\"@x", "|\"a\\\\b\"|x"},
		{"\"\"@x", "|\"\"|x"},
		{"\"a@b>\"@x", "|\"a@b>\"|x"},
		{"\"a\r\n b\"@x", "|\"a b\"|x"},
		{"\"a..b\"@x", "|\"a..b\"|x"},
		{"\"john smith\"", "|\"john smith\"|"},
		{"a+b=c@x", "|a+b=c|x"},
		{"-x@y", "|-x|y"},
		{"a..b@docomo.ne.jp, abc.@x, .abc@x", "|a..b|docomo.ne.jp; |abc.|x; |.abc|x"},
		{"!#$%&'*+-/=?^_`{|}~@x", "|!#$%&'*+-/=?^_`{|}~|x"},
		/* Domains. */
		{"a@[192.0.2.1]", "|a|[192.0.2.1]"},
		{"a@[ IPv6:2001:db8::1 ]", "|a|[IPv6:2001:db8::1]"},
		{"a@[19\\2.0.2.1] (x)", "x|a|[192.0.2.1]"},
		{"a@x.", "|a|x."},
		/* UTF-8 of RFC 6532. */
		{"j\xc3\xb6rg@m\xc3\xbcller.example", "|j\xc3\xb6rg|m\xc3\xbcller.example"},
		{"J\xc3\xb6rg <j@x>", "J\xc3\xb6rg|j|x"},
		{"J\xf6rg <j@x>", "J\xf6rg|j|x"},
		/* Names that break the grammar, but have brackets behind them. */
		{"ann@x.org <ann@x.org>", "ann@x.org|ann|x.org"},
		{"[List] Ann <a@x>", "[List] Ann|a|x"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mailbox_list list = {0};
		struct error err = {0};

		if (!address_parse_list(*state, slice_of(cases[i].text), &list, &err))
			fail_msg("'%s': %s", cases[i].text, err.text);
		if (strcmp(show(*state, &list), cases[i].want) != 0)
			fail_msg("'%s' gives '%s'", cases[i].text, show(*state, &list));
	}
}

static void faulty_lists_change_nothing(void **state)
{
	static const char *const cases[] = {
		"a b@x",
		"a b",
		"a@x b@y",
		"a@x <b",
		"<a@x",
		"a@x>",
		"a@b> SIZE=1",
		"<a@b> SIZE=1",
		"<a@b> <c@d>",
		"<<a@b>>",
		"<a@b>>",
		"a<b@c>d",
		"@",
		"@x",
		"a@",
		"<@x>",
		"<a@>",
		"<@x:>",
		"a@b@c",
		"a@.x",
		"a@x..y",
		"a@.",
		"..@x",
		"a@\"x\"",
		"a\"b\"@x",
		"\"b\"a@x",
		"\"a\" \"b\"@x",
		"\"a@x",
		"\"a\\",
		"a@[1.2.3.4",
		"a@[1.2.3.4]x",
		"a@[1.2.3.4][5]",
		"a@[[1]",
		"[1.2.3.4]@x",
		"a@x]",
		"a@x (open",
		"a@x (open \\)",
		"a@x )",
		":a@x",
		"a@x:b@y",
		"g::a@x",
		"\"\"",
		"a\\b@x",
		"a@x\n",
		"a@x\r\n",
		"a@x\r\nRCPT TO:<b@y>",
		"a@x\r b@y",
		"a@x\rb@y",
		"a\x01@x",
		"a@x\x7f",
		"a@x (\x1b)",
		"\"a\tb\"@x",
		"\"a\\\x01\"@x",
		"\"A\x02\" <a@x>",
		"j\xf6rg@x",
		"j@m\xfcller",
		"a\xc2\x85@x",
		"a@\xc2\x9b.x",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mailbox_list list = {0};
		struct error err = {0};

		assert_ok(address_parse_list(*state, SLICE("first@x"), &list, &err), err);

		struct mailbox_list before = list;
		const char *text = arena_printf(*state, "ok@x, more@y, e@e, f@f, %s", cases[i]);

		if (address_parse_list(*state, slice_of(text), &list, &err))
			fail_msg("'%s' passes: %s", cases[i], show(*state, &list));
		assert_int_equal(err.exit_code, EX_DATAERR);
		assert_memory_equal(&list, &before, sizeof(list));
		assert_string_equal(show(*state, &list), "|first|x");
		if (address_parse_list(*state, slice_of(cases[i]), &list, &err))
			fail_msg("'%s' passes alone", cases[i]);
	}
}

static void nul_is_a_fault_everywhere(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {
		{"a\0b@x", sizeof("a\0b@x") - 1},
		{"a@x\0", sizeof("a@x\0") - 1},
		{"a@x\0y", sizeof("a@x\0y") - 1},
		{"\"a\0\"@x", sizeof("\"a\0\"@x") - 1},
		{"\"a\\\0\"@x", sizeof("\"a\\\0\"@x") - 1},
		{"(\0) a@x", sizeof("(\0) a@x") - 1},
		{"a@[1\0]", sizeof("a@[1\0]") - 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mailbox_list list = {0};
		struct error err = {0};
		struct mailbox box;
		struct slice text = {cases[i].text, cases[i].len};

		assert_false(address_parse_list(*state, text, &list, &err));
		assert_false(address_parse_one(*state, text, &box, &err));
	}
}

static void errors_name_the_element(void **state)
{
	struct mailbox_list list = {0};
	struct error err = {0};

	assert_false(address_parse_list(*state, SLICE("ann@x, bob smith@y, carl@z"), &list, &err));
	assert_string_equal(
		err.text, "the address 'bob smith@y' is not valid: it has a blank inside");
	assert_false(address_parse_list(*state, SLICE("\x1b[31m@x@"), &list, &err));
	assert_null(strchr(err.text, '\x1b'));

	char *text = arena_alloc(*state, 100001);

	memset(text, 'a', 100000);
	assert_false(address_parse_list(*state, slice_of(text), &list, &err));
	assert_true(strlen(err.text) < 300);
}

static void addresses_have_a_limit(void **state)
{
	struct mailbox_list list = {0};
	struct error err = {0};
	char text[300];
	const char *wire;

	memset(text, 'a', sizeof(text));
	memcpy(text + 250, "@b.c", 5);
	assert_ok(address_parse_list(*state, slice_of(text), &list, &err), err);
	assert_ok(address_wire(*state, &list.items[0], &wire, &err), err);
	assert_int_equal(strlen(wire), ADDRESS_MAX);
	memcpy(text + 250, "@bb.c", 6);
	assert_false(address_parse_list(*state, slice_of(text), &list, &err));
	assert_int_equal(list.count, 1);
}

static void one_mailbox_is_parsed(void **state)
{
	static const struct {
		const char *text, *name, *local, *domain;
	} cases[] = {
		{"", "", "", ""},
		{"<>", "", "", ""},
		{" < > ", "", "", ""},
		{"a@b", "", "a", "b"},
		{"<a@b>", "", "a", "b"},
		{"Name <a@b>", "Name", "a", "b"},
		{"root", "", "root", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mailbox box;
		struct error err = {0};

		assert_ok(address_parse_one(*state, slice_of(cases[i].text), &box, &err), err);
		assert_string_equal(address_name(*state, &box), cases[i].name);
		assert_string_equal(box.local, cases[i].local);
		assert_string_equal(box.domain, cases[i].domain);
	}
}

static void one_mailbox_is_not_a_list(void **state)
{
	static const char *const cases[] = {"a@b, c@d", "a@b,", "g: a@b;", "g:;", "a@b;", ",",
		"a@b\r\n", "a@b\n SIZE=1", "a\r\n @b", "a@b>", "a@b> SIZE=1", "<a@b", "a b@c"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mailbox box;
		struct error err = {0};

		if (address_parse_one(*state, slice_of(cases[i]), &box, &err))
			fail_msg("'%s' passes", cases[i]);
		assert_int_equal(err.exit_code, EX_DATAERR);
	}
}

/* The wire form of an address, or the words against it. */
static const char *wire_of(struct arena *arena, const char *text)
{
	struct mailbox box;
	struct error err = {0};
	const char *wire;

	if (address_parse_one(arena, slice_of(text), &box, &err) &&
		address_wire(arena, &box, &wire, &err))
		return wire;
	return arena_printf(arena, "! %d", err.exit_code);
}

static void wire_forms(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"root", "root"},
		{"Ann@Example.ORG.", "Ann@Example.ORG"},
		{"\"a b\"@x", "\"a b\"@x"},
		{"\"a\\\"b\"@x", "\"a\\\"b\"@x"},
		{"a+b@x", "a+b@x"},
		{"abc.@x", "abc.@x"},
		{"a@[192.0.2.1]", "a@[192.0.2.1]"},
		{"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
		{"a@[ipv6:::1]", "a@[ipv6:::1]"},
		{"a@[IPv6:]", "! 65"},
		{"a@[2001:db8::1]", "! 65"},
		{"a@[300.1.1.1]", "! 65"},
		{"a@[]", "! 65"},
		{"a@[1.2.3.4> SIZE=1]", "! 65"},
		{"a@x!y", "! 65"},
		{"a@-x", "! 65"},
		{"a@x-", "! 65"},
		{"a@x-.y", "! 65"},
		{"a@x.-y", "! 65"},
		{"a@my_host.example", "a@my_host.example"},
		{"a@m\xc3\xbcller.example", "a@xn--mller-kva.example"},
		{"a@M\xc3\x9cLLER.example", "a@xn--mller-kva.example"},
		{"a@stra\xc3\x9f"
		 "e.example",
			"a@xn--strae-oqa.example"},
		{"a@\xe4\xbe\x8b\xe3\x80\x82\xe6\xb5\x8b\xe8\xaf\x95", "a@xn--fsq.xn--0zwm56d"},
		{"a@\xe2\x84\x80.example", "! 65"},
		{"a@\xef\xbc\x9e.example", "! 65"},
		{"j\xc3\xb6rg@m\xc3\xbcller.example", "j\xc3\xb6rg@xn--mller-kva.example"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(wire_of(*state, cases[i].text), cases[i].want);
	assert_false(address_needs_smtputf8(wire_of(*state, "a@m\xc3\xbcller.example")));
	assert_true(address_needs_smtputf8(wire_of(*state, "j\xc3\xb6rg@x")));
}

static void labels_and_names_have_limits(void **state)
{
	char text[80];

	memset(text, 'b', sizeof(text));
	memcpy(text, "a@", 2);
	memcpy(text + 2 + LABEL_MAX, ".c", 3);
	assert_string_equal(wire_of(*state, text), text);
	text[2 + LABEL_MAX] = 'b';
	text[3 + LABEL_MAX] = '\0';
	assert_string_equal(wire_of(*state, text), "! 65");
}

static void sameness_regards_case_in_the_local_part_alone(void **state)
{
	(void)state;
	assert_true(address_same("a@X.org", "a@x.ORG"));
	assert_false(address_same("A@x.org", "a@x.org"));
	assert_false(address_same("a@x.org", "a@x.or"));
	assert_false(address_same("a", "a@x"));
	assert_true(address_same("root", "root"));
	assert_false(address_same("root", "Root"));
	assert_false(address_same("\"a@X\"", "\"a@x\""));
	assert_true(address_same("\"a@X\"@Y", "\"a@X\"@y"));
	assert_true(slice_eq(address_domain("\"a@b\"@c"), SLICE("c")));
	assert_int_equal(address_domain("\"a@b\"").len, 0);
	assert_int_equal(address_domain("root").len, 0);
	assert_int_equal(address_domain("").len, 0);
}

/* Qualifies bare names, and gives "gone" a new address. */
static const char *qualify(void *context, struct arena *arena, const struct mailbox *box)
{
	if (strcmp(box->local, "gone") == 0)
		return "new@z";
	return box->domain[0] == '\0' ? arena_printf(arena, "%s@%s", box->local, (char *)context)
				      : NULL;
}

static void rewriting_touches_the_addresses_alone(void **state)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{" root (Cron Daemon)", " root@host (Cron Daemon)"},
		{" root(x)", " root@host(x)"},
		{" \"(Cron Daemon)\" <user>", " \"(Cron Daemon)\" <user@host>"},
		{" a@x,\r\n\tbob , <@r:carl>;", " a@x,\r\n\tbob@host , <@r:carl@host>;"},
		{" g: ann, gone@y, =?q?= <b>;, \"a b\"",
			" g: ann@host, new@z, =?q?= <b@host>;, \"a b\"@host"},
		{" gone (x) @ (y) y . z (w)", " new@z (w)"},
		{" a@x", " a@x"},
		{"", ""},
		{" root, a b@x", " root, a b@x"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice got =
			address_rewrite(*state, slice_of(cases[i].body), qualify, (char[]){"host"});

		assert_string_equal(arena_dup(*state, got), cases[i].want);
	}
}

static void names_are_formatted(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{"", "a@x"},
		{" \r\n ", "a@x"},
		{"Ann Lee", "Ann Lee <a@x>"},
		{" Ann\tLee ", "Ann Lee <a@x>"},
		{"Ann  Lee", "\"Ann  Lee\" <a@x>"},
		{"Lee, Ann", "\"Lee, Ann\" <a@x>"},
		{"John Q. Public", "\"John Q. Public\" <a@x>"},
		{"a \"b\" \\", "\"a \\\"b\\\" \\\\\" <a@x>"},
		{"x\r\nBcc: evil@y", "\"xBcc: evil@y\" <a@x>"},
		{"a\x01\x7f\xc2\x9b"
		 "b",
			"ab <a@x>"},
		{"=?utf-8?q?J=C3=B6rg?=", "=?utf-8?q?J=C3=B6rg?= <a@x>"},
		{"J\xc3\xb6rg M", "=?UTF-8?Q?J=C3=B6rg_M?= <a@x>"},
		{"J\xf6rg M", "=?UTF-8?Q?J=C3=B6rg_M?= <a@x>"},
		{"\xe4\xbe\x8b\xe4\xbe\x8b", "=?UTF-8?B?5L6L5L6L?= <a@x>"},
		{"\xc3\xb6, \"(<@>)\"=?_", "=?UTF-8?B?w7YsICIoPEA+KSI9P18=?= <a@x>"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(address_format(*state, cases[i].name, "a@x"), cases[i].want);
}

/* Fails where an encoded word or its line is too long, or holds half a character. */
static void check_encoded(struct arena *arena, const char *text, struct slice name)
{
	CLEANUP(buf_done) struct buf decoded = BUF(10 * name.len);
	struct slice rest = slice_of(text);
	struct slice line = slice_word(&rest, "\r\n");
	size_t column = strlen("Resent-From: ");

	for (; line.len > 0; line = slice_word(&rest, "\r\n")) {
		assert_true(column + line.len <= 76);
		column = 0;
		for (struct slice word = slice_word(&line, " "); word.len > 0;
			word = slice_word(&line, " ")) {
			if (word.ptr[0] == '<')
				continue;
			assert_true(word.len <= 75);
			assert_true(slice_starts(word, SLICE("=?UTF-8?B?")));

			size_t before = decoded.len;
			struct slice inside = slice_upto(slice_from(word, 10), word.len - 12);

			assert_true(base64_decode(&decoded, inside));
			assert_true(text_is_utf8(slice_from(buf_slice(&decoded), before)));
		}
	}
	assert_string_equal(buf_text(&decoded), arena_dup(arena, name));
}

static void long_names_are_folded(void **state)
{
	CLEANUP(buf_done) struct buf name = BUF(1000);

	for (size_t i = 0; i < 60; i++) {
		buf_add_text(&name, i % 2 ? "\xe4\xbe\x8b" : "\xf0\x9f\x98\x80");
		buf_add_text(&name, i % 7 ? "" : "\xc3\xb6");
		check_encoded(*state,
			address_format(*state, buf_text(&name), "someone.long@mail.example.org"),
			buf_slice(&name));
	}
}

static void a_megabyte_of_name_is_formatted_in_lines(void **state)
{
	char *name = arena_alloc(*state, 1000001);

	memset(name, 'n', 1000000);

	const char *text = address_format(*state, name, "a@x");

	for (const char *line = text; line;) {
		const char *end = strchr(line, '\n');

		assert_true((end ? (size_t)(end - line) : strlen(line)) <= 78);
		line = end ? end + 1 : NULL;
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Hostile lists, each of a million octets and more: what is quadratic would
 * take minutes, and what recurses would end the process. */
static void hostile_lists_take_linear_time(void **state)
{
	static const struct {
		const char *before, *unit, *after;
		bool is_valid;
	} cases[] = {
		{"", ",", "", true},
		{"", ";", "", true},
		{"a@x ", "(", "", false},
		{"a@x ", "()", "", true},
		{"", ":", "", false},
		{"", "g:", "", true},
		{"", "g:;", "", true},
		{"", "<>,", "", true},
		{"", "<", "", false},
		{"", "\"", "", false},
		{"", "\" ", "", false},
		{"", "\"\"", "<a@x>", true},
		{"", "a@", "", false},
		{"<", "@a,", "@a:b@c>", true},
		{"<", ",", "", false},
		{"", "a@x,", "", true},
		{"", "\r\n ", "", true},
		{"", "\r\n (c)", "a@x", true},
		{"", "word ", "<a@x>", true},
		{"", ".", "@x", false},
		{"\"", "\\\"", "\"@x", false},
		{"a@[", "\\]", "]", false},
		{"a@x (", "\\)", ")", true},
	};
	size_t count = 1000000;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena arena = {0};
		CLEANUP(buf_done) struct buf text = BUF(10 * count);
		struct mailbox_list list = {0};
		struct error err = {0};
		double start = seconds();

		buf_add_text(&text, cases[i].before);
		for (size_t k = 0; k < count; k++)
			buf_add_text(&text, cases[i].unit);
		buf_add_text(&text, cases[i].after);

		bool is_valid = address_parse_list(&arena, buf_slice(&text), &list, &err);

		if (is_valid != cases[i].is_valid)
			fail_msg("'%s' many times: %s", cases[i].unit, err.text);
		if (seconds() - start > 10)
			fail_msg("'%s' many times takes %f s", cases[i].unit, seconds() - start);
		arena_done(&arena);
	}
	(void)state;
}

static void comments_nest_10000_deep(void **state)
{
	CLEANUP(buf_done) struct buf text = BUF(100000);
	struct mailbox_list list = {0};
	struct error err = {0};

	for (size_t i = 0; i < 10000; i++)
		buf_add_char(&text, '(');
	for (size_t i = 0; i < 10000; i++)
		buf_add_char(&text, ')');
	buf_add_text(&text, "a@x");
	assert_ok(address_parse_list(*state, buf_slice(&text), &list, &err), err);
	assert_int_equal(list.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_give_their_mailboxes),
		cmocka_unit_test(faulty_lists_change_nothing),
		cmocka_unit_test(nul_is_a_fault_everywhere),
		cmocka_unit_test(errors_name_the_element),
		cmocka_unit_test(addresses_have_a_limit),
		cmocka_unit_test(one_mailbox_is_parsed),
		cmocka_unit_test(one_mailbox_is_not_a_list),
		cmocka_unit_test(wire_forms),
		cmocka_unit_test(labels_and_names_have_limits),
		cmocka_unit_test(sameness_regards_case_in_the_local_part_alone),
		cmocka_unit_test(rewriting_touches_the_addresses_alone),
		cmocka_unit_test(names_are_formatted),
		cmocka_unit_test(long_names_are_folded),
		cmocka_unit_test(a_megabyte_of_name_is_formatted_in_lines),
		cmocka_unit_test(hostile_lists_take_linear_time),
		cmocka_unit_test(comments_nest_10000_deep),
	};

	return cmocka_run_group_tests(tests, give_arena, take_arena);
}
