#include "submit/outbox.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void outbox_init(struct outbox *o, const struct config *config)
{
	*o = (struct outbox){.config = config};
	o->directory = config_queue_directory(&o->arena, config);
}

void outbox_done(struct outbox *o)
{
	spool_free(o->spool);
	arena_done(&o->arena);
	*o = (struct outbox){0};
}

bool outbox_open(struct outbox *o, bool create, struct error *err)
{
	if (o->spool)
		return true;
	if (!o->directory) {
		error_set(err, EX_CANTCREAT,
			"there is no place for a queue: this user has no home directory");
		return error_hint(err, "set 'directory' under [queue] in the configuration");
	}
	return spool_open(o->directory, create, &o->spool, err);
}

struct retry_rules outbox_rules(const struct config *config)
{
	return (struct retry_rules){
		.min_s = config->queue.retry_min_s,
		.max_s = config->queue.retry_max_s,
		.expire_s = config->queue.expire_s,
		.warn_s = config->queue.warn_s,
	};
}

/* The envelope without those who have the message already. The copies of the
 * recipients borrow from the original, which outlives the addition. */
static void copy_open(const struct envelope *from, bool refused_alone, struct envelope *to)
{
	to->sender = from->sender;
	to->envid = from->envid;
	to->ret = from->ret;
	to->demands = from->demands;
	envelope_reserve(to, from->count);
	for (size_t i = 0; i < from->count; i++) {
		const struct recipient *r = &from->recipients[i];

		if (r->state == RECIPIENT_DELIVERED ||
			(refused_alone && r->state != RECIPIENT_FAILED))
			continue;

		struct recipient *copy = envelope_append(to, r->address);

		copy->orcpt = r->orcpt;
		copy->notify = r->notify;
		copy->state = r->state;
	}
}

static void write_note(struct entry_status *status, const struct outbox_note *note)
{
	status->attempts = note->attempts;
	if (!note->last)
		return;
	status->code = note->last->smtp_code;
	snprintf(status->text, sizeof(status->text), "%.*s", (int)sizeof(status->text) - 1,
		note->last->text);
}

bool outbox_add(struct outbox *o, const char *account, const struct envelope *envelope,
	const struct content *content, bool needs_smtputf8, const struct outbox_note *note,
	char *id, struct error *err)
{
	struct spool_limits limits = {.max_octets = o->config->queue.max_size};
	struct entry entry = {
		.account = account,
		.created = clock_wall(),
		.needs_smtputf8 = needs_smtputf8,
		.has_8bit = content->has_8bit,
	};

	if (!outbox_open(o, true, err))
		return false;
	if (note->attempts > 0)
		entry.next = entry.created + o->config->queue.retry_min_s;
	copy_open(envelope, note->refused_alone, &entry.envelope);
	write_note(&entry.status, note);

	bool is_stored = spool_add(o->spool, &entry, content, &limits, note->failed, id, err);

	envelope_done(&entry.envelope);
	return is_stored;
}

bool outbox_replace(
	struct outbox *o, const struct spool_item *item, int64_t next, struct error *err)
{
	struct entry entry = item->entry;
	char id[SPOOL_ID_SPACE];

	entry.envelope = (struct envelope){0};
	entry.next = next;
	copy_open(&item->entry.envelope, false, &entry.envelope);

	bool is_stored = spool_add(o->spool, &entry, &item->content, NULL, false, id, err);

	envelope_done(&entry.envelope);
	return is_stored;
}
