#include "test.h"

#include <time.h>

#include "config_files.h"
#include "submit/outbox.h"
#include "submit/settle.h"

#define MESSAGE "From: ann@x.test\r\nSubject: hello\r\n\r\nthe body\r\n"

/* A queue of its own with one entry that is claimed, as in a run. */
struct stage {
	struct config config;
	struct outbox outbox;
	struct envelope envelope;
	struct spool_item item;
	char id[SPOOL_ID_SPACE];
};

static void stage_init(struct stage *t, const char *more)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	char text[4096];
	struct config_places places;

	*t = (struct stage){.envelope = {.sender = "ann@x.test"}, .item = {.fd = -1}};
	snprintf(text, sizeof(text),
		"[account work]\nhost = smtp.x.test\nfrom = ann@x.test\n[queue]\ndirectory = "
		"%s/q\n%s",
		test_dir, more);
	places = (struct config_places){.only = put("config", text, 0600)};
	if (!config_read(&places, write_fault_line, &faults, &t->config))
		fail_msg("%s", buf_text(&faults));
	outbox_init(&t->outbox, &t->config);
}

static void stage_done(struct stage *t)
{
	spool_release(&t->item);
	envelope_done(&t->envelope);
	outbox_done(&t->outbox);
	config_done(&t->config);
}

/* Stores the message for two recipients and claims it. */
static void store(struct stage *t)
{
	struct content content = {.body = SLICE(MESSAGE), .fd = -1};
	struct outbox_note note = {0};
	struct error err = {0};

	envelope_add(&t->envelope, "bob@y.test");
	envelope_add(&t->envelope, "carl@y.test");
	assert_ok(outbox_add(&t->outbox, "work", &t->envelope, &content, false, &note, t->id, &err),
		err);
	assert_int_equal(spool_claim(t->outbox.spool, t->id, false, &t->item, &err), SPOOL_CLAIMED);
}

static void set(struct stage *t, size_t i, enum recipient_state state, int code, const char *words)
{
	struct envelope *e = &t->item.entry.envelope;

	e->recipients[i].state = state;
	envelope_note(e, &e->recipients[i], code, code >= 500 ? "5.1.1" : "4.2.0", words);
}

/* Lets the entry be as old as that, with so many attempts behind it. */
static void age(struct stage *t, int64_t seconds, unsigned attempts)
{
	t->item.entry.created -= seconds;
	t->item.entry.status.attempts = attempts;
}

static enum settled settle(struct stage *t, const struct error *why, int64_t not_before)
{
	struct attempt attempt = {.err = why, .remote = "smtp.x.test", .not_before = not_before};

	return settle_entry(&t->outbox, &t->item, &attempt);
}

static size_t count_entries(struct stage *t, bool failed)
{
	struct spool_name *names = NULL;
	size_t count = 0;
	struct error err = {0};

	assert_ok(spool_list(t->outbox.spool, failed, &names, &count, &err), err);
	free(names);
	return count;
}

/* The one entry beside the settled one: a notice. Says what it is about. */
static void expect_notice(struct stage *t, const char *part)
{
	struct spool_name *names = NULL;
	size_t count = 0;
	size_t notices = 0;
	struct error err = {0};

	assert_ok(spool_list(t->outbox.spool, false, &names, &count, &err), err);
	for (size_t i = 0; i < count; i++) {
		struct spool_item item;
		char text[16384] = "";

		if (strcmp(names[i].id, t->id) == 0)
			continue;
		assert_int_equal(spool_claim(t->outbox.spool, names[i].id, false, &item, &err),
			SPOOL_CLAIMED);
		assert_string_equal(item.entry.envelope.sender, "");
		assert_int_equal(item.entry.envelope.count, 1);
		assert_string_equal(item.entry.envelope.recipients[0].address, "ann@x.test");
		assert_string_equal(item.entry.account, "work");
		assert_true(pread(item.fd, text, sizeof(text) - 1, 0) > 0);
		if (!strstr(text, part))
			fail_msg("'%s' is not in the notice", part);
		notices++;
		spool_release(&item);
	}
	free(names);
	assert_int_equal(notices, 1);
}

static void expect_states(struct stage *t, bool failed, const char *want)
{
	struct spool_item item;
	struct error err = {0};
	char got[8] = "";

	spool_release(&t->item);
	t->item = (struct spool_item){.fd = -1};
	assert_int_equal(spool_claim(t->outbox.spool, t->id, failed, &item, &err), SPOOL_CLAIMED);
	for (size_t i = 0; i < item.entry.envelope.count && i < sizeof(got) - 1; i++)
		got[i] = (char)item.entry.envelope.recipients[i].state;
	spool_release(&item);
	assert_string_equal(got, want);
}

static void delivered_to_all_leaves_nothing(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;

	stage_init(&t, "");
	store(&t);
	set(&t, 0, RECIPIENT_DELIVERED, 250, "ok");
	set(&t, 1, RECIPIENT_DELIVERED, 250, "ok");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_DELIVERED);
	assert_int_equal(count_entries(&t, false) + count_entries(&t, true), 0);
}

