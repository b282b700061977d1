/* Where a person's files are. */
#pragma once

#include "base/arena.h"

/**
 * The person's own configuration file: under $XDG_CONFIG_HOME where that is
 * absolute and no other person's, else under ~/.config. NULL where there is no
 * home. In the arena; the file need not exist.
 */
const char *home_config_file(struct arena *arena);
