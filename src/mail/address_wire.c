#include "mail/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"
#include "mail/idn.h"

/* True for "[192.0.2.1]" and "[IPv6:2001:db8::1]", RFC 5321 section 4.1.3. */
static bool is_address_literal(struct slice domain)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char number[sizeof(struct in6_addr)];
	struct slice inner = slice_from(slice_upto(domain, domain.len - 1), 1);
	bool is_ipv6 = slice_istarts(inner, SLICE("IPv6:"));

	if (is_ipv6)
		inner = slice_from(inner, sizeof("IPv6:") - 1);
	if (domain.ptr[domain.len - 1] != ']' || inner.len == 0 || inner.len >= sizeof(text))
		return false;
	memcpy(text, inner.ptr, inner.len);
	text[inner.len] = '\0';
	return inet_pton(is_ipv6 ? AF_INET6 : AF_INET, text, number) == 1;
}

/* What stands in host names: 'l' in a label, '.' between two. Underscores are
 * part of the names of real mail hosts and harm nobody. */
static const char host_class[257] = "                                "
				    "             l. llllllllll      "
				    " llllllllllllllllllllllllll    l"
				    " llllllllllllllllllllllllll     "
				    "                                "
				    "                                "
				    "                                "
				    "                                ";

/* True for 1 to 63 octets without a hyphen at either end. */
static bool is_label(const char *start, const char *end)
{
	return end > start && end - start <= LABEL_MAX && *start != '-' && end[-1] != '-';
}

static bool is_host_name(struct slice domain)
{
	const char *end = domain.ptr + domain.len;
	const char *label = domain.ptr;

	if (domain.len == 0 || domain.len > DOMAIN_MAX)
		return false;
	for (const char *at = domain.ptr; at < end; at++) {
		char kind = host_class[(unsigned char)*at];

		if (kind == 'l')
			continue;
		if (kind != '.' || !is_label(label, at))
			return false;
		label = at + 1;
	}
	return is_label(label, end);
}

/* Words for an address that cannot be sent. */
static bool refuse(const struct mailbox *box, const char *why, struct error *err)
{
	CLEANUP(buf_done) struct buf shown = BUF(2048);

	text_sanitize(&shown, slice_of(box->local), ADDRESS_MAX);
	buf_add_char(&shown, '@');
	text_sanitize(&shown, slice_of(box->domain), ADDRESS_MAX);
	return error_set(
		err, EX_DATAERR, "the address '%s' is not valid: %s", buf_text(&shown), why);
}

static struct slice without_last_dot(struct slice domain)
{
	return slice_upto(
		domain, domain.len - (domain.len > 0 && domain.ptr[domain.len - 1] == '.'));
}

/* The domain for the wire: A-labels, no dot behind it. */
static bool wire_domain(
	struct arena *arena, const struct mailbox *box, struct slice *out, struct error *err)
{
	struct slice domain = without_last_dot(slice_of(box->domain));
	bool is_literal = box->domain[0] == '[';
	const char *ascii;

	if (is_host_name(domain)) {
		*out = domain;
		return true;
	}
	if (is_literal && !is_address_literal(domain))
		return refuse(box, "it has no valid address literal", err);
	if (!is_literal && slice_has_8bit(domain)) {
		if (!idn_to_ascii(arena, box->domain, &ascii, err))
			return false;
		domain = without_last_dot(slice_of(ascii));
	}
	if (!is_literal && !is_host_name(domain))
		return refuse(box, "its domain is no host name", err);
	*out = domain;
	return true;
}

bool address_wire(
	struct arena *arena, const struct mailbox *box, const char **out, struct error *err)
{
	struct slice local = slice_of(box->local);
	struct slice domain = {0};

	if (box->domain[0] == '\0') {
		*out = box->local;
		return true;
	}
	if (!wire_domain(arena, box, &domain, err))
		return false;
	if (local.len + 1 + domain.len > ADDRESS_MAX)
		return refuse(box, "it is longer than 254 octets", err);

	char *wire = arena_room(arena, local.len + domain.len + 2);

	memcpy(wire, local.ptr, local.len);
	wire[local.len] = '@';
	memcpy(wire + local.len + 1, domain.ptr, domain.len);
	wire[local.len + 1 + domain.len] = '\0';
	*out = wire;
	return true;
}

bool address_needs_smtputf8(const char *wire)
{
	return slice_has_8bit(slice_of(wire));
}

struct slice address_domain(const char *wire)
{
	struct slice whole = slice_of(wire);
	const char *at = memrchr(wire, '@', whole.len);

	/* A bare name in quotation marks may hold an @, but then ends with them. */
	if (!at || wire[whole.len - 1] == '"')
		return (struct slice){wire + whole.len, 0};
	return slice_from(whole, (size_t)(at - wire) + 1);
}

bool address_same(const char *a, const char *b)
{
	struct slice a_domain = address_domain(a), b_domain = address_domain(b);
	size_t a_local = strlen(a) - a_domain.len, b_local = strlen(b) - b_domain.len;

	return slice_eq((struct slice){a, a_local}, (struct slice){b, b_local}) &&
	       slice_ieq(a_domain, b_domain);
}
