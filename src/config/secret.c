#include "config/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "base/words.h"
#include "config/environ.h"
#include "config/guard.h"
#include "config/netrc.h"

enum {
	LONGEST_SECRET = 4096,
	LARGEST_FILE = 65536,
	COMMAND_MS = 30000,
	MOST_COMPLAINTS = 4096,
};

static void arena_free(struct arena *arena)
{
	arena_done(arena);
}

/* --- files ----------------------------------------------------------------------- */

static bool is_below(const char *path, const char *directory)
{
	size_t len = directory ? strlen(directory) : 0;

	while (len > 0 && directory[len - 1] == '/')
		len--;
	return len > 0 && strncmp(path, directory, len) == 0 && path[len] == '/';
}

/* Directories whose managers guard the files with other means than modes. */
static bool is_guarded(const char *path)
{
	if (strstr(path, "/../") || strstr(path, "//"))
		return false;
	return is_below(path, "/run/secrets") ||
	       is_below(path, environ_get("CREDENTIALS_DIRECTORY"));
}

static bool check_file(int fd, const char *path, struct error *err)
{
	struct stat st;
	bool is_fine;

	if (is_guarded(path)) {
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			return true;
		return error_set(err, EX_CONFIG, "'%s' is not a file", path);
	}
	is_fine = guard_check(fd, path, &st, err) &&
		  guard_check_private(&st, path, "a password", err);
	if (!is_fine)
		err->exit_code = EX_CONFIG;
	return is_fine;
}

static bool open_file(const char *path, const char *what, int *out, struct error *err)
{
	CLEANUP(fd_close) int fd = guard_open(path);

	if (fd < 0)
		return error_errno(err, EX_CONFIG, "cannot open the %s '%s'", what, path);
	if (!check_file(fd, path, err))
		return false;
	*out = fd;
	fd = -1;
	return true;
}

static bool from_file(const char *path, const char *what, struct buf *out, struct error *err)
{
	CLEANUP(buf_wipe) struct buf text = BUF(LARGEST_FILE + GUARD_SPARE);
	CLEANUP(fd_close) int fd = -1;

	return open_file(path, what, &fd, err) && guard_read(fd, path, LARGEST_FILE, &text, err) &&
	       guard_first_line(buf_slice(&text), path, out, err);
}

static bool from_credential(const char *name, struct buf *out, struct error *err)
{
	CLEANUP(arena_free) struct arena arena = {0};
	const char *directory = environ_get("CREDENTIALS_DIRECTORY");

	if (!directory || directory[0] != '/') {
		error_set(err, EX_CONFIG,
			"password_credential = %s, but CREDENTIALS_DIRECTORY is not set", name);
		return error_hint(err,
			"the unit that runs this needs LoadCredential=%s:... or "
			"LoadCredentialEncrypted=",
			name);
	}
	return from_file(arena_printf(&arena, "%s/%s", directory, name), "credential", out, err);
}

/* --- the command -------------------------------------------------------------------- */

/* The last line of what the command has said, for words; blank lines aside. */
static struct slice last_line(const struct buf *complaints)
{
	struct slice all = slice_trim(buf_slice(complaints));

	for (size_t i = all.len; i > 0; i--)
		if (all.ptr[i - 1] == '\n')
			return slice_from(all, i);
	return all;
}

static bool command_failed(const struct account *account, const struct process *p,
	const struct process_end *end, struct error *err)
{
	CLEANUP(buf_done) struct buf why = BUF(256);
	CLEANUP(buf_done) struct buf said = BUF(2048);
	int code = end->fate == PROCESS_NOT_STARTED && end->code != ENOMEM && end->code != EAGAIN
			   ? EX_CONFIG
			   : EX_TEMPFAIL;

	process_explain(&why, p, end);
	text_sanitize(&said, last_line(p->complaints), 400);
	error_set(err, code, "account '%s': password_command '%s' failed: %s%s%s", account->name,
		p->argv[0], buf_text(&why), said.len > 0 ? ": " : "", buf_text(&said));
	if (end->fate == PROCESS_NOT_STARTED)
		return error_hint(err, "the command is run without a shell; for one, write "
				       "password_command = sh -c '...'");
	if (end->fate == PROCESS_TIMED_OUT || end->fate == PROCESS_STOPPED)
		return error_hint(err, "the command has to answer by itself: it gets no terminal");
	return false;
}

static bool split_command(
	const struct account *account, struct arena *arena, char ***argv, struct error *err)
{
	return words_split(arena, slice_of(account->password_command), argv, err) ||
	       error_prefix(err, "account '%s': password_command", account->name);
}

