#include "config/options.h"

#include <string.h>

#include "base/text.h"
#include "config/account.h"

/* A row's section and key, type, and place. */
#define ACCOUNT(name, kind, field)                                                                 \
	.section = "account", .key = name, .type = kind, .place = offsetof(struct account, field)
#define GLOBAL(table, name, kind, field)                                                           \
	.section = table, .key = name, .type = kind, .place = offsetof(struct config, field)

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, YEAR = 365 * DAY };

#define GIBIBYTE (INT64_C(1) << 30)

const struct option options[] = {
	{ACCOUNT("host", OPTION_HOSTS, hosts), .otherwise = "none; needed unless socket is given",
		.help = "Servers to submit to, in the order of trial: names, IP addresses, or "
			"srv:domain",
		.group = OPTION_OF_SERVER},
	{ACCOUNT("port", OPTION_PORT, port),
		.otherwise = "587; 465 with tls = implicit; 25 with tls = none; 24 with lmtp",
		.help = "Port of the server"},
	{ACCOUNT("tls", OPTION_CHOICE, tls), .value = "starttls",
		.help = "When TLS begins: by STARTTLS, at once, or never",
		.choices = "starttls implicit none"},
	{ACCOUNT("protocol", OPTION_EITHER, is_lmtp), .value = "smtp",
		.help = "Language of the server", .choices = "smtp lmtp"},

	{ACCOUNT("tls_trust_file", OPTION_PATH, tls_trust_file), .otherwise = "the system's store",
		.help = "File or directory of trusted authorities, PEM"},
	{ACCOUNT("tls_host", OPTION_HOST_NAME, tls_host),
		.otherwise = "the host that is connected to",
		.help = "Name that the server's certificate has to hold"},
	{ACCOUNT("tls_pin", OPTION_PINS, tls_pins), .otherwise = "none",
		.help = "SHA-256 of the public keys of which the server has to show one"},
	{ACCOUNT("tls_cert_file", OPTION_PATH_OR_TOKEN, tls_cert_file), .otherwise = "none",
		.help = "Certificate to show to the server, PEM or pkcs11:"},
	{ACCOUNT("tls_key_file", OPTION_PATH_OR_TOKEN, tls_key_file), .otherwise = "tls_cert_file",
		.help = "Private key of that certificate, PEM or pkcs11:"},
	{ACCOUNT("tls_priority", OPTION_TEXT, tls_priority), .otherwise = "TLS 1.2 and later",
		.help = "GnuTLS priority string"},

	{ACCOUNT("auth", OPTION_MECHANISMS, auth), .value = "auto",
		.help = "Login mechanisms that may be used, or auto or none",
		.choices = "auto none plain login cram-md5 scram-sha-1 scram-sha-1-plus "
			   "scram-sha-256 scram-sha-256-plus xoauth2 oauthbearer external"},
	{ACCOUNT("user", OPTION_TEXT, user), .otherwise = "none: no login",
		.help = "User name for the login"},
	{ACCOUNT("insecure_login", OPTION_YES_NO, insecure_login), .value = "no",
		.help = "Allow a login without TLS to a host that is not this one"},
	{ACCOUNT("password", OPTION_SECRET, password), .otherwise = "none",
		.help = "Password or token; the file must be closed to others",
		.group = OPTION_OF_SECRET},
	{ACCOUNT("password_file", OPTION_PATH, password_file), .otherwise = "none",
		.help = "File whose first line is the password", .group = OPTION_OF_SECRET},
	{ACCOUNT("password_command", OPTION_COMMAND, password_command), .otherwise = "none",
		.help = "Command whose first line of output is the password; run without a shell",
		.group = OPTION_OF_SECRET},
	{ACCOUNT("password_credential", OPTION_CREDENTIAL, password_credential),
		.otherwise = "none", .help = "Name of the systemd credential that is the password",
		.group = OPTION_OF_SECRET},

	{ACCOUNT("from", OPTION_ADDRESS, from),
		.otherwise = "the address of the From header, else login@domain",
		.help = "Envelope sender and address of an added From header"},
	{ACCOUNT("from_name", OPTION_TEXT, from_name),
		.otherwise = "NAME from the environment, else the full name of the login",
		.help = "Display name of an added From header"},
	{ACCOUNT("from_policy", OPTION_EITHER, forces_from), .value = "missing",
		.help = "Whether from is used where no sender was given, or always",
		.choices = "missing force"},
	{ACCOUNT("match", OPTION_PATTERNS, match), .otherwise = "none",
		.help = "Sender addresses that choose this account; * stands for any text"},
	{ACCOUNT("ehlo", OPTION_NAME_TO_SAY, ehlo),
		.otherwise = "the host's full name, else its address",
		.help = "Name to greet the server with"},

	{ACCOUNT("connect_timeout", OPTION_MILLISECONDS, connect_timeout_ms),
		.otherwise = "8s; 60s in a queue run",
		.help = "Time limit from connecting until the login is done", .min = 1,
		.max = HOUR},
	{ACCOUNT("timeout", OPTION_MILLISECONDS, timeout_ms), .value = "60s",
		.help = "Time limit for a connection on which nothing moves", .min = 1,
		.max = HOUR},
	{ACCOUNT("reply_timeout", OPTION_MILLISECONDS, reply_timeout_ms),
		.otherwise = "2m; 10m in a queue run",
		.help = "Time limit for the answer to a whole message", .min = 1, .max = HOUR},
	{ACCOUNT("source", OPTION_SOURCE, source), .otherwise = "chosen by the system",
		.help = "IP address to connect from"},
	{ACCOUNT("proxy", OPTION_PROXY, proxy), .otherwise = "none",
		.help = "SOCKS proxy to connect through: socks5://[user:password@]host:port"},
	{ACCOUNT("socket", OPTION_PATH, socket), .otherwise = "none",
		.help = "Unix socket of the server, in place of host", .group = OPTION_OF_SERVER},

	{ACCOUNT("require_tls", OPTION_YES_NO, require_tls), .value = "no",
		.help = "Demand TLS on the whole way (REQUIRETLS)"},
	{ACCOUNT("deliver_by", OPTION_DELIVER_BY, deliver_by_s), .otherwise = "no limit",
		.help = "Demand delivery within a time, else: return or notify (DELIVERBY)",
		.min = 1, .max = 999999999},
	{ACCOUNT("priority", OPTION_PRIORITY, priority), .otherwise = "none",
		.help = "Priority of the messages, -9 to 9 (MT-PRIORITY)", .min = -9, .max = 9},
	{ACCOUNT("hold_for", OPTION_HOLD, hold_for_s), .otherwise = "not held",
		.help = "Time for which the server shall hold messages back (FUTURERELEASE)",
		.min = 1, .max = 999999999},

	{GLOBAL("mail", "domain", OPTION_DOMAIN, mail.domain), .otherwise = "none",
		.help = "Domain for addresses without one"},
	{GLOBAL("mail", "aliases_file", OPTION_PATH, mail.aliases_file), .otherwise = "none",
		.help = "File of aliases in the form of /etc/aliases"},
	{GLOBAL("mail", "max_size", OPTION_SIZE, mail.max_size), .value = "50M",
		.help = "Largest message to accept", .min = 1024, .max = 1024 * GIBIBYTE},
	{GLOBAL("mail", "undisclosed", OPTION_YES_NO, mail.undisclosed), .value = "no",
		.help = "Add 'To: undisclosed-recipients:;' where no recipient is named"},
	{GLOBAL("mail", "dot_ends", OPTION_CHOICE, mail.dot_ends), .value = "tty",
		.help = "Whether a line with a single dot ends the message: on a terminal, always, "
			"never",
		.choices = "tty always never"},
	{GLOBAL("mail", "long_lines", OPTION_CHOICE, mail.long_lines), .value = "encode",
		.help = "What becomes of lines over 998 octets: encoded, passed as they are, "
			"refused",
		.choices = "encode pass refuse"},

	{GLOBAL("queue", "directory", OPTION_PATH, queue.directory),
		.otherwise = "$XDG_STATE_HOME/pillarbox/queue, else ~/.local/state/pillarbox/queue",
		.help = "Directory of the queue"},
	{GLOBAL("queue", "delivery", OPTION_CHOICE, queue.delivery), .value = "foreground",
		.help = "Deliver at once, in the background, or leave it to a queue run",
		.choices = "foreground background queue"},
	{GLOBAL("queue", "retry_min", OPTION_SECONDS, queue.retry_min_s), .value = "1m",
		.help = "Wait after the first failure; it doubles from there", .min = 1,
		.max = 30 * DAY},
	{GLOBAL("queue", "retry_max", OPTION_SECONDS, queue.retry_max_s), .value = "1h",
		.help = "Longest wait between two attempts", .min = 1, .max = 30 * DAY},
	{GLOBAL("queue", "expire", OPTION_SECONDS, queue.expire_s), .value = "5d",
		.help = "Age at which a message is given up", .min = MINUTE, .max = YEAR},
	{GLOBAL("queue", "warn", OPTION_SECONDS, queue.warn_s), .value = "4h",
		.help = "Age at which the sender is told that a message is late", .min = MINUTE,
		.max = YEAR},
	{GLOBAL("queue", "keep_failed", OPTION_SECONDS, queue.keep_failed_s), .value = "30d",
		.help = "How long messages that failed for good are kept", .min = HOUR,
		.max = INT64_C(10) * YEAR},
	{GLOBAL("queue", "max_size", OPTION_SIZE, queue.max_size), .value = "1G",
		.help = "Most octets that the queue may take", .min = 1024, .max = 1024 * GIBIBYTE},
	{GLOBAL("queue", "window", OPTION_COUNT, queue.window), .value = "10",
		.help = "Messages in flight on one connection of a queue run", .min = 1, .max = 10},

	{GLOBAL("log", "file", OPTION_PATH, log.file), .otherwise = "none",
		.help = "File to log to"},
	{GLOBAL("log", "syslog", OPTION_YES_NO, log.syslog), .value = "no",
		.help = "Log to syslog"},
	{GLOBAL("log", "format", OPTION_EITHER, log.json), .value = "text",
		.help = "Form of the log", .choices = "text json"},

	{GLOBAL("notify", "on_failure", OPTION_COMMAND, notify.on_failure), .otherwise = "none",
		.help = "Command to run when a message has failed for good"},
	{GLOBAL("notify", "on_stuck", OPTION_COMMAND, notify.on_stuck), .otherwise = "none",
		.help = "Command to run when messages wait longer than warn"},
};

