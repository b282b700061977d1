/* The parts of a MIME message, found by their places in its text: RFC 2045 and
 * RFC 2046. One pass, memory bounded by the number of parts. */
#pragma once

#include "base/arena.h"
#include "mail/content.h"

/* Limits; what lies beyond is not taken apart. */
enum { MIME_DEPTH_MAX = 64, MIME_PARTS_MAX = 10000, MIME_BOUNDARY_MAX = 256 };

enum mime_kind {
	MIME_LEAF,      /* content that is no parts */
	MIME_MULTIPART, /* parts between boundary lines */
	MIME_MESSAGE,   /* message/rfc822: one message */
};

/* Content-Transfer-Encoding of RFC 2045 section 6. */
enum mime_transfer {
	MIME_7BIT, /* also where no field says anything */
	MIME_8BIT,
	MIME_BINARY,
	MIME_QP,
	MIME_BASE64,
	MIME_OTHER,
};

/* Why a part may not be encoded. */
enum mime_bar {
	MIME_FREE,      /* it may */
	MIME_PROTECTED, /* signed or encrypted: a change breaks it */
	MIME_FIXED,     /* its type allows no encoding: message/delivery-status and such */
	MIME_BROKEN,    /* a multipart that cannot be taken apart */
};

/* What octets were met. */
struct mime_facts {
	bool has_8bit;
	bool has_nul;
	bool is_utf8;        /* well-formed, lines taken one by one */
	size_t longest_line; /* octets, without CRLF */
	uint64_t octets;
	uint64_t coded; /* how many of them quoted-printable has to encode, about */
};

struct mime_part {
	enum mime_kind kind;
	enum mime_transfer transfer;
	enum mime_bar bar;
	size_t parent;         /* place of the enclosing part; the first one is its own */
	bool is_message;       /* it begins with the header of a message, not of a part */
	bool is_text;          /* text/... or no type */
	bool is_plain;         /* text/plain or no type */
	bool is_digest;        /* multipart/digest */
	bool has_type;         /* a Content-Type field that can be read */
	bool has_charset;      /* the type has a charset parameter */
	bool has_blank;        /* an empty line ends its header */
	bool has_parts;        /* a multipart in which a boundary line was met */
	uint64_t header_start; /* places in the message, in octets */
	uint64_t header_end;   /* behind the last field, in front of the empty line */
	uint64_t body_start;
	uint64_t body_end;       /* in front of the CRLF that belongs to the boundary line */
	uint64_t preamble_end;   /* multipart: start of the first boundary line */
	uint64_t epilogue_start; /* multipart: behind the last boundary line; 0 without one */
	struct mime_facts header;
	struct mime_facts body; /* leaf: all; multipart: preamble and epilogue; else nothing */
};

struct mime_tree {
	struct mime_part *parts; /* on the heap, owned; in the order of their headers */
	size_t count;
	size_t space;
};

/** Frees the parts. */
void mime_done(struct mime_tree *tree);

/**
 * Takes a message apart. The first part is the message itself.
 *
 * out  set on success; release with mime_done
 *
 * Fails with EX_DATAERR where it has more than MIME_PARTS_MAX parts or a header
 * of unreasonable size, and as content_next does.
 */
bool mime_walk(const struct content *content, struct mime_tree *out, struct error *err) NODISCARD;
