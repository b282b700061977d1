"""Figures of one run of a command: instructions, system calls, memory, CPU, time.

Instructions come from valgrind and hardly depend on the machine's load; so do
system calls, which strace counts. Both cover the children of the command, and
nothing that is run in front of it.
"""

import os
import re
import signal
import subprocess
import tempfile
import time


LONGEST = 60  # seconds for one run
LONGEST_COUNTED = 300  # the same, under valgrind


class Failed(Exception):
    """A command that was to be measured did not do its work."""

    mark = "fails"


class TooLong(Failed):
    """It took longer than anybody would wait."""

    def __init__(self, command, seconds):
        super().__init__("%s took more than %d s" % (command.argv[0], seconds))
        self.mark = "> %d s" % seconds


class Command:
    """What is to be run: words, environment, and what it reads."""

    def __init__(self, argv, env, stdin=None, cwd=None, extra=None, code=0):
        self.argv = argv
        self.env = env
        self.stdin = stdin  # path of a file, or None
        self.cwd = cwd
        self.extra = extra  # path of a file to be read on descriptor 3, or None
        self.code = code  # how it ends

    def words(self, before):
        if self.extra is None:
            return before + self.argv
        return before + ["/bin/sh", "-c", 'exec 3<"$0"; exec "$@"', self.extra] + self.argv

    def start(self, before=(), out=subprocess.PIPE):
        """In a process group of its own, so that it can be ended with its children."""
        stdin = open(self.stdin or os.devnull, "rb")
        try:
            return subprocess.Popen(
                self.words(list(before)),
                stdin=stdin,
                env=self.env,
                cwd=self.cwd,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            stdin.close()

    def run(self, before=(), longest=LONGEST, out=subprocess.PIPE):
        """What it prints, where that is not sent elsewhere."""
        child = self.start(before, out)
        try:
            text, _ = child.communicate(timeout=longest)
        except BaseException as error:
            # With its children: of a tracer, the program is one.
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TooLong(self, longest) from None
            raise
        if child.returncode != self.code:
            raise Failed(
                "%s: exit code %d: %s"
                % (self.argv[0], child.returncode, (text or b"").decode("utf-8", "replace")[-400:])
            )
        return text

    def cpu_elsewhere(self):
        """CPU seconds that daemons have spent so far in doing what the command asks for."""
        return 0

    def memory_elsewhere(self):
        """Resident octets of those daemons."""
        return 0


def instructions(command):
    """Instructions of the command and its children, in user mode."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o1777)  # the command may become another user
        command.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--trace-children=yes",
                "--trace-children-skip=/bin/sh",
                "--callgrind-out-file=/dev/null",
                "--log-file=%s/log.%%p" % directory,
            ],
            LONGEST_COUNTED,
        )
        total = 0
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                text = file.read()
            # One that forked and did not exec goes on from the count of its parent.
            assert "interactive control" in text or "Collected : " not in text, text
            found = re.search(r"Collected : (\d+)", text)
            total += int(found.group(1)) if found else 0
    return total


def system_calls(command):
    """(calls of the command and its children, those of them that sync)."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "trace")
        command.run(["strace", "-f", "-qq", "-e", "signal=none", "-o", path])
        with open(path, encoding="utf-8", errors="replace") as file:
            names = re.findall(r"^\d+ +(\w+)\(", file.read(), re.M)
    if names and command.extra is not None:  # those of the shell do not count
        names = names[len(names) - 1 - names[::-1].index("execve") :]
    return len(names), sum(name in ("fsync", "fdatasync", "sync", "syncfs") for name in names)


def loads_library(command, name):
    """Whether a library of that name is opened."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "trace")
        command.run(["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", path])
        with open(path, encoding="utf-8", errors="replace") as file:
            return name in file.read()


def peak_memory(command):
    """Most resident memory, in octets; where daemons do the work, theirs when it is done."""
    with tempfile.NamedTemporaryFile() as file:
        # A child of this process would count Python's own memory as its peak.
        command.run(["/usr/bin/time", "-f", "%M", "-o", file.name])
        return command.memory_elsewhere() or int(file.read().split()[-1]) * 1024


def cpu_seconds(command):
    """CPU time of the command, its children and its daemons, user and system."""
    before, elsewhere = os.times(), command.cpu_elsewhere()
    command.run(out=subprocess.DEVNULL)
    after = os.times()
    return (
        (after.children_user - before.children_user)
        + (after.children_system - before.children_system)
        + (command.cpu_elsewhere() - elsewhere)
    )


def wall_seconds(command):
    start = time.perf_counter()
    command.run(out=subprocess.DEVNULL)  # to read what it prints is no part of it
    return time.perf_counter() - start
