#include "queue/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "mail/dsn.h"
#include "queue/entry_words.h"

/* Longer than any line that the writer's limits allow. */
enum { WINDOW_OCTETS = 4096 };

/* Walks through the lines of a head with one window over the file. */
struct head_reader {
	int fd;
	int64_t window_at; /* place of the window in the file */
	size_t used;       /* octets of the window that were given out */
	size_t len;        /* octets in the window */
	unsigned line;     /* number of the present line, from 1 */
	int64_t line_at;   /* its place in the file */
	size_t recipients_space;
	char window[WINDOW_OCTETS];
};

static bool damaged(const struct head_reader *r, const char *why, struct error *err)
{
	return error_set(err, EX_DATAERR, "line %u: %s", r->line, why);
}

/* Moves what is left to the front of the window and reads on behind it. */
static bool fill(struct head_reader *r, bool *grew, struct error *err)
{
	size_t got = 0;

	memmove(r->window, r->window + r->used, r->len - r->used);
	r->window_at += (int64_t)r->used;
	r->len -= r->used;
	r->used = 0;
	if (!file_read_at(r->fd, r->window + r->len, WINDOW_OCTETS - r->len,
		    r->window_at + (int64_t)r->len, &got, "the queue file", err))
		return false;
	r->len += got;
	*grew = got > 0;
	return true;
}

/* Gives the next line without its line end; valid until the next call. */
static bool next_line(struct head_reader *r, struct slice *line, struct error *err)
{
	struct slice rest = {r->window + r->used, r->len - r->used};
	size_t end = slice_find(rest, '\n');

	r->line++;
	while (end == rest.len) {
		bool grew = false;

		if (rest.len == WINDOW_OCTETS)
			return damaged(r, "the line is too long", err);
		if (!fill(r, &grew, err))
			return false;
		if (!grew)
			return damaged(r, "the file is cut short", err);
		rest = (struct slice){r->window, r->len};
		end = slice_find(rest, '\n');
	}
	r->line_at = r->window_at + (int64_t)r->used;
	r->used += end + 1;
	if (r->line_at > ENTRY_MOST_HEAD)
		return damaged(r, "too much stands before the message", err);
	*line = slice_upto(rest, end);
	return true;
}

static bool read_magic(
	struct head_reader *r, struct slice line, struct entry *e UNUSED, struct error *err)
{
	uint64_t version = 0;

	if (!slice_starts(line, SLICE(ENTRY_MAGIC)))
		return damaged(r, "this is no queue file of pillarbox", err);
	if (!slice_is_number(slice_from(line, sizeof(ENTRY_MAGIC) - 1), INT32_MAX, &version) ||
		version == 0)
		return damaged(r, "the format's version is not a number", err);
	if (version > ENTRY_VERSION)
		return error_set(err, EX_DATAERR,
			"written by a newer version of pillarbox (format %u); left alone",
			(unsigned)version);
	return true;
}

static bool read_size(struct head_reader *r, struct slice value, struct entry *e, struct error *err)
{
	if (value.len < 10 || !slice_is_number(value, ENTRY_MOST_SIZE, &e->size))
		return damaged(r, "the size is not a number of ten digits or more", err);
	return true;
}

static bool read_account(
	struct head_reader *r, struct slice value, struct entry *e, struct error *err)
{
	if (value.len > 0 && !entry_is_account(value))
		return damaged(r, "the account's name cannot be right", err);
	e->account = arena_dup(&e->envelope.arena, value);
	return true;
}

static bool read_created(
	struct head_reader *r, struct slice value, struct entry *e, struct error *err)
{
	uint64_t created = 0;

	if (!slice_is_number(value, ENTRY_LATEST_TIME, &created))
		return damaged(r, "the time of creation is not a number", err);
	e->created = (int64_t)created;
	return true;
}

/* The mark where it is set, '-' where it is not, nothing else. */
static bool read_mark(char c, char mark, bool *out)
{
	*out = c == mark;
	return *out || c == '-';
}

/* The numbers and marks are exact; the text is only for people, and what a
 * crash may have left of it must not hold up the message. */
static bool read_status(
	struct head_reader *r, struct slice value, struct entry *e, struct error *err)
{
	uint64_t attempts = 0, code = 0;
	struct entry_status *status = &e->status;

