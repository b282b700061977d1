#include "submit/deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/host.h"
#include "config/secret.h"
#include "smtp/caps.h"

enum {
	MOST_HOSTS = 16,
	CONNECT_FOREGROUND_MS = 8 * 1000,
	CONNECT_QUEUE_RUN_MS = 60 * 1000,
	REPLY_FOREGROUND_MS = 2 * 60 * 1000,
	REPLY_QUEUE_RUN_MS = 10 * 60 * 1000,
	PROGRESS_MS = 60 * 1000,
	LONGEST_BY_S = 999999999, /* nine digits, RFC 2852 section 4 */
};

struct deliverer {
	const struct account *account;
	struct smtp_params params;
	struct dial_host host; /* the one in use */
	char peer[300];        /* "host:port", or the path of a socket */
	struct buf auth;       /* mechanisms in one text */
	struct smtp_session *session;
};

static bool give_secret(void *context, UNUSED bool fresh, struct buf *out, struct error *err)
{
	const struct deliverer *d = context;

	return secret_get(d->account, out, err);
}

bool deliver_logs_in(const struct account *a)
{
	for (size_t i = 0; i < a->auth.count; i++)
		if (strcmp(a->auth.items[i], "none") == 0)
			return false;
	return a->user != NULL;
}

bool deliver_check(const struct account *account, struct error *err)
{
	if (!deliver_logs_in(account))
		return true;
	for (size_t i = 0; i < account->auth.count; i++)
		if (strcmp(account->auth.items[i], "external") == 0)
			return true;
	return secret_check(account, err);
}

static uint16_t port_of(const struct account *a)
{
	static const uint16_t ports[] = {
		[ACCOUNT_TLS_STARTTLS] = 587,
		[ACCOUNT_TLS_IMPLICIT] = 465,
		[ACCOUNT_TLS_NONE] = 25,
	};

	return a->port ? a->port : ports[a->tls];
}

static void fill_login(struct deliverer *d)
{
	const struct account *a = d->account;
	struct smtp_params *p = &d->params;

	d->auth = BUF(1024);
	for (size_t i = 0; i < a->auth.count; i++)
		buf_printf(&d->auth, "%s%s", i > 0 ? " " : "", a->auth.items[i]);
	p->auth = deliver_logs_in(a) || a->tls_cert_file ? buf_text(&d->auth) : "none";
	if (!*p->auth)
		p->auth = "auto";
	p->user = a->user;
	p->secret = deliver_logs_in(a) ? give_secret : NULL;
	p->secret_context = d;
	p->secret_can_refresh = a->password_command != NULL;
}

static int reply_limit_ms(const struct account *a, bool in_queue_run)
{
	if (a->reply_timeout_ms)
		return a->reply_timeout_ms;
	return in_queue_run ? REPLY_QUEUE_RUN_MS : REPLY_FOREGROUND_MS;
}

static void fill_params(struct deliverer *d, const struct deliver_mode *mode)
{
	static const enum smtp_tls tls[] = {
		[ACCOUNT_TLS_STARTTLS] = SMTP_TLS_STARTTLS,
		[ACCOUNT_TLS_IMPLICIT] = SMTP_TLS_IMPLICIT,
		[ACCOUNT_TLS_NONE] = SMTP_TLS_NONE,
	};
	const struct account *a = d->account;

	d->params = (struct smtp_params){
		.target = {.source = a->source, .proxy = a->proxy, .socket_path = a->socket},
		.tls = tls[a->tls],
		.policy =
			{
				.trust_file = a->tls_trust_file,
				.pins = (const struct tls_pin *)a->tls_pins,
				.pin_count = a->tls_pin_count,
				.cert_file = a->tls_cert_file,
				.key_file = a->tls_key_file,
				.priority = a->tls_priority,
			},
		.lmtp = a->is_lmtp,
		.ehlo = a->ehlo,
		.progress_ms = a->timeout_ms ? a->timeout_ms : PROGRESS_MS,
		.reply_ms = reply_limit_ms(a, mode->in_queue_run),
		.trace = mode->trace,
		.trace_context = mode->trace_context,
	};
	fill_login(d);
}

