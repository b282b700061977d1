#include "mail/address_spec.h"

#include <string.h>

#include "base/text.h"
#include "mail/address_lexer.h"

/* Where an address goes, and what is wrong with it. */
struct reader {
	struct arena *arena;
	const char *why;
};

static bool fail(struct reader *r, const char *why)
{
	r->why = why;
	return false;
}

/* Text under construction in the arena; the room was sized for the worst case. */
struct piece {
	char *text;
	size_t len;
};

static struct piece piece_new(struct arena *arena, size_t room)
{
	return (struct piece){arena_alloc(arena, room + 1), 0};
}

static void piece_add(struct piece *piece, struct slice s)
{
	memcpy(piece->text + piece->len, s.ptr, s.len);
	piece->len += s.len;
}

static struct slice piece_slice(const struct piece *piece)
{
	return (struct slice){piece->text, piece->len};
}

/* What a comment says, where cron and old mailers put the name: "root (Cron Daemon)". */
static const char *comment_text(struct arena *arena, struct slice comment)
{
	struct piece name = piece_new(arena, comment.len);

	name.len = lexer_resolve(name.text, comment);

	struct slice trimmed = slice_trim(piece_slice(&name));

	name.text[(size_t)(trimmed.ptr - name.text) + trimmed.len] = '\0';
	return trimmed.ptr;
}

const char *address_name(struct arena *arena, const struct mailbox *box)
{
	if (box->name.len == 0)
		return "";
	if (box->name.ptr[0] == '(')
		return comment_text(arena, box->name);

	struct piece name = piece_new(arena, box->name.len);
	struct lexer lexer;
	struct token t;

	lexer_start(&lexer, box->name);
	for (lexer_next(&lexer, &t); t.kind != TOKEN_END; lexer_next(&lexer, &t)) {
		if (t.is_apart && name.len > 0)
			name.text[name.len++] = ' ';
		if (t.kind == TOKEN_QUOTED)
			name.len += lexer_resolve(name.text + name.len, t.text);
		else
			piece_add(&name, t.text);
	}
	return name.text;
}

/* True for dot-atom: dots only between other octets. */
static bool is_dot_atom(struct slice s)
{
	char before = '.';

	for (size_t i = 0; i < s.len; i++) {
		bool is_atext = ascii_is_alnum(s.ptr[i]) || (unsigned char)s.ptr[i] >= 0x80 ||
				(s.ptr[i] != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", s.ptr[i]));

		if (!is_atext && (s.ptr[i] != '.' || before == '.'))
			return false;
		before = s.ptr[i];
	}
	return before != '.';
}

/* The local part in quotation marks, where what they held needs them. */
static struct slice requote(struct reader *r, struct slice local)
{
	if (is_dot_atom(local))
		return local;

	struct piece quoted = piece_new(r->arena, 2 * local.len + 2);

	quoted.text[quoted.len++] = '"';
	for (size_t i = 0; i < local.len; i++) {
		if (local.ptr[i] == '"' || local.ptr[i] == '\\')
			quoted.text[quoted.len++] = '\\';
		quoted.text[quoted.len++] = local.ptr[i];
	}
	quoted.text[quoted.len++] = '"';
	return piece_slice(&quoted);
}

/* True for characters that no address holds: C0, DEL, and C1 as UTF-8. */
static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (ascii_is_control(s.ptr[i]))
			return true;
		if (s.ptr[i] == '\xc2' && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0)
			return true;
	}
	return false;
}

/* Checks dots and length; which names are host names is checked for the wire. */
static bool check_domain(struct reader *r, struct slice domain)
{
	if (domain.len == 0)
		return fail(r, "nothing stands behind the '@'");
	if (domain.ptr[0] == '[')
		return true;

	const char *end = domain.ptr + domain.len;

	for (const char *at = domain.ptr, *label = at; at < end; at++) {
		if (*at != '.')
			continue;
		if (at == label)
			return fail(r, "its domain has a dot too many");
		label = at + 1;
	}
	return true;
}

static bool has_only_dots(struct slice s)
{
	while (s.len > 0 && s.ptr[0] == '.')
		s = slice_from(s, 1);
	return s.len == 0;
}

/* Checks both sides of an address and puts it into box. */
static bool take_sides(struct reader *r, struct slice local, struct slice domain, bool has_8bit,
	struct mailbox *box)
{
	if (has_only_dots(local))
		return fail(r, "nothing stands in front of the '@'");
	if (has_8bit && (!text_is_utf8(local) || !text_is_utf8(domain)))
		return fail(r, "it is not UTF-8");
	if (has_8bit && (has_control(local) || has_control(domain)))
		return fail(r, "it has a control character inside");
	/* The A-labels of a long international name may be shorter than it. */
	if (local.len + (has_8bit ? 0 : domain.len + (domain.len > 0)) > ADDRESS_MAX ||
		domain.len > (size_t)4 * DOMAIN_MAX)
		return fail(r, "it is longer than 254 octets");

	char *text = arena_room(r->arena, local.len + domain.len + 2);
	char *behind = text + local.len + 1;

