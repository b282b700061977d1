#include "config/environ.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif

#include "base/mem.h"

bool environ_is_trusted(void)
{
#ifdef __linux__
	/* Set where any id changed by the start; ours never change later. */
	return getauxval(AT_SECURE) == 0;
#else
	return !issetugid();
#endif
}

const char *environ_get(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] != '\0' && environ_is_trusted() ? value : NULL;
}

/* A configuration may be read more than once in a process. */
static char *kept;

void environ_forget_secret(void)
{
	if (kept)
		mem_wipe(kept, strlen(kept));
	free(kept);
	kept = NULL;
}

const char *environ_take_secret(const char *name)
{
	char *value = getenv(name);

	if (value) {
		environ_forget_secret();
		kept = mem_strdup(value);
		mem_wipe(value, strlen(value));
		unsetenv(name);
	}
	return kept && kept[0] != '\0' && environ_is_trusted() ? kept : NULL;
}
