/* The line "demands requiretls by=7200;R priority=-3 hold=3600": what a message
 * asks of the server beyond RFC 5321, in this order, only what it asks for. */
#include <stdlib.h>
#include <string.h>

#include "queue/entry_words.h"

enum {
	LONGEST_DEMAND_S = 999999999, /* nine digits: RFC 2852 section 4, RFC 4865 section 4.2 */
	HIGHEST_PRIORITY = 9,         /* RFC 6710 section 4.1 */
};

static bool is_sane(const struct demands *d)
{
	bool has_by = d->deliver_by_s != 0;

	if (d->deliver_by_s < 0 || d->deliver_by_s > LONGEST_DEMAND_S)
		return false;
	if (has_by && d->deliver_by_mode != 'R' && d->deliver_by_mode != 'N')
		return false;
	if (d->has_priority && abs(d->priority) > HIGHEST_PRIORITY)
		return false;
	return d->hold_for_s >= 0 && d->hold_for_s <= LONGEST_DEMAND_S;
}

bool entry_demands_text(const struct demands *d, struct buf *out)
{
	if (!is_sane(d))
		return false;
	if (d->require_tls)
		buf_add_text(out, " requiretls");
	if (d->deliver_by_s != 0)
		buf_printf(out, " by=%ld;%c", d->deliver_by_s, d->deliver_by_mode);
	if (d->has_priority)
		buf_printf(out, " priority=%d", d->priority);
	if (d->hold_for_s != 0)
		buf_printf(out, " hold=%ld", d->hold_for_s);
	return true;
}

static bool read_seconds(struct slice text, long *out)
{
	uint64_t seconds;

	if (!slice_is_number(text, LONGEST_DEMAND_S, &seconds) || seconds == 0)
		return false;
	*out = (long)seconds;
	return true;
}

static bool read_require_tls(struct slice value, struct demands *d)
{
	d->require_tls = value.len == 0;
	return d->require_tls;
}

static bool read_by(struct slice value, struct demands *d)
{
	size_t split = slice_find(value, ';');
	struct slice mode = slice_from(value, split);

	if (!slice_eq(mode, SLICE(";R")) && !slice_eq(mode, SLICE(";N")))
		return false;
	d->deliver_by_mode = mode.ptr[1];
	return read_seconds(slice_upto(value, split), &d->deliver_by_s);
}

static bool read_priority(struct slice value, struct demands *d)
{
	bool is_negative = slice_starts(value, SLICE("-"));
	uint64_t number;

	if (!slice_is_number(slice_from(value, is_negative), HIGHEST_PRIORITY, &number))
		return false;
	d->priority = is_negative ? -(int)number : (int)number;
	d->has_priority = true;
	return true;
}

static bool read_hold(struct slice value, struct demands *d)
{
	return read_seconds(value, &d->hold_for_s);
}

bool entry_demands_value(struct slice text, struct demands *out)
{
	static const struct {
		const char *prefix;
		bool (*read)(struct slice value, struct demands *d);
	} words[] = {
		{"requiretls", read_require_tls},
		{"by=", read_by},
		{"priority=", read_priority},
		{"hold=", read_hold},
	};
	struct demands d = {0};
	bool is_over = false;

	for (size_t i = 0; i < ARRAY_LEN(words) && !is_over; i++) {
		struct slice prefix = slice_of(words[i].prefix);
		struct slice word = slice_upto(text, slice_find(text, ' '));

		if (!slice_starts(word, prefix))
			continue;
		if (!words[i].read(slice_from(word, prefix.len), &d))
			return false;
		is_over = word.len == text.len;
		text = slice_from(text, word.len + 1);
	}
	if (!is_over)
		return false;
	*out = d;
	return true;
}
