"""Postfix as a null client: a Postfix of its own that gives everything to the smarthost.

Its programs that a caller runs are copies without the set-gid bit, so that they
can be traced; root needs no such bit.
"""

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
import tempfile
import time

import postfix as flow_postfix
from clients import Client, copy, write
from measure import LONGEST, Command, TooLong
from server import PASSWORD, USER

DAEMONS = "/usr/lib/postfix/sbin"
LOGIN_MODULE = "/usr/lib/x86_64-linux-gnu/sasl2/libplain.so"
TICKS = os.sysconf("SC_CLK_TCK")

# Beside directories, names and the smarthost what Debian installs, but for two limits
# of size and the trust.
MAIN_CF = """\
compatibility_level = 3.6
config_directory = {root}/etc
queue_directory = {root}/spool
data_directory = {root}/data
command_directory = {root}/bin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = client.example.test
mydestination =
local_transport = error:no local mail
inet_interfaces = loopback-only
inet_protocols = all
alias_maps =
alias_database =
maillog_file = {root}/log/mail.log
maillog_file_prefixes = {root}/log
message_size_limit = 2000000000
header_size_limit = 20000000
smtp_host_lookup = native
smtp_tls_session_cache_database = btree:${{data_directory}}/smtp_scache
smtp_tls_CAfile = {trust}
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = plain
"""

SMARTHOST_CF = """\
relayhost = [localhost]:{port}
smtp_sasl_password_maps = inline:{{ {{ [localhost]:{port} = {user}:{password} }} }}
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = hostname
smtp_tls_wrappermode = {implicit}
"""

NO_SMARTHOST_CF = "relayhost = [localhost]:1\ndefer_transports = smtp\n"

MASTER_CF = """\
postlog   unix-dgram n  -       n       -       1       postlogd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
"""

HELD = ("maildrop", "incoming", "active", "deferred", "defer", "bounce", "hold", "corrupt")


class Asked(Command):
    """A command that has daemons do part of the work."""

    def __init__(self, client, argv, env, stdin=None):
        super().__init__(argv, env, stdin)
        self.client = client

    def cpu_elsewhere(self):
        return self.client.cpu()


class Handed(Asked):
    """A command that hands a message over to them: it is over when the message has arrived."""

    def __init__(self, client, server, argv, env, stdin):
        super().__init__(client, argv, env, stdin)
        self.server = server

    def run(self, before=(), longest=LONGEST, out=subprocess.PIPE):
        arrived = len(self.server.messages)
        text = super().run(before, longest, out)
        if not self.server.wait(lambda: len(self.server.messages) > arrived, LONGEST):
            raise TooLong(self, LONGEST)
        return text

    def memory_elsewhere(self):
        return self.client.memory()


