#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/address_list.h"
#include "net/dial.h"
#include "net/lookup.h"
#include "net/services.h"
#include "net/socks.h"

static int64_t soon(void)
{
	return clock_deadline(20000);
}

/* A listening socket of the loopback; *port is chosen where it is 0. -1 without IPv6. */
static int listen_on(int family, uint16_t *port, int backlog)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6,
		.sin6_port = htons(*port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr *address =
		family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	socklen_t octets = family == AF_INET ? sizeof(four) : sizeof(six);
	int on = 1;

	if (fd >= 0 && family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (fd < 0 || bind(fd, address, octets) < 0 || listen(fd, backlog) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (family == AF_INET) {
		getsockname(fd, (struct sockaddr *)&four, &octets);
		*port = ntohs(four.sin_port);
	} else {
		getsockname(fd, (struct sockaddr *)&six, &octets);
		*port = ntohs(six.sin6_port);
	}
	return fd;
}

/* Fills the queue of a listener, so that the next connection gets no answer at all. */
static size_t fill(int family, const char *host, uint16_t port, int *fds, size_t space)
{
	struct address_item item;
	size_t count = 0;

	assert_true(address_list_literal(host, port, &item));
	while (count < space) {
		struct pollfd place;

		fds[count] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fds[count], (struct sockaddr *)&item.address, item.octets);
		place = (struct pollfd){.fd = fds[count++], .events = POLLOUT};
		if (poll(&place, 1, 60) == 0)
			break;
	}
	return count;
}

static void drop_all(int *fds, size_t count)
{
	while (count > 0)
		close(fds[--count]);
}

static void connected_socket_is_fit_for_use(void **state UNUSED)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5), fd = -1;
	struct dial_target target = {.host = "127.0.0.1", .port = port};
	struct error err = {0};
	struct sockaddr_in peer;
	socklen_t octets = sizeof(peer);

	assert_ok(dial_connect(&target, soon(), &fd, &err), err);
	assert_true(fd > 2);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &octets), 0);
	assert_int_equal(ntohs(peer.sin_port), port);
	close(fd);
	close(listener);
}

static void socket_never_takes_a_standard_descriptor(void **state UNUSED)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5);
	struct dial_target target = {.host = "127.0.0.1", .port = port};
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct error err = {0};
		int fd = -1;

		close(0);
		close(1);
		close(2);
		_exit(dial_connect(&target, soon(), &fd, &err) && fd > 2 ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	close(listener);
}

static void assert_fails(
	const struct dial_target *target, int64_t deadline_ms, int exit_code, const char *words)
{
	struct error err = {0};
	int fd = -7;

	assert_false(dial_connect(target, deadline_ms, &fd, &err));
	assert_int_equal(fd, -7);
	if (!strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
	assert_int_equal(err.exit_code, exit_code);
	assert_int_equal(err.fate, exit_code == EX_CONFIG ? FATE_PERMANENT : FATE_LATER);
}

static void refusal_names_host_port_and_cause(void **state UNUSED)
{
	uint16_t port = 0;
	char words[80];
	int listener = listen_on(AF_INET, &port, 5);
	struct dial_target target = {.host = "127.0.0.1", .port = port};

	close(listener);
	snprintf(words, sizeof(words),
		"cannot connect to 127.0.0.1:%u: 127.0.0.1: Connection refused", port);
	assert_fails(&target, soon(), EX_TEMPFAIL, words);
	target.host = "localhost";
	assert_fails(&target, soon(), EX_TEMPFAIL, "127.0.0.1: Connection refused");
	assert_fails(&target, soon(), EX_TEMPFAIL, "::1: ");
}

static void localhost_is_the_loopback_of_either_kind(void **state UNUSED)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		uint16_t port = 0;
		int listener = listen_on(families[i], &port, 5), fd = -1;
		struct dial_target target = {.host = "LocalHost.", .port = port};
		struct error err = {0};

		if (listener < 0)
			continue;
		assert_ok(dial_connect(&target, soon(), &fd, &err), err);
		close(fd);
		close(listener);
	}
}

/* N-03 */
static void dead_address_does_not_hold_back_the_next(void **state UNUSED)
{
	uint16_t port = 0;
	int fds[16], fd = -1;
	int dead = listen_on(AF_INET6, &port, 0);
	int alive = dead < 0 ? -1 : listen_on(AF_INET, &port, 5);
	struct dial_target target = {.host = "localhost", .port = port};
	struct error err = {0};
	struct sockaddr_storage peer;
	socklen_t octets = sizeof(peer);

	if (dead < 0 || alive < 0)
		return;

	size_t count = fill(AF_INET6, "::1", port, fds, ARRAY_LEN(fds));

	assert_ok(dial_connect(&target, soon(), &fd, &err), err);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &octets), 0);
	assert_int_equal(peer.ss_family, AF_INET);
	close(fd);
	drop_all(fds, count);
	close(dead);
	close(alive);
}

