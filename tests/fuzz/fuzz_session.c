/* A whole client session against arbitrary octets of a server, in the clear:
 * everything the server will ever say lies ready, then it closes. The first
 * octet chooses the parameters. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "smtp/session_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAILS = 3 };

struct fuzzed {
	struct envelope envelopes[MAILS];
	struct smtp_mail mails[MAILS];
	size_t given, done;
	unsigned accepts;
};

static bool give_secret(
	UNUSED void *context, UNUSED bool fresh, struct buf *out, UNUSED struct error *err)
{
	buf_add_text(out, "pencil");
	return true;
}

static void accepted(void *context)
{
	struct fuzzed *f = context;

	f->accepts++;
}

/* No outcome may be better than what the replies can have said. */
static void check(const struct smtp_mail *mail, bool goes_well, const struct error *err)
{
	const struct envelope *e = mail->envelope;

	if (goes_well && envelope_count(e, RECIPIENT_SENT) > 0)
		abort();
	if (!goes_well && (err->exit_code == 0 || !err->text[0]))
		abort();
	if (!goes_well && err->fate != FATE_UNCERTAIN && envelope_count(e, RECIPIENT_SENT) > 0)
		abort();
}

static struct smtp_mail *next(void *context)
{
	struct fuzzed *f = context;

	return f->given < MAILS ? &f->mails[f->given++] : NULL;
}

static void done(void *context, struct smtp_mail *mail, const struct error *err)
{
	struct fuzzed *f = context;

	f->done++;
	check(mail, !err, err);
}

static struct stream *server(const uint8_t *data, size_t size, int *other)
{
	int ends[2];
	int room = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return NULL;
	(void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(ends[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
		size = 0;
	(void)shutdown(ends[1], SHUT_WR);
	*other = ends[1];
	return stream_new(ends[0], "peer:25");
}

static void talk(struct fuzzed *f, struct smtp_session *s, bool many)
{
	struct smtp_feed feed = {.next = next, .done = done, .context = f, .window = 10};
	struct error err = {0};
	bool goes_well;

	if (many) {
		smtp_send_many(s, &feed);
		if (f->done != f->given)
			abort();
	} else {
		goes_well = smtp_send(s, &f->mails[0], &err);
		check(&f->mails[0], goes_well, &err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 65536)
		return 0;

	static const char *const auths[] = {"none", "auto", "cram-md5 login", "xoauth2"};
	const struct content content = {
		.body = SLICE("Subject: x\r\n\r\n.hello\r\n"), .fd = -1, .has_8bit = data[0] & 1};
	struct smtp_params params = {
		.target = {.host = "peer", .port = 25},
		.tls = SMTP_TLS_NONE,
		.lmtp = (data[0] & 2) != 0,
		.auth = auths[data[0] >> 2 & 3],
		.user = "user",
		.secret = (data[0] >> 2 & 3) != 0 ? give_secret : NULL,
		.clear_login_allowed = true,
		.connect_ms = 5000,
		.progress_ms = 5000,
		.reply_ms = 5000,
	};
	struct fuzzed f = {0};
	struct smtp_session *s = NULL;
	struct error err = {0};
	int other = -1;
	struct stream *stream = server(data + 1, size - 1, &other);

	if (!stream)
		return 0;
	for (size_t i = 0; i < MAILS; i++) {
		f.envelopes[i].sender = "a@x.example";
		f.envelopes[i].ret = DSN_RETURN_FULL;
		envelope_add(&f.envelopes[i], "b@x.example")->notify = DSN_FAILURE;
		(void)envelope_add(&f.envelopes[i], "c@y.example");
		f.mails[i] = (struct smtp_mail){.envelope = &f.envelopes[i],
			.content = &content,
			.is_last = true,
			.accepted = accepted,
			.context = &f};
	}
	if (smtp_open_stream(&params, stream, &s, &err))
		talk(&f, s, (data[0] & 16) != 0);
	else if (err.exit_code == 0 || !err.text[0])
		abort();
	smtp_close(s);
	close(other);
	for (size_t i = 0; i < MAILS; i++)
		envelope_done(&f.envelopes[i]);
	return 0;
}
