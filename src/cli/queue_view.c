#include "cli/queue_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

/* One entry as it is found, whole or damaged. */
struct view {
	struct spool_name *name;
	struct spool_item item;
	enum spool_claim_result found;
	struct error err; /* why it is damaged */
};

static bool view_open(struct outbox *outbox, struct spool_name *name, struct view *v)
{
	*v = (struct view){.name = name, .item.fd = -1};
	v->found = spool_peek(outbox->spool, name->id, name->in_failed, &v->item, &v->err);
	return v->found != SPOOL_GONE;
}

static void view_close(struct view *v)
{
	if (v->found == SPOOL_CLAIMED || v->found == SPOOL_BUSY)
		spool_release(&v->item);
}

static const char *state_name(const struct view *v)
{
	if (v->found == SPOOL_DAMAGED)
		return "damaged";
	if (v->name->in_failed)
		return "failed";
	if (v->found == SPOOL_BUSY)
		return "sending";
	if (v->item.entry.status.is_held)
		return "held";
	return envelope_count(&v->item.entry.envelope, RECIPIENT_SENT) > 0 ? "in-doubt" : "queued";
}

static const char *recipient_state_name(enum recipient_state state)
{
	switch (state) {
	case RECIPIENT_DELIVERED:
		return "delivered";
	case RECIPIENT_FAILED:
		return "failed";
	case RECIPIENT_SENT:
		return "in-doubt";
	case RECIPIENT_PENDING:
		break;
	}
	return "pending";
}

/* A file keeps one reply, the last that kept the message from being done. */
static void write_recipients(struct json *json, const struct entry *entry)
{
	const struct envelope *e = &entry->envelope;

	json_open_member(json, "recipients", '[');
	for (size_t i = 0; i < e->count; i++) {
		json_open(json, '{');
		json_text(json, "address", e->recipients[i].address);
		json_text(json, "state", recipient_state_name(e->recipients[i].state));
		if (e->recipients[i].state != RECIPIENT_DELIVERED)
			json_text(json, "reply", entry->status.text);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_file(
	struct json *json, const struct outbox *outbox, const struct spool_name *name)
{
	CLEANUP(buf_done) struct buf path = BUF(8192);

	buf_printf(&path, "%s/%s%s", spool_path(outbox->spool), name->in_failed ? "failed/" : "",
		name->id);
	json_text(json, "file", buf_text(&path));
}

static void print_json(struct outbox *outbox, const struct view *v)
{
	CLEANUP(buf_done) struct buf line = BUF(SIZE_MAX / 4);
	struct json json = {.out = &line};
	const struct entry *entry = &v->item.entry;

	json_open(&json, '{');
	json_text(&json, "id", v->name->id);
	write_file(&json, outbox, v->name);
	json_text(&json, "state", state_name(v));
	if (v->found == SPOOL_DAMAGED) {
		json_number(&json, "size", spool_look(outbox->spool, v->name) ? v->name->size : 0);
		json_text(&json, "error", v->err.text);
	} else {
		json_text(&json, "account", entry->account);
		json_text(&json, "sender", entry->envelope.sender);
		write_recipients(&json, entry);
		json_number(&json, "size", (int64_t)entry->size);
		json_number(&json, "created", entry->created);
		json_number(&json, "next", v->item.next);
		json_number(&json, "attempts", entry->status.attempts);
		json_number(&json, "code", entry->status.code);
		json_text(&json, "error", entry->status.text);
	}
	json_close(&json, '}');
	puts(buf_text(&line));
}

/* "0s", "5m", "3h", whichever way it lies: what a person wants to know of a time. */
static const char *distance(int64_t seconds, char *out, size_t space)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t size = seconds < 0 ? -seconds : seconds;

	snprintf(out, space, "0s");
	for (size_t i = ARRAY_LEN(units); i-- > 0;)
		if (size >= units[i].seconds)
			snprintf(out, space, "%" PRId64 "%c", size / units[i].seconds,
				units[i].unit);
	return out;
}

/* Colours say at a glance what needs a look; NO_COLOR and pipes get none. */
static const char *colour(const char *state)
{
	static const struct {
		const char *state, *code;
	} rows[] = {{"failed", "\033[31m"}, {"damaged", "\033[31m"}, {"held", "\033[33m"},
		{"in-doubt", "\033[33m"}};
	const char *no_color = getenv("NO_COLOR");

	if (!isatty(STDOUT_FILENO) || (no_color && *no_color))
		return "";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].state, state) == 0)
			return rows[i].code;
	return "";
}

static void print_row(const struct view *v, int64_t now)
{
	const struct envelope *e = &v->item.entry.envelope;
	const char *state = state_name(v);
	const char *on = colour(state);
	char age[24], next[24];

	if (v->found == SPOOL_DAMAGED) {
		printf("%-25s  %s%-8s%s %s\n", v->name->id, on, state, on[0] ? "\033[0m" : "",
			v->err.text);
		return;
	}
	bool waits = !v->name->in_failed && v->item.next > now && !v->item.entry.status.is_held;

	printf("%-25s  %s%-8s%s %4s old  %s%-4s %3u %-5s  %s -> %s", v->name->id, on, state,
		on[0] ? "\033[0m" : "", distance(now - v->item.entry.created, age, sizeof(age)),
		waits ? "next in " : "        ",
		waits ? distance(v->item.next - now, next, sizeof(next)) : "",
		v->item.entry.status.attempts, v->item.entry.status.attempts == 1 ? "try" : "tries",
		e->sender[0] ? e->sender : "<>", e->recipients[0].address);
	if (e->count > 1)
		printf(" and %zu more", e->count - 1);
	putchar('\n');
	if (v->item.entry.status.text[0])
		printf("%27s%s\n", "", v->item.entry.status.text);
}

