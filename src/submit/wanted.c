#include "submit/wanted.h"

#include <string.h>

bool wanted_name(const struct runner_options *options, const char *id)
{
	for (size_t i = 0; i < options->only_count; i++)
		if (strcmp(options->only[i].id, id) == 0)
			return true;
	return !options->only;
}

static bool holds_text(const char *whole, const char *part)
{
	return !part || strstr(whole, part) != NULL;
}

bool wanted_item(const struct runner_options *options, const struct spool_item *item)
{
	const struct envelope *e = &item->entry.envelope;

	if (!holds_text(item->id, options->match_id) ||
		!holds_text(e->sender, options->match_sender))
		return false;
	if (!options->match_recipient)
		return true;
	for (size_t i = 0; i < e->count; i++)
		if (holds_text(e->recipients[i].address, options->match_recipient))
			return true;
	return false;
}
