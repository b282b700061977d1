#include "test.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/tls.h"

enum { DAY = 86400, PATIENCE_MS = 20000 };

/* How a certificate is made. */
struct spec {
	const char *dns, *dns2; /* alternative names */
	size_t dns_octets;      /* of dns where it holds NUL; 0: strlen */
	const char *ip, *mail;
	const char *cn;
	int from_days, until_days; /* 0 0: valid now */
	const char *purpose;       /* OID of the extended key usage, or NULL */
	bool is_ca, has_sha1;
};

struct identity {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
};

/* What every test stands on; made once. */
static struct {
	char directory[64], trust_file[128], empty_file[128], client_file[128];
	struct identity root, middle, stranger, leaf;
} world;

/* ---- Certificates ---- */

static gnutls_x509_privkey_t make_key(void)
{
	gnutls_x509_privkey_t key;

	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
				 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	return key;
}

/* An alternative name that GnuTLS would not write: the extension as its octets. */
static void add_raw_name(gnutls_x509_crt_t cert, const char *name, size_t octets)
{
	unsigned char der[64] = {0x30, (unsigned char)(octets + 2), 0x82, (unsigned char)octets};

	assert_true(octets + 4 <= sizeof(der));
	memcpy(der + 4, name, octets);
	assert_int_equal(
		gnutls_x509_crt_set_extension_by_oid(cert, "2.5.29.17", der, octets + 4, 0), 0);
}

static void add_names(gnutls_x509_crt_t cert, const struct spec *spec)
{
	unsigned char address[16];
	unsigned flag = GNUTLS_FSAN_APPEND;

	if (spec->dns && spec->dns_octets)
		add_raw_name(cert, spec->dns, spec->dns_octets);
	else if (spec->dns)
		gnutls_x509_crt_set_subject_alt_name(
			cert, GNUTLS_SAN_DNSNAME, spec->dns, (unsigned)strlen(spec->dns), flag);
	if (spec->dns2)
		gnutls_x509_crt_set_subject_alt_name(
			cert, GNUTLS_SAN_DNSNAME, spec->dns2, (unsigned)strlen(spec->dns2), flag);
	if (spec->mail)
		gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_RFC822NAME, spec->mail,
			(unsigned)strlen(spec->mail), flag);
	if (spec->ip && inet_pton(AF_INET, spec->ip, address) == 1)
		gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, address, 4, flag);
	else if (spec->ip && inet_pton(AF_INET6, spec->ip, address) == 1)
		gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, address, 16, flag);
	if (spec->cn)
		gnutls_x509_crt_set_dn_by_oid(
			cert, GNUTLS_OID_X520_COMMON_NAME, 0, spec->cn, (unsigned)strlen(spec->cn));
}

/* A certificate for a new key (or `key`), signed by `issuer` or by itself. */
static struct identity make(
	const struct spec *spec, const struct identity *issuer, gnutls_x509_privkey_t key)
{
	static unsigned char serial = 1;
	struct identity made = {.key = key ? key : make_key()};
	time_t now = time(NULL);
	int from = spec->from_days || spec->until_days ? spec->from_days : -1;
	int until = spec->from_days || spec->until_days ? spec->until_days : 30;

	assert_int_equal(gnutls_x509_crt_init(&made.cert), 0);
	gnutls_x509_crt_set_version(made.cert, 3);
	serial++;
	gnutls_x509_crt_set_serial(made.cert, &serial, 1);
	gnutls_x509_crt_set_activation_time(made.cert, now + from * DAY);
	gnutls_x509_crt_set_expiration_time(made.cert, now + until * DAY);
	gnutls_x509_crt_set_key(made.cert, made.key);
	add_names(made.cert, spec);
	if (spec->is_ca) {
		gnutls_x509_crt_set_basic_constraints(made.cert, 1, -1);
		gnutls_x509_crt_set_key_usage(
			made.cert, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_DIGITAL_SIGNATURE);
	}
	if (spec->purpose)
		gnutls_x509_crt_set_key_purpose_oid(made.cert, spec->purpose, 0);
	assert_int_equal(gnutls_x509_crt_sign2(made.cert, issuer ? issuer->cert : made.cert,
				 issuer ? issuer->key : made.key,
				 spec->has_sha1 ? GNUTLS_DIG_SHA1 : GNUTLS_DIG_SHA256, 0),
		0);
	return made;
}

static void drop(struct identity *made, bool with_key)
{
	gnutls_x509_crt_deinit(made->cert);
	if (with_key)
		gnutls_x509_privkey_deinit(made->key);
}

