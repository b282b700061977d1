"""Faults at every system call of the real programs, by strace: which there are, and runs with one of them.

The programs are run as they are. A run is traced once to learn its calls; then it is repeated, each time
killed before, or refused, one of them. What the loader does before main() is left out.
"""

import os
import random
import re
import shutil
import subprocess
import threading

from conftest import SECRETS, Sandbox, have, is_sanitized

# Every call that can be refused with sense, and the causes that it may name.
ERRORS = {
    "write": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "pwrite64": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "writev": ("EIO", "ENOSPC", "EINTR"),
    "fsync": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "fdatasync": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "rename": ("EIO", "ENOSPC"),
    "renameat": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "renameat2": ("EIO", "ENOSPC"),
    "openat": ("EIO", "ENOSPC", "EMFILE", "EACCES", "EINTR"),
    "unlink": ("EIO", "EACCES"),
    "unlinkat": ("EIO", "EACCES", "EINTR"),
    "close": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "mkdir": ("EIO", "ENOSPC", "EDQUOT"),
    "mkdirat": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO", "EINTR"),
    "fchmod": ("EIO", "EPERM"),
    "flock": ("EIO", "ENOLCK", "EINTR"),
    "utimensat": ("EIO", "EROFS"),
    "newfstatat": ("EIO",),
    "fstat": ("EIO",),
    "statx": ("EIO",),
    "fstatfs": ("EIO",),
    "getdents64": ("EIO",),
    "lseek": ("EIO",),
    "read": ("EIO", "EINTR"),
    "pread64": ("EIO", "EINTR"),
    "fcntl": ("EMFILE",),
    "socket": ("EMFILE", "ENOBUFS"),
    "connect": ("ECONNREFUSED", "ETIMEDOUT", "EINTR"),
    "sendto": ("EPIPE", "ECONNRESET", "EINTR"),
    "sendmsg": ("EPIPE", "ECONNRESET", "EINTR"),
    "recvfrom": ("ECONNRESET", "ETIMEDOUT", "EINTR"),
    "recvmsg": ("ECONNRESET", "EINTR"),
    "poll": ("EINTR", "ENOMEM"),
    "ppoll": ("EINTR", "ENOMEM"),
    "mmap": ("ENOMEM",),
    "getrandom": ("ENOSYS",),
    "clone": ("EAGAIN",),
    "setsockopt": ("EINVAL",),
}

# A disk that stays full or broken from the n-th call on.
LASTING = {
    "write": ("ENOSPC", "EIO"),
    "pwrite64": ("ENOSPC", "EIO"),
    "fsync": ("EIO",),
    "fdatasync": ("EIO",),
    "unlinkat": ("EIO",),
    "renameat": ("EIO",),
    "openat": ("EMFILE",),
    "write,pwrite64,fsync,fdatasync": ("EIO", "ENOSPC"),
    "pwrite64,fdatasync,unlinkat": ("EIO",),
}

NETWORK = ("socket", "connect", "sendto", "sendmsg", "recvfrom", "recvmsg", "poll", "ppoll", "setsockopt")

FULL = os.environ.get("PILLARBOX_SWEEP", "") == "full"
SEED = int(os.environ.get("PILLARBOX_SWEEP_SEED", "1"))


def why_not():
    """Why no sweep can be made here, or None."""
    if not have("strace"):
        return "strace is not installed"
    probe = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=exit_group", "-e", "inject=exit_group:signal=KILL", "/bin/true"],
        capture_output=True, check=False)
    return None if probe.returncode == -9 else "strace may not trace here, or cannot inject faults"


class Call:
    """A system call of a traced run, and its number among those of its name, from 1: so strace counts."""

    def __init__(self, name, nth, text):
        self.name = name
        self.nth = nth
        self.text = text


class Point:
    """A fault: strace's words for it."""

    def __init__(self, names, fault, when):
        self.names = names
        self.fault = fault
        self.when = when

    @property
    def kills(self):
        return self.fault == "signal=KILL"

    @property
    def on_network(self):
        return not self.kills and self.names in NETWORK

    def __repr__(self):
        return "%s %s at %s" % (self.names, self.fault, self.when)


