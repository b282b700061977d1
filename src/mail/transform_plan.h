/* Which places of a message are to be changed so that a server can take it. */
#pragma once

#include "mail/encode.h"
#include "mail/mime.h"
#include "mail/transform.h"

/* One place and what becomes of it. */
struct edit {
	enum {
		EDIT_HEADER, /* the fields of a part are rewritten */
		EDIT_BODY,   /* the body of a part is encoded */
		EDIT_DROP,   /* left out */
	} kind;
	uint64_t start, end; /* octets of the message */
	size_t part;
	enum encoding encoding; /* of EDIT_BODY */
};

/* What is to be done to the header of a part. */
struct header_plan {
	const char *transfer; /* new Content-Transfer-Encoding, or NULL */
	bool sets_type;       /* the type or charset has to be said, as the body is encoded */
	bool encodes_8bit;
	bool refolds;
	bool adds_blank; /* the empty line behind it is missing, and the body changes */
};

struct plan {
	struct edit *edits; /* on the heap, owned; in the order of their places */
	size_t count;
	struct header_plan *headers; /* on the heap, owned; one for each part */
};

/** Frees the lists. */
void plan_done(struct plan *plan);

/** Decides. Fails with EX_DATAERR where a part at fault may not be changed. */
bool plan_make(const struct mime_tree *tree, const struct transform_wants *wants, struct plan *out,
	struct error *err) NODISCARD;