static void write_pem(const char *path, const char *mode, const struct identity *who, bool with_key)
{
	gnutls_datum_t text;
	FILE *file = fopen(path, mode);

	assert_non_null(file);
	assert_int_equal(gnutls_x509_crt_export2(who->cert, GNUTLS_X509_FMT_PEM, &text), 0);
	fwrite(text.data, 1, text.size, file);
	gnutls_free(text.data);
	if (with_key) {
		assert_int_equal(
			gnutls_x509_privkey_export2(who->key, GNUTLS_X509_FMT_PEM, &text), 0);
		fwrite(text.data, 1, text.size, file);
		gnutls_free(text.data);
	}
	fclose(file);
}

static int make_world(void **state UNUSED)
{
	static const struct spec root = {.cn = "Test Root", .is_ca = true};
	static const struct spec middle = {.cn = "Test Middle", .is_ca = true};
	static const struct spec stranger = {.cn = "Strange Root", .is_ca = true};
	static const struct spec leaf = {.dns = "mail.example.test", .dns2 = "*.wild.example"};

	snprintf(world.directory, sizeof(world.directory), "/tmp/pillarbox-tls-XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.trust_file, sizeof(world.trust_file), "%s/trust.pem", world.directory);
	snprintf(world.empty_file, sizeof(world.empty_file), "%s/empty.pem", world.directory);
	snprintf(world.client_file, sizeof(world.client_file), "%s/client.pem", world.directory);
	world.root = make(&root, NULL, NULL);
	world.middle = make(&middle, &world.root, NULL);
	world.stranger = make(&stranger, NULL, NULL);
	world.leaf = make(&leaf, &world.root, NULL);

	FILE *file = fopen(world.trust_file, "w");

	/* What stands around the blocks of real bundles. */
	fputs("# a remark - with -----dashes\n-----BEGIN X509 CRL-----\nAAAA\n"
	      "-----END X509 CRL-----\n-----BEGIN CERTIFICATE-----\nbroken\n\n",
		file);
	fclose(file);
	write_pem(world.trust_file, "a", &world.root, false);
	fclose(fopen(world.empty_file, "w"));
	write_pem(world.client_file, "w", &world.leaf, true);
	return 0;
}

static int end_world(void **state UNUSED)
{
	drop(&world.root, true);
	drop(&world.middle, true);
	drop(&world.stranger, true);
	drop(&world.leaf, true);
	unlink(world.trust_file);
	unlink(world.empty_file);
	unlink(world.client_file);
	rmdir(world.directory);
	return 0;
}

/* ---- The server: a child that tells by its exit code what it has seen ---- */

enum seen {
	SEEN_NO_HANDSHAKE = 11, /* the handshake failed or was not finished */
	SEEN_HANDSHAKE,         /* it was finished, and no octet came */
	SEEN_OCTETS,            /* a first line came */
	SEEN_WRONG,             /* something that must not be */
};

struct server {
	const struct identity *chain[3]; /* leaf first */
	const char *priority;            /* NULL: NORMAL */
	const char *sni;                 /* that must be seen; "" none; NULL: any */
	bool asks_certificate;           /* and requires one */
	bool cuts;                       /* ends without close_notify after half a line */
	bool rehandshakes;               /* asks for a new handshake (TLS 1.2) */
	bool sinks;                      /* reads up to the end and replies the sum */
	gnutls_channel_binding_t binding;
	bool binds; /* replies the hexadecimal channel binding */
};

static bool sni_is(gnutls_session_t tls, const char *want)
{
	char name[300];
	size_t octets = sizeof(name);
	unsigned type;
	int result = gnutls_server_name_get(tls, name, &octets, &type, 0);

	if (!want)
		return true;
	return want[0] == '\0' ? result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE
			       : result == 0 && strcmp(name, want) == 0;
}

static void reply(gnutls_session_t tls, const char *text)
{
	gnutls_record_send(tls, text, strlen(text));
}

static void reply_binding(gnutls_session_t tls, gnutls_channel_binding_t kind)
{
	gnutls_datum_t data, hex;

	if (gnutls_session_channel_binding(tls, kind, &data) < 0)
		_exit(SEEN_WRONG);
	gnutls_hex_encode2(&data, &hex);
	gnutls_record_send(tls, hex.data, hex.size);
	reply(tls, "\r\n");
}

static void swallow(gnutls_session_t tls)
{
	static char chunk[20000];
	unsigned long count = 0, sum = 0;
	char text[80];

	while (count < 300000) {
		ssize_t n = gnutls_record_recv(tls, chunk, sizeof(chunk));

		if (n <= 0)
			_exit(SEEN_WRONG);
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char)chunk[i];
		count += (unsigned long)n;
	}
	snprintf(text, sizeof(text), "250 %lu %lu\r\n", count, sum);
	reply(tls, text);
}

