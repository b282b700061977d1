/* Reaching a peer: names to addresses, addresses raced, proxies, unix sockets. */
#pragma once

#include "base/error.h"

struct dial_target {
	const char *host; /* host name (ASCII) or IP literal, no brackets needed */
	uint16_t port;
	const char *socket_path; /* unix socket in place of host and port, or NULL */
	const char *source;      /* local address to bind, or NULL */
	const char *proxy; /* "socks5://[user:password@]host:port", or NULL (RFC 1928, 1929) */
};

/**
 * Connects. All addresses of the name are tried, IPv6 and IPv4 in turn, a next
 * one started 250 ms after the last (RFC 8305), until the deadline. With a
 * proxy the name is resolved by the proxy.
 *
 * fd    the caller's on success; non-blocking, close-on-exec, above 2
 *
 * Fails with EX_NOHOST (fate FATE_LATER) where the name cannot be resolved, and
 * EX_TEMPFAIL where no address answers; the text names host, port and each cause.
 */
bool dial_connect(const struct dial_target *target, int64_t deadline_ms, int *fd,
	struct error *err) NODISCARD;

/* One host of a service. */
struct dial_host {
	char name[256];
	char domain[256]; /* whose SRV records name it; "" where none was asked for */
	uint16_t port;
	bool implicit_tls; /* from _submissions._tcp */
};

/**
 * Looks up the submission services of a domain (RFC 6186, RFC 8314): first
 * _submissions._tcp, then _submission._tcp, in the order of RFC 2782 (priority,
 * weighted choice). *count is at most `space`. Fails with EX_NOHOST.
 */
bool dial_services(const char *domain, struct dial_host *hosts, size_t space, size_t *count,
	int64_t deadline_ms, struct error *err) NODISCARD;
