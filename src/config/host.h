/* Names of hosts as people write them. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/** True when text is an IPv4 or IPv6 address, without brackets. */
bool host_is_address(const char *text);

/** True when text can only mean this machine: localhost, 127.0.0.0/8, ::1. */
bool host_is_loopback(const char *text);

/** True when a host name is the domain or lies below it. */
bool host_is_within(const char *host, const char *domain);

/**
 * Checks a host name (RFC 1123 section 2.1; underscores are allowed, as many
 * container networks have them), takes off one trailing dot, and gives its
 * A-label form where it is not ASCII. With may_be_address an IP address is
 * fine too, IPv6 with or without brackets.
 *
 * out  set on success; in the arena
 * why  set on failure: words that follow the name, such as "holds a blank"; in
 *      the arena
 */
bool host_read(struct arena *arena, struct slice text, bool may_be_address, const char **out,
	const char **why) NODISCARD;
