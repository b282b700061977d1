#include "mail/header_fix.h"

#include <string.h>

#include "base/text.h"
#include "mail/encoded_word.h"
#include "mail/mime_field.h"

/* How a field's body is to be read. What has no row is unstructured. */
enum syntax {
	SYNTAX_TEXT,
	SYNTAX_ADDRESSES,
	SYNTAX_PHRASES,
	SYNTAX_PARAMETERS,
	SYNTAX_FIXED, /* no place for encoded words */
};

static const struct {
	const char *name;
	enum syntax syntax;
} syntaxes[] = {
	{"From", SYNTAX_ADDRESSES},
	{"Sender", SYNTAX_ADDRESSES},
	{"Reply-To", SYNTAX_ADDRESSES},
	{"To", SYNTAX_ADDRESSES},
	{"Cc", SYNTAX_ADDRESSES},
	{"Bcc", SYNTAX_ADDRESSES},
	{"Resent-From", SYNTAX_ADDRESSES},
	{"Resent-Sender", SYNTAX_ADDRESSES},
	{"Resent-Reply-To", SYNTAX_ADDRESSES},
	{"Resent-To", SYNTAX_ADDRESSES},
	{"Resent-Cc", SYNTAX_ADDRESSES},
	{"Resent-Bcc", SYNTAX_ADDRESSES},
	{"Mail-Followup-To", SYNTAX_ADDRESSES},
	{"Mail-Reply-To", SYNTAX_ADDRESSES},
	{"Errors-To", SYNTAX_ADDRESSES},
	{"Return-Receipt-To", SYNTAX_ADDRESSES},
	{"Disposition-Notification-To", SYNTAX_ADDRESSES},
	{"List-Id", SYNTAX_ADDRESSES},
	{"Keywords", SYNTAX_PHRASES},
	{"Content-Type", SYNTAX_PARAMETERS},
	{"Content-Disposition", SYNTAX_PARAMETERS},
	{"Content-Transfer-Encoding", SYNTAX_FIXED},
	{"Content-ID", SYNTAX_FIXED},
	{"MIME-Version", SYNTAX_FIXED},
	{"Date", SYNTAX_FIXED},
	{"Resent-Date", SYNTAX_FIXED},
	{"Message-ID", SYNTAX_FIXED},
	{"Resent-Message-ID", SYNTAX_FIXED},
	{"In-Reply-To", SYNTAX_FIXED},
	{"References", SYNTAX_FIXED},
	{"Received", SYNTAX_FIXED},
	{"Return-Path", SYNTAX_FIXED},
	{"DKIM-Signature", SYNTAX_FIXED},
	{"ARC-Seal", SYNTAX_FIXED},
	{"ARC-Message-Signature", SYNTAX_FIXED},
	{"ARC-Authentication-Results", SYNTAX_FIXED},
	{"Authentication-Results", SYNTAX_FIXED},
	{"List-Unsubscribe", SYNTAX_FIXED},
	{"List-Post", SYNTAX_FIXED},
	{"List-Help", SYNTAX_FIXED},
	{"List-Archive", SYNTAX_FIXED},
};

static enum syntax find_syntax(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(syntaxes); i++)
		if (slice_ieq(name, slice_of(syntaxes[i].name)))
			return syntaxes[i].syntax;
	return SYNTAX_TEXT;
}

static bool is_space(char c)
{
	return ascii_is_blank(c) || c == '\r' || c == '\n';
}

/* A body on its way to ASCII. */
struct rewrite {
	struct slice rest; /* what is still to be looked at */
	struct buf out;
	size_t name_octets; /* the field name, which shares the first line */
};

/* Octets on the last line of what was written. */
static size_t column_of(const struct rewrite *r)
{
	const char *lf = r->out.len > 0 ? memrchr(r->out.data, '\n', r->out.len) : NULL;

	return lf ? (size_t)(r->out.data + r->out.len - lf) - 1 : r->name_octets + 1 + r->out.len;
}

static void copy(struct rewrite *r, size_t octets)
{
	buf_add(&r->out, slice_upto(r->rest, octets));
	r->rest = slice_from(r->rest, octets);
}

/* Encoded words begin behind white space, which an unfolded body may lack. */
static void add_words(struct rewrite *r, struct slice text)
{
	if (r->out.len == 0)
		buf_add_char(&r->out, ' ');
	encoded_word_add(&r->out, text, column_of(r));
}

static size_t word_length(struct slice text)
{
	size_t len = 0;

	while (len < text.len && !is_space(text.ptr[len]))
		len++;
	return len;
}

static size_t space_length(struct slice text)
{
	size_t len = 0;

	while (len < text.len && is_space(text.ptr[len]))
		len++;
	return len;
}

/* Octets from the start of an 8-bit word to the end of the last one that only
 * white space parts from it: between encoded words that would be lost. */
