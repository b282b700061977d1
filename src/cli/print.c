#include "cli/print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

enum { LONGEST_LINE = 1024 };

/* One write, so that lines of several processes do not mix. */
static void write_line(struct buf *line)
{
	struct error ignored = {0};

	if (line->len >= LONGEST_LINE)
		line->len = LONGEST_LINE - 1;
	buf_add_char(line, '\n');
	(void)!file_write(STDERR_FILENO, buf_slice(line), "standard error", &ignored);
}

void print_fault(const char *program, const struct error *err)
{
	CLEANUP(buf_done) struct buf line = BUF(4 * LONGEST_LINE);

	size_t hint_octets = err->hint[0] ? strlen(err->hint) + 2 : 0;

	/* What became of the mail stands in the hint: it is the text that is cut. */
	buf_printf(&line, "%.32s: ", program);
	text_sanitize(&line, slice_of(err->text), LONGEST_LINE - line.len - hint_octets - 4);
	if (err->hint[0]) {
		buf_add_text(&line, "; ");
		text_sanitize(&line, slice_of(err->hint), sizeof(err->hint));
	}
	write_line(&line);
}

int print_finish(const char *program, int code)
{
	bool was_written = ferror(stdout) == 0;
	struct error err = {0};

	if ((fflush(stdout) == 0 && was_written) || code != EX_OK)
		return code;
	error_errno(&err, EX_IOERR, "cannot write to standard output");
	print_fault(program, &err);
	return err.exit_code;
}

void print_trace(void *context, char direction, const char *line)
{
	CLEANUP(buf_done) struct buf text = BUF(4 * LONGEST_LINE);

	buf_printf(&text, "%s: %c ", (const char *)context, direction);
	text_sanitize(&text, slice_of(line), LONGEST_LINE - 64);
	write_line(&text);
}
