#include "test.h"

#include "config_files.h"
#include "mail/address.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Reads one file; out gets the faults as lines where there are any. */
static bool read_only_file(const char *path, struct config *c, struct buf *faults)
{
	struct config_places places = {.only = path};

	return config_read(&places, write_fault_line, faults, c);
}

static void expect_config(const char *text, struct config *c)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);

	if (!read_only_file(put("config", text, 0600), c, &faults))
		fail_msg("%s", buf_text(&faults));
}

static void expect_faults_of(const char *path, const char *want)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config c;

	if (read_only_file(path, &c, &faults))
		fail_msg("was taken, without: %s", want);
	if (!strstr(buf_text(&faults), want))
		fail_msg("'%s' is not in: %s", want, buf_text(&faults));
}

static void expect_fault(const char *text, const char *want)
{
	expect_faults_of(put("config", text, 0600), want);
}

static void the_smallest_file_gives_an_account_and_all_defaults(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	const struct account *a;

	expect_config("; the smallest\n[account work]\nhost = smtp.example.com\n"
		      "user = ann@example.com\npassword_command = pass show mail/work\n"
		      "from = ann@example.com\n",
		&c);
	assert_int_equal(c.account_count, 1);
	a = &c.accounts[0];
	assert_string_equal(a->name, "work");
	assert_non_null(strstr(a->origin, "/config:2"));
	assert_int_equal(a->hosts.count, 1);
	assert_string_equal(a->hosts.items[0], "smtp.example.com");
	assert_int_equal(a->port, 0);
	assert_int_equal(a->tls, ACCOUNT_TLS_STARTTLS);
	assert_int_equal(a->auth.count, 1);
	assert_string_equal(a->auth.items[0], "auto");
	assert_string_equal(a->password_command, "pass show mail/work");
	assert_string_equal(a->from, "ann@example.com");
	assert_int_equal(a->connect_timeout_ms, 0);
	assert_int_equal(a->timeout_ms, 60000);
	assert_false(a->insecure_login || a->forces_from || a->is_lmtp || a->has_priority);
	assert_true(c.mail.max_size == 50ULL << 20);
	assert_int_equal(c.mail.dot_ends, DOT_ENDS_TTY);
	assert_int_equal(c.mail.long_lines, LONG_LINES_ENCODE);
	assert_int_equal(c.queue.delivery, DELIVERY_FOREGROUND);
	assert_true(c.queue.retry_min_s == 60 && c.queue.retry_max_s == 3600);
	assert_true(c.queue.expire_s == 5 * 86400 && c.queue.warn_s == 4 * 3600);
	assert_true(c.queue.keep_failed_s == 30 * 86400 && c.queue.max_size == 1ULL << 30);
	assert_int_equal(c.queue.window, 10);
	assert_null(c.queue.directory);
	assert_false(c.log.syslog || c.log.json || c.mail.undisclosed);
}

