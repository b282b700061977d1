#include "net/services.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

#include "net/lookup.h"

enum {
	DNS_HEADER_OCTETS = 12,
	RECORD_SRV = 33,
	CLASS_IN = 1,
	RECORDS_MAX = 32,
};

/* ---- Reading ---- */

static uint16_t number_at(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Moves *at behind a name (RFC 1035 section 4.1.4). */
static bool skip_name(const unsigned char *end, const unsigned char **at)
{
	int octets = dn_skipname(*at, end);

	if (octets < 0)
		return false;
	*at += octets;
	return true;
}

/* A target becomes a host name of the person's account: letters, digits, '.', '-', '_' alone. */
static bool is_host(const char *name)
{
	for (; *name; name++)
		if (!ascii_is_alnum(*name) && *name != '.' && *name != '-' && *name != '_')
			return false;
	return true;
}

/* Reads the data of one SRV record, which lies between at and data_end. */
static bool read_record(const unsigned char *start, const unsigned char *data_end,
	const unsigned char *at, struct service_record *record)
{
	if (data_end - at < 7)
		return false;
	record->priority = number_at(at);
	record->weight = number_at(at + 2);
	record->port = number_at(at + 4);
	return dn_expand(start, data_end, at + 6, record->target, sizeof(record->target)) > 0 &&
	       is_host(record->target);
}

size_t services_read(struct slice message, struct service_record *records, size_t space)
{
	const unsigned char *start = (const unsigned char *)message.ptr;
	const unsigned char *end = start + message.len;
	const unsigned char *at = start + DNS_HEADER_OCTETS;
	size_t count = 0;

	if (message.len < DNS_HEADER_OCTETS)
		return 0;
	for (unsigned n = number_at(start + 4); n > 0; n--) {
		if (!skip_name(end, &at) || end - at < 4)
			return 0;
		at += 4;
	}
	for (unsigned n = number_at(start + 6); n > 0 && count < space; n--) {
		if (!skip_name(end, &at) || end - at < 10)
			break;

		uint16_t type = number_at(at), class = number_at(at + 2);
		size_t octets = number_at(at + 8);

		at += 10;
		if ((size_t)(end - at) < octets)
			break;
		if (type == RECORD_SRV && class == CLASS_IN &&
			read_record(start, at + octets, at, &records[count]))
			count++;
		at += octets;
	}
	return count;
}

/* ---- Order ---- */

static void swap(struct service_record *a, struct service_record *b)
{
	struct service_record kept = *a;

	*a = *b;
	*b = kept;
}

static bool goes_before(const struct service_record *a, const struct service_record *b)
{
	/* Of equal priority those without weight stand first, as RFC 2782
	 * wants it for the drawing: they keep a small chance. */
	return a->priority != b->priority ? a->priority < b->priority
					  : a->weight == 0 && b->weight != 0;
}

static void sort(struct service_record *records, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k > 0 && goes_before(&records[k], &records[k - 1]); k--)
			swap(&records[k], &records[k - 1]);
}

/* Draws one of the first `count`, by their weights. */
static size_t draw_one(
	const struct service_record *records, size_t count, uint32_t (*draw)(uint32_t most))
{
	uint32_t sum = 0, running = 0;

	for (size_t i = 0; i < count; i++)
		sum += records[i].weight;

	uint32_t drawn = draw(sum);

	for (size_t i = 0; i < count; i++) {
		running += records[i].weight;
		if (running >= drawn)
			return i;
	}
	return 0;
}

void services_order(struct service_record *records, size_t count, uint32_t (*draw)(uint32_t most))
{
	sort(records, count);
	for (size_t i = 0; i < count; i++) {
		size_t equals = 1;

		while (i + equals < count && records[i + equals].priority == records[i].priority)
			equals++;

		/* The others of this priority keep their order. */
		for (size_t k = i + draw_one(records + i, equals, draw); k > i; k--)
			swap(&records[k], &records[k - 1]);
	}
}

/* ---- Asking ---- */

/* The answer begins with a mark: the name may have no such records at all. */
enum { ANSWER_RECORDS = 'R', ANSWER_NOTHING = 'N', ANSWER_FAILED = 'F' };

static size_t ask_dns(const void *question, void *answer, size_t space)
{
	unsigned char *out = answer;
	int octets = res_query(question, CLASS_IN, RECORD_SRV, out + 1, (int)space - 1);

	if (octets < 0) {
		out[0] = h_errno == HOST_NOT_FOUND || h_errno == NO_DATA ? ANSWER_NOTHING
									 : ANSWER_FAILED;
		return 1;
	}
	out[0] = ANSWER_RECORDS;
	return 1 + ((size_t)octets < space - 1 ? (size_t)octets : space - 1);
}

/* A number from 0 to most. The slight preference of small numbers does not matter here. */
static uint32_t draw_random(uint32_t most)
{
	uint32_t number = 0;

	if (getentropy(&number, sizeof(number)) < 0)
		return most / 2;
	return number % (most + 1);
}

/* Adds the hosts of one service to the list. */
static bool add_service(const char *domain, const char *service, bool implicit_tls,
	struct dial_host *hosts, size_t space, size_t *count, int64_t deadline_ms,
	struct error *err)
{
	static char answer[LOOKUP_ANSWER_OCTETS];
	struct service_record records[RECORDS_MAX];
	char name[300];
	size_t got = 0;

	snprintf(name, sizeof(name), "%s._tcp.%s", service, domain);
	if (!lookup_run(ask_dns, name, answer, sizeof(answer), &got, name, deadline_ms, err))
		return false;
	if (got < 1 || answer[0] == ANSWER_FAILED)
		return error_set(err, EX_NOHOST, "cannot look up the services of '%s'", domain);
	if (answer[0] == ANSWER_NOTHING)
		return true;

	size_t found = services_read((struct slice){answer + 1, got - 1}, records, RECORDS_MAX);

	services_order(records, found, draw_random);
	for (size_t i = 0; i < found && *count < space; i++) {
		struct dial_host *host = &hosts[*count];

		if (records[i].target[0] == '\0' || records[i].port == 0)
			continue;
		snprintf(host->name, sizeof(host->name), "%s", records[i].target);
		snprintf(host->domain, sizeof(host->domain), "%s", domain);
		host->port = records[i].port;
		host->implicit_tls = implicit_tls;
		++*count;
	}
	return true;
}

bool dial_services(const char *domain, struct dial_host *hosts, size_t space, size_t *count,
	int64_t deadline_ms, struct error *err)
{
	size_t found = 0;

	if (domain[0] == '\0' || strlen(domain) > 253)
		return error_set(err, EX_NOHOST, "'%.100s' is not a domain", domain);
	if (!add_service(domain, "_submissions", true, hosts, space, &found, deadline_ms, err) ||
		!add_service(domain, "_submission", false, hosts, space, &found, deadline_ms, err))
		return false;
	if (found == 0)
		return error_set(err, EX_NOHOST,
			"'%s' does not publish a submission service (SRV records)", domain);
	*count = found;
	return true;
}
