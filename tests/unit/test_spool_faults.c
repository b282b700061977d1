#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/spool.h"

enum { PATH_SPACE = 256 };

/* What the calls below do in place of the real ones, or before them. */
static struct {
	int sync_directory; /* the error, or 0 */
	int sync_file;
	int rename_error;
	bool is_renamed; /* in spite of the error */
	void (*before_lock)(void);
} fault;

static struct {
	char root[PATH_SPACE], queue[PATH_SPACE], entry[PATH_SPACE], other[PATH_SPACE];
	char id[SPOOL_ID_SPACE];
	struct spool *spool;
} place;

static int refuse(int cause)
{
	errno = cause;
	return -1;
}

int fsync(int fd)
{
	struct stat st;
	bool is_directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	int cause = is_directory ? fault.sync_directory : fault.sync_file;

	return cause != 0 ? refuse(cause) : (int)syscall(SYS_fsync, fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int result = 0;

	if (fault.rename_error == 0 || fault.is_renamed)
		result = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
	return fault.rename_error != 0 ? refuse(fault.rename_error) : result;
}

int flock(int fd, int operation)
{
	if (fault.before_lock)
		fault.before_lock();
	fault.before_lock = NULL;
	return (int)syscall(SYS_flock, fd, operation);
}

static bool add(struct error *err)
{
	static const struct content small = {.head = {"Subject: x\r\n\r\n", 14},
		.body = {"hello\r\n", 7},
		.fd = -1,
		.longest_line = 10};
	CLEANUP(entry_done) struct entry e = {.account = "work", .created = 1767225600};

	e.envelope.sender = "ann@example.org";
	envelope_add(&e.envelope, "bob@example.org");
	return spool_add(place.spool, &e, &small, NULL, false, place.id, err);
}

/* An entry in the queue, and the paths of it and of a place beside. */
static void put_entry(void)
{
	struct error err = {0};

	assert_ok(add(&err), err);
	snprintf(place.entry, sizeof(place.entry), "%.150s/%s", place.queue, place.id);
	snprintf(place.other, sizeof(place.other), "%.150s/other", place.root);
}

static int give_place(void **state UNUSED)
{
	struct error err = {0};

	memset(&fault, 0, sizeof(fault));
	snprintf(place.root, sizeof(place.root), "/tmp/pillarbox-faults.XXXXXX");
	assert_non_null(mkdtemp(place.root));
	snprintf(place.queue, sizeof(place.queue), "%.150s/queue", place.root);
	assert_ok(spool_open(place.queue, true, &place.spool, &err), err);
	return 0;
}

static int take_place(void **state UNUSED)
{
	char words[PATH_SPACE];

	spool_free(place.spool);
	snprintf(words, sizeof(words), "rm -r '%.150s'", place.root);
	return system(words); /* NOLINT(cert-env33-c): a path of the test's own */
}

static size_t count_entries(bool failed)
{
	struct spool_name *names = NULL;
	struct error err = {0};
	size_t count = 0;

	assert_ok(spool_list(place.spool, failed, &names, &count, &err), err);
	free(names);
	return count;
}

/* K-07: some network file systems cannot sync a directory and say so. */
static void a_directory_that_cannot_be_synced_is_accepted(void **state UNUSED)
{
	static const struct {
		int cause;
		bool is_accepted;
	} cases[] = {
		{EINVAL, true}, {ENOTSUP, true}, {EIO, false}, {ENOSPC, false}, {EDQUOT, false}};
	struct error err = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t before = count_entries(false);

		fault.sync_directory = cases[i].cause;
		assert_int_equal(add(&err), cases[i].is_accepted);
		assert_int_equal(count_entries(false), before + cases[i].is_accepted);
	}
}

/* K-07: of the file itself nothing of the kind is accepted. */
static void a_file_that_cannot_be_synced_is_refused(void **state UNUSED)
{
	struct error err = {0};

	fault.sync_file = EINVAL;
	assert_false(add(&err));
	assert_int_equal(count_entries(false), 0);
}

/* K-08: NFS may do what is asked, lose the answer, be asked again, and say that
 * there is no such file. */
static void a_rename_that_was_done_is_done(void **state UNUSED)
{
	static const int causes[] = {ENOENT, EIO, ESTALE, ETIMEDOUT};
	struct error err = {0};

	fault.is_renamed = true;
	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		fault.rename_error = causes[i];
		assert_ok(add(&err), err);
		assert_int_equal(count_entries(false), i + 1);
	}
}