static void every_key_is_read_into_its_place(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	const struct account *a;

	expect_config(
		"[account x]\n"
		"host = a.example.com, 192.0.2.1 [2001:db8::1] srv:example.org b.example.\n"
		"port = 2525\ntls = implicit\nprotocol = lmtp\n"
		"tls_trust_file = /ca.pem\ntls_host = name.example.\n"
		"tls_pin = sha256:"
		"000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F "
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
		"tls_cert_file = /c.pem\ntls_key_file = /k.pem\ntls_priority = SECURE256\n"
		"auth = PLAIN, scram-sha-256-plus\nuser = ann\ninsecure_login = yes\n"
		"password = a ;b \"#= : c\n"
		"from = ann@Example.COM\nfrom_name = Ann Lee\nfrom_policy = force\n"
		"match = *@Example.com, Bob@Example.NET\nehlo = [192.0.2.9]\n"
		"connect_timeout = 5s\ntimeout = 2m\nreply_timeout = 1h\n"
		"source = 192.0.2.7\nproxy = socks5://[::1]:1080\n"
		"require_tls = on\ndeliver_by = 4h return\npriority = -3\nhold_for = 2d\n"
		"[mail]\ndomain = example.com.\naliases_file = /etc/aliases\n"
		"max_size = 64K\nundisclosed = true\ndot_ends = never\nlong_lines = refuse\n"
		"[aliases]\nRoot = ann@example.com, Bob <bob@example.com>\n* = ann@example.com\n"
		"[queue]\ndirectory = /q\ndelivery = queue\nretry_min = 2m\nretry_max = 2h\n"
		"expire = 1d\nwarn = 1h\nkeep_failed = 2d\nmax_size = 2M\nwindow = 3\n"
		"[log]\nfile = /log\nsyslog = yes\nformat = json\n"
		"[notify]\non_failure = a 'b c'\non_stuck = d\n",
		&c);
	a = &c.accounts[0];
	assert_int_equal(a->hosts.count, 5);
	assert_string_equal(a->hosts.items[2], "2001:db8::1");
	assert_string_equal(a->hosts.items[3], "srv:example.org");
	assert_string_equal(a->hosts.items[4], "b.example");
	assert_int_equal(a->port, 2525);
	assert_int_equal(a->tls, ACCOUNT_TLS_IMPLICIT);
	assert_true(a->is_lmtp && a->insecure_login && a->forces_from && a->require_tls);
	assert_string_equal(a->tls_trust_file, "/ca.pem");
	assert_string_equal(a->tls_host, "name.example");
	assert_int_equal(a->tls_pin_count, 2);
	for (int i = 0; i < 32; i++) {
		assert_int_equal(a->tls_pins[0][i], i);
		assert_int_equal(a->tls_pins[1][i], i);
	}
	assert_string_equal(a->tls_cert_file, "/c.pem");
	assert_string_equal(a->tls_key_file, "/k.pem");
	assert_string_equal(a->tls_priority, "SECURE256");
	assert_int_equal(a->auth.count, 2);
	assert_string_equal(a->auth.items[0], "plain");
	assert_string_equal(a->auth.items[1], "scram-sha-256-plus");
	assert_string_equal(a->password, "a ;b \"#= : c");
	assert_true(address_same(a->from, "ann@example.com"));
	assert_string_equal(a->from_name, "Ann Lee");
	assert_int_equal(a->match.count, 2);
	assert_string_equal(a->match.items[0], "*@example.com");
	assert_string_equal(a->match.items[1], "Bob@example.net");
	assert_string_equal(a->ehlo, "[192.0.2.9]");
	assert_int_equal(a->connect_timeout_ms, 5000);
	assert_int_equal(a->timeout_ms, 120000);
	assert_int_equal(a->reply_timeout_ms, 3600000);
	assert_string_equal(a->source, "192.0.2.7");
	assert_string_equal(a->proxy, "socks5://[::1]:1080");
	assert_int_equal(a->deliver_by_s, 4 * 3600);
	assert_int_equal(a->deliver_by_mode, 'R');
	assert_true(a->has_priority);
	assert_int_equal(a->priority, -3);
	assert_int_equal(a->hold_for_s, 2 * 86400);
	assert_string_equal(c.mail.domain, "example.com");
	assert_string_equal(c.mail.aliases_file, "/etc/aliases");
	assert_true(c.mail.max_size == 64 << 10 && c.mail.undisclosed);
	assert_int_equal(c.mail.dot_ends, DOT_ENDS_NEVER);
	assert_int_equal(c.mail.long_lines, LONG_LINES_REFUSE);
	assert_int_equal(c.alias_count, 2);
	assert_string_equal(c.aliases[0].name, "root");
	assert_string_equal(c.aliases[0].target, "ann@example.com, Bob <bob@example.com>");
	assert_non_null(strstr(c.aliases[0].origin, "/config:38"));
	assert_string_equal(c.aliases[1].name, "*");
	assert_string_equal(c.queue.directory, "/q");
	assert_int_equal(c.queue.delivery, DELIVERY_QUEUE);
	assert_true(c.queue.retry_min_s == 120 && c.queue.retry_max_s == 7200);
	assert_true(c.queue.max_size == 2 << 20 && c.queue.window == 3);
	assert_string_equal(c.log.file, "/log");
	assert_true(c.log.syslog && c.log.json);
	assert_string_equal(c.notify.on_failure, "a 'b c'");
	assert_string_equal(c.notify.on_stuck, "d");
}

