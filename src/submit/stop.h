/* Being asked to end: SIGTERM, SIGINT and SIGHUP set a flag that is looked at
 * between two messages, so that none is left between its delivery and its record. */
#pragma once

#include "base/common.h"

/** Watches the signals from now on; those that were ignored stay ignored. */
void stop_watch(void);

/** True once one of them came. */
bool stop_is_asked(void);
