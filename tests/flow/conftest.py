"""Fixtures of the flow tests: a sandbox for the programs, a smarthost, a queue to look at.

PILLARBOX_BUILD names the build directory (default: build beside the sources).
"""

import fcntl
import os
import pwd
import re
import shutil
import stat
import struct
import subprocess
import sys
import termios
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import certs as certs_module  # noqa: E402
import smarthost as smarthost_module  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))

USER = "ann@example.test"
PASSWORD = "s3cret pass"

# An octet sequence of the login in any form in which it could leak.
SECRETS = (
    b"s3cret",
    b"czNjcmV0",  # "s3cret" in base64 at each of the three offsets
    b"MzY3JldC",
    b"zM2NyZX",
)

# An address of this run alone, for the tests that need a port of a given number: runs of
# several builds may go side by side.
OWN_LOOPBACK = "127.%d.%d.77" % (os.getpid() // 250 % 250 + 1, os.getpid() % 250 + 1)

MESSAGE = (
    "From: Ann <ann@example.test>\n"
    "To: bob@example.net\n"
    "Subject: hello\n"
    "Date: Mon, 02 Feb 2026 10:00:00 +0100\n"
    "Message-ID: <one@example.test>\n"
    "\n"
    "a body\n"
)

# Lines that a careless client or server changes: dots in front, blanks at the
# end, octets beyond ASCII, the longest line that the protocol allows.
TRICKY = (
    "From: Ann <ann@example.test>\n"
    "To: bob@example.net\n"
    "Subject: =?UTF-8?Q?tricky_=E2=9C=93?=\n"
    "Date: Mon, 02 Feb 2026 10:00:00 +0100\n"
    "Message-ID: <tricky@example.test>\n"
    "X-Folded: one\n\ttwo  \n   three\n"
    "MIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: 8bit\n"
    "\n"
    ".\n..\n.leading\n\n.\n"
    "blanks at the end \t \n"
    "Grüße ✓\n"
    "From here on a stranger would put a >\n"
    "BDAT 4 LAST\nQUIT\n" + "x" * 998 + "\n\n\n"
)


def pytest_configure(config):
    build = os.environ.get("PILLARBOX_BUILD", os.path.join(SOURCE, "build"))
    config.build = os.path.abspath(build)


def pytest_make_parametrize_id(config, val, argname):
    """Long values would make reports unreadable."""
    if isinstance(val, (str, bytes)) and len(val) > 60:
        return "%r and so on (%d)" % (val[:30], len(val))
    return None


def is_sanitized(build):
    """Whether the programs carry a sanitizer, with system calls and memory of its own."""
    with open(os.path.join(build, "sendmail"), "rb") as program:
        return b"__asan_init" in program.read()


@pytest.fixture(scope="session")
def build(request):
    """The build directory."""
    path = request.config.build
    for name in ("sendmail", "pillarbox"):
        if not os.access(os.path.join(path, name), os.X_OK):
            pytest.fail("no program %s in %s (set PILLARBOX_BUILD)" % (name, path), pytrace=False)
    return path


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return certs_module.Certificates(str(tmp_path_factory.mktemp("tls")))


class Result:
    """What a run of a program left."""

    def __init__(self, rc, out, err, seconds):
        self.rc = rc
        self.out = out
        self.err = err
        self.seconds = seconds

    @property
    def text(self):
        return self.err.decode("utf-8", "replace")

    def __repr__(self):
        return "rc %d, stdout %r, stderr %r" % (self.rc, self.out, self.err)

    def ok(self):
        """Success, and not a word (contract C64)."""
        assert self.rc == 0, self
        assert self.out == b"" and self.err == b"", self
        return self

    def failed(self, *codes):
        """One of these exit codes, and words of the form that contract C71 wants."""
        assert self.rc in codes, self
        assert self.out == b"", self
        assert self.err, "failed without a word: %r" % self
        lines = self.err.decode("utf-8").splitlines()
        assert lines[0].startswith("sendmail: "), self
        assert len(self.err) <= 4096, self
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", self.err), self
        return self


def first_word(text):
    """The address in front; blanks in a quoted local part belong to it."""
    return re.match(r'(?:"(?:[^"\\]|\\.)*"|[^ ])*', text).group(0)


class Entry:
    """A file of the queue, taken apart as the format says."""

    def __init__(self, path):
        self.path = path
        self.id = os.path.basename(path)
        self.stat = os.lstat(path)
        with open(path, "rb") as file:
            raw = file.read()
        head, blank, self.message = raw.partition(b"\n\n")
        assert blank, "no blank line in %s" % path
        lines = head.decode("utf-8", "surrogateescape").split("\n")
        assert lines[0] == "pillarbox-queue 1", lines[0]
        self.lines = lines
        self.values = {}
        self.states = {}
        for line in lines[1:]:
            key, _, value = line.partition(" ")
            if key in ("R", "D", "F", "S") and len(key) == 1:
                self.states[first_word(value)] = key
            else:
                self.values[key] = value
        self.raw = raw

    @property
    def sender(self):
        return first_word(self.values["from"]).strip("<>")

    @property
    def pending(self):
        return [a for a, s in self.states.items() if s in "RS"]

    @property
    def status(self):
        return self.values.get("status", "").strip()

    def check(self):
        """The promises of the format: mode, size, name, no secret."""
        assert stat.S_IMODE(self.stat.st_mode) == 0o600, oct(self.stat.st_mode)
        assert int(self.values["size"].strip()) == len(self.message), self.values["size"]
        assert re.fullmatch(r"[0-9a-f]{8,}-[0-9a-f]{16}", self.id), self.id
        for secret in SECRETS:
            assert secret not in self.raw, "a secret in %s" % self.path
        return self


class Sandbox:
    """A home of its own for the programs, a configuration and a queue."""

    def __init__(self, root, build, certs):
        self.root = str(root)
        self.build = build
        self.certs = certs
        self.home = self.directory("home")
        self.config_home = self.directory("home/.config")
        self.state_home = self.directory("home/.local/state")
        self.runtime = self.directory("run")
        self.tmp = self.directory("tmp")
        self.queue = os.path.join(self.state_home, "pillarbox", "queue")
        self.config_path = os.path.join(self.config_home, "pillarbox", "config")
        self.children = []

    def directory(self, name):
        path = os.path.join(self.root, name)
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def file(self, name, content, mode=0o600):
        """Writes a file of the sandbox; gives its path."""
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    # --- configuration -----------------------------------------------

    def account(self, server=None, name="work", **keys):
        """The text of an account section; None leaves a usual key out."""
        facts = {
            "host": "localhost",
            "port": server.port if server else 1,
            "tls_trust_file": self.certs.ca,
            "user": USER,
            "password": PASSWORD,
            "from": USER,
        }
        if server is not None and server.implicit:
            facts["tls"] = "implicit"
        if server is not None and server.lmtp:
            facts["protocol"] = "lmtp"
        facts.update(keys)
        lines = ["[account %s]" % name]
        lines += ["%s = %s" % (k, v) for k, v in facts.items() if v is not None]
        return "\n".join(lines) + "\n"

    def configure(self, server=None, more="", **keys):
        """Writes the person's configuration with one account, for that server."""
        return self.write_config(self.account(server, **keys) + more)

    def write_config(self, text, mode=0o600):
        os.makedirs(os.path.dirname(self.config_path), mode=0o700, exist_ok=True)
        with open(self.config_path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.config_path, mode)
        return self.config_path

    # --- running -----------------------------------------------------

    def environment(self, **changes):
        """A clean environment; a value of None removes a variable."""
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": self.home,
            "XDG_CONFIG_HOME": self.config_home,
            "XDG_STATE_HOME": self.state_home,
            "XDG_RUNTIME_DIR": self.runtime,
            "TMPDIR": self.tmp,
            "LC_ALL": "C.UTF-8",
            "TZ": "Europe/Berlin",
            "USER": "tester",
            "LOGNAME": "tester",
        }
        for key, value in os.environ.items():
            if key.endswith("SAN_OPTIONS"):
                env[key] = value
        # The program makes itself undumpable, which the leak checker cannot work with.
        env.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        for key, value in changes.items():
            if value is None:
                env.pop(key, None)
            else:
                env[key] = value
        return env

    def program(self, name="sendmail"):
        return os.path.join(self.build, name)

    def spawn(self, *args, program="sendmail", argv0=None, env=None, **more):
        """Starts a program with pipes on its descriptors."""
        options = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.home,
        }
        options.update(more)
        argv = [argv0 or self.program(program)] + [
            a if isinstance(a, (str, bytes)) else str(a) for a in args
        ]
        child = subprocess.Popen(
            argv, executable=self.program(program), env=self.environment(**(env or {})), **options
        )
        self.children.append(child)
        return child

    def run(self, *args, stdin=MESSAGE, timeout=60, env=None, program="sendmail", **more):
        """Runs a program to its end."""
        if isinstance(stdin, str):
            stdin = stdin.encode("utf-8", "surrogateescape")
        if isinstance(stdin, bytes):
            more.setdefault("stdin", subprocess.PIPE)
        elif stdin is None:
            more["stdin"] = subprocess.DEVNULL
        else:
            more["stdin"] = stdin
            stdin = None
        start = time.monotonic()
        child = self.spawn(*args, program=program, env=env, **more)
        try:
            out, err = child.communicate(stdin if isinstance(stdin, bytes) else None, timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            pytest.fail("%s hung: %r %r" % (program, out, err))
        out, err = out or b"", err or b""
        for mark in (b"Sanitizer", b"runtime error:"):
            assert mark not in err, err.decode("utf-8", "replace")
        for secret in SECRETS:
            assert secret not in err and secret not in out, "a secret was shown: %r" % err
        assert child.returncode >= 0, "killed by signal %d: %r" % (-child.returncode, err)
        return Result(child.returncode, out, err, time.monotonic() - start)

    def sendmail(self, *args, **more):
        return self.run(*args, **more)

    # --- queue -------------------------------------------------------

    def entries(self, directory=None):
        """The entries of the queue in order of arrival, each checked."""
        directory = directory or self.queue
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            path = os.path.join(directory, name)
            if name.startswith(("tmp.", ".")) or not os.path.isfile(path):
                continue
            if re.fullmatch(r"[0-9a-f]{8,}-[0-9a-f]{16}", name):
                try:
                    found.append(Entry(path).check())
                except FileNotFoundError:
                    pass  # delivered meanwhile
        return found

    def failed(self):
        return self.entries(os.path.join(self.queue, "failed"))

    def leftovers(self):
        """Temporaries and strangers in the queue and the directory for temporary files."""
        found = list(os.listdir(self.tmp))
        for directory in (self.queue, os.path.join(self.queue, "failed")):
            if os.path.isdir(directory):
                found += [n for n in os.listdir(directory) if n.startswith("tmp.")]
        return found

    def entry(self):
        entries = self.entries()
        assert len(entries) == 1, "%d entries" % len(entries)
        return entries[0]

    def nothing_stored(self):
        assert self.entries() == [] and self.failed() == [] and self.leftovers() == []

    def done(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe:
                    try:
                        pipe.close()
                    except OSError:
                        pass


def pipe_is_empty(pipe):
    """True when its reader has taken all that was written."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0] == 0


def eventually(condition, timeout=20):
    """Waits for a condition on files, which nobody announces."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("it did not come about in %d s" % timeout)
        time.sleep(0.01)


@pytest.fixture
def sandbox(tmp_path, build, certs):
    box = Sandbox(tmp_path, build, certs)
    yield box
    box.done()


@pytest.fixture
def run_sendmail(sandbox):
    """run_sendmail(args, stdin) → result."""

    def run(args, stdin=MESSAGE, **more):
        return sandbox.run(*args, stdin=stdin, **more)

    return run


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.passed = outcome.get_result().passed


@pytest.fixture
def smarthost(request, certs):
    """Makes servers; all are gone behind the test, and none may have seen a fault of protocol."""
    servers = []

    def make(certificate="good", **more):
        if isinstance(certificate, str):
            certificate = certs.get(certificate)
        server = smarthost_module.Smarthost(certificate=certificate, **more)
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()
    if not getattr(request.node, "passed", False):
        return  # one report of a failure is enough
    for server in servers:
        assert server.errors == []
        if not server.expects_violations:
            assert server.violations == []


@pytest.fixture
def mail(sandbox, smarthost):
    """The usual set-up: a server and an account for it. mail(**server options) → server."""

    def make(account=None, more="", **options):
        server = smarthost(**options)
        sandbox.configure(server, more=more, **(account or {}))
        return server

    return make


def no_secret_before_tls(server):
    """Not an octet of a login, an address or a message left before the server was verified."""
    server.wait_idle()
    for connection in server.connections:
        raw = connection.raw_before_tls
        for secret in SECRETS + (b"AUTH", b"MAIL FROM", b"RCPT", b"example.net", b"a body"):
            assert secret not in raw, "%r left in clear: %r" % (secret, raw)


@pytest.fixture(scope="session")
def shim(build, tmp_path_factory):
    """The library of shim.c; memory is left to a sanitizer where the programs carry one."""
    if not have("cc"):
        pytest.skip("no compiler")
    path = str(tmp_path_factory.mktemp("shim") / "shim.so")
    memory = [] if is_sanitized(build) else ["-DSHIM_MEMORY"]
    subprocess.run(["cc", "-shared", "-fPIC", "-O1"] + memory + ["-o", path, os.path.join(HERE, "shim.c")],
                   check=True)
    return path


def preloaded(sandbox, shim, **facts):
    """The environment that puts the library before the C library."""
    env = sandbox.environment(LD_PRELOAD=shim, **facts)
    env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
    return env


def login_name():
    return pwd.getpwuid(os.getuid()).pw_name


def is_root():
    return os.geteuid() == 0


def have(program):
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is not None


needs_root = pytest.mark.skipif(not is_root(), reason="needs root")


class Account:
    """The sandbox's account, for one of the services of a real server."""

    def __init__(self, sandbox, server):
        self.sandbox = sandbox
        self.server = server

    def use(self, service="submission", more="", **keys):
        if service == "tls":
            keys.setdefault("tls", "implicit")
        keys.setdefault("port", self.server.ports[service])
        self.sandbox.configure(more=more, **keys)


def written(mail, text):
    """Asserts that the stored message is that text, with nothing but trace fields in front."""
    text = text.encode() if isinstance(text, str) else text
    assert mail.endswith(text), mail
    trace = mail[: -len(text)]
    for line in trace.decode().splitlines():
        name = line.partition(":")[0]
        assert line[0] in " \t" or name.lower() in (
            "return-path",
            "x-original-to",
            "delivered-to",
            "received",
        ), line


@pytest.fixture(scope="session")
def postfix_server(certs):
    """One real Postfix with Dovecot for the whole run."""
    import postfix as postfix_module

    reason = postfix_module.missing()
    if reason:
        pytest.skip(reason)
    with postfix_module.Postfix(certs.get("rsa")) as server:
        yield server


@pytest.fixture
def postfix(postfix_server):
    """The same with empty mailboxes."""
    postfix_server.empty()
    return postfix_server


@pytest.fixture(scope="session")
def exim_server(certs):
    """One real Exim with Dovecot for the whole run."""
    import exim as exim_module

    reason = exim_module.missing()
    if reason:
        pytest.skip(reason)
    with exim_module.Exim(certs.get("rsa"), certs.ca) as server:
        yield server


@pytest.fixture
def exim(exim_server):
    """The same with empty mailboxes."""
    exim_server.empty()
    return exim_server


@pytest.fixture(scope="session")
def dovecot_server(certs):
    """One real Dovecot with its submission service for the whole run."""
    import dovecot as dovecot_module

    reason = dovecot_module.missing("submission")
    if reason:
        pytest.skip(reason)
    with dovecot_module.Dovecot(certs.get("rsa")) as server:
        yield server


@pytest.fixture
def dovecot(dovecot_server):
    return dovecot_server
