/* SCRAM of RFC 5802 and 7677, with the channel bindings of RFC 5929 and 9266. */
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "smtp/sasl_parts.h"

/* What the server-first-message says. */
struct server_first {
	struct slice nonce;
	struct slice salt; /* base64 */
	uint64_t rounds;
};

/* The keys of a login; wiped when it is over. */
struct scram_keys {
	unsigned char salted[32];
	unsigned char client[32];
	unsigned char stored[32];
	unsigned char server[32];
	unsigned char client_signature[32];
};

static void wipe_keys(struct scram_keys *keys)
{
	mem_wipe(keys, sizeof(*keys));
}

static bool make_nonce(char out[64], struct error *err)
{
	unsigned char random[24];
	CLEANUP(buf_done) struct buf text = BUF(63);

	if (getentropy(random, sizeof(random)) < 0)
		return error_errno(err, EX_OSERR, "the system gives no random numbers");
	base64_encode(&text, (struct slice){(const char *)random, sizeof(random)});
	memcpy(out, text.data, text.len + 1);
	return true;
}

/* gs2-header: binding, and no authorization identity (RFC 5802 section 6). */
static void make_gs2(struct sasl *s)
{
	CLEANUP(buf_done) struct buf gs2 = BUF(sizeof(s->scram.gs2) - 1);

	if (sasl_binds_channel(s->params.mechanism))
		buf_printf(&gs2, "p=%s,,", s->params.binding_name);
	else
		buf_add_text(&gs2, s->params.binding_unused ? "y,," : "n,,");
	memcpy(s->scram.gs2, buf_text(&gs2), gs2.len + 1);
}

bool scram_init(struct sasl *s, struct error *err)
{
	struct scram *scram = &s->scram;
	bool is_sha1 = s->params.mechanism == SASL_SCRAM_SHA_1 ||
		       s->params.mechanism == SASL_SCRAM_SHA_1_PLUS;

	scram->digest = is_sha1 ? TLS_SHA1 : TLS_SHA256;
	scram->digest_octets = is_sha1 ? 20 : 32;
	scram->first_bare = BUF(SASL_TEXT_MAX);
	if (sasl_binds_channel(s->params.mechanism) &&
		(!s->params.binding_name || s->params.binding.len == 0))
		return error_set(err, EX_SOFTWARE, "%s without channel binding data",
			sasl_name(s->params.mechanism));
	if (s->params.nonce)
		memcpy(scram->nonce, s->params.nonce,
			strnlen(s->params.nonce, sizeof(scram->nonce) - 1));
	else if (!make_nonce(scram->nonce, err))
		return false;
	make_gs2(s);

	/* saslname of RFC 5802 section 5.1. */
	buf_add_text(&scram->first_bare, "n=");
	for (const char *c = s->params.user; *c; c++) {
		if (*c == ',')
			buf_add_text(&scram->first_bare, "=2C");
		else if (*c == '=')
			buf_add_text(&scram->first_bare, "=3D");
		else
			buf_add_char(&scram->first_bare, *c);
	}
	buf_printf(&scram->first_bare, ",r=%s", scram->nonce);
	return true;
}

void scram_done(struct scram *scram)
{
	buf_wipe(&scram->first_bare);
}

void scram_start(struct sasl *s, struct buf *response)
{
	buf_add_text(response, s->scram.gs2);
	buf_add(response, buf_slice(&s->scram.first_bare));
}

/* Takes "x=value" and the comma behind it off *rest, where x is the letter
 * that has to come. The order is fixed (RFC 5802 section 5.1), so a mandatory
 * extension "m=" in front, a doubled or a moved attribute does not pass. */
static bool take_attribute(struct slice *rest, char letter, struct slice *value)
{
	if (rest->len < 2 || rest->ptr[0] != letter || rest->ptr[1] != '=')
		return false;

	size_t end = slice_find(*rest, ',');

	*value = slice_from(slice_upto(*rest, end), 2);
	*rest = slice_from(*rest, end == rest->len ? end : end + 1);
	return true;
}

/* Extensions behind the known attributes may be ignored, but must be
 * attributes, and none of those that have a meaning already. */
static bool are_extensions(struct slice rest)
{
	while (rest.len > 0) {
		size_t end = slice_find(rest, ',');

		if (end < 2 || !ascii_is_alpha(rest.ptr[0]) || rest.ptr[1] != '=' ||
			strchr("mnrsipcvea", rest.ptr[0]))
			return false;
		rest = slice_from(rest, end == rest.len ? end : end + 1);
	}
	return true;
}

static bool parse_first(
	const struct sasl *s, struct slice text, struct server_first *out, struct error *err)
{
	struct slice rest = text, rounds;
	struct slice ours = slice_of(s->scram.nonce);

	if (!take_attribute(&rest, 'r', &out->nonce) || !take_attribute(&rest, 's', &out->salt) ||
		!take_attribute(&rest, 'i', &rounds) || !are_extensions(rest))
		return sasl_fault(s, "sends a malformed first message", err);
	if (!slice_starts(out->nonce, ours) || out->nonce.len == ours.len)
		return sasl_fault(s, "does not continue our nonce", err);
	if (!slice_is_number(rounds, UINT32_MAX, &out->rounds) || out->rounds == 0)
		return sasl_fault(s, "sends a bad iteration count", err);
	if (out->rounds > SASL_ROUNDS_MAX)
		return sasl_fault(s, "asks for more than 1000000 iterations", err);
	return true;
}

