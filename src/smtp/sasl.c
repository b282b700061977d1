#include "smtp/sasl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "smtp/sasl_parts.h"

typedef void start_fn(struct sasl *s, struct buf *response);
typedef bool step_fn(
	struct sasl *s, struct slice challenge, struct buf *response, struct error *err);

bool sasl_fault(const struct sasl *s, const char *what, struct error *err)
{
	error_set(err, EX_PROTOCOL, "login with %s failed: the server %s",
		sasl_name(s->params.mechanism), what);
	return error_fate(err, FATE_LATER);
}

/* After the one response of PLAIN or EXTERNAL the server has nothing to ask. */
static bool step_none(struct sasl *s, UNUSED struct slice challenge, UNUSED struct buf *response,
	struct error *err)
{
	return sasl_fault(s, "asks for more than the mechanism has", err);
}

static void start_plain(struct sasl *s, struct buf *response)
{
	buf_add_char(response, '\0');
	buf_add_text(response, s->params.user);
	buf_add_char(response, '\0');
	buf_add(response, s->params.secret);
	s->is_complete = s->has_used_secret = true;
}

static void start_external(struct sasl *s, struct buf *response)
{
	buf_add_text(response, s->params.user);
	s->is_complete = s->has_used_secret = true;
}

/* The words of the two challenges differ between servers and are not read. */
static bool step_login(
	struct sasl *s, UNUSED struct slice challenge, struct buf *response, struct error *err)
{
	if (s->steps > 2)
		return sasl_fault(s, "asks for more than name and password", err);
	if (s->steps == 1) {
		buf_add_text(response, s->params.user);
		return true;
	}
	buf_add(response, s->params.secret);
	s->is_complete = s->has_used_secret = true;
	return true;
}

static bool step_cram(
	struct sasl *s, struct slice challenge, struct buf *response, struct error *err)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[32];

	if (s->steps > 1)
		return sasl_fault(s, "sends a second challenge", err);
	if (challenge.len == 0)
		return sasl_fault(s, "sends an empty challenge", err);
	if (!tls_hmac(TLS_MD5, s->params.secret, challenge, digest, err))
		return false;
	buf_add_text(response, s->params.user);
	buf_add_char(response, ' ');
	for (size_t i = 0; i < 16; i++) {
		buf_add_char(response, hex[digest[i] >> 4]);
		buf_add_char(response, hex[digest[i] & 15]);
	}
	s->is_complete = s->has_used_secret = true;
	return true;
}

/* RFC 7628 section 3.1; the authorization identity as RFC 5801 saslname. */
static void start_oauthbearer(struct sasl *s, struct buf *response)
{
	buf_add_text(response, "n,a=");
	for (const char *c = s->params.user; *c; c++) {
		if (*c == ',')
			buf_add_text(response, "=2C");
		else if (*c == '=')
			buf_add_text(response, "=3D");
		else
			buf_add_char(response, *c);
	}
	buf_printf(response, ",\001host=%s\001port=%u\001auth=Bearer ",
		s->params.host ? s->params.host : "", s->params.port);
	buf_add(response, s->params.secret);
	buf_add_text(response, "\001\001");
	s->is_complete = s->has_used_secret = true;
}

static void start_xoauth2(struct sasl *s, struct buf *response)
{
	buf_printf(response, "user=%s\001auth=Bearer ", s->params.user);
	buf_add(response, s->params.secret);
	buf_add_text(response, "\001\001");
	s->is_complete = s->has_used_secret = true;
}

/* Short words are found in a long token by chance. */
enum { ECHO_MIN = 4 };

/* The value of one field of a flat JSON object, string or number; no more of
 * the answer is shown, because servers have been seen to echo tokens, and
 * nothing that is a part of the token. */
static void json_field(
	const struct sasl *s, struct slice json, const char *name, char *out, size_t space)
{
	char quoted[32];

	out[0] = '\0';
	snprintf(quoted, sizeof(quoted), "\"%s\"", name);

	size_t at = slice_search(json, slice_of(quoted));
	struct slice rest = slice_trim(slice_from(json, at + strlen(quoted)));

	if (at == json.len || rest.len == 0 || rest.ptr[0] != ':')
		return;
	rest = slice_trim(slice_from(rest, 1));
	if (rest.len > 0 && rest.ptr[0] == '"')
		rest = slice_from(rest, 1);

	size_t len = 0;

	while (len < rest.len && len < 32 &&
		(ascii_is_alnum(rest.ptr[len]) || rest.ptr[len] == '_' || rest.ptr[len] == '-'))
		len++;

	struct slice word = slice_upto(rest, len);

	if (len >= ECHO_MIN && slice_search(s->params.secret, word) < s->params.secret.len)
		return;
	snprintf(out, space, "%.*s", SLICE_ARG(word));
}

static void note_oauth_error(struct sasl *s, struct slice json)
{
	char status[40], scheme[40];

	json_field(s, json, "status", status, sizeof(status));
	json_field(s, json, "schemes", scheme, sizeof(scheme));
	if (!scheme[0])
		json_field(s, json, "scheme", scheme, sizeof(scheme));
	snprintf(s->remark, sizeof(s->remark), "%s%s%s%s%s", status[0] ? "status " : "", status,
		status[0] && scheme[0] ? ", " : "", scheme[0] ? "scheme " : "", scheme);
}