const size_t option_count = ARRAY_LEN(options);

static bool has_key(const struct option *option, struct slice key)
{
	return key.len > 0 && option->key[0] == key.ptr[0] && slice_eq(slice_of(option->key), key);
}

const struct option *option_find(const char *section, struct slice key)
{
	for (size_t i = 0; i < option_count; i++)
		if (has_key(&options[i], key) && strcmp(options[i].section, section) == 0)
			return &options[i];
	return NULL;
}

/* What people write who know other programs of this kind. */
static const struct {
	const char *theirs, *ours;
} synonyms[] = {
	{"passwordeval", "password_command"},
	{"passwd", "password"},
	{"pass", "password"},
	{"authpass", "password"},
	{"authuser", "user"},
	{"username", "user"},
	{"login", "user"},
	{"server", "host"},
	{"hostname", "host"},
	{"mailhub", "host"},
	{"smarthost", "host"},
	{"relayhost", "host"},
	{"starttls", "tls"},
	{"tls_starttls", "tls"},
	{"tls_fingerprint", "tls_pin"},
	{"tls_ca_file", "tls_trust_file"},
	{"sender", "from"},
	{"helo", "ehlo"},
	{"logfile", "file"},
	{"aliases", "aliases_file"},
};

struct nearest {
	struct slice word; /* in lower case */
	char text[65];
	const char *best;
	size_t distance;
};