static void names_in_other_scripts_become_a_labels(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};

	expect_config("[account a]\nhost = b\xc3\xbc"
		      "cher.example.\nfrom = ann@b\xc3\xbc"
		      "cher.example\nmatch = *@B\xc3\xbc"
		      "cher.example\n",
		&c);
	assert_string_equal(c.accounts[0].hosts.items[0], "xn--bcher-kva.example");
	assert_string_equal(c.accounts[0].from, "ann@xn--bcher-kva.example");
	assert_string_equal(c.accounts[0].match.items[0], "*@xn--bcher-kva.example");
}

static void faults_have_file_line_and_a_guess(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"host = x\n", "config:1: there is a key before any section"},
		{"[account a]\nhost = x\nprot = 25\n",
			"config:3: unknown key 'prot' in [account a]: did you mean 'port'?"},
		{"[account a]\npasswordeval = x\n", "did you mean 'password_command'?"},
		{"[account a]\nHost = x\n", "did you mean 'host'?"},
		{"[account a]\nretry_min = 1m\n", "unknown key 'retry_min' in [account a]; it "
						  "belongs in [queue]"},
		{"[queue]\nhost = x\n", "it belongs in [account NAME]"},
		{"[acount a]\nhost = x\n", "config:1: unknown section [acount a]: did you mean "
					   "[account a]?"},
		{"[default]\n", "did you mean 'defaults'?"},
		{"[account]\nhost = x\n", "config:1: an account is named as in [account work]"},
		{"[account a/b]\nhost = x\n", "config:1: an account is named"},
		{"[account a b]\nhost = x\n", "config:1: an account is named"},
		{"[account a]\nhost = x\n\nhost = y\n", "config:4: host is given twice; first in"},
		{"[account a]\nhost = x\n\nhost = y\n", "/config:2\n"},
		{"[account a]\nhost = x\n[account a]\n",
			"config:3: section [account a] is there twice; first in line 1"},
		{"[mail]\n[log]\n[mail]\n", "config:3: section [mail] is there twice; first in "
					    "line 1"},
		{"[account a]\npassword = x\npassword_file = /y\n",
			"config:3: password_file cannot stand beside password, which is given in"},
		{"[account a]\nhost = x\nsocket = /y\n", "socket cannot stand beside host"},
		{"[account a]\nhost =\n", "config:2: host has no value"},
		{"[account a]\nport = 587x\n",
			"config:2: port must be a number from 1 to 65535, not '587x'"},
		{"[account a]\nport = 0\n", "port must be"},
		{"[account a]\nport = 65536\n", "port must be"},
		{"[account a]\nport = -1\n", "port must be"},
		{"[account a]\nport = 18446744073709551639\n", "port must be"},
		{"[account a]\ntls = off\n", "config:2: tls must be starttls, implicit or none, "
					     "not 'off': did you mean 'none'?"},
		{"[account a]\ntls = startls\n", "did you mean 'starttls'?"},
		{"[account a]\ninsecure_login = maybe\n", "must be yes or no, not 'maybe'"},
		{"[account a]\nhost = smtp.example.com:587\n", "has a port; write it as port ="},
		{"[account a]\nhost = smtps://x\n", "is a URL"},
		{"[account a]\nhost = a/b\n", "holds a '/'"},
		{"[account a]\nhost = -a.example\n", "begins or ends with '-'"},
		{"[account a]\nhost = a..example\n", "empty part"},
		{"[account a]\nhost = example..\n", "empty part"},
		{"[account a]\nhost = .\n", "empty part"},
		{"[account a]\nhost = 1.2.3\n", "is no IP address and no host name"},
		{"[account a]\nhost = ,\n", "host is empty"},
		{"[account a]\nhost = srv:192.0.2.1\n", "is an IP address; a name is needed"},
		{"[account a]\nhost = a\xff\n", "is not UTF-8"},
		{"[account a]\ntimeout = 60\n", "must be a time, such as 30s"},
		{"[account a]\ntimeout = s\n", "must be a time"},
		{"[account a]\ntimeout = 1x\n", "must be a time"},
		{"[account a]\ntimeout = 0s\n", "is out of range"},
		{"[account a]\ntimeout = 99999999999999999999d\n", "must be a time"},
		{"[account a]\ntimeout = 106751991167300d\n", "is out of range"},
		{"[account a]\ntls_pin = sha256:00\n", "tls_pin must be sha256:"},
		{"[account a]\ntls_pin = AAEC\n", "tls_pin must be sha256:"},
		{"[account a]\nauth = auto plain\n", "'auto' stands by itself"},
		{"[account a]\nauth = digest-md5\n", "auth must be auto, none, plain"},
		{"[account a]\nfrom = ann\n", "from must be an address"},
		{"[account a]\nfrom = <>\n", "from must be an address"},
		{"[account a]\nfrom = Ann <ann@example.com>\n", "goes to from_name"},
		{"[account a]\nfrom = a@b, c@d\n", "from"},
		{"[account a]\nmatch = example.com\n", "write *@domain"},
		{"[account a]\nmatch = *@exa mple.com\n", "write *@domain"},
		{"[account a]\nmatch = *@a/b\n", "match"},
		{"[account a]\nehlo = a b\n", "ehlo"},
		{"[account a]\nehlo = [1.2.3]\n", "ehlo must be a host name or [address]"},
		{"[account a]\nsource = lo\n", "source must be an IP address"},
		{"[account a]\nproxy = http://x\n", "proxy must be socks5://host:port"},
		{"[account a]\nproxy = socks5://x:0\n", "proxy must be"},
		{"[account a]\nproxy = socks5://u@x\n", "no login of the form"},
		{"[account a]\nproxy = socks5://:hunter2@x\n", "no login of the form"},
		{"[account a]\nsocket = run/x\n", "begins with / or ~/"},
		{"[account a]\ntls_trust_file = ca.pem\n", "begins with / or ~/"},
		{"[account a]\npassword_command = sh -c 'x\n",
			"password_command: the command has a ' that is not closed"},
		{"[account a]\npassword_credential = a/b\n", "must be a name without '/'"},
		{"[account a]\npriority = 10\n", "must be a number from -9 to 9"},
		{"[account a]\npriority = --1\n", "must be a number from -9 to 9"},
		{"[account a]\ndeliver_by = 4h later\n", "and return or notify"},
		{"[mail]\nmax_size = 5X\n", "must be a size"},
		{"[mail]\nmax_size = 99999999T\n", "must be a size"},
		{"[mail]\nmax_size = 1\n", "is out of range"},
		{"[mail]\ndomain = 192.0.2.1\n", "a name is needed"},
		{"[queue]\nwindow = 11\n", "must be a number from 1 to 10"},
		{"[queue]\nretry_min = 2h\n", "retry_min is longer than retry_max"},
		{"[aliases]\nroot = /var/mail/x\n", "never to a file or a program"},
		{"[aliases]\nroot = \"|prog x\"\n", "never to a file or a program"},
		{"[aliases]\nroot = ann@example.com, |prog\n", "never to a file or a program"},
		{"[aliases]\nroot = :include:/x\n", "never to a file or a program"},
		{"[aliases]\nroot = \n", "config:2: "},
		{"[aliases]\nroot@x = a@b\n", "without a domain"},
		{"[aliases]\nroot = a@b\nROOT = a@c\n", "the alias 'root' is given twice"},
		{"[aliases]\nroot = a@b c@d <\n", "config:2: "},
		{"[aliases]\nroot = a@-b\n", "config:2: "},
		{"[account a]\nk\xc3\xa4se\x1b = x\n", "holds a control character"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_fault(cases[i].text, cases[i].want);
}