static size_t run_length(struct slice text)
{
	size_t end = word_length(text);

	for (;;) {
		size_t next = end + space_length(slice_from(text, end));
		struct slice word =
			slice_upto(slice_from(text, next), word_length(slice_from(text, next)));

		if (!slice_has_8bit(word))
			return end;
		end = next + word.len;
	}
}

/* Adds text without its line ends: the white space of a fold stays. */
static void add_unfolded(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != '\r' && text.ptr[i] != '\n')
			buf_add_char(out, text.ptr[i]);
}

static void rewrite_text(struct rewrite *r)
{
	while (r->rest.len > 0) {
		copy(r, space_length(r->rest));

		size_t word = word_length(r->rest);

		if (!slice_has_8bit(slice_upto(r->rest, word))) {
			copy(r, word);
			continue;
		}

		size_t run = run_length(r->rest);
		CLEANUP(buf_done) struct buf text = BUF(run);

		add_unfolded(&text, slice_upto(r->rest, run));
		add_words(r, buf_slice(&text));
		r->rest = slice_from(r->rest, run);
	}
}

/* Octets of the quoted text, comment or angle address at the start of text. */
static size_t enclosed_length(struct slice text)
{
	char open = text.ptr[0], close = open == '(' ? ')' : open == '<' ? '>' : '"';
	size_t depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == close && (open != '(' || depth == 1) && i > 0)
			return i + 1;
		else if (open == '(' && text.ptr[i] == '(')
			depth++;
		else if (open == '(' && text.ptr[i] == ')')
			depth--;
	}
	return text.len;
}

/* Adds the inside of a quoted text or comment, escapes and folds resolved. */
static void add_inside(struct buf *out, struct slice enclosed)
{
	for (size_t i = 1; i + 1 < enclosed.len; i++) {
		if (enclosed.ptr[i] == '\\' && i + 2 < enclosed.len)
			i++;
		if (enclosed.ptr[i] != '\r' && enclosed.ptr[i] != '\n')
			buf_add_char(out, enclosed.ptr[i]);
	}
}

static void rewrite_comment(struct rewrite *r)
{
	struct slice comment = slice_upto(r->rest, enclosed_length(r->rest));
	CLEANUP(buf_done) struct buf text = BUF(comment.len);

	if (!slice_has_8bit(comment) || comment.ptr[comment.len - 1] != ')') {
		copy(r, comment.len);
		return;
	}
	add_inside(&text, comment);
	buf_add_char(&r->out, '(');
	encoded_word_add(&r->out, buf_slice(&text), column_of(r));
	buf_add_char(&r->out, ')');
	r->rest = slice_from(r->rest, comment.len);
}

/* Octets of the words and quoted texts at the start of text, up to what ends a
 * phrase; their text is added to plain. */
static size_t phrase_length(struct slice text, struct buf *plain)
{
	size_t len = 0;

	while (len < text.len && !strchr("<>,:;(", text.ptr[len])) {
		struct slice rest = slice_from(text, len);

		if (rest.ptr[0] == '"') {
			size_t quoted = enclosed_length(rest);

			add_inside(plain, slice_upto(rest, quoted));
			len += quoted;
			continue;
		}
		add_unfolded(plain, slice_upto(rest, 1));
		len++;
	}
	return len;
}

/* Encodes the phrase at the start of the rest where it is one: a display name
 * or the name of a group, or any in a field that has only phrases. */
static void rewrite_phrase(struct rewrite *r, bool all_phrases)
{
	CLEANUP(buf_done) struct buf plain = BUF(r->rest.len);
	size_t len = phrase_length(r->rest, &plain);
	struct slice phrase = slice_upto(r->rest, len);
	char next = len < r->rest.len ? r->rest.ptr[len] : ',';
	size_t before = space_length(phrase);
	struct slice text = slice_trim(buf_slice(&plain));

	if (!slice_has_8bit(phrase) || slice_search(phrase, SLICE("=?")) < phrase.len ||
		!(next == '<' || next == ':' || all_phrases)) {
		copy(r, len > 0 ? len : 1);
		return;
	}
	copy(r, before);
	add_words(r, text);
	if (next == '<')
		buf_add_char(&r->out, ' ');
	r->rest = slice_from(r->rest, len - before);
}

static void rewrite_phrases(struct rewrite *r, bool all_phrases)
{
	while (r->rest.len > 0) {
		if (r->rest.ptr[0] == '(')
			rewrite_comment(r);
		else if (r->rest.ptr[0] == '<')
			copy(r, enclosed_length(r->rest));
		else
			rewrite_phrase(r, all_phrases);
	}
}

