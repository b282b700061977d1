/* A directory of its own for a test of the configuration, and files in it. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/account.h"
#include "config/environ.h"

extern char **environ;

static char test_dir[256];

static int remove_one(
	const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

/* No variable of the person who runs the test may reach it. */
static void clear_variables(void)
{
	static const char *const others[] = {
		"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "NETRC", "CREDENTIALS_DIRECTORY"};
	char name[128];

	for (size_t i = 0; environ && environ[i];) {
		size_t len = strcspn(environ[i], "=");

		if (strncmp(environ[i], "PILLARBOX_", 10) != 0 ||
			strncmp(environ[i], "PILLARBOX_SOURCE_ROOT", 21) == 0 ||
			strncmp(environ[i], "PILLARBOX_TEST_DATA", 19) == 0 ||
			len >= sizeof(name)) {
			i++;
			continue;
		}
		memcpy(name, environ[i], len);
		name[len] = '\0';
		unsetenv(name);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		unsetenv(others[i]);
	environ_forget_secret();
}

UNUSED static int make_dir(void **state UNUSED)
{
	const char *tmp = getenv("TMPDIR");

	clear_variables();
	snprintf(test_dir, sizeof(test_dir), "%s/pillarbox-test-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(test_dir) ? 0 : -1;
}

UNUSED static int remove_dir(void **state UNUSED)
{
	clear_variables();
	return nftw(test_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file of the test's directory; returns its path, which lives until
 * the same slot is used again. */
UNUSED static const char *put_octets(const char *name, struct slice text, mode_t mode)
{
	static char paths[8][512];
	static size_t next;
	char *path = paths[next++ % ARRAY_LEN(paths)];
	int fd;

	snprintf(path, sizeof(paths[0]), "%s/%s", test_dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

UNUSED static const char *put(const char *name, const char *text, mode_t mode)
{
	return put_octets(name, slice_of(text), mode);
}

/* All faults, one line each: "78 words (hint)". */
UNUSED static void write_fault_line(void *context, const struct error *fault)
{
	buf_printf(context, "%d %s%s%s%s\n", fault->exit_code, fault->text,
		fault->hint[0] ? " (" : "", fault->hint, fault->hint[0] ? ")" : "");
}