/* The hosts of an account one after the other; "srv:domain" stands for several. */
struct host_list {
	struct dial_host hosts[MOST_HOSTS];
	size_t count;
};

static bool add_host(struct host_list *list, const struct account *a, const char *name,
	int64_t deadline_ms, struct error *err)
{
	struct dial_host *host = &list->hosts[list->count];
	size_t found;

	if (list->count == MOST_HOSTS)
		return true;
	if (!slice_istarts(slice_of(name), SLICE("srv:"))) {
		if (strlen(name) >= sizeof(host->name))
			return error_set(
				err, EX_CONFIG, "%s: the host name is too long", a->origin);
		memcpy(host->name, name, strlen(name) + 1);
		host->domain[0] = '\0';
		host->port = port_of(a);
		host->implicit_tls = a->tls == ACCOUNT_TLS_IMPLICIT;
		list->count++;
		return true;
	}
	if (!dial_services(name + 4, host, MOST_HOSTS - list->count, &found, deadline_ms, err))
		return false;
	list->count += found;
	return true;
}

static bool list_hosts(
	const struct account *a, int64_t deadline_ms, struct host_list *list, struct error *err)
{
	if (a->socket)
		return add_host(list, a, a->hosts.count > 0 ? a->hosts.items[0] : "localhost",
			deadline_ms, err);
	for (size_t i = 0; i < a->hosts.count; i++)
		if (!add_host(list, a, a->hosts.items[i], deadline_ms, err) &&
			i + 1 == a->hosts.count && list->count == 0)
			return false;
	if (list->count > 0)
		return true;
	error_set(err, EX_CONFIG, "%s: account '%s' has no host", a->origin, a->name);
	return error_hint(err, "set 'host = smtp.example.com' in the account");
}

/* Another host is worth a try where this one could not be reached or said
 * "later"; a refused login would be refused there as well. */
static bool is_worth_next(const struct error *err)
{
	return err->fate == FATE_LATER;
}

/* What the DNS alone has led to proves nothing by a name of its own: outside of
 * the domain that was asked for, the certificate has to hold that domain
 * (RFC 6186 section 6, RFC 7817 section 3). */
static void set_names(struct deliverer *d)
{
	struct tls_policy *p = &d->params.policy;
	const struct dial_host *host = &d->host;
	bool is_named = d->account->tls_host || !host->domain[0];

	p->domain = is_named ? NULL : host->domain;
	p->host = d->account->tls_host ? d->account->tls_host : host->name;
	if (p->domain && !host_is_within(host->name, p->domain))
		p->host = p->domain;
}

static bool open_host(
	struct deliverer *d, const struct dial_host *host, int64_t deadline_ms, struct error *err)
{
	struct smtp_params *p = &d->params;
	int left = clock_left_ms(deadline_ms);

	d->host = *host;
	if (d->account->socket)
		snprintf(d->peer, sizeof(d->peer), "%s", d->account->socket);
	else
		snprintf(d->peer, sizeof(d->peer), "%s:%u", d->host.name, d->host.port);
	p->target.host = d->host.name;
	p->target.port = d->host.port;
	set_names(d);
	if (d->account->tls != ACCOUNT_TLS_NONE)
		p->tls = d->host.implicit_tls ? SMTP_TLS_IMPLICIT : SMTP_TLS_STARTTLS;
	p->clear_login_allowed =
		d->account->insecure_login || d->account->socket || host_is_loopback(d->host.name);
	p->connect_ms = left > 0 ? left : 1;
	return smtp_open(p, &d->session, err);
}

/* Tells of the hosts that were tried before as well; both texts are clean. */
static bool tell_all(const struct buf *before, struct error *err)
{
	size_t last_len = strlen(err->text) + 1;
	size_t room = sizeof(err->text) - last_len;
	char shown[sizeof(err->text)];

	if (before->len == 0 || room < 3)
		return false;
	text_sanitize_into(shown, room - 2, buf_slice(before));

	size_t shown_len = strlen(shown);

	memmove(err->text + shown_len + 2, err->text, last_len);
	memcpy(err->text, shown, shown_len);
	memcpy(err->text + shown_len, "; ", 2);
	return false;
}

