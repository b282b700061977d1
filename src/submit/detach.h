/* Going on after the caller was answered: a child of its own session that
 * nobody waits for. */
#pragma once

#include "base/error.h"

/**
 * Forks. In the parent *is_child is false. In the child it is true: it leads a
 * new session, its standard descriptors are /dev/null, its directory is "/",
 * signals have their defaults, and it ends with _exit alone.
 *
 * Fails with EX_OSERR where no process can be made.
 */
bool detach_fork(bool *is_child, struct error *err) NODISCARD;
