#include "mail/aliases.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "mail/address_lexer.h"

enum {
	FIRST_SPACE = 16,  /* aliases there is room for at first */
	SHOWN_OCTETS = 80, /* of a line at fault */
};

void aliases_done(struct aliases *table)
{
	free(table->items);
	arena_done(&table->arena);
	*table = (struct aliases){0};
}

/* Order of names without regard to case. */
static int compare_names(struct slice a, struct slice b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < shorter; i++) {
		unsigned char x = (unsigned char)ascii_lower(a.ptr[i]);
		unsigned char y = (unsigned char)ascii_lower(b.ptr[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a.len > b.len) - (a.len < b.len);
}

static int compare_aliases(const void *a, const void *b)
{
	const struct alias *x = a, *y = b;
	int order = compare_names(slice_of(x->name), slice_of(y->name));

	return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

struct alias *aliases_find(struct aliases *table, struct slice name)
{
	size_t low = 0, high = table->count;

	if (!table->is_sorted && table->count > 0)
		qsort(table->items, table->count, sizeof(*table->items), compare_aliases);
	table->is_sorted = true;
	/* The first one of that name: the earliest definition. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(slice_of(table->items[middle].name), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->count || compare_names(slice_of(table->items[low].name), name) != 0)
		return NULL;
	return &table->items[low];
}

static bool fail(const char *place, struct slice text, const char *why, struct error *err)
{
	char shown[SHOWN_OCTETS];

	text_sanitize_into(shown, sizeof(shown), text);
	return error_set(err, EX_CONFIG, "%s: '%s' %s", place, shown, why);
}

/* What stands between quotation marks, where they enclose all of it. */
static struct slice unquote(struct arena *arena, struct slice text)
{
	if (text.len < 2 || text.ptr[0] != '"' || text.ptr[text.len - 1] != '"')
		return text;

	char *plain = arena_alloc(arena, text.len);

	return (struct slice){plain, lexer_resolve(plain, text)};
}

/* Place of the first of `stop` outside quotation marks and comments, or text.len. */
static size_t find_outside(struct slice text, char stop)
{
	bool is_quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '\\')
			i++;
		else if (c == '"' && depth == 0)
			is_quoted = !is_quoted;
		else if (c == '(' && !is_quoted)
			depth++;
		else if (c == ')' && !is_quoted && depth > 0)
			depth--;
		else if (c == stop && !is_quoted && depth == 0)
			return i;
	}
	return text.len;
}

/* Reads a target that is an address. */
static bool read_address(
	struct arena *arena, struct alias_target *target, const char *place, struct error *err)
{
	struct slice text = slice_of(target->text);
	struct error cause;

	target->is_final = text.len > 1 && text.ptr[0] == '\\';
	if (!address_parse_one(arena, slice_from(text, target->is_final), &target->box, &cause))
		return error_set(err, EX_CONFIG, "%s: %s", place, cause.text);
	if (target->box.local[0] == '\0')
		return fail(place, text, "is no address", err);
	return true;
}

static bool read_target(struct arena *arena, struct slice text, struct alias_target *target,
	const char *place, struct error *err)
{
	static const struct {
		char first;
		enum alias_kind kind;
	} kinds[] = {
		{'|', ALIAS_PIPE},
		{'/', ALIAS_FILE},
		{':', ALIAS_INCLUDE},
	};
	struct slice plain = unquote(arena, text);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (plain.len == 0 || plain.ptr[0] != kinds[i].first)
			continue;
		*target = (struct alias_target){
			.kind = kinds[i].kind, .text = arena_dup(arena, plain)};
		return true;
	}
	*target = (struct alias_target){.kind = ALIAS_ADDRESS, .text = arena_dup(arena, text)};
	return read_address(arena, target, place, err);
}

/* Reads all targets into a; empty ones are skipped. */
static bool read_targets(
	struct aliases *table, struct slice text, struct alias *a, struct error *err)
{
	size_t space = 1;

	for (size_t i = 0; i < text.len; i++)
		space += text.ptr[i] == ',';
	a->targets = arena_alloc(&table->arena, space * sizeof(*a->targets));
	while (text.len > 0) {
		size_t end = find_outside(text, ',');
		struct slice one = slice_trim(slice_upto(text, end));

		text = slice_from(text, end + 1);
		if (one.len == 0)
			continue;
		if (!read_target(&table->arena, one, &a->targets[a->count++], a->place, err))
			return false;
	}
	return true;
}

bool aliases_add(struct aliases *table, struct slice name, struct slice targets, const char *place,
	struct error *err)
{
	struct slice plain = unquote(&table->arena, slice_trim(name));
	struct alias a = {
		.name = arena_dup(&table->arena, plain),
		.place = arena_strdup(&table->arena, place),
		.number = table->count,
	};

	if (plain.len == 0 || memchr(plain.ptr, '\0', plain.len))
		return fail(place, name, "is no name for an alias", err);
	if (!read_targets(table, targets, &a, err))
		return false;
	if (a.count == 0)
		return fail(place, name, "has no target", err);
	if (table->count == table->space) {
		table->space = table->space > 0 ? table->space * 2 : FIRST_SPACE;
		table->items = mem_grow(table->items, table->space * sizeof(*table->items));
	}
	table->items[table->count++] = a;
	table->is_sorted = false;
	return true;
}

/* Adds the alias that a line with its continuations defines. */
static bool add_line(struct aliases *table, const char *file, size_t number, struct slice line,
	struct error *err)
{
	const char *place = arena_printf(&table->arena, "%s:%zu", file, number);
	size_t colon = find_outside(line, ':');

	if (colon == line.len)
		return fail(place, line, "lacks the ':' between name and targets", err);
	return aliases_add(table, slice_upto(line, colon), slice_from(line, colon + 1), place, err);
}

/* Takes the next line off *text, without its end. */
static struct slice take_line(struct slice *text)
{
	size_t end = slice_find(*text, '\n');
	struct slice line = slice_upto(*text, end);

	*text = slice_from(*text, end + 1);
	return line;
}

bool aliases_parse(struct aliases *table, const char *file, struct slice text, struct error *err)
{
	CLEANUP(buf_done) struct buf whole = BUF(text.len + 1);
	size_t number = 0, first = 0;

	while (text.len > 0) {
		struct slice line = take_line(&text);
		struct slice trimmed = slice_trim(line);

		number++;
		if (trimmed.len == 0 || trimmed.ptr[0] == '#')
			continue;
		if (ascii_is_blank(line.ptr[0]) && whole.len > 0) {
			buf_add_char(&whole, ' ');
			buf_add(&whole, trimmed);
			continue;
		}
		if (whole.len > 0 && !add_line(table, file, first, buf_slice(&whole), err))
			return false;
		buf_clear(&whole);
		buf_add(&whole, trimmed);
		first = number;
	}
	return whole.len == 0 || add_line(table, file, first, buf_slice(&whole), err);
}
