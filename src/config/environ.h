/* The environment as a source of settings. */
#pragma once

#include "base/common.h"

/**
 * False when the system says that the caller has fewer rights than this
 * process (AT_SECURE): nothing of the environment is then believed.
 */
bool environ_is_trusted(void);

/** The value of a variable; NULL when unset, empty, or not to be trusted. */
const char *environ_get(const char *name);

/**
 * The value of a variable that holds a secret. The first call overwrites it in
 * the environment and removes it there, so that neither a child nor another
 * look at this process finds it; later calls give what was taken. Borrowed
 * until environ_forget_secret or a new value; NULL when there is none.
 */
const char *environ_take_secret(const char *name);

/** Wipes what environ_take_secret has kept. */
void environ_forget_secret(void);
