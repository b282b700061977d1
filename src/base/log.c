#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

enum { LONGEST_LINE = 65536, LONGEST_VALUE = 1024 };

static struct {
	const char *program;
	const char *file;
	bool to_syslog;
	bool as_json;
} target;

void log_set(const char *program, const char *file, bool to_syslog, bool as_json)
{
	target.program = program;
	target.file = file;
	target.to_syslog = to_syslog;
	target.as_json = as_json;
}

static void add_time(struct buf *line)
{
	char text[40];
	time_t now = (time_t)clock_wall();
	struct tm local;

	if (localtime_r(&now, &local) &&
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &local) > 0)
		buf_add_text(line, text);
}

static void add_plain_value(struct buf *line, const char *value)
{
	CLEANUP(buf_done) struct buf clean = BUF(4 * LONGEST_VALUE);

	text_sanitize(&clean, slice_of(value), LONGEST_VALUE);

	struct slice text = buf_slice(&clean);
	bool is_word = text.len > 0 && slice_find(text, ' ') == text.len &&
		       slice_find(text, '"') == text.len;

	if (is_word) {
		buf_add(line, text);
		return;
	}
	buf_add_char(line, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			buf_add_char(line, '\\');
		buf_add_char(line, text.ptr[i]);
	}
	buf_add_char(line, '"');
}

static void write_plain(
	struct buf *line, const char *event, const struct log_field *fields, size_t count)
{
	buf_add_text(line, event);
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].value)
			continue;
		buf_printf(line, " %s=", fields[i].name);
		add_plain_value(line, fields[i].value);
	}
}

static void write_json(
	struct buf *line, const char *event, const struct log_field *fields, size_t count)
{
	struct json json = {.out = line};
	CLEANUP(buf_done) struct buf when = BUF(64);

	add_time(&when);
	json_open(&json, '{');
	json_text(&json, "time", buf_text(&when));
	json_text(&json, "program", target.program);
	json_number(&json, "pid", (int64_t)getpid());
	json_text(&json, "event", event);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_done) struct buf clean = BUF(4 * LONGEST_VALUE);

		if (!fields[i].value)
			continue;
		/* What is cut is cut here: half a line would be no JSON. */
		text_sanitize(&clean, slice_of(fields[i].value), LONGEST_VALUE);
		json_text(&json, fields[i].name, buf_text(&clean));
	}
	json_close(&json, '}');
}

/* Opened for each line: a process writes few, and logs are rotated. */
static void append(struct slice line)
{
	CLEANUP(fd_close)
	int fd = open(target.file,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return;
	(void)!write(fd, line.ptr, line.len);
}

void log_event(const char *event, const struct log_field *fields, size_t count)
{
	CLEANUP(buf_done) struct buf line = BUF(LONGEST_LINE);
	CLEANUP(buf_done) struct buf whole = BUF(LONGEST_LINE + 128);

	if (!target.file && !target.to_syslog)
		return;
	if (target.as_json)
		write_json(&line, event, fields, count);
	else
		write_plain(&line, event, fields, count);
	if (target.to_syslog) {
		openlog(target.program, LOG_PID, LOG_MAIL);
		syslog(LOG_INFO, "%s", buf_text(&line));
	}
	if (!target.file)
		return;
	if (!target.as_json) {
		add_time(&whole);
		buf_printf(&whole, " %s[%ld]: ", target.program, (long)getpid());
	}
	buf_add(&whole, buf_slice(&line));
	buf_add_char(&whole, '\n');
	append(buf_slice(&whole));
}
