#include "cli/queue_change.h"

#include <stdlib.h>

#include "base/clock.h"

/* Finds and claims one entry, for a change that must not meet a runner's. */
static bool claim(struct outbox *outbox, const char *id, struct spool_item *item, struct error *err)
{
	struct spool_name name;

	if (!outbox_open(outbox, false, err) || !spool_find(outbox->spool, id, &name, err))
		return false;
	if (spool_claim(outbox->spool, name.id, name.in_failed, item, err) == SPOOL_CLAIMED)
		return true;
	if (err->exit_code == 0)
		error_set(err, EX_TEMPFAIL, "%s is being sent or already gone", name.id);
	return false;
}

/* A held entry is never due; its time says so to whoever looks at times alone. */
enum { HELD_S = 10 * 365 * 86400 };

static bool set_held(struct outbox *outbox, const char *id, bool is_held, struct error *err)
{
	struct spool_item item;

	if (!claim(outbox, id, &item, err))
		return false;
	item.entry.status.is_held = is_held;

	bool is_done = spool_write_status(&item, clock_wall() + (is_held ? HELD_S : 0), err);

	spool_release(&item);
	return is_done;
}

bool queue_change_hold(struct outbox *outbox, const char *id, struct error *err)
{
	return set_held(outbox, id, true, err);
}

bool queue_change_release(struct outbox *outbox, const char *id, struct error *err)
{
	return set_held(outbox, id, false, err);
}

bool queue_change_delete(struct outbox *outbox, const char *id, struct error *err)
{
	struct spool_item item;

	if (!claim(outbox, id, &item, err))
		return false;

	bool is_done = spool_remove(outbox->spool, &item, err);

	spool_release(&item);
	return is_done;
}

/* In failed/ a refused recipient gets another chance, and so does the count
 * that decides when the entry is given up. */
static bool revive(struct outbox *outbox, struct spool_item *item, struct error *err)
{
	struct envelope *e = &item->entry.envelope;

	for (size_t i = 0; item->in_failed && i < e->count; i++)
		if (e->recipients[i].state == RECIPIENT_FAILED)
			e->recipients[i].state = RECIPIENT_PENDING;
	if (item->in_failed)
		item->entry.status.attempts = 0;
	item->entry.status.is_held = false;
	if (!spool_write_states(item, true, err) || !spool_write_status(item, clock_wall(), err))
		return false;
	return !item->in_failed || spool_move(outbox->spool, item, false, err);
}

bool queue_change_retry(struct outbox *outbox, const char *id, struct error *err)
{
	struct spool_item item;

	if (!claim(outbox, id, &item, err))
		return false;

	bool is_done = revive(outbox, &item, err);

	spool_release(&item);
	return is_done;
}

static bool retry_folder(struct outbox *outbox, bool failed, struct error *err)
{
	struct spool_name *names = NULL;
	struct spool_item item;
	size_t count = 0;
	bool is_done = true;

	if (!spool_list(outbox->spool, failed, &names, &count, err))
		return false;
	for (size_t i = 0; i < count && is_done; i++) {
		struct error ignored = {0};

		if (spool_claim(outbox->spool, names[i].id, failed, &item, &ignored) !=
			SPOOL_CLAIMED)
			continue;
		is_done = revive(outbox, &item, err);
		spool_release(&item);
	}
	free(names);
	return is_done;
}

bool queue_change_retry_all(struct outbox *outbox, struct error *err)
{
	return outbox_open(outbox, false, err) && retry_folder(outbox, true, err) &&
	       retry_folder(outbox, false, err);
}