static void nearest_init(struct nearest *n, struct slice word)
{
	*n = (struct nearest){.distance = 3};
	word = slice_upto(word, sizeof(n->text) - 1);
	for (size_t i = 0; i < word.len; i++)
		n->text[i] = ascii_lower(word.ptr[i]);
	n->word = slice_of(n->text);
	/* In a short word everything is near everything. */
	if (word.len <= 4)
		n->distance = 2;
}

static void nearest_try(struct nearest *n, const char *candidate)
{
	size_t distance = text_distance(n->text, candidate, n->distance);

	if (distance >= n->distance)
		return;
	n->distance = distance;
	n->best = candidate;
}

static const char *synonym_of(const char *section, struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(synonyms); i++)
		if (slice_eq(slice_of(synonyms[i].theirs), word) &&
			option_find(section, slice_of(synonyms[i].ours)))
			return synonyms[i].ours;
	return NULL;
}

void option_suggest(struct buf *out, const char *section, struct slice key)
{
	struct nearest near;

	nearest_init(&near, key);
	near.best = synonym_of(section, near.word);
	if (near.best)
		near.distance = 0;
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(options[i].section, section) == 0)
			nearest_try(&near, options[i].key);
	if (near.best) {
		buf_printf(out, ": did you mean '%s'?", near.best);
		return;
	}
	for (size_t i = 0; i < option_count; i++)
		if (slice_eq(near.word, slice_of(options[i].key))) {
			bool is_account = strcmp(options[i].section, "account") == 0;

			buf_printf(out, "; it belongs in [%s%s]", options[i].section,
				is_account ? " NAME" : "");
			return;
		}
}

