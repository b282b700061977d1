#include "net/socks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

/* Numbers of RFC 1928. */
enum {
	SOCKS_VERSION = 5,
	LOGIN_NONE = 0,
	LOGIN_PASSWORD = 2,
	COMMAND_CONNECT = 1,
	ADDRESS_IPV4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_IPV6 = 4,
};

void socks_proxy_done(struct socks_proxy *proxy)
{
	mem_wipe(proxy, sizeof(*proxy));
}

/* ---- URL ---- */

/* Decodes %XX into an array of 256. False where it is too long, holds NUL or a broken escape. */
static bool decode(struct slice text, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%') {
			int high = i + 2 < text.len ? ascii_hex(text.ptr[i + 1]) : -1;
			int low = i + 2 < text.len ? ascii_hex(text.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || len == 255)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

static bool parse_login(struct slice login, struct socks_proxy *proxy, struct error *err)
{
	size_t colon = slice_find(login, ':');

	if (colon == 0 || colon == login.len || !decode(slice_upto(login, colon), proxy->user) ||
		!decode(slice_from(login, colon + 1), proxy->password) ||
		proxy->password[0] == '\0')
		return error_set(err, EX_CONFIG,
			"the proxy's login must be user:password, at most 255 octets each");
	return true;
}

static bool parse_host(struct slice text, struct socks_proxy *proxy, struct error *err)
{
	bool is_literal = text.len > 0 && text.ptr[0] == '[';
	size_t end = slice_find(text, is_literal ? ']' : ':');
	struct slice host = slice_upto(slice_from(text, is_literal), end - is_literal);
	struct slice rest = slice_from(text, end + is_literal);
	uint64_t port = 1080;

	if (host.len == 0 || host.len > 255 || end - is_literal > text.len ||
		(is_literal && end == text.len))
		return error_set(err, EX_CONFIG, "the proxy has no valid host");
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];

		if (!ascii_is_alnum(c) && c != '.' && c != '-' && c != '_' &&
			!(is_literal && (c == ':' || c == '%')))
			return error_set(err, EX_CONFIG, "the proxy has no valid host");
	}
	if (rest.len > 0 &&
		(rest.ptr[0] != ':' || !slice_is_number(slice_from(rest, 1), 65535, &port) ||
			port == 0))
		return error_set(err, EX_CONFIG, "the proxy has no valid port");
	memcpy(proxy->host, host.ptr, host.len);
	proxy->host[host.len] = '\0';
	proxy->port = (uint16_t)port;
	return true;
}

bool socks_parse(const char *url, struct socks_proxy *out, struct error *err)
{
	CLEANUP(socks_proxy_done) struct socks_proxy proxy = {0};
	struct slice rest = slice_of(url);

	if (slice_istarts(rest, SLICE("socks5://")))
		rest = slice_from(rest, 9);
	else if (slice_istarts(rest, SLICE("socks5h://")))
		rest = slice_from(rest, 10);
	else
		return error_set(
			err, EX_CONFIG, "the proxy must be socks5://[user:password@]host:port");
	if (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
		rest.len--;

	size_t at = slice_find(rest, '@');

	if (at < rest.len && !parse_login(slice_upto(rest, at), &proxy, err))
		return false;
	if (!parse_host(at < rest.len ? slice_from(rest, at + 1) : rest, &proxy, err))
		return false;
	*out = proxy;
	return true;
}

/* ---- Dialogue ---- */

/* Waits for the proxy; false at the deadline. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd place = {.fd = fd, .events = events};
		int left_ms = clock_left_ms(deadline_ms);
		int found = poll(&place, 1, left_ms);

		if (found > 0)
			return true;
		if ((found == 0 && left_ms == 0) || (found < 0 && errno != EINTR))
			return false;
	}
}

static bool fail_late(struct error *err)
{
	return error_set(err, EX_TEMPFAIL, "the proxy does not answer (time-out)");
}

static bool send_octets(int fd, struct slice octets, int64_t deadline_ms, struct error *err)
{
	while (octets.len > 0) {
		ssize_t sent = send(fd, octets.ptr, octets.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0)
			octets = slice_from(octets, (size_t)sent);
		else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, EX_TEMPFAIL, "the connection to the proxy broke");
		else if (!wait_for(fd, POLLOUT, deadline_ms))
			return fail_late(err);
	}
	return true;
}

/* Reads exactly so many octets: what follows belongs to the server behind the proxy. */
static bool read_octets(
	int fd, unsigned char *into, size_t octets, int64_t deadline_ms, struct error *err)
{
	for (size_t have = 0; have < octets;) {
		if (clock_left_ms(deadline_ms) == 0 || !wait_for(fd, POLLIN, deadline_ms))
			return fail_late(err);

		ssize_t got = recv(fd, into + have, octets - have, MSG_DONTWAIT);

		if (got > 0)
			have += (size_t)got;
		else if (got == 0)
			return error_set(err, EX_TEMPFAIL,
				"the proxy closed the connection; is it a SOCKS 5 proxy?");
		else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, EX_TEMPFAIL, "the connection to the proxy broke");
	}
	return true;
}

