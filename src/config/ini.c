#include "config/ini.h"

#include <ini.h>
#include <string.h>

/* The library cuts section names at 49 octets without a word, and its smallest
 * line buffer has 200. */
enum { LONGEST_SECTION = 48, LONGEST_KEY = 64 };

struct reader {
	const struct ini_sink *sink;
	struct slice rest;
	unsigned line;
	char section[LONGEST_SECTION + 1];
	bool is_lost; /* the last section header was faulty */
	bool is_over; /* the sink wants no more */
	/* The setting that the library was given and has not yet handed back. */
	bool is_pending;
	struct slice key, value;
};

static bool fault(struct reader *r, const char *text)
{
	if (!r->sink->fault(r->sink->context, r->line, text))
		r->is_over = true;
	return false;
}

static void give(struct reader *r, struct slice key, struct slice value)
{
	struct ini_entry entry = {slice_of(r->section), key, value, r->line};

	if (!r->sink->entry(r->sink->context, &entry))
		r->is_over = true;
}

/* Takes one physical line, without its end, off the text. */
static struct slice take_line(struct reader *r)
{
	struct slice line = slice_upto(r->rest, slice_find(r->rest, '\n'));

	r->rest = slice_from(r->rest, line.len + 1);
	r->line++;
	if (r->line == 1 && slice_starts(line, SLICE("\xef\xbb\xbf")))
		line = slice_from(line, 3);
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool is_utf16(struct slice line)
{
	return slice_starts(line, SLICE("\xff\xfe")) || slice_starts(line, SLICE("\xfe\xff"));
}

static bool octets_are_fine(struct reader *r, struct slice line)
{
	if (line.len > INI_LONGEST_LINE)
		return fault(r, "the line is longer than 65536 octets");
	if (r->line > INI_MOST_LINES) {
		fault(r, "the file has more than 100000 lines");
		r->is_over = true;
		return false;
	}
	if (r->line == 1 && is_utf16(line)) {
		fault(r, "the file is UTF-16; it has to be UTF-8");
		r->is_over = true;
		return false;
	}
	if (slice_find(line, '\0') < line.len)
		return fault(r, "the line holds a NUL octet");
	if (slice_find(line, '\r') < line.len)
		return fault(r, "the line holds a carriage return; lines end in LF or CRLF");
	for (size_t i = 0; i < line.len; i++)
		if (ascii_is_control(line.ptr[i]) && line.ptr[i] != '\t')
			return fault(r, "the line holds a control character");
	return true;
}

/* Copies a section's name, each run of blanks as one blank. */
static bool set_section(struct reader *r, struct slice name)
{
	size_t len = 0;

	for (struct slice word; (word = slice_word(&name, " \t")).len > 0;) {
		size_t needed = word.len + (len > 0 ? 1 : 0);

		if (needed > LONGEST_SECTION - len)
			return fault(r, "the section's name is longer than 48 octets");
		if (len > 0)
			r->section[len++] = ' ';
		memcpy(r->section + len, word.ptr, word.len);
		len += word.len;
	}
	r->section[len] = '\0';
	return len > 0 || fault(r, "the section has no name");
}

static bool is_odd(char c)
{
	switch (c) {
	case '[':
	case ']':
	case ';':
	case '#':
	case '=':
	case ':':
	case '"':
	case '\'':
		return true;
	default:
		return false;
	}
}

static bool begin_section(struct reader *r, struct slice line)
{
	size_t end = slice_find(line, ']');

	r->is_lost = true;
	if (end == line.len)
		return fault(r, "the section header has no ']'");
	if (end + 1 < line.len)
		return fault(r, "there is text behind the section header; comments need a line of "
				"their own");

	struct slice name = slice_upto(slice_from(line, 1), end - 1);

	for (size_t i = 0; i < name.len; i++)
		if (is_odd(name.ptr[i]))
			return fault(r, "the section's name holds an unusual character");
	if (!set_section(r, name))
		return false;
	r->is_lost = false;
	give(r, (struct slice){0}, (struct slice){0});
	return true;
}

static bool key_is_fine(struct reader *r, struct slice key)
{
	if (key.len == 0)
		return fault(r, "there is no key before '='");
	if (key.len > LONGEST_KEY)
		return fault(r, "the key is longer than 64 octets");
	for (size_t i = 0; i < key.len; i++) {
		if (ascii_is_blank(key.ptr[i]))
			return fault(r, "the key holds a blank");
		if (key.ptr[i] == ':')
			return fault(r, "write 'key = value', with '=' and not ':'");
		if (is_odd(key.ptr[i]))
			return fault(r, "the key holds an unusual character");
	}
	return true;
}

static bool begin_setting(struct reader *r, struct slice line)
{
	size_t equals = slice_find(line, '=');

	if (equals == line.len && slice_find(line, ':') < line.len)
		return fault(r, "write 'key = value', with '=' and not ':'");
	if (equals == line.len)
		return fault(r, "the line has no '=': it is no 'key = value' and no comment; "
				"a value cannot go on over several lines");
	r->key = slice_trim(slice_upto(line, equals));
	r->value = slice_trim(slice_from(line, equals + 1));
	return key_is_fine(r, r->key);
}

/* What the library is to see of a line: a header, "key=" without the value, or
 * nothing. All of it is shorter than the smallest buffer it can have. */
static void fill(struct reader *r, char *into, size_t space)
{
	struct slice line = take_line(r);
	struct slice seen = {0}, tail = {0};

	if (octets_are_fine(r, line)) {
		line = slice_trim(line);
		if (line.len == 0 || line.ptr[0] == ';' || line.ptr[0] == '#') {
			seen = (struct slice){0};
		} else if (line.ptr[0] == '[') {
			if (begin_section(r, line))
				seen = slice_of(r->section);
		} else if (begin_setting(r, line) && !r->is_lost) {
			r->is_pending = true;
			seen = r->key;
			tail = SLICE("=");
		}
	}

	size_t len = 0;

	if (seen.len + 4 > space)
		seen.len = 0;
	if (seen.len > 0 && tail.len == 0)
		into[len++] = '[';
	if (seen.len > 0) {
		memcpy(into + len, seen.ptr, seen.len);
		len += seen.len;
		into[len++] = tail.len > 0 ? '=' : ']';
	}
	into[len++] = '\n';
	into[len] = '\0';
}

/* The library asks for the next line, as it would ask fgets. */
static char *next_line(char *into, int space, void *stream)
{
	struct reader *r = stream;

	if (r->is_pending)
		fault(r, "this is no setting to the INI library");
	r->is_pending = false;
	if (r->is_over || r->rest.len == 0 || space < 4)
		return NULL;
	fill(r, into, (size_t)space);
	return into;
}

/* Builds of the library differ in the handler's parameters. */
#if INI_HANDLER_LINENO
static int on_setting(void *context, const char *section UNUSED, const char *name,
	const char *value UNUSED, int line UNUSED)
#else
static int on_setting(
	void *context, const char *section UNUSED, const char *name, const char *value UNUSED)
#endif
{
	struct reader *r = context;

	/* Some builds call for each new section as well, without a name. */
	if (!name || !r->is_pending)
		return 1;
	r->is_pending = false;
	if (!r->is_over)
		give(r, r->key, r->value);
	return 1;
}

void ini_read(struct slice text, const struct ini_sink *sink)
{
	struct reader r = {.sink = sink, .rest = text};

	/* Its result repeats what the reader has found out by itself. */
	if (ini_parse_stream(next_line, &r, on_setting, &r) == -2)
		fault(&r, "the INI library has no memory");
	if (r.is_pending)
		fault(&r, "this is no setting to the INI library");
}