/* F-17 */
static void a_long_host_or_label_is_refused(void **state UNUSED)
{
	char text[400] = "[account a]\nhost = ";
	size_t len = strlen(text);

	memset(text + len, 'a', 64);
	text[len + 64] = '\0';
	expect_fault(text, "more than 63 octets");
	for (size_t i = 0; i < 270; i++)
		text[len + i] = i % 10 == 9 ? '.' : 'a';
	memcpy(text + len + 270, "a\n", 3);
	expect_fault(text, "longer than 253 octets");
}

static void secrets_never_get_into_the_words(void **state UNUSED)
{
	static const char *const cases[] = {
		"[account a]\npassword = hunter2\npassword = hunter2\nport = x\n",
		"[account a]\npassword: hunter2\n",
		"[account a]\npassword hunter2\n",
		"[account a]\npassword_command = sh -c 'hunter2\n",
		"[account a]\nproxy = socks5://ann:hunter2@x\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf faults = BUF(65536);
		struct config c;

		assert_false(read_only_file(put("config", cases[i], 0644), &c, &faults));
		if (strstr(buf_text(&faults), "hunter2"))
			fail_msg("%s", buf_text(&faults));
	}
}

static void all_faults_are_told_not_just_the_first(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config c;

	assert_false(read_only_file(
		put("config", "[account a]\nport = x\nfoo = y\n[b\n[mail]\nmax_size = z\n", 0600),
		&c, &faults));
	assert_non_null(strstr(buf_text(&faults), "config:2: port"));
	assert_non_null(strstr(buf_text(&faults), "config:3: unknown key"));
	assert_non_null(strstr(buf_text(&faults), "config:4: the section"));
	assert_non_null(strstr(buf_text(&faults), "config:6: max_size"));
}

