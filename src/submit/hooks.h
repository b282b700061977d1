/* [notify]: commands that the person wants run, with the facts in their environment. */
#pragma once

#include "config/account.h"

/* What happened; texts may be NULL. */
struct hook_facts {
	const char *event; /* "failure" or "stuck" */
	const char *id;    /* of the queue entry */
	const char *account;
	const char *sender;
	const char *recipients; /* blank separated */
	const char *reason;     /* one line */
	const char *file;       /* of the entry */
};

/**
 * Runs on_failure or on_stuck by exec of its words, without a shell, for at
 * most 30 seconds, with PILLARBOX_EVENT, _ID, _ACCOUNT, _SENDER, _RECIPIENTS,
 * _REASON and _FILE in its environment. Never fails: a hook that cannot run is logged.
 */
void hooks_run(const struct config *config, const struct hook_facts *facts);