static bool open_any(struct deliverer *d, bool in_queue_run, struct error *err)
{
	CLEANUP(buf_done) struct buf before = BUF(MOST_HOSTS * sizeof(err->text));
	int wait_ms = d->account->connect_timeout_ms;

	if (wait_ms == 0)
		wait_ms = in_queue_run ? CONNECT_QUEUE_RUN_MS : CONNECT_FOREGROUND_MS;

	int64_t deadline = clock_deadline(wait_ms);
	struct host_list list = {.count = 0};

	if (!list_hosts(d->account, deadline, &list, err))
		return false;
	for (size_t i = 0; i < list.count; i++) {
		/* Each of several hosts gets its share of the time that is left. */
		int64_t share = clock_deadline(clock_left_ms(deadline) / (int)(list.count - i));

		if (open_host(d, &list.hosts[i], share, err))
			return true;
		if (err->exit_code == EX_NOPERM)
			error_prefix(err, "account %s", d->account->name);
		if (!is_worth_next(err) || i + 1 == list.count)
			break;
		buf_printf(&before, "%s%s", before.len > 0 ? "; " : "", err->text);
	}
	return tell_all(&before, err);
}

bool deliver_open(const struct account *account, const struct deliver_mode *mode,
	struct deliverer **out, struct error *err)
{
	struct deliverer *d = mem_alloc(sizeof(*d));

	d->account = account;
	fill_params(d, mode);
	if (!open_any(d, mode->in_queue_run, err)) {
		deliver_close(d);
		return false;
	}
	*out = d;
	return true;
}

/* What the message asks for, and what its account asks for all messages of a person:
 * a notice tells of a failure, and is neither to fail by a time limit nor to wait. */
static struct demands gather_demands(const struct account *a, const struct envelope *e)
{
	struct demands d = e->demands;

	d.require_tls = d.require_tls || a->require_tls;
	if (e->sender[0] == '\0')
		return d;
	if (d.deliver_by_s == 0) {
		d.deliver_by_s = a->deliver_by_s;
		d.deliver_by_mode = a->deliver_by_mode;
	}
	if (!d.has_priority) {
		d.has_priority = a->has_priority;
		d.priority = a->priority;
	}
	if (d.hold_for_s == 0)
		d.hold_for_s = a->hold_for_s;
	return d;
}

/* The time that a message spent in the queue counts: RFC 2852 section 4.1.4.
 * The whole time of a notifying demand may be over, and is then negative. */
static bool fill_demands(
	const struct deliverer *d, const struct envelope *e, struct demands *out, struct error *err)
{
	struct demands now = gather_demands(d->account, e);
	int64_t waited = now.since > 0 ? clock_wall() - now.since : 0;
	int64_t by;

	/* A clock that was set back has counted nothing. */
	if (waited < 0)
		waited = 0;
	by = now.deliver_by_s - waited;
	if (now.deliver_by_s > 0 && now.deliver_by_mode == 'R' && by <= 0)
		return error_set(err, EX_UNAVAILABLE,
			"the time for delivery, %ld seconds, is over (deliver_by)",
			now.deliver_by_s);
	if (now.deliver_by_s > 0)
		now.deliver_by_s = by != 0 ? (long)(by > -LONGEST_BY_S ? by : -LONGEST_BY_S) : -1;
	now.hold_for_s = waited < now.hold_for_s ? now.hold_for_s - (long)waited : 0;
	*out = now;
	return true;
}

enum { LARGEST_HEAD = 4 * 1024 * 1024 };

/* True when the header block is UTF-8 throughout: nothing else may go out under
 * SMTPUTF8 (RFC 6532 section 3). */
static bool head_is_utf8(const struct content *c)
{
	CLEANUP(buf_done) struct buf head = BUF(LARGEST_HEAD);
	struct content_reader reader;
	struct error ignored = {0};
	struct slice piece;
	size_t end;

	content_start(&reader, c);
	do {
		if (!content_next(&reader, &piece, &ignored))
			piece.len = 0;
		buf_add(&head, piece);
		end = slice_search(buf_slice(&head), SLICE("\r\n\r\n"));
	} while (piece.len > 0 && end == head.len && !head.is_full);
	content_stop(&reader);
	return !head.is_full && text_is_utf8(slice_upto(buf_slice(&head), end));
}

