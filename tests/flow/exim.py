"""A real Exim with Dovecot's SASL, on loopback, with directories of its own.

    with Exim(certificate, ca) as exim:
        exim.port              submission with STARTTLS; exim.tls_port is TLS at once
        exim.ports["small"]    the other services of SERVICES, and "strict"
        exim.wait_mail("bob@example.net")
        exim.received()        what its log says of each message that it took

Needs root, Dovecot's programs, and Exim's: installed, or unpacked by tests/run.sh into build/packages/exim,
since Debian's Exim cannot be installed beside Postfix. Touches nothing of an installed mail system.
"""

import os
import pwd
import re
import shutil
import subprocess

import dovecot
from real_server import Server, end_process, find_program, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
UNPACKED = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build/packages/exim/usr/sbin/exim4")

# The user that Debian's Exim asks for as soon as it starts. Where there is none, a library that answers
# such questions from files of ours names one for this program alone.
BUILT_IN_USER = "Debian-exim"
WRAPPER = "libnss_wrapper.so"
WRAPPER_VARIABLES = ("LD_PRELOAD", "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP")

# A service listens on a port of its own; the configuration tells them apart by it.
SERVICES = ("submission", "tls", "no-chunking", "bare", "small")
SMALL_SIZE = 20000

# The service "strict" is a daemon of its own: these limits hold for all ports of one.
STRICT_MESSAGES = 10
STRICT_RECIPIENTS = 3
STRICT_CONF = """\
smtp_accept_max_per_connection = %d
recipients_max = %d
""" % (STRICT_MESSAGES, STRICT_RECIPIENTS)

MAIN_CONF = """\
exim_path = {root}/exim4
exim_user = {uid}
exim_group = {gid}
keep_environment = {environment}
deliver_drop_privilege = true
spool_directory = {root}/spool
log_file_path = {root}/log/%slog
log_selector = +smtp_connection +smtp_no_mail +pipelining +received_recipients +tls_sni \\
  +tls_certificate_verified
local_interfaces = 127.0.0.1
primary_hostname = exim.test
notifier_socket =
host_lookup =
rfc1413_hosts =
smtp_accept_queue_per_connection = 0
smtp_accept_max = 0
tls_certificate = {root}/tls/chain.pem
tls_privatekey = {root}/tls/key.pem
tls_advertise_hosts = *
tls_try_verify_hosts = *
tls_verify_certificates = {root}/tls/ca.pem
auth_advertise_hosts = ${{if def:tls_in_cipher {{*}}}}
dsn_advertise_hosts = ${{if !eq{{$received_port}}{{{bare}}} {{*}}}}
pipelining_advertise_hosts = ${{if !eq{{$received_port}}{{{bare}}} {{*}}}}
chunking_advertise_hosts = ${{if match{{$received_port}}{{^({bare}|{no-chunking})\\$}} {{}}{{*}}}}
message_size_limit = ${{if eq{{$received_port}}{{{small}}} {{{small_size}}}{{100M}}}}
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data
"""

RULES = """\
begin acl
check_rcpt:
  deny message = no such mailbox here
       !verify = recipient
  defer local_parts = later
        message = come back later
  accept authenticated = *
  deny message = log in first

check_data:
  deny condition = ${{if match{{$h_subject:}}{{^refuse this}}}}
       message = not this one
  defer condition = ${{if match{{$h_subject:}}{{^defer this}}}}
        message = not now
  accept

begin routers
mailbox:
  driver = accept
  address_data = ${{lookup{{$local_part@$domain}}lsearch{{{root}/mailboxes}}{{$value}}fail}}
  transport = maildir

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {root}/mail/$address_data
  return_path_add
  user = {uid}
  group = {gid}

begin retry
* * F,1h,1h

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}} {{{password}}}fail}}
  server_set_id = $auth1
"""

# What Debian's exim4-daemon-heavy has beyond the -light one.
BY_DOVECOT = """\
scram_{bits}:
  driver = dovecot
  public_name = SCRAM-SHA-{bits}
  server_socket = {socket}
  server_set_id = $auth1
"""
BY_CERTIFICATE = """\
external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = ${{if bool{{$tls_in_certificate_verified}}}}
  server_condition = ${{if eq{{$auth1}}{{{user}}}}}
  server_set_id = $auth1
"""

MAILBOXES = (
    "ann@example.test",
    "bob@example.net",
    "carl@example.net",
    "dora@example.org",
    "later@example.net",
    "dörte@example.net",
)


def program():
    """Where Exim is, or None."""
    installed = find_program("exim4")
    if installed:
        return installed
    return UNPACKED if os.path.exists(UNPACKED) else None


def missing():
    """Why Exim cannot be run here, or None."""
    if program() is None:
        return "exim4 is neither installed nor in build/packages/exim"
    return dovecot.missing()


