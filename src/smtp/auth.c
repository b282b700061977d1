#include "smtp/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
	AUTH_LINE_MAX = 12288, /* octets with CRLF, RFC 4954 section 4 */
	AUTH_STEPS_MAX = 8,    /* challenges in one exchange; the longest needs two */
	AUTH_TRIALS_MAX = 12,  /* exchanges in one login: mechanisms, bindings, a fresh secret */
};

#define BIT(mechanism) (1U << (mechanism))

/* What is known while the trials of one login go on. */
struct login {
	struct smtp_session *session;
	unsigned candidates; /* mechanisms not yet ruled out */
	struct buf secret;   /* wiped */
	bool has_secret;
	bool was_refreshed;
	enum tls_binding binding_kind;
	struct buf binding;
	bool can_bind;
	bool used_secret; /* in the last exchange */
};

static void login_done(struct login *l)
{
	l->session->secret = (struct slice){0};
	mem_wipe(l->session->echo, sizeof(l->session->echo));
	buf_wipe(&l->secret);
	buf_done(&l->binding);
}

static bool is_auto(const char *list)
{
	return !list || slice_ieq(slice_trim(slice_of(list)), SLICE("auto"));
}

static bool is_none(const char *list)
{
	return list && slice_ieq(slice_trim(slice_of(list)), SLICE("none"));
}

unsigned auth_allowed(const char *list)
{
	unsigned allowed = 0;
	struct slice rest = slice_of(list);

	if (is_auto(list))
		return BIT(SASL_SCRAM_SHA_256_PLUS) | BIT(SASL_SCRAM_SHA_1_PLUS) |
		       BIT(SASL_SCRAM_SHA_256) | BIT(SASL_SCRAM_SHA_1) | BIT(SASL_PLAIN) |
		       BIT(SASL_LOGIN);
	for (;;) {
		struct slice name = slice_word(&rest, " \t,");
		enum sasl_mechanism mechanism;

		if (name.len == 0)
			return allowed;
		if (sasl_find(name, &mechanism))
			allowed |= BIT(mechanism);
	}
}

/* A client certificate without a password logs in by EXTERNAL, if at all. */
static bool by_certificate(const struct smtp_params *p)
{
	return is_auto(p->auth) && p->policy.cert_file && !p->secret;
}

static bool is_wanted(const struct smtp_session *s)
{
	const struct smtp_params *p = &s->params;

	if (is_none(p->auth))
		return false;
	if (by_certificate(p))
		return (s->caps.mechanisms & BIT(SASL_EXTERNAL)) != 0;
	return p->secret || (!is_auto(p->auth) && auth_allowed(p->auth) == BIT(SASL_EXTERNAL));
}

/* ---- Choice ---- */

static bool find_binding(struct login *l, enum tls_binding kind)
{
	buf_clear(&l->binding);
	l->binding_kind = kind;
	l->can_bind = tls_is_on(l->session->stream) &&
		      tls_channel_binding(l->session->stream, kind, &l->binding) &&
		      l->binding.len > 0;
	return l->can_bind;
}

static bool choose(const struct login *l, enum sasl_mechanism *out)
{
	for (unsigned i = 0; i < SASL_COUNT; i++) {
		enum sasl_mechanism mechanism = (enum sasl_mechanism)i;

		if ((l->candidates & BIT(i)) == 0 ||
			(sasl_binds_channel(mechanism) && !l->can_bind))
			continue;
		*out = mechanism;
		return true;
	}
	return false;
}

static bool nothing_to_choose(const struct smtp_session *s, struct error *err)
{
	if (!s->caps.auth) {
		error_set(err, EX_NOPERM, "%s: the server offers no login (AUTH)", s->peer);
		return error_hint(err, "for a server without login set auth = none");
	}
	error_set(err, EX_NOPERM,
		"%s: no login mechanism in common: the server offers %s, allowed is %s", s->peer,
		s->caps.auth_names[0] ? s->caps.auth_names : "none",
		s->params.auth ? s->params.auth : "auto");
	return error_hint(err, "set auth to one of the server's mechanisms");
}

/* The server may be asked without channel binding for two reasons; it must
 * know which, so that nobody can strip its offer (RFC 5802 section 6). */
static bool must_tell_unused(const struct login *l)
{
	unsigned plus = BIT(SASL_SCRAM_SHA_256_PLUS) | BIT(SASL_SCRAM_SHA_1_PLUS);

	return l->can_bind && (l->session->caps.mechanisms & plus) == 0;
}

/* ---- One exchange ---- */

