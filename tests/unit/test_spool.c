#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "queue/spool.h"

enum { PATH_SPACE = 512 };

/* A directory of the test's own, with the open queue in it. */
struct place {
	char root[64];
	char queue[128];
	struct spool *spool;
};

static int give_place(void **state)
{
	struct place *p = mem_alloc(sizeof(*p));
	struct error err = {0};

	snprintf(p->root, sizeof(p->root), "/tmp/pillarbox-spool.XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->queue, sizeof(p->queue), "%s/state/pillarbox/queue", p->root);
	assert_ok(spool_open(p->queue, true, &p->spool, &err), err);
	*state = p;
	return 0;
}

static void remove_tree(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	char inner[PATH_SPACE];

	while (stream && (entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		if (unlink(inner) < 0)
			remove_tree(inner);
	}
	if (stream)
		closedir(stream);
	rmdir(path);
}

static int take_place(void **state)
{
	struct place *p = *state;

	spool_free(p->spool);
	remove_tree(p->root);
	free(p);
	return 0;
}

/* The path of a name in the queue; valid until the call after the next. */
static const char *path_of(const struct place *p, const char *name)
{
	static char paths[2][PATH_SPACE];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	snprintf(path, PATH_SPACE, "%s/%s", p->queue, name);
	return path;
}

static unsigned mode_of(const char *path)
{
	struct stat st = {0};

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* Number of names in a directory, whatever they are. */
static size_t count_names(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(stream);
	while ((entry = readdir(stream)))
		count += entry->d_name[0] != '.';
	closedir(stream);
	return count;
}

static const struct content small = {
	.head = {"Subject: x\r\n\r\n", 14}, .body = {"hello\r\n", 7}, .fd = -1, .longest_line = 10};

static void fill(struct entry *e)
{
	*e = (struct entry){.account = "work", .created = 1767225600};
	e->envelope.sender = "ann@example.org";
	envelope_add(&e->envelope, "bob@example.org");
	envelope_add(&e->envelope, "eve@example.org");
}

static bool add_content(struct place *p, const struct content *content,
	const struct spool_limits *limits, bool failed, char *id, struct error *err)
{
	CLEANUP(entry_done) struct entry e = {0};

	fill(&e);
	return spool_add(p->spool, &e, content, limits, failed, id, err);
}

/* Adds the small message. */
static void add(struct place *p, bool failed, char *id)
{
	struct error err = {0};

	assert_ok(add_content(p, &small, NULL, failed, id, &err), err);
}

static size_t count_entries(struct place *p, bool failed)
{
	struct spool_name *names = NULL;
	struct error err = {0};
	size_t count = 0;

	assert_ok(spool_list(p->spool, failed, &names, &count, &err), err);
	free(names);
	return count;
}

static void claim(struct place *p, const char *id, bool failed, struct spool_item *item)
{
	struct error err = {0};

	if (spool_claim(p->spool, id, failed, item, &err) != SPOOL_CLAIMED)
		fail_msg("%s", err.text);
}

static void expect_damaged(struct place *p, const char *id, const char *words)
{
	struct spool_item item = {.fd = -1};
	struct error err = {0};

	assert_int_equal(spool_claim(p->spool, id, false, &item, &err), SPOOL_DAMAGED);
	if (!strstr(err.text, words) || !strstr(err.text, id))
		fail_msg("claim: '%s' lacks '%s' or the name", err.text, words);
	assert_int_equal(item.fd, -1);
	assert_int_equal(spool_peek(p->spool, id, false, &item, &err), SPOOL_DAMAGED);
	if (!strstr(err.text, words))
		fail_msg("peek: '%s' lacks '%s'", err.text, words);
	assert_int_equal(item.fd, -1);
}

static void directories_are_made_closed_whatever_the_umask(void **state)
{
	struct place *p = *state;
	char path[PATH_SPACE], id[SPOOL_ID_SPACE];
	static const mode_t masks[] = {0, 0777, 022};

	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		struct place other = {0};
		struct error err = {0};
		mode_t before = umask(masks[i]);

		snprintf(other.queue, sizeof(other.queue), "%s/%zu/b/c", p->root, i);
		bool is_open = spool_open(other.queue, true, &other.spool, &err);

		if (is_open)
			add(&other, true, id);
		if (is_open)
			add(&other, false, id);
		assert_int_equal(umask(before), masks[i]);
		assert_ok(is_open, err);
		snprintf(path, sizeof(path), "%s/%zu", p->root, i);
		assert_int_equal(mode_of(path), 0700);
		assert_int_equal(mode_of(other.queue), 0700);
		assert_int_equal(mode_of(path_of(&other, "failed")), 0700);
		assert_int_equal(mode_of(path_of(&other, id)), 0600);
		spool_free(other.spool);
	}
}

static void a_missing_directory_is_made_only_on_demand(void **state)
{
	struct place *p = *state;
	struct spool *s = NULL;
	struct error err = {0};
	char path[PATH_SPACE];

	snprintf(path, sizeof(path), "%s/none", p->root);
	assert_false(spool_open(path, false, &s, &err));
	assert_int_equal(err.exit_code, EX_NOINPUT);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/none///", p->root);
	assert_ok(spool_open(path, true, &s, &err), err);
	spool_free(s);
	s = NULL;
	assert_false(spool_open("", true, &s, &err));
	assert_null(s);
	spool_free(NULL);
}

static void refuses_places_that_others_can_change(void **state)
{
	struct place *p = *state;
	struct spool *s = NULL;
	char path[PATH_SPACE], file[PATH_SPACE];
	static const char *const links[] = {"link", "link/", "dangling"};
	struct error err = {0};

	assert_int_equal(chmod(p->queue, 0770), 0);
	assert_false(spool_open(p->queue, true, &s, &err));
	assert_int_equal(err.exit_code, EX_NOPERM);
	assert_non_null(strstr(err.text, "0770"));
	assert_non_null(strstr(err.hint, "chmod"));
	assert_int_equal(chmod(p->queue, 0700), 0);

	snprintf(path, sizeof(path), "%s/link", p->root);
	assert_int_equal(symlink(p->queue, path), 0);
	snprintf(path, sizeof(path), "%s/dangling", p->root);
	assert_int_equal(symlink("/nonexistent/pillarbox", path), 0);
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->root, links[i]);
		assert_false(spool_open(path, true, &s, &err));
		assert_non_null(strstr(err.text, "symbolic link"));
	}

	snprintf(file, sizeof(file), "%s/file", p->root);
	assert_true(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
	assert_false(spool_open(file, true, &s, &err));
	assert_int_equal(err.exit_code, EX_CANTCREAT);
	snprintf(path, sizeof(path), "%s/file/below", p->root);
	assert_false(spool_open(path, true, &s, &err));
	assert_int_equal(err.exit_code, EX_CANTCREAT);
	assert_null(s);
}

static void what_is_added_can_be_claimed(void **state)
{
	struct place *p = *state;
	CLEANUP(spool_release) struct spool_item item = {.fd = -1};
	struct content_reader reader;
	struct slice piece;
	struct error err = {0};
	char id[SPOOL_ID_SPACE];
	int64_t before = clock_wall();

	add(p, false, id);
	claim(p, id, false, &item);
	assert_string_equal(item.id, id);
	assert_in_range(item.next, before, clock_wall());
	assert_int_equal(item.entry.status.attempts, 0);
	assert_int_equal(item.entry.envelope.count, 2);
	assert_string_equal(item.entry.account, "work");
	assert_int_equal(content_octets(&item.content), 21);
	assert_int_equal(item.content.longest_line, 10);
	assert_true(fcntl(item.fd, F_GETFD) & FD_CLOEXEC);
	content_start(&reader, &item.content);
	assert_ok(content_next(&reader, &piece, &err), err);
	assert_true(slice_eq(piece, SLICE("Subject: x\r\n\r\nhello\r\n")));
	content_stop(&reader);
}

static void the_first_attempt_may_be_put_off(void **state)
{
	struct place *p = *state;
	CLEANUP(entry_done) struct entry e = {0};
	struct spool_item item = {.fd = -1};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];

	fill(&e);
	e.next = 1999999999;
	e.status = (struct entry_status){1, 451, false, false, "try later"};
	e.envelope.recipients[1].state = RECIPIENT_SENT;
	assert_ok(spool_add(p->spool, &e, &small, NULL, false, id, &err), err);
	claim(p, id, false, &item);
	assert_int_equal(item.next, 1999999999);
	assert_int_equal(item.entry.status.attempts, 1);
	assert_string_equal(item.entry.status.text, "try later");
	assert_int_equal(item.entry.envelope.recipients[1].state, RECIPIENT_SENT);
	spool_release(&item);
	spool_release(&item);
	spool_release(NULL);
}

