/* When an entry is tried again and when it is given up: pure rules. */
#pragma once

#include "base/common.h"

struct retry_rules {
	int64_t min_s;    /* first pause */
	int64_t max_s;    /* longest pause */
	int64_t expire_s; /* age at which an entry is given up */
	int64_t warn_s;   /* age at which the sender is told of the delay, once; 0: never */
};

/* What the rules look at. */
struct retry_facts {
	int64_t created; /* seconds since 1970 */
	int64_t next;    /* mtime: time of the next attempt */
	unsigned attempts;
};

/**
 * True when an entry is to be tried at `now`. Survives clocks that jump: an
 * entry that seems to come from the future, or to wait longer than any pause
 * lasts, is due. Such an entry can stay due after an attempt, so a run tries
 * each entry once at most.
 */
bool retry_is_due(const struct retry_rules *rules, const struct retry_facts *facts, int64_t now);

/** True when an entry is to be given up: old enough AND tried at least 8 times. */
bool retry_is_expired(
	const struct retry_rules *rules, const struct retry_facts *facts, int64_t now);

/**
 * True when the sender is to be told that an entry is late: tried at least once
 * and older than warn_s. The caller knows whether that was done already.
 */
bool retry_is_late(const struct retry_rules *rules, const struct retry_facts *facts, int64_t now);

/**
 * The time of the next attempt after `attempts` failed ones: min doubling up to
 * max, with up to a tenth taken off by `jitter` (any number). Always later than
 * `now`.
 */
int64_t retry_next(
	const struct retry_rules *rules, unsigned attempts, int64_t now, uint32_t jitter);
