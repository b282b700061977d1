"""Programs out of Debian packages that are not installed.

A package is fetched and unpacked beside, never installed; paths that are fixed in
a program are replaced in a copy of it by others of the same length.
"""

import contextlib
import glob
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile

from clients import Client, copy, write
from measure import Command
from server import PASSWORD, USER


class Unpacked(Client):
    """A program out of a package that is not installed."""

    package = ""
    others = ()

    def __init__(self, directory, trust):
        super().__init__(directory, trust)
        self.places = {}

    @classmethod
    def find(cls, packages, offline):
        """Why it cannot be measured, or None."""
        # Each in a place of its own: they have files of the same names.
        cls.root = os.path.join(packages, "unpacked", cls.package)
        if os.path.isdir(cls.root):
            return None
        archives = [cls.archive(packages, package, offline) for package in (cls.package, *cls.others)]
        if None in archives:
            return "a package cannot be fetched"
        for archive in archives:
            subprocess.run(["dpkg", "-x", archive, cls.root + ".new"], check=True)
        os.rename(cls.root + ".new", cls.root)
        return None

    @staticmethod
    def archive(packages, package, offline):
        """Path of the package's file, which is fetched where it is not there; or None."""
        os.makedirs(os.path.join(packages, "unpacked"), exist_ok=True)
        if not glob.glob(os.path.join(packages, package + "_*.deb")) and not offline:
            subprocess.run(
                ["apt-get", "download", package], cwd=packages, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            )
        found = glob.glob(os.path.join(packages, package + "_*.deb"))
        return found[0] if found else None

    def program(self, path):
        return os.path.join(self.root, path)

    def moved(self, path, *directories):
        """A copy of the program that looks in places of ours in place of these directories."""
        with open(self.program(path), "rb") as file:
            text = file.read()
        for directory in directories:
            text = text.replace(directory.encode(), self.place(directory).encode())
        return write(self.path("bin", os.path.basename(path)), text, 0o700)

    def place(self, directory):
        """Our directory for one that is fixed in a program: its path has the same length."""
        if directory not in self.places:
            head = "/tmp/pb%x.%d" % (os.getpid(), len(self.places))
            path = head + "x" * (len(directory) - len(head))
            assert len(path) == len(directory), path
            os.mkdir(path, 0o700)
            self.places[directory] = path
        return self.places[directory]

    def done(self):
        for path in self.places.values():
            shutil.rmtree(path, ignore_errors=True)


class Nullmailer(Unpacked):
    name = "nullmailer"
    package = "nullmailer"
    remarks = {
        ("submit", None): "its smtp program, without nullmailer-send and the queue",
        ("implicit", None): "its smtp program, without nullmailer-send and the queue",
        ("headers", None): "nullmailer-inject -n: prints and stores nothing",
    }
    spool, etc, programs = "/var/spool/nullmailer", "/etc/nullmailer", "/usr/lib/nullmailer"

    def submit(self, server, message, recipients=("bob@example.net",)):
        with open(message, "rb") as file:
            text = file.read()
        envelope = "\n".join([USER, *recipients]) + "\n\n"
        queued = write(self.path("message"), envelope.encode() + text)
        options = "host=localhost\nport=%d\nuser=%s\npass=%s\nx509cafile=%s\n%s\n\n" % (
            server.port, USER, PASSWORD, self.trust, "tls" if server.implicit else "starttls",
        )
        return Command(
            [self.program("usr/lib/nullmailer/smtp")],
            self.env(HELOHOST="client.example.test"),
            write(self.path("options"), options),
            extra=queued,
        )

    def moved_all(self):
        """The programs, all of them looking for everything in our places; their paths."""
        self.queue = os.path.join(self.place(self.spool), "queue")
        for name in ("queue", "tmp", "failed"):
            os.makedirs(os.path.join(self.place(self.spool), name), exist_ok=True)
        trigger = os.path.join(self.place(self.spool), "trigger")
        if not os.path.exists(trigger):
            os.mkfifo(trigger, 0o600)
        write(os.path.join(self.place(self.etc), "me"), "client.example.test\n")
        shutil.copytree(self.program(self.programs[1:]), self.place(self.programs), dirs_exist_ok=True)
        return {
            os.path.basename(path): self.moved(path, self.spool, self.etc, self.programs)
            for path in (
                "usr/sbin/nullmailer-queue", "usr/bin/nullmailer-inject",
                "usr/sbin/nullmailer-send", "usr/bin/mailq",
            )
        }

    def enqueue(self, message):
        programs = self.moved_all()
        words = [programs["nullmailer-inject"], "-f", USER, "bob@example.net"]
        return Command(
            words, self.env(NULLMAILER_QUEUE=programs["nullmailer-queue"], USER="ann"), message
        )

    def headers(self, message):
        words = [self.program("usr/bin/nullmailer-inject"), "-n", "-h", "-f", USER]
        return Command(words, self.env(USER="ann"), message)

    def listing(self):
        return Command([self.moved_all()["mailq"]], self.env())

    def fill(self, count, message):
        self.clear()
        self.enqueue(message).run()
        (name,) = os.listdir(self.queue)
        with open(os.path.join(self.queue, name), "rb") as file:
            text = file.read()
        os.unlink(os.path.join(self.queue, name))
        for number in range(count):
            copy(text, os.path.join(self.queue, "1767225600.%d" % number), 0o600)

    def clear(self):
        self.moved_all()
        for name in os.listdir(self.queue):
            os.unlink(os.path.join(self.queue, name))

    @contextlib.contextmanager
    def drain(self, server, count, message):
        """Its daemon sends everything when it starts, and then waits for more."""
        self.queued(count, message)
        write(
            os.path.join(self.place(self.etc), "remotes"),
            "localhost smtp port=%d user=%s pass='%s' x509cafile=%s %s\n"
            % (server.port, USER, PASSWORD, self.trust, "tls" if server.implicit else "starttls"),
        )
        yield Command([self.moved_all()["nullmailer-send"]], self.env())
        self.clear()


