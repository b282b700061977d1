#include "mail/encode.h"

#include <string.h>

#include "base/base64.h"

/* A line of quoted-printable has 76 octets with the "=" of a soft break; a
 * line of base64 stands for 57. */
enum { QP_COLUMNS = 75, BASE64_COLUMNS = 76, BASE64_OCTETS = 57 };

/* What follows must be seen for "From " and for blanks at a line end; a longer
 * run of blanks in text to be rewrapped counts as text. */
enum { LOOK_AHEAD = 6, BLANKS_MAX = 1024, PENDING_MAX = 65536 + 4096 };

void encoder_init(struct encoder *e, enum encoding encoding)
{
	*e = (struct encoder){.encoding = encoding, .pending = BUF(PENDING_MAX)};
}

void encoder_done(struct encoder *e)
{
	buf_done(&e->pending);
}

static bool is_literal(char c)
{
	return c > ' ' && c < 0x7f && c != '=';
}

static void add_soft_break(struct encoder *e, struct buf *out)
{
	buf_add(out, SLICE("=\r\n"));
	e->column = 0;
}

static void add_coded(struct encoder *e, char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char code[3] = {'=', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15]};

	if (e->column + 3 > QP_COLUMNS)
		add_soft_break(e, out);
	buf_add(out, (struct slice){code, 3});
	e->column += 3;
}

/* What a line should not begin with: mailboxes and SMTP have had trouble with
 * the first two, and a soft break must not make a boundary of the third. */
static bool is_bad_start(struct slice rest)
{
	return rest.ptr[0] == '.' || slice_starts(rest, SLICE("From ")) ||
	       slice_starts(rest, SLICE("--"));
}

/* Adds an octet that may stand for itself, if its place allows. */
static void add_literal(struct encoder *e, struct slice rest, struct buf *out)
{
	if (e->column + 1 > QP_COLUMNS)
		add_soft_break(e, out);
	if (e->column == 0 && is_bad_start(rest)) {
		add_coded(e, rest.ptr[0], out);
		return;
	}
	buf_add_char(out, rest.ptr[0]);
	e->column++;
}

static void add_line_end(struct encoder *e, struct buf *out)
{
	buf_add(out, SLICE("\r\n"));
	e->column = 0;
}

static bool at_line_end(struct slice rest)
{
	return rest.len == 0 || slice_starts(rest, SLICE("\r\n"));
}

/* Encodes the start of rest; gives the octets that it took. */
static size_t take_text(struct encoder *e, struct slice rest, struct buf *out)
{
	if (slice_starts(rest, SLICE("\r\n"))) {
		add_line_end(e, out);
		return 2;
	}
	if (is_literal(rest.ptr[0]) ||
		(ascii_is_blank(rest.ptr[0]) && !at_line_end(slice_from(rest, 1))))
		add_literal(e, rest, out);
	else
		add_coded(e, rest.ptr[0], out);
	return 1;
}

static size_t count_blanks(struct slice rest)
{
	size_t blanks = 0;

	while (blanks < rest.len && blanks < BLANKS_MAX && ascii_is_blank(rest.ptr[blanks]))
		blanks++;
	return blanks;
}

/* True where "=" stands for no octet. */
static bool is_broken_off(struct slice rest)
{
	return rest.ptr[0] == '=' &&
	       (rest.len < 3 || ascii_hex(rest.ptr[1]) < 0 || ascii_hex(rest.ptr[2]) < 0);
}

/* Takes what starts with "=": a coded octet, a soft break with or without
 * blanks behind it, or a lone "=", which readers take for itself. */
static size_t take_equals(struct encoder *e, struct slice rest, struct buf *out)
{
	size_t blanks = count_blanks(slice_from(rest, 1));
	struct slice behind = slice_from(rest, 1 + blanks);

	if (behind.len == 0)
		return rest.len;
	if (slice_starts(behind, SLICE("\r\n")))
		return 1 + blanks + 2;
	if (!is_broken_off(rest)) {
		add_coded(e, (char)(ascii_hex(rest.ptr[1]) << 4 | ascii_hex(rest.ptr[2])), out);
		return 3;
	}
	add_coded(e, '=', out);
	return 1;
}

/* The same as take_text for text that is quoted-printable already. */
static size_t take_qp(struct encoder *e, struct slice rest, struct buf *out)
{
	size_t blanks = count_blanks(rest);

	if (rest.ptr[0] == '=')
		return take_equals(e, rest, out);
	if (blanks == 0)
		return take_text(e, rest, out);
	/* Blanks at a line end are no part of the text (RFC 2045 section 6.7). */
	if (at_line_end(slice_from(rest, blanks)))
		return blanks;
	for (size_t i = 0; i + 1 < blanks; i++)
		add_literal(e, slice_from(rest, i), out);
	/* A soft break behind them may go, and a line end come to stand there. */
	if (is_broken_off(slice_from(rest, blanks)))
		add_coded(e, rest.ptr[blanks - 1], out);
	else
		add_literal(e, slice_from(rest, blanks - 1), out);
	return blanks;
}

/* Octets that must be there before the start of rest can be encoded. */
static size_t needed_octets(const struct encoder *e, struct slice rest)
{
	if (e->encoding == ENCODE_QP)
		return LOOK_AHEAD;
	return LOOK_AHEAD + count_blanks(rest.ptr[0] == '=' ? slice_from(rest, 1) : rest);
}

static void encode_qp(struct encoder *e, bool is_end, struct buf *out)
{
	struct slice rest = buf_slice(&e->pending);

	while (rest.len > 0 && (is_end || rest.len >= needed_octets(e, rest)))
		rest = slice_from(rest,
			e->encoding == ENCODE_QP ? take_text(e, rest, out) : take_qp(e, rest, out));
	buf_shift(&e->pending, e->pending.len - rest.len);
}

static void encode_base64(struct encoder *e, bool is_end, struct buf *out)
{
	struct slice rest = buf_slice(&e->pending);

	while (rest.len >= BASE64_OCTETS || (is_end && rest.len > 0)) {
		struct slice line = slice_upto(rest, BASE64_OCTETS);

		/* No line end behind the last line: the caller knows if one is due. */
		if (e->column > 0)
			add_line_end(e, out);
		base64_encode(out, line);
		e->column = BASE64_COLUMNS;
		rest = slice_from(rest, line.len);
	}
	buf_shift(&e->pending, e->pending.len - rest.len);
}

static void rewrap_base64(struct encoder *e, struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (!ascii_is_alnum(c) && c != '+' && c != '/' && c != '=')
			continue;
		if (e->column == BASE64_COLUMNS)
			add_line_end(e, out);
		buf_add_char(out, c);
		e->column++;
	}
}

void encoder_add(struct encoder *e, struct slice text, struct buf *out)
{
	if (e->encoding == ENCODE_REWRAP_BASE64) {
		rewrap_base64(e, text, out);
		return;
	}
	buf_add(&e->pending, text);
	if (e->encoding == ENCODE_BASE64)
		encode_base64(e, false, out);
	else
		encode_qp(e, false, out);
}

void encoder_end(struct encoder *e, bool ends_line, struct buf *out)
{
	bool is_qp = e->encoding == ENCODE_QP || e->encoding == ENCODE_REWRAP_QP;

	if (is_qp)
		encode_qp(e, true, out);
	else if (e->encoding == ENCODE_BASE64)
		encode_base64(e, true, out);
	if (!ends_line || e->column == 0)
		return;
	if (is_qp)
		add_soft_break(e, out);
	else
		add_line_end(e, out);
}
