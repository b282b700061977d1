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

static bool print_operand(struct names *n, const char *operand, FILE *out, struct error *err)
{
	struct mailbox_list list = {0};
	bool is_fine = true;

	if (!address_parse_list(&n->found, slice_of(operand), &list, err))
		return false;
	if (list.count == 0)
		return error_set(err, EX_DATAERR, "the recipient '%s' is empty", operand);
	for (size_t k = 0; k < list.count; k++)
		is_fine = print_mailbox(n, &list.items[k], out, err) && is_fine;
	return is_fine;
}

/* The wire form of -f, where it is an address, for the choice of the account. */
static const char *sender_of(struct arena *arena, const char *given)
{
	struct mailbox box;
	struct error ignored = {0};
	const char *wire = NULL;

	if (!given || !address_parse_one(arena, slice_of(given), &box, &ignored) ||
		!box.domain[0] || !address_wire(arena, &box, &wire, &ignored))
		return NULL;
	return wire;
}

bool verify_recipients(const struct config *config, const struct submission *s, FILE *out,
	verify_fault_fn *fault, void *context, struct error *err)
{
	CLEANUP(names_done) struct names names;
	size_t faults = 0;
	int code = EX_OK;

	names_init(&names, config);
	if (s->operand_count == 0)
		return error_set(err, EX_USAGE, "no recipients given to verify");
	if (!config_choose(config, s->account, sender_of(&names.found, s->sender), NULL,
		    &names.account, err))
		return false;
	for (size_t i = 0; i < s->operand_count; i++) {
		struct error why = {0};

		if (print_operand(&names, s->operands[i], out, &why))
			continue;
		fault(context, &why);
		code = faults++ == 0 ? why.exit_code : code;
	}
	if (faults == 0)
		return true;
	return error_set(err, code, "%zu of %zu recipients lead nowhere", faults, s->operand_count);
}
