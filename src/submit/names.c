#include "submit/names.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/guard.h"

enum { LONGEST_HOST = 255 };

/* The name of this host, where it has the letters of one. */
static const char *own_host(struct arena *arena)
{
	char name[LONGEST_HOST + 1] = "";

	if (gethostname(name, sizeof(name) - 1) < 0)
		return "";
	for (char *c = name; *c; c++) {
		*c = ascii_lower(*c);
		if (!ascii_is_alnum(*c) && *c != '-' && *c != '.')
			return "";
	}
	return arena_strdup(arena, name);
}

/* The first part of the GECOS field; "&" stands for the login, capitalised. */
static const char *name_of_gecos(struct arena *arena, const char *gecos, const char *login)
{
	CLEANUP(buf_done) struct buf name = BUF(1024);

	for (const char *c = gecos ? gecos : ""; *c && *c != ','; c++) {
		if (*c != '&' || !*login) {
			buf_add_char(&name, *c);
			continue;
		}
		buf_add_char(&name, ascii_upper(login[0]));
		buf_add_text(&name, login + 1);
	}
	return arena_dup(arena, slice_trim(buf_slice(&name)));
}

const char *names_local_part(struct arena *arena, const char *login)
{
	CLEANUP(buf_done) struct buf quoted = BUF(1024);
	struct mailbox box;
	struct error ignored = {0};

	buf_add_char(&quoted, '"');
	for (const char *c = login; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_add_char(&quoted, '\\');
		buf_add_char(&quoted, *c);
	}
	buf_add_char(&quoted, '"');
	if (!*login || quoted.is_full ||
		!address_parse_one(arena, buf_slice(&quoted), &box, &ignored) || box.domain[0])
		return NULL;
	return box.local;
}

void names_init(struct names *n, const struct config *config)
{
	*n = (struct names){.config = config, .full_name = ""};
	n->host = own_host(&n->arena);
}

/* The user database may be a server on the network: most messages name all
 * that it could tell, and then it is not asked. */
static void look_up_caller(struct names *n)
{
	const struct passwd *who = n->knows_caller ? NULL : getpwuid(getuid());

	n->knows_caller = true;
	if (!who)
		return;
	n->login = names_local_part(&n->arena, who->pw_name);
	n->full_name = name_of_gecos(&n->arena, who->pw_gecos, who->pw_name);
}

const char *names_login(struct names *n)
{
	look_up_caller(n);
	return n->login;
}

const char *names_full_name(struct names *n)
{
	look_up_caller(n);
	return n->full_name;
}

void names_done(struct names *n)
{
	aliases_done(&n->aliases);
	arena_done(&n->found);
	arena_done(&n->arena);
}

void names_forget(struct names *n)
{
	arena_done(&n->found);
}

static bool is_own_login(struct names *n, struct slice local)
{
	const char *login = names_login(n);

	return login && slice_eq(local, slice_of(login));
}

/* True for a bare name, and for a name at this very host. */
static bool is_bare(const struct names *n, const struct mailbox *box)
{
	struct slice domain = slice_of(box->domain);

	if (domain.len > 1 && domain.ptr[domain.len - 1] == '.')
		domain.len--;
	if (domain.len == 0 || slice_ieq(domain, SLICE("localhost")) ||
		slice_ieq(domain, SLICE("localhost.localdomain")))
		return true;
	return n->host[0] == ascii_lower(domain.ptr[0]) && slice_ieq(domain, slice_of(n->host)) &&
	       !(n->config->mail.domain && slice_ieq(domain, slice_of(n->config->mail.domain)));
}

/* A host name that means something elsewhere: two labels or more. */
static bool is_public_host(const char *host)
{
	return strchr(host, '.') != NULL && !slice_iends(slice_of(host), SLICE(".localdomain"));
}

static const char *at_domain(struct arena *arena, const char *local, const char *domain)
{
	return arena_printf(arena, "%s@%s", local, domain);
}

const char *names_caller_address(struct names *n)
{
	const char *login = names_login(n);

	if (!login)
		return NULL;
	if (n->config->mail.domain)
		return at_domain(&n->found, login, n->config->mail.domain);
	return is_public_host(n->host) ? at_domain(&n->found, login, n->host) : NULL;
}

enum { LARGEST_ALIASES = 4 * 1024 * 1024 };