class Run:
    """What a run with a fault left."""

    def __init__(self, point, rc, err, log):
        self.point = point
        self.rc = rc
        self.err = err
        self.log = log

    @property
    def killed(self):
        return self.rc < 0

    @property
    def met(self):
        """The fault came about."""
        return self.killed or "(INJECTED)" in self.log

    @property
    def what(self):
        """The call that was met, as strace shows it."""
        lines = [line for line in self.log.splitlines() if "(INJECTED)" in line]
        if self.killed and not lines:
            lines = [line for line in self.log.splitlines() if line.endswith("= ?")][-1:]
        return "; ".join(line.strip() for line in lines[:2])


LINE = re.compile(r"^(?:\d+ +)?(\w+)\(")


def trace(box, args, stdin, options, env=None, program="sendmail", strings=60):
    """Runs a program under strace; gives the exit code, stderr and the log."""
    log = os.path.join(box.root, "strace.log")
    command = ["strace", "-f", "-qq", "-o", log, "-s", str(strings)] + options
    result = subprocess.run(
        command + [box.program(program)] + list(args), input=stdin, capture_output=True,
        env=box.environment(**(env or {})), cwd=box.home, timeout=120, check=False)
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    for mark in (b"Sanitizer", b"runtime error:"):
        assert mark not in result.stderr, result.stderr.decode("utf-8", "replace")
    for secret in SECRETS:
        assert secret not in result.stderr
    return result.returncode, result.stderr, text


def calls_of(log):
    """The calls of the first process from main() on: it begins by asking who runs it."""
    first = log.split(" ", 1)[0]
    calls, seen, in_main = [], {}, False
    for line in log.splitlines():
        if not line.startswith(first + " ") or "resumed>" in line:
            continue
        match = LINE.match(line)
        if not match:
            continue
        name = match.group(1)
        seen[name] = seen.get(name, 0) + 1
        in_main = in_main or name == "close_range" or "(SIGPIPE" in line
        if in_main:
            calls.append(Call(name, seen[name], line))
    return calls


def kill_points(calls):
    """A kill before every call, and before one more of each name, for runs that are longer."""
    points = [Point(c.name, "signal=KILL", c.nth) for c in calls]
    last = {c.name: c.nth for c in calls}
    return points + [Point(name, "signal=KILL", nth + 1) for name, nth in last.items()]


def error_points(calls, errors=None):
    points = []
    for call in calls:
        for error in (errors or ERRORS).get(call.name, ()):
            points.append(Point(call.name, "error=" + error, call.nth))
    return points


def lasting_points(calls):
    points = []
    for names, errors in LASTING.items():
        wanted = names.split(",")
        # Each name of a rule is counted for itself. The loader makes no call of those that stand with others.
        numbers = [c.nth for c in calls if c.name in wanted]
        if len(wanted) > 1:
            numbers = range(1, max(numbers, default=0) + 1)
        for error in errors:
            points += [Point(names, "error=" + error, "%d+" % n) for n in numbers]
    return points


def sample(points, most, full=None):
    """All of them, or as many as asked for, spread over the run; the seed shifts the choice."""
    if (FULL if full is None else full) or len(points) <= most:
        return points
    chance = random.Random(SEED)
    stride = len(points) / most
    return [points[min(int(i * stride + chance.random() * stride), len(points) - 1)] for i in range(most)]


class Scene:
    """What is swept: a run, what stands before it and what has to hold behind it."""

    args = ()
    stdin = b""
    env = None

    def server(self, make):
        """A server for one worker."""
        return make()

    def configure(self, place):
        place.box.configure(place.server)

    def prepare(self, place):
        """Brings the sandbox into the state before the run."""

    def check(self, place, run):
        """What is wrong behind the run, in words."""
        raise NotImplementedError


