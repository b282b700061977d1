#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "queue/entry.h"

/* Writes octets to a nameless file and reads it as an entry. */
static bool read_octets(struct slice octets, struct entry *out, struct error *err)
{
	FILE *stream = tmpfile();
	bool is_read;

	assert_non_null(stream);
	assert_true(file_write(fileno(stream), octets, "test", err));
	is_read = entry_read(fileno(stream), (int64_t)octets.len, out, err);
	fclose(stream);
	return is_read;
}

/* A status line with a text, at its full width. */
static void add_status(struct buf *b, const char *fields, const char *text)
{
	char line[ENTRY_STATUS_OCTETS + 1];

	snprintf(line, sizeof(line), "status %s %-*s\n", fields,
		(int)(ENTRY_STATUS_OCTETS - strlen(fields) - strlen("status  \n")), text);
	assert_int_equal(strlen(line), ENTRY_STATUS_OCTETS);
	buf_add_text(b, line);
}

/* The lines of a good file, any of which a case replaces by its own. */
struct lines {
	const char *magic, *size, *account, *created, *body, *from, *recipients, *message;
	const char *status_fields, *status_text;
};

static const struct lines good = {
	.magic = "pillarbox-queue 1\n",
	.size = "size 0000000012\n",
	.account = "account work\n",
	.created = "created 1767225600\n",
	.status_fields = "00003 -w 451",
	.status_text = "451 4.3.0 try later",
	.body = "body longest=1 8bit\n",
	.from = "from ann@example.org ENVID=QQ+2B1 RET=HDRS\n",
	.recipients = "R bob@example.org NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@example.org\n"
		      "D \"a b\\\" c\"@example.org\n",
	.message = "A: b\r\n\r\nx\r\n.",
};

static const char *either(const char *mine, const char *usual)
{
	return mine ? mine : usual;
}

static void assemble(const struct lines *l, struct buf *b)
{
	buf_add_text(b, either(l->magic, good.magic));
	buf_add_text(b, either(l->size, good.size));
	buf_add_text(b, either(l->account, good.account));
	buf_add_text(b, either(l->created, good.created));
	add_status(b, either(l->status_fields, good.status_fields),
		either(l->status_text, good.status_text));
	buf_add_text(b, either(l->body, good.body));
	buf_add_text(b, either(l->from, good.from));
	buf_add_text(b, either(l->recipients, good.recipients));
	buf_add_text(b, "\n");
	buf_add_text(b, either(l->message, good.message));
}

static void reads_every_line(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(1 << 20);
	CLEANUP(entry_done) struct entry e = {0};
	struct error err = {0};

	(void)state;
	assemble(&good, &b);
	assert_ok(read_octets(buf_slice(&b), &e, &err), err);
	assert_int_equal(e.size, 12);
	assert_string_equal(e.account, "work");
	assert_int_equal(e.created, 1767225600);
	assert_int_equal(e.status.attempts, 3);
	assert_int_equal(e.status.code, 451);
	assert_false(e.status.is_held);
	assert_true(e.status.was_warned);
	assert_string_equal(e.status.text, "451 4.3.0 try later");
	assert_int_equal(e.longest_line, 1);
	assert_true(e.has_8bit);
	assert_false(e.head_has_8bit || e.has_nul || e.needs_smtputf8);
	assert_string_equal(e.envelope.sender, "ann@example.org");
	assert_string_equal(e.envelope.envid, "QQ+2B1");
	assert_int_equal(e.envelope.ret, DSN_RETURN_HEADERS);
	assert_int_equal(e.envelope.count, 2);

	const struct recipient *r = e.envelope.recipients;

	assert_string_equal(r[0].address, "bob@example.org");
	assert_int_equal(r[0].state, RECIPIENT_PENDING);
	assert_int_equal(r[0].notify, DSN_FAILURE | DSN_DELAY);
	assert_string_equal(r[0].orcpt, "rfc822;bob@example.org");
	assert_string_equal(r[1].address, "\"a b\\\" c\"@example.org");
	assert_int_equal(r[1].state, RECIPIENT_DELIVERED);
	assert_int_equal(r[1].notify, 0);
	assert_null(r[1].orcpt);
	assert_int_equal(b.data[e.recipient_offsets[0]], 'R');
	assert_int_equal(b.data[e.recipient_offsets[1]], 'D');
	assert_memory_equal(b.data + e.status_offset, "status ", 7);
	assert_memory_equal(b.data + e.message_offset, "A: b\r\n", 6);
}