/* After "*" the server answers 501; whatever it says, the error stands. */
static bool cancel(struct smtp_session *s, const struct error *cause)
{
	struct error ignored = {0};

	dialogue_put(s, SLICE("*"));
	if (!dialogue_read(s, PHASE_AUTH, s->setup_ms, &ignored))
		return false;
	return dialogue_end(s, cause);
}

/* AUTH with the first response where it fits (RFC 4954 section 4); else it
 * is kept for the first, empty challenge. */
static void put_auth(
	struct smtp_session *s, enum sasl_mechanism mechanism, bool has_first, struct buf *first)
{
	CLEANUP(buf_wipe) struct buf line = BUF((size_t)2 * SASL_TEXT_MAX);
	CLEANUP(buf_done) struct buf shown = BUF(64);

	buf_printf(&line, "AUTH %s", sasl_name(mechanism));
	buf_printf(&shown, "AUTH %s", sasl_name(mechanism));
	if (has_first && line.len + 1 + (first->len + 2) / 3 * 4 + 2 <= AUTH_LINE_MAX) {
		buf_add_text(&line, first->len == 0 ? " =" : " ");
		base64_encode(&line, buf_slice(first));
		buf_add_text(&shown, " ***");
		buf_wipe(first);
	} else if (has_first && first->len == 0) {
		buf_add_text(&line, " =");
	}
	dialogue_put_secret(s, buf_slice(&line), buf_text(&shown));
}

static void put_response(struct smtp_session *s, const struct buf *response)
{
	CLEANUP(buf_wipe) struct buf line = BUF((size_t)2 * SASL_TEXT_MAX);

	base64_encode(&line, buf_slice(response));
	dialogue_put_secret(s, buf_slice(&line), "***");
}

static bool answer(struct smtp_session *s, struct sasl *sasl, struct buf *first, struct error *err)
{
	CLEANUP(buf_wipe) struct buf response = BUF(SASL_TEXT_MAX);
	struct slice challenge = buf_slice(&s->reply.text);

	if (challenge.len > 0)
		challenge.len--; /* the LF of the last line */
	if (first->len > 0) {
		/* The challenge in front of a held back response is empty; some
		 * servers put words there. */
		put_response(s, first);
		buf_wipe(first);
		return true;
	}
	if (!sasl_step(sasl, challenge, &response, err)) {
		error_prefix(err, "%s", s->peer);
		return false;
	}
	put_response(s, &response);
	return true;
}

/* The whole exchange up to a reply that is no challenge, which is left in
 * s->reply. False where the connection or the exchange broke. */
static bool exchange(struct smtp_session *s, const struct sasl_params *params, struct sasl *sasl,
	struct error *err)
{
	CLEANUP(buf_wipe) struct buf first = BUF(SASL_TEXT_MAX);
	bool has_first = sasl_start(sasl, &first);

	put_auth(s, params->mechanism, has_first, &first);
	if (!dialogue_read(s, PHASE_AUTH, s->setup_ms, err))
		return false;
	for (int step = 0; s->reply.code == 334; step++) {
		if (step >= AUTH_STEPS_MAX) {
			error_set(err, EX_PROTOCOL, "%s: the server's login challenges do not end",
				s->peer);
			error_fate(err, FATE_LATER);
			return cancel(s, err);
		}
		if (!answer(s, sasl, &first, err))
			return cancel(s, err);
		if (!dialogue_read(s, PHASE_AUTH, s->setup_ms, err))
			return false;
	}
	if (s->reply.code == 235 && !sasl_is_complete(sasl)) {
		error_set(err, EX_PROTOCOL,
			"%s: the server ends the login before it has proved itself", s->peer);
		error_fate(err, FATE_LATER);
		return dialogue_end(s, err);
	}
	return true;
}

/* ---- Outcome ---- */

static bool refused(struct login *l, const char *remark, struct error *err)
{
	struct smtp_session *s = l->session;

	if (s->reply.code < 400)
		return dialogue_broken(s, PHASE_AUTH, err);
	dialogue_refused(s, PHASE_AUTH, err);
	if (remark[0]) {
		size_t len = strlen(err->text);

		snprintf(err->text + len, sizeof(err->text) - len, " (%s)", remark);
	}
	if (s->reply.code < 500)
		return false;
	err->exit_code = EX_NOPERM;
	error_fate(err, FATE_PERMANENT);
	return error_hint(err, "check user and password of the account, and whether the provider "
			       "asks for an app password");
}

static void release_sasl(struct sasl **sasl)
{
	sasl_free(*sasl);
}

