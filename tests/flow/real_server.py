"""What the real servers of the tests have in common: a directory, a log to read, mailboxes to look at."""

import os
import random
import shutil
import signal
import socket
import tempfile
import time


given_ports = set()


def free_port():
    """A port that nobody has, below those that the system gives to whom it likes; none is given twice."""
    while True:
        port = random.randrange(10_000, 32_000)
        if port in given_ports:
            continue
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        given_ports.add(port)
        return port


def find_program(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")


def is_alive(group):
    """Whether a process of a group runs; one that waits to be reaped does not."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as file:
                state, _, its_group = file.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it has just ended
        if its_group == str(group) and state not in "ZX":
            return True
    return False


def end_process(child):
    """Ends a process that leads a group of its own, with the group, and waits for all of them."""
    if child is None or child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while child.poll() is None or is_alive(child.pid):
        if time.monotonic() > deadline:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return
        time.sleep(0.02)


class Server:
    """Serves inside its block from a directory of its own, and is gone behind it.

    A kind of server says how to prepare(), start() and stop() it; answers on port; writes a line for
    each event to the first of its logs; stores mail as mail/MAILBOX/new (maildir) in its directory.
    """

    name = "server"
    logs = ()
    mailboxes = ()

    def __init__(self, certificate):
        self.certificate = certificate
        self.root = None
        self.port = None
        self.log_start = 0

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="pillarbox-%s." % self.name)
        os.chmod(self.root, 0o755)
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    # --- its directory -----------------------------------------------

    def path(self, *names):
        return os.path.join(self.root, *names)

    def directories(self, *names):
        for name in names:
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o755)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def install_certificate(self):
        self.directories("tls")
        shutil.copy(self.certificate.chain, self.path("tls", "chain.pem"))
        shutil.copy(self.certificate.key, self.path("tls", "key.pem"))

    # --- waiting -----------------------------------------------------

    def wait(self, condition, what, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise RuntimeError("%s: nothing in %d s\n%s" % (what, timeout, self.log()[-4000:]))
            time.sleep(0.02)

    def answers(self, port=None):
        try:
            with socket.create_connection(("127.0.0.1", port or self.port), 5) as sock:
                return sock.recv(512).startswith(b"220")
        except OSError:
            return False

    # --- what happened -----------------------------------------------

    def log(self):
        text = ""
        for name in self.logs:
            try:
                with open(self.path(name), encoding="utf-8", errors="replace") as file:
                    text += file.read()
            except OSError:
                continue
        return text

    def forget_log(self):
        try:
            self.log_start = os.path.getsize(self.path(self.logs[0]))
        except OSError:
            self.log_start = 0

    def log_lines(self, text):
        """Lines of the log since empty() that hold the text."""
        try:
            with open(self.path(self.logs[0]), "rb") as file:
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

    def mail(self, mailbox):
        """The messages of a mailbox, as the server stored them (LF lines)."""
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
        for mailbox in self.mailboxes:
            shutil.rmtree(self.path("mail", mailbox), ignore_errors=True)
        self.forget_log()