static void silence_ends_at_the_deadline(void **state UNUSED)
{
	uint16_t port = 0;
	int fds[16];
	int dead = listen_on(AF_INET, &port, 0);
	size_t count = fill(AF_INET, "127.0.0.1", port, fds, ARRAY_LEN(fds));
	struct dial_target target = {.host = "127.0.0.1", .port = port};

	assert_fails(&target, clock_deadline(40), EX_TEMPFAIL, "127.0.0.1: no answer (time-out)");
	drop_all(fds, count);
	close(dead);
}

static void unknown_names_are_tried_later(void **state UNUSED)
{
	struct dial_target target = {.host = "no-such-host.invalid", .port = 25};

	assert_fails(&target, clock_deadline(3000), EX_NOHOST, "no-such-host.invalid");
	target.host = "";
	assert_fails(&target, soon(), EX_CONFIG, "no host");
}

static void source_address_is_used(void **state UNUSED)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5), fd = -1;
	struct dial_target target = {.host = "127.0.0.1", .port = port, .source = "127.0.0.2"};
	struct error err = {0};
	struct sockaddr_in from;
	socklen_t octets = sizeof(from);

	assert_ok(dial_connect(&target, soon(), &fd, &err), err);

	int accepted = accept(listener, (struct sockaddr *)&from, &octets);

	assert_int_equal(ntohl(from.sin_addr.s_addr), 0x7f000002);
	close(accepted);
	close(fd);
	target.source = "not an address";
	assert_fails(&target, soon(), EX_CONFIG, "not an address");
	target.source = "::1";
	assert_fails(&target, soon(), EX_TEMPFAIL, "other kind of IP");
	target.source = "192.0.2.99";
	assert_fails(&target, soon(), EX_TEMPFAIL, "Cannot assign");
	close(listener);
}

static void unix_sockets_are_reached_by_path(void **state UNUSED)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char longer[200];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;
	struct dial_target target = {.socket_path = address.sun_path};
	struct error err = {0};

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/pillarbox-dial-%d",
		(int)getpid());
	unlink(address.sun_path);
	assert_fails(&target, soon(), EX_TEMPFAIL, address.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	listen(listener, 1);
	assert_ok(dial_connect(&target, soon(), &fd, &err), err);
	assert_true(fd > 2);
	close(fd);
	close(listener);
	unlink(address.sun_path);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	target.socket_path = longer;
	assert_fails(&target, soon(), EX_CONFIG, "longer than");
}

/* ---- Look-ups ---- */

static size_t ask_back(const void *question, void *answer, size_t space UNUSED)
{
	memcpy(answer, question, 5);
	return 5;
}

static size_t ask_for_ever(const void *question UNUSED, void *answer UNUSED, size_t space UNUSED)
{
	while (pause() != 0)
		continue;
	return 0;
}

static size_t ask_and_die(const void *question UNUSED, void *answer UNUSED, size_t space UNUSED)
{
	_exit(1);
}

/* The descriptors above the standard ones that are open in the child. */
static size_t ask_descriptors(const void *question UNUSED, void *answer, size_t space UNUSED)
{
	unsigned char count = 0;

	for (int fd = 3; fd < 64; fd++)
		count = (unsigned char)(count + (fcntl(fd, F_GETFD) >= 0));
	memcpy(answer, &count, 1);
	return 1;
}