static enum seen converse(gnutls_session_t tls, const struct server *plan)
{
	char line[200];
	ssize_t n = gnutls_record_recv(tls, line, sizeof(line));

	if (n <= 0)
		return SEEN_HANDSHAKE;
	if (plan->rehandshakes)
		gnutls_rehandshake(tls);
	if (plan->binds)
		reply_binding(tls, plan->binding);
	if (plan->sinks)
		swallow(tls);
	if (plan->cuts) {
		reply(tls, "250 whole\r\n250 ha");
		return SEEN_OCTETS;
	}
	reply(tls, "250-ok\r\n250 done\r\n");
	n = gnutls_record_recv(tls, line, sizeof(line));
	while (n == GNUTLS_E_WARNING_ALERT_RECEIVED)
		n = gnutls_record_recv(tls, line, sizeof(line));
	/* The client ends in due form. */
	return n == 0 ? SEEN_OCTETS : SEEN_WRONG;
}

/* Shows the chain exactly as it was given, in whatever order. */
static void show_chain(gnutls_certificate_credentials_t credentials, const struct server *plan)
{
	gnutls_pcert_st chain[3];
	gnutls_privkey_t key;
	int count = 0;

	for (; count < 3 && plan->chain[count]; count++)
		gnutls_pcert_import_x509(&chain[count], plan->chain[count]->cert, 0);
	gnutls_privkey_init(&key);
	gnutls_privkey_import_x509(key, plan->chain[0]->key, 0);
	if (gnutls_certificate_set_key(credentials, NULL, 0, chain, count, key) < 0)
		_exit(SEEN_WRONG);
}

_Noreturn static void serve(int fd, const struct server *plan)
{
	gnutls_session_t tls;
	gnutls_certificate_credentials_t credentials;
	int result;

	signal(SIGPIPE, SIG_IGN);
	alarm(60);
	gnutls_certificate_allocate_credentials(&credentials);
	show_chain(credentials, plan);
	gnutls_init(&tls, GNUTLS_SERVER);
	if (gnutls_priority_set_direct(tls, plan->priority ? plan->priority : "NORMAL", NULL) < 0)
		_exit(SEEN_WRONG);
	gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, credentials);
	if (plan->asks_certificate)
		gnutls_certificate_server_set_request(tls, GNUTLS_CERT_REQUIRE);
	gnutls_transport_set_int(tls, fd);
	do
		result = gnutls_handshake(tls);
	while (result < 0 && !gnutls_error_is_fatal(result));
	if (result < 0)
		_exit(SEEN_NO_HANDSHAKE);
	_exit((int)(sni_is(tls, plan->sni) ? converse(tls, plan) : SEEN_WRONG));
}

static struct stream *start_server(const struct server *plan, pid_t *child)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*child = fork();
	if (*child == 0) {
		close(ends[0]);
		serve(ends[1], plan);
	}
	close(ends[1]);
	return stream_new(ends[0], "peer:587");
}

static enum seen end_server(struct stream *s, pid_t child)
{
	int status;

	stream_free(s);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? (enum seen)WEXITSTATUS(status) : SEEN_WRONG;
}

static int64_t soon(void)
{
	return clock_deadline(PATIENCE_MS);
}

static struct tls_policy policy_for(const char *host)
{
	return (struct tls_policy){.host = host, .trust_file = world.trust_file};
}

static void assert_line(struct stream *s, const char *want)
{
	struct slice line;
	struct error err = {0};

	assert_ok(stream_read_line(s, soon(), 1000, &line, &err), err);
	if (!slice_eq(line, slice_of(want)))
		fail_msg("'%.*s' for '%s'", SLICE_ARG(line), want);
}

static void assert_accepted(const struct server *plan, const struct tls_policy *policy)
{
	pid_t child;
	struct tls_facts facts;
	struct error err = {0};
	struct stream *s = start_server(plan, &child);

	assert_ok(tls_start(s, policy, soon(), &facts, &err), err);
	assert_true(tls_is_on(s));
	assert_int_equal(facts.used_pin, policy->pin_count > 0);
	stream_put(s, SLICE("EHLO\r\n"));
	assert_line(s, "250-ok");
	assert_line(s, "250 done");
	assert_int_equal(stream_unread(s), 0);
	assert_int_equal(end_server(s, child), SEEN_OCTETS);
}

