#include "config/host.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"
#include "mail/idn.h"

enum { LONGEST_NAME = 253, LONGEST_LABEL = 63 };

bool host_is_address(const char *text)
{
	unsigned char octets[16];

	return inet_pton(AF_INET, text, octets) == 1 || inet_pton(AF_INET6, text, octets) == 1;
}

bool host_is_within(const char *host, const char *domain)
{
	struct slice name = slice_of(host);
	size_t before = name.len - strlen(domain);

	return slice_iends(name, slice_of(domain)) && (before == 0 || host[before - 1] == '.');
}

bool host_is_loopback(const char *text)
{
	unsigned char octets[16];

	if (slice_ieq(slice_of(text), SLICE("localhost")))
		return true;
	if (inet_pton(AF_INET, text, octets) == 1)
		return octets[0] == 127;
	if (inet_pton(AF_INET6, text, octets) != 1)
		return false;
	for (size_t i = 0; i < 15; i++)
		if (octets[i] != 0)
			return false;
	return octets[15] == 1;
}

static bool is_all_digits(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_digit(s.ptr[i]))
			return false;
	return true;
}

static const char *fault_of_label(struct slice label)
{
	if (label.len == 0)
		return "has an empty part between dots";
	if (label.len > LONGEST_LABEL)
		return "has a part of more than 63 octets";
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return "has a part that begins or ends with '-'";
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
			return "holds a character that host names do not have";
	return NULL;
}

/* NULL when it is a host name of ASCII, without a trailing dot. */
static const char *fault_of_name(struct slice name)
{
	struct slice label = {0};

	if (name.len == 0)
		return "is empty";
	if (name.len > LONGEST_NAME)
		return "is longer than 253 octets";
	for (struct slice rest = name;; rest = slice_from(rest, label.len + 1)) {
		label = slice_upto(rest, slice_find(rest, '.'));

		const char *why = fault_of_label(label);

		if (why)
			return why;
		if (label.len == rest.len)
			break;
		/* A dot at the very end leaves an empty label behind it. */
		if (label.len + 1 == rest.len)
			return "has an empty part between dots";
	}
	return is_all_digits(label) ? "is no IP address and no host name" : NULL;
}

/* The mistakes that are made most get words of their own. */
static const char *common_fault(struct slice text)
{
	size_t colon = slice_find(text, ':');
	struct slice behind = slice_from(text, colon + 1);

	if (slice_search(text, SLICE("://")) < text.len)
		return "is a URL; write the name of the host alone";
	if (slice_find(text, '/') < text.len)
		return "holds a '/'; a unix socket goes to the key socket";
	if (slice_find(text, '@') < text.len)
		return "is an address; write the name of the host alone";
	if (colon < text.len && behind.len > 0 && is_all_digits(behind))
		return "has a port; write it as port = ... on a line of its own";
	return NULL;
}

static struct slice without_brackets(struct slice text)
{
	if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
		return slice_upto(slice_from(text, 1), text.len - 2);
	return text;
}

bool host_read(struct arena *arena, struct slice text, bool may_be_address, const char **out,
	const char **why)
{
	const char *name = arena_dup(arena, without_brackets(text));
	struct error err = {0};

	if (host_is_address(name)) {
		*why = "is an IP address; a name is needed here";
		if (may_be_address)
			*out = name;
		return may_be_address;
	}
	*why = common_fault(text);
	if (*why)
		return false;
	if (text.len > 1 && text.ptr[text.len - 1] == '.')
		text.len--;
	name = arena_dup(arena, text);
	if (slice_has_8bit(text)) {
		*why = "is not UTF-8";
		if (!text_is_utf8(text))
			return false;
		if (!idn_to_ascii(arena, name, &name, &err)) {
			*why = arena_printf(arena, "cannot be used: %s", err.text);
			return false;
		}
	}
	*why = fault_of_name(slice_of(name));
	if (*why)
		return false;
	*out = name;
	return true;
}
