#include "submit/compose.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/complete.h"
#include "mail/xtext.h"

enum {
	MOST_HOPS = 100,
	RECIPIENT_FIELDS = 3,
	LONGEST_ORCPT = 500, /* RFC 3461 section 4.2 */
};

static bool wants_dot_end(const struct config *config, const struct submission *s)
{
	if (s->read || s->ignores_dots || config->mail.dot_ends == DOT_ENDS_NEVER)
		return false;
	return config->mail.dot_ends == DOT_ENDS_ALWAYS || isatty(s->input);
}

static bool read_input(const struct config *config, const struct submission *s,
	const char *spill_dir, struct message *out, struct error *err)
{
	struct message_source source = {
		.fd = s->input,
		.read = s->read,
		.context = s->read_context,
		.name = s->input_name,
		.max_octets = config->mail.max_size,
		.dot_ends = wants_dot_end(config, s),
	};
	const char *tmpdir = getenv("TMPDIR");
	size_t count = 0;

	if (spill_dir)
		source.spill_dirs[count++] = spill_dir;
	if (tmpdir && tmpdir[0] == '/')
		source.spill_dirs[count++] = tmpdir;
	source.spill_dirs[count] = "/var/tmp";
	return message_read(&source, out, err);
}

/* One composition; lives as long as compose_message runs. */
struct work {
	const struct config *config;
	const struct submission *s;
	struct names names;
	struct arena arena;    /* for what is not needed afterwards */
	struct mailbox sender; /* of -f, where has_sender */
	bool has_sender;
	const char *header_from; /* wire form of the first From mailbox, or NULL */
	bool has_bare_name;      /* among the recipients that were read so far */
	const char *const *read; /* the fields they were read from, or NULL */
	struct composed *c;
};

/* The first mailbox of the From field; a field that cannot be read is left alone. */
static void find_header_from(struct work *w)
{
	const struct header_field *from = header_find(&w->c->message.header, "From", 0);
	struct mailbox_list list = {0};
	struct error ignored = {0};

	if (!from || !address_parse_list(&w->arena, from->body, &list, &ignored) || list.count == 0)
		return;
	if (!names_sender(&w->names, &list.items[0], &w->header_from, &ignored))
		w->header_from = NULL;
}

static bool parse_sender(struct work *w, struct error *err)
{
	if (!w->s->sender)
		return true;
	if (!address_parse_one(&w->arena, slice_of(w->s->sender), &w->sender, err)) {
		err->exit_code = EX_USAGE;
		return error_prefix(err, "the sender given with -f is not an address");
	}
	w->has_sender = true;
	return true;
}

/* The account by name, by sender or by From; its `from` may decide about bare names later. */
static bool choose_account(struct work *w, struct error *err)
{
	const char *sender = NULL;
	struct error ignored = {0};

	if (w->has_sender && w->sender.domain[0] &&
		!address_wire(&w->arena, &w->sender, &sender, &ignored))
		sender = NULL;
	if (!config_choose(w->config, w->s->account, sender, w->header_from, &w->c->account, err))
		return false;
	w->names.account = w->c->account;
	return true;
}

/* -f, else the account's from, else the From header, else the caller at the mail domain. */
static bool find_sender(struct work *w, struct error *err)
{
	const char *sender = w->c->account->from;

	if (w->has_sender) {
		if (!names_sender(&w->names, &w->sender, &sender, err))
			return false;
		if (w->c->account->forces_from && w->c->account->from && sender[0])
			sender = w->c->account->from;
	}
	if (!sender)
		sender = w->header_from ? w->header_from : names_caller_address(&w->names);
	if (!sender) {
		error_set(err, EX_CONFIG, "no sender address is known for account '%s'",
			w->c->account->name);
		return error_hint(
			err, "set 'from = you@example.com' in the account, or give one with -f");
	}
	w->c->envelope.sender = arena_strdup(&w->c->envelope.arena, sender);
	return true;
}

static bool add_list(struct work *w, struct slice text, size_t *found, struct error *err)
{
	struct mailbox_list list = {0};

	if (!address_parse_list(&w->arena, text, &list, err))
		return false;
	envelope_reserve(&w->c->envelope, list.count);
	for (size_t i = 0; i < list.count; i++) {
		w->has_bare_name |= list.items[i].domain[0] == '\0';
		if (!names_add_recipient(&w->names, &list.items[i], &w->c->envelope, err))
			return false;
	}
	*found = list.count;
	return true;
}

/* Whom an operand added gets what was said about it; one who was there before
 * keeps what was said first. */
static void note_operand(struct work *w, size_t operand, size_t first)
{
	struct envelope *e = &w->c->envelope;
	const struct operand_notices *said = &w->s->notices[operand];

	for (size_t i = first; i < e->count; i++) {
		e->recipients[i].notify = said->notify;
		e->recipients[i].orcpt = arena_strdup(&e->arena, said->orcpt);
	}
}