/* Queue and failed/ one after the other. */
static bool each(struct outbox *outbox, bool failed,
	void (*visit)(struct outbox *, struct view *, void *), void *context, struct error *err)
{
	struct spool_name *names = NULL;
	size_t count = 0;
	struct view v;

	if (!spool_list_ids(outbox->spool, failed, &names, &count, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!view_open(outbox, &names[i], &v))
			continue;
		visit(outbox, &v, context);
		view_close(&v);
	}
	free(names);
	return true;
}

struct listing {
	bool as_json;
	int64_t now;
	size_t count;
};

static void list_one(struct outbox *outbox, struct view *v, void *context)
{
	struct listing *listing = context;

	listing->count++;
	if (listing->as_json)
		print_json(outbox, v);
	else
		print_row(v, listing->now);
}

/* A queue that was never made is an empty one. */
static bool open_existing(struct outbox *outbox, bool *is_there, struct error *err)
{
	*is_there = outbox_open(outbox, false, err);
	return *is_there || err->exit_code == EX_NOINPUT;
}

bool queue_view_list(struct outbox *outbox, bool as_json, struct error *err)
{
	struct listing listing = {as_json, clock_wall(), 0};
	bool is_there;

	if (!open_existing(outbox, &is_there, err))
		return false;
	if (is_there && (!each(outbox, false, list_one, &listing, err) ||
				!each(outbox, true, list_one, &listing, err)))
		return false;
	if (listing.count == 0 && !as_json)
		puts("The queue is empty.");
	return true;
}

static bool copy_message(const struct spool_item *item, struct error *err)
{
	struct content_reader reader;
	struct slice piece;
	bool is_read;

	content_start(&reader, &item->content);
	while ((is_read = content_next(&reader, &piece, err)) && piece.len > 0)
		if (!file_write(STDOUT_FILENO, piece, "standard output", err))
			break;
	content_stop(&reader);
	return is_read && err->exit_code == 0;
}

static bool show_item(const struct view *v, struct error *err)
{
	const struct entry *entry = &v->item.entry;

	printf("id %s\nstate %s\naccount %s\nattempts %u\nerror %s\nsender <%s>\n", v->name->id,
		state_name(v), entry->account, entry->status.attempts, entry->status.text,
		entry->envelope.sender);
	for (size_t i = 0; i < entry->envelope.count; i++)
		printf("recipient <%s> %s\n", entry->envelope.recipients[i].address,
			recipient_state_name(entry->envelope.recipients[i].state));
	putchar('\n');
	fflush(stdout);
	return copy_message(&v->item, err);
}

bool queue_view_show(struct outbox *outbox, const char *id, struct error *err)
{
	struct spool_name name;
	struct view v;

	if (!outbox_open(outbox, false, err) || !spool_find(outbox->spool, id, &name, err))
		return false;
	if (!view_open(outbox, &name, &v) || v.found == SPOOL_DAMAGED) {
		*err = v.err;
		return false;
	}

	bool is_shown = show_item(&v, err);

	view_close(&v);
	return is_shown;
}

struct tally {
	size_t queued, late, failed, damaged, held;
	int64_t now, warn_s, oldest_s;
};

static void tally_one(UNUSED struct outbox *outbox, struct view *v, void *context)
{
	struct tally *t = context;
	int64_t age = v->found == SPOOL_DAMAGED ? 0 : t->now - v->item.entry.created;

	if (v->found == SPOOL_DAMAGED) {
		t->damaged++;
		return;
	}
	if (v->name->in_failed) {
		t->failed++;
		return;
	}
	t->queued++;
	t->held += v->item.entry.status.is_held;
	t->late += age > t->warn_s;
	if (age > t->oldest_s)
		t->oldest_s = age;
}

int queue_view_check(struct outbox *outbox)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL"};
	struct tally t = {.now = clock_wall(), .warn_s = outbox->config->queue.warn_s};
	struct error err = {0};
	char oldest[24];
	bool is_there;

	if (!open_existing(outbox, &is_there, &err) ||
		(is_there && (!each(outbox, false, tally_one, &t, &err) ||
				     !each(outbox, true, tally_one, &t, &err)))) {
		printf("UNKNOWN - %s\n", err.text);
		return 3;
	}

	int level = t.failed + t.damaged > 0 ? 2 : t.late > 0 ? 1 : 0;

	printf("%s - %zu queued, %zu late, %zu held, %zu failed, %zu damaged, oldest %s"
	       " | queued=%zu late=%zu failed=%zu damaged=%zu\n",
		words[level], t.queued, t.late, t.held, t.failed, t.damaged,
		t.queued > 0 ? distance(t.oldest_s, oldest, sizeof(oldest)) : "none", t.queued,
		t.late, t.failed, t.damaged);
	return level;
}
