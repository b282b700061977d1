/* Whatever the text: what comes out cannot leave its place in a command or a
 * header, and what was written can be read again. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "mail/address.h"

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

/* A wire address holds no control character, and blanks and brackets only
 * between quotation marks. */
static void check_wire(const char *wire)
{
	bool is_quoted = false;
	const char *at = wire;

	check(strlen(wire) <= ADDRESS_MAX);
	check(text_is_utf8(slice_of(wire)));
	for (; *at; at++) {
		check(!ascii_is_control(*at));
		if (is_quoted && *at == '\\')
			at++;
		else if (*at == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted)
			check(!strchr(" <>(),;:\\", *at) || address_domain(wire).ptr[0] == '[');
	}
	check(!is_quoted);

	struct slice domain = address_domain(wire);

	check(!slice_has_8bit(domain));
	for (size_t i = 0; i < domain.len; i++)
		check(ascii_is_alnum(domain.ptr[i]) || strchr(".-_[]:", domain.ptr[i]));
}

/* The address read again is the same. */
static void check_wire_again(struct arena *arena, const char *wire)
{
	struct mailbox box;
	struct error err;
	const char *again;

	if (wire[0] == '\0')
		return;
	check(address_parse_one(arena, slice_of(wire), &box, &err));
	check(address_wire(arena, &box, &again, &err));
	check(strcmp(wire, again) == 0);
	check(address_same(wire, again));
}

static void check_format(struct arena *arena, const char *name, const char *wire)
{
	const char *text = address_format(arena, name, wire);
	struct mailbox_list list = {0};
	struct error err;
	const char *again;

	check(address_parse_list(arena, slice_of(text), &list, &err));
	check(list.count == 1);
	check(address_wire(arena, &list.items[0], &again, &err));
	check(strcmp(wire, again) == 0);
	for (const char *at = text; *at; at++)
		if (*at == '\n')
			check(at > text && at[-1] == '\r' && at[1] == ' ');
}

static const char *qualify(void *context, struct arena *arena, const struct mailbox *box)
{
	(void)box;
	(*(size_t *)context)++;
	return arena_strdup(arena, "someone@example.org");
}

static void check_rewrite(struct arena *arena, struct slice text, size_t count)
{
	struct mailbox_list list = {0};
	struct error err;
	size_t asked = 0;
	struct slice body = address_rewrite(arena, text, qualify, &asked);

	check(asked == count);
	check(address_parse_list(arena, body, &list, &err));
	check(list.count == count);
	for (size_t i = 0; i < count; i++)
		check(strcmp(list.items[i].local, "someone") == 0 &&
			strcmp(list.items[i].domain, "example.org") == 0);
}

static void check_mailbox(struct arena *arena, struct slice text, const struct mailbox *box)
{
	const char *wire;
	struct error err;

	check(box->source.ptr >= text.ptr);
	check(box->source.ptr + box->source.len <= text.ptr + text.len);
	if (!address_wire(arena, box, &wire, &err)) {
		check(err.exit_code == EX_DATAERR && text_is_utf8(slice_of(err.text)));
		return;
	}
	check_wire(wire);
	check_wire_again(arena, wire);
	check_format(arena, address_name(arena, box), wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	struct mailbox_list list = {0};
	struct mailbox one;
	struct arena arena = {0};
	struct error err = {0};

	if (address_parse_list(&arena, text, &list, &err)) {
		for (size_t i = 0; i < list.count; i++)
			check_mailbox(&arena, text, &list.items[i]);
		check_rewrite(&arena, text, list.count);
	} else {
		check(err.exit_code == EX_DATAERR && list.count == 0);
	}
	if (address_parse_one(&arena, text, &one, &err)) {
		check(!memchr(data, '\n', size) && !memchr(data, '\r', size));
		if (one.local[0] != '\0')
			check_mailbox(&arena, text, &one);
	}
	arena_done(&arena);
	return 0;
}
