"""The programs that are compared: how each is set up and called.

What is not installed is fetched as a Debian package and unpacked beside, never
installed; paths that are fixed in such a program are replaced in the unpacked
copy by others of the same length.
"""

import os
import shutil
import subprocess

from measure import Command
from server import PASSWORD, USER

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def write(path, text, mode=0o600):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    return path


class Client:
    """One program. Directory and trust file are its own to use."""

    name = ""

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
        """A command that sends the message file over verified TLS with AUTH PLAIN, or None."""
        return None

    def enqueue(self, message):
        """A command that only stores the message, or None."""
        return None

    def version(self):
        return None

    def empty_list(self):
        return None

    def headers(self, message):
        """A command that reads the recipients from the header and stores or prints, or None."""
        return None


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

    def empty_list(self):
        self.configure()
        self.clear()
        return self.command("-bp")

    def headers(self, message):
        self.configure()
        return self.command("-odq", "-i", "-t", stdin=message)

    def clear(self):
        shutil.rmtree(self.queue, ignore_errors=True)


class Msmtp(Client):
    name = "msmtp"
    program = "/usr/bin/msmtp"

    @classmethod
    def find(cls, _packages):
        return os.access(cls.program, os.X_OK)

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


class Unpacked(Client):
    """A program out of a package that is not installed."""

    package = ""
    others = ()

    def __init__(self, directory, trust):
        super().__init__(directory, trust)
        self.places = {}

    @classmethod
    def find(cls, packages):
        cls.root = os.path.join(packages, "root")
        for package in (cls.package, *cls.others):
            mark = os.path.join(packages, package)
            if os.path.exists(mark):
                continue
            os.makedirs(packages, exist_ok=True)
            done = subprocess.run(
                ["apt-get", "download", package], cwd=packages, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            )
            archives = [n for n in os.listdir(packages) if n.startswith(package + "_")]
            if done.returncode != 0 or not archives:
                return False
            subprocess.run(
                ["dpkg", "-x", os.path.join(packages, archives[0]), cls.root], check=True
            )
            write(mark, "")
        return True

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
            head = "/tmp/pb%d.%d" % (os.getpid(), len(self.places))
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

    def enqueue(self, message):
        spool, etc = "/var/spool/nullmailer", "/etc/nullmailer"
        for name in ("queue", "tmp"):
            os.makedirs(os.path.join(self.place(spool), name), exist_ok=True)
        write(os.path.join(self.place(etc), "me"), "client.example.test\n")
        queue = self.moved("usr/sbin/nullmailer-queue", spool, etc)
        inject = self.moved("usr/bin/nullmailer-inject", spool, etc)
        words = [inject, "-f", USER, "bob@example.net"]
        return Command(words, self.env(NULLMAILER_QUEUE=queue, USER="ann"), message)

    def headers(self, message):
        words = [self.program("usr/bin/nullmailer-inject"), "-n", "-h", "-f", USER]
        return Command(words, self.env(USER="ann"), message)


class Esmtp(Unpacked):
    name = "esmtp"
    package = "esmtp"
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


OTHERS = (Msmtp, Nullmailer, Esmtp)
