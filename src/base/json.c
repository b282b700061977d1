#include "base/json.h"

#include <inttypes.h>

#include "base/text.h"

static void add_comma(struct json *j)
{
	if (j->needs_comma)
		buf_add_char(j->out, ',');
	j->needs_comma = true;
}

/* Whether an octet stands for itself in a string. */
static bool is_plain(char c, bool is_clean)
{
	return c != '"' && c != '\\' && !ascii_is_control(c) &&
	       (is_clean || (unsigned char)c < 0x80);
}

static void add_escaped(struct buf *out, char c)
{
	if ((unsigned char)c >= 0x80)
		buf_add_char(out, '?');
	else if (ascii_is_control(c))
		buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
	else
		buf_printf(out, "\\%c", c);
}

static void add_string(struct json *j, struct slice s)
{
	bool is_clean = text_is_utf8(s);

	buf_add_char(j->out, '"');
	while (s.len > 0) {
		size_t len = 0;

		while (len < s.len && is_plain(s.ptr[len], is_clean))
			len++;
		buf_add(j->out, slice_upto(s, len));
		if (len < s.len)
			add_escaped(j->out, s.ptr[len]);
		s = slice_from(s, len + 1);
	}
	buf_add_char(j->out, '"');
}

static void add_name(struct json *j, const char *name)
{
	add_comma(j);
	add_string(j, slice_of(name));
	buf_add_char(j->out, ':');
}

void json_open(struct json *j, char bracket)
{
	add_comma(j);
	buf_add_char(j->out, bracket);
	j->needs_comma = false;
}

void json_open_member(struct json *j, const char *name, char bracket)
{
	add_name(j, name);
	buf_add_char(j->out, bracket);
	j->needs_comma = false;
}

void json_close(struct json *j, char bracket)
{
	buf_add_char(j->out, bracket);
	j->needs_comma = true;
}

void json_text(struct json *j, const char *name, const char *value)
{
	add_name(j, name);
	if (value)
		add_string(j, slice_of(value));
	else
		buf_add_text(j->out, "null");
}

void json_number(struct json *j, const char *name, int64_t value)
{
	add_name(j, name);
	buf_printf(j->out, "%" PRId64, value);
}

void json_bool(struct json *j, const char *name, bool value)
{
	add_name(j, name);
	buf_add_text(j->out, value ? "true" : "false");
}
