"""Figures of one run of a command: instructions, system calls, memory, CPU, time.

Instructions come from valgrind and hardly depend on the machine's load; so do
system calls, which strace counts. Both cover the children of the command.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time


LONGEST = 20  # seconds for one run, under valgrind as well


class Failed(Exception):
    """A command that was to be measured did not do its work."""


class Command:
    """What is to be run: words, environment, and what it reads."""

    def __init__(self, argv, env, stdin=None, cwd=None, extra=None):
        self.argv = argv
        self.env = env
        self.stdin = stdin  # path of a file, or None
        self.cwd = cwd
        self.extra = extra  # path of a file to be read on descriptor 3, or None

    def words(self, before):
        if self.extra is None:
            return before + self.argv
        return before + ["/bin/sh", "-c", 'exec 3<"$0"; exec "$@"', self.extra] + self.argv

    def start(self, before=(), **more):
        stdin = open(self.stdin or os.devnull, "rb")
        try:
            return subprocess.Popen(
                self.words(list(before)),
                stdin=stdin,
                env=self.env,
                cwd=self.cwd,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                **more,
            )
        finally:
            stdin.close()

    def run(self, before=()):
        child = self.start(before, start_new_session=True)
        try:
            out, _ = child.communicate(timeout=LONGEST)
        except BaseException as error:
            # With its children: of a tracer, the program is one.
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed("%s took more than %d s" % (self.argv[0], LONGEST)) from None
            raise
        if child.returncode != 0:
            raise Failed(
                "%s: exit code %d: %s"
                % (self.argv[0], child.returncode, out.decode("utf-8", "replace")[-400:])
            )
        return out


def have(program):
    return shutil.which(program) is not None


def instructions(command):
    """Instructions of the command and its children, in user mode."""
    if not have("valgrind"):
        return None
    with tempfile.TemporaryDirectory() as directory:
        command.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--trace-children=yes",
                "--trace-children-skip=/bin/sh",
                "--callgrind-out-file=/dev/null",
                "--log-file=%s/log.%%p" % directory,
            ]
        )
        total = 0
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                found = re.search(r"Collected : (\d+)", file.read())
            total += int(found.group(1)) if found else 0
    return total


def system_calls(command):
    """(calls of the command and its children, those of them that sync)."""
    if not have("strace"):
        return None, None
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
    if not have("strace"):
        return None
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "trace")
        command.run(["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", path])
        with open(path, encoding="utf-8", errors="replace") as file:
            return name in file.read()


def peak_memory(command):
    """Most resident memory, in octets."""
    with tempfile.NamedTemporaryFile() as file:
        # A child of this process would count Python's own memory as its peak.
        command.run(["/usr/bin/time", "-f", "%M", "-o", file.name])
        return int(file.read().split()[-1]) * 1024


def cpu_seconds(command):
    """CPU time of the command and its children, user and system."""
    before = os.times()
    command.run()
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def wall_seconds(command):
    start = time.perf_counter()
    command.run()
    return time.perf_counter() - start


def medians(commands, times):
    """Median seconds of each of the named commands, which take turns."""
    taken = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            taken[name].append(wall_seconds(command))
    return {name: statistics.median(seconds) for name, seconds in taken.items()}
