/* Names without a domain: aliases, the caller's own login, the mail domain.
 * Contract C46 and C47. */
#pragma once

#include "config/account.h"
#include "mail/address.h"
#include "mail/aliases.h"
#include "mail/envelope.h"

/* What names are resolved with. */
struct names {
	const struct config *config;   /* borrowed */
	const struct account *account; /* borrowed; NULL while none is chosen */
	const char *login;      /* private: of the real uid, as a local part; NULL without one */
	const char *full_name;  /* private: from its passwd entry; "" without */
	bool knows_caller;      /* the passwd entry was looked up */
	const char *host;       /* name of this host, lower case; "" without */
	struct aliases aliases; /* loaded when the first bare name turns up */
	bool has_aliases;
	struct arena arena; /* owns the texts above */
	struct arena found; /* owns what was found for the caller of names_... */
};

/** Looks up where this is; never fails. */
void names_init(struct names *n, const struct config *config);

/** The caller's login as a local part; NULL without a passwd entry. Looked up when first asked for. */
const char *names_login(struct names *n);

/** The caller's name from the passwd entry; "" without. Looked up when first asked for. */
const char *names_full_name(struct names *n);

/**
 * A login as the local part of an address, in quotation marks where it needs
 * them ("WORK\\ann"); NULL where it cannot be one. Lives in the arena.
 */
const char *names_local_part(struct arena *arena, const char *login);

/** Frees the texts. */
void names_done(struct names *n);

/** Frees what was found so far: for callers that ask again and again. */
void names_forget(struct names *n);

/**
 * Reads [aliases] and the aliases file, once. Called by what needs them; by
 * itself it checks them. Fails with EX_CONFIG and file:line.
 */
bool names_load_aliases(struct names *n, struct error *err) NODISCARD;

/**
 * Adds the recipients that a mailbox stands for. An address with a domain is
 * one; a bare name, or one at this host, goes through the aliases, then the
 * caller's own login (the account's `from`), then `[mail] domain`.
 *
 * Fails with EX_DATAERR where a name leads nowhere, and names the key to set.
 */
bool names_add_recipient(struct names *n, const struct mailbox *box, struct envelope *envelope,
	struct error *err) NODISCARD;

/**
 * The wire address for a sender: "" for an empty mailbox; a bare name gets
 * `[mail] domain`, else becomes the account's `from`. Lives until names_forget.
 * Fails with EX_DATAERR.
 */
bool names_sender(
	struct names *n, const struct mailbox *box, const char **out, struct error *err) NODISCARD;

/** The address of the caller where nothing else is known: login at the mail domain or this host; NULL without. */
const char *names_caller_address(struct names *n);

/** For address_rewrite: a bare name in a header becomes a whole address. context is the struct names. */
const char *names_qualify(void *context, struct arena *arena, const struct mailbox *box);