static void a_file_of_nothing_but_faults_ends_soon(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);
	CLEANUP(buf_done) struct buf faults = BUF(1 << 20);
	size_t count = 0;
	struct config c;

	for (int i = 0; i < 50000; i++)
		buf_add_text(&text, "x = y\n");
	assert_false(read_only_file(put_octets("config", buf_slice(&text), 0600), &c, &faults));
	for (size_t i = 0; i < faults.len; i++)
		count += faults.data[i] == '\n';
	assert_int_equal(count, 100);
}

static void password_in_a_file_that_others_can_read_is_refused(void **state UNUSED)
{
	static const char with[] = "[account a]\nhost = x\nuser = u\npassword = p\n";
	static const char without[] = "[account a]\nhost = x\n";
	static const mode_t readable[] = {0644, 0640, 0604};
	static const mode_t writable[] = {0660, 0620, 0602, 0666};

	for (size_t i = 0; i < ARRAY_LEN(readable); i++) {
		CLEANUP(config_done) struct config c = {0};
		CLEANUP(buf_done) struct buf faults = BUF(65536);

		expect_faults_of(put("config", with, readable[i]),
			"holds a password and can be read by others");
		expect_faults_of(put("config", with, readable[i]), "(chmod 600 '");
		assert_true(read_only_file(put("config", without, readable[i]), &c, &faults));
	}
	for (size_t i = 0; i < ARRAY_LEN(writable); i++)
		expect_faults_of(put("config", without, writable[i]), "can be written by others");
	expect_faults_of(put("config", without, 0620), "77 ");
}

/* F-04 */
static void what_is_no_file_is_refused_at_once(void **state UNUSED)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[512];
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof(path), "%s/fifo", test_dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_faults_of(path, "is a FIFO, not a file");
	expect_faults_of(test_dir, "is a directory, not a file");
	expect_faults_of("/dev/null", "is a device, not a file");
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/s", test_dir);
	assert_true(s >= 0);
	assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	expect_faults_of(address.sun_path, "is a socket, not a file");
	close(s);
	snprintf(path, sizeof(path), "%s/none", test_dir);
	expect_faults_of(path, "No such file");
}

