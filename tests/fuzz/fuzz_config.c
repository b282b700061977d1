/* Any text as a configuration file: no crash, and whatever is taken holds
 * together. The first octet chooses between the file and the other readers of
 * this layer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/words.h"
#include "config/netrc.h"
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drop_fault(void *context, const struct error *fault)
{
	size_t *count = context;

	(*count)++;
	if (fault->exit_code == 0 || fault->text[0] == '\0')
		abort();
}

static void read_as_config(struct slice text)
{
	struct stat st = {.st_mode = S_IFREG | 0600};
	struct config c = {0};
	struct settings s;
	size_t faults = 0;

	settings_init(&s, &c, drop_fault, &faults);
	settings_read(&s, text, "config", LAYER_OWN, &st);
	if (s.fault_count > 0 ? faults == 0 : faults > 0)
		abort();
	/* What was noted is what was read for a try. */
	for (size_t i = 0; i < s.account_count; i++)
		if (s.accounts[i].name[0] == '\0' || strchr(s.accounts[i].name, ' '))
			abort();
	for (size_t i = 0; i < c.alias_count; i++)
		if (c.aliases[i].target[0] == '\0')
			abort();
	config_done(&c);
}

static void read_as_netrc(struct slice text)
{
	struct buf out = BUF(4096);
	struct error err = {0};
	bool found;

	if (netrc_find(text, "h", "u", &out, &found, &err) && !found && out.len > 0)
		abort();
	buf_wipe(&out);
}

static void split_as_command(struct slice text)
{
	struct arena arena = {0};
	struct error err = {0};
	char **argv;
	size_t octets = 0;

	if (words_split(&arena, text, &argv, &err))
		for (size_t i = 0; argv[i]; i++)
			octets += strlen(argv[i]) + 1;
	if (octets > text.len + 1)
		abort();
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Octets of its own, so that reading past their end is seen. */
	char *copy = mem_dup(data, size);
	struct slice text = {copy, size};

	if (size > 0 && data[0] == 'N')
		read_as_netrc(slice_from(text, 1));
	else if (size > 0 && data[0] == 'W')
		split_as_command(slice_from(text, 1));
	else
		read_as_config(text);
	free(copy);
	return 0;
}