	if (value.len != ENTRY_STATUS_OCTETS - sizeof("status ") || value.ptr[5] != ' ' ||
		value.ptr[8] != ' ' || value.ptr[12] != ' ' ||
		!slice_is_number(slice_upto(value, 5), UINT32_MAX, &attempts) ||
		!read_mark(value.ptr[6], 'h', &status->is_held) ||
		!read_mark(value.ptr[7], 'w', &status->was_warned) ||
		!slice_is_number(slice_upto(slice_from(value, 9), 3), 999, &code))
		return damaged(r, "the status cannot be read", err);
	status->attempts = (unsigned)attempts;
	status->code = (int)code;
	text_sanitize_into(status->text, sizeof(status->text), slice_trim(slice_from(value, 13)));
	e->status_offset = r->line_at;
	return true;
}

/* Takes " word" off the front of *rest; the word may hold anything but blanks. */
static bool take_word(struct slice *rest, struct slice *word)
{
	if (rest->len < 2 || rest->ptr[0] != ' ')
		return false;
	*rest = slice_from(*rest, 1);
	*word = slice_upto(*rest, slice_find(*rest, ' '));
	*rest = slice_from(*rest, word->len);
	return word->len > 0;
}

/* Takes the word off the front of *rest where it is " prefix..."; *value is
 * what stands behind the prefix. */
static bool take_fact(struct slice *rest, struct slice prefix, struct slice *value)
{
	struct slice left = *rest, word;

	if (!take_word(&left, &word) || !slice_starts(word, prefix))
		return false;
	*value = slice_from(word, prefix.len);
	*rest = left;
	return true;
}

static bool read_body(struct head_reader *r, struct slice value, struct entry *e, struct error *err)
{
	struct slice number = slice_upto(value, slice_find(value, ' '));
	struct slice rest = slice_from(value, number.len), word;
	uint64_t longest = 0;

	if (!slice_starts(number, SLICE("longest=")) ||
		!slice_is_number(slice_from(number, sizeof("longest=") - 1), SIZE_MAX, &longest))
		return damaged(r, "the length of the longest line is missing", err);
	e->longest_line = (size_t)longest;
	for (size_t i = 0; i < entry_flag_count; i++) {
		struct slice left = rest;

		if (!take_word(&left, &word) || !slice_eq(word, slice_of(entry_flags[i].word)))
			continue;
		entry_note(e, &entry_flags[i]);
		rest = left;
	}
	return rest.len == 0 || damaged(r, "unknown words about the message", err);
}

/* Takes an optional fact whose value is kept as text. */
static bool read_text_fact(struct head_reader *r, struct slice *rest, struct slice prefix,
	struct arena *arena, const char **out, struct error *err)
{
	struct slice value;

	if (!take_fact(rest, prefix, &value))
		return true;
	if (!entry_is_word(value))
		return damaged(r, "a word of the envelope cannot be right", err);
	*out = arena_dup(arena, value);
	return true;
}

/* The time that they count from is that of the entry. */
static bool read_demands(
	struct head_reader *r, struct slice value, struct entry *e, struct error *err)
{
	if (!entry_demands_value(value, &e->envelope.demands))
		return damaged(r, "unknown demands", err);
	return true;
}

static bool read_from(struct head_reader *r, struct slice value, struct entry *e, struct error *err)
{
	struct slice address = slice_upto(value, entry_address_length(value));
	struct slice rest = slice_from(value, address.len), word;
	struct envelope *envelope = &e->envelope;

	if (slice_eq(address, SLICE("<>")))
		address.len = 0;
	else if (!entry_is_address(address))
		return damaged(r, "the sender's address cannot be right", err);
	envelope->sender = arena_dup(&envelope->arena, address);
	if (!read_text_fact(r, &rest, SLICE("ENVID="), &envelope->arena, &envelope->envid, err))
		return false;
	if (take_fact(&rest, SLICE("RET="), &word) && !dsn_return_read(word, &envelope->ret))
		return damaged(r, "unknown value of RET", err);
	return rest.len == 0 || damaged(r, "unknown words behind the sender", err);
}

/* Makes room for one more recipient in what is kept beside the envelope. */
static void grow_records(struct head_reader *r, struct entry *e)
{
	size_t space = r->recipients_space == 0 ? 4 : r->recipients_space * 2;

	if (e->envelope.count < r->recipients_space)
		return;
	e->recipient_offsets = mem_grow(e->recipient_offsets, space * sizeof(int64_t));
	e->recorded_states = mem_grow(e->recorded_states, space);
	r->recipients_space = space;
}