static bool add_operands(struct work *w, struct error *err)
{
	for (size_t i = 0; i < w->s->operand_count; i++) {
		size_t first = w->c->envelope.count;
		size_t found = 0;

		if (!add_list(w, slice_of(w->s->operands[i]), &found, err)) {
			if (w->s->operand_count > 1)
				error_prefix(err, "recipient %zu", i + 1);
			return false;
		}
		if (w->s->notices)
			note_operand(w, i, first);
		if (found > 0)
			continue;
		return error_set(err,
			w->s->operand_count == 1 && !w->s->reads_headers ? EX_USAGE : EX_DATAERR,
			"recipient %zu is empty; no recipients can be read from it", i + 1);
	}
	return true;
}

static bool add_fields(struct work *w, const char *name, struct error *err)
{
	const struct header *h = &w->c->message.header;
	const struct header_field *field = header_find(h, name, 0);

	for (; field; field = header_find(h, name, header_place(h, field) + 1)) {
		size_t found;

		if (!add_list(w, field->body, &found, err))
			return error_prefix(err, "header field %s", name);
	}
	return true;
}

/* Where the message is resent, only those who get it again count (RFC 5322
 * section 3.6.6). */
static bool add_header_recipients(struct work *w, struct error *err)
{
	static const char *const resent[RECIPIENT_FIELDS] = {
		"Resent-To", "Resent-Cc", "Resent-Bcc"};
	static const char *const plain[RECIPIENT_FIELDS] = {"To", "Cc", "Bcc"};
	const char *const *names = plain;

	for (size_t i = 0; i < RECIPIENT_FIELDS; i++)
		if (header_find(&w->c->message.header, resent[i], 0))
			names = resent;
	for (size_t i = 0; i < RECIPIENT_FIELDS; i++)
		if (!add_fields(w, names[i], err))
			return false;
	w->read = names;
	return true;
}

static bool find_recipients(struct work *w, struct error *err)
{
	bool reads_headers =
		w->s->reads_headers || (w->s->reads_headers_alone && w->s->operand_count == 0);

	if (!add_operands(w, err) || (reads_headers && !add_header_recipients(w, err)))
		return false;
	if (w->c->envelope.count > 0)
		return true;
	error_set(err, EX_USAGE,
		reads_headers ? "no recipients in To, Cc or Bcc" : "no recipients given");
	return error_hint(err,
		reads_headers ? "add a To, Cc or Bcc field, or name recipients as arguments"
			      : "name them as arguments, or use -t to take them from the header");
}

/* True for a field that was read for its recipients, without a bare name in
 * any of them: long lists need not be taken apart twice. */
static bool is_known_whole(const struct work *w, const char *name)
{
	for (size_t i = 0; w->read && !w->has_bare_name && i < RECIPIENT_FIELDS; i++)
		if (strcmp(w->read[i], name) == 0)
			return true;
	return false;
}

/* A bare name in a header would be refused or filled up by the server. */
static void qualify_header(struct work *w)
{
	static const char *const fields[] = {"From", "Sender", "Reply-To", "To", "Cc",
		"Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc"};
	struct message *m = &w->c->message;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct header_field *f =
			is_known_whole(w, fields[i]) ? NULL : header_find(&m->header, fields[i], 0);

		for (; f; f = header_find(&m->header, fields[i], header_place(&m->header, f) + 1)) {
			size_t place = header_place(&m->header, f);
			struct slice body =
				address_rewrite(&m->arena, f->body, names_qualify, &w->names);

			if (!slice_eq(body, f->body)) {
				header_replace(&m->header, &m->arena, place, body);
				f = &m->header.fields[place];
			}
		}
	}
}

/* from_policy = force: the From field says the account's address, whatever the
 * caller wrote; where he wrote another one, answers still reach that. */
static void force_from(struct work *w)
{
	struct message *m = &w->c->message;
	const struct header_field *from;
	const char *address = w->c->account->from;
	struct mailbox_list list = {0};
	struct error ignored = {0};

	if (!w->c->account->forces_from || !address)
		return;
	/* It would name somebody else as who sent for the author (RFC 5322 section 3.6.2). */
	header_remove(&m->header, "Sender");
	from = header_find(&m->header, "From", 0);
	if (!from)
		return;
	if (!address_parse_list(&w->arena, from->body, &list, &ignored))
		list.count = 0;

	const char *name = list.count > 0 ? address_name(&w->arena, &list.items[0]) : "";
	const char *old = NULL;

	if (list.count > 0 && list.items[0].domain[0] &&
		!address_wire(&w->arena, &list.items[0], &old, &ignored))
		old = NULL;
	const char *body = arena_printf(&m->arena, " %s", address_format(&m->arena, name, address));
	size_t place = header_place(&m->header, from);
	bool is_same = old && list.count == 1 && address_same(old, address);

	/* A second field, against the rules, would say something else again. */
	header_remove_from(&m->header, "From", place + 1);
	if (is_same)
		return;
	header_replace(&m->header, &m->arena, place, slice_of(body));
	if (old && !address_same(old, address) && !header_find(&m->header, "Reply-To", 0))
		header_append(&m->header, &m->arena, "Reply-To", slice_of(old));
}

