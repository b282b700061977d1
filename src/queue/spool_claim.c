#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/spool_inner.h"

/* A listing holds a lock for an instant to see whether it can; that is not to
 * be taken for somebody at work. */
enum { LOCK_TRIALS = 3 };

/* What is known of an entry while it is examined. */
struct candidate {
	struct spool *spool;
	const char *id;
	bool failed;
	int dir; /* borrowed */
	int fd;  /* owned */
};

static enum spool_claim_result gone(const struct candidate *c, struct error *err)
{
	error_set(err, EX_NOINPUT, "%s is not in the queue any more", c->id);
	return SPOOL_GONE;
}

static enum spool_claim_result busy(const struct candidate *c, struct error *err)
{
	error_set(err, EX_TEMPFAIL, "%s is being sent, or changed, by another process", c->id);
	return SPOOL_BUSY;
}

static enum spool_claim_result damaged(
	const struct candidate *c, const char *why, struct error *err)
{
	error_set(err, EX_DATAERR, "'%s%s/%s' %s", c->spool->path, c->failed ? "/failed" : "",
		c->id, why);
	return SPOOL_DAMAGED;
}

static enum spool_claim_result failed_to(
	const struct candidate *c, const char *verb, struct error *err)
{
	spool_fault(c->spool, c->failed, verb, c->id, err);
	return SPOOL_DAMAGED;
}

/* Who may have put the file there, and whether it is one that we wrote. */
static enum spool_claim_result check_file(
	const struct candidate *c, const struct stat *st, struct error *err)
{
	if (!S_ISREG(st->st_mode))
		return damaged(c, "is not a regular file", err);
	if (st->st_uid != c->spool->uid)
		return damaged(c, "belongs to somebody else", err);
	if (st->st_nlink > 1)
		return damaged(c, "has a second name (hard link)", err);
	if ((st->st_mode & 0700) == 0)
		return damaged(c,
			"was put out of use (mode 0000): it was delivered and could not be removed",
			err);
	if ((st->st_mode & 0022) != 0)
		return damaged(c, "may be written by others", err);
	return SPOOL_CLAIMED;
}

/* Why a file may not be opened: where its owner or mode tells, that is said. */
static enum spool_claim_result closed_to_us(const struct candidate *c, struct error *err)
{
	struct stat st;
	int cause = errno;

