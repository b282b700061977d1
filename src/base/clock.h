/* Two clocks: deadlines run on one that cannot jump and counts suspend; dates
 * and the queue use the wall clock. */
#pragma once

#include "base/common.h"

#include <time.h>

/** Milliseconds of CLOCK_BOOTTIME (CLOCK_MONOTONIC where that is missing). */
int64_t clock_now_ms(void);

/** The deadline that lies wait_ms (>= 0) from now, in the clock above. */
int64_t clock_deadline(int64_t wait_ms);

/** Milliseconds until a deadline, for poll(): 0 when it has passed. */
int clock_left_ms(int64_t deadline_ms);

/** The earlier of two deadlines. */
int64_t clock_earlier(int64_t a_ms, int64_t b_ms);

/** Seconds of the wall clock since 1970. */
int64_t clock_wall(void);
