/* The ids of the entries that a run has dealt with. */
#pragma once

#include "base/common.h"

/* Sorted: names are listed in order of arrival, so that a new one goes to the end. */
struct seen {
	char **ids; /* owned */
	size_t count, space;
};

/** True when the id was noted. */
bool seen_has(const struct seen *s, const char *id);

/** Notes an id that was not noted yet. */
void seen_add(struct seen *s, const char *id);

/** Forgets an id; one that was not noted is fine. */
void seen_drop(struct seen *s, const char *id);

/** Frees. */
void seen_done(struct seen *s);
