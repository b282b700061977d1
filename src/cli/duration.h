/* Times on the command line, written as in the configuration. */
#pragma once

#include "base/error.h"

/** Reads "30s", "5m", "4h" or "5d" into seconds, at least 1. Fails with EX_USAGE. */
bool duration_read(const char *text, int64_t *seconds, struct error *err) NODISCARD;
