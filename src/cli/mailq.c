#include "cli/mailq.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "cli/print.h"

/* Entries are numbered as Postfix does: '*' is being sent, '!' is held. */
static char mark_of(const struct spool_item *item, bool is_busy)
{
	return is_busy ? '*' : item->entry.status.is_held ? '!' : ' ';
}

static void print_entry(const struct spool_item *item, bool is_busy)
{
	const struct envelope *e = &item->entry.envelope;
	time_t created = (time_t)item->entry.created;
	char arrived[32] = "";
	struct tm local;

	if (localtime_r(&created, &local))
		strftime(arrived, sizeof(arrived), "%a %b %d %H:%M:%S", &local);
	printf("%s%c %8" PRIu64 " %19s  %s\n", item->id, mark_of(item, is_busy), item->entry.size,
		arrived, e->sender[0] ? e->sender : "MAILER-DAEMON");
	if (item->entry.status.text[0])
		printf("(%s)\n", item->entry.status.text);
	for (size_t i = 0; i < e->count; i++)
		if (e->recipients[i].state != RECIPIENT_DELIVERED &&
			e->recipients[i].state != RECIPIENT_FAILED)
			printf("%41s%s\n", "", e->recipients[i].address);
	putchar('\n');
}

static void print_damaged(const struct spool_name *name, const struct error *why)
{
	printf("%s? %8" PRId64 " %19s  (damaged)\n(%s)\n\n", name->id, name->size, "", why->text);
}

/* What the trailer adds up. */
struct sums {
	uint64_t octets;
	size_t entries;
};

static void print_one(struct outbox *outbox, struct spool_name *name, struct sums *sums)
{
	struct spool_item item;
	struct error err = {0};
	enum spool_claim_result found = spool_peek(outbox->spool, name->id, false, &item, &err);

	if (found == SPOOL_GONE)
		return;
	if (sums->entries == 0)
		puts("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------");
	sums->entries++;
	if (found == SPOOL_DAMAGED) {
		if (spool_look(outbox->spool, name))
			sums->octets += (uint64_t)name->size;
		print_damaged(name, &err);
		return;
	}
	sums->octets += (uint64_t)item.file_octets;
	print_entry(&item, found == SPOOL_BUSY);
	spool_release(&item);
}

int mailq_print(struct outbox *outbox)
{
	struct spool_name *names = NULL;
	struct sums sums = {0};
	struct error err = {0};
	size_t count = 0;
	bool is_open = outbox_open(outbox, false, &err);

	if ((!is_open && err.exit_code != EX_NOINPUT && outbox->directory) ||
		(is_open && !spool_list_ids(outbox->spool, false, &names, &count, &err))) {
		print_fault("mailq", &err);
		return err.exit_code;
	}
	for (size_t i = 0; i < count; i++)
		print_one(outbox, &names[i], &sums);
	free(names);
	if (sums.entries == 0)
		puts("Mail queue is empty");
	else
		printf("-- %" PRIu64 " Kbytes in %zu Request%s.\n", (sums.octets + 1023) / 1024,
			sums.entries, sums.entries == 1 ? "" : "s");
	return EX_OK;
}