	if (fstatat(c->dir, c->id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		check_file(c, &st, err) == SPOOL_DAMAGED)
		return SPOOL_DAMAGED;
	errno = cause;
	return failed_to(c, "open", err);
}

static enum spool_claim_result open_file(struct candidate *c, int flags, struct error *err)
{
	do
		c->fd = openat(
			c->dir, c->id, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	while (spool_again(c->fd));
	if (c->fd >= 0)
		return SPOOL_CLAIMED;
	switch (errno) {
	case ENOENT:
		return gone(c, err);
	case ELOOP:
		return damaged(c, "is a symbolic link, not an entry", err);
	case EISDIR:
	case ENXIO:
	case ENODEV:
		return damaged(c, "is not a regular file", err);
	case EACCES:
		return closed_to_us(c, err);
	default:
		return failed_to(c, "open", err);
	}
}

/* After the lock is held, the name has to mean this file still: whoever had
 * the lock before may have removed it. */
static enum spool_claim_result check_name(
	const struct candidate *c, const struct stat *st, struct error *err)
{
	struct stat named;

	if (fstatat(c->dir, c->id, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? gone(c, err) : failed_to(c, "look at", err);
	return st->st_nlink > 0 && spool_same_file(st, &named) ? SPOOL_CLAIMED : gone(c, err);
}

static enum spool_claim_result parse(
	struct candidate *c, const struct stat *st, struct spool_item *item, struct error *err)
{
	struct spool_item read = {
		.next = st->st_mtim.tv_sec, .file_octets = st->st_size, .in_failed = c->failed};
	struct entry *e = &read.entry;

	if (!entry_read(c->fd, st->st_size, e, err)) {
		error_prefix(err, "'%s%s/%s'", c->spool->path, c->failed ? "/failed" : "", c->id);
		return SPOOL_DAMAGED;
	}
	read.fd = c->fd;
	c->fd = -1;
	read.content = (struct content){
		.fd = read.fd,
		.fd_offset = e->message_offset,
		.fd_octets = e->size,
		.has_8bit = e->has_8bit,
		.head_has_8bit = e->head_has_8bit,
		.has_nul = e->has_nul,
		.longest_line = e->longest_line,
	};
	memcpy(read.id, c->id, strlen(c->id) + 1);
	*item = read;
	return SPOOL_CLAIMED;
}

/* Tries to lock. False with errno EWOULDBLOCK where somebody else has it. */
static bool try_lock(int fd, int kind)
{
	for (int i = 0; flock(fd, kind | LOCK_NB) < 0; i++) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || i >= LOCK_TRIALS)
			return false;
		sched_yield();
	}
	return true;
}

/* Finds the directory of an id that came from anywhere. */
static enum spool_claim_result start(struct candidate *c, struct error *err)
{
	if (!spool_is_id(c->id))
		return gone(c, err);
	if (!spool_directory(c->spool, c->failed, false, &c->dir, err))
		return SPOOL_DAMAGED;
	return c->dir < 0 ? gone(c, err) : SPOOL_CLAIMED;
}

/* Finds and opens an entry. */
static enum spool_claim_result begin(struct candidate *c, struct spool *s, const char *id,
	bool failed, int flags, struct error *err)
{
	*c = (struct candidate){.spool = s, .id = id, .failed = failed, .dir = -1, .fd = -1};

	enum spool_claim_result result = start(c, err);

	return result == SPOOL_CLAIMED ? open_file(c, flags, err) : result;
}

static void end_candidate(struct candidate *c)
{
	fd_close(&c->fd);
}

enum spool_claim_result spool_claim(
	struct spool *s, const char *id, bool failed, struct spool_item *item, struct error *err)
{
	CLEANUP(end_candidate) struct candidate c;
	struct stat st;
	enum spool_claim_result result = begin(&c, s, id, failed, O_RDWR, err);

	if (result != SPOOL_CLAIMED)
		return result;
	if (!try_lock(c.fd, LOCK_EX))
		return errno == EWOULDBLOCK ? busy(&c, err) : failed_to(&c, "lock", err);
	if (fstat(c.fd, &st) < 0)
		return failed_to(&c, "look at", err);
	result = check_name(&c, &st, err);
	if (result == SPOOL_CLAIMED)
		result = check_file(&c, &st, err);
	return result == SPOOL_CLAIMED ? parse(&c, &st, item, err) : result;
}

enum spool_claim_result spool_peek(
	struct spool *s, const char *id, bool failed, struct spool_item *item, struct error *err)
{
	CLEANUP(end_candidate) struct candidate c;
	struct stat st;
	enum spool_claim_result result = begin(&c, s, id, failed, O_RDONLY, err);

	if (result != SPOOL_CLAIMED)
		return result;
	if (fstat(c.fd, &st) < 0)
		return failed_to(&c, "look at", err);
	result = check_file(&c, &st, err);
	if (result != SPOOL_CLAIMED)
		return result;

	bool is_free = flock(c.fd, LOCK_SH | LOCK_NB) == 0;
	bool is_busy = !is_free && errno == EWOULDBLOCK;

	if (is_free)
		flock(c.fd, LOCK_UN);
	result = parse(&c, &st, item, err);
	return result == SPOOL_CLAIMED && is_busy ? busy(&c, err) : result;
}

void spool_release(struct spool_item *item)
{
	/* An item that was never set, or was released, has no id. */
	if (!item || item->id[0] == '\0')
		return;
	fd_close(&item->fd);
	entry_done(&item->entry);
	*item = (struct spool_item){.fd = -1};
}