static bool is_attribute_char(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$&+-.^_`{|}~", c));
}

/* One parameter as RFC 2231 writes it, in pieces on lines of their own where it
 * is long. */
static void add_extended(struct rewrite *r, struct slice name, struct slice value)
{
	enum { PIECE = 48 };
	const char *charset = text_is_utf8(value) ? "utf-8''" : "iso-8859-1''";
	bool is_long = value.len * 3 > PIECE;
	size_t octets = 0, piece = 0;

	buf_add(&r->out, name);
	buf_add_text(&r->out, is_long ? "*0*=" : "*=");
	buf_add_text(&r->out, charset);
	for (size_t i = 0; i < value.len; i++) {
		if (is_long && octets >= PIECE) {
			buf_printf(&r->out, ";\r\n %.*s*%zu*=", SLICE_ARG(name), ++piece);
			octets = 0;
		}
		if (is_attribute_char(value.ptr[i])) {
			buf_add_char(&r->out, value.ptr[i]);
			octets++;
		} else {
			buf_printf(&r->out, "%%%02X", (unsigned char)value.ptr[i]);
			octets += 3;
		}
	}
}

static void rewrite_parameters(struct rewrite *r)
{
	struct slice rest = r->rest;
	struct mime_param param;

	while (mime_next_param(&rest, &param)) {
		CLEANUP(buf_done) struct buf value = BUF(param.value.len);
		bool is_extended = param.name.ptr[param.name.len - 1] == '*';
		/* Readers compare a boundary with the text as it stands here. */
		bool is_literal = slice_ieq(param.name, SLICE("boundary")) ||
				  slice_ieq(param.name, SLICE("charset"));

		if (!slice_has_8bit(param.value) || is_extended || is_literal)
			continue;
		mime_param_value(&param, &value);
		copy(r, (size_t)(param.whole.ptr - r->rest.ptr));
		add_extended(r, param.name, buf_slice(&value));
		r->rest = slice_from(r->rest, param.whole.len);
	}
	copy(r, r->rest.len);
}

static void rewrite_field(struct rewrite *r, enum syntax syntax)
{
	switch (syntax) {
	case SYNTAX_TEXT:
		rewrite_text(r);
		break;
	case SYNTAX_ADDRESSES:
		rewrite_phrases(r, false);
		break;
	case SYNTAX_PHRASES:
		rewrite_phrases(r, true);
		break;
	case SYNTAX_PARAMETERS:
		rewrite_parameters(r);
		break;
	case SYNTAX_FIXED:
		copy(r, r->rest.len);
		break;
	}
}

void header_encode_8bit(struct header *h, struct arena *arena)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct header_field *field = &h->fields[i];
		struct rewrite r = {
			.rest = field->body,
			.out = BUF(64 * field->body.len + 1024),
			.name_octets = field->name.len,
		};

		if (!slice_has_8bit(field->body))
			continue;
		rewrite_field(&r, find_syntax(field->name));
		if (!r.out.is_full)
			header_replace(h, arena, i, buf_slice(&r.out));
		buf_done(&r.out);
	}
}

/* Octets of a line, at most HEADER_LINE_MAX, in front of the last blank where
 * it can be folded: text must stand on both sides. 0: nowhere. */
static size_t fold_place(struct slice line)
{
	size_t first = 0, last = line.len;

	while (first < line.len && ascii_is_blank(line.ptr[first]))
		first++;
	while (last > 0 && ascii_is_blank(line.ptr[last - 1]))
		last--;
	for (size_t at = HEADER_LINE_MAX; at > first; at--)
		if (at < last && ascii_is_blank(line.ptr[at]) && !ascii_is_blank(line.ptr[at - 1]))
			return at;
	return 0;
}

static bool add_folded(struct buf *out, struct slice line)
{
	while (line.len > HEADER_LINE_MAX) {
		size_t at = fold_place(line);

		if (at == 0)
			return false;
		buf_add(out, slice_upto(line, at));
		buf_add(out, SLICE("\r\n"));
		line = slice_from(line, at);
	}
	buf_add(out, line);
	return true;
}

/* Adds the whole field with no line over the limit. */
static bool refold_field(struct buf *out, struct slice whole)
{
	while (whole.len > 0) {
		size_t lf = slice_find(whole, '\n');
		struct slice line = slice_upto(whole, lf > 0 ? lf - 1 : 0);

		if (!add_folded(out, line))
			return false;
		buf_add(out, SLICE("\r\n"));
		whole = slice_from(whole, lf + 1);
	}
	return true;
}

static bool has_long_line(struct slice whole)
{
	while (whole.len > HEADER_LINE_MAX + 2) {
		size_t lf = slice_find(whole, '\n');

		if (lf > HEADER_LINE_MAX + 1)
			return true;
		whole = slice_from(whole, lf + 1);
	}
	return false;
}

bool header_refold(struct header *h, struct arena *arena, struct error *err)
{
	for (size_t i = 0; i < h->count; i++) {
		struct slice whole = h->fields[i].whole;
		CLEANUP(buf_done) struct buf out = BUF(2 * whole.len + 16);

		if (!has_long_line(whole))
			continue;
		if (!refold_field(&out, whole))
			return error_set(err, EX_DATAERR,
				"header field '%.*s' has a word that does not fit a line of %d "
				"octets",
				SLICE_ARG(slice_upto(h->fields[i].name, 64)), HEADER_LINE_MAX);
		header_set_whole(h, arena, i, buf_slice(&out));
	}
	return true;
}
