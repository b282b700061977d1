#!/usr/bin/python3
"""Measures pillarbox, and next to it what it replaces, against the budgets of the design.

    python3 tests/bench/run.py [--build DIR] [--quick] [--json FILE] [--only-ours] [NAME...]

Names: start enqueue submit implicit latency headers parallel large list drain (all
when none is given). --packages DIR keeps what is fetched of programs that are not
installed; --offline fetches nothing. dma and Postfix need root. Ends with 1 where a
budget is exceeded that does not depend on the machine's load (instructions, calls,
memory, waits), or where ours could not be measured.

Every figure is of a whole process from exec to exit, with its children; what is
left out or added for a program whose daemons do the work stands below the table.
Wall times contain the smarthost, which is written in Python, and whatever else the
machine does: compare columns, not machines. A figure in brackets leaves part of
the work out and is compared with nothing.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import traceback

import clients as programs
import measure
import sending
import storing
import unpacked
from report import Rows, Table

sys.path.insert(0, os.path.join(programs.SOURCE, "tests", "flow"))

import certs as certs_module  # noqa: E402
from nullclient import Postfix  # noqa: E402

OTHERS = (programs.Msmtp, unpacked.Nullmailer, unpacked.Esmtp, unpacked.Dma, Postfix)
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
MEGA = 1000000

# Why another is better in a row, and what would change it; by section and beginning of
# the row's name. Only what is true at present: a row that ours leads has no line here.
WHY = {
    ("enqueue", "syncs"): (
        "postdrop syncs the file and not its directory. Without the second sync a power cut can"
        " take a message that exit 0 called safe: this stays."
    ),
    ("latency", "wall"): (
        "Postfix waits as often, but is timed until the message is at the server: the last answer,"
        " which ours waits for, is 20 ms more."
    ),
    ("headers", "-t, 10,000"): (
        "esmtp stops in front of the server; ours also completes the header, checks every address"
        " and writes the entry. Less work for each address would change it."
    ),
    ("headers", "-t, header of 1 MB"): (
        "esmtp stops in front of the server; ours also checks every line and writes the entry."
        " Fewer passes over the header would change it."
    ),
    ("list", "mailq of"): (
        "The others read the file; ours also tries its lock to tell what is being sent, and checks"
        " owner, mode and size. Fewer calls for each entry would change it."
    ),
    ("drain", "wall for each"): (
        "dma starts a process, a connection and a login for each message, all of them at once;"
        " Postfix has twenty. Servers limit both for a login. A few connections side by side"
        " for a long queue would change it."
    ),
}

SECTIONS = {
    "start": storing.start,
    "enqueue": storing.enqueue,
    "submit": sending.submit,
    "implicit": sending.implicit,
    "latency": sending.latency,
    "headers": storing.headers,
    "parallel": sending.parallel,
    "large": sending.large,
    "list": storing.listing,
    "drain": sending.drain,
}


class Bench:
    """The programs, what they share, and the figures."""

    def __init__(self, options, directory):
        self.quick = options.quick
        self.directory = directory
        self.certs = certs_module.Certificates(self.path("tls"))
        self.beaten = set()  # (program, kind): who failed at such a thing
        self.problems = []  # what could not be measured of ours
        self.trust = self.path("trust.pem")
        text = b""
        for name in (BUNDLE, self.certs.ca):
            if os.path.exists(name):
                with open(name, "rb") as file:
                    text += file.read()
        programs.write(self.trust, text, 0o644)
        self.ours = programs.Pillarbox(self.path("pillarbox"), self.trust, options.build)
        self.clients = [self.ours]
        self.rows = Rows(self.ours.name)
        self.note = self.rows.note
        packages = options.packages or self.path("packages")
        for kind in () if options.only_ours else OTHERS:
            reason = kind.find(packages, options.offline)
            if reason is None:
                self.clients.append(kind(self.path(kind.name), self.trust))
            else:
                print("%s is not measured: %s" % (kind.name, reason), file=sys.stderr)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def message(self, name, body=b"a body\n", header=storing.HEADER):
        return programs.write(self.path(name), header + b"\n" + body, 0o644)

    @contextlib.contextmanager
    def trying(self, section, what, client, unit="", kind=None):
        """A failure of another is a mark in the row; one of ours is a problem."""
        try:
            yield
        except measure.Failed as error:
            print("%s, %s, %s: %s" % (client.name, section, what, error), file=sys.stderr)
            self.beaten.add((client, kind))
            self.rows.mark(section, what, client, error.mark, unit)
            if client is self.ours:
                self.problems.append("%s: %s: %s" % (section, what, error))

    def costs(self, section, client, command, most=(None, None, None)):
        """Instructions, system calls and memory of a command; most: their budgets."""
        self.note(section, "instructions", client, measure.instructions(command) / MEGA, most[0], "M")
        calls, syncs = measure.system_calls(command)
        self.note(section, "system calls", client, calls, most[1])
        self.note(section, "peak memory", client, measure.peak_memory(command) / MEGA, most[2], "MB")
        return syncs

    def walls(self, section, commands, times, what="wall", budget=None):
        """Median times of commands by client; they take turns."""
        taken = {client: [] for client in commands}
        for _ in range(times):
            for client, command in commands.items():
                with self.trying(section, what, client, "ms"):
                    taken[client].append(measure.wall_seconds(command))
        self.note_medians(section, what, taken, budget)

    def note_medians(self, section, what, taken, budget=None):
        for client, seconds in taken.items():
            if not seconds:
                continue
            value = statistics.median(seconds) * 1000
            self.note(section, what, client, value, budget, "ms", firm=False)

    def measure(self, section):
        """What breaks off is a problem; the other sections go on."""
        start = time.perf_counter()
        try:
            SECTIONS[section](self)
        except Exception as error:
            traceback.print_exc()
            self.problems.append("%s breaks off: %r" % (section, error))
        print("%s: %.0f s" % (section, time.perf_counter() - start), file=sys.stderr)

    def done(self):
        for client in self.clients:
            client.done()


def arguments():
    parser = argparse.ArgumentParser(description="measures pillarbox against its budgets")
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(SECTIONS))
    default = os.environ.get("PILLARBOX_BUILD", os.path.join(programs.SOURCE, "build", "release"))
    parser.add_argument("--build", default=default, help="build directory (release)")
    parser.add_argument("--quick", action="store_true", help="less of everything, a few minutes")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there")
    parser.add_argument("--packages", metavar="DIR", help="keeps fetched packages there")
    parser.add_argument("--offline", action="store_true", help="fetches nothing")
    parser.add_argument("--only-ours", action="store_true", help="measures nothing else")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.packages = options.packages and os.path.abspath(options.packages)
    for name in options.names:
        if name not in SECTIONS:
            parser.error("there is no '%s'; names are %s" % (name, " ".join(SECTIONS)))
    if not os.access(os.path.join(options.build, "sendmail"), os.X_OK):
        parser.error("no program sendmail in %s" % options.build)
    for program in ("valgrind", "strace"):
        if shutil.which(program) is None:
            parser.error("%s is not installed" % program)
    return options


def main():
    options = arguments()
    directory = tempfile.mkdtemp(prefix="pillarbox-bench.")
    bench = None
    try:
        bench = Bench(options, directory)
        for name in options.names or SECTIONS:
            bench.measure(name)
    finally:
        if bench:
            bench.done()
        shutil.rmtree(directory, ignore_errors=True)
    names = [client.name for client in bench.clients]
    Table(bench.rows, names, WHY).print()
    for problem in bench.problems:
        print("not measured: " + problem)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"programs": names, "rows": bench.rows.as_json()}, file, indent=1)
            file.write("\n")
    return int(bench.rows.exceeded() or bool(bench.problems))


if __name__ == "__main__":
    sys.exit(main())