static bool check_command(const struct account *account, struct error *err)
{
	CLEANUP(arena_free) struct arena arena = {0};
	CLEANUP(buf_done) struct buf nothing = BUF(1);
	struct process p = {.complaints = &nothing};
	struct process_end end = {.fate = PROCESS_NOT_STARTED};
	char **argv;

	if (!split_command(account, &arena, &argv, err))
		return false;
	p.argv = argv;
	end.code = process_look_up(argv[0]);
	return end.code == 0 || command_failed(account, &p, &end, err);
}

static bool from_command(const struct account *account, struct buf *out, struct error *err)
{
	/* What may hold a password, the login of a proxy, or a PIN. */
	static const char *const unset[] = {"PILLARBOX_PASSWORD*", "PILLARBOX_PROXY",
		"PILLARBOX_TLS_CERT_FILE", "PILLARBOX_TLS_KEY_FILE", NULL};
	CLEANUP(arena_free) struct arena arena = {0};
	CLEANUP(buf_wipe) struct buf output = BUF(LONGEST_SECRET + 2);
	CLEANUP(buf_done) struct buf complaints = BUF(MOST_COMPLAINTS);
	struct process p = {.unset = unset,
		.wait_ms = COMMAND_MS,
		.output = &output,
		.complaints = &complaints};
	struct process_end end;
	char **argv;

	if (!split_command(account, &arena, &argv, err))
		return false;
	p.argv = argv;
	if (!process_run(&p, &end, err)) {
		err->exit_code = EX_TEMPFAIL;
		return error_fate(err, FATE_LATER);
	}
	/* One that had more to say found its pipe closed: how it took that is its affair. */
	if (!output.is_full && (end.fate != PROCESS_EXITED || end.code != 0))
		return command_failed(account, &p, &end, err);
	/* A key ring that is locked may answer with nothing at all. */
	if (!guard_first_line(buf_slice(&output), argv[0], out, err)) {
		error_prefix(err, "account '%s': output of password_command", account->name);
		err->exit_code = EX_TEMPFAIL;
		return error_fate(err, FATE_LATER);
	}
	return true;
}

/* --- netrc ----------------------------------------------------------------------------- */

static const char *netrc_path(struct arena *arena)
{
	const char *named = environ_get("NETRC");
	const char *home;

	if (named && named[0] == '/')
		return arena_strdup(arena, named);
	home = config_home(arena);
	return home ? arena_printf(arena, "%s/.netrc", home) : NULL;
}

/* True when the file could be searched; *found tells the rest. */
static bool from_netrc(
	const struct account *account, struct buf *out, bool *found, struct error *err)
{
	CLEANUP(arena_free) struct arena arena = {0};
	CLEANUP(buf_wipe) struct buf text = BUF(LARGEST_FILE + GUARD_SPARE);
	CLEANUP(fd_close) int fd = -1;
	const char *path = netrc_path(&arena);

	*found = false;
	if (path)
		fd = guard_open(path);
	if (fd < 0)
		return true;
	if (!check_file(fd, path, err) || !guard_read(fd, path, LARGEST_FILE, &text, err))
		return false;
	for (size_t i = 0; i < account->hosts.count && !*found; i++) {
		const char *host = account->hosts.items[i];

		if (strncmp(host, "srv:", 4) == 0)
			host += 4;
		if (!netrc_find(buf_slice(&text), host, account->user, out, found, err))
			return false;
	}
	return true;
}

static bool no_secret(const struct account *account, struct error *err)
{
	error_set(err, EX_CONFIG, "account '%s' (%s) has no password, and ~/.netrc has none for it",
		account->name, account->origin);
	return error_hint(err,
		"add password_command = ... (or password_file, password_credential, password), or "
		"auth = none if the server needs no login");
}

bool secret_get(const struct account *account, struct buf *out, struct error *err)
{
	bool found;

	if (account->password) {
		buf_add_text(out, account->password);
		return !out->is_full ||
		       error_set(err, EX_CONFIG, "account '%s': the password is too long",
			       account->name);
	}
	if (account->password_file)
		return from_file(account->password_file, "password_file", out, err);
	if (account->password_command)
		return from_command(account, out, err);
	if (account->password_credential)
		return from_credential(account->password_credential, out, err);
	if (!from_netrc(account, out, &found, err))
		return false;
	return found || no_secret(account, err);
}

bool secret_check(const struct account *account, struct error *err)
{
	CLEANUP(buf_wipe) struct buf secret = BUF(65536);

	if (account->password_command)
		return check_command(account, err);
	return secret_get(account, &secret, err);
}