void option_suggest_from(
	struct buf *out, struct slice word, const char *(*next)(void *context), void *context)
{
	struct nearest near;

	nearest_init(&near, word);
	for (const char *candidate; (candidate = next(context)) != NULL;)
		nearest_try(&near, candidate);
	if (near.best)
		buf_printf(out, ": did you mean '%s'?", near.best);
}

static void describe_choices(const struct option *option, struct buf *out)
{
	struct slice rest = slice_of(option->choices);
	bool is_first = true;

	for (struct slice word; (word = slice_word(&rest, " ")).len > 0; is_first = false) {
		if (!is_first)
			buf_add_text(out, rest.len > 0 ? ", " : " or ");
		buf_add(out, word);
	}
}

bool option_is_secret(const struct option *option, struct slice value)
{
	return option->type == OPTION_SECRET ||
	       (option->type == OPTION_PROXY && slice_find(value, '@') < value.len) ||
	       (option->type == OPTION_PATH_OR_TOKEN &&
		       slice_search(value, SLICE("pin-value=")) < value.len);
}

void option_describe(const struct option *option, struct buf *out)
{
	static const char *const words[] = {
		[OPTION_TEXT] = "text",
		[OPTION_SECRET] = "text",
		[OPTION_YES_NO] = "yes or no",
		[OPTION_PORT] = "a number from 1 to 65535",
		[OPTION_SIZE] = "a size, such as 64K, 50M or 1G",
		[OPTION_MILLISECONDS] = "a time, such as 30s, 5m, 4h or 5d",
		[OPTION_SECONDS] = "a time, such as 30s, 5m, 4h or 5d",
		[OPTION_PATH] = "a path that begins with / or ~/",
		[OPTION_PATH_OR_TOKEN] = "a path that begins with / or ~/, or a pkcs11: URI",
		[OPTION_COMMAND] = "a program and its arguments",
		[OPTION_HOST_NAME] = "a host name or an IP address",
		[OPTION_DOMAIN] = "a domain name",
		[OPTION_NAME_TO_SAY] = "a host name or [address]",
		[OPTION_HOSTS] = "host names, IP addresses or srv:domain",
		[OPTION_PINS] = "sha256: and 64 hexadecimal digits, or 44 characters of base64",
		[OPTION_ADDRESS] = "an address, user@domain",
		[OPTION_PATTERNS] = "addresses or patterns such as *@example.com",
		[OPTION_SOURCE] = "an IP address",
		[OPTION_PROXY] = "socks5://host:port",
		[OPTION_CREDENTIAL] = "a name without '/'",
		[OPTION_DELIVER_BY] = "a time, and return or notify",
		[OPTION_HOLD] = "a time, such as 30s, 5m, 4h or 5d",
	};

	if (option->choices)
		describe_choices(option, out);
	else if (option->type == OPTION_COUNT || option->type == OPTION_PRIORITY)
		buf_printf(out, "a number from %lld to %lld", (long long)option->min,
			(long long)option->max);
	else
		buf_add_text(out, words[option->type]);
}