/* K-08: and one that was not done is not. */
static void a_rename_that_was_not_done_is_refused(void **state UNUSED)
{
	struct error err = {0};

	fault.rename_error = EIO;
	assert_false(add(&err));
	assert_int_equal(count_entries(false), 0);
}

/* K-08: the same on the way to failed/. */
static void a_move_that_was_done_is_done(void **state UNUSED)
{
	struct spool_item item = {.fd = -1};
	struct error err = {0};

	put_entry();
	assert_int_equal(spool_claim(place.spool, place.id, false, &item, &err), SPOOL_CLAIMED);
	fault.rename_error = ENOENT;
	fault.is_renamed = true;
	assert_ok(spool_move(place.spool, &item, true, &err), err);
	assert_true(item.in_failed);
	spool_release(&item);
	assert_int_equal(count_entries(false), 0);
	assert_int_equal(count_entries(true), 1);
}

static void remove_it(void)
{
	assert_int_equal(unlink(place.entry), 0);
}

static void rename_it(void)
{
	assert_int_equal(rename(place.entry, place.other), 0);
}

/* As another process does that has delivered it, and then the person who puts a
 * copy back. */
static void replace_it(void)
{
	char words[2 * PATH_SPACE + 32];

	rename_it();
	snprintf(words, sizeof(words), "cp -p '%.200s' '%.200s'", place.other, place.entry);
	assert_int_equal(system(words), 0); /* NOLINT(cert-env33-c) */
}

/* between the scan, the opening and the lock anything may happen. */
static void what_is_locked_is_still_what_the_name_means(void **state UNUSED)
{
	static void (*const changes[])(void) = {remove_it, rename_it, replace_it};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct spool_item item = {.fd = -1};
		struct error err = {0};

		put_entry();
		fault.before_lock = changes[i];
		assert_int_equal(
			spool_claim(place.spool, place.id, false, &item, &err), SPOOL_GONE);
		assert_int_equal(item.fd, -1);
		assert_null(fault.before_lock);
	}
}

/* K-12: a bit of the envelope that flips is refused, or leaves an entry whose
 * message and number of recipients are what they were; nothing notices a flip
 * that makes one letter another (see pillarbox-queue(7)). */
static void a_flipped_bit_moves_nothing(void **state UNUSED)
{
	struct spool_item item = {.fd = -1}, read = {.fd = -1};
	struct error err = {0};
	unsigned refused = 0, passed = 0;

	put_entry();
	assert_int_equal(spool_claim(place.spool, place.id, false, &item, &err), SPOOL_CLAIMED);
	for (int64_t at = 0; at < (int64_t)item.entry.message_offset; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			char octet;

			assert_int_equal(pread(item.fd, &octet, 1, at), 1);

			char flipped = (char)(octet ^ (1 << bit));

			assert_int_equal(pwrite(item.fd, &flipped, 1, at), 1);
			/* SPOOL_BUSY: it is whole, and we hold its lock. */
			if (spool_peek(place.spool, place.id, false, &read, &err) ==
				SPOOL_DAMAGED) {
				refused++;
			} else {
				passed++;
				assert_int_equal(
					read.entry.message_offset, item.entry.message_offset);
				assert_int_equal(read.entry.size, item.entry.size);
				assert_int_equal(read.entry.envelope.count, 1);
				spool_release(&read);
			}
			assert_int_equal(pwrite(item.fd, &octet, 1, at), 1);
		}
	}
	assert_true(refused > 0 && passed > 0);
	spool_release(&item);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_directory_that_cannot_be_synced_is_accepted, give_place, take_place),
		cmocka_unit_test_setup_teardown(
			a_file_that_cannot_be_synced_is_refused, give_place, take_place),
		cmocka_unit_test_setup_teardown(
			a_rename_that_was_done_is_done, give_place, take_place),
		cmocka_unit_test_setup_teardown(
			a_rename_that_was_not_done_is_refused, give_place, take_place),
		cmocka_unit_test_setup_teardown(
			a_move_that_was_done_is_done, give_place, take_place),
		cmocka_unit_test_setup_teardown(
			what_is_locked_is_still_what_the_name_means, give_place, take_place),
		cmocka_unit_test_setup_teardown(
			a_flipped_bit_moves_nothing, give_place, take_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
