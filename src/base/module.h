/* Parts of the program that are loaded only when they are needed, because the
 * libraries behind them are slow to load: TLS and IDNA. */
#pragma once

#include "base/error.h"

/**
 * Loads a module, "tls" or "idn", and finds the one symbol it offers. Modules
 * are looked for beside the program and where they were installed, nowhere
 * else. The result lives as long as the process. Fails with EX_OSFILE and the loader's words.
 */
bool module_load(const char *name, const char *symbol, void **out, struct error *err) NODISCARD;
