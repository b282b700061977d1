#include "mail/aliases.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "mail/address_lexer.h"
#include "mail/envelope.h"

enum { SHOWN_OCTETS = 80 };

/* An alias whose targets are being expanded. */
struct step {
	struct alias *alias;
	size_t next;
};

struct expansion {
	struct aliases *table;
	struct arena *arena;
	struct step *path; /* owned: the way to the present alias, in place of recursion */
	size_t depth;
	size_t space;
	struct envelope seen; /* owned: the addresses found, for the duplicates */
	struct mailbox_list found;
};

static void expansion_done(struct expansion *x)
{
	for (size_t i = 0; i < x->depth; i++)
		x->path[i].alias->is_open = false;
	mem_free(&x->path);
	envelope_done(&x->seen);
}

/* Notes an address unless it is there. */
static void add_found(struct expansion *x, const struct mailbox *box)
{
	const char *wire = arena_printf(
		x->arena, "%s%s%s", box->local, box->domain[0] ? "@" : "", box->domain);
	size_t before = x->seen.count;

	envelope_add(&x->seen, wire);
	if (x->seen.count > before)
		mailbox_list_add(&x->found, x->arena, box);
}

/* The alias for a bare name, or the catch-all, or NULL. */
static struct alias *alias_of(struct expansion *x, const struct mailbox *box)
{
	struct slice name = slice_of(box->local);

	if (name.len > 1 && name.ptr[0] == '"') {
		char *plain = arena_alloc(x->arena, name.len);

		name = (struct slice){plain, lexer_resolve(plain, name)};
	}

	struct alias *own = aliases_find(x->table, name);

	return own ? own : aliases_find(x->table, SLICE("*"));
}

/* Goes one step deeper. */
static void enter(struct expansion *x, struct alias *alias)
{
	if (x->depth == x->space) {
		x->space = x->space > 0 ? 2 * x->space : 8;
		x->path = mem_grow(x->path, x->space * sizeof(*x->path));
	}
	alias->round = x->table->round;
	alias->is_open = true;
	x->path[x->depth++] = (struct step){alias, 0};
}

/* Takes an address, or enters the alias of a bare name. */
static void take(struct expansion *x, const struct mailbox *box, bool is_final)
{
	struct alias *alias = box->domain[0] == '\0' && !is_final ? alias_of(x, box) : NULL;

	if (alias && alias->round != x->table->round) {
		enter(x, alias);
		return;
	}
	/* A name among its own targets means the mailbox of that name; the same
	 * holds for a name that the catch-all gives and nobody else knows. In
	 * longer circles, what the aliases hold besides is all there is. */
	bool is_self = alias && alias->is_open &&
		       (alias == x->path[x->depth - 1].alias || strcmp(alias->name, "*") == 0);

	if (!alias || is_self)
		add_found(x, box);
}

static bool refuse(const struct alias *alias, const struct alias_target *target, struct error *err)
{
	static const char *const words[] = {
		[ALIAS_PIPE] = "a command",
		[ALIAS_FILE] = "a file",
		[ALIAS_INCLUDE] = "a list in a file",
	};
	char name[SHOWN_OCTETS], text[SHOWN_OCTETS];

	text_sanitize_into(name, sizeof(name), slice_of(alias->name));
	text_sanitize_into(text, sizeof(text), slice_of(target->text));
	error_set(err, EX_CONFIG,
		"%s: the alias '%s' leads to %s, '%s', where no mail is delivered", alias->place,
		name, words[target->kind], text);
	return error_hint(err, "give '%s' an address in the [aliases] section", name);
}

/* Takes all targets of the aliases on the path, in the order they are written. */
static bool walk(struct expansion *x, struct error *err)
{
	while (x->depth > 0) {
		struct step *step = &x->path[x->depth - 1];

		if (step->next == step->alias->count) {
			step->alias->is_open = false;
			x->depth--;
			continue;
		}

		const struct alias_target *target = &step->alias->targets[step->next++];

		if (target->kind != ALIAS_ADDRESS)
			return refuse(step->alias, target, err);
		take(x, &target->box, target->is_final);
	}
	return true;
}

bool aliases_expand(struct aliases *table, struct arena *arena, const struct mailbox *name,
	struct mailbox_list *out, struct error *err)
{
	CLEANUP(expansion_done) struct expansion x = {.table = table, .arena = arena};

	table->round++;
	take(&x, name, false);
	if (!walk(&x, err))
		return false;
	if (x.found.count == 0) {
		char shown[SHOWN_OCTETS];

		text_sanitize_into(shown, sizeof(shown), slice_of(name->local));
		error_set(err, EX_CONFIG, "the alias '%s' leads back to itself and to no address",
			shown);
		return error_hint(err, "give one of the names in the circle an address");
	}
	for (size_t i = 0; i < x.found.count; i++)
		mailbox_list_add(out, arena, &x.found.items[i]);
	return true;
}
