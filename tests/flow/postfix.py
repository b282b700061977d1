"""A real Postfix with Dovecot's SASL, on loopback, with directories of its own.

    with Postfix(certificate) as postfix:
        postfix.port              submission with STARTTLS; postfix.tls_port is TLS at once
        postfix.ports["small"]    the other services of SERVICES
        postfix.wait_mail("bob@example.net")
        postfix.wait_log("disconnect from")

Needs root, the programs of Debian's postfix and dovecot-core, and touches
nothing of an installed mail system.
"""

import grp
import os
import pwd
import subprocess

import dovecot
from real_server import Server, find_program, free_port

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {root}/etc
queue_directory = {root}/spool
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
myhostname = postfix.test
mydomain = test
myorigin = $myhostname
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
maillog_file = {root}/log/mail.log
maillog_file_prefixes = {root}/log
smtputf8_enable = {smtputf8}
biff = no
message_size_limit = 104857600
virtual_mailbox_limit = 0
virtual_mailbox_domains = example.net, example.test, example.org
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_chain_files = {root}/tls/key.pem, {root}/tls/chain.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_forbid_bare_newline = yes
always_add_missing_headers = no
local_header_rewrite_clients =
disable_dns_lookups = yes
"""

# Submission services, each on a port of its own, and what makes it differ.
SERVICES = {
    "submission": "",
    "tls": "smtpd_tls_wrappermode=yes",
    "no-chunking": "smtpd_discard_ehlo_keywords=chunking,silent-discard",
    "bare": "smtpd_discard_ehlo_keywords=chunking,pipelining,dsn,enhancedstatuscodes,size,silent-discard",
    "7bit": "smtpd_discard_ehlo_keywords=chunking,8bitmime,smtputf8,silent-discard",
    "small": "message_size_limit=20000",
}

MASTER_CF = """\
postlog   unix-dgram n  -       n       -       1       postlogd
{services}
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
anvil     unix  -       -       n       -       1       anvil
proxymap  unix  -       -       n       -       -       proxymap
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
virtual   unix  -       n       n       -       -       virtual
"""

MAILBOXES = (
    "ann@example.test",
    "bob@example.net",
    "carl@example.net",
    "dora@example.org",
    "root@example.test",
    "dörte@example.net",
)


SPOOL_DIRECTORIES = tuple(
    (name, 0o700, "")
    for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split()
) + (("maildrop", 0o730, "postdrop"), ("public", 0o710, "postdrop"))


def missing():
    """Why the servers cannot be run here, or None."""
    if find_program("postfix") is None:
        return "postfix is not installed"
    return dovecot.missing()


class Postfix(Server):
    name = "postfix"
    logs = ("log/mail.log", "log/dovecot.log", "log/dovecot.out")
    mailboxes = MAILBOXES

    def __init__(self, certificate, smtputf8="yes"):
        super().__init__(certificate)
        self.smtputf8 = smtputf8
        self.logins = None
        self.ports = {name: free_port() for name in SERVICES}
        self.port = self.ports["submission"]
        self.tls_port = self.ports["tls"]

    def prepare(self):
        postfix = pwd.getpwnam("postfix")
        nobody = dovecot.nobody()
        facts = {
            "root": self.root,
            "services": "\n".join(
                "127.0.0.1:%d inet n - n - - smtpd%s"
                % (self.ports[name], " -o " + setting if setting else "")
                for name, setting in SERVICES.items()
            ),
            "uid": nobody.pw_uid,
            "gid": nobody.pw_gid,
            "smtputf8": self.smtputf8,
            "mailboxes": ", ".join("{ %s = %s/ }" % (m, m) for m in MAILBOXES),
        }
        self.directories("etc", "spool", "data", "log", "mail")
        self.install_certificate()
        os.chown(self.path("data"), postfix.pw_uid, postfix.pw_gid)
        os.chown(self.path("log"), postfix.pw_uid, postfix.pw_gid)
        os.mkdir(self.path("spool", "pid"), 0o755)
        drop = grp.getgrnam("postdrop").gr_gid
        for name, mode, group in SPOOL_DIRECTORIES:
            path = self.path("spool", name)
            os.mkdir(path)
            os.chown(path, postfix.pw_uid, drop if group == "postdrop" else 0)
            os.chmod(path, mode)
        os.chown(self.path("mail"), nobody.pw_uid, nobody.pw_gid)
        self.write("etc/main.cf", MAIN_CF.format(**facts))
        self.write("etc/master.cf", MASTER_CF.format(**facts))
        self.logins = dovecot.Authentication(self, self.path("spool", "private", "auth"), "postfix")
        self.logins.prepare()

    def start(self):
        self.logins.start()
        self.start_postfix()

    def start_postfix(self):
        result = subprocess.run(
            ["/usr/sbin/postfix", "-c", self.path("etc"), "start"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError("Postfix does not start: %s%s" % (result.stderr, self.log()))
        self.forget_log()
        self.wait(self.answers, "Postfix")
        # The session of the question is none of the test's.
        self.wait_log("disconnect from")
        self.forget_log()

    def stop_postfix(self):
        subprocess.run(
            ["/usr/sbin/postfix", "-c", self.path("etc"), "stop"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def stop(self):
        self.stop_postfix()
        if self.logins is not None:
            self.logins.stop()

    def session(self):
        """What the one session since empty() did: {"auth": "1", "mail": "50", …}."""
        line = self.wait_log("disconnect from")
        assert len(line) == 1 and len(self.log_lines(": connect from")) == 1, line
        return dict(word.split("=") for word in line[0].split() if "=" in word)
