#include "queue/retry.h"

/* A clock that was set back by less than this is a correction, not a jump. */
enum { DAY_S = 24 * 60 * 60 };

/* Age alone proves nothing where a clock can jump by years: an entry has to be
 * tried this often before it may expire. */
enum { FEWEST_ATTEMPTS = 8 };

/* Times come from files and clocks that may hold anything, so that sums and
 * differences stop at the ends of the range. */
static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static int64_t minus(int64_t a, int64_t b)
{
	int64_t difference;

	if (__builtin_sub_overflow(a, b, &difference))
		return b < 0 ? INT64_MAX : INT64_MIN;
	return difference;
}

bool retry_is_due(const struct retry_rules *rules, const struct retry_facts *facts, int64_t now)
{
	if (facts->attempts == 0 || now >= facts->next)
		return true;
	return now < minus(facts->created, DAY_S) || minus(facts->next, now) > rules->max_s;
}

bool retry_is_expired(const struct retry_rules *rules, const struct retry_facts *facts, int64_t now)
{
	return facts->attempts >= FEWEST_ATTEMPTS && minus(now, facts->created) > rules->expire_s;
}

bool retry_is_late(const struct retry_rules *rules, const struct retry_facts *facts, int64_t now)
{
	return rules->warn_s > 0 && facts->attempts > 0 &&
	       minus(now, facts->created) >= rules->warn_s;
}

/* The pause without jitter; a rule that makes no sense still gives a pause. */
static int64_t pause_after(const struct retry_rules *rules, unsigned attempts)
{
	int64_t longest = rules->max_s > 0 ? rules->max_s : 1;
	int64_t pause_s = rules->min_s > 0 ? rules->min_s : 1;

	for (unsigned i = 1; i < attempts && pause_s < longest; i++)
		pause_s = plus(pause_s, pause_s);
	return pause_s < longest ? pause_s : longest;
}

int64_t retry_next(const struct retry_rules *rules, unsigned attempts, int64_t now, uint32_t jitter)
{
	int64_t pause_s = pause_after(rules, attempts);

	return plus(now, pause_s - (int64_t)jitter % (pause_s / 10 + 1));
}
