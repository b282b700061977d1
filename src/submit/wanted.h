/* Which entries a run was asked for. */
#pragma once

#include "submit/runner.h"

/** True where all entries are meant, or the one of this id among others. */
bool wanted_name(const struct runner_options *options, const char *id);

/** True when id, sender and a recipient hold the texts that were asked for. */
bool wanted_item(const struct runner_options *options, const struct spool_item *item);