/* RFC 1929. */
static bool log_in(int fd, const struct socks_proxy *proxy, int64_t deadline_ms, struct error *err)
{
	CLEANUP(buf_wipe) struct buf request = BUF(600);
	unsigned char reply[2];

	buf_add_char(&request, 1);
	buf_add_char(&request, (char)strlen(proxy->user));
	buf_add_text(&request, proxy->user);
	buf_add_char(&request, (char)strlen(proxy->password));
	buf_add_text(&request, proxy->password);
	if (!send_octets(fd, buf_slice(&request), deadline_ms, err) ||
		!read_octets(fd, reply, sizeof(reply), deadline_ms, err))
		return false;
	return reply[1] == 0 || error_set(err, EX_TEMPFAIL, "the proxy refuses its login");
}

/* RFC 1928 section 3: agrees on the way to log in. */
static bool greet(int fd, const struct socks_proxy *proxy, int64_t deadline_ms, struct error *err)
{
	static const char plain[] = {SOCKS_VERSION, 1, LOGIN_NONE};
	static const char both[] = {SOCKS_VERSION, 2, LOGIN_NONE, LOGIN_PASSWORD};
	bool has_login = proxy->user[0] != '\0';
	struct slice offer = has_login ? (struct slice){both, sizeof(both)}
				       : (struct slice){plain, sizeof(plain)};
	unsigned char reply[2];

	if (!send_octets(fd, offer, deadline_ms, err) ||
		!read_octets(fd, reply, sizeof(reply), deadline_ms, err))
		return false;
	if (reply[0] != SOCKS_VERSION)
		return error_set(err, EX_TEMPFAIL, "the proxy does not speak SOCKS 5");
	if (reply[1] == LOGIN_PASSWORD && has_login)
		return log_in(fd, proxy, deadline_ms, err);
	if (reply[1] == LOGIN_NONE)
		return true;
	return error_set(err, EX_TEMPFAIL, "the proxy wants %s",
		has_login ? "a way to log in that is not known here" : "a login");
}

/* The address of the server as RFC 1928 section 5 has it. */
static bool add_address(struct buf *request, const char *host, struct error *err)
{
	unsigned char octets[16];
	size_t len = strlen(host);

	if (inet_pton(AF_INET, host, octets) == 1) {
		buf_add_char(request, ADDRESS_IPV4);
		buf_add(request, (struct slice){(const char *)octets, 4});
	} else if (inet_pton(AF_INET6, host, octets) == 1) {
		buf_add_char(request, ADDRESS_IPV6);
		buf_add(request, (struct slice){(const char *)octets, 16});
	} else if (len <= 255) {
		buf_add_char(request, ADDRESS_NAME);
		buf_add_char(request, (char)len);
		buf_add_text(request, host);
	} else {
		return error_set(err, EX_CONFIG, "the host's name is longer than 255 octets");
	}
	return true;
}

static const char *words_for(unsigned char code)
{
	static const char *const words[] = {
		"granted",
		"general failure of the proxy",
		"its rules forbid that",
		"network unreachable",
		"host unreachable, or its name unknown",
		"connection refused",
		"the time-to-live ran out",
		"it cannot connect at all",
		"it does not know this kind of address",
	};

	return code < ARRAY_LEN(words) ? words[code] : "unknown answer";
}

/* Reads the rest of an answer: the address that the proxy has bound. */
static bool skip_address(int fd, unsigned char kind, int64_t deadline_ms, struct error *err)
{
	unsigned char rest[256 + 2];
	unsigned char len = kind == ADDRESS_IPV4 ? 4 : 16;

	if (kind == ADDRESS_NAME && !read_octets(fd, &len, 1, deadline_ms, err))
		return false;
	if (kind != ADDRESS_NAME && kind != ADDRESS_IPV4 && kind != ADDRESS_IPV6)
		return error_set(err, EX_TEMPFAIL, "the proxy's answer is not SOCKS 5");
	return read_octets(fd, rest, len + 2U, deadline_ms, err);
}

bool socks_connect(int fd, const struct socks_proxy *proxy, const char *host, uint16_t port,
	int64_t deadline_ms, struct error *err)
{
	CLEANUP(buf_done) struct buf request = BUF(300);
	unsigned char reply[4];

	buf_add(&request, SLICE("\x05\x01")); /* SOCKS_VERSION, COMMAND_CONNECT */
	buf_add_char(&request, 0);
	if (!add_address(&request, host, err))
		return false;
	buf_add_char(&request, (char)(port >> 8));
	buf_add_char(&request, (char)(port & 255));
	if (!greet(fd, proxy, deadline_ms, err) ||
		!send_octets(fd, buf_slice(&request), deadline_ms, err) ||
		!read_octets(fd, reply, sizeof(reply), deadline_ms, err))
		return false;
	if (reply[0] != SOCKS_VERSION)
		return error_set(err, EX_TEMPFAIL, "the proxy's answer is not SOCKS 5");
	if (reply[1] != 0)
		return error_set(err, EX_TEMPFAIL,
			"the proxy %s:%u does not connect to %.255s:%u: %s", proxy->host,
			proxy->port, host, port, words_for(reply[1]));
	return skip_address(fd, reply[3], deadline_ms, err);
}
