#include "smtp/reply.h"

#include <string.h>

#include "base/text.h"

/* What people see of a reply; longer texts are cut. */
enum { WORDS_MAX = 400, USUAL_OCTETS = 1024 };

/* Room for usual replies is there from the start: the one that says that a
 * message was taken must be understood even where memory has run out. */
void reply_init(struct reply *r)
{
	*r = (struct reply){
		.text = BUF(REPLY_OCTETS_MAX), .joined = BUF(REPLY_OCTETS_MAX), .words = BUF(4096)};
	(void)!buf_room(&r->text, USUAL_OCTETS);
	(void)!buf_room(&r->joined, USUAL_OCTETS);
	(void)!buf_room(&r->words, USUAL_OCTETS);
}

void reply_done(struct reply *r)
{
	buf_done(&r->text);
	buf_done(&r->joined);
	buf_done(&r->words);
}

void reply_clear(struct reply *r)
{
	buf_clear(&r->text);
	r->code = 0;
	r->lines = 0;
	r->octets = 0;
	r->enhanced[0] = '\0';
}

/* The first octets of other protocols that answer on a mistaken port. */
static const struct {
	struct slice start;
	const char *hint;
} strangers[] = {
	{{"HTTP/", 5}, "this is a web server or a proxy: check host and port"},
	{{"SSH-", 4}, "this is an SSH server: check the port"},
	{{"+OK", 3}, "this is a POP3 server: check the port (587 or 465 for submission)"},
	{{"* OK", 4}, "this is an IMAP server: check the port (587 or 465 for submission)"},
	{{"\x15\x03", 2}, "the server speaks TLS at once: set tls = implicit (port 465)"},
	{{"\x16\x03", 2}, "the server speaks TLS at once: set tls = implicit (port 465)"},
};

static bool no_reply(struct slice line, struct error *err)
{
	char shown[96];

	text_sanitize_into(shown, sizeof(shown), line);
	error_set(err, EX_PROTOCOL, "this is no SMTP reply: '%s'", shown);
	error_fate(err, FATE_LATER);
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++)
		if (slice_starts(line, strangers[i].start))
			return error_hint(err, "%s", strangers[i].hint);
	return false;
}

static bool is_over_limit(const char *what, struct error *err)
{
	error_set(err, EX_PROTOCOL, "the server's reply has too many %s", what);
	return error_fate(err, FATE_LATER);
}

static bool read_code(struct slice line, int *code)
{
	if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5' ||
		!ascii_is_digit(line.ptr[1]) || !ascii_is_digit(line.ptr[2]))
		return false;
	if (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')
		return false;
	*code = (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0');
	return true;
}

bool reply_take(struct reply *r, struct slice line, bool *is_last, struct error *err)
{
	int code;

	if (line.len > REPLY_LINE_MAX)
		return is_over_limit("octets in a line", err);
	if (!read_code(line, &code))
		return no_reply(line, err);
	if (r->lines > 0 && code != r->code) {
		error_set(err, EX_PROTOCOL, "the server's reply changes its code from %d to %d",
			r->code, code);
		return error_fate(err, FATE_LATER);
	}
	if (r->lines >= REPLY_LINES_MAX)
		return is_over_limit("lines", err);
	if (r->octets + line.len + 2 > REPLY_OCTETS_MAX)
		return is_over_limit("octets", err);

	struct slice text = slice_from(line, 4);

	if (r->lines == 0)
		reply_enhanced(text, code, r->enhanced);
	r->code = code;
	r->lines++;
	r->octets += line.len + 2;
	buf_add(&r->text, text);
	buf_add_char(&r->text, '\n');
	*is_last = line.len == 3 || line.ptr[3] == ' ';
	return true;
}

bool reply_is_positive(const struct reply *r)
{
	return r->code / 100 == 2;
}

/* Digits of one part of an enhanced code, one to three (RFC 3463 section 2). */
static size_t count_digits(struct slice s)
{
	size_t n = 0;

	while (n < s.len && n < 4 && ascii_is_digit(s.ptr[n]))
		n++;
	return n >= 1 && n <= 3 ? n : 0;
}

size_t reply_enhanced(struct slice s, int code, char out[12])
{
	out[0] = '\0';
	if (s.len < 5 || s.ptr[0] != '0' + code / 100 || s.ptr[1] != '.')
		return 0;

	size_t subject = count_digits(slice_from(s, 2));
	size_t dot = 2 + subject;

	if (subject == 0 || dot >= s.len || s.ptr[dot] != '.')
		return 0;

	size_t detail = count_digits(slice_from(s, dot + 1));
	size_t len = dot + 1 + detail;

	if (detail == 0 || len >= 12 || (len < s.len && !ascii_is_blank(s.ptr[len])))
		return 0;
	memcpy(out, s.ptr, len);
	out[len] = '\0';
	return len;
}

/* Lines repeat the enhanced code; people need it once. */
static struct slice skip_enhanced(const struct reply *r, struct slice line)
{
	char code[12];
	size_t len = reply_enhanced(line, r->code, code);

	return slice_trim(slice_from(line, strcmp(code, r->enhanced) == 0 ? len : 0));
}

const char *reply_text(struct reply *r)
{
	struct slice rest = buf_slice(&r->text);

	buf_clear(&r->joined);
	while (rest.len > 0 && r->joined.len <= WORDS_MAX) {
		size_t end = slice_find(rest, '\n');
		struct slice line = skip_enhanced(r, slice_upto(rest, end));

		if (line.len > 0 && r->joined.len > 0)
			buf_add_char(&r->joined, ' ');
		buf_add(&r->joined, line);
		rest = slice_from(rest, end + 1);
	}
	buf_clear(&r->words);
	text_sanitize(&r->words, buf_slice(&r->joined), WORDS_MAX);
	return buf_text(&r->words);
}

void reply_words(struct reply *r, struct buf *out)
{
	const char *text = reply_text(r);

	buf_printf(out, "%d", r->code);
	if (r->enhanced[0])
		buf_printf(out, " %s", r->enhanced);
	if (*text)
		buf_printf(out, " %s", text);
}