static void refuses_what_is_damaged(void **state)
{
	static const struct {
		const char *what;
		struct lines lines;
		const char *words; /* in the error's text */
	} cases[] = {
		{"another file", {.magic = "#!/bin/sh\n"}, "no queue file"},
		{"newer version", {.magic = "pillarbox-queue 2\n"}, "newer version"},
		{"much newer", {.magic = "pillarbox-queue 2147483647\n"}, "newer version"},
		{"version 0", {.magic = "pillarbox-queue 0\n"}, "not a number"},
		{"version overflow", {.magic = "pillarbox-queue 4294967297\n"}, "not a number"},
		{"version with CR", {.magic = "pillarbox-queue 1\r\n"}, "not a number"},
		{"size too large", {.size = "size 0000000013\n"}, "12 octets instead of 13"},
		{"size too small", {.size = "size 0000000011\n"}, "12 octets instead of 11"},
		{"size not a number", {.size = "size 00000000-1\n"}, "size"},
		{"size in hexadecimal", {.size = "size 000000000c\n"}, "size"},
		{"size short", {.size = "size 12\n"}, "size"},
		{"size overflow", {.size = "size 18446744073709551628\n"}, "size"},
		{"size missing", {.size = ""}, "'size' is missing"},
		{"size twice", {.size = "size 0000000012\nsize 0000000012\n"}, "'account'"},
		{"size glued", {.size = "size0000000012\n"}, "'size' is missing"},
		{"account with control", {.account = "account wo\x1brk\n"}, "account"},
		{"account with blank at the end", {.account = "account work \n"}, "account"},
		{"account with blank only", {.account = "account \n"}, "'account'"},
		{"created negative", {.created = "created -5\n"}, "creation"},
		{"created absurd", {.created = "created 99999999999999\n"}, "creation"},
		{"created empty", {.created = "created\n"}, "creation"},
		{"held mark unknown", {.status_fields = "00003 xw 451"}, "status"},
		{"attempts no number", {.status_fields = "0000x -w 451"}, "status"},
		{"code no number", {.status_fields = "00003 -w 4 1"}, "status"},
		{"status too narrow", {.status_text = "x\ny"}, "status"},
		{"body unknown word", {.body = "body longest=1 9bit\n"}, "unknown words"},
		{"body order", {.body = "body longest=1 nul 8bit\n"}, "unknown words"},
		{"body twice", {.body = "body longest=1 nul nul\n"}, "unknown words"},
		{"body blanks", {.body = "body longest=1  8bit\n"}, "unknown words"},
		{"body without length", {.body = "body 8bit\n"}, "longest line"},
		{"from empty", {.from = "from\n"}, "sender"},
		{"from with CR", {.from = "from ann@example.org\r\n"}, "sender"},
		{"from with NUL escape", {.from = "from ann@exam\001ple.org\n"}, "sender"},
		{"from open quote", {.from = "from \"ann@example.org\n"}, "sender"},
		{"from bracketed", {.from = "from <ann@example.org>\n"}, "sender"},
		{"from with parameter", {.from = "from ann@example.org SIZE=1\n"}, "unknown words"},
		{"from bad RET", {.from = "from ann@example.org RET=NONE\n"}, "RET"},
		{"from empty ENVID", {.from = "from ann@example.org ENVID=\n"}, "envelope"},
		{"from wrong order", {.from = "from a@b RET=FULL ENVID=x\n"}, "unknown words"},
		{"no recipient", {.recipients = ""}, "no recipient"},
		{"state unknown", {.recipients = "X bob@example.org\n"}, "no recipient"},
		{"state small", {.recipients = "r bob@example.org\n"}, "no recipient"},
		{"state only", {.recipients = "R\n"}, "no recipient"},
		{"state and blank", {.recipients = "R \n"}, "no recipient"},
		{"recipient blank", {.recipients = "R  bob@example.org\n"}, "address"},
		{"recipient null", {.recipients = "R <>\n"}, "address"},
		{"recipient CR", {.recipients = "R bob@example.org\rDATA\n"}, "address"},
		{"recipient tab", {.recipients = "R bob@example.org\tx\n"}, "address"},
		{"recipient DEL", {.recipients = "R bob\x7f@example.org\n"}, "address"},
		{"recipient open quote", {.recipients = "R \"bob @example.org\n"}, "address"},
		{"recipient escape at end", {.recipients = "R \"bob\\\n"}, "address"},
		{"recipient twice", {.recipients = "R bob@x.org\nD bob@X.org\n"}, "already"},
		{"recipient extra", {.recipients = "R bob@example.org x\n"}, "unknown words"},
		{"recipient blank at end", {.recipients = "R bob@example.org \n"}, "unknown words"},
		{"NOTIFY unknown", {.recipients = "R b@x.org NOTIFY=MAYBE\n"}, "NOTIFY"},
		{"NOTIFY both", {.recipients = "R b@x.org NOTIFY=NEVER,DELAY\n"}, "NOTIFY"},
		{"NOTIFY twice", {.recipients = "R b@x.org NOTIFY=DELAY,DELAY\n"}, "NOTIFY"},
		{"NOTIFY order", {.recipients = "R b@x.org NOTIFY=DELAY,FAILURE\n"}, "NOTIFY"},
		{"NOTIFY comma", {.recipients = "R b@x.org NOTIFY=DELAY,\n"}, "NOTIFY"},
		{"NOTIFY comma first", {.recipients = "R b@x.org NOTIFY=,DELAY\n"}, "NOTIFY"},
		{"NOTIFY empty", {.recipients = "R b@x.org NOTIFY=\n"}, "NOTIFY"},
		{"ORCPT empty", {.recipients = "R b@x.org ORCPT=\n"}, "envelope"},
		{"message longer", {.message = "A: b\r\n\r\nx\r\n.y"}, "13 octets instead"},
		{"message gone", {.message = ""}, "0 octets instead"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b = BUF(1 << 20);
		struct entry e = {.size = 4711};
		struct error err = {0};

		assemble(&cases[i].lines, &b);
		if (read_octets(buf_slice(&b), &e, &err))
			fail_msg("%s: was believed", cases[i].what);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s: '%s'", cases[i].what, err.text);
		assert_int_equal(err.exit_code, EX_DATAERR);
		assert_int_equal(e.size, 4711);
	}
}

static void demands_are_read_as_written(void **state)
{
	static const struct {
		const char *words;
		struct demands want;
	} cases[] = {
		{"requiretls", {.require_tls = true}},
		{"by=7200;R", {.deliver_by_s = 7200, .deliver_by_mode = 'R'}},
		{"by=1;N", {.deliver_by_s = 1, .deliver_by_mode = 'N'}},
		{"priority=-9", {.has_priority = true, .priority = -9}},
		{"priority=0", {.has_priority = true}},
		{"hold=999999999", {.hold_for_s = 999999999}},
		{"requiretls by=60;R priority=3 hold=5", {.require_tls = true,
								 .deliver_by_s = 60,
								 .deliver_by_mode = 'R',
								 .has_priority = true,
								 .priority = 3,
								 .hold_for_s = 5}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b = BUF(1 << 20);
		CLEANUP(buf_done) struct buf again = BUF(1 << 20);
		CLEANUP(entry_done) struct entry e = {0};
		struct lines lines = good;
		struct error err = {0};
		char body[256];

		snprintf(body, sizeof(body), "%sdemands %s\n", good.body, cases[i].words);
		lines.body = body;
		assemble(&lines, &b);
		assert_ok(read_octets(buf_slice(&b), &e, &err), err);

		const struct demands *d = &e.envelope.demands, *want = &cases[i].want;

		assert_int_equal(d->require_tls, want->require_tls);
		assert_int_equal(d->deliver_by_s, want->deliver_by_s);
		assert_int_equal(d->deliver_by_mode, want->deliver_by_mode);
		assert_int_equal(d->has_priority, want->has_priority);
		assert_int_equal(d->priority, want->priority);
		assert_int_equal(d->hold_for_s, want->hold_for_s);
		assert_int_equal(d->since, e.created);
		assert_ok(entry_write_head(&e, &again, &err), err);
		assert_non_null(strstr(buf_text(&again), body));
	}
}

static void strange_demands_are_damage(void **state)
{
	static const char *const cases[] = {"demands\n", "demands \n", "demands requiretls \n",
		"demands requiretlsx\n", "demands by=7200\n", "demands by=0;R\n",
		"demands by=7200;X\n", "demands by=1000000000;R\n", "demands by=-1;N\n",
		"demands priority=10\n", "demands priority=-10\n", "demands priority=\n",
		"demands priority=+1\n", "demands hold=0\n", "demands hold=1h\n",
		"demands hold=5 requiretls\n", "demands requiretls requiretls\n",
		"demands requiretls  hold=5\n", "demands other=1\n",
		"demands hold=5\ndemands hold=5\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf b = BUF(1 << 20);
		CLEANUP(entry_done) struct entry e = {0};
		struct lines lines = good;
		struct error err = {0};
		char body[256];

		snprintf(body, sizeof(body), "%s%s", good.body, cases[i]);
		lines.body = body;
		assemble(&lines, &b);
		if (read_octets(buf_slice(&b), &e, &err))
			fail_msg("read: %s", cases[i]);
		assert_int_equal(err.exit_code, EX_DATAERR);
	}
}

static void refuses_every_cut(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(1 << 20);

	(void)state;
	assemble(&good, &b);
	for (size_t len = 0; len < b.len; len++) {
		struct entry e;
		struct error err = {0};

		if (read_octets((struct slice){b.data, len}, &e, &err))
			fail_msg("cut to %zu octets: was believed", len);
	}
}

/* Q-18 */
static void refuses_nul_and_line_ends_anywhere_in_the_head(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(1 << 20);
	size_t head;

	(void)state;
	assemble(&good, &b);
	head = slice_search(buf_slice(&b), SLICE("\n\n")) + 2;
	for (size_t i = 0; i < head; i++) {
		static const char octets[] = {'\0', '\n', '\r', '\033'};
		size_t status = slice_search(buf_slice(&b), SLICE("status "));
		bool is_text = i >= status + 20 && i < status + ENTRY_STATUS_OCTETS - 1;

		for (size_t k = 0; k < ARRAY_LEN(octets); k++) {
			CLEANUP(entry_done) struct entry e = {0};
			struct error err = {0};
			char kept = b.data[i];

			/* A torn status text is no reason to hold up a message. */
			if (octets[k] == kept || (is_text && octets[k] != '\n'))
				continue;
			b.data[i] = octets[k];
			if (read_octets(buf_slice(&b), &e, &err))
				fail_msg("octet %zu as %d: was believed", i, octets[k]);
			b.data[i] = kept;
		}
	}
}

static void torn_status_text_is_cleaned(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(1 << 20);
	CLEANUP(entry_done) struct entry e = {0};
	struct error err = {0};
	struct lines lines = {.status_text = "new text\xc3 ld \x1b[31m\r \x80 end"};

	(void)state;
	assemble(&lines, &b);
	assert_ok(read_octets(buf_slice(&b), &e, &err), err);
	assert_string_equal(e.status.text, "new text? ld ?[31m  ? end");
}

static void status_line_keeps_its_width(void **state)
{
	static const struct {
		struct entry_status status;
		const char *begin;
	} cases[] = {
		{{0}, "status 00000 -- 000          "},
		{{7, 451, true, true, "later"}, "status 00007 hw 451 later   "},
		{{99999, 999, true, false, ""}, "status 99999 h- 999         "},
		{{4000000000U, -7, false, true, "\r\n x\n"}, "status 99999 -w 000 x     "},
		{{1, 12345, false, false, "a\nb\tc"}, "status 00001 -- 000 a b?c   "},
	};
	struct entry_status longest = {.attempts = 1};
	char line[ENTRY_STATUS_OCTETS];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		entry_format_status(&cases[i].status, line);
		assert_memory_equal(line, cases[i].begin, strlen(cases[i].begin));
		assert_ptr_equal(memchr(line, '\n', sizeof(line)), line + sizeof(line) - 1);
	}
	memset(longest.text, 'x', sizeof(longest.text) - 1);
	entry_format_status(&longest, line);
	assert_ptr_equal(memchr(line, '\n', sizeof(line)), line + sizeof(line) - 1);
	assert_int_equal(line[20 + 198], 'x');
	assert_int_equal(line[20 + 199], ' ');
}

/* An entry to be written, with two recipients. */
static void fill(struct entry *e)
{
	struct recipient *r;

	*e = (struct entry){.account = "", .created = 1767225600, .size = 5, .longest_line = 998};
	e->envelope.sender = "";
	e->status = (struct entry_status){2, 451, true, false, "caf\xc3\xa9"};
	e->needs_smtputf8 = e->head_has_8bit = e->has_nul = true;
	r = envelope_add(&e->envelope, "bob@example.org");
	r->notify = DSN_NEVER;
	r = envelope_add(&e->envelope, "\"a \\\\ \\\"b\"@[IPv6:::1]");
	r->notify = DSN_SUCCESS | DSN_FAILURE | DSN_DELAY;
	r->orcpt = "utf-8;j\xc3\xb6rg@example.org";
	r->state = RECIPIENT_SENT;
}

static void what_is_written_is_read_again(void **state)
{
	CLEANUP(buf_done) struct buf first = BUF(1 << 20);
	CLEANUP(buf_done) struct buf second = BUF(1 << 20);
	CLEANUP(entry_done) struct entry e = {0};
	CLEANUP(entry_done) struct entry again = {0};
	struct error err = {0};

	(void)state;
	fill(&e);
	assert_ok(entry_write_head(&e, &first, &err), err);
	buf_add_text(&first, "12345");
	assert_ok(read_octets(buf_slice(&first), &again, &err), err);
	assert_string_equal(again.account, "");
	assert_string_equal(again.envelope.sender, "");
	assert_null(again.envelope.envid);
	assert_int_equal(again.envelope.ret, DSN_RETURN_UNSET);
	assert_true(again.needs_smtputf8 && again.head_has_8bit && again.has_nul);
	assert_false(again.has_8bit);
	assert_int_equal(again.longest_line, 998);
	assert_string_equal(again.envelope.recipients[1].orcpt, "utf-8;j\xc3\xb6rg@example.org");
	assert_int_equal(again.envelope.recipients[1].state, RECIPIENT_SENT);
	assert_ok(entry_write_head(&again, &second, &err), err);
	buf_add_text(&second, "12345");
	assert_string_equal(buf_text(&first), buf_text(&second));
}

static void clocks_before_1970_are_written_as_zero(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(1 << 20);
	CLEANUP(entry_done) struct entry e = {0};
	struct error err = {0};

	(void)state;
	fill(&e);
	e.created = -86400;
	assert_ok(entry_write_head(&e, &b, &err), err);
	assert_non_null(strstr(buf_text(&b), "\ncreated 0\n"));
}

static void spoil_sender_cr(struct entry *e)
{
	e->envelope.sender = "ann@example.org\rRCPT TO:<x@y>";
}

static void spoil_sender_blank(struct entry *e)
{
	e->envelope.sender = "ann @example.org";
}

static void spoil_account(struct entry *e)
{
	e->account = "work\nfrom x";
}

static void spoil_recipient(struct entry *e)
{
	e->envelope.recipients[1].address = "bob@example.org\nR eve@example.org";
}

static void spoil_recipient_empty(struct entry *e)
{
	e->envelope.recipients[0].address = "";
}

static void spoil_state(struct entry *e)
{
	e->envelope.recipients[0].state = (enum recipient_state)'\n';
}

static void spoil_notify(struct entry *e)
{
	e->envelope.recipients[0].notify = DSN_NEVER | DSN_DELAY;
}

static void spoil_notify_bits(struct entry *e)
{
	e->envelope.recipients[0].notify = 64;
}

static void spoil_orcpt(struct entry *e)
{
	e->envelope.recipients[0].orcpt = "rfc822;a b";
}

static void spoil_envid(struct entry *e)
{
	e->envelope.envid = "";
}

static void spoil_demands_time(struct entry *e)
{
	e->envelope.demands.hold_for_s = -1;
}

static void spoil_demands_mode(struct entry *e)
{
	e->envelope.demands.deliver_by_s = 60;
	e->envelope.demands.deliver_by_mode = '\n';
}

static void spoil_demands_priority(struct entry *e)
{
	e->envelope.demands.has_priority = true;
	e->envelope.demands.priority = 10;
}

static void spoil_count(struct entry *e)
{
	e->envelope.count = 0;
}

static void spoil_length(struct entry *e)
{
	static char longest[ENTRY_LONGEST_WORD + 2];

	memset(longest, 'x', sizeof(longest) - 1);
	e->envelope.recipients[0].address = longest;
}

/* Q-18, Q-19 */
static void writer_refuses_what_the_reader_would(void **state)
{
	static void (*const spoilers[])(struct entry *) = {spoil_sender_cr, spoil_sender_blank,
		spoil_account, spoil_recipient, spoil_recipient_empty, spoil_state, spoil_notify,
		spoil_notify_bits, spoil_orcpt, spoil_envid, spoil_demands_time, spoil_demands_mode,
		spoil_demands_priority, spoil_count, spoil_length};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spoilers); i++) {
		CLEANUP(buf_done) struct buf b = BUF(1 << 20);
		CLEANUP(entry_done) struct entry e = {0};
		struct error err = {0};

		fill(&e);
		spoilers[i](&e);
		if (entry_write_head(&e, &b, &err))
			fail_msg("case %zu was written", i);
		assert_int_equal(err.exit_code, EX_DATAERR);
	}
}

