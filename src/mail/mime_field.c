#include "mail/mime_field.h"

#include <string.h>

/* Octets of the quoted text or comment at the start of text, up to its end or
 * that of the text. */
static size_t quoted_length(struct slice text)
{
	size_t i = 1;

	while (i < text.len && text.ptr[i] != '"')
		i += text.ptr[i] == '\\' ? 2 : 1;
	return i < text.len ? i + 1 : text.len;
}

static size_t comment_length(struct slice text)
{
	size_t depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == '(')
			depth++;
		else if (text.ptr[i] == ')' && --depth == 0)
			return i + 1;
	}
	return text.len;
}

static bool is_space(char c)
{
	return ascii_is_blank(c) || c == '\r' || c == '\n';
}

void mime_skip_blanks(struct slice *rest)
{
	while (rest->len > 0) {
		if (is_space(rest->ptr[0]))
			*rest = slice_from(*rest, 1);
		else if (rest->ptr[0] == '(')
			*rest = slice_from(*rest, comment_length(*rest));
		else
			return;
	}
}

struct slice mime_token(struct slice *rest)
{
	size_t len = 0;

	while (len < rest->len && rest->ptr[len] > ' ' && rest->ptr[len] < 0x7f &&
		!strchr("()<>@,;:\\\"/[]?=", rest->ptr[len]))
		len++;

	struct slice token = slice_upto(*rest, len);

	*rest = slice_from(*rest, len);
	return token;
}

bool mime_type(struct slice body, struct slice *type, struct slice *subtype)
{
	mime_skip_blanks(&body);
	*type = mime_token(&body);
	mime_skip_blanks(&body);
	if (type->len == 0 || body.len == 0 || body.ptr[0] != '/')
		return false;
	body = slice_from(body, 1);
	mime_skip_blanks(&body);
	*subtype = mime_token(&body);
	return subtype->len > 0;
}

/* Goes behind the next semicolon that stands outside quotes and comments. */
static bool skip_to_param(struct slice *rest)
{
	while (rest->len > 0) {
		char c = rest->ptr[0];
		size_t step = c == '"'   ? quoted_length(*rest)
			      : c == '(' ? comment_length(*rest)
					 : 1;

		*rest = slice_from(*rest, step);
		if (c == ';')
			return true;
	}
	return false;
}

/* Values without quotes hold what they should not, as "=" in boundaries: all
 * up to a blank or a semicolon is taken. */
static struct slice take_value(struct slice *rest)
{
	size_t len = 0;

	if (rest->len > 0 && rest->ptr[0] == '"')
		len = quoted_length(*rest);
	else
		while (len < rest->len && !is_space(rest->ptr[len]) && rest->ptr[len] != ';')
			len++;

	struct slice value = slice_upto(*rest, len);

	*rest = slice_from(*rest, len);
	return value;
}

bool mime_next_param(struct slice *rest, struct mime_param *out)
{
	while (skip_to_param(rest)) {
		mime_skip_blanks(rest);

		const char *start = rest->ptr;
		struct slice name = mime_token(rest);

		mime_skip_blanks(rest);
		if (name.len == 0 || rest->len == 0 || rest->ptr[0] != '=')
			continue;
		*rest = slice_from(*rest, 1);
		mime_skip_blanks(rest);
		out->name = name;
		out->value = take_value(rest);
		out->whole = (struct slice){start, (size_t)(rest->ptr - start)};
		return true;
	}
	return false;
}

void mime_param_value(const struct mime_param *param, struct buf *out)
{
	struct slice value = param->value;

	if (value.len == 0 || value.ptr[0] != '"') {
		buf_add(out, value);
		return;
	}
	for (size_t i = 1; i < value.len && value.ptr[i] != '"'; i++) {
		if (value.ptr[i] == '\\' && i + 1 < value.len)
			i++;
		if (value.ptr[i] != '\r' && value.ptr[i] != '\n')
			buf_add_char(out, value.ptr[i]);
	}
}

bool mime_find_param(struct slice body, const char *name, struct buf *out)
{
	struct mime_param param;

	while (mime_next_param(&body, &param)) {
		if (!slice_ieq(param.name, slice_of(name)))
			continue;
		mime_param_value(&param, out);
		return true;
	}
	return false;
}
