/* International domain names (RFC 5890, 5891). */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/**
 * The A-label form of a domain in UTF-8. Loads the module that knows Unicode;
 * call it for domains that are not ASCII alone.
 *
 * out  set on success; lives in the arena
 *
 * Fails with EX_DATAERR where the domain has no such form, and with EX_OSFILE
 * where the module cannot be loaded.
 */
bool idn_to_ascii(
	struct arena *arena, const char *domain, const char **out, struct error *err) NODISCARD;
