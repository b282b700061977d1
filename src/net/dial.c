#include "net/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/address_list.h"
#include "net/socks.h"

/* RFC 8305 section 5: the next address is tried this long after the last. */
enum { STAGGER_MS = 250 };

/* Addresses of one peer, tried at once. */
struct race {
	const struct address_list *list;
	const struct address_item *source; /* or NULL */
	int fds[ADDRESSES_MAX];            /* -1: not running */
	size_t started;
	size_t running;
	size_t named;      /* causes in words so far */
	struct buf causes; /* "192.0.2.1: Connection refused; …" */
};

/* A socket that is none of the three standard ones and does not pass to children. */
static int new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;

	int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int cause = errno;

	(void)close(fd);
	errno = cause;
	return above;
}

static void note_cause(struct race *r, size_t which, const char *cause)
{
	enum { NAMED_MAX = 4 };
	char words[INET6_ADDRSTRLEN + 20];

	if (++r->named > NAMED_MAX) {
		if (r->named == NAMED_MAX + 1)
			buf_add_text(&r->causes, "; and so on");
		return;
	}
	address_item_words(&r->list->items[which], words, sizeof(words));
	buf_printf(&r->causes, "%s%s: %s", r->named > 1 ? "; " : "", words, cause);
}

static void end_attempt(struct race *r, size_t which, const char *cause)
{
	note_cause(r, which, cause);
	fd_close(&r->fds[which]);
	r->running--;
}

/* Binds to the address the person named. The port is chosen at connect. */
static bool bind_source(int fd, const struct address_item *source)
{
#ifdef IP_BIND_ADDRESS_NO_PORT
	int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
#endif
	return bind(fd, (const struct sockaddr *)&source->address, source->octets) == 0;
}

/* Begins to connect to the next address. True where that is done at once. */
static bool start_attempt(struct race *r)
{
	size_t which = r->started++;
	const struct address_item *to = &r->list->items[which];

	if (r->source && r->source->address.ss_family != to->address.ss_family) {
		note_cause(r, which, "the source address is of the other kind of IP");
		return false;
	}
	r->fds[which] = new_socket(to->address.ss_family);
	if (r->fds[which] < 0) {
		note_cause(r, which, strerror(errno));
		return false;
	}
	r->running++;
	if (r->source && !bind_source(r->fds[which], r->source)) {
		end_attempt(r, which, strerror(errno));
		return false;
	}
	if (connect(r->fds[which], (const struct sockaddr *)&to->address, to->octets) == 0)
		return true;
	/* After EINTR a connect goes on in the background. */
	if (errno != EINPROGRESS && errno != EINTR)
		end_attempt(r, which, strerror(errno));
	return false;
}

/* Looks at the attempts that poll has found. True, with *won set, where one succeeded. */
static bool settle(struct race *r, const struct pollfd *places, size_t *won)
{
	for (size_t i = 0; i < r->started; i++) {
		int cause = 0;
		socklen_t octets = sizeof(cause);

		if (r->fds[i] < 0 || places[i].revents == 0)
			continue;
		if (getsockopt(r->fds[i], SOL_SOCKET, SO_ERROR, &cause, &octets) < 0)
			cause = errno;
		if (cause == 0) {
			*won = i;
			return true;
		}
		end_attempt(r, i, strerror(cause));
	}
	return false;
}

/* Runs the race to its end. False when every address failed or time is up. */
static bool run(struct race *r, int64_t deadline_ms, size_t *won)
{
	int64_t next_ms = clock_now_ms();

	for (;;) {
		struct pollfd places[ADDRESSES_MAX];
		bool may_start = r->started < r->list->count;

		if (may_start && (r->running == 0 || clock_now_ms() >= next_ms)) {
			next_ms = clock_deadline(STAGGER_MS);
			if (start_attempt(r)) {
				*won = r->started - 1;
				return true;
			}
			continue;
		}
		if (r->running == 0)
			return false;
		for (size_t i = 0; i < r->started; i++)
			places[i] = (struct pollfd){.fd = r->fds[i], .events = POLLOUT};

		int64_t until_ms = may_start ? clock_earlier(next_ms, deadline_ms) : deadline_ms;
		size_t before = r->running;
		int found = poll(places, r->started, clock_left_ms(until_ms));

		if (found > 0 && settle(r, places, won))
			return true;
		if (r->running < before)
			next_ms = clock_now_ms();
		else if (found <= 0 && clock_left_ms(deadline_ms) == 0)
			return false;
	}
}