static void messages_of_every_size_come_back_whole(void **state)
{
	static const size_t sizes[] = {
		0, 1, 4095, 4096, 32768, 65000, 65535, 65536, 65537, 131072, 1000003};
	struct place *p = *state;
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);

	for (size_t i = 0; i < 1000003; i++)
		buf_add_char(&text, (char)('a' + i % 23));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(buf_done) struct buf got = BUF(2 << 20);
		CLEANUP(spool_release) struct spool_item item = {.fd = -1};
		struct content_reader reader;
		struct slice piece = {0};
		struct content content = small;
		struct error err = {0};
		char id[SPOOL_ID_SPACE];

		content.body = slice_upto(buf_slice(&text), sizes[i]);
		assert_ok(add_content(p, &content, NULL, false, id, &err), err);
		claim(p, id, false, &item);
		assert_int_equal(content_octets(&item.content), 14 + sizes[i]);
		content_start(&reader, &item.content);
		do {
			assert_ok(content_next(&reader, &piece, &err), err);
			buf_add(&got, piece);
		} while (piece.len > 0);
		content_stop(&reader);
		assert_true(slice_eq(slice_from(buf_slice(&got), 14), content.body));
	}
}

static void a_content_shorter_than_stated_is_not_stored(void **state)
{
	struct place *p = *state;
	struct content content = {.fd_octets = 1000};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];
	FILE *stream = tmpfile();

	assert_non_null(stream);
	content.fd = fileno(stream);
	assert_true(file_write(content.fd, SLICE("short\r\n"), "test", &err));
	assert_false(add_content(p, &content, NULL, false, id, &err));
	fclose(stream);
	assert_int_equal(err.exit_code, EX_IOERR);
	assert_int_equal(count_names(p->queue), 0);
}