/* N-02 */
static void lookups_are_bounded(void **state UNUSED)
{
	char answer[64] = "";
	size_t got = 0;
	struct error err = {0};

	assert_ok(lookup_run(ask_back, "hello", answer, 64, &got, "x", soon(), &err), err);
	assert_int_equal(got, 5);
	assert_string_equal(answer, "hello");
	assert_false(lookup_run(
		ask_for_ever, "", answer, 64, &got, "name.test", clock_deadline(30), &err));
	assert_int_equal(err.exit_code, EX_NOHOST);
	assert_int_equal(err.fate, FATE_LATER);
	assert_non_null(strstr(err.text, "name.test"));
	assert_false(lookup_run(ask_and_die, "", answer, 64, &got, "x", soon(), &err));
	/* No child is left behind. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void lookup_holds_no_descriptor_of_ours(void **state UNUSED)
{
	char answer[4] = "";
	size_t got = 0;
	struct error err = {0};
	int lock = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_ok(lookup_run(ask_descriptors, "", answer, 4, &got, "x", soon(), &err), err);
	assert_int_equal(got, 1);
	assert_int_equal(answer[0], 1);
	close(lock);
}

/* ---- SOCKS ---- */

static void proxy_urls_are_strict(void **state UNUSED)
{
	static const struct {
		const char *url, *host, *user, *password; /* host NULL: refused */
		uint16_t port;
	} cases[] = {
		{"socks5://proxy.test:9050", "proxy.test", "", "", 9050},
		{"SOCKS5H://proxy.test", "proxy.test", "", "", 1080},
		{"socks5://proxy.test:1/", "proxy.test", "", "", 1},
		{"socks5://[::1]:9050", "::1", "", "", 9050},
		{"socks5://[::1]", "::1", "", "", 1080},
		{"socks5://ann:p%40ss%3a:x@10.0.0.1:1080", "10.0.0.1", "ann", "p@ss::x", 1080},
		{"http://proxy.test:80", NULL, NULL, NULL, 0},
		{"socks5:proxy.test", NULL, NULL, NULL, 0},
		{"socks5://", NULL, NULL, NULL, 0},
		{"socks5://:1080", NULL, NULL, NULL, 0},
		{"socks5://h:0", NULL, NULL, NULL, 0},
		{"socks5://h:65536", NULL, NULL, NULL, 0},
		{"socks5://h:", NULL, NULL, NULL, 0},
		{"socks5://h:1x", NULL, NULL, NULL, 0},
		{"socks5://h/path", NULL, NULL, NULL, 0},
		{"socks5://[::1", NULL, NULL, NULL, 0},
		{"socks5://[]:1", NULL, NULL, NULL, 0},
		{"socks5://[::1]x", NULL, NULL, NULL, 0},
		{"socks5://secret@h", NULL, NULL, NULL, 0},
		{"socks5://:secret@h", NULL, NULL, NULL, 0},
		{"socks5://u:secret%0@h", NULL, NULL, NULL, 0},
		{"socks5://u:secret%00@h", NULL, NULL, NULL, 0},
		{"socks5://u:secret@a@h", NULL, NULL, NULL, 0},
		{"socks5://h\r\n", NULL, NULL, NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct socks_proxy proxy = {0};
		struct error err = {0};
		bool good = socks_parse(cases[i].url, &proxy, &err);

		if (good != (cases[i].host != NULL))
			fail_msg("'%s': %s", cases[i].url, good ? "taken" : err.text);
		if (!good) {
			assert_int_equal(err.exit_code, EX_CONFIG);
			assert_null(strstr(err.text, "secret"));
			continue;
		}
		assert_string_equal(proxy.host, cases[i].host);
		assert_int_equal(proxy.port, cases[i].port);
		assert_string_equal(proxy.user, cases[i].user);
		assert_string_equal(proxy.password, cases[i].password);
	}
}

/* What the proxy of a test expects and answers, in turn. */
struct turn {
	struct slice wants, says;
};

/* Plays the turns on one connection, octet by octet, and exits with 0 where all fits. */
_Noreturn static void be_proxy(int listener, const struct turn *turns, size_t count)
{
	int fd = accept(listener, NULL, NULL);

	alarm(30);
	for (size_t i = 0; i < count; i++) {
		char got[600];

		for (size_t have = 0; have < turns[i].wants.len; have++)
			if (read(fd, got + have, 1) != 1)
				_exit(1);
		if (turns[i].wants.len > 0 &&
			memcmp(got, turns[i].wants.ptr, turns[i].wants.len) != 0)
			_exit(2);
		for (size_t k = 0; k < turns[i].says.len; k++)
			if (send(fd, turns[i].says.ptr + k, 1, MSG_NOSIGNAL) != 1)
				_exit(3);
	}
	_exit(0);
}

/* Dials by way of such a proxy; words NULL: succeeds, and the greeting is there to be read. */
static void assert_proxied(const char *login, const char *host, const struct turn *turns,
	size_t count, const char *words)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5), fd = -1, status;
	char url[100], greeting[10] = "";
	struct dial_target target = {.host = host, .port = 587, .proxy = url};
	struct error err = {0};
	pid_t child = fork();

	if (child == 0)
		be_proxy(listener, turns, count);
	close(listener);
	snprintf(url, sizeof(url), "socks5://%s127.0.0.1:%u", login, port);
	if (words) {
		assert_fails(&target, soon(), EX_TEMPFAIL, words);
	} else {
		struct pollfd place;

		assert_ok(dial_connect(&target, soon(), &fd, &err), err);
		waitpid(child, &status, 0);
		assert_int_equal(status, 0);
		place = (struct pollfd){.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&place, 1, 20000), 1);
		assert_int_equal(recv(fd, greeting, 3, 0), 3);
		assert_string_equal(greeting, "220");
		close(fd);
		return;
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 2);
}

