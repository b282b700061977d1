/* SOCKS 5 proxies: RFC 1928 with no login or that of RFC 1929. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct socks_proxy {
	char host[256];
	uint16_t port;
	char user[256]; /* empty: no login */
	char password[256];
};

/** For CLEANUP: overwrites the login. */
void socks_proxy_done(struct socks_proxy *proxy);

/**
 * Parses "socks5://[user:password@]host[:port]" (or socks5h://, the same). User
 * and password may hold %XX; an IPv6 literal stands in brackets; the port is
 * 1080 where it is missing.
 *
 * Fails with EX_CONFIG; the text never holds the URL, for it may hold a password.
 */
bool socks_parse(const char *url, struct socks_proxy *out, struct error *err) NODISCARD;

/**
 * Has the proxy connect to host and port. It resolves the name.
 *
 * fd  connected to the proxy, non-blocking; not one octet is read beyond the answer
 *
 * Fails with EX_TEMPFAIL.
 */
bool socks_connect(int fd, const struct socks_proxy *proxy, const char *host, uint16_t port,
	int64_t deadline_ms, struct error *err) NODISCARD;
