/* Getting an account's password or token from where the person keeps it. */
#pragma once

#include "base/buf.h"
#include "config/account.h"

/**
 * Adds the account's secret to out: `password`, `password_file`,
 * `password_command`, `password_credential`, else ~/.netrc.
 *
 * Fails with EX_CONFIG where a source is named and cannot be used (mode, owner, missing),
 * EX_TEMPFAIL where the command failed or ran out of time (a locked key ring), and
 * EX_CONFIG where there is none at all. The words never hold the secret. The
 * caller wipes out.
 */
bool secret_get(const struct account *account, struct buf *out, struct error *err) NODISCARD;

/**
 * Fails as secret_get() does where the account's secret cannot be had until its
 * configuration is mended. A command is looked up and not run: it may ask the
 * person something.
 */
bool secret_check(const struct account *account, struct error *err) NODISCARD;