/* Adds the recipient; NULL where it is there already. */
static struct recipient *add_recipient(
	struct head_reader *r, char state, struct slice address, struct entry *e)
{
	char wire[ENTRY_LONGEST_WORD + 1];
	size_t index = e->envelope.count;

	grow_records(r, e);
	memcpy(wire, address.ptr, address.len);
	wire[address.len] = '\0';

	struct recipient *recipient = envelope_add(&e->envelope, wire);

	if (e->envelope.count == index)
		return NULL;
	recipient->state = (enum recipient_state)state;
	recipient->is_told = state == RECIPIENT_FAILED;
	e->recipient_offsets[index] = r->line_at;
	e->recorded_states[index] = state;
	return recipient;
}

static bool read_recipient(
	struct head_reader *r, struct slice line, struct entry *e, struct error *err)
{
	struct slice value = slice_from(line, 2), word;
	struct slice address = slice_upto(value, entry_address_length(value));
	struct slice rest = slice_from(value, address.len);

	if (line.len < 3 || line.ptr[1] != ' ' || !entry_is_state(line.ptr[0]))
		return damaged(r, "this is no recipient", err);
	if (!entry_is_address(address))
		return damaged(r, "the recipient's address cannot be right", err);
	if (e->envelope.count == ENTRY_MOST_RECIPIENTS)
		return damaged(r, "there are too many recipients", err);

	struct recipient *recipient = add_recipient(r, line.ptr[0], address, e);

	if (!recipient)
		return damaged(r, "the recipient was there already", err);
	if (take_fact(&rest, SLICE("NOTIFY="), &word) &&
		!entry_notify_value(word, &recipient->notify))
		return damaged(r, "unknown value of NOTIFY", err);
	if (!read_text_fact(r, &rest, SLICE("ORCPT="), &e->envelope.arena, &recipient->orcpt, err))
		return false;
	return rest.len == 0 || damaged(r, "unknown words behind the recipient", err);
}

typedef bool line_fn(struct head_reader *r, struct slice value, struct entry *e, struct error *err);

/* The lines that stand once, in their order; the first has no keyword. */
static const struct {
	const char *keyword; /* NULL: the whole line is the value */
	line_fn *read;
	bool is_optional;
} head_lines[] = {
	{NULL, read_magic, false},
	{"size", read_size, false},
	{"account", read_account, false},
	{"created", read_created, false},
	{"status", read_status, false},
	{"body", read_body, false},
	{"demands", read_demands, true},
	{"from", read_from, false},
};

/* The value behind "keyword " in the line; a keyword alone has an empty one. */
static bool split_line(struct slice line, const char *keyword, struct slice *value)
{
	struct slice word = slice_of(keyword);

	*value = slice_from(line, word.len + 1);
	return slice_starts(line, word) &&
	       (line.len == word.len || (line.ptr[word.len] == ' ' && value->len > 0));
}

static bool read_head(struct head_reader *r, struct entry *e, struct error *err)
{
	struct slice line;
	bool has_line = false;

	for (size_t i = 0; i < ARRAY_LEN(head_lines); i++) {
		const char *keyword = head_lines[i].keyword;
		struct slice value;

		if (!has_line && !next_line(r, &line, err))
			return false;
		value = line;
		has_line = keyword && !split_line(line, keyword, &value);
		if (has_line && head_lines[i].is_optional)
			continue;
		if (has_line)
			return error_set(
				err, EX_DATAERR, "line %u: '%s' is missing", r->line, keyword);
		if (!head_lines[i].read(r, value, e, err))
			return false;
	}
	e->envelope.demands.since = e->created;
	while (next_line(r, &line, err)) {
		if (line.len == 0)
			return e->envelope.count > 0 || damaged(r, "there is no recipient", err);
		if (!read_recipient(r, line, e, err))
			return false;
	}
	return false;
}

static bool check_size(const struct entry *e, int64_t file_octets, struct error *err)
{
	int64_t got = file_octets - e->message_offset;

	if (got == (int64_t)e->size)
		return true;
	return error_set(err, EX_DATAERR, "the message has %lld octets instead of %llu",
		(long long)got, (unsigned long long)e->size);
}

bool entry_read(int fd, int64_t file_octets, struct entry *out, struct error *err)
{
	struct head_reader r = {.fd = fd};
	CLEANUP(entry_done) struct entry e = {0};

	if (!read_head(&r, &e, err))
		return false;
	e.message_offset = r.window_at + (int64_t)r.used;
	if (!check_size(&e, file_octets, err))
		return false;
	*out = e;
	e = (struct entry){0};
	return true;
}
