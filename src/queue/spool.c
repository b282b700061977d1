#include "queue/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "queue/spool_inner.h"

enum { OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

/* Exit codes by cause: a full disk and missing resources pass, a wrong place
 * or permission does not, everything else is a fault of the disk. */
static int exit_code_of(int cause)
{
	static const int causes[][2] = {
		{ENOSPC, EX_TEMPFAIL},
		{EDQUOT, EX_TEMPFAIL},
		{EFBIG, EX_TEMPFAIL},
		{EMFILE, EX_TEMPFAIL},
		{ENFILE, EX_TEMPFAIL},
		{ENOMEM, EX_TEMPFAIL},
		{ENOLCK, EX_TEMPFAIL},
		{EAGAIN, EX_TEMPFAIL},
		{EACCES, EX_CANTCREAT},
		{EPERM, EX_CANTCREAT},
		{EROFS, EX_CANTCREAT},
		{ENOENT, EX_CANTCREAT},
		{ENOTDIR, EX_CANTCREAT},
		{ELOOP, EX_CANTCREAT},
		{EEXIST, EX_CANTCREAT},
		{EISDIR, EX_CANTCREAT},
		{ENAMETOOLONG, EX_CANTCREAT},
	};

	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (causes[i][0] == cause)
			return causes[i][1];
	return EX_IOERR;
}

bool spool_fault(
	const struct spool *s, bool failed, const char *verb, const char *name, struct error *err)
{
	return error_errno(err, exit_code_of(errno), "cannot %s '%s%s%s%s'", verb, s->path,
		failed ? "/failed" : "", *name != '\0' ? "/" : "", name);
}

/* Syncs a directory; some network filesystems cannot and say so. */
static bool sync_fd(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (spool_again(result));
	return result == 0 || errno == EINVAL || errno == ENOTSUP;
}

bool spool_sync_directory(const struct spool *s, int dir, bool failed, struct error *err)
{
	return sync_fd(dir) || spool_fault(s, failed, "sync the directory", "", err);
}

/* A fresh directory is there for good when the one it stands in is on disk.
 * Where that one cannot be opened for reading, nothing more can be done. */
static bool sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash && slash > path ? (size_t)(slash - path) : 1;
	CLEANUP(mem_free) char *parent = slash ? mem_dup(path, len) : mem_strdup(".");
	CLEANUP(fd_close) int fd = open(parent, OPEN_DIRECTORY);

	return fd < 0 || sync_fd(fd);
}

/* What exists is taken to be on disk, so what is not must not stay. */
static bool make_one(const char *path)
{
	if (mkdir(path, 0700) < 0)
		return false;
	if (sync_parent(path))
		return true;

	int cause = errno;

	rmdir(path);
	errno = cause;
	return false;
}

/* Makes a directory and the parents that are missing. An error at a parent
 * is told only where the directory itself cannot be made for want of it. */
static bool make_path(const char *path, struct error *err)
{
	CLEANUP(mem_free) char *part = mem_strdup(path);
	struct error first = {0};

	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash == part)
			continue;
		*slash = '\0';
		if (!make_one(part) && errno != EEXIST && first.exit_code == 0)
			error_errno(&first, EX_CANTCREAT, "cannot make the directory '%s'", part);
		*slash = '/';
	}
	if (make_one(part) || errno == EEXIST)
		return true;
	error_errno(err, EX_CANTCREAT, "cannot make the queue directory '%s'", path);
	if (errno == ENOENT && first.exit_code != 0)
		*err = first;
	return false;
}

/* The same under a umask of our own, which the caller's may not change. */
static bool make_directory(const char *path, struct error *err)
{
	mode_t before = umask(077);
	bool is_made = make_path(path, err);

	umask(before);
	return is_made;
}

/* Nobody else may own the directory or write to it; checked on what is open. */
static bool check_directory(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, EX_IOERR, "cannot look at the directory '%s'", path);
	if (st.st_uid != geteuid())
		return error_set(err, EX_NOPERM,
			"the queue directory '%s' belongs to uid %lu, not to uid %lu", path,
			(unsigned long)st.st_uid, (unsigned long)geteuid());
	if ((st.st_mode & 022) != 0) {
		error_set(err, EX_NOPERM,
			"others may write to the queue directory '%s' (mode %04o)", path,
			(unsigned)(st.st_mode & 07777));
		return error_hint(err, "chmod 700 '%s'", path);
	}
	return true;
}

static int open_once(int at, const char *path)
{
	int fd;

	do
		fd = openat(at, path, OPEN_DIRECTORY | O_NOFOLLOW);
	while (spool_again(fd));
	return fd;
}