static void what_is_open_waits_with_its_words(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;
	int64_t before = time(NULL);

	stage_init(&t, "retry_min = 2m\n");
	store(&t);
	set(&t, 0, RECIPIENT_DELIVERED, 250, "ok");
	set(&t, 1, RECIPIENT_PENDING, 450, "greylisted");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_DEFERRED);
	expect_states(&t, false, "DR");
	struct spool_name name;
	struct spool_item item;
	struct error err = {0};

	assert_ok(spool_find(t.outbox.spool, t.id, &name, &err), err);
	assert_true(name.next >= before + 60 && name.next <= time(NULL) + 300);
	assert_int_equal(spool_claim(t.outbox.spool, t.id, false, &item, &err), SPOOL_CLAIMED);
	assert_int_equal(item.entry.status.attempts, 1);
	assert_non_null(strstr(item.entry.status.text, "greylisted"));
	spool_release(&item);
	assert_int_equal(count_entries(&t, false), 1);
}

static void a_fault_for_now_keeps_all(void **state UNUSED)
{
	static const enum fate fates[] = {FATE_LATER, FATE_UNCERTAIN};

	for (size_t i = 0; i < ARRAY_LEN(fates); i++) {
		CLEANUP(stage_done) struct stage t;
		struct error why = {0};

		stage_init(&t, "");
		store(&t);
		error_set(&why, EX_TEMPFAIL, "the server is down");
		error_fate(&why, fates[i]);
		assert_int_equal(settle(&t, &why, 0), SETTLED_DEFERRED);
		expect_states(&t, false, "RR");
		assert_int_equal(count_entries(&t, true), 0);
	}
}

static void a_refused_message_is_kept_and_told(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;
	struct error why = {0};

	stage_init(&t, "");
	store(&t);
	error_set(&why, EX_DATAERR, "smtp.x.test refused the message: 554 5.6.0 spam");
	error_reply(&why, 554, "5.6.0");
	assert_int_equal(settle(&t, &why, 0), SETTLED_FAILED);
	expect_notice(&t, "Status: 5.6.0");
	expect_states(&t, true, "FF");
	assert_int_equal(count_entries(&t, false), 1);
}

/* An account that refuses the login says nothing about the message. */
static void an_account_that_is_down_for_good_keeps_its_mail(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;
	struct error why = {0};
	int64_t until = time(NULL) + 7200;
	struct spool_name name;
	struct error err = {0};

	stage_init(&t, "");
	store(&t);
	error_set(&why, EX_NOPERM, "the login was refused");
	error_reply(&why, 535, "5.7.8");
	assert_int_equal(settle(&t, &why, until), SETTLED_DEFERRED);
	assert_ok(spool_find(t.outbox.spool, t.id, &name, &err), err);
	assert_true(name.next >= until);
	expect_states(&t, false, "RR");
}

static void a_partial_refusal_is_told_and_forgotten(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;

	stage_init(&t, "");
	store(&t);
	set(&t, 0, RECIPIENT_DELIVERED, 250, "ok");
	set(&t, 1, RECIPIENT_FAILED, 550, "no such user");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_FAILED);
	expect_notice(&t, "rfc822; carl@y.test");
	assert_int_equal(count_entries(&t, true), 0);
	assert_int_equal(count_entries(&t, false), 1);
}

static void a_null_sender_is_never_told(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;

	stage_init(&t, "");
	t.envelope.sender = "";
	store(&t);
	set(&t, 0, RECIPIENT_DELIVERED, 250, "ok");
	set(&t, 1, RECIPIENT_FAILED, 550, "no such user");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_FAILED);
	assert_int_equal(count_entries(&t, false), 0);
	expect_states(&t, true, "DF");
}

static void failures_are_told_once(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;

	stage_init(&t, "");
	store(&t);
	set(&t, 0, RECIPIENT_FAILED, 550, "no such user");
	set(&t, 1, RECIPIENT_PENDING, 450, "later");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_DEFERRED);
	expect_notice(&t, "rfc822; bob@y.test");
	/* The next run reads F from the file. */
	struct error err = {0};

	spool_release(&t.item);
	assert_int_equal(spool_claim(t.outbox.spool, t.id, false, &t.item, &err), SPOOL_CLAIMED);
	set(&t, 1, RECIPIENT_PENDING, 450, "later");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_DEFERRED);
	expect_notice(&t, "rfc822; bob@y.test");
}

static void a_notice_that_cannot_be_stored_is_made_up_for(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;
	struct error err = {0};

	stage_init(&t, "");
	store(&t);
	t.config.queue.max_size = 1;
	set(&t, 0, RECIPIENT_FAILED, 550, "no such user");
	set(&t, 1, RECIPIENT_PENDING, 450, "later");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_DEFERRED);
	assert_int_equal(count_entries(&t, false), 1);
	expect_states(&t, false, "RR");
	t.config.queue.max_size = 0;
	assert_int_equal(spool_claim(t.outbox.spool, t.id, false, &t.item, &err), SPOOL_CLAIMED);
	set(&t, 0, RECIPIENT_FAILED, 550, "no such user");
	set(&t, 1, RECIPIENT_DELIVERED, 250, "ok");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_FAILED);
	expect_notice(&t, "rfc822; bob@y.test");
}

