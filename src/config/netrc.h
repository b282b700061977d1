/* The password file of ftp, which curl, git and mail programs share: ~/.netrc. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/**
 * Looks for the password of a login on a machine in the text of a netrc file:
 * the first "machine" of that name (any case) whose login is `user` or is not
 * given, else a "default" of that kind. Words may be in double quotes, in which a
 * backslash keeps the next octet; "#" begins a comment; "macdef" goes on to the
 * next empty line.
 *
 * user   NULL: any login will do
 * out    gets the password added at its end
 * found  set on success
 */
bool netrc_find(struct slice text, const char *machine, const char *user, struct buf *out,
	bool *found, struct error *err) NODISCARD;