static void names_sort_by_arrival(void **state)
{
	enum { MANY = 200 };
	struct place *p = *state;
	CLEANUP(mem_free) struct spool_name *names = NULL;
	char ids[MANY][SPOOL_ID_SPACE];
	struct error err = {0};
	size_t count = 0;

	for (size_t i = 0; i < MANY; i++) {
		struct place again = *p;

		/* Each by a queue opened anew, as successive programs do. */
		assert_ok(spool_open(p->queue, false, &again.spool, &err), err);
		add(&again, false, ids[i]);
		spool_free(again.spool);
	}
	assert_ok(spool_list(p->spool, false, &names, &count, &err), err);
	assert_int_equal(count, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_string_equal(names[i].id, ids[i]);
}

static void foreign_names_are_not_entries(void **state)
{
	static const char *const names[] = {".hidden", "tmp.00000000-0123456789abcdef", "core",
		"00000000-0123456789abcde", "00000000-0123456789abcdef~",
		"00000000-0123456789ABCDEF", "0000000-0123456789abcdef",
		".nfs0000000000000000000001", "\xff\xfe", "00000000-0123456789abcdef.bak",
		"00000000_0123456789abcdef", "#00000000-0123456789abcdef#"};
	struct place *p = *state;
	struct spool_item item;
	struct error err = {0};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(
			close(open(path_of(p, names[i]), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
		assert_int_equal(spool_claim(p->spool, names[i], false, &item, &err), SPOOL_GONE);
	}
	assert_int_equal(spool_claim(p->spool, "../queue", false, &item, &err), SPOOL_GONE);
	assert_int_equal(spool_claim(p->spool, "", false, &item, &err), SPOOL_GONE);
	assert_int_equal(count_entries(p, false), 0);
}

static void foreign_files_are_damaged_and_never_block(void **state)
{
	static const char good[] = "12345678-0123456789abcdef";
	struct place *p = *state;
	char id[SPOOL_ID_SPACE];

	assert_int_equal(mkfifo(path_of(p, good), 0600), 0);
	expect_damaged(p, good, "regular file");
	assert_int_equal(count_entries(p, false), 1);
	unlink(path_of(p, good));

	assert_int_equal(mkdir(path_of(p, good), 0700), 0);
	expect_damaged(p, good, "regular file");
	rmdir(path_of(p, good));

	add(p, false, id);
	assert_int_equal(symlink(id, path_of(p, good)), 0);
	expect_damaged(p, good, "symbolic link");
	unlink(path_of(p, good));

	assert_int_equal(link(path_of(p, id), path_of(p, good)), 0);
	expect_damaged(p, id, "second name");
	expect_damaged(p, good, "second name");
	unlink(path_of(p, good));

	assert_int_equal(chmod(path_of(p, id), 0666), 0);
	expect_damaged(p, id, "written by others");
	assert_int_equal(chmod(path_of(p, id), 0620), 0);
	expect_damaged(p, id, "written by others");
	assert_int_equal(chmod(path_of(p, id), 0000), 0);
	expect_damaged(p, id, "out of use");
	assert_int_equal(chmod(path_of(p, id), 0600), 0);

	assert_int_equal(truncate(path_of(p, id), 100), 0);
	expect_damaged(p, id, "cut short");
	assert_int_equal(truncate(path_of(p, id), 0), 0);
	expect_damaged(p, id, "cut short");
}

static void files_of_others_are_damaged(void **state)
{
	struct place *p = *state;
	char id[SPOOL_ID_SPACE];

	/* Only root can give a file away. */
	if (geteuid() != 0)
		skip();
	add(p, false, id);
	assert_int_equal(chown(path_of(p, id), 12345, 12345), 0);
	expect_damaged(p, id, "somebody else");
	assert_int_equal(chown(p->queue, 12345, 12345), 0);

	struct spool *s = NULL;
	struct error err = {0};

	assert_false(spool_open(p->queue, true, &s, &err));
	assert_int_equal(err.exit_code, EX_NOPERM);
	assert_non_null(strstr(err.text, "12345"));
}

static void an_entry_is_claimed_once(void **state)
{
	struct place *p = *state;
	struct spool_item first = {.fd = -1}, second = {.fd = -1};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];

	add(p, false, id);
	claim(p, id, false, &first);
	assert_int_equal(spool_claim(p->spool, id, false, &second, &err), SPOOL_BUSY);
	assert_int_equal(second.fd, -1);
	assert_int_equal(spool_peek(p->spool, id, false, &second, &err), SPOOL_BUSY);
	assert_string_equal(second.id, id);
	assert_int_equal(second.entry.envelope.count, 2);
	spool_release(&second);
	spool_release(&first);
	assert_int_equal(spool_peek(p->spool, id, false, &second, &err), SPOOL_CLAIMED);
	claim(p, id, false, &first);
	spool_release(&second);
	spool_release(&first);
}

static void a_removed_entry_is_gone(void **state)
{
	struct place *p = *state;
	struct spool_item item = {.fd = -1};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];

	add(p, false, id);
	claim(p, id, false, &item);
	assert_ok(spool_remove(p->spool, &item, &err), err);
	assert_ok(spool_remove(p->spool, &item, &err), err);
	spool_release(&item);
	assert_int_equal(spool_claim(p->spool, id, false, &item, &err), SPOOL_GONE);
	assert_int_equal(spool_peek(p->spool, id, false, &item, &err), SPOOL_GONE);
	assert_int_equal(spool_peek(p->spool, id, true, &item, &err), SPOOL_GONE);
	assert_int_equal(count_names(p->queue), 0);
}

static void states_and_status_last(void **state)
{
	struct place *p = *state;
	struct spool_item item = {.fd = -1};
	struct error err = {0};
	struct stat before, after;
	char id[SPOOL_ID_SPACE];

	add(p, false, id);
	assert_int_equal(stat(path_of(p, id), &before), 0);
	claim(p, id, false, &item);
	item.entry.envelope.recipients[0].state = RECIPIENT_DELIVERED;
	item.entry.envelope.recipients[1].state = RECIPIENT_SENT;
	assert_ok(spool_write_states(&item, true, &err), err);
	item.entry.envelope.recipients[1].state = RECIPIENT_PENDING;
	assert_ok(spool_write_states(&item, false, &err), err);
	item.entry.status = (struct entry_status){4, 451, true, true, "4.3.0 full"};
	assert_ok(spool_write_status(&item, 1888888888, &err), err);
	assert_int_equal(item.next, 1888888888);
	spool_release(&item);

	claim(p, id, false, &item);
	assert_int_equal(item.next, 1888888888);
	assert_int_equal(item.entry.envelope.recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(item.entry.envelope.recipients[1].state, RECIPIENT_PENDING);
	assert_int_equal(item.entry.status.attempts, 4);
	assert_int_equal(item.entry.status.code, 451);
	assert_true(item.entry.status.is_held && item.entry.status.was_warned);
	assert_string_equal(item.entry.status.text, "4.3.0 full");
	spool_release(&item);
	assert_int_equal(stat(path_of(p, id), &after), 0);
	assert_int_equal(before.st_size, after.st_size);
}

static void moves_to_failed_and_back(void **state)
{
	struct place *p = *state;
	struct spool_item item = {.fd = -1}, other = {.fd = -1};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];

	add(p, false, id);
	claim(p, id, false, &item);
	assert_ok(spool_write_status(&item, 1999999999, &err), err);
	assert_ok(spool_move(p->spool, &item, true, &err), err);
	assert_ok(spool_move(p->spool, &item, true, &err), err);
	assert_true(item.in_failed);
	assert_int_equal(count_entries(p, false), 0);
	assert_int_equal(count_entries(p, true), 1);
	assert_int_equal(spool_claim(p->spool, id, true, &other, &err), SPOOL_BUSY);
	spool_release(&item);

	claim(p, id, true, &item);
	assert_in_range(item.next, clock_wall() - 60, clock_wall());
	assert_ok(spool_move(p->spool, &item, false, &err), err);
	assert_false(item.in_failed);
	spool_release(&item);
	assert_int_equal(count_entries(p, false), 1);
	assert_int_equal(count_entries(p, true), 0);
}

static void a_move_overwrites_nothing(void **state)
{
	struct place *p = *state;
	CLEANUP(spool_release) struct spool_item item = {.fd = -1};
	struct error err = {0};
	char id[SPOOL_ID_SPACE], copy[PATH_SPACE];

	add(p, true, id);
	assert_int_equal(count_entries(p, false), 0);
	snprintf(copy, sizeof(copy), "%s/%s", p->queue, id);
	assert_int_equal(close(open(copy, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	claim(p, id, true, &item);
	assert_false(spool_move(p->spool, &item, false, &err));
	assert_true(item.in_failed);
	assert_int_equal(count_entries(p, true), 1);
}

static void a_buried_entry_is_not_sent_again(void **state)
{
	struct place *p = *state;
	struct spool_item item = {.fd = -1};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];

	add(p, false, id);
	claim(p, id, false, &item);
	assert_ok(spool_bury(p->spool, &item, &err), err);
	spool_release(&item);
	assert_int_equal(spool_claim(p->spool, id, false, &item, &err), SPOOL_GONE);
}

static void a_full_queue_refuses_and_leaves_nothing(void **state)
{
	struct place *p = *state;
	struct spool_limits limits = {.max_octets = 2000};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];
	size_t stored = 0;

	while (stored < 100 && add_content(p, &small, &limits, false, id, &err))
		stored++;
	assert_in_range(stored, 2, 5);
	assert_int_equal(err.exit_code, EX_TEMPFAIL);
	assert_non_null(strstr(err.text, "full"));
	assert_int_equal(count_names(p->queue), stored);
	assert_ok(add_content(p, &small, &limits, true, id, &err), err);
	limits.max_octets = 10;
	assert_false(add_content(p, &small, &limits, true, id, &err));
	limits.max_octets = 0;
	assert_ok(add_content(p, &small, &limits, false, id, &err), err);
}

/* In a long queue only some additions look at the limit, but the first that
 * finds it passed closes the queue for all. */
static void a_long_queue_is_full_too(void **state)
{
	enum { NAMES = 4000, TRIALS = 5000 };
	struct place *p = *state;
	struct spool_limits limits = {.max_octets = 2000};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];
	int trials = 0;

	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(id, sizeof(id), "%08x-0123456789abcdef", i);
		assert_int_equal(
			close(open(path_of(p, id), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	}
	while (trials < TRIALS && add_content(p, &small, &limits, false, id, &err))
		trials++;
	assert_in_range(trials, 3, TRIALS - 1);
	for (int i = 0; i < 50; i++)
		assert_false(add_content(p, &small, &limits, false, id, &err));
	assert_int_equal(count_entries(p, false), NAMES + trials);
	limits.max_octets = 1 << 30;
	for (int i = 0; i < 50; i++)
		assert_ok(add_content(p, &small, &limits, false, id, &err), err);
	assert_int_equal(count_names(p->queue), NAMES + trials + 50);
}

static void a_write_that_fails_leaves_nothing(void **state)
{
	struct place *p = *state;
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	struct rlimit before, low;
	struct content content = small;
	struct error err = {0};
	char id[SPOOL_ID_SPACE] = "unset";
	bool is_added;

	for (size_t i = 0; i < 300000; i++)
		buf_add_char(&text, 'x');
	content.body = buf_slice(&text);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (rlim_t limit = 0; limit <= 200000; limit += 100000) {
		low = (struct rlimit){.rlim_cur = limit, .rlim_max = before.rlim_max};
		setrlimit(RLIMIT_FSIZE, &low);
		is_added = add_content(p, &content, NULL, false, id, &err);
		setrlimit(RLIMIT_FSIZE, &before);
		assert_false(is_added);
		assert_int_equal(err.exit_code, EX_TEMPFAIL);
		assert_non_null(strstr(err.text, p->queue));
		assert_int_equal(count_names(p->queue), 0);
		assert_string_equal(id, "unset");
	}
	signal(SIGXFSZ, SIG_DFL);
}

static void entries_that_cannot_be_read_are_not_added(void **state)
{
	struct place *p = *state;
	CLEANUP(entry_done) struct entry e = {0};
	struct error err = {0};
	char id[SPOOL_ID_SPACE];

	fill(&e);
	e.envelope.sender = "ann@example.org\nR eve@example.org";
	assert_false(spool_add(p->spool, &e, &small, NULL, false, id, &err));
	assert_int_equal(err.exit_code, EX_DATAERR);
	assert_int_equal(count_names(p->queue), 0);
}

static void finds_by_prefix(void **state)
{
	struct place *p = *state;
	struct spool_name found;
	struct error err = {0};
	char ids[2][SPOOL_ID_SPACE], part[SPOOL_ID_SPACE];

	add(p, false, ids[0]);
	add(p, true, ids[1]);
	for (size_t i = 0; i < 2; i++) {
		assert_ok(spool_find(p->spool, ids[i], &found, &err), err);
		assert_string_equal(found.id, ids[i]);
		assert_int_equal(found.in_failed, i == 1);
		snprintf(part, sizeof(part), "%.20s", ids[i]);
		for (char *c = part; *c; c++)
			*c = ascii_upper(*c);
		assert_ok(spool_find(p->spool, part, &found, &err), err);
		assert_string_equal(found.id, ids[i]);
	}
	snprintf(part, sizeof(part), "%.4s", ids[0]);
	assert_false(spool_find(p->spool, part, &found, &err));
	assert_int_equal(err.exit_code, EX_USAGE);
	assert_false(spool_find(p->spool, "ffff\x1b[31m", &found, &err));
	assert_int_equal(err.exit_code, EX_NOINPUT);
	assert_null(strchr(err.text, '\x1b'));
	assert_false(spool_find(p->spool, "", &found, &err));
	assert_false(
		spool_find(p->spool, "0123456789012345678901234567890123456789", &found, &err));
}

/* Makes a file of the queue and gives it a time. */
static void touch(struct place *p, const char *name, int64_t when)
{
	struct timespec times[2] = {{.tv_sec = (time_t)when}, {.tv_sec = (time_t)when}};
	int fd = open(path_of(p, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static bool exists(struct place *p, const char *name)
{
	return access(path_of(p, name), F_OK) == 0;
}

static void cleaning_takes_stale_temporaries_only(void **state)
{
	struct place *p = *state;
	int64_t now = clock_wall();
	char id[SPOOL_ID_SPACE];
	int held;

	add(p, false, id);
	touch(p, id, now - 1000000);
	touch(p, "tmp.old", now - 3601);
	touch(p, "tmp.young", now - 3500);
	touch(p, "tmp.future", now + 4000);
	touch(p, "tmp.held", now - 1000000);
	touch(p, "notes", now - 1000000);
	touch(p, "tmp.closed", now - 1000000);
	assert_int_equal(chmod(path_of(p, "tmp.closed"), 0), 0);
	held = open(path_of(p, "tmp.held"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);
	assert_int_equal(mkdir(path_of(p, "tmp.directory"), 0700), 0);
	spool_clean(p->spool, now, 0);
	close(held);
	assert_false(exists(p, "tmp.old"));
	assert_false(exists(p, "tmp.future"));
	assert_false(exists(p, "tmp.closed"));
	assert_true(exists(p, "tmp.young"));
	assert_true(exists(p, "tmp.held"));
	assert_true(exists(p, "tmp.directory"));
	assert_true(exists(p, "notes"));
	assert_true(exists(p, id));
}

static void cleaning_takes_old_failed_copies_only(void **state)
{
	enum { DAY = 86400, COUNT = 4 }; /* old, young, busy, damaged */
	static const int64_t ages[COUNT] = {31 * DAY, 29 * DAY, 31 * DAY, 31 * DAY};
	struct place *p = *state;
	CLEANUP(spool_release) struct spool_item busy = {.fd = -1};
	int64_t now = clock_wall();
	char ids[COUNT][SPOOL_ID_SPACE], names[COUNT][SPOOL_ID_SPACE + 8];

	for (size_t i = 0; i < COUNT; i++) {
		add(p, true, ids[i]);
		snprintf(names[i], sizeof(names[i]), "failed/%.39s", ids[i]);
	}
	assert_int_equal(truncate(path_of(p, names[3]), 50), 0);
	for (size_t i = 0; i < COUNT; i++)
		touch(p, names[i], now - ages[i]);
	claim(p, ids[2], true, &busy);
	spool_clean(p->spool, now, -1);
	spool_clean(p->spool, now + 50LL * 365 * DAY, 30 * DAY);
	assert_int_equal(count_entries(p, true), COUNT);
	spool_clean(p->spool, now, 30 * DAY);
	assert_false(exists(p, names[0]));
	assert_true(exists(p, names[1]));
	assert_true(exists(p, names[2]));
	assert_true(exists(p, names[3]));
}

static void many_processes_share_the_work(void **state)
{
	enum { MESSAGES = 60, WORKERS = 4 };
	struct place *p = *state;
	int taken[2];
	char mark, id[SPOOL_ID_SPACE];
	size_t total = 0;

	assert_int_equal(pipe(taken), 0);
	for (int i = 0; i < MESSAGES; i++)
		add(p, false, id);
	for (int w = 0; w < WORKERS; w++) {
		if (fork() != 0)
			continue;

		struct spool *s = NULL;
		struct spool_name *names = NULL;
		size_t count = 0;
		struct error err;

		if (!spool_open(p->queue, false, &s, &err) ||
			!spool_list(s, false, &names, &count, &err))
			_exit(1);
		for (size_t i = 0; i < count; i++) {
			struct spool_item item;

			if (spool_claim(s, names[i].id, false, &item, &err) != SPOOL_CLAIMED)
				continue;
			if (write(taken[1], "x", 1) != 1 || !spool_remove(s, &item, &err))
				_exit(1);
			spool_release(&item);
		}
		_exit(0);
	}
	close(taken[1]);
	while (read(taken[0], &mark, 1) == 1)
		total++;
	close(taken[0]);
	for (int w = 0; w < WORKERS; w++) {
		int status = 0;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(total, MESSAGES);
	assert_int_equal(count_names(p->queue), 0);
}

#define SPOOL_TEST(name) cmocka_unit_test_setup_teardown(name, give_place, take_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(directories_are_made_closed_whatever_the_umask),
		SPOOL_TEST(a_missing_directory_is_made_only_on_demand),
		SPOOL_TEST(refuses_places_that_others_can_change),
		SPOOL_TEST(what_is_added_can_be_claimed),
		SPOOL_TEST(the_first_attempt_may_be_put_off),
		SPOOL_TEST(messages_of_every_size_come_back_whole),
		SPOOL_TEST(a_content_shorter_than_stated_is_not_stored),
		SPOOL_TEST(names_sort_by_arrival),
		SPOOL_TEST(foreign_names_are_not_entries),
		SPOOL_TEST(foreign_files_are_damaged_and_never_block),
		SPOOL_TEST(files_of_others_are_damaged),
		SPOOL_TEST(an_entry_is_claimed_once),
		SPOOL_TEST(a_removed_entry_is_gone),
		SPOOL_TEST(states_and_status_last),
		SPOOL_TEST(moves_to_failed_and_back),
		SPOOL_TEST(a_move_overwrites_nothing),
		SPOOL_TEST(a_buried_entry_is_not_sent_again),
		SPOOL_TEST(a_full_queue_refuses_and_leaves_nothing),
		SPOOL_TEST(a_long_queue_is_full_too),
		SPOOL_TEST(a_write_that_fails_leaves_nothing),
		SPOOL_TEST(entries_that_cannot_be_read_are_not_added),
		SPOOL_TEST(finds_by_prefix),
		SPOOL_TEST(cleaning_takes_stale_temporaries_only),
		SPOOL_TEST(cleaning_takes_old_failed_copies_only),
		SPOOL_TEST(many_processes_share_the_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
