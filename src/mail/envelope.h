/* The envelope of one message: who sends, who receives, and what has become of
 * it for each recipient. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/* What is known of one recipient; the values stand in queue files. */
enum recipient_state {
	RECIPIENT_PENDING = 'R',   /* not delivered yet */
	RECIPIENT_DELIVERED = 'D', /* the server accepted the message for it */
	RECIPIENT_FAILED = 'F',    /* refused for good */
	RECIPIENT_SENT = 'S',      /* message sent, its reply not seen: in doubt */
};

/* NOTIFY of RFC 3461 section 4.1, as bits; 0: not given. */
enum dsn_notify {
	DSN_NEVER = 1,
	DSN_SUCCESS = 2,
	DSN_FAILURE = 4,
	DSN_DELAY = 8,
};

/* RET of RFC 3461 section 4.3. */
enum dsn_return {
	DSN_RETURN_UNSET,
	DSN_RETURN_FULL,
	DSN_RETURN_HEADERS,
};

/* What a message asks of the server beyond RFC 5321; 0 and false: nothing. */
struct demands {
	bool require_tls;     /* REQUIRETLS, RFC 8689 */
	long deliver_by_s;    /* BY= in seconds, RFC 2852 */
	char deliver_by_mode; /* 'R' return or 'N' notify */
	int priority;         /* MT-PRIORITY -9..9, RFC 6710 */
	bool has_priority;
	long hold_for_s; /* HOLDFOR= in seconds, RFC 4865 */
	int64_t since;   /* seconds since 1970 from which the two times count; 0: now */
};

/* The last reply that concerned a recipient. */
struct outcome {
	int code;             /* SMTP reply code; 0: none seen */
	const char *enhanced; /* "5.1.1", or "" (RFC 3463) */
	const char *text;     /* sanitised words of the server or of ours, or "" */
};

struct recipient {
	const char *address; /* wire form, see address_wire; never bare when sent */
	const char *orcpt;   /* "rfc822;user@x" in xtext, or NULL (RFC 3461 section 4.2) */
	unsigned notify;     /* bits of enum dsn_notify */
	enum recipient_state state;
	bool is_told;        /* the sender knows that it failed; FAILED in a queue file says so */
	struct outcome last; /* texts live in the envelope's arena */
};

struct envelope {
	struct arena arena; /* owns all text of the envelope */
	const char *sender; /* wire form; "" is the null sender */
	const char *envid;  /* xtext, or NULL (RFC 3461 section 4.4) */
	enum dsn_return ret;
	struct demands demands;       /* of this message; its account may have more */
	struct recipient *recipients; /* on the heap, owned; order of first mention */
	size_t count;
	size_t space;
	bool has_8bit;   /* one that envelope_add added is not ASCII */
	uint32_t *index; /* private: hash table for duplicates */
	size_t index_space;
};

/** Frees all that the envelope owns. */
void envelope_done(struct envelope *e);

/** Makes room for so many more recipients at once, for who knows the number. */
void envelope_reserve(struct envelope *e, size_t count);

/**
 * Adds a recipient (copied into the arena) unless it is there already (domain
 * without regard to case, local part exact). Returns the recipient, new or
 * old; the pointer is valid until the next addition. Constant time on average.
 */
struct recipient *envelope_add(struct envelope *e, const char *wire);

/**
 * Adds a recipient that is known not to be there yet, such as those of another
 * envelope. The address is borrowed. Not to be mixed with envelope_add on the
 * same envelope.
 */
struct recipient *envelope_append(struct envelope *e, const char *wire);

/** Number of recipients in a state. */
size_t envelope_count(const struct envelope *e, enum recipient_state state);

/** Notes a reply for a recipient; the texts are copied. NULL counts as "". */
void envelope_note(
	struct envelope *e, struct recipient *r, int code, const char *enhanced, const char *text);
