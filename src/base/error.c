#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"

/* Text that came from outside has been sanitised already; this is the last
 * guard that an error stays one line. */
static void keep_one_line(char *text)
{
	for (; *text; text++)
		if (ascii_is_control(*text))
			*text = ' ';
}

static void start(struct error *err, int exit_code)
{
	*err = (struct error){.exit_code = exit_code};
	err->fate =
		exit_code == EX_TEMPFAIL || exit_code == EX_NOHOST ? FATE_LATER : FATE_PERMANENT;
}

bool error_set(struct error *err, int exit_code, const char *format, ...)
{
	va_list args;

	start(err, exit_code);
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	keep_one_line(err->text);
	return false;
}

bool error_errno(struct error *err, int exit_code, const char *format, ...)
{
	int cause = errno;
	va_list args;

	start(err, exit_code);
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);

	size_t len = strlen(err->text);

	snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror(cause));
	keep_one_line(err->text);
	errno = cause;
	return false;
}

bool error_hint(struct error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
	keep_one_line(err->hint);
	return false;
}

bool error_fate(struct error *err, enum fate fate)
{
	err->fate = fate;
	return false;
}

bool error_reply(struct error *err, int smtp_code, const char *enhanced)
{
	err->smtp_code = smtp_code;
	snprintf(err->enhanced, sizeof(err->enhanced), "%s", enhanced ? enhanced : "");
	return false;
}

bool error_prefix(struct error *err, const char *format, ...)
{
	char old[sizeof(err->text)];
	va_list args;

	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);

	size_t len = strlen(err->text);

	snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	keep_one_line(err->text);
	return false;
}
