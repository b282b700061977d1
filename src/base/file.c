#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where all have to be closed one by one: more than careless callers leave open. */
enum { MOST_DESCRIPTORS = 4096 };

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* In one call where the system has it. */
static bool close_range_of(unsigned first, unsigned last)
{
#ifdef SYS_close_range
	return first > last || syscall(SYS_close_range, first, last, 0U) == 0;
#else
	(void)first;
	(void)last;
	return false;
#endif
}

void file_close_from(int first, int kept)
{
	struct rlimit limit = {.rlim_cur = MOST_DESCRIPTORS};

	if (kept < first ? close_range_of((unsigned)first, ~0U)
			 : close_range_of((unsigned)first, (unsigned)kept - 1) &&
				   close_range_of((unsigned)kept + 1, ~0U))
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > MOST_DESCRIPTORS)
		limit.rlim_cur = MOST_DESCRIPTORS;
	for (int fd = first; fd < (int)limit.rlim_cur; fd++)
		if (fd != kept)
			close(fd);
}

/* Whether 0, 1 and 2 are open, learnt in one call; false too where it cannot be learnt so. */
static bool standard_is_open(void)
{
	struct pollfd three[] = {
		{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};

	if (poll(three, ARRAY_LEN(three), 0) < 0)
		return false;
	return ((three[0].revents | three[1].revents | three[2].revents) & POLLNVAL) == 0;
}

bool file_open_standard(bool *stdin_was_open, struct error *err)
{
	*stdin_was_open = true;
	if (standard_is_open())
		return true;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (fd == STDIN_FILENO)
			*stdin_was_open = false;
		if (open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) != fd)
			return error_errno(
				err, EX_OSERR, "cannot open /dev/null for a closed descriptor");
	}
	return true;
}

/* True when a failed call is worth repeating; waits where it would block. */
static bool may_repeat(int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};

	if (errno == EINTR)
		return true;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return false;
	return poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

bool file_read(int fd, void *into, size_t octets, size_t *got, const char *name, struct error *err)
{
	ssize_t n;

	while ((n = read(fd, into, octets)) < 0)
		if (!may_repeat(fd, POLLIN))
			return error_errno(err, EX_IOERR, "cannot read %s", name);
	*got = (size_t)n;
	return true;
}

bool file_read_at(int fd, void *into, size_t octets, int64_t offset, size_t *got, const char *name,
	struct error *err)
{
	ssize_t n;

	while ((n = pread(fd, into, octets, (off_t)offset)) < 0)
		if (errno != EINTR)
			return error_errno(err, EX_IOERR, "cannot read %s", name);
	*got = (size_t)n;
	return true;
}

bool file_read_all(int fd, struct buf *out, const char *name, struct error *err)
{
	char chunk[4096];
	size_t got = 0;

	do {
		if (!file_read(fd, chunk, sizeof(chunk), &got, name, err))
			return false;
		buf_add(out, (struct slice){chunk, got});
		if (out->is_full)
			return error_set(err, EX_DATAERR, "%s is larger than %zu octets", name,
				out->ceiling);
	} while (got > 0);
	return true;
}

bool file_write(int fd, struct slice s, const char *name, struct error *err)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.ptr, s.len);

		if (n < 0 && !may_repeat(fd, POLLOUT))
			return error_errno(err, EX_IOERR, "cannot write %s", name);
		if (n > 0)
			s = slice_from(s, (size_t)n);
	}
	return true;
}

bool file_write_at(int fd, struct slice s, int64_t offset, const char *name, struct error *err)
{
	while (s.len > 0) {
		ssize_t n = pwrite(fd, s.ptr, s.len, (off_t)offset);

		if (n < 0 && errno != EINTR)
			return error_errno(err, EX_IOERR, "cannot write %s", name);
		if (n > 0) {
			s = slice_from(s, (size_t)n);
			offset += n;
		}
	}
	return true;
}
