#include "config/values.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "config/host.h"
#include "mail/address.h"

enum { PIN_OCTETS = 32, MOST_ITEMS = 256 };

#define LIST_SEPARATORS " \t,"

void *value_place(const struct value *v)
{
	return (char *)v->base + v->option->place;
}

/* Cut and sanitised for words. */
struct shown {
	char text[96];
};

static struct shown show(struct slice part)
{
	struct shown shown;

	text_sanitize_into(shown.text, sizeof(shown.text), part);
	return shown;
}

bool value_refuse(const struct value *v, struct slice part, struct error *err)
{
	CLEANUP(buf_done) struct buf accepted = BUF(512);

	option_describe(v->option, &accepted);
	return error_set(err, EX_CONFIG, "%s must be %s, not '%s'", v->option->key,
		buf_text(&accepted), show(part).text);
}

bool value_refuse_for(const struct value *v, struct slice part, const char *why, struct error *err)
{
	return error_set(err, EX_CONFIG, "%s: '%s' %s", v->option->key, show(part).text, why);
}

/* --- lists ----------------------------------------------------------------- */

static size_t count_items(const char *text)
{
	struct slice rest = slice_of(text);
	size_t count = 0;

	while (slice_word(&rest, LIST_SEPARATORS).len > 0)
		count++;
	return count;
}

/* Reads one word of a list; the result lives in the arena. */
typedef bool read_item_fn(
	const struct value *v, struct slice item, const char **out, struct error *err);

static bool read_list(const struct value *v, read_item_fn *read_item, struct error *err)
{
	struct words words = {.count = count_items(v->text)};
	struct slice rest = slice_of(v->text);

	if (words.count == 0)
		return error_set(err, EX_CONFIG, "%s is empty", v->option->key);
	if (words.count > MOST_ITEMS)
		return error_set(
			err, EX_CONFIG, "%s has more than %d items", v->option->key, MOST_ITEMS);
	words.items = arena_alloc(v->arena, words.count * sizeof(*words.items));
	for (size_t i = 0; i < words.count; i++)
		if (!read_item(v, slice_word(&rest, LIST_SEPARATORS), &words.items[i], err))
			return false;
	*(struct words *)value_place(v) = words;
	return true;
}

/* --- hosts ----------------------------------------------------------------- */

static bool read_host(const struct value *v, struct slice item, const char **out, struct error *err)
{
	bool is_srv = slice_istarts(item, SLICE("srv:"));
	const char *why;

	if (!host_read(v->arena, slice_from(item, is_srv ? 4 : 0), !is_srv, out, &why))
		return value_refuse_for(v, item, why, err);
	if (is_srv)
		*out = arena_printf(v->arena, "srv:%s", *out);
	return true;
}

bool value_hosts(const struct value *v, struct error *err)
{
	return read_list(v, read_host, err);
}

bool value_host_name(const struct value *v, bool may_be_literal, struct error *err)
{
	const char *why;

	if (!host_read(v->arena, slice_of(v->text), may_be_literal, value_place(v), &why))
		return value_refuse_for(v, slice_of(v->text), why, err);
	return true;
}

/* RFC 5321 section 4.1.3: "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
static bool is_address_literal(struct arena *arena, struct slice text)
{
	unsigned char octets[16];

	if (text.len < 3 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
		return false;

	struct slice inner = slice_upto(slice_from(text, 1), text.len - 2);
	bool is_v6 = slice_istarts(inner, SLICE("IPv6:"));
	const char *address = arena_dup(arena, slice_from(inner, is_v6 ? 5 : 0));

	return inet_pton(is_v6 ? AF_INET6 : AF_INET, address, octets) == 1;
}

bool value_name_to_say(const struct value *v, struct error *err)
{
	if (v->text[0] != '[')
		return value_host_name(v, false, err);
	if (!is_address_literal(v->arena, slice_of(v->text)))
		return value_refuse(v, slice_of(v->text), err);
	*(const char **)value_place(v) = v->text;
	return true;
}

bool value_source(const struct value *v, struct error *err)
{
	if (!host_is_address(v->text))
		return value_refuse(v, slice_of(v->text), err);
	*(const char **)value_place(v) = v->text;
	return true;
}

/* The login of a proxy, "user:password@", off the front of *rest; RFC 1929 gives
 * each at most 255 octets. */
static bool take_proxy_login(struct slice *rest)
{
	size_t at = slice_find(*rest, '@');

	if (at == rest->len)
		return true;

	struct slice login = slice_upto(*rest, at);
	size_t colon = slice_find(login, ':');

	*rest = slice_from(*rest, at + 1);
	return colon > 0 && colon <= 255 && login.len - colon >= 2 && login.len - colon - 1 <= 255;
}

bool value_proxy(const struct value *v, struct error *err)
{
	struct slice all = slice_of(v->text), rest = slice_from(all, 9), port = {0};
	bool has_login = slice_find(all, '@') < all.len;
	/* A password is for no message. */
	struct slice shown = has_login ? SLICE("socks5://...@...") : all;
	const char *host, *why;
	uint64_t number;

	if (!slice_istarts(all, SLICE("socks5://")))
		return value_refuse(v, shown, err);
	if (!take_proxy_login(&rest))
		return value_refuse_for(v, shown, "has no login of the form user:password", err);

	size_t end = rest.len > 0 && rest.ptr[0] == '[' ? slice_find(rest, ']') + 1
							: slice_find(rest, ':');
	struct slice name = slice_upto(rest, end);

	if (end < rest.len) {
		port = slice_from(rest, end + 1);
		if (rest.ptr[end] != ':' || !slice_is_number(port, 65535, &number) || number == 0)
			return value_refuse(v, shown, err);
	}
	if (!host_read(v->arena, name, true, &host, &why))
		return value_refuse_for(v, shown, why, err);
	*(const char **)value_place(v) = v->text;
	return true;
}

