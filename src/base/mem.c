#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* The one exception to "the library never prints and never exits". */
_Noreturn static void out_of_memory(void)
{
	static const char text[] =
		"pillarbox: out of memory; the message was not accepted, try again\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(EX_TEMPFAIL);
}

void *mem_alloc(size_t octets)
{
	void *place = calloc(1, octets > 0 ? octets : 1);

	if (!place)
		out_of_memory();
	return place;
}

void *mem_grow(void *old, size_t octets)
{
	void *place = realloc(old, octets > 0 ? octets : 1);

	if (!place)
		out_of_memory();
	return place;
}

char *mem_dup(const void *from, size_t octets)
{
	char *copy = mem_alloc(octets + 1);

	if (octets > 0)
		memcpy(copy, from, octets);
	return copy;
}

char *mem_strdup(const char *text)
{
	return text ? mem_dup(text, strlen(text)) : NULL;
}

void mem_wipe(void *place, size_t octets)
{
	if (place && octets > 0)
		explicit_bzero(place, octets);
}

void mem_free(void *pointer_to_pointer)
{
	void **pointer = pointer_to_pointer;

	free(*pointer);
	*pointer = NULL;
}