/* Q-19: what the writer lets pass the reader takes. */
static void longest_words_pass_both_ways(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(1 << 20);
	CLEANUP(entry_done) struct entry e = {0};
	CLEANUP(entry_done) struct entry again = {0};
	char word[ENTRY_LONGEST_WORD + 1] = {0};
	struct error err = {0};

	(void)state;
	fill(&e);
	memset(word, 'x', ENTRY_LONGEST_WORD);
	e.account = e.envelope.sender = e.envelope.envid = word;
	e.envelope.ret = DSN_RETURN_FULL;
	for (size_t i = 0; i < e.envelope.count; i++)
		e.envelope.recipients[i].orcpt = word;
	e.envelope.recipients[1].address = word;
	assert_ok(entry_write_head(&e, &b, &err), err);
	buf_add_text(&b, "12345");
	assert_ok(read_octets(buf_slice(&b), &again, &err), err);
	assert_string_equal(again.envelope.recipients[1].address, word);
	assert_string_equal(again.envelope.recipients[1].orcpt, word);
}

static void a_hundred_thousand_recipients_pass_both_ways(void **state)
{
	enum { MANY = 100000 };
	CLEANUP(buf_done) struct buf b = BUF(ENTRY_MOST_HEAD);
	CLEANUP(entry_done) struct entry e = {0};
	CLEANUP(entry_done) struct entry again = {0};
	struct error err = {0};

	(void)state;
	e.size = 2;
	for (unsigned i = 0; i < MANY; i++) {
		char address[64];

		snprintf(address, sizeof(address), "person.number.%u@example.org", i);
		envelope_add(&e.envelope, address)->notify = i % 2 ? DSN_DELAY : 0;
	}
	assert_ok(entry_write_head(&e, &b, &err), err);
	buf_add_text(&b, "\r\n");
	assert_ok(read_octets(buf_slice(&b), &again, &err), err);
	assert_int_equal(again.envelope.count, MANY);
	assert_string_equal(
		again.envelope.recipients[MANY - 1].address, "person.number.99999@example.org");
	for (size_t i = 0; i < MANY; i += 997)
		assert_memory_equal(b.data + again.recipient_offsets[i], "R person.number.", 16);
}