/* F-02 */
static void owner_and_directory_are_checked(void **state UNUSED)
{
	const char *path;
	char dir[512], inner[600];

	snprintf(dir, sizeof(dir), "%s/open", test_dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	put("open/config", "[account a]\nhost = x\n", 0600);
	assert_int_equal(chmod(dir, 0777), 0);
	snprintf(inner, sizeof(inner), "%s/config", dir);
	expect_faults_of(inner, "is a directory that everybody can write");
	assert_int_equal(chmod(dir, 0700), 0);
	if (getuid() != 0)
		return;
	path = put("config", "[account a]\nhost = x\n", 0600);
	assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
	expect_faults_of(path, "belongs to another user (owner uid 12345");
	assert_int_equal(unlink(path), 0);
}

static void a_link_to_a_good_file_is_fine(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	const char *path = put("target", "[account a]\nhost = x\n", 0600);
	char link[512];

	snprintf(link, sizeof(link), "%s/link", test_dir);
	assert_int_equal(symlink(path, link), 0);
	assert_true(read_only_file(link, &c, &faults));
	assert_int_equal(chmod(path, 0666), 0);
	expect_faults_of(link, "can be written by others");
}

static void large_files_are_refused(void **state UNUSED)
{
	char path[512];

	put("config", "", 0600);
	snprintf(path, sizeof(path), "%s/config", test_dir);
	assert_int_equal(truncate(path, 1 << 30), 0);
	expect_faults_of(path, "is larger than 1048576 octets");
	assert_int_equal(truncate(path, 0), 0);
}

static void both_files_are_merged_key_by_key(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config_places places = {
		.system = put("system",
			"[defaults]\nport = 1\ntimeout = 10s\npassword_file = /sys\n"
			"[account site]\nhost = s.example\nuser = sys\nfrom = s@example.com\n"
			"[account work]\nhost = old.example\nuser = u\npassword_command = x\n"
			"[mail]\ndomain = sys.example\nmax_size = 1M\n"
			"[aliases]\nroot = a@sys.example\nbin = b@sys.example\n",
			0600),
		.own = put("own",
			"[defaults]\nport = 2\n"
			"[account work]\nsocket = /run/lmtp\npassword_file = /own\n"
			"[account home]\nhost = h.example\nport = 3\n"
			"[mail]\ndomain = own.example\n[aliases]\nRoot = a@own.example\n",
			0600),
	};

	if (!config_read(&places, write_fault_line, &faults, &c))
		fail_msg("%s", buf_text(&faults));
	assert_int_equal(c.account_count, 3);
	assert_string_equal(c.accounts[0].name, "work");
	assert_string_equal(c.accounts[1].name, "home");
	assert_string_equal(c.accounts[2].name, "site");
	assert_string_equal(c.accounts[0].user, "u");
	assert_string_equal(c.accounts[0].socket, "/run/lmtp");
	assert_int_equal(c.accounts[0].hosts.count, 0);
	assert_string_equal(c.accounts[0].password_file, "/own");
	assert_null(c.accounts[0].password_command);
	assert_int_equal(c.accounts[0].port, 2);
	assert_int_equal(c.accounts[0].timeout_ms, 10000);
	assert_int_equal(c.accounts[1].port, 3);
	assert_string_equal(c.accounts[2].password_file, "/sys");
	assert_string_equal(c.mail.domain, "own.example");
	assert_true(c.mail.max_size == 1 << 20);
	assert_int_equal(c.alias_count, 2);
	assert_string_equal(c.aliases[0].target, "a@own.example");
	assert_string_equal(c.aliases[1].target, "b@sys.example");
	assert_non_null(strstr(c.sources, "/system, "));
}

static void an_accounts_own_secret_hides_that_of_the_defaults(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};

	expect_config("[defaults]\nuser = u\npassword_file = /d\n[account a]\nhost = x\n"
		      "password = p\n[account b]\nhost = y\n",
		&c);
	assert_string_equal(c.accounts[0].password, "p");
	assert_null(c.accounts[0].password_file);
	assert_string_equal(c.accounts[1].password_file, "/d");
}

static void no_file_at_all_is_told_when_an_account_is_needed(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	const struct account *a;
	struct error err = {0};
	char system[512], own[512];
	struct config_places places = {.system = system, .own = own};

	snprintf(system, sizeof(system), "%s/nosystem", test_dir);
	snprintf(own, sizeof(own), "%s/none/own", test_dir);
	assert_true(config_read(&places, write_fault_line, &faults, &c));
	assert_int_equal(c.account_count, 0);
	assert_false(config_choose(&c, NULL, NULL, NULL, &a, &err));
	assert_int_equal(err.exit_code, EX_CONFIG);
	assert_non_null(strstr(err.text, "no account is configured"));
	assert_non_null(strstr(err.text, "/nosystem' does not exist"));
	assert_non_null(strstr(err.text, "/none/own' does not exist"));
	assert_non_null(strstr(err.hint, "[account work]"));
	assert_non_null(strstr(err.hint, "/none/own"));
}

/* What somebody who is not root sees of a closed file: "" when all is as it
 * should be, else what is not. */
