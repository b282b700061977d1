#include "submit/verify.h"

#include "submit/names.h"

/* One operand may name several mailboxes, each may stand for several addresses. */
static bool print_mailbox(struct names *n, const struct mailbox *box, FILE *out, struct error *err)
{
	CLEANUP(envelope_done) struct envelope envelope = {.sender = ""};
	const struct account *a = n->account;
	const char *at = box->domain[0] ? "@" : "";

	if (!names_add_recipient(n, box, &envelope, err))
		return false;
	for (size_t i = 0; i < envelope.count; i++)
		fprintf(out, "%s%s%s -> <%s>, account %s, server %s\n", box->local, at, box->domain,
			envelope.recipients[i].address, a->name,
			a->hosts.count > 0 ? a->hosts.items[0]
			: a->socket        ? a->socket
					   : "(none)");
	return true;
}

static bool print_all(struct names *n, const struct submission *s, FILE *out, struct error *err)
{
	for (size_t i = 0; i < s->operand_count; i++) {
		struct mailbox_list list = {0};

		if (!address_parse_list(&n->arena, slice_of(s->operands[i]), &list, err))
			return false;
		for (size_t k = 0; k < list.count; k++)
			if (!print_mailbox(n, &list.items[k], out, err))
				return false;
	}
	return true;
}

bool verify_recipients(
	const struct config *config, const struct submission *s, FILE *out, struct error *err)
{
	CLEANUP(names_done) struct names names;

	names_init(&names, config);
	if (s->operand_count == 0)
		return error_set(err, EX_USAGE, "no recipients given to verify");
	if (!config_choose(config, s->account, s->sender, NULL, &names.account, err))
		return false;
	return print_all(&names, s, out, err);
}
