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
import shutil
import signal
import socket
import subprocess
import tempfile
import time

USER = "ann@example.test"
PASSWORD = "s3cret pass"

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

DOVECOT_CONF = """\
base_dir = {root}/dovecot
state_dir = {root}/dovecot-state
log_path = {root}/log/dovecot.log
protocols = none
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
auth_username_format = %Lu
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {root}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail
}}
service auth {{
  unix_listener {root}/spool/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
# Without this, each failed login from this address slows the next one down.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0600
  }}
}}
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


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def missing():
    """Why the servers cannot be run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    for program in ("postfix", "dovecot"):
        if shutil.which(program, path=path) is None:
            return "%s is not installed" % program
    return None


class Postfix:
    def __init__(self, certificate, smtputf8="yes"):
        self.certificate = certificate
        self.smtputf8 = smtputf8
        self.root = None
        self.dovecot = None
        self.ports = {name: free_port() for name in SERVICES}
        self.port = self.ports["submission"]
        self.tls_port = self.ports["tls"]
        self.log_start = 0

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="pillarbox-postfix.")
        os.chmod(self.root, 0o755)
        try:
            self.prepare()
            self.start_dovecot()
            self.start_postfix()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def prepare(self):
        postfix = pwd.getpwnam("postfix")
        nobody = pwd.getpwnam("nobody")
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
        for name in ("etc", "spool", "data", "log", "mail", "tls", "dovecot", "dovecot-state"):
            os.mkdir(self.path(name), 0o755)
            os.chmod(self.path(name), 0o755)
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
        shutil.copy(self.certificate.chain, self.path("tls", "chain.pem"))
        shutil.copy(self.certificate.key, self.path("tls", "key.pem"))
        self.write("etc/main.cf", MAIN_CF.format(**facts))
        self.write("etc/master.cf", MASTER_CF.format(**facts))
        self.write("users", "%s:{PLAIN}%s\n" % (USER, PASSWORD))
        self.write("dovecot.conf", DOVECOT_CONF.format(**facts))

    def start_dovecot(self):
        with open(self.path("log", "dovecot.out"), "wb") as out:
            self.dovecot = subprocess.Popen(
                ["/usr/sbin/dovecot", "-F", "-c", self.path("dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.wait(lambda: os.path.exists(self.path("spool", "private", "auth")), "Dovecot")

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

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
                return sock.recv(512).startswith(b"220")
        except OSError:
            return False

    def wait(self, condition, what, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise RuntimeError("%s: nothing in %d s\n%s" % (what, timeout, self.log()))
            time.sleep(0.02)

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
        if self.dovecot is not None and self.dovecot.poll() is None:
            os.killpg(self.dovecot.pid, signal.SIGTERM)
            try:
                self.dovecot.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.dovecot.pid, signal.SIGKILL)
                self.dovecot.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    # --- what arrived ------------------------------------------------

    def log(self):
        text = ""
        for name in ("mail.log", "dovecot.log", "dovecot.out"):
            try:
                with open(self.path("log", name), encoding="utf-8", errors="replace") as file:
                    text += file.read()
            except OSError:
                continue
        return text

    def forget_log(self):
        try:
            self.log_start = os.path.getsize(self.path("log", "mail.log"))
        except OSError:
            self.log_start = 0

    def log_lines(self, text):
        """Lines of Postfix's log since empty() that hold the text."""
        try:
            with open(self.path("log", "mail.log"), "rb") as file:
                file.seek(self.log_start)
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if text in line]

    def wait_log(self, text, count=1):
        """The lines with the text; the log is written a little behind the events."""
        return self.wait(
            lambda: (lambda found: found if len(found) >= count else None)(self.log_lines(text)),
            "'%s' in the log" % text,
        )

    def session(self):
        """What the one session since empty() did: {"auth": "1", "mail": "50", …}."""
        line = self.wait_log("disconnect from")
        assert len(line) == 1 and len(self.log_lines(": connect from")) == 1, line
        return dict(word.split("=") for word in line[0].split() if "=" in word)

    def mail(self, mailbox):
        """The messages of a mailbox, as Postfix stored them (LF lines)."""
        new = self.path("mail", mailbox, "new")
        try:
            names = sorted(os.listdir(new))
        except OSError:
            return []
        found = []
        for name in names:
            with open(os.path.join(new, name), "rb") as file:
                found.append(file.read())
        return found

    def wait_mail(self, mailbox, count=1):
        return self.wait(
            lambda: (lambda found: found if len(found) >= count else None)(self.mail(mailbox)),
            "mail for %s" % mailbox,
        )

    def empty(self):
        """Takes the mail of all mailboxes away and forgets the log so far."""
        for mailbox in MAILBOXES:
            shutil.rmtree(self.path("mail", mailbox), ignore_errors=True)
        self.forget_log()