	memcpy(text, local.ptr, local.len);
	text[local.len] = '\0';
	if (domain.len > 0)
		memcpy(behind, domain.ptr, domain.len);
	behind[domain.len] = '\0';
	box->local = text;
	box->domain = behind;
	return true;
}

/* Adds a word to one side of an address: words stand apart by dots alone. */
static bool add_word(struct reader *r, struct piece *side, const struct token *t, bool *may_follow)
{
	bool begins_with_dot = t->kind == TOKEN_ATOM && t->text.ptr[0] == '.';

	if (!*may_follow && !begins_with_dot)
		return fail(r, t->is_apart ? "it has a blank inside"
					   : "its quotation marks are misplaced");
	*may_follow = t->kind == TOKEN_ATOM && t->text.ptr[t->text.len - 1] == '.';
	if (t->kind == TOKEN_ATOM)
		piece_add(side, t->text);
	else
		side->len += lexer_resolve(side->text + side->len, t->text);
	return true;
}

/* An address literal: brackets stay, blanks and line ends go. */
static bool add_literal(struct reader *r, struct piece *side, struct slice token)
{
	size_t len = lexer_resolve(side->text + 1, token);

	side->text[0] = '[';
	side->len = 1;
	for (size_t i = 1; i <= len; i++)
		if (!ascii_is_blank(side->text[i]))
			side->text[side->len++] = side->text[i];
	if (memchr(side->text + 1, '[', side->len - 1) || memchr(side->text, ']', side->len))
		return fail(r, "its address literal has a bracket inside");
	side->text[side->len++] = ']';
	return true;
}

/* The domain that the rest of an address spells. */
static bool read_domain(struct reader *r, struct lexer *lexer, struct piece *domain)
{
	bool may_follow = true;
	struct token t;

	for (lexer_next(lexer, &t); t.kind != TOKEN_END; lexer_next(lexer, &t)) {
		if (t.kind == '@')
			return fail(r, "it has more than one '@'");
		if (t.kind == TOKEN_QUOTED)
			return fail(r, "its domain has quotation marks");
		if (t.kind == TOKEN_ATOM && !add_word(r, domain, &t, &may_follow))
			return false;
		if (t.kind == TOKEN_ATOM)
			continue;
		if (domain->len > 0 || lexer->at != lexer->end)
			return fail(r, "text stands beside its address literal");
		if (!add_literal(r, domain, t.text))
			return false;
	}
	return check_domain(r, piece_slice(domain));
}

/* An address with quotation marks, brackets, blanks or comments inside. */
static bool read_sides(struct reader *r, const struct address_run *run, struct mailbox *box)
{
	struct slice source = {run->start, (size_t)(run->end - run->start)};
	struct piece local = piece_new(r->arena, source.len);
	struct piece domain = piece_new(r->arena, source.len);
	bool is_quoted = false;
	bool may_follow = true;
	struct lexer lexer;
	struct token t;

	lexer_start(&lexer, source);
	for (lexer_next(&lexer, &t); t.kind == TOKEN_ATOM || t.kind == TOKEN_QUOTED;
		lexer_next(&lexer, &t)) {
		is_quoted = is_quoted || t.kind == TOKEN_QUOTED;
		if (!add_word(r, &local, &t, &may_follow))
			return false;
	}
	if (t.kind == TOKEN_LITERAL)
		return fail(r, "it has brackets in front of the '@'");
	if (t.kind == '@' && t.text.ptr == run->start)
		return fail(r, "nothing stands in front of the '@'");
	if (t.kind == '@' && !read_domain(r, &lexer, &domain))
		return false;
	if (is_quoted && has_control(piece_slice(&local)))
		return fail(r, "it has a control character inside");
	if (is_quoted && local.len == 0 && domain.len == 0)
		return fail(r, "it is empty");

	struct slice name = is_quoted ? requote(r, piece_slice(&local)) : piece_slice(&local);

	return take_sides(r, name, piece_slice(&domain), slice_has_8bit(source), box);
}

/* Reads an address that stands there as it will be sent, as nearly all do. */
static bool read_plain(struct reader *r, const struct address_run *run, struct mailbox *box)
{
	struct slice source = {run->start, (size_t)(run->end - run->start)};
	size_t split = run->at_sign ? (size_t)(run->at_sign - run->start) : source.len;
	struct slice domain = slice_from(source, split + 1);

	if (run->at_sign && !check_domain(r, domain))
		return false;
	return take_sides(r, slice_upto(source, split), domain, run->has_8bit, box);
}

bool address_read(
	struct arena *arena, const struct address_run *run, struct mailbox *box, const char **why)
{
	struct reader r = {.arena = arena};
	bool is_sound;

	if (run->at_signs > 1)
		is_sound = fail(&r, "it has more than one '@'");
	else if (run->is_plain)
		is_sound = read_plain(&r, run, box);
	else
		is_sound = read_sides(&r, run, box);
	box->source = (struct slice){run->start, (size_t)(run->end - run->start)};
	*why = r.why;
	return is_sound;
}