static bool open_fault(const char *path, struct error *err)
{
	struct stat st;
	int cause = errno;

	if (cause == ENOENT)
		return error_errno(err, EX_NOINPUT, "cannot open the queue directory '%s'", path);
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return error_set(err, EX_CANTCREAT,
			"the queue directory '%s' is a symbolic link; name the place itself", path);
	errno = cause;
	return error_errno(err, cause == EACCES ? EX_NOPERM : exit_code_of(cause),
		"cannot open the queue directory '%s'", path);
}

/* A copy without slashes at the end, behind which a link would be followed. */
static char *clean_path(const char *directory)
{
	size_t len = strlen(directory);

	while (len > 1 && directory[len - 1] == '/')
		len--;
	return mem_dup(directory, len);
}

bool spool_open(const char *directory, bool create, struct spool **out, struct error *err)
{
	CLEANUP(mem_free) char *path = clean_path(directory);
	CLEANUP(fd_close) int fd = open_once(AT_FDCWD, path);

	if (fd < 0 && errno == ENOENT && create) {
		if (!make_directory(path, err))
			return false;
		fd = open_once(AT_FDCWD, path);
	}
	if (fd < 0)
		return open_fault(path, err);
	if (!check_directory(fd, path, err))
		return false;

	struct spool *s = mem_alloc(sizeof(*s));

	*s = (struct spool){.path = path, .dir = fd, .failed = -1, .uid = geteuid()};
	path = NULL;
	fd = -1;
	*out = s;
	return true;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	fd_close(&s->dir);
	fd_close(&s->failed);
	free(s->path);
	free(s);
}

const char *spool_path(const struct spool *s)
{
	return s->path;
}

/* Makes failed/ with the right mode whatever the umask is. */
static bool make_failed(struct spool *s, struct error *err)
{
	mode_t before = umask(077);
	bool is_made = mkdirat(s->dir, "failed", 0700) == 0 || errno == EEXIST;
	int cause = errno;

	umask(before);
	errno = cause;
	if (!is_made)
		return spool_fault(s, true, "make the directory", "", err);
	return spool_sync_directory(s, s->dir, false, err);
}

static bool open_failed(struct spool *s, struct error *err)
{
	CLEANUP(fd_close) int fd = open_once(s->dir, "failed");
	char name[256];

	if (fd < 0)
		return errno == ENOENT || spool_fault(s, true, "open the directory", "", err);
	snprintf(name, sizeof(name), "%.240s/failed", s->path);
	if (!check_directory(fd, name, err))
		return false;
	s->failed = fd;
	fd = -1;
	return true;
}

bool spool_directory(struct spool *s, bool failed, bool create, int *out, struct error *err)
{
	if (failed && s->failed < 0 && !open_failed(s, err))
		return false;
	if (failed && s->failed < 0 && create && (!make_failed(s, err) || !open_failed(s, err)))
		return false;
	if (failed && s->failed < 0 && create)
		return spool_fault(s, true, "open the directory", "", err);
	*out = failed ? s->failed : s->dir;
	return true;
}

bool spool_rename(int from_dir, const char *from, int to_dir, const char *to, int fd)
{
	struct stat ours, named;
	int result;

	do
		result = renameat(from_dir, from, to_dir, to);
	while (spool_again(result));
	if (result == 0)
		return true;

	int cause = errno;
	bool is_done = fstat(fd, &ours) == 0 &&
		       fstatat(to_dir, to, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		       spool_same_file(&ours, &named);

	errno = cause;
	return is_done;
}

bool spool_unlink(int dir, const char *name)
{
	int result;

	do
		result = unlinkat(dir, name, 0);
	while (spool_again(result));
	return result == 0 || errno == ENOENT;
}

/* Octets of the run of small hexadecimal digits at the start of text. */
static size_t hex_run(const char *text)
{
	size_t len = 0;

	while ((text[len] >= '0' && text[len] <= '9') || (text[len] >= 'a' && text[len] <= 'f'))
		len++;
	return len;
}

bool spool_is_id(const char *name)
{
	size_t seconds = hex_run(name);

	if (seconds < 8 || seconds > 16 || name[seconds] != '-')
		return false;
	name += seconds + 1;
	return hex_run(name) == 16 && name[16] == '\0';
}

int64_t spool_arrival(const char *id)
{
	return (int64_t)strtoll(id, NULL, 16);
}

int spool_compare_ids(const char *a, const char *b)
{
	/* A ninth digit of the seconds comes in the year 2106. */
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}