static void proxies_lead_to_the_server(void **state UNUSED)
{
	static const struct turn by_name[] = {
		{{"\5\1\0", 3}, {"\5\0", 2}},
		{{"\5\1\0\3\11mail.test\2\113", 16}, {"\5\0\0\1\177\0\0\1\0\31"
						      "220 hi",
							     16}},
	};
	static const struct turn by_four[] = {
		{{"\5\1\0", 3}, {"\5\0", 2}},
		{{"\5\1\0\1\300\0\2\1\2\113", 10}, {"\5\0\0\3\2ab\0\31"
						    "220 hi",
							   15}},
	};
	static const struct turn by_six[] = {
		{{"\5\1\0", 3}, {"\5\0", 2}},
		{{"\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2\113", 22},
			{"\5\0\0\4aaaaaaaaaaaaaaaa\0\31"
			 "220 hi",
				28}},
	};
	static const struct turn logged_in[] = {
		{{"\5\2\0\2", 4}, {"\5\2", 2}},
		{{"\1\3ann\4word", 10}, {"\1\0", 2}},
		{{"\5\1\0\3\11mail.test\2\113", 16}, {"\5\0\0\1\177\0\0\1\0\31"
						      "220 hi",
							     16}},
	};

	assert_proxied("", "mail.test", by_name, ARRAY_LEN(by_name), NULL);
	assert_proxied("", "192.0.2.1", by_four, ARRAY_LEN(by_four), NULL);
	assert_proxied("", "::1", by_six, ARRAY_LEN(by_six), NULL);
	assert_proxied("ann:word@", "mail.test", logged_in, ARRAY_LEN(logged_in), NULL);
	assert_proxied("ann:word@", "mail.test",
		(const struct turn[]){{{"\5\2\0\2", 4}, {"\5\0", 2}}, by_name[1]}, 2, NULL);
}

