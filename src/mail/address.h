/* Addresses of RFC 5322 section 3.4, with all obsolete forms of section 4.4
 * and the UTF-8 of RFC 6532. Parsing is linear in time and memory. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/* One mailbox of a list. */
struct mailbox {
	/* Local part in wire form: as written, dots at odd places included, or a
	 * quoted-string where it needs to be one. In the arena given to the parser. */
	const char *local;
	const char *domain; /* as written, comments and blanks gone; "" for a bare name */
	/* Where they stand in the text that was parsed: display name, or else the
	 * comment behind the address, for address_name; local part and domain. */
	struct slice name;
	struct slice source;
};

struct mailbox_list {
	struct mailbox *items; /* in the arena */
	size_t count;
	size_t space;
};

/** Adds a mailbox at the end; the list grows in the arena, its texts are not copied. */
void mailbox_list_add(struct mailbox_list *list, struct arena *arena, const struct mailbox *box);

/* Limits of the wire form, in octets: a path of RFC 5321 section 4.5.3.1.3
 * without its brackets, a host name, and one of its labels. A local part may use
 * all that the address leaves: forwarders write longer ones than 64. */
enum { ADDRESS_MAX = 254, DOMAIN_MAX = 253, LABEL_MAX = 63 };

/**
 * Parses an address list: mailboxes and groups, separated by commas; empty
 * elements, "<>" and empty groups give nothing. Routes are dropped. Semicolons
 * separate outside of groups too, and a group may lack its own; line folding
 * counts as white space.
 *
 * text  the field body or operand; need not outlive the call (but `name`
 *       and `source` point into it)
 * out   gets the mailboxes added at its end; untouched on failure
 *
 * Fails with EX_DATAERR and words that name the element at fault (sanitised).
 * An address over ADDRESS_MAX octets, control characters, line ends that do not
 * fold, broken UTF-8 in an address, and anything that could end a command early
 * are faults.
 */
bool address_parse_list(struct arena *arena, struct slice text, struct mailbox_list *out,
	struct error *err) NODISCARD;

/**
 * Parses exactly one mailbox, as -f takes it: "a@b", "<a@b>", "Name <a@b>" or a
 * bare name. "" and "<>" give a mailbox with empty local part and domain. Fails
 * like address_parse_list, and on any line end, folded or not.
 */
bool address_parse_one(
	struct arena *arena, struct slice text, struct mailbox *out, struct error *err) NODISCARD;

/**
 * The display name, or what the comment behind the address says where there is
 * none: quotes and escapes resolved, one blank for each gap, encoded words left
 * as they are; "" without either. The text that was parsed must still be there.
 */
const char *address_name(struct arena *arena, const struct mailbox *box) NODISCARD;

/**
 * The address as it goes into MAIL and RCPT: "local@domain", the domain as
 * A-label (IDNA, RFC 5891) where it is not ASCII, a domain's trailing dot
 * removed. Lives in the arena. A bare name gives just the local part. Fails with
 * EX_DATAERR where the domain is no host name and no address literal, or the
 * whole is longer than ADDRESS_MAX, and with EX_OSFILE where an international
 * domain comes up and the module for them is missing.
 */
bool address_wire(struct arena *arena, const struct mailbox *box, const char **out,
	struct error *err) NODISCARD;

/** True when the wire form of an address needs SMTPUTF8 (RFC 6531 section 3.1). */
bool address_needs_smtputf8(const char *wire);

/** True when two wire addresses are the same: domain without case, local part exact. */
bool address_same(const char *a, const char *b);

/** The domain of a wire address (behind its last @), or an empty slice. */
struct slice address_domain(const char *wire);

/**
 * The new text for an address met in a header, or NULL to leave it as it is. It
 * is asked for every mailbox, bare name or not. The result lives in the arena.
 */
typedef const char *address_qualify_fn(
	void *context, struct arena *arena, const struct mailbox *box);

/**
 * A copy of a field body in which each mailbox's address for which `qualify`
 * returns text is replaced by that text; every other octet stays. The copy lives
 * in the arena; where nothing changes, and where the body cannot be parsed, the
 * result is `body` itself.
 */
struct slice address_rewrite(
	struct arena *arena, struct slice body, address_qualify_fn *qualify, void *context);

/**
 * Formats `name <wire>` for a header: quoted-string where the name needs it,
 * encoded words (RFC 2047) where it is not ASCII or very long; control characters
 * are removed; an empty name gives the address alone. The result is one line, or
 * is folded with CRLF and a blank where encoded words fill a line.
 */
const char *address_format(struct arena *arena, const char *name, const char *wire);