/* Connects to one of the addresses. `name` is that of the peer, with its port. */
static bool race_addresses(const struct address_list *list, const struct address_item *source,
	const char *name, int64_t deadline_ms, int *fd, struct error *err)
{
	struct race r = {.list = list, .source = source, .causes = BUF(600)};
	size_t won = ADDRESSES_MAX;

	for (size_t i = 0; i < ADDRESSES_MAX; i++)
		r.fds[i] = -1;

	bool connected = run(&r, deadline_ms, &won);

	for (size_t i = 0; i < r.started; i++) {
		if (r.fds[i] < 0 || i == won)
			continue;
		if (!connected)
			note_cause(&r, i, "no answer (time-out)");
		fd_close(&r.fds[i]);
	}
	if (connected)
		*fd = r.fds[won];
	else
		error_set(err, EX_TEMPFAIL, "cannot connect to %s: %s", name,
			r.named > 0 ? buf_text(&r.causes) : "time-out");
	buf_done(&r.causes);
	return connected;
}

/* A host, by way of no proxy. */
static bool dial_host(const char *host, uint16_t port, const char *source, int64_t deadline_ms,
	int *fd, struct error *err)
{
	struct address_list list;
	struct address_item from;
	char name[300];

	if (source && !address_list_literal(source, 0, &from))
		return error_set(
			err, EX_CONFIG, "the source '%.100s' is not an IP address", source);
	snprintf(name, sizeof(name), strchr(host, ':') && host[0] != '[' ? "[%s]:%u" : "%s:%u",
		host, port);
	return address_list_find(host, port, deadline_ms, &list, err) &&
	       race_addresses(&list, source ? &from : NULL, name, deadline_ms, fd, err);
}

static bool dial_unix(const char *path, int *fd, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t octets = strlen(path);

	if (octets >= sizeof(address.sun_path))
		return error_set(err, EX_CONFIG,
			"the socket path '%.120s' is longer than %zu octets", path,
			sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, octets);

	CLEANUP(fd_close) int made = new_socket(AF_UNIX);

	/* A unix socket connects at once or not at all. */
	if (made < 0 || connect(made, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, EX_TEMPFAIL, "cannot connect to %s", path);
	*fd = made;
	made = -1;
	return true;
}

static bool dial_proxy(
	const struct dial_target *target, int64_t deadline_ms, int *fd, struct error *err)
{
	CLEANUP(socks_proxy_done) struct socks_proxy proxy = {0};
	CLEANUP(fd_close) int made = -1;

	if (!socks_parse(target->proxy, &proxy, err))
		return false;
	if (!dial_host(proxy.host, proxy.port, target->source, deadline_ms, &made, err))
		return error_prefix(err, "proxy");
	if (!socks_connect(made, &proxy, target->host, target->port, deadline_ms, err))
		return false;
	*fd = made;
	made = -1;
	return true;
}

bool dial_connect(const struct dial_target *target, int64_t deadline_ms, int *fd, struct error *err)
{
	if (target->socket_path)
		return dial_unix(target->socket_path, fd, err);
	if (!target->host || target->host[0] == '\0')
		return error_set(err, EX_CONFIG, "there is no host to connect to");
	if (target->proxy)
		return dial_proxy(target, deadline_ms, fd, err);
	return dial_host(target->host, target->port, target->source, deadline_ms, fd, err);
}
