#include "config/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* A step and the terminator fill a buffer of 2 KiB: more than most files have. */
enum { READ_STEP = 2047, LONGEST_SECRET = 4096 };

int guard_open(const char *path)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	return fd;
}

void guard_describe(struct buf *out, const struct stat *st)
{
	buf_printf(out, "owner uid %lu, mode %04o; you are uid %lu", (unsigned long)st->st_uid,
		(unsigned)st->st_mode & 07777U, (unsigned long)getuid());
}

static const char *kind_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISFIFO(mode))
		return "a FIFO";
	if (S_ISSOCK(mode))
		return "a socket";
	return "a device";
}

static bool refuse(struct error *err, const struct stat *st, const char *path, const char *why)
{
	CLEANUP(buf_done) struct buf facts = BUF(256);

	guard_describe(&facts, st);
	return error_set(err, EX_NOPERM, "'%s' %s (%s)", path, why, buf_text(&facts));
}

/* Whoever can rename in the directory can put another file in our way. */
static bool directory_is_fine(const char *path, struct error *err)
{
	CLEANUP(buf_done) struct buf directory = BUF(8192);
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (!slash)
		buf_add_char(&directory, '.');
	else
		buf_add(&directory,
			(struct slice){path, slash == path ? 1 : (size_t)(slash - path)});
	if (directory.is_full || stat(buf_text(&directory), &st) < 0)
		return true;
	if ((st.st_mode & S_IWOTH) == 0 || (st.st_mode & S_ISVTX) != 0)
		return true;
	refuse(err, &st, buf_text(&directory),
		"is a directory that everybody can write; a configuration in it is not safe");
	return error_hint(err, "chmod o-w '%s'", buf_text(&directory));
}

bool guard_check(int fd, const char *path, struct stat *st, struct error *err)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return error_errno(err, EX_CONFIG, "cannot examine '%s'", path);
	if (!S_ISREG(now.st_mode))
		return error_set(
			err, EX_CONFIG, "'%s' is %s, not a file", path, kind_of(now.st_mode));
	if (now.st_uid != getuid() && now.st_uid != 0) {
		refuse(err, &now, path, "belongs to another user");
		return error_hint(err, "chown %lu '%s', or use a file of your own",
			(unsigned long)getuid(), path);
	}
	if ((now.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		refuse(err, &now, path, "can be written by others");
		return error_hint(err, "chmod go-w '%s'", path);
	}
	if (!directory_is_fine(path, err))
		return false;
	*st = now;
	return true;
}

bool guard_check_private(
	const struct stat *st, const char *path, const char *what, struct error *err)
{
	CLEANUP(buf_done) struct buf why = BUF(512);

	if ((st->st_mode & (S_IRWXG | S_IRWXO) & ~(mode_t)(S_IXGRP | S_IXOTH)) == 0)
		return true;
	buf_printf(&why, "holds %s and can be read by others", what);
	refuse(err, st, path, buf_text(&why));
	return error_hint(err, "chmod 600 '%s'", path);
}

bool guard_read(int fd, const char *path, size_t most, struct buf *out, struct error *err)
{
	size_t start = out->len;
	size_t step = READ_STEP;
	size_t got;

	do {
		char *room = buf_room(out, step);

		if (!room || out->len - start > most)
			return error_set(
				err, EX_CONFIG, "'%s' is larger than %zu octets", path, most);
		if (!file_read(fd, room, step, &got, path, err))
			return false;
		out->len += got;
		step = step > got ? step - got : READ_STEP;
	} while (got > 0);
	return true;
}

bool guard_first_line(struct slice text, const char *name, struct buf *out, struct error *err)
{
	struct slice line = slice_upto(text, slice_find(text, '\n'));

	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0)
		return error_set(err, EX_CONFIG, "%s: the first line is empty", name);
	if (line.len > LONGEST_SECRET)
		return error_set(
			err, EX_CONFIG, "%s: the first line is longer than 4096 octets", name);
	if (slice_find(line, '\0') < line.len)
		return error_set(err, EX_CONFIG, "%s: the first line holds a NUL octet", name);
	buf_add(out, line);
	if (out->is_full)
		return error_set(err, EX_CONFIG, "%s: the first line is too long", name);
	return true;
}
