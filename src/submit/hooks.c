#include "submit/hooks.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/process.h"
#include "base/words.h"

enum { HOOK_WAIT_MS = 30 * 1000, LONGEST_COMPLAINT = 512, MOST_FACTS = 16 };

/* The facts as "NAME=value" for the environment of the command. */
static void list_facts(struct arena *arena, const struct hook_facts *facts, const char **set)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{"PILLARBOX_EVENT", facts->event},
		{"PILLARBOX_ID", facts->id},
		{"PILLARBOX_ACCOUNT", facts->account},
		{"PILLARBOX_SENDER", facts->sender},
		{"PILLARBOX_RECIPIENTS", facts->recipients},
		{"PILLARBOX_REASON", facts->reason},
		{"PILLARBOX_FILE", facts->file},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		set[i] = arena_printf(
			arena, "%s=%s", rows[i].name, rows[i].value ? rows[i].value : "");
	set[ARRAY_LEN(rows)] = NULL;
}

static void log_hook(const struct hook_facts *facts, const char *command, const char *why)
{
	const struct log_field fields[] = {
		{"id", facts->id},
		{"event", facts->event},
		{"command", command},
		{"reason", why},
	};

	log_event("hook-failed", fields, ARRAY_LEN(fields));
}

void hooks_run(const struct config *config, const struct hook_facts *facts)
{
	static const char *const unset[] = {"PILLARBOX_*", NULL};
	CLEANUP(arena_done) struct arena arena = {0};
	CLEANUP(buf_done) struct buf complaints = BUF(LONGEST_COMPLAINT);
	CLEANUP(buf_done) struct buf why = BUF(2 * LONGEST_COMPLAINT);
	const char *set[MOST_FACTS];
	bool is_failure = strcmp(facts->event, "failure") == 0;
	const char *command = is_failure ? config->notify.on_failure : config->notify.on_stuck;
	struct process process = {
		.set = set, .unset = unset, .wait_ms = HOOK_WAIT_MS, .complaints = &complaints};
	struct process_end end;
	struct error err = {0};
	char **argv;

	if (!command)
		return;
	list_facts(&arena, facts, set);
	if (!words_split(&arena, slice_of(command), &argv, &err)) {
		log_hook(facts, command, err.text);
		return;
	}
	process.argv = argv;
	if (!process_run(&process, &end, &err)) {
		log_hook(facts, command, err.text);
		return;
	}
	if (end.fate == PROCESS_EXITED && end.code == 0)
		return;
	process_explain(&why, &process, &end);
	buf_printf(&why, " %s", buf_text(&complaints));
	log_hook(facts, command, buf_text(&why));
}
