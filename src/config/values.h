/* The readers of values that are names: hosts, addresses, patterns, pins. For
 * options.h only; each works as option_read does. */
#pragma once

#include "config/account.h"
#include "config/options.h"

/* The value to read and where it belongs. */
struct value {
	const struct option *option;
	struct arena *arena;
	char *text;
	void *base;
};

/** The place that the row names in the struct. */
void *value_place(const struct value *v);

/**
 * Sets "key must be …, not '…'" with EX_CONFIG; `part` is the word at fault,
 * shown cut and sanitised. Returns false.
 */
bool value_refuse(const struct value *v, struct slice part, struct error *err);

/** The same with words of its own: "key: '…' why". Returns false. */
bool value_refuse_for(const struct value *v, struct slice part, const char *why, struct error *err);

/** A host name, or with `may_be_literal` an IP address; see host.h. */
bool value_host_name(const struct value *v, bool may_be_literal, struct error *err) NODISCARD;

/** A host name or an address literal in brackets, for EHLO. */
bool value_name_to_say(const struct value *v, struct error *err) NODISCARD;

/** A list of hosts, each of them may be srv:domain. */
bool value_hosts(const struct value *v, struct error *err) NODISCARD;

/** A list of SHA-256 digests: sha256:HEX or base64. */
bool value_pins(const struct value *v, struct error *err) NODISCARD;

/** A list of login mechanisms, "auto" and "none" only by themselves. */
bool value_mechanisms(const struct value *v, struct error *err) NODISCARD;

/** One address with a domain, kept in wire form. */
bool value_address(const struct value *v, struct error *err) NODISCARD;

/** A list of addresses and patterns; domains are lower-cased. */
bool value_patterns(const struct value *v, struct error *err) NODISCARD;

/** An IP address. */
bool value_source(const struct value *v, struct error *err) NODISCARD;

/** socks5://host[:port] */
bool value_proxy(const struct value *v, struct error *err) NODISCARD;