static void a_failure_without_notice_stays_for_the_person(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;

	stage_init(&t, "");
	store(&t);
	t.config.queue.max_size = 1;
	set(&t, 0, RECIPIENT_FAILED, 550, "no such user");
	set(&t, 1, RECIPIENT_DELIVERED, 250, "ok");
	assert_int_equal(settle(&t, NULL, 0), SETTLED_FAILED);
	expect_states(&t, true, "FD");
}

/* Between the server's answer and the notice the process may die. */
static void a_failure_nobody_was_told_of_is_not_recorded(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;
	struct error err = {0};

	stage_init(&t, "");
	store(&t);
	set(&t, 0, RECIPIENT_FAILED, 550, "no such user");
	set(&t, 1, RECIPIENT_DELIVERED, 250, "ok");
	assert_ok(spool_write_states(&t.item, true, &err), err);
	expect_states(&t, false, "RD");
}

static void expiry_needs_age_and_attempts(void **state UNUSED)
{
	static const struct {
		int64_t seconds;
		unsigned attempts;
		bool is_over;
	} cases[] = {
		{6 * 86400, 20, true},
		{6 * 86400, 2, false},
		{4 * 86400, 200, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(stage_done) struct stage t;
		struct error why = {0};

		stage_init(&t, "");
		store(&t);
		age(&t, cases[i].seconds, cases[i].attempts);
		t.item.entry.status.was_warned = true;
		error_set(&why, EX_TEMPFAIL, "the server is down");
		assert_int_equal(
			settle(&t, &why, 0), cases[i].is_over ? SETTLED_FAILED : SETTLED_DEFERRED);
		if (cases[i].is_over) {
			expect_notice(&t, "the server is down");
			expect_states(&t, true, "FF");
		} else {
			expect_states(&t, false, "RR");
		}
		/* The next case has its own queue. */
		assert_int_equal(remove_dir(NULL), 0);
		assert_int_equal(make_dir(NULL), 0);
	}
}

static void a_delay_is_told_once(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;
	struct error why = {0};
	struct error err = {0};

	stage_init(&t, "warn = 4h\n");
	store(&t);
	error_set(&why, EX_TEMPFAIL, "the server is down");
	assert_int_equal(settle(&t, &why, 0), SETTLED_DEFERRED);
	assert_int_equal(count_entries(&t, false), 1);
	age(&t, 5 * 3600, 3);
	assert_int_equal(settle(&t, &why, 0), SETTLED_DEFERRED);
	expect_notice(&t, "Action: delayed");
	spool_release(&t.item);
	assert_int_equal(spool_claim(t.outbox.spool, t.id, false, &t.item, &err), SPOOL_CLAIMED);
	assert_true(t.item.entry.status.was_warned);
	age(&t, 5 * 3600, 4);
	assert_int_equal(settle(&t, &why, 0), SETTLED_DEFERRED);
	expect_notice(&t, "Action: delayed");
}

static void the_command_for_failures_gets_the_facts(void **state UNUSED)
{
	CLEANUP(stage_done) struct stage t;
	struct error why = {0};
	char more[1024];
	char path[600];
	char text[2048] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/facts", test_dir);
	snprintf(more, sizeof(more),
		"[notify]\non_failure = sh -c 'env | grep ^PILLARBOX_ | sort >%s'\n", path);
	stage_init(&t, more);
	store(&t);
	error_set(&why, EX_DATAERR, "refused: no; such $(thing)");
	assert_int_equal(settle(&t, &why, 0), SETTLED_FAILED);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_non_null(strstr(text, "PILLARBOX_EVENT=failure\n"));
	assert_non_null(strstr(text, "PILLARBOX_SENDER=ann@x.test\n"));
	assert_non_null(strstr(text, "PILLARBOX_RECIPIENTS=bob@y.test carl@y.test\n"));
	assert_non_null(strstr(text, "PILLARBOX_REASON=refused: no; such $(thing)\n"));
	assert_non_null(strstr(text, t.id));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delivered_to_all_leaves_nothing),
		TEST(what_is_open_waits_with_its_words),
		TEST(a_fault_for_now_keeps_all),
		TEST(a_refused_message_is_kept_and_told),
		TEST(an_account_that_is_down_for_good_keeps_its_mail),
		TEST(a_partial_refusal_is_told_and_forgotten),
		TEST(a_null_sender_is_never_told),
		TEST(failures_are_told_once),
		TEST(a_notice_that_cannot_be_stored_is_made_up_for),
		TEST(a_failure_without_notice_stays_for_the_person),
		TEST(a_failure_nobody_was_told_of_is_not_recorded),
		TEST(expiry_needs_age_and_attempts),
		TEST(a_delay_is_told_once),
		TEST(the_command_for_failures_gets_the_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
