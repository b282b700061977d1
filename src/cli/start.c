#include "cli/start.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/auxv.h>
#include <sys/prctl.h>
#endif

#include "base/file.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* Secrets of this process belong in no core file and to no debugger. */
static void hide_memory(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
#ifdef __linux__
	/* The leak checker of a sanitizer build looks at its own process. */
	if (!IS_SANITIZED)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Whether a set-uid or set-gid bit was at work. Linux told at the start, which saves asking. */
static bool has_borrowed_rights(void)
{
#ifdef __linux__
	return getauxval(AT_UID) != getauxval(AT_EUID) || getauxval(AT_GID) != getauxval(AT_EGID);
#else
	return getuid() != geteuid() || getgid() != getegid();
#endif
}

bool start_process(bool *stdin_was_open, struct error *err)
{
	if (has_borrowed_rights())
		return error_set(
			err, EX_NOPERM, "pillarbox must not be installed set-uid or set-gid");
	if (!file_open_standard(stdin_was_open, err))
		return false;
	/* Descriptors that a careless caller left open are none of our business,
	 * and none of our children's. A sanitizer has some of its own. */
	if (!IS_SANITIZED)
		file_close_from(3, -1);
	hide_memory();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(077);
	return true;
}
