#include "queue/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "mail/dsn.h"
#include "queue/entry_words.h"

enum {
	STATUS_TEXT_AT = 20, /* "status 00002 -w 451 " */
	MOST_ATTEMPTS = 99999,
	MOST_CODE = 999,
	USUAL_LINE = 32, /* octets of a recipient's line */
};

/* Every field has a fixed place and, whatever its value, the same kind of
 * octets, so that a line half old and half new is still a line. */
void entry_format_status(const struct entry_status *status, char out[ENTRY_STATUS_OCTETS])
{
	char fields[64];
	char text[sizeof(status->text)];
	unsigned attempts = status->attempts < MOST_ATTEMPTS ? status->attempts : MOST_ATTEMPTS;
	int code = status->code > 0 && status->code <= MOST_CODE ? status->code : 0;

	snprintf(fields, sizeof(fields), "status %05u %c%c %03d ", attempts,
		status->is_held ? 'h' : '-', status->was_warned ? 'w' : '-', code);
	text_sanitize_into(text, sizeof(text), slice_trim(slice_of(status->text)));
	memset(out, ' ', ENTRY_STATUS_OCTETS);
	memcpy(out, fields, STATUS_TEXT_AT);
	memcpy(out + STATUS_TEXT_AT, text, strlen(text));
	out[ENTRY_STATUS_OCTETS - 1] = '\n';
}

static void write_body_facts(const struct entry *e, struct buf *out)
{
	buf_printf(out, "body longest=%zu", e->longest_line);
	for (size_t i = 0; i < entry_flag_count; i++)
		if (entry_has(e, &entry_flags[i]))
			buf_printf(out, " %s", entry_flags[i].word);
	buf_add_char(out, '\n');
}

/* Adds " KEY=value" where there is a value. */
static bool write_fact(struct buf *out, const char *key, const char *value, struct error *err)
{
	if (!value)
		return true;
	if (!entry_is_word(slice_of(value)))
		return error_set(err, EX_DATAERR, "%s cannot be stored in the queue", key);
	buf_add_char(out, ' ');
	buf_add_text(out, key);
	buf_add_char(out, '=');
	buf_add_text(out, value);
	return true;
}

static bool write_demands(const struct entry *e, struct buf *out, struct error *err)
{
	CLEANUP(buf_done) struct buf words = BUF(256);

	if (!entry_demands_text(&e->envelope.demands, &words))
		return error_set(err, EX_DATAERR, "what is asked of the server cannot be stored");
	if (words.len > 0)
		buf_printf(out, "demands%s\n", buf_text(&words));
	return true;
}

static bool write_sender(const struct entry *e, struct buf *out, struct error *err)
{
	const struct envelope *envelope = &e->envelope;
	const char *sender = envelope->sender ? envelope->sender : "";

	if (*sender != '\0' && !entry_is_address(slice_of(sender)))
		return error_set(err, EX_DATAERR, "the sender cannot be stored in the queue");
	buf_add_text(out, "from ");
	buf_add_text(out, *sender == '\0' ? "<>" : sender);
	if (!write_fact(out, "ENVID", envelope->envid, err))
		return false;
	if (!write_fact(out, "RET", dsn_return_word(envelope->ret), err))
		return false;
	buf_add_char(out, '\n');
	return true;
}

static bool write_notify(unsigned notify, struct buf *out, struct error *err)
{
	CLEANUP(buf_done) struct buf words = BUF(ENTRY_NOTIFY_MOST);
	unsigned read_again;

	dsn_notify_write(notify, &words);
	if (!entry_notify_value(buf_slice(&words), &read_again) || read_again != notify)
		return error_set(err, EX_DATAERR, "NOTIFY cannot be stored in the queue");
	return write_fact(out, "NOTIFY", buf_text(&words), err);
}

static bool write_recipient(const struct recipient *r, struct buf *out, struct error *err)
{
	struct slice address = slice_of(r->address);

	if (!entry_is_address(address) || !entry_is_state((char)r->state))
		return error_set(err, EX_DATAERR, "a recipient cannot be stored in the queue");
	buf_add_char(out, (char)r->state);
	buf_add_char(out, ' ');
	buf_add(out, address);
	if (r->notify != 0 && !write_notify(r->notify, out, err))
		return false;
	if (!write_fact(out, "ORCPT", r->orcpt, err))
		return false;
	buf_add_char(out, '\n');
	return true;
}

static bool write_fixed_lines(const struct entry *e, struct buf *out, struct error *err)
{
	const char *account = e->account ? e->account : "";
	char status[ENTRY_STATUS_OCTETS];

	if (*account != '\0' && !entry_is_account(slice_of(account)))
		return error_set(err, EX_DATAERR, "the account's name cannot be stored");
	if (e->size > ENTRY_MOST_SIZE)
		return error_set(err, EX_DATAERR, "the message is too large for the queue");
	buf_printf(out, ENTRY_MAGIC "%d\n", ENTRY_VERSION);
	buf_printf(out, "size %010" PRIu64 "\n", e->size);
	buf_printf(out, "account%s%s\n", *account == '\0' ? "" : " ", account);
	buf_printf(out, "created %" PRId64 "\n", entry_sane_time(e->created));
	entry_format_status(&e->status, status);
	buf_add(out, (struct slice){status, sizeof(status)});
	write_body_facts(e, out);
	return write_demands(e, out, err);
}

static bool too_large(struct error *err)
{
	return error_set(
		err, EX_DATAERR, "the recipients take more than %d octets", ENTRY_MOST_HEAD);
}

bool entry_write_head(const struct entry *e, struct buf *out, struct error *err)
{
	size_t count = e->envelope.count;

	if (count == 0 || count > ENTRY_MOST_RECIPIENTS)
		return error_set(err, EX_DATAERR,
			"%zu recipients cannot be stored in one message (1 to %d can)", count,
			ENTRY_MOST_RECIPIENTS);
	if (!write_fixed_lines(e, out, err) || !write_sender(e, out, err))
		return false;
	if (!buf_room(out, count * USUAL_LINE))
		return too_large(err);
	for (size_t i = 0; i < count; i++)
		if (!write_recipient(&e->envelope.recipients[i], out, err))
			return false;
	buf_add_char(out, '\n');
	return (out->is_full || out->len > ENTRY_MOST_HEAD) ? too_large(err) : true;
}

void entry_done(struct entry *e)
{
	envelope_done(&e->envelope);
	free(e->recipient_offsets);
	free(e->recorded_states);
	*e = (struct entry){0};
}