/* Refused with these words, before the client's Finished and any octet of it. */
static void assert_refused(const struct server *plan, const struct tls_policy *policy,
	int exit_code, const char *words)
{
	pid_t child;
	struct tls_facts facts;
	struct error err = {0};
	struct slice line;
	struct stream *s = start_server(plan, &child);

	if (tls_start(s, policy, soon(), &facts, &err))
		fail_msg("accepted, though '%s' was to be said", words);
	if (!strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
	assert_int_equal(err.exit_code, exit_code);
	assert_int_equal(err.fate, exit_code == EX_TEMPFAIL ? FATE_LATER : FATE_PERMANENT);
	assert_false(tls_is_on(s));
	stream_put(s, SLICE("AUTH PLAIN c2VjcmV0\r\n"));
	if (exit_code == EX_TEMPFAIL)
		assert_false(stream_read_line(s, soon(), 500, &line, &err));
	assert_int_equal(end_server(s, child), SEEN_NO_HANDSHAKE);
}

/* ---- Tests ---- */

static void good_certificates_are_accepted(void **state UNUSED)
{
	static const struct {
		const char *host, *sni, *priority;
		struct spec spec;
	} cases[] = {
		{"mail.example.test", "mail.example.test", NULL, {.dns = "mail.example.test"}},
		{"MAIL.example.TEST", NULL, NULL, {.dns = "mail.EXAMPLE.test"}},
		{"mail.example.test.", "mail.example.test", NULL, {.dns = "mail.example.test"}},
		{"mail.example.test", NULL, NULL, {.dns = "a.test", .dns2 = "*.example.test"}},
		{"192.0.2.7", "", NULL, {.ip = "192.0.2.7"}},
		{"2001:db8::7", "", NULL, {.ip = "2001:db8::7"}},
		{"mail.example.test", NULL, NULL,
			{.dns = "mail.example.test", .purpose = GNUTLS_KP_TLS_WWW_SERVER}},
		{"mail.example.test", NULL, NULL, {.dns = "mail.example.test", .is_ca = true}},
		{"mail.example.test", NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2",
			{.dns = "mail.example.test"}},
		{"mail.example.test", NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.3",
			{.dns = "mail.example.test"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_policy policy = policy_for(cases[i].host);
		struct identity leaf = make(&cases[i].spec, &world.root, world.leaf.key);
		struct server plan = {
			.chain = {&leaf}, .sni = cases[i].sni, .priority = cases[i].priority};

		assert_accepted(&plan, &policy);
		drop(&leaf, false);
	}
}

static void bad_certificates_are_refused(void **state UNUSED)
{
	static char long_name[260];
	const struct {
		const char *host, *words;
		struct spec spec;
	} cases[] = {
		{"mail.example.test", "it is for a.test, b.test, not for 'mail.example.test'",
			{.dns = "a.test", .dns2 = "b.test", .cn = "mail.example.test"}},
		{"mail.example.test", "a common name does not count", {.cn = "mail.example.test"}},
		{"mail.example.test", "it is for 192.0.2.7",
			{.ip = "192.0.2.7", .cn = "mail.example.test"}},
		{"mail.example.test", "a common name does not count",
			{.mail = "mail.example.test", .cn = "mail.example.test"}},
		{"mail.example.test", "not for", {.dns = long_name, .cn = "mail.example.test"}},
		{"mail.example.test", "mail.example.test?.evil.test",
			{.dns = "mail.example.test\0.evil.test", .dns_octets = 28}},
		{"mail.example.test", "not for", {.dns = "mail.example.test."}},
		{"mail.example.test", "not for", {.dns = "*.test"}},
		{"mail.example.test", "not for", {.dns = "m*.example.test"}},
		{"a.b.example.test", "not for", {.dns = "*.example.test"}},
		{"example.test", "not for", {.dns = "*.test"}},
		{"192.0.2.7", "not for '192.0.2.7'", {.dns = "192.0.2.7", .cn = "192.0.2.7"}},
		{"192.0.2.7", "it is for 192.0.2.8", {.ip = "192.0.2.8"}},
		{"mail.example.test", "it has expired (valid from ",
			{.dns = "mail.example.test", .from_days = -9, .until_days = -2}},
		{"mail.example.test", "not valid yet",
			{.dns = "mail.example.test", .from_days = 3, .until_days = 9}},
		{"mail.example.test", "the clock here says 20",
			{.dns = "mail.example.test", .from_days = 3, .until_days = 9}},
		{"mail.example.test", "not meant for a server",
			{.dns = "mail.example.test", .purpose = GNUTLS_KP_TLS_WWW_CLIENT}},
		{"mail.example.test", "too weak", {.dns = "mail.example.test", .has_sha1 = true}},
	};

	memset(long_name, 'a', sizeof(long_name) - 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_policy policy = policy_for(cases[i].host);
		struct identity leaf = make(&cases[i].spec, &world.root, world.leaf.key);
		struct server plan = {.chain = {&leaf}};

		assert_refused(&plan, &policy, EX_TEMPFAIL, cases[i].words);
		/* TLS 1.2 verifies at another place of the handshake. */
		plan.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
		assert_refused(&plan, &policy, EX_TEMPFAIL, cases[i].words);
		drop(&leaf, false);
	}
}

static void chains_are_judged(void **state UNUSED)
{
	static const struct spec spec = {.dns = "mail.example.test"};
	struct tls_policy policy = policy_for("mail.example.test");
	struct identity under = make(&spec, &world.middle, world.leaf.key);
	struct identity strange = make(&spec, &world.stranger, world.leaf.key);
	struct identity selfsigned = make(&spec, NULL, world.leaf.key);
	struct identity by_leaf = make(&spec, &world.leaf, world.leaf.key);
	const struct {
		struct server plan;
		const char *words;
	} cases[] = {
		{{.chain = {&under, &world.middle}}, NULL},
		{{.chain = {&under, &world.middle, &world.root}}, NULL},
		{{.chain = {&under, &world.root, &world.middle}}, NULL},
		{{.chain = {&under}}, "incomplete chain"},
		{{.chain = {&under}}, "'CN=Test Middle'"},
		{{.chain = {&strange}}, "'CN=Strange Root'"},
		{{.chain = {&strange, &world.stranger}}, "its root is not among the trusted"},
		{{.chain = {&selfsigned}}, "self-signed"},
		{{.chain = {&by_leaf, &world.leaf}}, "no certificate authority"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (cases[i].words)
			assert_refused(&cases[i].plan, &policy, EX_TEMPFAIL, cases[i].words);
		else
			assert_accepted(&cases[i].plan, &policy);
	}
	drop(&under, false);
	drop(&strange, false);
	drop(&selfsigned, false);
	drop(&by_leaf, false);
}

static void leaf_in_the_trust_file_is_trusted(void **state UNUSED)
{
	static const struct spec spec = {.dns = "mail.example.test"};
	struct tls_policy policy = policy_for("mail.example.test");
	struct identity selfsigned = make(&spec, NULL, world.leaf.key);
	struct server plan = {.chain = {&selfsigned}};
	char path[200];

	snprintf(path, sizeof(path), "%s/self.pem", world.directory);
	write_pem(path, "w", &selfsigned, false);
	policy.trust_file = path;
	assert_accepted(&plan, &policy);
	policy.host = "other.example.test";
	assert_refused(&plan, &policy, EX_TEMPFAIL, "it is for mail.example.test");
	unlink(path);
	drop(&selfsigned, false);
}

static void directory_of_anchors_is_read(void **state UNUSED)
{
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf}};
	char directory[200], path[220];

	snprintf(directory, sizeof(directory), "%s/anchors", world.directory);
	snprintf(path, sizeof(path), "%s/root.pem", directory);
	mkdir(directory, 0700);
	policy.trust_file = directory;
	assert_refused(&plan, &policy, EX_CONFIG, "holds no certificate");
	write_pem(path, "w", &world.root, false);
	assert_accepted(&plan, &policy);
	unlink(path);
	rmdir(directory);
}

static void system_store_does_not_know_the_test_root(void **state UNUSED)
{
	struct tls_policy policy = {.host = "mail.example.test"};
	struct server plan = {.chain = {&world.leaf}};

	if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) < 0)
		return;
	assert_refused(&plan, &policy, EX_TEMPFAIL, "unknown issuer");
}

