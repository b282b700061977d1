/* The format of a queue file: reading and writing it, without any policy.
 *
 *     pillarbox-queue 1
 *     size 0000012345            octets of the message, exactly what follows the blank line
 *     account work               "account" alone for the default one
 *     created 1767225600
 *     status 00002 -w 451 text   256 octets with its line end, padded with blanks
 *     body longest=78 8bit head8bit nul smtputf8
 *     demands requiretls by=7200;R priority=-3 hold=3600
 *     from ann@example.org ENVID=QQ314159 RET=HDRS
 *     R bob@example.org NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@example.org
 *     <blank line>
 *     the message, canonical CRLF lines
 *
 * The lines stand in this order, each once, only the last kind repeated; the
 * demands only where there are some, their times counted from `created`. In the
 * status, h or - tells whether the entry is held, w or - whether the sender was
 * told of the delay. Addresses are in wire form, where a blank stands only
 * inside quotes; the null sender is "<>". The state of a recipient is its
 * line's first octet; it and the status are all that ever changes in place.
 */
#pragma once

#include "base/buf.h"
#include "mail/content.h"
#include "mail/envelope.h"

/* Limits that the writer keeps and the reader insists on, so that what can be
 * stored can be read. */
enum {
	ENTRY_MOST_RECIPIENTS = 1000000,
	ENTRY_LONGEST_WORD = 1024,          /* octets of an address, ENVID, ORCPT, account */
	ENTRY_MOST_HEAD = 64 * 1024 * 1024, /* octets up to the message */
	ENTRY_STATUS_OCTETS = 256,
};

/* The fixed-width line that changes in place. */
struct entry_status {
	unsigned attempts; /* at most 99999 are recorded */
	int code;          /* last reply code, 0: none */
	bool is_held;      /* not tried until released */
	bool was_warned;   /* the delay notice went out */
	char text[200];    /* last error, sanitised, one line */
};

/* All that stands before the message. */
struct entry {
	struct envelope envelope;
	const char *account; /* in the envelope's arena; "" for the default account */
	int64_t created;     /* seconds since 1970 */
	int64_t next;        /* for spool_add: time of the first attempt, 0: now; not in the head */
	struct entry_status status;
	bool needs_smtputf8;
	bool has_8bit; /* these four as in struct content */
	bool head_has_8bit;
	bool has_nul;
	size_t longest_line;
	uint64_t size; /* octets of the message */
	int64_t message_offset;
	int64_t status_offset;
	int64_t *recipient_offsets; /* on the heap: place of each recipient's state octet */
	char *recorded_states;      /* on the heap: each recipient's state in the file */
};

/**
 * Adds all that stands before the message to out. The offsets and recorded
 * states of e are not looked at.
 *
 * Fails with EX_DATAERR where the entry holds what the reader would refuse:
 * control characters, words that are empty or too long, no recipients, too many
 * of them. Then out may hold a part.
 */
bool entry_write_head(const struct entry *e, struct buf *out, struct error *err) NODISCARD;

/**
 * Formats the status line with its line end. The text is sanitised and cut; a
 * cut by a crash in the middle of writing leaves a line that can be read.
 */
void entry_format_status(const struct entry_status *status, char out[ENTRY_STATUS_OCTETS]);

/**
 * Reads what stands before the message, and checks that the file holds exactly
 * that and a message of the stated size. Memory grows with the recipients only.
 *
 * fd           the file; its position stays as it is
 * file_octets  its size
 * out          set on success; release with entry_done
 *
 * Fails with EX_DATAERR for a file that is damaged, foreign or of a newer
 * version, with EX_IOERR where it cannot be read; the text names the line, not
 * the file.
 */
bool entry_read(int fd, int64_t file_octets, struct entry *out, struct error *err) NODISCARD;

/** Frees all that a read entry owns; e is empty afterwards. */
void entry_done(struct entry *e);