/* Q-19 */
static void a_line_without_end_is_refused_in_bounded_memory(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF(4 << 20);
	struct entry e;
	struct error err = {0};

	(void)state;
	buf_add_text(&b, "pillarbox-queue 1\nsize 0000000012\naccount ");
	for (size_t i = 0; i < 1 << 20; i++)
		buf_add_char(&b, 'x');
	assert_false(read_octets(buf_slice(&b), &e, &err));
	assert_non_null(strstr(err.text, "line 3: the line is too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_line),
		cmocka_unit_test(refuses_what_is_damaged),
		cmocka_unit_test(demands_are_read_as_written),
		cmocka_unit_test(strange_demands_are_damage),
		cmocka_unit_test(refuses_every_cut),
		cmocka_unit_test(refuses_nul_and_line_ends_anywhere_in_the_head),
		cmocka_unit_test(torn_status_text_is_cleaned),
		cmocka_unit_test(status_line_keeps_its_width),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(clocks_before_1970_are_written_as_zero),
		cmocka_unit_test(writer_refuses_what_the_reader_would),
		cmocka_unit_test(longest_words_pass_both_ways),
		cmocka_unit_test(a_hundred_thousand_recipients_pass_both_ways),
		cmocka_unit_test(a_line_without_end_is_refused_in_bounded_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