/* --- pins and mechanisms ---------------------------------------------------- */

static bool read_hex(struct slice text, unsigned char pin[PIN_OCTETS])
{
	if (text.len != 2 * PIN_OCTETS)
		return false;
	for (size_t i = 0; i < PIN_OCTETS; i++) {
		int high = ascii_hex(text.ptr[2 * i]), low = ascii_hex(text.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		pin[i] = (unsigned char)(high * 16 + low);
	}
	return true;
}

static bool read_pin(struct slice text, unsigned char pin[PIN_OCTETS])
{
	CLEANUP(buf_done) struct buf octets = BUF(2 * PIN_OCTETS);
	bool is_named = slice_istarts(text, SLICE("sha256:"));

	text = slice_from(text, is_named ? 7 : 0);
	if (is_named && read_hex(text, pin))
		return true;
	if (text.len > 64 || !base64_decode(&octets, text) || octets.len != PIN_OCTETS)
		return false;
	memcpy(pin, octets.data, PIN_OCTETS);
	return true;
}

bool value_pins(const struct value *v, struct error *err)
{
	struct account *account = v->base;
	size_t count = count_items(v->text);
	struct slice rest = slice_of(v->text);

	if (count == 0 || count > MOST_ITEMS)
		return value_refuse(v, rest, err);

	unsigned char(*pins)[PIN_OCTETS] = arena_alloc(v->arena, count * PIN_OCTETS);

	for (size_t i = 0; i < count; i++) {
		struct slice item = slice_word(&rest, LIST_SEPARATORS);

		if (!read_pin(item, pins[i]))
			return value_refuse(v, item, err);
	}
	account->tls_pins = pins;
	account->tls_pin_count = count;
	return true;
}

static bool read_mechanism(
	const struct value *v, struct slice item, const char **out, struct error *err)
{
	struct slice known = slice_of(v->option->choices);

	for (struct slice word; (word = slice_word(&known, " ")).len > 0;)
		if (slice_ieq(word, item)) {
			*out = arena_dup(v->arena, word);
			return true;
		}
	return value_refuse(v, item, err);
}

bool value_mechanisms(const struct value *v, struct error *err)
{
	struct words before = *(struct words *)value_place(v), *words = value_place(v);

	if (!read_list(v, read_mechanism, err))
		return false;
	for (size_t i = 0; words->count > 1 && i < words->count; i++)
		if (strcmp(words->items[i], "auto") == 0 || strcmp(words->items[i], "none") == 0) {
			error_set(err, EX_CONFIG, "auth: '%s' stands by itself, not in a list",
				words->items[i]);
			*words = before;
			return false;
		}
	return true;
}

/* --- addresses --------------------------------------------------------------- */

static bool read_address(
	const struct value *v, struct slice text, const char **out, struct error *err)
{
	struct mailbox box;

	if (!address_parse_one(v->arena, text, &box, err)) {
		err->exit_code = EX_CONFIG;
		return error_prefix(err, "%s", v->option->key);
	}
	if (box.name.len > 0)
		return value_refuse_for(v, text,
			"holds a name beside the address; a display name goes to from_name", err);
	if (box.local[0] == '\0' || box.domain[0] == '\0')
		return value_refuse(v, text, err);
	if (!address_wire(v->arena, &box, out, err)) {
		err->exit_code = EX_CONFIG;
		return error_prefix(err, "%s", v->option->key);
	}
	return true;
}

bool value_address(const struct value *v, struct error *err)
{
	return read_address(v, slice_of(v->text), value_place(v), err);
}

static const char *lower_domain(struct arena *arena, const char *address)
{
	char *copy = arena_strdup(arena, address);
	char *at = strrchr(copy, '@');

	for (char *c = at; c && *c; c++)
		*c = ascii_lower(*c);
	return copy;
}

static bool domain_pattern_is_fine(struct slice domain)
{
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.ptr[i];

		if (!ascii_is_alnum(c) && !strchr("-_.*[]:", c))
			return false;
	}
	return domain.len > 0;
}

static bool read_pattern(
	const struct value *v, struct slice item, const char **out, struct error *err)
{
	const char *text = arena_dup(v->arena, item);
	const char *at = strrchr(text, '@');
	const char *domain = at ? at + 1 : "", *why = NULL;

	if (!at || at == text)
		return value_refuse_for(
			v, item, "is no address; for all of a domain write *@domain", err);
	if (slice_find(item, '*') == item.len) {
		if (!read_address(v, item, &text, err))
			return false;
	} else if (!strchr(domain, '*')) {
		if (!host_read(v->arena, slice_of(domain), false, &domain, &why))
			return value_refuse_for(v, item, why, err);
		text = arena_printf(v->arena, "%.*s@%s", (int)(at - text), text, domain);
	} else if (!domain_pattern_is_fine(slice_of(domain))) {
		return value_refuse(v, item, err);
	}
	*out = lower_domain(v->arena, text);
	return true;
}

bool value_patterns(const struct value *v, struct error *err)
{
	return read_list(v, read_pattern, err);
}
