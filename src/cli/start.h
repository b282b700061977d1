/* What every program of ours does before anything else. */
#pragma once

#include "base/error.h"

/**
 * Makes the process safe to go on in: standard descriptors open, inherited
 * others closed, no core dumps, nobody to trace it, SIGPIPE and SIGXFSZ
 * ignored, umask 077. Refuses to run set-uid or set-gid.
 *
 * stdin_was_open  set: whether the caller gave a standard input
 *
 * Fails with EX_OSERR or EX_NOPERM.
 */
bool start_process(bool *stdin_was_open, struct error *err) NODISCARD;
