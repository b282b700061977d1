#include "mail/address.h"

#include <string.h>

#include "base/text.h"
#include "mail/address_lexer.h"
#include "mail/address_spec.h"

enum {
	FIRST_SPACE = 4,   /* mailboxes a list has room for at first */
	USUAL_OCTETS = 32, /* of an element of a list, display name included */
	SHOWN_OCTETS = 80, /* of an element at fault */
};

struct parser {
	struct arena *arena;
	struct lexer lexer;
	struct mailbox_list list;
	bool is_single;      /* exactly one mailbox: no separators, no groups */
	const char *element; /* where the present element starts */
	const char *why;     /* words for a fault */
};

static bool fail(struct parser *p, const char *why)
{
	p->why = why;
	return false;
}

/* The fault the lexer has found, or the one that a token at the wrong place is. */
static bool fail_at(struct parser *p, const struct token *t, const char *why)
{
	return fail(p, t->kind == TOKEN_BROKEN ? p->lexer.why : why);
}

/* Collects words from *t on; leaves in *t the token that ends them. */
static void collect(struct parser *p, struct address_run *run, struct token *t)
{
	*run = (struct address_run){.start = t->text.ptr, .end = t->text.ptr, .is_plain = true};

	for (;; lexer_next(&p->lexer, t)) {
		switch (t->kind) {
		case '@':
			if (run->at_signs++ == 0)
				run->at_sign = t->text.ptr;
			break;
		case TOKEN_QUOTED:
		case TOKEN_LITERAL:
			run->is_plain = false;
			run->words++;
			break;
		case TOKEN_ATOM:
			run->words++;
			break;
		default:
			return;
		}
		if (t->text.ptr != run->end)
			run->is_plain = false;
		run->has_8bit |= t->has_8bit;
		run->end = t->text.ptr + t->text.len;
	}
}

/* The words of what was taken at once. */
static struct address_run run_of(const struct usual *usual)
{
	return (struct address_run){
		.start = usual->text.ptr,
		.end = usual->text.ptr + usual->text.len,
		.at_sign = usual->at_sign,
		.at_signs = usual->at_sign != NULL,
		.words = 1,
		.is_plain = true,
	};
}

static void set_space(struct mailbox_list *list, struct arena *arena, size_t space)
{
	struct mailbox *items = arena_room(arena, space * sizeof(*items));

	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(*items));
	list->items = items;
	list->space = space;
}

void mailbox_list_add(struct mailbox_list *list, struct arena *arena, const struct mailbox *box)
{
	if (list->count == list->space)
		set_space(list, arena, list->space > 0 ? list->space * 2 : FIRST_SPACE);
	list->items[list->count++] = *box;
}

/* Steps over the route of "<@a,@b:user@c>"; *t is its first token and then the
 * one behind it. RFC 5321 section 4.1.1.3 asks to drop it. */
static bool skip_route(struct parser *p, struct token *t)
{
	while (t->kind == '@' || t->kind == ',' || t->kind == TOKEN_ATOM ||
		t->kind == TOKEN_LITERAL)
		lexer_next(&p->lexer, t);
	if (t->kind != ':')
		return fail_at(p, t, "nothing stands in front of the '@'");
	lexer_next(&p->lexer, t);
	return true;
}

/* Reads what follows a '<', up to the separator behind the '>', left in *t. */
static bool read_angle(struct parser *p, const struct address_run *phrase, struct token *t)
{
	struct mailbox box = {.name = {phrase->start, (size_t)(phrase->end - phrase->start)}};
	struct address_run run;
	struct usual usual;
	bool has_route = false;

	if (lexer_take_address(&p->lexer, '>', &usual)) {
		run = run_of(&usual);
		t->kind = usual.behind;
	} else {
		lexer_next(&p->lexer, t);
		has_route = t->kind == '@' || t->kind == ',';
		if (has_route && !skip_route(p, t))
			return false;
		collect(p, &run, t);
	}
	if (t->kind != '>')
		return fail_at(
			p, t, t->kind == '<' ? "it has a '<' inside" : "its '<' is not closed");

	bool is_null = !has_route && run.start == run.end;

	if (!is_null && !address_read(p->arena, &run, &box, &p->why))
		return false;
	p->lexer.comment = (struct slice){0};
	if (lexer_take_special(&p->lexer, ','))
		t->kind = ',';
	else
		lexer_next(&p->lexer, t);
	if (t->kind != ',' && t->kind != ';' && t->kind != TOKEN_END)
		return fail_at(p, t, "text stands behind its '>'");
	if (box.name.len == 0)
		box.name = p->lexer.comment;
	if (!is_null)
		mailbox_list_add(&p->list, p->arena, &box);
	return true;
}