static bool read_aliases_file(struct names *n, const char *path, struct error *err)
{
	CLEANUP(fd_close) int fd = guard_open(path);
	CLEANUP(buf_done) struct buf text = BUF(LARGEST_ALIASES);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, EX_CONFIG, "cannot open the aliases file '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EX_CONFIG, "the aliases file '%s' is no regular file", path);
	if (!file_read_all(fd, &text, path, err)) {
		err->exit_code = EX_CONFIG;
		return false;
	}
	return aliases_parse(&n->aliases, path, buf_slice(&text), err);
}

bool names_load_aliases(struct names *n, struct error *err)
{
	const struct config *c = n->config;

	if (n->has_aliases)
		return true;
	/* The first definition counts, so the configuration's own come first. */
	for (size_t i = 0; i < c->alias_count; i++)
		if (!aliases_add(&n->aliases, slice_of(c->aliases[i].name),
			    slice_of(c->aliases[i].target), c->aliases[i].origin, err))
			return false;
	if (c->mail.aliases_file && !read_aliases_file(n, c->mail.aliases_file, err))
		return false;
	n->has_aliases = true;
	return true;
}

/* A bare name that no alias knows. */
static bool find_bare_address(
	struct names *n, struct slice name, const char **out, struct error *err)
{
	char *local = arena_dup(&n->found, name);

	if (is_own_login(n, name) && n->account && n->account->from) {
		*out = n->account->from;
		return true;
	}
	if (n->config->mail.domain) {
		*out = at_domain(&n->found, local, n->config->mail.domain);
		return true;
	}
	error_set(err, EX_DATAERR, "the recipient '%s' has no domain", local);
	return error_hint(err,
		"write '%s = you@example.com' or '* = you@example.com' under [aliases], or set "
		"'domain' under [mail]",
		local);
}

/* What a bare name stands for: its aliases' addresses, or one of its own. */
static bool add_bare(
	struct names *n, const struct mailbox *box, struct envelope *envelope, struct error *err)
{
	struct mailbox bare = {.local = box->local, .domain = ""};
	struct mailbox_list list = {0};

	if (!names_load_aliases(n, err) ||
		!aliases_expand(&n->aliases, &n->found, &bare, &list, err))
		return false;
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox *found = &list.items[i];
		const char *address;

		if (is_bare(n, found) ? !find_bare_address(n, slice_of(found->local), &address, err)
				      : !address_wire(&n->found, found, &address, err))
			return false;
		envelope_add(envelope, address);
	}
	return true;
}

bool names_add_recipient(
	struct names *n, const struct mailbox *box, struct envelope *envelope, struct error *err)
{
	const char *address;

	if (is_bare(n, box))
		return add_bare(n, box, envelope, err);
	if (!address_wire(&n->found, box, &address, err))
		return false;
	envelope_add(envelope, address);
	return true;
}

bool names_sender(struct names *n, const struct mailbox *box, const char **out, struct error *err)
{
	const char *from = n->account ? n->account->from : NULL;

	if (!box->local[0] && !box->domain[0]) {
		*out = "";
		return true;
	}
	if (!is_bare(n, box))
		return address_wire(&n->found, box, out, err);
	if (is_own_login(n, slice_of(box->local)) && from)
		*out = from;
	else if (n->config->mail.domain)
		*out = at_domain(&n->found, box->local, n->config->mail.domain);
	else if (from)
		*out = from;
	else if (is_public_host(n->host))
		*out = at_domain(&n->found, box->local, n->host);
	else {
		error_set(err, EX_DATAERR, "the sender '%s' has no domain", box->local);
		return error_hint(err, "set 'from' in the account or 'domain' under [mail]");
	}
	return true;
}

/* The one whole address that a bare name stands for, or NULL. */
static const char *single_address(struct names *n, const struct mailbox *box)
{
	CLEANUP(envelope_done) struct envelope scratch = {.sender = ""};
	struct error ignored = {0};

	if (!add_bare(n, box, &scratch, &ignored) || scratch.count != 1)
		return NULL;
	return arena_strdup(&n->found, scratch.recipients[0].address);
}

const char *names_qualify(void *context, struct arena *arena, const struct mailbox *box)
{
	struct names *n = context;
	const char *target;

	if (!is_bare(n, box))
		return NULL;
	if (n->config->mail.domain)
		return at_domain(arena, box->local, n->config->mail.domain);
	target = single_address(n, box);
	if (target)
		return arena_strdup(arena, target);
	/* A name at this host says as much as could be said here. */
	if (box->domain[0] != '\0')
		return NULL;
	return at_domain(arena, box->local, n->host[0] ? n->host : "localhost");
}
