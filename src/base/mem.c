#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* What is given up when there is no other memory. */
static struct {
	void *place;
	size_t octets;
} spare;

/* The one exception to "the library never prints and never exits". */
_Noreturn static void out_of_memory(void)
{
	static const char text[] =
		"pillarbox: out of memory: a message that was being handed in was "
		"not accepted, one in the queue stays there; try again\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(EX_TEMPFAIL);
}

static void give_up_spare(void)
{
	if (!spare.place)
		out_of_memory();
	free(spare.place);
	spare.place = NULL;
	spare.octets = 0;
}

void mem_keep_spare(size_t octets)
{
	if (spare.octets >= octets)
		return;
	free(spare.place);
	spare.place = malloc(octets);
	spare.octets = spare.place ? octets : 0;
}

void *mem_alloc(size_t octets)
{
	void *place;

	while (!(place = calloc(1, octets > 0 ? octets : 1)))
		give_up_spare();
	return place;
}

void *mem_grow(void *old, size_t octets)
{
	void *place;

	while (!(place = realloc(old, octets > 0 ? octets : 1)))
		give_up_spare();
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