/* -F, from_name, NAME, the passwd entry; an empty -F means no name. */
static const char *display_name(struct work *w)
{
	const char *name = getenv("NAME");

	if (w->s->full_name)
		return w->s->full_name;
	if (w->c->account->from_name)
		return w->c->account->from_name;
	return name && *name ? name : names_full_name(&w->names);
}

/* The right side of a Message-ID: a domain that belongs to the sender. */
static const char *id_domain(struct work *w, const char *from_address)
{
	struct slice domain = address_domain(w->c->envelope.sender);

	if (domain.len == 0)
		domain = address_domain(from_address);
	if (domain.len == 0 || domain.ptr[0] == '[')
		domain = w->config->mail.domain ? slice_of(w->config->mail.domain)
						: SLICE("pillarbox.invalid");
	return arena_dup(&w->arena, domain);
}

/* Who stands in an added From field. A null sender with neither an account
 * address nor a domain leaves only this host's name. */
static const char *from_address(struct work *w)
{
	const char *from = w->c->envelope.sender;

	if (!from[0])
		from = w->c->account->from;
	if (!from)
		from = names_caller_address(&w->names);
	if (from)
		return from;

	const char *login = names_login(&w->names);

	return arena_printf(&w->arena, "%s@%s", login ? login : "nobody",
		w->names.host[0] ? w->names.host : "localhost");
}

/* True where From or Resent-From may have to be added. */
static bool may_lack_from(const struct header *h)
{
	for (size_t i = 0; i < h->count; i++)
		if (header_is_resent(&h->fields[i]))
			return true;
	return !header_find(h, "From", 0);
}

static void complete(struct work *w)
{
	const char *from = from_address(w);
	struct complete_facts facts = {
		.from_name = may_lack_from(&w->c->message.header) ? display_name(w) : "",
		.from_address = from,
		.id_domain = id_domain(w, from),
		.now = clock_wall(),
		.add_undisclosed = w->config->mail.undisclosed,
	};

	complete_message(&w->c->message, &facts);
}

/* The recipient as the sender knows him, for reports that come from behind a
 * forwarding (RFC 3461 section 4.2); of type rfc822, so ASCII alone. */
static const char *original_recipient(struct arena *arena, const char *address)
{
	CLEANUP(buf_done) struct buf xtext = BUF(LONGEST_ORCPT);

	buf_add_text(&xtext, "rfc822;");
	if (!xtext_encode(slice_of(address), &xtext) || xtext.is_full)
		return NULL;
	return arena_dup(arena, buf_slice(&xtext));
}

/* Options for notices go with every recipient that has none of its own (RFC
 * 3461 section 4). */
static void apply_options(struct work *w)
{
	struct envelope *e = &w->c->envelope;

	e->demands = w->s->demands;
	e->ret = w->s->ret;
	e->envid = arena_strdup(&e->arena, w->s->envid);
	for (size_t i = 0; i < e->count && w->s->notify != 0; i++) {
		struct recipient *r = &e->recipients[i];

		if (r->notify != 0)
			continue;
		r->notify = w->s->notify;
		if (!r->orcpt)
			r->orcpt = original_recipient(&e->arena, r->address);
	}
}

/* A message that goes round in a circle gains a Received field at each hop
 * (RFC 5321 section 6.3). */
static bool check_hops(const struct header *h, struct error *err)
{
	const struct header_field *field = header_find(h, "Received", 0);
	size_t hops = 0;

	for (; field; field = header_find(h, "Received", header_place(h, field) + 1))
		hops++;
	if (hops <= MOST_HOPS)
		return true;
	error_set(err, EX_DATAERR, "the message has %zu Received fields: it goes round in a circle",
		hops);
	return error_hint(err, "look for a forwarding rule that leads back here");
}

static bool compose(struct work *w, const char *spill_dir, struct error *err)
{
	struct composed *c = w->c;

	if (!parse_sender(w, err) || !read_input(w->config, w->s, spill_dir, &c->message, err))
		return false;
	if (!check_hops(&c->message.header, err))
		return false;
	find_header_from(w);
	if (!choose_account(w, err) || !find_sender(w, err) || !find_recipients(w, err))
		return false;
	qualify_header(w);
	force_from(w);
	complete(w);
	apply_options(w);
	c->needs_smtputf8 = c->envelope.has_8bit || address_needs_smtputf8(c->envelope.sender);
	return true;
}

bool compose_message(const struct config *config, const struct submission *s, const char *spill_dir,
	struct composed *out, struct error *err)
{
	struct composed composed = {.message.spill = -1};
	struct work w = {.config = config, .s = s, .c = &composed};

	names_init(&w.names, config);

	bool is_ready = compose(&w, spill_dir, err);

	names_done(&w.names);
	arena_done(&w.arena);
	if (!is_ready) {
		compose_done(&composed);
		return false;
	}
	*out = composed;
	/* The content borrows from the message, which stays where it is now. */
	message_content(&out->message, &out->content);
	return true;
}

void compose_done(struct composed *c)
{
	envelope_done(&c->envelope);
	message_done(&c->message);
}