/* A challenge here means refusal: after our empty answer (XOAUTH2) or ^A
 * (RFC 7628 section 3.2.3) the server sends its 535. */
static bool step_oauth(
	struct sasl *s, struct slice challenge, struct buf *response, struct error *err)
{
	if (s->steps > 1)
		return sasl_fault(s, "sends a second challenge", err);
	note_oauth_error(s, challenge);
	s->is_complete = false;
	if (s->params.mechanism == SASL_OAUTHBEARER)
		buf_add_char(response, '\001');
	return true;
}

static const struct mechanism {
	struct slice name;
	start_fn *start; /* NULL: the server speaks first */
	step_fn *step;
} mechanisms[SASL_COUNT] = {
	[SASL_SCRAM_SHA_256_PLUS] = {{"SCRAM-SHA-256-PLUS", 18}, scram_start, scram_step},
	[SASL_SCRAM_SHA_1_PLUS] = {{"SCRAM-SHA-1-PLUS", 16}, scram_start, scram_step},
	[SASL_SCRAM_SHA_256] = {{"SCRAM-SHA-256", 13}, scram_start, scram_step},
	[SASL_SCRAM_SHA_1] = {{"SCRAM-SHA-1", 11}, scram_start, scram_step},
	[SASL_EXTERNAL] = {{"EXTERNAL", 8}, start_external, step_none},
	[SASL_OAUTHBEARER] = {{"OAUTHBEARER", 11}, start_oauthbearer, step_oauth},
	[SASL_XOAUTH2] = {{"XOAUTH2", 7}, start_xoauth2, step_oauth},
	[SASL_CRAM_MD5] = {{"CRAM-MD5", 8}, NULL, step_cram},
	[SASL_PLAIN] = {{"PLAIN", 5}, start_plain, step_none},
	[SASL_LOGIN] = {{"LOGIN", 5}, NULL, step_login},
};

const char *sasl_name(enum sasl_mechanism mechanism)
{
	return mechanisms[mechanism].name.ptr;
}

bool sasl_find(struct slice name, enum sasl_mechanism *out)
{
	for (unsigned i = 0; i < SASL_COUNT; i++) {
		if (slice_ieq(mechanisms[i].name, name)) {
			*out = (enum sasl_mechanism)i;
			return true;
		}
	}
	return false;
}

bool sasl_binds_channel(enum sasl_mechanism mechanism)
{
	return mechanism == SASL_SCRAM_SHA_256_PLUS || mechanism == SASL_SCRAM_SHA_1_PLUS;
}

bool sasl_needs_secret(enum sasl_mechanism mechanism)
{
	return mechanism != SASL_EXTERNAL;
}

/* NUL separates the parts of PLAIN, ^A those of the OAuth mechanisms: in the
 * parts themselves they would forge others. */
static bool is_clean(const struct sasl_params *p)
{
	bool is_oauth = p->mechanism == SASL_OAUTHBEARER || p->mechanism == SASL_XOAUTH2;

	if (slice_find(p->secret, '\0') < p->secret.len || p->secret.len > SASL_TEXT_MAX / 2)
		return false;
	if (strlen(p->user) > 4096)
		return false;
	return !is_oauth ||
	       (slice_find(p->secret, '\001') == p->secret.len && !strchr(p->user, '\001'));
}

bool sasl_new(const struct sasl_params *params, struct sasl **out, struct error *err)
{
	if (!is_clean(params))
		return error_set(err, EX_CONFIG,
			"user name or password cannot be used with %s: it is too long or holds a "
			"control character",
			sasl_name(params->mechanism));

	struct sasl *s = mem_alloc(sizeof(*s));

	s->params = *params;
	if (mechanisms[params->mechanism].step == scram_step && !scram_init(s, err)) {
		sasl_free(s);
		return false;
	}
	*out = s;
	return true;
}

void sasl_free(struct sasl *s)
{
	if (!s)
		return;
	scram_done(&s->scram);
	mem_wipe(s, sizeof(*s));
	free(s);
}

bool sasl_start(struct sasl *s, struct buf *response)
{
	const struct mechanism *m = &mechanisms[s->params.mechanism];

	if (m->start)
		m->start(s, response);
	return m->start;
}

bool sasl_step(struct sasl *s, struct slice challenge, struct buf *response, struct error *err)
{
	CLEANUP(buf_wipe) struct buf decoded = BUF(SASL_CHALLENGE_MAX);

	s->steps++;
	if (challenge.len > SASL_CHALLENGE_MAX || !base64_decode(&decoded, challenge))
		return sasl_fault(s, "sends a challenge that is not base64 or too long", err);
	return mechanisms[s->params.mechanism].step(s, buf_slice(&decoded), response, err);
}

bool sasl_is_complete(const struct sasl *s)
{
	return s->is_complete;
}

bool sasl_has_used_secret(const struct sasl *s)
{
	return s->has_used_secret;
}

const char *sasl_remark(const struct sasl *s)
{
	return s->remark;
}
