/* The login of a session: which mechanism, and its exchange. RFC 4954. */
#pragma once

#include "smtp/dialogue.h"

/**
 * The mechanisms a list allows, as bits 1 << enum sasl_mechanism.
 *
 * list  as smtp_params.auth; "auto" (or NULL) means every mechanism that needs
 *       no asking for: SCRAM, PLAIN, LOGIN
 */
unsigned auth_allowed(const char *list);

/**
 * Logs in where the parameters ask for it, with the strongest mechanism that
 * the server offers and the list allows; does nothing where they do not.
 *
 * Fails with EX_NOPERM and fate FATE_PERMANENT where the login is refused or
 * cannot be made, FATE_LATER for 4xx, lost connections and broken exchanges,
 * and EX_CONFIG where a login in the clear is not allowed.
 */
bool auth_login(struct smtp_session *s, struct error *err) NODISCARD;