static void proxies_that_refuse_say_why(void **state UNUSED)
{
	static const struct slice hello = {"\5\1\0", 3}, fine = {"\5\0", 2};
	static const struct slice request = {"\5\1\0\3\11mail.test\2\113", 16};
	const struct {
		const char *login, *words;
		struct turn turns[2];
	} cases[] = {
		{"", "wants a login", {{hello, {"\5\377", 2}}}},
		{"", "wants a login", {{hello, {"\5\2", 2}}}},
		{"", "does not speak SOCKS 5", {{hello, {"HT", 2}}}},
		{"", "closed the connection", {{hello, {"\5", 1}}}},
		{"a:b@", "refuses its login",
			{{{"\5\2\0\2", 4}, {"\5\2", 2}}, {{"\1\1a\1b", 5}, {"\1\1", 2}}}},
		{"", "mail.test:587: connection refused",
			{{hello, fine}, {request, {"\5\5\0\1\0\0\0\0\0\0", 10}}}},
		{"", "name unknown", {{hello, fine}, {request, {"\5\4\0\1\0\0\0\0\0\0", 10}}}},
		{"", "unknown answer", {{hello, fine}, {request, {"\5\77\0\1\0\0\0\0\0\0", 10}}}},
		{"", "not SOCKS 5", {{hello, fine}, {request, {"\5\0\0\7", 4}}}},
		{"", "not SOCKS 5", {{hello, fine}, {request, {"\4\0\0\1", 4}}}},
		{"", "closed the connection", {{hello, fine}, {request, {"\5\0\0\1\1\1", 6}}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_proxied(cases[i].login, "mail.test", cases[i].turns, 2, cases[i].words);
}

static void silent_proxy_ends_at_the_deadline(void **state UNUSED)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 5);
	char url[100];
	struct dial_target target = {.host = "mail.test", .port = 587, .proxy = url};

	snprintf(url, sizeof(url), "socks5://127.0.0.1:%u", port);
	assert_fails(&target, clock_deadline(40), EX_TEMPFAIL, "proxy does not answer");
	close(listener);
	assert_fails(&target, soon(), EX_TEMPFAIL, "proxy: cannot connect to 127.0.0.1");
}

/* ---- Services ---- */

/* An answer with two SRV records, an A record between, and a compressed owner name. */
static const char answer[] = "\0\1\x81\x80\0\1\0\3\0\0\0\0"
			     "\14_submissions\4_tcp\7example\4test\0\0\41\0\1"
			     "\300\14\0\41\0\1\0\0\0\74\0\24\0\12\0\5\1\321\4mail\7example\0"
			     "\300\14\0\1\0\1\0\0\0\74\0\4\177\0\0\1"
			     "\300\14\0\41\0\1\0\0\0\74\0\7\0\24\0\0\0\0\0";

static void records_are_read(void **state UNUSED)
{
	struct service_record records[4];
	size_t count = services_read((struct slice){answer, sizeof(answer) - 1}, records, 4);

	assert_int_equal(count, 2);
	assert_int_equal(records[0].priority, 10);
	assert_int_equal(records[0].weight, 5);
	assert_int_equal(records[0].port, 465);
	assert_string_equal(records[0].target, "mail.example");
	assert_int_equal(records[1].priority, 20);
	assert_string_equal(records[1].target, "");
	assert_int_equal(services_read((struct slice){answer, sizeof(answer) - 1}, records, 1), 1);
}

static void broken_answers_are_read_within_bounds(void **state UNUSED)
{
	for (size_t len = 0; len < sizeof(answer) - 1; len++) {
		struct service_record records[4];
		char *copy = malloc(len + 1);

		/* A place of just this size, so that a checker sees a step too far. */
		copy = realloc(copy, len > 0 ? len : 1);
		memcpy(copy, answer, len);
		assert_true(services_read((struct slice){copy, len}, records, 4) < 2);
		for (size_t i = 0; i < len; i++) {
			copy[i] = (char)(copy[i] ^ 0xc0);
			(void)!services_read((struct slice){copy, len}, records, 4);
			copy[i] = (char)(copy[i] ^ 0xc0);
		}
		free(copy);
	}
}

static uint32_t draw_low(uint32_t most UNUSED)
{
	return 0;
}

static uint32_t draw_high(uint32_t most)
{
	return most;
}

static void records_are_ordered(void **state UNUSED)
{
	static const struct service_record given[] = {{20, 0, 1, "last"}, {10, 5, 1, "b"},
		{10, 0, 1, "a"}, {10, 9, 1, "c"}, {5, 1, 1, "first"}};
	static const struct {
		uint32_t (*draw)(uint32_t);
		const char *want[5];
	} cases[] = {
		{draw_low, {"first", "a", "b", "c", "last"}},
		{draw_high, {"first", "c", "b", "a", "last"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct service_record records[5];

		memcpy(records, given, sizeof(given));
		services_order(records, 5, cases[i].draw);
		for (size_t k = 0; k < 5; k++)
			assert_string_equal(records[k].target, cases[i].want[k]);
	}
}

static void domain_without_services_is_an_error(void **state UNUSED)
{
	struct dial_host hosts[4];
	struct error err = {0};
	size_t count = 77;

	assert_false(
		dial_services("nothing.invalid", hosts, 4, &count, clock_deadline(2000), &err));
	assert_int_equal(err.exit_code, EX_NOHOST);
	assert_int_equal(count, 77);
	assert_false(dial_services("", hosts, 4, &count, soon(), &err));
}

static void families_take_turns(void **state UNUSED)
{
	struct address_list list;
	struct error err = {0};

	assert_ok(address_list_find("localhost", 25, soon(), &list, &err), err);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.items[0].address.ss_family, AF_INET6);
	assert_int_equal(list.items[1].address.ss_family, AF_INET);
	assert_ok(address_list_find("[::1]", 25, soon(), &list, &err), err);
	assert_int_equal(list.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connected_socket_is_fit_for_use),
		cmocka_unit_test(socket_never_takes_a_standard_descriptor),
		cmocka_unit_test(refusal_names_host_port_and_cause),
		cmocka_unit_test(localhost_is_the_loopback_of_either_kind),
		cmocka_unit_test(dead_address_does_not_hold_back_the_next),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test(unknown_names_are_tried_later),
		cmocka_unit_test(source_address_is_used),
		cmocka_unit_test(unix_sockets_are_reached_by_path),
		cmocka_unit_test(lookups_are_bounded),
		cmocka_unit_test(lookup_holds_no_descriptor_of_ours),
		cmocka_unit_test(proxy_urls_are_strict),
		cmocka_unit_test(proxies_lead_to_the_server),
		cmocka_unit_test(proxies_that_refuse_say_why),
		cmocka_unit_test(silent_proxy_ends_at_the_deadline),
		cmocka_unit_test(records_are_read),
		cmocka_unit_test(broken_answers_are_read_within_bounds),
		cmocka_unit_test(records_are_ordered),
		cmocka_unit_test(domain_without_services_is_an_error),
		cmocka_unit_test(families_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
