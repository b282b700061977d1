#include "mail/complete.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/address.h"

/* Fields that never leave: blind recipients, and what a delivery added. */
static const char *const dropped[] = {"Bcc", "Resent-Bcc", "Return-Path", "Content-Length"};

static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *complete_date(struct arena *arena, int64_t when)
{
	time_t seconds = (time_t)when;
	struct tm tm = {.tm_mday = 1};
	long zone = 0;
	char sign = '-'; /* "-0000": the time is right, the zone is not known */

	if (localtime_r(&seconds, &tm)) {
		zone = tm.tm_gmtoff / 60;
		sign = zone < 0 ? '-' : '+';
		zone = zone < 0 ? -zone : zone;
	} else {
		(void)gmtime_r(&seconds, &tm);
	}
	return arena_printf(arena, "%s, %d %s %04d %02d:%02d:%02d %c%02ld%02ld",
		weekdays[tm.tm_wday % 7], tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900,
		tm.tm_hour, tm.tm_min, tm.tm_sec, sign, zone / 60, zone % 60);
}

static void fill_random(uint32_t words[3])
{
	if (getentropy(words, 3 * sizeof(*words)) == 0)
		return;

	/* A kernel without it: what tells this process and moment from others. */
	int64_t now = clock_now_ms();

	words[0] = (uint32_t)getpid();
	words[1] = (uint32_t)now;
	words[2] = (uint32_t)(now >> 32) ^ (uint32_t)getppid() << 8;
}

const char *complete_message_id(struct arena *arena, const char *domain, int64_t now)
{
	uint32_t words[3];

	fill_random(words);
	return arena_printf(arena, "<%llx.%08x%08x%08x@%s>", (unsigned long long)now, words[0],
		words[1], words[2], domain);
}

/* A right side that says which host it was; "localhost" says nothing. */
static const char *id_domain(const struct complete_facts *facts)
{
	struct slice domain = slice_of(facts->id_domain);

	if (domain.len > 0 && !slice_ieq(domain, SLICE("localhost")))
		return facts->id_domain;
	domain = address_domain(facts->from_address);
	return domain.len > 0 ? domain.ptr : "mail.invalid";
}

static const char *id_body(struct message *m, const struct complete_facts *facts)
{
	return complete_message_id(&m->arena, id_domain(facts), facts->now);
}

static const char *from_body(struct message *m, const struct complete_facts *facts)
{
	return address_format(&m->arena, facts->from_name, facts->from_address);
}

static const char *sender_body(struct message *m, const struct complete_facts *facts)
{
	return address_format(&m->arena, "", facts->from_address);
}

static const char *date_body(struct message *m, const struct complete_facts *facts)
{
	return complete_date(&m->arena, facts->now);
}

static const char *to_body(UNUSED struct message *m, UNUSED const struct complete_facts *facts)
{
	return "undisclosed-recipients:;";
}

static bool lacks(const struct message *m, const char *name)
{
	return !header_find(&m->header, name, 0);
}

static bool lacks_id(struct message *m, UNUSED const struct complete_facts *facts)
{
	return lacks(m, "Message-ID");
}

static bool lacks_from(struct message *m, UNUSED const struct complete_facts *facts)
{
	return lacks(m, "From");
}

static bool lacks_date(struct message *m, UNUSED const struct complete_facts *facts)
{
	return lacks(m, "Date");
}

/* RFC 5322 section 3.6.2: several authors need a Sender. */
static bool lacks_sender(struct message *m, UNUSED const struct complete_facts *facts)
{
	const struct header_field *from = header_find(&m->header, "From", 0);
	struct mailbox_list authors = {0};
	struct error ignored = {0};

	if (!from || !lacks(m, "Sender") || slice_find(from->body, ',') == from->body.len)
		return false;
	return address_parse_list(&m->arena, from->body, &authors, &ignored) && authors.count > 1;
}

static bool lacks_to(struct message *m, const struct complete_facts *facts)
{
	return facts->add_undisclosed && lacks(m, "To") && lacks(m, "Cc");
}

/* What may be added; the first row stands last, as each goes in front. */
static const struct addition {
	const char *name;
	const char *resent; /* the form that a resent message gets instead; NULL: none */
	bool in_resent;     /* a resent message needs the plain form as well */
	bool (*is_missing)(struct message *m, const struct complete_facts *facts);
	const char *(*body)(struct message *m, const struct complete_facts *facts);
} additions[] = {
	{"Message-ID", "Resent-Message-ID", false, lacks_id, id_body},
	{"To", NULL, true, lacks_to, to_body},
	{"Sender", NULL, true, lacks_sender, sender_body},
	{"From", "Resent-From", true, lacks_from, from_body},
	{"Date", "Resent-Date", false, lacks_date, date_body},
};

static bool has_field(const struct header *h, size_t start, size_t end, struct slice name)
{
	for (size_t i = start; i < end; i++)
		if (slice_ieq(h->fields[i].name, name))
			return true;
	return false;
}

/* The fields of the latest resending. */
struct resent_block {
	size_t start;
	size_t end; /* as start: the message is not resent */
};

/* RFC 5322 knows seven; the limit keeps a hostile header from costing more
 * than linear time. */
enum { RESENT_FIELDS_MAX = 32 };

/*
 * The fields of a resending stand side by side; a name that comes a second
 * time begins those of an earlier one (RFC 5322 section 3.6.6).
 */
static struct resent_block find_resent(const struct header *h)
{
	struct resent_block block = {0};

	while (block.start < h->count && !header_is_resent(&h->fields[block.start]))
		block.start++;
	block.end = block.start;
	while (block.end < h->count && block.end - block.start < RESENT_FIELDS_MAX &&
		header_is_resent(&h->fields[block.end]) &&
		!has_field(h, block.start, block.end, h->fields[block.end].name))
		block.end++;
	return block;
}

/* Adds what the original message lacks behind its fields, so that the fields
 * of the resending stay together, and completes those. */
static void complete_resent(
	struct message *m, const struct complete_facts *facts, struct resent_block block)
{
	struct header *h = &m->header;
	bool is_missing[ARRAY_LEN(additions)];

	for (size_t i = 0; i < ARRAY_LEN(additions); i++) {
		const char *name = additions[i].resent;

		is_missing[i] = name && !has_field(h, block.start, block.end, slice_of(name));
		if (additions[i].in_resent && additions[i].is_missing(m, facts))
			header_append(h, &m->arena, additions[i].name,
				slice_of(additions[i].body(m, facts)));
	}
	for (size_t i = 0; i < ARRAY_LEN(additions); i++)
		if (is_missing[i])
			header_prepend(h, &m->arena, additions[i].resent,
				slice_of(additions[i].body(m, facts)));
}

static void complete_new(struct message *m, const struct complete_facts *facts)
{
	for (size_t i = 0; i < ARRAY_LEN(additions); i++)
		if (additions[i].is_missing(m, facts))
			header_prepend(&m->header, &m->arena, additions[i].name,
				slice_of(additions[i].body(m, facts)));
}

void complete_message(struct message *m, const struct complete_facts *facts)
{
	/* Looked for first: Resent-Bcc alone makes it a resent message too. */
	struct resent_block block = find_resent(&m->header);
	bool is_resent = block.end > block.start;

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		header_remove(&m->header, dropped[i]);
	if (is_resent)
		complete_resent(m, facts, find_resent(&m->header));
	else
		complete_new(m, facts);
}