static void faulty_policies_are_errors_of_configuration(void **state UNUSED)
{
	struct server plan = {.chain = {&world.leaf}};
	struct tls_policy policy = policy_for("mail.example.test");

	policy.trust_file = "/nonexistent/trust.pem";
	assert_refused(&plan, &policy, EX_CONFIG, "/nonexistent/trust.pem");
	policy.trust_file = "/dev/null";
	assert_refused(&plan, &policy, EX_CONFIG, "not a regular file");
	policy.trust_file = world.empty_file;
	assert_refused(&plan, &policy, EX_CONFIG, "holds no PEM certificate");
	policy = policy_for("mail.example.test");
	policy.priority = "NORMAL:+NONSENSE";
	assert_refused(&plan, &policy, EX_CONFIG, "'+NONSENSE'");
	policy = policy_for("mail.example.test");
	policy.cert_file = "/nonexistent/cert.pem";
	assert_refused(&plan, &policy, EX_CONFIG, "/nonexistent/cert.pem");
	policy = policy_for("");
	assert_refused(&plan, &policy, EX_CONFIG, "no host name");
}

static struct tls_pin pin_of(const struct identity *who)
{
	struct tls_pin pin;
	size_t octets = sizeof(pin.digest);

	assert_int_equal(
		gnutls_x509_crt_get_key_id(who->cert, GNUTLS_KEYID_USE_SHA256, pin.digest, &octets),
		0);
	return pin;
}

