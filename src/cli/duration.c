#include "cli/duration.h"

#include "config/account.h"
#include "config/options.h"

bool duration_read(const char *text, int64_t *seconds, struct error *err)
{
	CLEANUP(arena_done) struct arena arena = {0};
	struct config scratch = {0};

	/* The same reader as for the keys of the configuration. */
	if (!option_read(option_find("queue", SLICE("retry_min")), &arena,
		    arena_strdup(&arena, text), &scratch, err) ||
		scratch.queue.retry_min_s < 1) {
		error_set(err, EX_USAGE, "'%.32s' is not a time such as 30s, 5m or 1h", text);
		return false;
	}
	*seconds = scratch.queue.retry_min_s;
	return true;
}
