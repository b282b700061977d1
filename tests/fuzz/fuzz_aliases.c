/* Any text of an aliases file: reading and expanding end, and what comes out is
 * addresses alone, none of them twice. */
#include <stdlib.h>
#include <string.h>

#include "mail/aliases.h"

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void expand(struct aliases *table, const char *name)
{
	struct mailbox box = {.local = name, .domain = ""};
	struct mailbox_list list = {0};
	struct arena arena = {0};
	struct error err = {0};

	if (aliases_expand(table, &arena, &box, &list, &err)) {
		check(list.count > 0);
		for (size_t i = 0; i < list.count; i++)
			check(list.items[i].local[0] != '\0');
		for (size_t i = 1; i < list.count; i++)
			check(strcmp(list.items[i].local, list.items[0].local) != 0 ||
				strcmp(list.items[i].domain, list.items[0].domain) != 0);
	} else {
		check(err.exit_code == EX_CONFIG && list.count == 0);
	}
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(aliases_done) struct aliases table = {0};
	struct slice text = {(const char *)data, size};
	struct error err = {0};

	if (!aliases_parse(&table, "aliases", text, &err))
		check(err.exit_code == EX_CONFIG && strncmp(err.text, "aliases:", 8) == 0);
	expand(&table, "root");
	for (size_t i = 0; i < table.count && i < 50; i++) {
		check(aliases_find(&table, slice_of(table.items[i].name)) != NULL);
		expand(&table, table.items[i].name);
		expand(&table, "\"a b\"");
	}
	return 0;
}
