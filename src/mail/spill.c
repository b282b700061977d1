#include "mail/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { COPY_OCTETS = 65536, NAME_TRIES = 8, PATH_SPACE = 4096 };

void spill_init(struct spill *s, const char *const *dirs)
{
	*s = (struct spill){.fd = -1, .dirs = dirs};
}

void spill_done(struct spill *s)
{
	if (s->fd > STDERR_FILENO)
		fd_close(&s->fd);
	s->fd = -1;
}

/* Where the file system knows no nameless files: a name nobody can foresee,
 * gone before the first octet is written. */
static int open_named(const char *dir)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		uint64_t random[2];
		char path[PATH_SPACE];

		if (getentropy(random, sizeof(random)) < 0)
			return -1;

		int len = snprintf(path, sizeof(path), "%s/tmp.%016llx%016llx", dir,
			(unsigned long long)random[0], (unsigned long long)random[1]);

		if (len < 0 || len >= (int)sizeof(path)) {
			errno = ENAMETOOLONG;
			return -1;
		}

		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd >= 0 && unlink(path) < 0)
			fd_close(&fd);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static int open_nameless(const char *dir)
{
	int fd = -1;

#ifdef O_TMPFILE
	fd = open(dir, O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600);
#endif
	if (fd < 0)
		fd = open_named(dir);
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;

	/* The mail must not stand where someone's error text is written to. */
	int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int why = errno;

	close(fd);
	errno = why;
	return higher;
}

/* The next directory that lets us create a file; NULL when there is none, errno
 * is then that of the last trial. */
static const char *open_next(struct spill *s, int *fd)
{
	while (s->next_dir < SPILL_DIRS && s->dirs[s->next_dir]) {
		const char *dir = s->dirs[s->next_dir++];

		*fd = open_nameless(dir);
		if (*fd >= 0)
			return dir;
	}
	return NULL;
}

static bool copy_file(int from, int to, uint64_t octets, struct error *err)
{
	CLEANUP(mem_free) char *window = mem_grow(NULL, COPY_OCTETS);
	uint64_t done = 0;

	while (done < octets) {
		size_t wanted = octets - done < COPY_OCTETS ? (size_t)(octets - done) : COPY_OCTETS;
		size_t got;

		if (!file_read_at(
			    from, window, wanted, (int64_t)done, &got, "the spooled body", err))
			return false;
		if (got == 0)
			return error_set(err, EX_IOERR, "the spooled body is cut short");
		if (!file_write(to, (struct slice){window, got}, "the spooled body", err))
			return false;
		done += got;
	}
	return true;
}

static const char *last_dir(const struct spill *s)
{
	return s->next_dir > 0 ? s->dirs[s->next_dir - 1] : NULL;
}

/* Opens a file in the next directory and brings over what is written so far. */
static bool move_on(struct spill *s, struct error *err)
{
	struct error why = {0};

	for (;;) {
		int fd = -1;
		const char *dir;

		errno = 0;
		dir = open_next(s, &fd);
		if (!dir && why.exit_code != 0)
			return error_set(err, EX_CANTCREAT,
				"cannot spool a large message in '%s': %s", last_dir(s), why.text);
		if (!dir && !last_dir(s))
			return error_set(err, EX_CANTCREAT,
				"cannot spool a large message: no directory is known for it");
		if (!dir)
			return error_errno(err, EX_CANTCREAT,
				"cannot spool a large message in '%s'", last_dir(s));
		if (s->fd < 0 || copy_file(s->fd, fd, s->octets, &why)) {
			spill_done(s);
			s->fd = fd;
			return true;
		}
		close(fd);
	}
}

/* True when the file takes no more, but another directory might. */
static bool is_full(int why)
{
	return why == ENOSPC || why == EDQUOT || why == EFBIG || why == EIO;
}

static bool write_some(struct spill *s, struct slice *text, struct error *err)
{
	ssize_t n = pwrite(s->fd, text->ptr, text->len, (off_t)s->octets);

	if (n > 0) {
		*text = slice_from(*text, (size_t)n);
		s->octets += (uint64_t)n;
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && !is_full(errno))
		return error_errno(
			err, EX_CANTCREAT, "cannot spool a large message in '%s'", last_dir(s));

	struct error full = {0};

	error_errno(&full, EX_CANTCREAT, "cannot spool a large message in '%s'", last_dir(s));
	if (s->next_dir < SPILL_DIRS && s->dirs[s->next_dir] && move_on(s, err))
		return true;
	*err = full;
	return false;
}

bool spill_write(struct spill *s, struct slice text, struct error *err)
{
	if (s->fd < 0 && !move_on(s, err))
		return false;
	while (text.len > 0)
		if (!write_some(s, &text, err))
			return false;
	return true;
}
