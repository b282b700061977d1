#include "submit/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **find(const struct seen *s, const char *id)
{
	char *const key = (char *)(uintptr_t)id;

	return s->count > 0 ? bsearch(&key, s->ids, s->count, sizeof(*s->ids), compare) : NULL;
}

bool seen_has(const struct seen *s, const char *id)
{
	return find(s, id) != NULL;
}

void seen_add(struct seen *s, const char *id)
{
	size_t at = s->count;

	if (s->count == s->space) {
		s->space = s->space ? s->space * 2 : 64;
		s->ids = mem_grow(s->ids, s->space * sizeof(*s->ids));
	}
	while (at > 0 && strcmp(s->ids[at - 1], id) > 0) {
		s->ids[at] = s->ids[at - 1];
		at--;
	}
	s->ids[at] = mem_strdup(id);
	s->count++;
}

void seen_drop(struct seen *s, const char *id)
{
	char **found = find(s, id);

	if (!found)
		return;
	free(*found);
	s->count--;
	memmove(found, found + 1, (size_t)(s->ids + s->count - found) * sizeof(*found));
}

void seen_done(struct seen *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->ids[i]);
	free(s->ids);
	*s = (struct seen){0};
}