static void pin_alone_decides(void **state UNUSED)
{
	static const struct spec spec = {.cn = "nothing fits", .from_days = -9, .until_days = -1};
	struct identity old = make(&spec, NULL, NULL);
	struct tls_pin pins[2] = {pin_of(&world.root), pin_of(&old)};
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&old}};

	policy.pins = pins;
	policy.pin_count = 2;
	assert_accepted(&plan, &policy);
	policy.pin_count = 1;
	assert_refused(&plan, &policy, EX_TEMPFAIL, "none of tls_pin: it is sha256:");
	/* A trusted certificate with another key does not do. */
	plan.chain[0] = &world.leaf;
	assert_refused(&plan, &policy, EX_TEMPFAIL, "none of tls_pin");
	drop(&old, true);
}

static void old_and_weak_protocols_are_refused(void **state UNUSED)
{
	static const char *const priorities[] = {
		"NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%PROFILE_VERY_WEAK",
		"NORMAL:-CIPHER-ALL:+3DES-CBC:-VERS-ALL:+VERS-TLS1.2",
		"NORMAL:-KX-ALL:+RSA:-VERS-ALL:+VERS-TLS1.2",
	};
	struct tls_policy policy = policy_for("mail.example.test");

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		struct server plan = {.chain = {&world.leaf}, .priority = priorities[i]};

		assert_refused(&plan, &policy, EX_TEMPFAIL, "peer:587");
	}
}

static void client_certificate_is_shown_when_asked(void **state UNUSED)
{
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf}, .asks_certificate = true};

	policy.cert_file = world.client_file;
	assert_accepted(&plan, &policy);
}

static void server_that_wants_a_certificate_says_so(void **state UNUSED)
{
	pid_t child;
	struct tls_facts facts;
	struct slice line;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf}, .asks_certificate = true};
	struct stream *s = start_server(&plan, &child);

	/* In TLS 1.3 its refusal comes behind our last flight. */
	assert_ok(tls_start(s, &policy, soon(), &facts, &err), err);
	stream_put(s, SLICE("EHLO\r\n"));
	assert_false(stream_read_line(s, soon(), 500, &line, &err));
	assert_int_equal(err.fate, FATE_LATER);
	assert_true(stream_is_dead(s));
	assert_int_equal(end_server(s, child), SEEN_NO_HANDSHAKE);
}

static void last_flight_waits_for_the_first_command(void **state UNUSED)
{
	pid_t child;
	struct tls_facts facts;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf}};
	struct stream *s = start_server(&plan, &child);

	assert_ok(tls_start(s, &policy, soon(), &facts, &err), err);
	assert_string_equal(facts.protocol, "TLS1.3");
	assert_true(stream_pending(s) > 0);
	stream_put(s, SLICE("EHLO\r\n"));
	assert_line(s, "250-ok");
	/* One wait for the greeting of the pair and ServerHello, one for the reply. */
	assert_int_equal(stream_waits(s), 2);
	assert_line(s, "250 done");
	end_server(s, child);
}

static void octets_before_the_handshake_are_refused(void **state UNUSED)
{
	int ends[2];
	struct slice line;
	struct tls_facts facts;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct stream *s;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	s = stream_new(ends[0], "peer:587");
	assert_int_equal(write(ends[1], "220 go\r\n250 evil\r\n", 18), 18);
	assert_ok(stream_read_line(s, soon(), 500, &line, &err), err);
	assert_false(tls_start(s, &policy, soon(), &facts, &err));
	assert_non_null(strstr(err.text, "in the clear"));
	assert_true(stream_is_dead(s));
	stream_free(s);
	close(ends[1]);
}