def has_user(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


class Exim(Server):
    name = "exim"
    logs = ("log/mainlog", "log/paniclog", "log/exim.out", "log/dovecot.log", "log/dovecot.out")
    mailboxes = MAILBOXES

    def __init__(self, certificate, ca):
        super().__init__(certificate)
        self.ca = ca
        self.logins = None
        self.daemons = []
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self.abilities = ""
        self.ports = {name: free_port() for name in SERVICES + ("strict",)}
        self.port = self.ports["submission"]
        self.tls_port = self.ports["tls"]

    def prepare(self):
        nobody = dovecot.nobody()
        self.directories("log", "mail", "spool", "sasl")
        for name in ("log", "mail", "spool"):
            os.chown(self.path(name), nobody.pw_uid, nobody.pw_gid)
        self.install_certificate()
        shutil.copy(self.ca, self.path("tls", "ca.pem"))
        for name in os.listdir(self.path("tls")):
            os.chown(self.path("tls", name), nobody.pw_uid, nobody.pw_gid)
        # The copy has no set-uid bit: what the daemon starts is as unprivileged as itself.
        shutil.copyfile(program(), self.path("exim4"))
        os.chmod(self.path("exim4"), 0o755)
        if not has_user(BUILT_IN_USER):
            self.name_user()
        self.abilities = self.run_exim("-bV", "-C", "/dev/null")
        self.logins = dovecot.Authentication(self, self.path("sasl", "auth"), "nobody")
        self.logins.prepare()
        self.write("mailboxes", "".join("%s: %s\n" % (m, m) for m in MAILBOXES))
        self.configure("exim.conf", SERVICES, "")
        self.configure("strict.conf", ("strict",), STRICT_CONF)

    def name_user(self):
        nobody = dovecot.nobody()
        for file, line in (
            ("passwd", "%s:x:%d:%d::/:/bin/false\n" % (BUILT_IN_USER, nobody.pw_uid, nobody.pw_gid)),
            ("group", "%s:x:%d:\n" % (BUILT_IN_USER, nobody.pw_gid)),
        ):
            with open("/etc/" + file, encoding="utf-8") as known:
                self.write(file, known.read() + line)
        self.environment.update(zip(WRAPPER_VARIABLES, (WRAPPER, self.path("passwd"), self.path("group"))))

    def can(self, authenticator):
        """Whether this Exim was built with a driver for authentication."""
        return re.search(r"^Authenticators:.*\b%s\b" % authenticator, self.abilities, re.M) is not None

    def configure(self, name, services, more):
        nobody = dovecot.nobody()
        facts = dict(
            self.ports,
            root=self.root,
            uid=nobody.pw_uid,
            gid=nobody.pw_gid,
            environment=" : ".join(WRAPPER_VARIABLES),
            small_size=SMALL_SIZE,
            user=dovecot.USER,
            password=dovecot.PASSWORD,
        )
        text = MAIN_CONF.format(**facts) + more
        text += "daemon_smtp_ports = %s\n" % " : ".join(str(self.ports[s]) for s in services)
        if "tls" in services:
            text += "tls_on_connect_ports = %d\n" % self.ports["tls"]
        text += RULES.format(**facts)
        if self.can("dovecot"):
            for bits in ("1", "256"):
                text += BY_DOVECOT.format(bits=bits, socket=self.logins.socket)
        if self.can("external"):
            text += BY_CERTIFICATE.format(user=dovecot.USER)
        self.write(name, text)

    def run_exim(self, *words):
        result = subprocess.run(
            [self.path("exim4"), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError("exim4 %s: %r" % (" ".join(words), result.stderr + result.stdout))
        return result.stdout.decode("utf-8", "replace")

    def start(self):
        self.logins.start()
        with open(self.path("log", "exim.out"), "wb") as out:
            for name in ("exim.conf", "strict.conf"):
                words = ["-C", self.path(name), "-oP", self.path(name + ".pid"), "-bdf"]
                self.daemons.append(
                    subprocess.Popen(
                        [self.path("exim4"), *words],
                        env=self.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=out,
                        start_new_session=True,
                    )
                )
        for port in (self.ports["strict"], self.ports["submission"]):
            self.wait(lambda port=port: self.answers(port), "Exim")
        # The sessions of the questions are none of the tests'.
        self.wait_log(" lost", 2)

    def stop(self):
        for daemon in self.daemons:
            end_process(daemon)
        if self.logins is not None:
            self.logins.stop()

    def received(self, count=1):
        """What the log says of the messages it took: [{"A": "plain:ann@example.test", …}]."""
        lines = self.wait_log(" <= ", count)
        assert len(lines) == count, lines
        return [dict(word.split("=", 1) for word in line.split(" ") if "=" in word) for line in lines]

    def empty(self):
        """What a test did not wait for does not arrive in the next one."""
        self.wait(lambda: len(self.log_lines(" Completed")) >= len(self.log_lines(" <= ")), "all to be delivered")
        super().empty()

    def sessions(self):
        """How many there were since empty(), all of them over."""
        begun = len(self.log_lines(" SMTP connection from [127.0.0.1] (TCP/IP connection count"))
        self.wait(lambda: self.sessions_over() == begun, "the end of %d sessions" % begun)
        return begun

    def sessions_over(self):
        lines = self.log_lines("SMTP connection from ")
        return len([line for line in lines if " closed by " in line or " lost" in line])
