/* The header block of a message: fields in order, each kept byte for byte
 * until it is replaced. RFC 5322 section 2.2 and 3.6. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

struct header_field {
	struct slice name; /* as written, without blanks before the colon */
	struct slice
		body; /* behind the colon, folding (CRLF + blank) included, without the last CRLF */
	struct slice whole; /* all of it, line ends included, as it will be sent */
};

struct header {
	struct header_field *fields; /* in store; the texts are borrowed from an arena */
	size_t count;
	struct header_field *store; /* private: owned, with room in front and behind */
	size_t space;               /* private: fields that store has room for */
};

/* What a line of the input is to a header block. */
enum header_line {
	HEADER_LINE_OPEN,   /* cannot be told before more of it is there */
	HEADER_LINE_FIELD,  /* begins a field: a name, perhaps blanks, a colon */
	HEADER_LINE_FOLDED, /* begins with a blank: goes on with a field, if there is one */
	HEADER_LINE_EMPTY,  /* ends the block: LF, with any number of CR in front */
	HEADER_LINE_OTHER,  /* no part of a header */
};

enum { HEADER_NAME_MAX = 998 }; /* octets of a field name */

/** Frees the list of fields, not their texts. */
void header_done(struct header *h);

/**
 * Takes a header block of canonical CRLF lines apart. `block` must outlive h.
 * Every line of it must be part of a field: the message reader sees to that.
 */
void header_parse(struct header *h, struct slice block);

/** The first field of that name at or after place `from`, or NULL. Case does not count. */
const struct header_field *header_find(const struct header *h, const char *name, size_t from);

/** True for Resent-From and all others of a resending, RFC 5322 section 3.6.6. */
static inline bool header_is_resent(const struct header_field *field)
{
	return field->name.len > 7 && (field->name.ptr[0] | 0x20) == 'r' &&
	       slice_istarts(field->name, SLICE("Resent-"));
}

/** Place of a field that header_find returned. */
size_t header_place(const struct header *h, const struct header_field *field);

/** Removes all fields of that name; returns how many there were. */
size_t header_remove(struct header *h, const char *name);

/** The same for those at or after place `from`. */
size_t header_remove_from(struct header *h, const char *name, size_t from);

/** Adds "Name: body" at the end of the block; body is one line or folded with CRLF. */
void header_append(struct header *h, struct arena *arena, const char *name, struct slice body);

/** Adds "Name: body" in front of the block. */
void header_prepend(struct header *h, struct arena *arena, const char *name, struct slice body);

/** Replaces the body of the field at that place, the name kept as written. */
void header_replace(struct header *h, struct arena *arena, size_t place, struct slice body);

/** Replaces a field, name and all, by `whole`: it must be one well-formed field with its CRLF. */
void header_set_whole(struct header *h, struct arena *arena, size_t place, struct slice whole);

/** Writes the block, without the blank line that ends it. */
void header_write(const struct header *h, struct buf *out);

/**
 * What the line is that starts at the start of `line`; the slice may be cut
 * short anywhere, or hold more than the line. A name is printable ASCII
 * without the colon; blanks in front of the colon are allowed (RFC 5322
 * section 4.5). Without its line end a line can still be HEADER_LINE_OPEN.
 */
enum header_line header_line_kind(struct slice line);

/** The body on one line: folding removed (RFC 5322 section 2.2.3), blanks trimmed. */
const char *header_unfold(struct arena *arena, struct slice body);
