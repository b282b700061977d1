#include "submit/serve.h"

#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "smtp/server.h"
#include "submit/names.h"

struct service {
	struct outbox *outbox;
	const struct submission *defaults;
	struct deliver_mode mode;
	struct deliverer *link; /* stays open from one message to the next */
	struct names names;
	bool wants_run;
};

static bool check_recipient(void *context, const char *address, struct error *err)
{
	struct service *s = context;
	CLEANUP(envelope_done) struct envelope scratch = {.sender = ""};
	struct mailbox box;
	bool is_known = address_parse_one(&s->names.found, slice_of(address), &box, err) &&
			names_add_recipient(&s->names, &box, &scratch, err);

	/* A client may ask for ever: what one answer takes goes with it. */
	names_forget(&s->names);
	return is_known;
}

/* Brackets keep a recipient one mailbox, whatever commas its quotes hold. */
static const char **bracketed(struct arena *arena, const struct server_mail *mail)
{
	const char **operands = mem_alloc((mail->count + 1) * sizeof(*operands));

	for (size_t i = 0; i < mail->count; i++)
		operands[i] = arena_printf(arena, "<%s>", mail->recipients[i].address);
	return operands;
}

static struct operand_notices *notices_of(const struct server_mail *mail)
{
	struct operand_notices *notices = mem_alloc((mail->count + 1) * sizeof(*notices));

	for (size_t i = 0; i < mail->count; i++)
		notices[i] = (struct operand_notices){
			mail->recipients[i].notify, mail->recipients[i].orcpt};
	return notices;
}

static bool take_message(void *context, const struct server_mail *mail, intake_read_fn *read,
	void *read_context, struct error *err)
{
	struct service *s = context;
	CLEANUP(arena_done) struct arena arena = {0};
	struct submission submission = *s->defaults;
	struct submit_report report = {0};
	const char **operands = bracketed(&arena, mail);
	struct operand_notices *notices = notices_of(mail);
	sigset_t old;

	submission.read = read;
	submission.read_context = read_context;
	submission.input_name = "the SMTP client";
	submission.sender = mail->sender;
	submission.reads_headers = submission.reads_headers_alone = false;
	submission.operands = operands;
	submission.operand_count = mail->count;
	submission.notices = notices;
	submission.ret = mail->ret != DSN_RETURN_UNSET ? mail->ret : s->defaults->ret;
	submission.envid = mail->envid ? mail->envid : s->defaults->envid;

	/* submit_message holds the signals; between messages they count again. */
	sigprocmask(SIG_BLOCK, NULL, &old);

	bool is_taken = submit_message(s->outbox, &submission, &s->mode, &report, err);

	sigprocmask(SIG_SETMASK, &old, NULL);
	free((void *)operands);
	free(notices);
	s->wants_run = s->wants_run || report.wants_run;
	return is_taken;
}

bool serve_client(struct outbox *outbox, const struct submission *defaults, int in, int out,
	const struct deliver_mode *mode, bool *wants_run, struct error *err)
{
	struct service s = {.outbox = outbox, .defaults = defaults, .mode = *mode};
	struct server_handler handler = {
		.recipient = check_recipient,
		.message = take_message,
		.context = &s,
		.max_octets = outbox->config->mail.max_size,
	};

	s.mode.kept = &s.link;
	names_init(&s.names, outbox->config);
	handler.name = s.names.host[0] ? s.names.host : "localhost";

	bool is_served = config_choose(outbox->config, defaults->account, defaults->sender, NULL,
				 &s.names.account, err) &&
			 server_run(in, out, &handler, err);

	names_done(&s.names);
	deliver_close(s.link);
	*wants_run = s.wants_run;
	return is_served;
}