static const char *look_at_closed_file(const char *closed, const char *own, const char *missing)
{
	CLEANUP(config_done) struct config with = {0}, without = {0}, neither = {0};
	CLEANUP(buf_done) struct buf faults = BUF(65536);
	struct config_places places = {.system = closed, .own = own};
	const struct account *a;
	struct error err = {0};

	if (!config_read(&places, write_fault_line, &faults, &with) || with.account_count != 1)
		return "a file of one's own is enough";
	places.own = missing;
	if (!config_read(&places, write_fault_line, &faults, &without))
		return "a closed system file is no fault by itself";
	if (config_choose(&without, NULL, NULL, NULL, &a, &err) ||
		!strstr(err.text, "is closed to you (owner uid") ||
		!strstr(err.text, "missing' does not exist"))
		return "both facts are told";
	places.own = closed;
	if (config_read(&places, write_fault_line, &faults, &neither) ||
		!strstr(buf_text(&faults), "77 cannot read") ||
		!strstr(buf_text(&faults), "mode 0000; you are uid"))
		return "a closed file of one's own is a fault";
	return "";
}

static void a_closed_system_file_stops_only_those_without_their_own(void **state UNUSED)
{
	const char *closed = put("closed", "[account s]\nhost = s\n", 0000);
	const char *own = put("own", "[account o]\nhost = o\n", 0644);
	char missing[512];
	int status = 0;
	pid_t child;

	snprintf(missing, sizeof(missing), "%s/missing", test_dir);
	if (getuid() != 0) {
		assert_string_equal(look_at_closed_file(closed, own, missing), "");
		return;
	}
	/* For root nothing is closed: somebody else has to look. */
	assert_int_equal(chmod(test_dir, 0755), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);

		const char *wrong = look_at_closed_file(closed, own, missing);

		if (wrong[0] != '\0')
			fprintf(stderr, "# not so: %s\n", wrong);
		_exit(wrong[0] != '\0');
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void choosing_an_account(void **state UNUSED)
{
	static const struct {
		const char *name, *sender, *header_from, *want;
	} cases[] = {
		{NULL, NULL, NULL, "one"},
		{NULL, "", NULL, "one"},
		{NULL, "x@elsewhere.example", NULL, "one"},
		{NULL, "ann@TWO.example", NULL, "two"},
		{NULL, "Ann@two.example", NULL, "four"},
		{NULL, "bob@two.example", NULL, "four"},
		{NULL, "three@x.example", NULL, "three"},
		{NULL, "a+list@x.example", NULL, "four"},
		{NULL, "any@sub.deep.example", NULL, "five"},
		{NULL, "any@deep.example", NULL, "one"},
		{NULL, "", "ann@two.example", "two"},
		{NULL, "three@x.example", "ann@two.example", "three"},
		{NULL, "x@elsewhere.example", "ann@two.example", "two"},
		{NULL, "ann", "ann@two.example", "two"},
		{"five", "ann@two.example", NULL, "five"},
	};
	CLEANUP(config_done) struct config c = {0};

	expect_config("[defaults]\nhost = h\n[account one]\n"
		      "[account four]\nmatch = *@Two.example a+*@x.example *@x.example\n"
		      "[account two]\nfrom = ann@two.example\n"
		      "[account three]\nmatch = three@x.example\n"
		      "[account five]\nmatch = *@*.deep.example\n",
		&c);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct account *a = NULL;
		struct error err = {0};

		assert_ok(config_choose(&c, cases[i].name, cases[i].sender, cases[i].header_from,
				  &a, &err),
			err);
		if (strcmp(a->name, cases[i].want) != 0)
			fail_msg("%zu: %s, not %s", i, a->name, cases[i].want);
	}
}

static void an_unknown_name_gets_a_guess(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	const struct account *a;
	struct error err = {0};

	expect_config("[account work]\nhost = h\n[account home]\nhost = h\n", &c);
	assert_false(config_choose(&c, "wrok", NULL, NULL, &a, &err));
	assert_int_equal(err.exit_code, EX_CONFIG);
	assert_string_equal(err.text, "there is no account 'wrok': did you mean 'work'?");
}

