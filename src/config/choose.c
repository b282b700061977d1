#include "config/account.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/host.h"
#include "config/options.h"
#include "mail/address.h"

/* --- what fits -------------------------------------------------------------------- */

/* "*" stands for any text. Goes back to the last star alone, so the time is at
 * most the product of both lengths. */
static bool fits(struct slice pattern, struct slice text, bool is_domain)
{
	size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

	while (t < text.len) {
		char want = p < pattern.len ? pattern.ptr[p] : '\0';
		char have = is_domain ? ascii_lower(text.ptr[t]) : text.ptr[t];

		if (p < pattern.len && want == '*') {
			star = p++;
			mark = t;
		} else if (p < pattern.len && (is_domain ? ascii_lower(want) : want) == have) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}

static struct slice local_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return (struct slice){address, at ? (size_t)(at - address) : strlen(address)};
}

static bool pattern_fits(const char *pattern, const char *address)
{
	return fits(local_of(pattern), local_of(address), false) &&
	       fits(address_domain(pattern), address_domain(address), true);
}

/* The ways in which an account can fit, in the order of trial. */
typedef bool fit_fn(const struct account *account, const char *address);

static bool fits_from(const struct account *account, const char *address)
{
	return account->from && address_same(account->from, address);
}

static bool fits_exact(const struct account *account, const char *address)
{
	for (size_t i = 0; i < account->match.count; i++)
		if (!strchr(account->match.items[i], '*') &&
			address_same(account->match.items[i], address))
			return true;
	return false;
}

static bool fits_pattern(const struct account *account, const char *address)
{
	for (size_t i = 0; i < account->match.count; i++)
		if (strchr(account->match.items[i], '*') &&
			pattern_fits(account->match.items[i], address))
			return true;
	return false;
}

/* Place of the account that fits, or account_count. */
static size_t find_fitting(const struct config *c, const char *address)
{
	static fit_fn *const ways[] = {fits_from, fits_exact, fits_pattern};

	if (!address || !strchr(address, '@'))
		return c->account_count;
	for (size_t way = 0; way < ARRAY_LEN(ways); way++)
		for (size_t i = 0; i < c->account_count; i++)
			if (ways[way](&c->written[i], address))
				return i;
	return c->account_count;
}

/* --- the choice ---------------------------------------------------------------------- */

static bool no_account(const struct config *c, struct error *err)
{
	bool has_files = c->looked && c->looked[0] != '\0';

	error_set(err, EX_CONFIG, "no account is configured: %s%sPILLARBOX_HOST is not set",
		has_files ? c->looked : "", has_files ? ", " : "");
	return error_hint(err,
		"write to %s, with mode 0600: [account work], and below it, each on a line of its "
		"own: host = smtp.example.com, user = ann@example.com, password_command = ..., "
		"from = ann@example.com",
		c->own_file ? c->own_file : "a file that PILLARBOX_CONFIG names");
}

struct names {
	const struct config *config;
	size_t next;
};

static const char *next_name(void *context)
{
	struct names *names = context;

	return names->next < names->config->account_count
		       ? names->config->accounts[names->next++].name
		       : NULL;
}

static bool find_named(
	const struct config *c, const char *name, const struct account **out, struct error *err)
{
	CLEANUP(buf_done) struct buf guess = BUF(256);
	struct names names = {c, 0};
	char shown[128];

	for (size_t i = 0; i < c->account_count; i++)
		if (strcmp(c->accounts[i].name, name) == 0) {
			*out = &c->accounts[i];
			return true;
		}
	text_sanitize_into(shown, sizeof(shown), slice_of(name));
	option_suggest_from(&guess, slice_of(name), next_name, &names);
	return error_set(err, EX_CONFIG, "there is no account '%s'%s", shown, buf_text(&guess));
}

bool config_choose(const struct config *c, const char *name, const char *sender,
	const char *header_from, const struct account **out, struct error *err)
{
	const struct account *chosen = c->accounts;
	size_t i;

	if (c->account_count == 0)
		return no_account(c, err);
	if (name) {
		if (!find_named(c, name, &chosen, err))
			return false;
	} else if ((i = find_fitting(c, sender)) < c->account_count ||
		   (i = find_fitting(c, header_from)) < c->account_count) {
		chosen = &c->accounts[i];
	}
	if (!account_check(chosen, err))
		return false;
	*out = chosen;
	return true;
}

/* --- whether the keys of an account fit together --------------------------------------- */

PRINTF_LIKE(3, 4)
static bool refuse(const struct account *a, struct error *err, const char *format, ...)
{
	va_list args;
	char text[512];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(err, EX_CONFIG, "%s: account '%s' %s", a->origin, a->name, text);
}

static bool has_secret(const struct account *a)
{
	return a->password || a->password_file || a->password_command || a->password_credential;
}

static bool auth_is(const struct account *a, const char *only)
{
	return a->auth.count == 1 && strcmp(a->auth.items[0], only) == 0;
}

static bool has_login(const struct account *a)
{
	return !auth_is(a, "none") && (a->user || has_secret(a) || !auth_is(a, "auto"));
}

static bool stays_here(const struct account *a)
{
	if (a->socket)
		return true;
	for (size_t i = 0; i < a->hosts.count; i++)
		if (!host_is_loopback(a->hosts.items[i]))
			return false;
	return !a->proxy;
}

static bool check_login(const struct account *a, struct error *err)
{
	if (has_secret(a) && !a->user && auth_is(a, "auto")) {
		refuse(a, err, "has a password and no user");
		return error_hint(err, "add a line: user = ...; or auth = none for no login");
	}
	if (a->tls != ACCOUNT_TLS_NONE || !has_login(a) || a->insecure_login || stays_here(a))
		return true;
	refuse(a, err,
		"has tls = none and a login: the password would cross the network for all to read");
	return error_hint(err, "use tls = starttls or implicit; or auth = none; or, if the line "
			       "is safe in another way, insecure_login = yes");
}

bool account_check(const struct account *a, struct error *err)
{
	if (a->hosts.count == 0 && !a->socket) {
		refuse(a, err, "has no server");
		return error_hint(err, "add a line: host = smtp.example.com");
	}
	if (a->tls_key_file && !a->tls_cert_file)
		return refuse(a, err, "has tls_key_file without tls_cert_file");
	if (a->require_tls && a->tls == ACCOUNT_TLS_NONE)
		return refuse(a, err, "has require_tls = yes and tls = none");
	if (a->forces_from && !a->from)
		return refuse(a, err, "has from_policy = force and no from");
	return check_login(a, err);
}
