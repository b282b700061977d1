/* Stands before the C library of the programs under test, by LD_PRELOAD.
 *
 * SHIM_ALLOCATION=n     the n-th request for memory from main() on is refused
 * SHIM_OWN=1            requests of libraries are not counted
 * SHIM_MET=file         made when that request came
 * SHIM_PIECES=n         each call that moves octets moves n at most, and half of those that a
 *                       signal may interrupt do nothing and fail with EINTR
 * SHIM_SPEED=n          the clocks that count from the start of the machine run n times as fast
 */

#define _GNU_SOURCE
#define _FORTIFY_SOURCE 0
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static size_t pieces;
static long refused;
static bool own_only, is_on;
static int speed = 1;

__attribute__((constructor)) static void begin(void)
{
	const char *octets = getenv("SHIM_PIECES"), *number = getenv("SHIM_ALLOCATION");

	pieces = octets ? (size_t)atol(octets) : 0;
	refused = number ? atol(number) : 0;
	own_only = getenv("SHIM_OWN") != NULL;
	speed = getenv("SHIM_SPEED") ? atoi(getenv("SHIM_SPEED")) : 1;
	is_on = true;
}

/* --- memory --------------------------------------------------------------- */

#ifdef SHIM_MEMORY
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

/* Whether the caller is the program itself. */
static bool is_own(void *caller)
{
	static void *base;
	Dl_info info;

	if (!base && dladdr((void *)getauxval(AT_PHDR), &info) != 0)
		base = info.dli_fbase;
	return dladdr(caller, &info) != 0 && info.dli_fbase == base;
}

static bool is_refused(void *caller)
{
	static long count;

	if (!is_on || refused == 0 || (own_only && !is_own(caller)) || ++count != refused)
		return false;

	const char *path = getenv("SHIM_MET");

	if (path)
		close((int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600));
	errno = ENOMEM;
	return true;
}

void *malloc(size_t octets)
{
	return is_refused(__builtin_return_address(0)) ? NULL : __libc_malloc(octets);
}

void *calloc(size_t count, size_t octets)
{
	return is_refused(__builtin_return_address(0)) ? NULL : __libc_calloc(count, octets);
}

void *realloc(void *old, size_t octets)
{
	return is_refused(__builtin_return_address(0)) ? NULL : __libc_realloc(old, octets);
}
#endif

/* --- pieces and interruptions ---------------------------------------------- */

static bool is_interrupted(void)
{
	static unsigned chance = 1;

	if (!pieces || !is_on)
		return false;
	/* No fixed turn, which a loop of two calls would meet with the same one for ever. */
	chance = chance * 1103515245 + 12345;
	if ((chance >> 16) % 2 == 0)
		return false;
	errno = EINTR;
	return true;
}

static size_t piece(size_t octets)
{
	return pieces && is_on && octets > pieces ? pieces : octets;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define MOVES(type, name, real, arguments, octets, ...)                                            \
	type name arguments                                                                        \
	{                                                                                          \
		if (octets > 0 && is_interrupted())                                                \
			return -1;                                                                 \
		return real(__VA_ARGS__);                                                          \
	}

#define REAL_READ REAL(ssize_t, "read", int, void *, size_t)
#define REAL_WRITE REAL(ssize_t, "write", int, const void *, size_t)
#define REAL_PREAD REAL(ssize_t, "pread64", int, void *, size_t, off64_t)
#define REAL_PWRITE REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
#define REAL_RECV REAL(ssize_t, "recv", int, void *, size_t, int)
#define REAL_SEND REAL(ssize_t, "send", int, const void *, size_t, int)

MOVES(ssize_t, read, REAL_READ, (int fd, void *to, size_t n), n, fd, to, piece(n))
MOVES(ssize_t, write, REAL_WRITE, (int fd, const void *from, size_t n), n, fd, from, piece(n))
MOVES(ssize_t, pread64, REAL_PREAD, (int fd, void *to, size_t n, off64_t at), n, fd, to, piece(n),
	at)
MOVES(ssize_t, pwrite64, REAL_PWRITE, (int fd, const void *from, size_t n, off64_t at), n, fd, from,
	piece(n), at)
MOVES(ssize_t, recv, REAL_RECV, (int fd, void *to, size_t n, int flags), n, fd, to, piece(n), flags)
MOVES(ssize_t, send, REAL_SEND, (int fd, const void *from, size_t n, int flags), n, fd, from,
	piece(n), flags)

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr shorter = *message;
	struct iovec first;

	if (is_interrupted())
		return -1;
	if (pieces && shorter.msg_iovlen > 0) {
		first = shorter.msg_iov[0];
		first.iov_len = piece(first.iov_len);
		shorter.msg_iov = &first;
		shorter.msg_iovlen = 1;
	}
	return REAL(ssize_t, "sendmsg", int, const struct msghdr *, int)(fd, &shorter, flags);
}

/* --- time ------------------------------------------------------------------ */

static int slowed(int wait_ms)
{
	return wait_ms > 0 ? (wait_ms + speed - 1) / speed : wait_ms;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = REAL(int, "clock_gettime", clockid_t, struct timespec *)(clock, now);
	static long long start_ns;

	if (speed == 1 || clock == CLOCK_REALTIME || result != 0)
		return result;

	long long ns = now->tv_sec * 1000000000LL + now->tv_nsec;

	if (start_ns == 0)
		start_ns = ns;
	ns = start_ns + (ns - start_ns) * speed;
	now->tv_sec = ns / 1000000000LL;
	now->tv_nsec = ns % 1000000000LL;
	return 0;
}

/* --- those that only can be interrupted ------------------------------------ */

#define CALL(name, arguments, types, ...)                                                          \
	int name arguments                                                                         \
	{                                                                                          \
		if (is_interrupted())                                                              \
			return -1;                                                                 \
		return ((int(*) types)dlsym(RTLD_NEXT, #name))(__VA_ARGS__);                       \
	}

CALL(fsync, (int fd), (int), fd)
CALL(fdatasync, (int fd), (int), fd)
CALL(ftruncate64, (int fd, off64_t size), (int, off64_t), fd, size)
CALL(flock, (int fd, int what), (int, int), fd, what)
CALL(poll, (struct pollfd * fds, nfds_t count, int wait_ms), (struct pollfd *, nfds_t, int), fds,
	count, slowed(wait_ms))
CALL(__poll_chk, (struct pollfd * fds, nfds_t count, int wait_ms, size_t size),
	(struct pollfd *, nfds_t, int, size_t), fds, count, slowed(wait_ms), size)
CALL(__open64_2, (const char *path, int flags), (const char *, int), path, flags)
CALL(__openat64_2, (int at, const char *path, int flags), (int, const char *, int), at, path, flags)

static int mode_of(int flags, va_list more)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, int) : 0;
}

int open64(const char *path, int flags, ...)
{
	va_list more;

	va_start(more, flags);
	int mode = mode_of(flags, more);
	va_end(more);
	return is_interrupted() ? -1
				: REAL(int, "open64", const char *, int, ...)(path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
	va_list more;

	va_start(more, flags);
	int mode = mode_of(flags, more);
	va_end(more);
	return is_interrupted()
		       ? -1
		       : REAL(int, "openat64", int, const char *, int, ...)(at, path, flags, mode);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	if (is_interrupted())
		return -1;
	return REAL(pid_t, "waitpid", pid_t, int *, int)(pid, status, options);
}
