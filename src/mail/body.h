/* The body on its way in: line ends made canonical, its facts noted, kept in
 * memory while it is small and in a nameless file when it is not. */
#pragma once

#include "base/buf.h"
#include "mail/content.h"
#include "mail/spill.h"

enum { BODY_IN_MEMORY = 262144 }; /* octets; a larger body goes to a file */

struct body {
	struct buf text;     /* owned: the body, or what of it is not in the file yet */
	struct spill spill;  /* owned */
	uint64_t octets;     /* in canonical form, so far */
	bool has_8bit;       /* an octet over 127 */
	bool has_nul;        /* a NUL */
	size_t longest_line; /* octets, without CRLF */
	size_t line;         /* private: octets of the line that is not ended */
	bool after_cr;       /* private: the input so far ended in CR, a LF now belongs to it */
};

/** An empty body. `spill_dirs` as in spill_init; must outlive the adding. */
void body_init(struct body *b, const char *const *spill_dirs);

/** Frees memory and closes the file. */
void body_done(struct body *b);

/**
 * Adds octets as they were read, cut anywhere. CRLF, LF and a bare CR end a
 * line; CR CR LF are thus two line ends (contract C21, C23). Fails with
 * EX_CANTCREAT as spill_write does.
 */
bool body_add(struct body *b, struct slice raw, struct error *err) NODISCARD;

/** Ends the last line if it is not ended, and settles where the body stays. */
bool body_end(struct body *b, struct error *err) NODISCARD;

/** Sets body, fd and the facts of *c from a body that was ended; head facts stay. */
void body_content(const struct body *b, struct content *c);