class Postfix(Client):
    name = "Postfix"
    partial = {
        (section, what): "sendmail and postdrop, without the daemons"
        for section in ("submit", "implicit")
        for what in ("instructions", "system calls")
    }
    remarks = {
        **{
            (section, what): "exec until the smarthost has it"
            for section, what in (
                ("submit", "wall"), ("implicit", "wall"), ("latency", None), ("parallel", None)
            )
        },
        **{
            (section, what): "with the daemons, as much of them as is not shared, behind the message"
            for section, what in (
                ("submit", "peak memory"), ("implicit", "peak memory"),
                ("large", "peak memory, DATA"),
            )
        },
        ("large", "CPU for a GB, DATA"): "with the daemons",
        ("list", None): "with the daemon showq",
        ("enqueue", None): "sendmail and postdrop; the daemons, who file it, not counted",
        ("headers", None): "sendmail and postdrop; refuses these as installed: header_size_limit is raised",
        ("start", "--version"): "postconf mail_version",
        ("start", "empty mailq"): "sendmail, which becomes postqueue; the daemon showq not counted",
    }

    @classmethod
    def find(cls, _packages, _offline):
        """Why it cannot be measured, or None."""
        if os.geteuid() != 0:
            return "needs root"
        if not os.path.exists("/usr/sbin/postfix"):
            return "not installed"
        return None if os.path.exists(LOGIN_MODULE) else "libsasl2-modules is not installed"

    def __init__(self, directory, trust):
        super().__init__(directory, trust)
        self.root = tempfile.mkdtemp(prefix="pillarbox-postfix.")
        self.owner = (pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid)
        self.smarthost = None
        self.prepare()

    def below(self, *names):
        return os.path.join(self.root, *names)

    def prepare(self):
        os.chmod(self.root, 0o755)
        for name in ("etc", "bin", "spool", "spool/pid", "data", "log"):
            os.mkdir(self.below(name), 0o755)
        for name in ("data", "log"):
            os.chown(self.below(name), *self.owner)
        for name, mode, group in flow_postfix.SPOOL_DIRECTORIES:
            path = self.below("spool", name)
            os.mkdir(path)
            os.chown(path, self.owner[0], grp.getgrnam(group).gr_gid if group else 0)
            os.chmod(path, mode)
        for name in os.listdir("/usr/sbin"):
            if name.startswith("post") or name == "sendmail":
                copy_of = self.below("bin", name)
                shutil.copyfile(os.path.join("/usr/sbin", name), copy_of)
                os.chmod(copy_of, 0o755)
        shutil.copy(self.trust, self.below("etc", "trust.pem"))
        write(self.below("etc", "master.cf"), MASTER_CF, 0o644)

    # --- its daemons -------------------------------------------------

    def control(self, word):
        result = subprocess.run(
            ["/usr/sbin/postfix", "-c", self.below("etc"), word],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )
        return result.returncode == 0, result.stderr

    def serve(self, server=None):
        """Has the daemons run for this smarthost; without one everything is deferred."""
        smarthost = (server.port, server.implicit) if server else (None, False)
        if smarthost == self.smarthost:
            return
        self.stop()
        text = MAIN_CF.format(root=self.root, daemons=DAEMONS, trust=self.below("etc", "trust.pem"))
        if server is None:
            text += NO_SMARTHOST_CF
        else:
            text += SMARTHOST_CF.format(
                port=server.port, user=USER, password=PASSWORD,
                implicit="yes" if server.implicit else "no",
            )
        write(self.below("etc", "main.cf"), text, 0o644)
        good, words = self.control("start")
        if not good:
            raise RuntimeError("Postfix does not start: %s" % words)
        self.smarthost = smarthost

    def stop(self):
        if self.smarthost is not None:
            self.control("stop")
            self.smarthost = None

    def done(self):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def processes(self):
        """[(pid, fields of its stat behind the name)] of the master and its children."""
        with open(self.below("spool", "pid", "master.pid"), encoding="ascii") as file:
            master = file.read().strip()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
                if master in (pid, fields[1]):
                    found.append((pid, fields))
        return master, found

    def cpu(self):
        """CPU seconds of the daemons, those that have ended included."""
        master, found = self.processes()
        ticks = 0
        for pid, fields in found:
            ticks += sum(int(f) for f in fields[11 : 15 if pid == master else 13])
        return ticks / TICKS

    def memory(self):
        """Resident octets of the daemons; pages of several are counted once."""
        total = 0
        for pid, _ in self.processes()[1]:
            with contextlib.suppress(OSError):
                with open("/proc/%s/smaps_rollup" % pid, encoding="ascii") as file:
                    for line in file:
                        if line.startswith("Pss:"):
                            total += int(line.split()[1]) * 1024
        return total

    # --- commands ----------------------------------------------------

    def words(self, *words):
        return [self.below("bin", "sendmail"), *words], self.env(MAIL_CONFIG=self.below("etc"))

    def submit(self, server, message, recipients=("bob@example.net",)):
        self.serve(server)
        return Handed(self, server, *self.words("-i", "-f", USER, *recipients), message)

    def enqueue(self, message):
        self.serve()
        return Command(*self.words("-i", "-f", USER, "bob@example.net"), message)

    def version(self):
        self.serve()
        return Command([self.below("bin", "postconf"), "mail_version"], self.words()[1])

    def listing(self):
        self.serve()
        return Asked(self, *self.words("-bp"))

    def headers(self, message):
        """Without the daemons, which would go on with it all through the next figures."""
        self.serve()
        self.stop()
        return Command(*self.words("-i", "-f", USER, "-t"), message)

    # --- its queue ---------------------------------------------------

    def clear(self):
        self.stop()
        for name in HELD:
            for path, _, names in os.walk(self.below("spool", name)):
                for file in names:
                    os.unlink(os.path.join(path, file))

    def deferred(self, kind="deferred"):
        """Paths of the files below the directory of that name."""
        return [
            os.path.join(path, name)
            for path, _, names in os.walk(self.below("spool", kind))
            for name in names
        ]

    def wait_deferred(self, count):
        deadline = time.monotonic() + 120
        while len(self.deferred()) < count:
            if time.monotonic() > deadline:
                raise RuntimeError("%d of %d messages are deferred" % (len(self.deferred()), count))
            time.sleep(0.1)

    def fill(self, count, message):
        """Copies of a deferred message and of the note why it is."""
        self.clear()
        self.enqueue(message).run()
        self.wait_deferred(1)
        # Postfix stays up: when it starts it gives new names to files that were copied.
        for kind, mode in (("deferred", 0o700), ("defer", 0o600)):
            (path,) = self.deferred(kind)
            with open(path, "rb") as file:
                text = file.read()
            os.unlink(path)
            for number in range(count):
                name = "%X%08X" % (number % 16, 0x10000000 + number)
                directory = self.below("spool", kind, name[0])
                if not os.path.isdir(directory):
                    os.mkdir(directory, 0o700)
                    os.chown(directory, self.owner[0], 0)
                copy(text, os.path.join(directory, name), mode, self.owner)
                later = time.time() + 1800
                os.utime(os.path.join(directory, name), (later, later))

    @contextlib.contextmanager
    def drain(self, server, count, message):
        self.queued(count, message)
        self.wait_deferred(count)
        self.serve(server)
        yield Command([self.below("bin", "postqueue"), "-f"], self.words()[1])
        self.clear()
