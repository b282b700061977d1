/* What a row of words says: an address of RFC 5322 section 3.4.1 with the obsolete
 * forms of section 4.4. Used by the list parser alone. */
#pragma once

#include "mail/address.h"

/* Words in a row, before it is known whether they are a display name, a group's
 * name or an address. */
struct address_run {
	const char *start;
	const char *end;
	const char *at_sign; /* the first @, or NULL */
	size_t at_signs;
	size_t words;  /* all tokens but @; at least 1 for what was taken at once */
	bool is_plain; /* atoms and @ alone, nothing between them */
	bool has_8bit;
};

/**
 * Reads a run that is not empty as an address or a bare name, and sets all of
 * box but its name. *why gets words for people on failure.
 */
bool address_read(struct arena *arena, const struct address_run *run, struct mailbox *box,
	const char **why) NODISCARD;
