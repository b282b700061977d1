#include "net/address_list.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/slice.h"
#include "net/lookup.h"

/* What the child is asked, and what it answers. */
struct name_question {
	const char *host;
	char port[8];
	int family;
};

struct name_answer {
	int failure; /* of getaddrinfo */
	int cause;   /* errno where failure is EAI_SYSTEM */
	struct address_list list;
};

static int ask_resolver(
	const char *host, const char *port, int family, int flags, struct address_list *list)
{
	/* No AI_ADDRCONFIG: it hides addresses of the loopback, and those of a
	 * network that comes up meanwhile. */
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICSERV | flags,
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found = NULL;
	int failure = getaddrinfo(host, port, &hints, &found);

	if (failure != 0)
		return failure;
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		struct address_item *item = &list->items[list->count];

		if (list->count == ADDRESSES_MAX || at->ai_addrlen > sizeof(item->address))
			break;
		memcpy(&item->address, at->ai_addr, at->ai_addrlen);
		item->octets = at->ai_addrlen;
		list->count++;
	}
	freeaddrinfo(found);
	return 0;
}

static size_t answer_question(const void *question, void *answer, size_t space)
{
	const struct name_question *q = question;
	static struct name_answer a;

	a = (struct name_answer){0};
	a.failure = ask_resolver(q->host, q->port, q->family, 0, &a.list);
	a.cause = errno;
	if (sizeof(a) > space)
		return 0;
	memcpy(answer, &a, sizeof(a));
	return sizeof(a);
}

/* IPv6 and IPv4 in turn, beginning with what the system prefers. */
static void interleave(struct address_list *list)
{
	struct address_list sorted = {.count = list->count};
	bool taken[ADDRESSES_MAX] = {false};
	int family = list->items[0].address.ss_family;

	for (size_t n = 0; n < list->count; n++) {
		size_t best = ADDRESSES_MAX;

		for (size_t i = 0; i < list->count; i++) {
			if (taken[i])
				continue;
			if (best == ADDRESSES_MAX)
				best = i;
			if (list->items[i].address.ss_family == family) {
				best = i;
				break;
			}
		}
		taken[best] = true;
		sorted.items[n] = list->items[best];
		family = sorted.items[n].address.ss_family == AF_INET6 ? AF_INET : AF_INET6;
	}
	*list = sorted;
}

static bool is_localhost(const char *host)
{
	struct slice name = slice_of(host);

	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	return slice_ieq(name, SLICE("localhost")) || slice_iends(name, SLICE(".localhost"));
}

bool address_list_literal(const char *host, uint16_t port, struct address_item *out)
{
	struct address_list list = {0};
	struct slice text = slice_of(host);
	char bare[64], digits[8];

	if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
		text = (struct slice){text.ptr + 1, text.len - 2};
	if (text.len == 0 || text.len >= sizeof(bare))
		return false;
	memcpy(bare, text.ptr, text.len);
	bare[text.len] = '\0';
	snprintf(digits, sizeof(digits), "%u", port);
	if (ask_resolver(bare, digits, AF_UNSPEC, AI_NUMERICHOST, &list) != 0 || list.count == 0)
		return false;
	*out = list.items[0];
	return true;
}

static bool has_addresses(const void *answer, size_t octets)
{
	const struct name_answer *a = answer;

	return octets == sizeof(*a) && a->failure == 0 && a->list.count > 0;
}

/* Some resolvers drop questions for IPv6 addresses, and the system's waits for both kinds: those
 * of IPv4 are asked for alone as well where it takes its time. */
static bool look_up(const char *host, uint16_t port, int64_t deadline_ms, struct address_list *out,
	struct error *err)
{
	struct name_question both = {.host = host, .family = AF_UNSPEC};
	struct name_answer answers[2];
	size_t got = 0, winner;

	snprintf(both.port, sizeof(both.port), "%u", port);

	struct name_question ipv4 = both;
	const struct lookup_question questions[] = {{&both, &answers[0]}, {&ipv4, &answers[1]}};

	ipv4.family = AF_INET;
	if (!lookup_race(answer_question, questions, sizeof(answers[0]), has_addresses, deadline_ms,
		    &winner, &got))
		return lookup_silence(host, err);
	if (got != sizeof(answers[0]))
		return error_set(err, EX_NOHOST, "looking up '%.255s' broke off", host);

	const struct name_answer answer = answers[winner];

	if (answer.failure != 0)
		return error_set(err, EX_NOHOST, "cannot look up '%.255s': %s", host,
			answer.failure == EAI_SYSTEM ? strerror(answer.cause)
						     : gai_strerror(answer.failure));
	if (answer.list.count == 0 || answer.list.count > ADDRESSES_MAX)
		return error_set(err, EX_NOHOST, "'%.255s' has no address", host);
	*out = answer.list;
	return true;
}

bool address_list_find(const char *host, uint16_t port, int64_t deadline_ms,
	struct address_list *out, struct error *err)
{
	struct address_list list = {0};

	if (address_list_literal(host, port, &list.items[0])) {
		list.count = 1;
	} else if (is_localhost(host)) {
		list.count = (size_t)address_list_literal("::1", port, &list.items[0]);
		list.count +=
			(size_t)address_list_literal("127.0.0.1", port, &list.items[list.count]);
	} else if (!look_up(host, port, deadline_ms, &list, err)) {
		return false;
	}
	if (list.count > 1)
		interleave(&list);
	*out = list;
	return true;
}

void address_item_words(const struct address_item *item, char *words, size_t space)
{
	if (getnameinfo((const struct sockaddr *)&item->address, item->octets, words,
		    (socklen_t)space, NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(words, space, "an address");
}