/* Tries one mechanism. *settled: true when the login succeeded. */
static bool try_mechanism(
	struct login *l, enum sasl_mechanism mechanism, bool *settled, struct error *err)
{
	struct smtp_session *s = l->session;
	struct sasl_params params = {
		.mechanism = mechanism,
		.user = s->params.user ? s->params.user : "",
		.secret = buf_slice(&l->secret),
		.host = s->params.target.host,
		.port = s->params.target.port,
		.binding_unused = must_tell_unused(l),
	};
	CLEANUP(release_sasl) struct sasl *sasl = NULL;

	if (sasl_binds_channel(mechanism)) {
		params.binding_name = l->binding_kind == TLS_BINDING_EXPORTER
					      ? "tls-exporter"
					      : "tls-server-end-point";
		params.binding = buf_slice(&l->binding);
	}
	*settled = false;
	if (!sasl_new(&params, &sasl, err)) {
		error_prefix(err, "%s", s->peer);
		return dialogue_end(s, err);
	}
	if (!exchange(s, &params, sasl, err))
		return false;
	l->used_secret = sasl_has_used_secret(sasl);
	*settled = s->reply.code == 235;
	return *settled || refused(l, sasl_remark(sasl), err);
}

static bool get_secret(struct login *l, bool fresh, struct error *err)
{
	struct smtp_session *s = l->session;

	int64_t before_ms = clock_now_ms();

	buf_wipe(&l->secret);
	l->has_secret = true;

	bool is_there = s->params.secret(s->params.secret_context, fresh, &l->secret, err);

	/* A command may ask the person: that time is not the server's, and has a
	 * limit of its own. */
	s->setup_ms += clock_now_ms() - before_ms;
	s->secret = buf_slice(&l->secret);
	return is_there;
}

/* After a refusal: is there another way? Never the same secret twice with
 * another mechanism where it was the secret that was refused: such trials lock
 * accounts. */
static bool can_try_again(struct login *l, enum sasl_mechanism mechanism)
{
	struct smtp_session *s = l->session;
	struct error ignored = {0};
	int code = s->reply.code;

	if (s->is_over || code < 500)
		return false;
	if (sasl_binds_channel(mechanism) && !l->used_secret) {
		if (l->binding_kind != TLS_BINDING_EXPORTER ||
			!find_binding(l, TLS_BINDING_SERVER_END_POINT))
			l->candidates &= ~BIT(mechanism);
		return true;
	}
	if (code == 504 || code == 534 || !l->used_secret) {
		l->candidates &= ~BIT(mechanism);
		return l->candidates != 0;
	}
	if (!s->params.secret_can_refresh || l->was_refreshed || !l->has_secret)
		return false;
	l->was_refreshed = true;
	/* Where no other can be had the refusal is the better answer. */
	return get_secret(l, true, &ignored);
}

static bool run_trials(struct login *l, struct error *err)
{
	struct smtp_session *s = l->session;
	struct error refusal = {0};

	for (int trial = 0; trial < AUTH_TRIALS_MAX; trial++) {
		enum sasl_mechanism mechanism;
		bool settled;

		if (!choose(l, &mechanism))
			break;
		if (sasl_needs_secret(mechanism) && !l->has_secret && !get_secret(l, false, err))
			return false;
		if (try_mechanism(l, mechanism, &settled, &refusal))
			return true;
		*err = refusal;
		if (!can_try_again(l, mechanism))
			return false;
	}
	if (refusal.exit_code == 0)
		return nothing_to_choose(s, err);
	*err = refusal;
	return false;
}

bool auth_login(struct smtp_session *s, struct error *err)
{
	const struct smtp_params *p = &s->params;
	CLEANUP(login_done)
	struct login l = {
		.session = s,
		.secret = BUF(SASL_TEXT_MAX),
		.binding = BUF(1024),
	};

	if (!is_wanted(s))
		return true;
	if (!tls_is_on(s->stream) && !p->clear_login_allowed) {
		error_set(err, EX_CONFIG, "%s: a login without TLS is not allowed", s->peer);
		return error_hint(err, "set tls = starttls, or insecure_login = yes if you must");
	}
	if (p->secret && !p->user)
		return error_set(
			err, EX_CONFIG, "%s: a password, but no user for the login", s->peer);
	l.candidates = by_certificate(p) ? BIT(SASL_EXTERNAL) : auth_allowed(p->auth);
	l.candidates &= s->caps.mechanisms;
	if (!p->secret)
		l.candidates &= BIT(SASL_EXTERNAL);
	if (!find_binding(&l, TLS_BINDING_EXPORTER))
		find_binding(&l, TLS_BINDING_SERVER_END_POINT);
	return run_trials(&l, err);
}