/* Reads an address or a bare name without brackets; *t is the separator behind it. */
static bool read_plain(struct parser *p, const struct address_run *run)
{
	struct mailbox box = {.name = p->lexer.comment};

	if (run->start == run->end)
		return true;
	if (!address_read(p->arena, run, &box, &p->why))
		return false;
	mailbox_list_add(&p->list, p->arena, &box);
	return true;
}

/* Reads one element and the separator behind it; *is_last at the end of the text. */
static bool read_element(struct parser *p, bool *is_last)
{
	struct token t;
	struct address_run run;
	struct usual usual;

	p->element = p->lexer.at;
	lexer_skip_blanks(&p->lexer);
	if (lexer_take_element(&p->lexer, &usual)) {
		run = run_of(&usual);
		t.kind = usual.behind;
	} else {
		lexer_next(&p->lexer, &t);
		collect(p, &run, &t);
	}
	switch (t.kind) {
	case '<':
		if (!read_angle(p, &run, &t))
			return false;
		break;
	case ',':
	case ';':
	case TOKEN_END:
		if (!read_plain(p, &run))
			return false;
		break;
	case ':':
		/* A group: its members are elements like others, and its end is a
		 * separator, so that nothing of it needs to be remembered. */
		if (run.words == 0 || run.at_signs > 0)
			return fail(p, "it has a ':' at the wrong place");
		break;
	default:
		return fail_at(p, &t, "it has a '>' without a '<'");
	}
	*is_last = t.kind == TOKEN_END;
	if (!*is_last && p->is_single)
		return fail(p, "exactly one address is expected");
	return true;
}

static bool read_all(struct parser *p)
{
	bool is_last = false;

	while (!is_last)
		if (!read_element(p, &is_last))
			return false;
	return true;
}

/* Words for a fault, with the element it was found in as far as it was read. */
static bool report(struct parser *p, struct error *err)
{
	const char *end = p->lexer.at;
	struct slice rest = {end, (size_t)(p->lexer.end - end)};

	if (end == p->element || !strchr(",;", end[-1]))
		end += slice_find(slice_upto(rest, SHOWN_OCTETS), ',');

	struct slice element = slice_trim((struct slice){p->element, (size_t)(end - p->element)});
	CLEANUP(buf_done) struct buf shown = BUF(8 * SHOWN_OCTETS);

	while (element.len > 0 && strchr(",;", element.ptr[element.len - 1]))
		element.len--;
	text_sanitize(&shown, element, SHOWN_OCTETS);
	return error_set(
		err, EX_DATAERR, "the address '%s' is not valid: %s", buf_text(&shown), p->why);
}

bool address_parse_list(
	struct arena *arena, struct slice text, struct mailbox_list *out, struct error *err)
{
	struct parser p = {.arena = arena, .list = *out};

	if (text.len / USUAL_OCTETS > p.list.space)
		set_space(&p.list, arena, p.list.count + text.len / USUAL_OCTETS);
	lexer_start(&p.lexer, text);
	if (!read_all(&p))
		return report(&p, err);
	*out = p.list;
	return true;
}

bool address_parse_one(
	struct arena *arena, struct slice text, struct mailbox *out, struct error *err)
{
	struct parser p = {.arena = arena, .is_single = true};
	bool has_line_end = slice_find(text, '\n') < text.len || slice_find(text, '\r') < text.len;

	lexer_start(&p.lexer, text);
	p.element = p.lexer.at;
	if (has_line_end)
		fail(&p, "it has a line end inside");
	if (has_line_end || !read_all(&p))
		return report(&p, err);
	*out = p.list.count > 0 ? p.list.items[0] : (struct mailbox){"", "", {NULL, 0}, {NULL, 0}};
	return true;
}