static void plain_peer_is_told_from_tls(void **state UNUSED)
{
	int ends[2];
	struct tls_facts facts;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct stream *s;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	s = stream_new(ends[0], "peer:465");
	assert_int_equal(write(ends[1], "220 mail.example.test ESMTP\r\n", 29), 29);
	assert_false(tls_start(s, &policy, soon(), &facts, &err));
	assert_non_null(strstr(err.text, "does not speak TLS"));
	assert_non_null(strstr(err.hint, "starttls"));
	stream_free(s);
	close(ends[1]);
}

static void silent_peer_ends_at_the_deadline(void **state UNUSED)
{
	int ends[2];
	struct tls_facts facts;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct stream *s;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	s = stream_new(ends[0], "peer:465");
	assert_false(tls_start(s, &policy, clock_deadline(30), &facts, &err));
	assert_non_null(strstr(err.text, "time-out"));
	assert_int_equal(err.fate, FATE_LATER);
	stream_free(s);
	close(ends[1]);
}

static void cut_connection_is_an_error(void **state UNUSED)
{
	pid_t child;
	struct tls_facts facts;
	struct slice line;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf}, .cuts = true};
	struct stream *s = start_server(&plan, &child);

	assert_ok(tls_start(s, &policy, soon(), &facts, &err), err);
	stream_put(s, SLICE("EHLO\r\n"));
	assert_line(s, "250 whole");
	assert_false(stream_read_line(s, soon(), 500, &line, &err));
	assert_non_null(strstr(err.text, "due form"));
	assert_int_equal(err.fate, FATE_LATER);
	end_server(s, child);
}

static void second_handshake_is_declined(void **state UNUSED)
{
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf},
		.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2",
		.rehandshakes = true};

	assert_accepted(&plan, &policy);
}

static void bodies_go_in_full_records(void **state UNUSED)
{
	enum { TOTAL = 300000 };
	static const size_t steps[] = {65536, 7, 16384, 40000, 1};
	pid_t child;
	struct tls_facts facts;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf}, .sinks = true};
	struct stream *s = start_server(&plan, &child);
	char *body = malloc(TOTAL), want[80];
	unsigned long sum = 0;

	for (size_t i = 0; i < TOTAL; i++) {
		body[i] = (char)(i * 7 + i / 251);
		sum = sum * 31 + (unsigned char)body[i];
	}
	assert_ok(tls_start(s, &policy, soon(), &facts, &err), err);
	stream_put(s, SLICE("DATA\r\n"));
	assert_ok(stream_flush(s, soon(), &err), err);
	for (size_t at = 0, i = 0; at < TOTAL; i++) {
		size_t step = steps[i % ARRAY_LEN(steps)];

		if (step > TOTAL - at)
			step = TOTAL - at;
		assert_ok(stream_write(s, (struct slice){body + at, step}, soon(), &err), err);
		at += step;
	}
	snprintf(want, sizeof(want), "250 %d %lu", TOTAL, sum);
	assert_line(s, want);
	assert_line(s, "250-ok");
	assert_line(s, "250 done");
	assert_int_equal(end_server(s, child), SEEN_OCTETS);
	free(body);
}

static void assert_binding(
	enum tls_binding kind, gnutls_channel_binding_t theirs, const char *priority)
{
	pid_t child;
	struct tls_facts facts;
	struct error err = {0};
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {
		.chain = {&world.leaf}, .priority = priority, .binds = true, .binding = theirs};
	struct stream *s = start_server(&plan, &child);
	CLEANUP(buf_done) struct buf data = BUF(200);
	CLEANUP(buf_done) struct buf hex = BUF(500);

	assert_false(tls_channel_binding(s, kind, &data));
	assert_ok(tls_start(s, &policy, soon(), &facts, &err), err);
	assert_true(tls_channel_binding(s, kind, &data));
	assert_int_equal(data.len, 32);
	for (size_t i = 0; i < data.len; i++)
		buf_printf(&hex, "%02x", (unsigned char)data.data[i]);
	stream_put(s, SLICE("EHLO\r\n"));
	assert_line(s, buf_text(&hex));
	end_server(s, child);
}

static void both_ends_bind_to_the_same_channel(void **state UNUSED)
{
	static const char *const priorities[] = {NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2"};

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++) {
		assert_binding(TLS_BINDING_EXPORTER, GNUTLS_CB_TLS_EXPORTER, priorities[i]);
		assert_binding(TLS_BINDING_SERVER_END_POINT, GNUTLS_CB_TLS_SERVER_END_POINT,
			priorities[i]);
	}
}

