#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/spool_inner.h"

enum {
	GATHERED_OCTETS = 64 * 1024, /* what fits in here goes in one write */
	NAME_TRIALS = 16,
};

/* A file on its way into the queue. What has a name and is not safe when this
 * goes out of scope is removed. */
struct addition {
	struct spool *spool;
	bool failed;                   /* goes into failed/ */
	int dir;                       /* borrowed */
	int fd;                        /* owned; holds the lock */
	char id[SPOOL_ID_SPACE];       /* its name when it is complete */
	char temp[SPOOL_ID_SPACE + 4]; /* its name until then */
	const char *unsafe_name;       /* to be removed, or NULL */
};

/* Where even the removal fails, an empty file takes the place of the message:
 * the caller was told that it is not in the queue. */
static void end_addition(struct addition *a)
{
	if (a->unsafe_name && !spool_unlink(a->dir, a->unsafe_name))
		(void)!ftruncate(a->fd, 0);
	fd_close(&a->fd);
}

/* Microseconds since 1970, later than any that this process used before. */
static int64_t next_stamp(struct spool *s)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);

	int64_t stamp = now.tv_sec < 0 ? 0 : (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;

	if (stamp <= s->last_stamp)
		stamp = s->last_stamp + 1;
	s->last_stamp = stamp;
	return stamp;
}

/* Sixteen digits are five of the microsecond, so that names sort by arrival
 * within a second too, and eleven of chance. Chance only keeps names apart,
 * and O_EXCL is there besides, so that a poor source will do. */
static void choose_name(struct addition *a)
{
	int64_t stamp = next_stamp(a->spool);
	uint64_t chance = 0;

	if (getentropy(&chance, sizeof(chance)) < 0)
		chance = (uint64_t)getpid() * 0x9e3779b97f4a7c15U + (uint64_t)stamp;
	snprintf(a->id, sizeof(a->id), "%08llx-%05llx%011llx", (unsigned long long)stamp / 1000000,
		(unsigned long long)stamp % 1000000, (unsigned long long)(chance >> 20));
	snprintf(a->temp, sizeof(a->temp), "tmp.%s", a->id);
}

static int create_exclusive(int dir, const char *name)
{
	int fd;

	do
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	while (spool_again(fd));
	return fd;
}

/* Nobody else knows the file, but a network filesystem may be interrupted. */
static bool lock_temp(int fd)
{
	int result;

	do
		result = flock(fd, LOCK_EX | LOCK_NB);
	while (spool_again(result));
	return result == 0;
}

static bool create_temp(struct addition *a, struct error *err)
{
	for (int i = 0; i < NAME_TRIALS && a->fd < 0; i++) {
		choose_name(a);
		a->fd = create_exclusive(a->dir, a->temp);
		if (a->fd < 0 && errno != EEXIST)
			break;
	}
	if (a->fd < 0)
		return spool_fault(a->spool, a->failed, "create", a->temp, err);
	a->unsafe_name = a->temp;
	/* The umask may have taken the owner's bits; the lock keeps runners away
	 * from the complete file until its directory is on disk. */
	if (fchmod(a->fd, 0600) < 0)
		return spool_fault(a->spool, a->failed, "set the mode of", a->temp, err);
	if (!lock_temp(a->fd))
		return spool_fault(a->spool, a->failed, "lock", a->temp, err);
	return true;
}

static bool write_octets(struct addition *a, struct slice s, struct error *err)
{
	if (file_write(a->fd, s, "", err))
		return true;
	return spool_fault(a->spool, a->failed, "write", a->temp, err);
}

/* Writes what was gathered. */
static bool flush(struct addition *a, struct buf *gathered, struct error *err)
{
	if (gathered->len > 0 && !write_octets(a, buf_slice(gathered), err))
		return false;
	buf_clear(gathered);
	return true;
}

static bool write_pieces(struct addition *a, struct content_reader *reader, struct buf *gathered,
	uint64_t *written, struct error *err)
{
	struct slice piece;

	while (content_next(reader, &piece, err)) {
		if (piece.len == 0)
			return flush(a, gathered, err);
		*written += piece.len;
		if (gathered->len + piece.len > GATHERED_OCTETS && !flush(a, gathered, err))
			return false;
		if (gathered->len > 0 || piece.len <= GATHERED_OCTETS / 2)
			buf_add(gathered, piece);
		else if (!write_octets(a, piece, err))
			return false;
	}
	return false;
}

/* Writes the head and the message, and makes sure that it had the size that
 * the head tells. */
static bool write_message(
	struct addition *a, struct buf *head, const struct content *content, struct error *err)
{
	CLEANUP(content_stop) struct content_reader reader = {0};
	uint64_t written = 0;

	content_start(&reader, content);
	if (!write_pieces(a, &reader, head, &written, err))
		return false;
	if (written != content_octets(content))
		return error_set(err, EX_IOERR, "the message changed its size while it was stored");
	return true;
}

/* Sets the time of the next attempt where it is not now, and waits for the
 * disk. After an error the kernel forgets that the file was not written, so
 * that a second sync would prove nothing: the file is given up. */
static bool settle(struct addition *a, int64_t next, struct error *err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = (time_t)next}};
	int result;

	if (next != 0 && futimens(a->fd, times) < 0)
		return spool_fault(a->spool, a->failed, "set the time of", a->temp, err);
	do
		result = fsync(a->fd);
	while (spool_again(result));
	return result == 0 || spool_fault(a->spool, a->failed, "sync", a->temp, err);
}

/* Gives the file its name, and makes the name last. */
static bool publish(struct addition *a, struct error *err)
{
	if (!spool_rename(a->dir, a->temp, a->dir, a->id, a->fd))
		return spool_fault(a->spool, a->failed, "rename", a->temp, err);
	a->unsafe_name = a->id;
	if (!spool_sync_directory(a->spool, a->dir, a->failed, err))
		return false;
	a->unsafe_name = NULL;
	return true;
}

/* The head of the file: the entry as given, with the facts of the content. */
static bool format_head(const struct entry *entry, const struct content *content, struct buf *head,
	struct error *err)
{
	struct entry e = *entry;

	e.size = content_octets(content);
	e.has_8bit = content->has_8bit;
	e.head_has_8bit = content->head_has_8bit;
	e.has_nul = content->has_nul;
	e.longest_line = content->longest_line;
	return entry_write_head(&e, head, err);
}

bool spool_add(struct spool *s, const struct entry *entry, const struct content *content,
	const struct spool_limits *limits, bool failed, char *id, struct error *err)
{
	CLEANUP(buf_done) struct buf head = BUF(ENTRY_MOST_HEAD + GATHERED_OCTETS);
	CLEANUP(end_addition) struct addition a = {.spool = s, .failed = failed, .fd = -1};

	if (!format_head(entry, content, &head, err))
		return false;
	if (!spool_directory(s, failed, true, &a.dir, err))
		return false;
	if (!spool_has_room(s, failed, head.len + content_octets(content), limits, err))
		return false;
	if (!create_temp(&a, err) || !write_message(&a, &head, content, err))
		return false;
	if (!settle(&a, entry->next, err) || !publish(&a, err))
		return false;
	memcpy(id, a.id, sizeof(a.id));
	return true;
}