/* Puts a content in place that the server takes, as it stands now. */
static bool fit(struct deliver_fitted *f, struct error *err)
{
	static const enum transform_policy policies[] = {
		[LONG_LINES_ENCODE] = TRANSFORM_ENCODE,
		[LONG_LINES_PASS] = TRANSFORM_PASS,
		[LONG_LINES_REFUSE] = TRANSFORM_REFUSE,
	};
	const struct smtp_caps *caps = smtp_caps(f->deliverer->session);
	struct smtp_mail *mail = f->mail;
	const char *tmpdir = getenv("TMPDIR");
	struct transform_wants wants = {
		.has_8bitmime = caps->eight_bit_mime,
		.has_smtputf8 = caps->smtputf8 && caps->eight_bit_mime &&
				(!f->original->head_has_8bit || head_is_utf8(f->original)),
		.has_binarymime = caps->chunking && caps->binary_mime,
		.long_lines = policies[f->long_lines],
	};
	size_t count = 0;

	mail->content = f->original;
	if (f->spill_dir)
		wants.spill_dirs[count++] = f->spill_dir;
	if (tmpdir && tmpdir[0] == '/')
		wants.spill_dirs[count++] = tmpdir;
	wants.spill_dirs[count] = "/var/tmp";
	if (transform_needed(f->original, &wants)) {
		if (!transform_content(f->original, &wants, &f->transformed, err))
			return false;
		f->is_on = true;
		mail->content = &f->transformed.content;
	}
	mail->needs_smtputf8 =
		f->needs_smtputf8 || (mail->content->head_has_8bit && wants.has_smtputf8);
	return true;
}

static bool fit_again(void *context, struct error *err)
{
	deliver_unfit(context);
	return fit(context, err);
}

bool deliver_fit(const struct deliverer *d, enum long_lines long_lines, const char *spill_dir,
	struct smtp_mail *mail, struct deliver_fitted *out, struct error *err)
{
	*out = (struct deliver_fitted){
		.deliverer = d,
		.long_lines = long_lines,
		.spill_dir = spill_dir,
		.mail = mail,
		.original = mail->content,
		.needs_smtputf8 = mail->needs_smtputf8,
	};
	mail->fit_again = fit_again;
	mail->fit_context = out;
	return fill_demands(d, mail->envelope, &mail->demands, err) && fit(out, err);
}

void deliver_unfit(struct deliver_fitted *fitted)
{
	if (fitted->is_on)
		transformed_done(&fitted->transformed);
	fitted->is_on = false;
}

bool deliver_message(struct deliverer *d, enum long_lines long_lines, const char *spill_dir,
	struct smtp_mail *mail, struct error *err)
{
	struct deliver_fitted fitted = {.is_on = false};

	if (!deliver_fit(d, long_lines, spill_dir, mail, &fitted, err))
		return false;

	bool is_answered = smtp_send(d->session, mail, err);

	deliver_unfit(&fitted);
	return is_answered;
}

void deliver_many(struct deliverer *d, const struct smtp_feed *feed)
{
	smtp_send_many(d->session, feed);
}

const char *deliver_peer(const struct deliverer *d)
{
	return d->peer;
}

const char *deliver_host(const struct deliverer *d)
{
	return d->host.name;
}

void deliver_enter_run(struct deliverer *d)
{
	d->params.reply_ms = reply_limit_ms(d->account, true);
	d->params.trace = NULL;
	smtp_go_on_quietly(d->session, d->params.reply_ms);
}

bool deliver_is_usable(const struct deliverer *d)
{
	return d->session && smtp_is_usable(d->session);
}

const struct account *deliver_account(const struct deliverer *d)
{
	return d->account;
}

void deliver_close(struct deliverer *d)
{
	if (!d)
		return;
	smtp_close(d->session);
	buf_done(&d->auth);
	free(d);
}