class Place:
    """Where one worker makes its runs: a sandbox, and a server of its own."""

    def __init__(self, box, server):
        self.box = box
        self.server = server
        self.seen = 0

    def clean(self):
        shutil.rmtree(os.path.join(self.box.state_home, "pillarbox"), ignore_errors=True)
        for name in os.listdir(self.box.tmp):
            os.unlink(os.path.join(self.box.tmp, name))
        if self.server:
            self.server.wait_idle()
            self.seen = len(self.server.messages)

    def delivered(self):
        """Messages that came since the place was cleaned, when no connection is open any more."""
        self.server.wait_idle()
        return self.server.messages[self.seen :]

    def drain(self):
        return self.box.run("-qf", stdin=None, timeout=120)

    def temporaries(self):
        return [n for n in self.box.leftovers() if n.startswith("tmp.")]

    def age_temporaries(self):
        """As if they were from some hours ago."""
        for top, _, files in os.walk(self.box.queue):
            for name in files:
                if name.startswith("tmp."):
                    os.utime(os.path.join(top, name), (1_000_000_000, 1_000_000_000))

    def snapshot(self):
        found = {}
        for top, _, files in os.walk(self.box.queue):
            for name in files:
                path = os.path.join(top, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, self.box.queue)] = file.read()
        return found


class Sweep:
    """Makes the runs, some at a time, and gathers what they violate."""

    WORKERS = 3

    def __init__(self, root, build, certs, make_server):
        self.root = root
        self.build = build
        self.certs = certs
        self.make_server = make_server
        self.lock = threading.Lock()

    def place(self, scene, number):
        root = os.path.join(str(self.root), "%s-%d" % (type(scene).__name__, number))
        os.makedirs(root)
        box = Sandbox(root, self.build, self.certs)
        server = scene.server(self.make_server)
        place = Place(box, server)
        scene.configure(place)
        return place

    def baseline(self, scene):
        """The calls of a run without a fault, which has to hold what the others have to."""
        place = self.place(scene, 0)
        place.clean()
        scene.prepare(place)
        rc, err, log = trace(place.box, scene.args, scene.stdin, ["-e", "trace=all"], scene.env)
        run = Run(Point("none", "none", 0), rc, err, log)
        violations = scene.check(place, run)
        assert not violations, violations
        place.box.done()
        # Without memory a sanitizer gives up before the program can.
        return [c for c in calls_of(log) if not (is_sanitized(self.build) and c.name == "mmap")]

    def one(self, scene, place, point):
        place.clean()
        scene.prepare(place)
        names = ",".join("?" + n for n in point.names.split(","))
        # Calls that are not watched pass at full speed; a signal does not come about that way.
        quicker = [] if point.kills else ["--seccomp-bpf"]
        rc, err, log = trace(
            place.box, scene.args, scene.stdin,
            quicker + ["-e", "trace=" + names, "-e", "inject=%s:%s:when=%s" % (names, point.fault, point.when)],
            scene.env)
        run = Run(point, rc, err, log)
        if not run.met:
            return run, []
        if rc == 127:  # the loader did not get as far as main()
            return run, []
        return run, ["%r (%s), exit %d %r: %s" % (point, run.what, rc, err[:300], words)
                     for words in scene.check(place, run)]

    def sweep(self, scene, points):
        """(points that were met, violations)."""
        queue = list(reversed(points))
        met, violations = [], []

        def work(number):
            place = self.place(scene, number)
            try:
                while True:
                    with self.lock:
                        if not queue or len(violations) > 50:
                            return
                        point = queue.pop()
                    try:
                        run, wrong = self.one(scene, place, point)
                    except BaseException as error:  # a failed assertion too is told with the fault that it came by
                        run, wrong = None, ["%r: %r" % (point, error)]
                    with self.lock:
                        violations.extend(wrong)
                        if run is None or run.met:
                            met.append(point)
            finally:
                place.box.done()

        workers = [threading.Thread(target=work, args=(n + 1,)) for n in range(min(self.WORKERS, len(points)))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return met, violations
