/* Socket addresses of a peer, in the order in which they are to be tried. */
#pragma once

#include <sys/socket.h>

#include "base/error.h"

/* Addresses that are tried of one name. */
enum { ADDRESSES_MAX = 16 };

struct address_item {
	struct sockaddr_storage address;
	socklen_t octets;
};

struct address_list {
	struct address_item items[ADDRESSES_MAX];
	size_t count;
};

/**
 * Addresses of a host name or IP literal, with the port; IPv6 and IPv4 in turn
 * (RFC 8305 section 4). "localhost" and what ends in it is the loopback, and is
 * not looked up (RFC 6761 section 6.3).
 *
 * Fails with EX_NOHOST.
 */
bool address_list_find(const char *host, uint16_t port, int64_t deadline_ms,
	struct address_list *out, struct error *err) NODISCARD;

/** The address of an IP literal, with or without brackets. */
bool address_list_literal(const char *host, uint16_t port, struct address_item *out) NODISCARD;

/** The address as people write it, without its port, into `space` octets. */
void address_item_words(const struct address_item *item, char *words, size_t space);