static void keys_of_an_account_have_to_fit_together(void **state UNUSED)
{
	static const struct {
		const char *text, *want; /* NULL: fine */
	} cases[] = {
		{"user = u\n", "has no server"},
		{"host = x\ntls = none\nuser = u\n", "tls = none and a login"},
		{"host = x\ntls = none\nuser = u\npassword = p\n", "tls = none and a login"},
		{"host = x\ntls = none\nauth = external\n", "tls = none and a login"},
		{"host = x\ntls = none\nuser = u\ninsecure_login = yes\n", NULL},
		{"host = x\ntls = none\nuser = u\nauth = none\n", NULL},
		{"host = x\ntls = none\n", NULL},
		{"host = localhost\ntls = none\nuser = u\n", NULL},
		{"host = 127.1.2.3 ::1 localhost.\ntls = none\nuser = u\n", NULL},
		{"host = 127.0.0.1 x\ntls = none\nuser = u\n", "tls = none and a login"},
		{"host = srv:localhost\ntls = none\nuser = u\n", "tls = none and a login"},
		{"host = ::1\ntls = none\nuser = u\nproxy = socks5://x\n",
			"tls = none and a login"},
		{"socket = /run/lmtp\ntls = none\nuser = u\n", NULL},
		{"host = x\ntls_key_file = /k\n", "tls_key_file without tls_cert_file"},
		{"host = x\ntls = none\nrequire_tls = yes\n", "require_tls = yes and tls = none"},
		{"host = x\nfrom_policy = force\n", "from_policy = force and no from"},
		{"host = x\npassword = p\n", "has a password and no user"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(config_done) struct config c = {0};
		const struct account *a;
		struct error err = {0};
		char text[512];
		bool is_fine;

		snprintf(text, sizeof(text), "[account a]\n%s", cases[i].text);
		expect_config(text, &c);
		is_fine = config_choose(&c, NULL, NULL, NULL, &a, &err);
		if (is_fine != !cases[i].want)
			fail_msg("%s: %s", cases[i].text, err.text);
		if (!is_fine && !strstr(err.text, cases[i].want))
			fail_msg("%s: %s", cases[i].text, err.text);
		if (!is_fine)
			assert_non_null(strstr(err.text, "/config:1: account 'a' "));
	}
}

static void one_bad_account_stops_no_other(void **state UNUSED)
{
	CLEANUP(config_done) struct config c = {0};
	const struct account *a;
	struct error err = {0};

	expect_config("[account good]\nhost = h\n[account bad]\nuser = u\n", &c);
	assert_ok(config_choose(&c, NULL, NULL, NULL, &a, &err), err);
	assert_false(config_choose(&c, "bad", NULL, NULL, &a, &err));
}

static void accounts_beyond_the_limit_are_refused(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf text = BUF(1 << 20);

	for (int i = 0; i < 257; i++)
		buf_printf(&text, "[account a%d]\nhost = x\n", i);
	expect_fault(buf_text(&text), "config:513: there are more than 256 accounts");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_smallest_file_gives_an_account_and_all_defaults),
		TEST(every_key_is_read_into_its_place),
		TEST(names_in_other_scripts_become_a_labels),
		TEST(faults_have_file_line_and_a_guess),
		TEST(a_long_host_or_label_is_refused),
		TEST(secrets_never_get_into_the_words),
		TEST(all_faults_are_told_not_just_the_first),
		TEST(a_file_of_nothing_but_faults_ends_soon),
		TEST(password_in_a_file_that_others_can_read_is_refused),
		TEST(what_is_no_file_is_refused_at_once),
		TEST(owner_and_directory_are_checked),
		TEST(a_link_to_a_good_file_is_fine),
		TEST(large_files_are_refused),
		TEST(both_files_are_merged_key_by_key),
		TEST(an_accounts_own_secret_hides_that_of_the_defaults),
		TEST(no_file_at_all_is_told_when_an_account_is_needed),
		TEST(a_closed_system_file_stops_only_those_without_their_own),
		TEST(choosing_an_account),
		TEST(an_unknown_name_gets_a_guess),
		TEST(keys_of_an_account_have_to_fit_together),
		TEST(one_bad_account_stops_no_other),
		TEST(accounts_beyond_the_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