static void assert_hex(const unsigned char *octets, const char *want)
{
	char hex[65];

	for (size_t i = 0; i < strlen(want) / 2; i++)
		snprintf(hex + 2 * i, 3, "%02x", octets[i]);
	assert_string_equal(hex, want);
}

static void digests_have_the_published_values(void **state UNUSED)
{
	struct slice jefe = SLICE("Jefe"), what = SLICE("what do ya want for nothing?");
	unsigned char out[32];
	struct error err = {0};

	/* RFC 2202, RFC 4231, RFC 6070, RFC 7914; FIPS 180 for "abc". */
	assert_ok(tls_hmac(TLS_MD5, jefe, what, out, &err), err);
	assert_hex(out, "750c783e6ab0b503eaa86e310a5db738");
	assert_ok(tls_hmac(TLS_SHA1, jefe, what, out, &err), err);
	assert_hex(out, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	assert_ok(tls_hmac(TLS_SHA256, jefe, what, out, &err), err);
	assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_ok(tls_hash(TLS_SHA256, SLICE("abc"), out, &err), err);
	assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_ok(tls_hash(TLS_SHA1, (struct slice){0}, out, &err), err);
	assert_hex(out, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	assert_ok(tls_pbkdf2(TLS_SHA1, SLICE("password"), SLICE("salt"), 4096, out, &err), err);
	assert_hex(out, "4b007901b765489abead49d926f721d065a429c1");
	assert_ok(tls_pbkdf2(TLS_SHA256, SLICE("passwd"), SLICE("salt"), 1, out, &err), err);
	assert_hex(out, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

static void passwords_are_prepared(void **state UNUSED)
{
	static const struct {
		const char *raw, *want; /* NULL: refused */
	} cases[] = {
		{"secret", "secret"},
		{" inner  spaces stay ", " inner  spaces stay "},
		{"a\xc2\xa0"
		 "b",
			"a b"},                   /* other spaces become the ASCII one */
		{"e\xcc\x81", "\xc3\xa9"},        /* composed (NFC) */
		{"\xe2\x85\xa8", "\xe2\x85\xa8"}, /* no compatibility mapping */
		{"bell\x07", NULL},
		{"broken\xff", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_wipe) struct buf out = BUF(1000);
		struct error err = {0};
		bool good = tls_prepare_password(slice_of(cases[i].raw), &out, &err);

		assert_int_equal(good, cases[i].want != NULL);
		if (good)
			assert_string_equal(buf_text(&out), cases[i].want);
		else
			assert_int_equal(err.exit_code, EX_DATAERR);
	}
}

static void session_keys_are_not_written(void **state UNUSED)
{
	struct tls_policy policy = policy_for("mail.example.test");
	struct server plan = {.chain = {&world.leaf}};

	assert_accepted(&plan, &policy);
	assert_null(getenv("SSLKEYLOGFILE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_keys_are_not_written),
		cmocka_unit_test(good_certificates_are_accepted),
		cmocka_unit_test(bad_certificates_are_refused),
		cmocka_unit_test(chains_are_judged),
		cmocka_unit_test(leaf_in_the_trust_file_is_trusted),
		cmocka_unit_test(directory_of_anchors_is_read),
		cmocka_unit_test(system_store_does_not_know_the_test_root),
		cmocka_unit_test(faulty_policies_are_errors_of_configuration),
		cmocka_unit_test(pin_alone_decides),
		cmocka_unit_test(old_and_weak_protocols_are_refused),
		cmocka_unit_test(client_certificate_is_shown_when_asked),
		cmocka_unit_test(server_that_wants_a_certificate_says_so),
		cmocka_unit_test(last_flight_waits_for_the_first_command),
		cmocka_unit_test(octets_before_the_handshake_are_refused),
		cmocka_unit_test(plain_peer_is_told_from_tls),
		cmocka_unit_test(silent_peer_ends_at_the_deadline),
		cmocka_unit_test(cut_connection_is_an_error),
		cmocka_unit_test(second_handshake_is_declined),
		cmocka_unit_test(bodies_go_in_full_records),
		cmocka_unit_test(both_ends_bind_to_the_same_channel),
		cmocka_unit_test(digests_have_the_published_values),
		cmocka_unit_test(passwords_are_prepared),
	};

	setenv("SSLKEYLOGFILE", "/nonexistent/keys", 1);
	return cmocka_run_group_tests(tests, make_world, end_world);
}