/* Non-ASCII passwords are prepared; one that cannot be goes as it is, as
 * servers that store octets expect it. */
static void prepare(struct slice secret, struct buf *out)
{
	struct error ignored = {0};

	if (slice_has_8bit(secret) && tls_prepare_password(secret, out, &ignored))
		return;
	buf_clear(out);
	buf_add(out, secret);
}

static bool derive(const struct sasl *s, const struct server_first *first,
	struct slice auth_message, struct scram_keys *keys, struct error *err)
{
	const struct scram *scram = &s->scram;
	size_t octets = scram->digest_octets;
	CLEANUP(buf_done) struct buf salt = BUF(1024);
	CLEANUP(buf_wipe) struct buf password = BUF(SASL_TEXT_MAX);

	if (!base64_decode(&salt, first->salt) || salt.len == 0)
		return sasl_fault(s, "sends a bad salt", err);
	prepare(s->params.secret, &password);

	struct slice salted = {(const char *)keys->salted, octets};
	struct slice client = {(const char *)keys->client, octets};
	struct slice stored = {(const char *)keys->stored, octets};

	return tls_pbkdf2(scram->digest, buf_slice(&password), buf_slice(&salt),
		       (unsigned)first->rounds, keys->salted, err) &&
	       tls_hmac(scram->digest, salted, SLICE("Client Key"), keys->client, err) &&
	       tls_hash(scram->digest, client, keys->stored, err) &&
	       tls_hmac(scram->digest, stored, auth_message, keys->client_signature, err) &&
	       tls_hmac(scram->digest, salted, SLICE("Server Key"), keys->server, err);
}

static bool answer_first(
	struct sasl *s, struct slice challenge, struct buf *response, struct error *err)
{
	struct scram *scram = &s->scram;
	struct server_first first;
	CLEANUP(wipe_keys) struct scram_keys keys = {0};
	CLEANUP(buf_done) struct buf final = BUF(SASL_TEXT_MAX);
	CLEANUP(buf_done) struct buf bound = BUF(SASL_TEXT_MAX);
	CLEANUP(buf_done) struct buf message = BUF((size_t)4 * SASL_TEXT_MAX);

	if (!parse_first(s, challenge, &first, err))
		return false;
	buf_add_text(&bound, scram->gs2);
	if (sasl_binds_channel(s->params.mechanism))
		buf_add(&bound, s->params.binding);
	buf_add_text(&final, "c=");
	base64_encode(&final, buf_slice(&bound));
	buf_add_text(&final, ",r=");
	buf_add(&final, first.nonce);

	buf_add(&message, buf_slice(&scram->first_bare));
	buf_add_char(&message, ',');
	buf_add(&message, challenge);
	buf_add_char(&message, ',');
	buf_add(&message, buf_slice(&final));
	if (!derive(s, &first, buf_slice(&message), &keys, err) ||
		!tls_hmac(scram->digest,
			(struct slice){(const char *)keys.server, scram->digest_octets},
			buf_slice(&message), scram->signature, err))
		return false;

	for (size_t i = 0; i < scram->digest_octets; i++)
		keys.client[i] ^= keys.client_signature[i];
	buf_add(response, buf_slice(&final));
	buf_add_text(response, ",p=");
	base64_encode(response, (struct slice){(const char *)keys.client, scram->digest_octets});
	s->has_used_secret = true;
	scram->stage = SCRAM_PROOF;
	return true;
}

/* Compares in a time that does not depend on the place of a difference. */
static bool is_same(const unsigned char *a, const unsigned char *b, size_t octets)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < octets; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

static bool check_final(struct sasl *s, struct slice challenge, struct error *err)
{
	struct scram *scram = &s->scram;
	struct slice rest = challenge, value;
	CLEANUP(buf_done) struct buf signature = BUF(64);

	if (!take_attribute(&rest, 'v', &value) || !are_extensions(rest) ||
		!base64_decode(&signature, value) || signature.len != scram->digest_octets)
		return sasl_fault(s, "sends a malformed last message", err);
	if (!is_same((const unsigned char *)signature.data, scram->signature, signature.len))
		return sasl_fault(s, "does not prove that it knows the password", err);
	scram->stage = SCRAM_ENDED;
	s->is_complete = true;
	return true;
}

bool scram_step(struct sasl *s, struct slice challenge, struct buf *response, struct error *err)
{
	/* server-error: after our empty answer the server says 535. */
	if (s->scram.stage != SCRAM_ENDED && slice_starts(challenge, SLICE("e="))) {
		text_sanitize_into(s->remark, sizeof(s->remark), slice_from(challenge, 2));
		s->scram.stage = SCRAM_ENDED;
		return true;
	}
	switch (s->scram.stage) {
	case SCRAM_FIRST:
		return answer_first(s, challenge, response, err);
	case SCRAM_PROOF:
		return check_final(s, challenge, err);
	case SCRAM_ENDED:
		break;
	}
	return sasl_fault(s, "asks for more after the end of the mechanism", err);
}
