/* The words of the queue format, shared by its writer and its reader: what one
 * can write the other takes, and nothing else. Private to the entry module. */
#pragma once

#include "queue/entry.h"

#define ENTRY_MAGIC "pillarbox-queue "

/* The largest size and the latest time that are believed: far beyond any use,
 * and far from where sums overflow. */
#define ENTRY_MOST_SIZE ((uint64_t)1 << 50)
#define ENTRY_LATEST_TIME ((int64_t)1 << 40)

enum {
	ENTRY_VERSION = 1,
	ENTRY_NOTIFY_MOST = 31, /* octets of the longest NOTIFY list */
};

/* A fact of the message that is a word of the body line where it holds. */
struct entry_flag {
	const char *word;
	size_t offset; /* of the bool in struct entry */
};

extern const struct entry_flag entry_flags[];
extern const size_t entry_flag_count;

/** True when what the flag stands for holds for e. */
bool entry_has(const struct entry *e, const struct entry_flag *flag);

/** Notes that what the flag stands for holds for e. */
void entry_note(struct entry *e, const struct entry_flag *flag);

/** True for the letter of a recipient's state. */
bool entry_is_state(char c);

/** True for a word without blanks and controls, of a length that is allowed. */
bool entry_is_word(struct slice s);

/** True for an account's name: as a word, but with blanks inside. */
bool entry_is_account(struct slice s);

/** True for an address in wire form, alone. */
bool entry_is_address(struct slice s);

/**
 * Octets of the address at the start of s, which ends at the first blank outside
 * quotes; 0 where there is none or its quotes do not end.
 */
size_t entry_address_length(struct slice s);

/** The time within what can be recorded. */
int64_t entry_sane_time(int64_t seconds);

/**
 * Adds the words of the line "demands", each behind a blank; nothing where
 * nothing is asked for. False for values that the reader would refuse.
 */
bool entry_demands_text(const struct demands *d, struct buf *out) NODISCARD;

/** Reads such words, at least one, in the order in which they are written; false for any other. */
bool entry_demands_value(struct slice text, struct demands *out) NODISCARD;

/**
 * Reads a list of NOTIFY in the very form in which dsn_notify_write gives it;
 * false for any other.
 */
bool entry_notify_value(struct slice text, unsigned *out) NODISCARD;
