"""The programs that are compared: how each is set up and called."""

import contextlib
import os
import shutil
import time

from measure import Command
from server import PASSWORD, USER

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def write(path, text, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    return path


def copy(text, path, mode, owner=None):
    """A new file; much quicker than write()."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    os.write(descriptor, text)
    if owner is not None:
        os.fchown(descriptor, *owner)
    os.close(descriptor)


class Client:
    """One program. Directory and trust file are its own to use.

    What a program cannot do it has no command for: None.
    """

    name = ""
    # Figures that leave part of the work out, by section and name of the row: why.
    # They are shown and not compared.
    partial = {}
    # What else is to be known of a figure, likewise.
    remarks = {}

    def __init__(self, directory, trust):
        self.directory = directory
        self.trust = trust
        os.makedirs(directory, mode=0o700, exist_ok=True)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def env(self, **more):
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": self.directory,
            "TMPDIR": self.directory,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            **more,
        }

    def submit(self, server, message, recipients=("bob@example.net",)):
        """Sends the message file over verified TLS with a login."""
        return None

    def enqueue(self, message):
        """Stores the message, and no more."""
        return None

    def version(self):
        return None

    def listing(self):
        """Lists what is queued."""
        return None

    def headers(self, message):
        """Reads the recipients from the header and stores, prints or goes no further."""
        return None

    def recipients_queued(self):
        """How many recipients the queue holds, or None where that cannot be seen."""
        return None

    def fill(self, count, message):
        """Makes as many entries that wait after a first attempt: copies of one."""

    def clear(self):
        """Empties the queue."""

    def drain(self, server, count, message):
        """A command that sends what is queued; without a queue, one that sends as many.

        A context manager: the queue is filled when it begins. The command may end before the
        messages have arrived, or stay for ever.
        """
        return contextlib.nullcontext(self.loop(self.submit(server, message), count))

    def loop(self, command, count):
        """A command that runs another again and again; the message is its operand, not its input."""
        if command is None:
            return None
        script = 'file=$1; shift; for n in $(seq %d); do "$@" <"$file" || exit 1; done' % count
        words = ["/bin/sh", "-c", script, "sh", command.stdin, *command.argv]
        return Command(words, command.env)

    def queued(self, count, message):
        """Puts messages into the queue, one by one."""
        self.clear()
        add = self.enqueue(message)
        for _ in range(count):
            add.run()

    def done(self):
        """Leaves nothing behind."""


class Pillarbox(Client):
    name = "pillarbox"

    def __init__(self, directory, trust, build):
        super().__init__(directory, trust)
        self.sendmail = os.path.join(build, "sendmail")
        self.pillarbox = os.path.join(build, "pillarbox")
        self.queue = self.path("queue")

    def configure(self, server=None):
        text = "[account work]\nhost = localhost\nport = %d\n" % (server.port if server else 1)
        if server is not None and server.implicit:
            text += "tls = implicit\n"
        text += "tls_trust_file = %s\nauth = plain\nuser = %s\npassword = %s\nfrom = %s\n" % (
            self.trust, USER, PASSWORD, USER,
        )
        text += "[mail]\nmax_size = 2G\n[queue]\ndirectory = %s\nmax_size = 8G\n" % self.queue
        write(self.path("config"), text)

    def command(self, *words, stdin=None, program=None):
        return Command(
            [program or self.sendmail, *words],
            self.env(PILLARBOX_CONFIG=self.path("config")),
            stdin,
        )

    def submit(self, server, message, recipients=("bob@example.net",)):
        self.configure(server)
        return self.command("-i", *recipients, stdin=message)

    def enqueue(self, message):
        self.configure()
        return self.command("-odq", "-i", "bob@example.net", stdin=message)

    def version(self):
        return self.command("--version")

    def listing(self):
        self.configure()
        return self.command("-bp")

    def idle_run(self):
        """A run of the queue that finds nothing due."""
        return self.command("queue", "run", program=self.pillarbox)

    def headers(self, message):
        self.configure()
        return self.command("-odq", "-i", "-t", stdin=message)

    def recipients_queued(self):
        found = 0
        for name in os.listdir(self.queue):
            if "-" in name:
                with open(os.path.join(self.queue, name), "rb") as file:
                    found += file.read().partition(b"\n\n")[0].count(b"\nR ")
        return found

    def fill(self, count, message):
        self.clear()
        self.enqueue(message).run()
        (name,) = [n for n in os.listdir(self.queue) if "-" in n]
        with open(os.path.join(self.queue, name), "rb") as file:
            text = file.read()
        os.unlink(os.path.join(self.queue, name))
        # As after a first attempt: without one an entry is due whatever its time.
        text = text.replace(b"\nstatus 00000 -- 000 ", b"\nstatus 00001 -- 451 ", 1)
        assert b"\nstatus 00001 -- 451 " in text
        begin = int(name.split("-")[0], 16)
        later = time.time() + 1800
        for number in range(count):
            path = os.path.join(
                self.queue, "%08x-%016x" % (begin - 1 - number // 100, number * 7919)
            )
            copy(text, path, 0o600)
            os.utime(path, (later, later))

    def clear(self):
        shutil.rmtree(self.queue, ignore_errors=True)

    @contextlib.contextmanager
    def drain(self, server, count, message):
        self.queued(count, message)
        self.configure(server)
        yield self.command("-q")
        self.clear()


class Msmtp(Client):
    name = "msmtp"
    program = "/usr/bin/msmtp"
    remarks = {
        ("headers", None): "-t --pretend: reads the header and stops",
        ("drain", None): "has no queue; msmtpq starts one msmtp for each message, as is done here",
    }

    @classmethod
    def find(cls, _packages, _offline):
        """Why it cannot be measured, or None."""
        return None if os.access(cls.program, os.X_OK) else "not installed"

    def configure(self, server):
        # msmtp wants the file closed to others, and a name of its own for each server.
        return write(
            self.path("rc.%d" % server.port),
            "account default\nhost localhost\nport %d\ntls on\ntls_starttls %s\n"
            "tls_trust_file %s\nauth plain\nuser %s\npassword %s\nfrom %s\n"
            % (
                server.port, "off" if server.implicit else "on", self.trust,
                USER, PASSWORD, USER,
            ),
        )

    def submit(self, server, message, recipients=("bob@example.net",)):
        words = [self.program, "-C", self.configure(server), *recipients]
        return Command(words, self.env(), message)

    def version(self):
        return Command([self.program, "--version"], self.env())

    def headers(self, message):
        rc = write(self.path("rc"), "account default\nhost localhost\nfrom %s\n" % USER)
        return Command([self.program, "-C", rc, "-t", "--pretend"], self.env(), message)
