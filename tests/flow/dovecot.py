"""A real Dovecot on loopback, with directories of its own: who may log in, and its submission service.

    with Dovecot(certificate) as dovecot:
        dovecot.port              submission with STARTTLS; dovecot.tls_port is TLS at once
        dovecot.relay             (address, port) where the test's own server takes what it relays

Authentication(server, …) is the part that Postfix and Exim ask for their logins. Needs root and the
programs of Debian's dovecot-core and dovecot-submissiond, and touches nothing of an installed Dovecot.
"""

import os
import pwd
import subprocess

from real_server import Server, end_process, find_program, free_port

USER = "ann@example.test"
SMALL_USER = "small@example.test"  # may submit no more than SMALL_SIZE octets
PASSWORD = "s3cret pass"
SMALL_SIZE = 20000

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")

COMMON_CONF = """\
base_dir = {root}/dovecot
state_dir = {root}/dovecot-state
log_path = {root}/log/dovecot.log
auth_mechanisms = {mechanisms}
auth_username_format = %Lu
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {root}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {root}/users
  override_fields = uid={uid} gid={gid} home={root}/mail
}}
# Without this, each failed login from this address slows the next one down.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""

AUTHENTICATION_CONF = """\
protocols = none
ssl = no
service auth {{
  unix_listener {socket} {{
    mode = 0600
    user = {user}
  }}
}}
"""

SUBMISSION_CONF = """\
protocols = submission
listen = 127.0.0.1
ssl = required
ssl_cert = <{root}/tls/chain.pem
ssl_key = <{root}/tls/key.pem
hostname = dovecot.test
mail_location = maildir:{root}/mail/%u
submission_relay_host = {relay_host}
submission_relay_port = {relay_port}
submission_relay_ssl = no
submission_max_mail_size = 100M
# What the relay offers is known too late for the first EHLO.
submission_backend_capabilities = 8BITMIME DSN VRFY
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
  inet_listener submissions {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""

USERS = """\
{user}:{{PLAIN}}{password}::::::
{small_user}:{{PLAIN}}{password}::::::userdb_submission_max_mail_size={small_size}
"""


def missing(*programs):
    """Why Dovecot cannot be run here, or None; programs: more that are needed."""
    if os.geteuid() != 0:
        return "needs root"
    if find_program("dovecot") is None:
        return "dovecot is not installed"
    for program in programs:
        if not os.path.exists("/usr/lib/dovecot/" + program):
            return "dovecot's %s is not installed" % program
    return None


def nobody():
    return pwd.getpwnam("nobody")


class Process:
    """A Dovecot in the directory of a server of the tests."""

    def __init__(self, server, conf, **facts):
        self.server = server
        self.conf = COMMON_CONF + conf
        self.facts = facts
        self.child = None

    def prepare(self):
        server = self.server
        server.directories("dovecot", "dovecot-state")
        server.write(
            "users",
            USERS.format(user=USER, password=PASSWORD, small_user=SMALL_USER, small_size=SMALL_SIZE),
        )
        conf = self.conf.format(
            root=server.root,
            mechanisms=" ".join(MECHANISMS).lower(),
            uid=nobody().pw_uid,
            gid=nobody().pw_gid,
            **self.facts,
        )
        server.write("dovecot.conf", conf)

    def start(self):
        with open(self.server.path("log", "dovecot.out"), "wb") as out:
            self.child = subprocess.Popen(
                ["/usr/sbin/dovecot", "-F", "-c", self.server.path("dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def stop(self):
        end_process(self.child)


class Authentication(Process):
    """Checks logins for another server, which asks by a socket that is that user's."""

    def __init__(self, server, socket, user):
        super().__init__(server, AUTHENTICATION_CONF, socket=socket, user=user)
        self.socket = socket

    def start(self):
        super().start()
        self.server.wait(lambda: os.path.exists(self.socket), "Dovecot")


class Dovecot(Server):
    """The submission service. It stores nothing: what it takes goes on to the relay as it comes."""

    name = "dovecot"
    logs = ("log/dovecot.log", "log/dovecot.out")

    def __init__(self, certificate):
        super().__init__(certificate)
        self.ports = {"submission": free_port(), "tls": free_port()}
        self.port = self.ports["submission"]
        self.tls_port = self.ports["tls"]
        # An address of its own: no connection of somebody else can come to sit on the port.
        self.relay = ("127.0.0.7", free_port())
        self.process = Process(
            self,
            SUBMISSION_CONF,
            port=self.port,
            tls_port=self.tls_port,
            relay_host=self.relay[0],
            relay_port=self.relay[1],
        )

    def prepare(self):
        self.directories("log", "mail")
        os.chown(self.path("mail"), nobody().pw_uid, nobody().pw_gid)
        self.install_certificate()
        self.process.prepare()

    def start(self):
        self.process.start()
        self.wait(self.answers, "Dovecot")

    def stop(self):
        self.process.stop()