class Esmtp(Unpacked):
    name = "esmtp"
    package = "esmtp"
    remarks = {
        ("headers", None): "reads the header and stops at a refused connection",
        ("drain", None): "has no queue: one esmtp for each message",
    }
    others = ("libesmtp6",)

    def environment(self):
        # The library looks for its login mechanisms in one fixed place.
        libraries = "usr/lib/x86_64-linux-gnu"
        plugins = "/" + libraries + "/esmtp-plugins-6.2.0"
        if plugins not in self.places:
            shutil.copytree(self.program(plugins[1:]), self.place(plugins), dirs_exist_ok=True)
            self.moved(libraries + "/libesmtp.so.6", plugins)
        return self.env(LD_LIBRARY_PATH=self.path("bin"), SSL_CERT_FILE=self.trust, USER="ann")

    def submit(self, server, message, recipients=("bob@example.net",)):
        if server.implicit:
            return None
        rc = write(
            self.path("rc.%d" % server.port),
            "hostname = localhost:%d\nusername = \"%s\"\npassword = \"%s\"\nstarttls = required\n"
            % (server.port, USER, PASSWORD),
        )
        words = [self.program("usr/bin/esmtp"), "-C", rc, "-f", USER, *recipients]
        return Command(words, self.environment(), message)

    def headers(self, message):
        rc = write(self.path("rc"), "hostname = localhost:1\n")
        words = [self.program("usr/bin/esmtp"), "-C", rc, "-f", USER, "-t"]
        return Command(words, self.environment(), message, code=69)


class Dma(Unpacked):
    """Has one place for its configuration and tells there where all else is."""

    name = "dma"
    package = "dma"
    program_path = "usr/sbin/dma"
    config = "/etc/dma/dma.conf"
    remarks = {
        ("submit", None): "AUTH LOGIN; checks a fingerprint of the certificate, no chain and no name",
        ("implicit", None): "AUTH LOGIN; checks a fingerprint of the certificate, no chain and no name",
    }

    def __init__(self, directory, trust):
        super().__init__(directory, trust)
        # It becomes the user "mail", who has no way into our directory.
        mail = pwd.getpwnam("mail")
        self.owner = (mail.pw_uid, mail.pw_gid)
        self.home = tempfile.mkdtemp(prefix="pillarbox-dma.")
        os.chmod(self.home, 0o755)
        self.spool = os.path.join(self.home, "spool")
        os.mkdir(self.spool)
        os.chown(self.spool, *self.owner)
        os.chmod(self.spool, 0o770)
        head = "/tmp/pb%d" % os.getpid()
        self.own_config = head + "x" * (len(self.config) - len(head))
        with open(self.program(self.program_path), "rb") as file:
            text = file.read().replace(self.config.encode(), self.own_config.encode())
        self.dma = write(os.path.join(self.home, "dma"), text, 0o755)

    @classmethod
    def find(cls, packages, offline):
        return "needs root" if os.geteuid() != 0 else super().find(packages, offline)

    def done(self):
        shutil.rmtree(self.home, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(self.own_config)

    def configure(self, server=None):
        auth = os.path.join(self.home, "auth.conf")
        text = "SMARTHOST localhost\nPORT %d\nSPOOLDIR %s\nAUTHPATH %s\nMAILNAME client.example.test\n" % (
            server.port if server else 1, self.spool, auth,
        )
        text += "SECURETRANSFER\nNULLCLIENT\n"
        if server is not None:
            text += "FINGERPRINT %s\n" % hashlib.sha256(server.certificate_der()).hexdigest()
            text += "" if server.implicit else "STARTTLS\n"
        write(auth, "%s|localhost:%s\n" % (USER, PASSWORD), 0o600)
        os.chown(auth, *self.owner)
        write(self.own_config, text, 0o644)

    def command(self, *words, stdin=None):
        return Command([self.dma, *words], self.env(), stdin)

    def submit(self, server, message, recipients=("bob@example.net",)):
        self.configure(server)
        return self.command("-D", "-i", "-f", USER, *recipients, stdin=message)

    def enqueue(self, message):
        self.configure()
        return self.command("-bq", "-i", "-f", USER, "bob@example.net", stdin=message)

    def listing(self):
        self.configure()
        return self.command("-bp")

    def headers(self, message):
        self.configure()
        return self.command("-bq", "-i", "-f", USER, "-t", stdin=message)

    def recipients_queued(self):
        return sum(name[0] == "Q" for name in os.listdir(self.spool))

    def fill(self, count, message):
        self.clear()
        self.enqueue(message).run()
        texts = {}
        for name in os.listdir(self.spool):
            with open(os.path.join(self.spool, name), "rb") as file:
                texts[name[0]] = file.read()
        self.clear()
        identity = texts["Q"].split(b"\n")[0].split()[-1]
        for number in range(count):
            new = "%x.%x" % (number, number * 7919)
            for kind in "MQ":
                text = texts[kind].replace(identity, new.encode())
                copy(text, os.path.join(self.spool, kind + new), 0o660, self.owner)

    def clear(self):
        for name in os.listdir(self.spool):
            os.unlink(os.path.join(self.spool, name))

    @contextlib.contextmanager
    def drain(self, server, count, message):
        self.queued(count, message)
        self.configure(server)
        yield self.command("-q")
        self.clear()
