#!/usr/bin/python3
"""Measures pillarbox, and next to it what it replaces, against the budgets of the design.

    python3 tests/bench/run.py [--build DIR] [--quick] [--json FILE] [--only-ours] [NAME...]

Names: submit implicit latency large enqueue start list headers drain parallel (all
when none is given). --packages DIR keeps what is fetched of programs that are not
installed; --offline fetches nothing. Ends with 1 where a budget is exceeded
that does not depend on the machine (instructions, calls, memory, waits).

Every figure is of a whole process from exec to exit. Wall times contain the
smarthost, which is written in Python: compare columns, not machines.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time

import measure
from clients import OTHERS, SOURCE, Pillarbox, write
from server import CHUNKING, PIPELINING, Server

sys.path.insert(0, os.path.join(SOURCE, "tests", "flow"))

import certs as certs_module  # noqa: E402

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
MEGA = 1000000

HEADER = (
    b"From: Ann <ann@example.test>\n"
    b"To: bob@example.net\n"
    b"Subject: hello\n"
    b"Date: Mon, 02 Feb 2026 10:00:00 +0100\n"
    b"Message-ID: <one@example.test>\n"
)


class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.quick = options.quick
        self.directory = directory
        self.certs = certs_module.Certificates(self.path("tls"))
        self.rows = []
        self.trust = self.path("trust.pem")
        text = b""
        for name in (BUNDLE, self.certs.ca):
            if os.path.exists(name):
                with open(name, "rb") as file:
                    text += file.read()
        write(self.trust, text, 0o644)
        self.ours = Pillarbox(self.path("pillarbox"), self.trust, options.build)
        self.clients = [self.ours]
        packages = options.packages or self.path("packages")
        for kind in () if options.only_ours else OTHERS:
            if options.offline and hasattr(kind, "package"):
                continue
            if kind.find(packages):
                self.clients.append(kind(self.path(kind.name), self.trust))

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def message(self, name, body=b"a body\n", header=HEADER):
        return write(self.path(name), header + b"\n" + body, 0o644)

    # --- figures -----------------------------------------------------

    def note(self, section, what, client, value, budget=None, unit="", firm=True):
        """Keeps a figure; budget is the most that ours may show."""
        for row in self.rows:
            if (row["section"], row["what"]) == (section, what):
                break
        else:
            row = {"section": section, "what": what, "unit": unit, "budget": None, "values": {}}
            self.rows.append(row)
        if client is self.ours and budget is not None:
            row["budget"], row["firm"] = budget, firm
        row["values"][client.name] = value

    def costs(self, section, client, command, most=(None, None, None)):
        """Instructions, system calls and memory of a command; most: their budgets."""
        count = measure.instructions(command)
        self.note(section, "instructions", client, count and count / MEGA, most[0], "M")
        if self.quick and client is not self.ours:
            return
        calls, syncs = measure.system_calls(command)
        self.note(section, "system calls", client, calls, most[1])
        self.note(section, "peak memory", client, measure.peak_memory(command) / MEGA, most[2], "MB")
        return syncs

    def walls(self, section, commands, times, what="wall", budget=None):
        """Median times of commands by client; they take turns."""
        by_name = {client.name: client for client in commands}
        found = measure.medians({c.name: command for c, command in commands.items()}, times)
        for name, seconds in found.items():
            self.note(section, what, by_name[name], seconds * 1000, budget, "ms", firm=False)

    def waits(self, section, client, server, command, what, most=None):
        """Waits for the server and records of one submission."""
        server.forget()
        command.run()
        server.wait_messages(1)
        server.wait_idle()
        assert len(server.connections) == 1, len(server.connections)
        connection = server.connections[0]
        self.note(section, what, client, connection.waits, most)
        return connection

    # --- submissions -------------------------------------------------

    def submission(self, section, implicit, most_waits):
        message = self.message("small")
        with Server(self.certs, implicit=implicit) as server, Server(
            self.certs, CHUNKING, implicit=implicit
        ) as chunking:
            commands = {}
            for client in self.clients:
                command = client.submit(server, message)
                if command is None:
                    continue
                command.run()  # does it work at all, and warms the caches
                connection = self.waits(
                    section, client, server, command, "waits, DATA", most_waits
                )
                self.note(section, "TLS records", client, connection.records.count, 7)
                self.costs(section, client, command, (20, 200, 7))
                commands[client] = command
            self.walls(section, commands, 5 if self.quick else 15)
            for client in self.clients:
                command = client.submit(chunking, message)
                if command is not None:
                    self.waits(
                        section, client, chunking, command, "waits, BDAT", most_waits - 1
                    )

    def submit(self):
        self.submission("submit", False, 7)

    def implicit(self):
        self.submission("implicit", True, 6)

    def latency(self):
        """One submission over a link of 20 ms."""
        message = self.message("small")
        with Server(self.certs, latency=0.02) as server:
            commands = {client: client.submit(server, message) for client in self.clients}
            commands = {client: command for client, command in commands.items() if command}
            self.walls("latency", commands, 3 if self.quick else 7, "wall at 20 ms")

    def large(self):
        """CPU for a gigabyte, from a message of a part of it."""
        size = 20 * MEGA if self.quick else 100 * MEGA
        line = b"The quick brown fox jumps over the lazy dog, and nobody knows why it does\n"
        small = self.message("small")
        message = self.message("large", line * (size // len(line)))
        with Server(self.certs, discards=True) as server, Server(
            self.certs, CHUNKING, discards=True
        ) as chunking:
            for client in self.clients:
                for extensions, peer in (("DATA", server), ("BDAT", chunking)):
                    command = client.submit(peer, small)
                    if command is None or (peer is chunking and client is not self.ours):
                        continue
                    if client is not self.ours and self.quick:
                        continue
                    base = measure.cpu_seconds(command)
                    command = client.submit(peer, message)
                    used = min(measure.cpu_seconds(command) for _ in range(1 if self.quick else 2))
                    self.note(
                        "large", "CPU for a GB, " + extensions, client,
                        max(0, used - base) * 1000 * MEGA / size, 1.6, "s", firm=False,
                    )
                    peak = measure.peak_memory(command)
                    self.note(
                        "large", "peak memory, " + extensions, client, peak / (1 << 20), 12, "MiB"
                    )
        os.unlink(message)

    def parallel(self):
        """Sixteen at once, to one server."""
        message = self.message("small")
        with Server(self.certs) as server:
            for client in self.clients:
                command = client.submit(server, message)
                if command is None:
                    continue
                server.forget()
                start = time.perf_counter()
                threads = [threading.Thread(target=command.run) for _ in range(16)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                taken = time.perf_counter() - start
                server.wait_messages(16)
                self.note("parallel", "16 at once, wall", client, taken * 1000, None, "ms")

    # --- without a server --------------------------------------------

    def enqueue(self):
        message = self.message("small")
        commands = {}
        for client in self.clients:
            command = client.enqueue(message)
            if command is None:
                continue
            command.run()
            syncs = self.costs("enqueue", client, command, (0.5, None, None))
            self.note("enqueue", "syncs", client, syncs, 2)
            self.note(
                "enqueue", "loads GnuTLS", client,
                int(bool(measure.loads_library(command, "libgnutls"))), 0,
            )
            commands[client] = command
        self.walls("enqueue", commands, 5 if self.quick else 21)
        if self.quick:
            return
        self.fill(10000)
        command = self.ours.enqueue(message)
        count = measure.instructions(command)
        self.note("enqueue", "behind 10,000 others", self.ours, count / MEGA, None, "M")
        self.ours.clear()

    def start(self):
        for client in self.clients:
            for what, command in (
                ("--version", client.version()),
                ("empty mailq", client.empty_list()),
            ):
                if command is not None:
                    count = measure.instructions(command)
                    self.note("start", what, client, count and count / MEGA, 0.3, "M")

    def fill(self, count):
        """Puts copies of one queued message into the queue; none of them is due."""
        self.ours.clear()
        self.ours.enqueue(self.message("small")).run()
        (name,) = [n for n in os.listdir(self.ours.queue) if "-" in n]
        path = os.path.join(self.ours.queue, name)
        with open(path, "rb") as file:
            text = file.read()
        # As after a first attempt: without one an entry is due whatever its time.
        text = text.replace(b"\nstatus 00000 -- 000 ", b"\nstatus 00001 -- 451 ", 1)
        assert b"\nstatus 00001 -- 451 " in text
        os.unlink(path)
        begin = int(name.split("-")[0], 16)
        later = time.time() + 1800
        for number in range(count):
            path = os.path.join(
                self.ours.queue, "%08x-%016x" % (begin - 1 - number // 100, number * 7919)
            )
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, text)
            os.close(descriptor)
            os.utime(path, (later, later))

    def list(self):
        for count, limits in ((10000, (None, None)), (100000, (800, 400))):
            if self.quick and count > 10000:
                break
            self.fill(count)
            ours = self.ours
            times = 3
            listing = {ours: ours.command("-bp")}
            lines = listing[ours].run()
            assert b"in %d Requests" % count in lines, lines[-100:]
            self.walls("list", listing, times, "mailq of {:,}".format(count), limits[0])
            scan = {ours: ours.command("queue", "run", program=ours.pillarbox)}
            self.walls("list", scan, times, "idle run over {:,}".format(count), limits[1])
        self.ours.clear()

    def headers(self):
        plain = HEADER.replace(b"To: bob@example.net\n", b"")
        for times in (1,) if self.quick else (1, 2, 4):
            count = 10000 * times
            named = b",\n\t".join(
                b"Person Number %d <user%d@example.net>" % (n, n) for n in range(count)
            )
            message = self.message("many", header=plain + b"To: " + named + b"\n")
            what = "-t, {:,} recipients".format(count)
            self.reading(what, message, 25 if times == 1 else None)
            filler = b"".join(
                b"X-Filler-%d: %s\n" % (n, b"abcdefg " * 8) for n in range(times * MEGA // 80)
            )
            message = self.message("fields", header=HEADER + filler)
            what = "-t, header of %d MB" % times
            self.reading(what, message, 12 if times == 1 else None)

    def reading(self, what, message, most):
        for client in self.clients:
            command = client.headers(message)
            if command is None or (self.quick and client is not self.ours):
                continue
            try:
                count = measure.instructions(command)
            except measure.Failed:
                count = None  # it gave up, or took longer than anybody would wait
            self.note("headers", what, client, count and count / MEGA, most, "M")
        self.ours.clear()

    # --- a queue -----------------------------------------------------

    def drain(self):
        count = 200 if self.quick else 1000
        for words, extensions in (("BDAT", CHUNKING), ("DATA", PIPELINING)):
            for latency in (0,) if self.quick else (0, 0.02):
                self.drain_ours(count, words, extensions, latency)
        self.drain_others(0.02 if not self.quick else 0)

    def drain_ours(self, count, words, extensions, latency):
        ours = self.ours
        ours.clear()
        add = ours.enqueue(self.message("small"))
        for _ in range(count):
            add.run()
        with Server(self.certs, extensions, latency=latency) as server:
            ours.configure(server)
            start = time.perf_counter()
            ours.command("-q").run()
            taken = time.perf_counter() - start
            server.wait_messages(count)
            server.wait_idle()
            waits = sum(c.waits for c in server.connections)
            logins = sum(c.verbs.count("AUTH") for c in server.connections)
        label = "%s, %d ms" % (words, latency * 1000)
        self.note("drain", "logins, " + label, ours, logins, 1)
        self.note(
            "drain", "waits for each, " + label, ours, waits / count,
            # The budget is for each message; the waits up to the login come once.
            0.2 if words == "BDAT" else 1 + 7 / count,
        )
        self.note("drain", "wall for each, " + label, ours, taken * 1000 / count, None, "ms")

    def drain_others(self, latency):
        """One process and one login for each message: how they do it."""
        message = self.message("small")
        count = 20
        label = "DATA, %d ms" % (latency * 1000)
        with Server(self.certs, latency=latency) as server:
            for client in self.clients[1:]:
                server.forget()
                command = client.submit(server, message)
                start = time.perf_counter()
                for _ in range(count):
                    command.run()
                taken = time.perf_counter() - start
                server.wait_idle()
                waits = sum(c.waits for c in server.connections)
                self.note("drain", "waits for each, " + label, client, waits / count)
                self.note("drain", "wall for each, " + label, client, taken * 1000 / count)

    # --- report ------------------------------------------------------

    def done(self):
        for client in self.clients:
            if hasattr(client, "done"):
                client.done()


SECTIONS = (
    "start", "enqueue", "submit", "implicit", "latency", "headers", "parallel", "large", "list",
    "drain",
)


def shown(value):
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return "%.0f" % value if value >= 1000 else "%.3g" % value


def over(row, name):
    value = row["values"].get(name)
    return row["budget"] is not None and value is not None and value > row["budget"]


def table(rows, names):
    lines = [["", "unit", *names, "budget", ""]]
    for row in rows:
        lines.append(
            [
                "%s: %s" % (row["section"], row["what"]),
                row["unit"],
                *(shown(row["values"].get(name)) for name in names),
                shown(row["budget"]),
                "" if not over(row, names[0]) else "OVER" if row["firm"] else "over (time)",
            ]
        )
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    for line in lines:
        cells = [
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths))
        ]
        print("  ".join(cells).rstrip())


def arguments():
    parser = argparse.ArgumentParser(description="measures pillarbox against its budgets")
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(SECTIONS))
    default = os.environ.get("PILLARBOX_BUILD", os.path.join(SOURCE, "build"))
    parser.add_argument("--build", default=default, help="build directory (release)")
    parser.add_argument("--quick", action="store_true", help="less of everything, below a minute")
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
    return options


def main():
    options = arguments()
    directory = tempfile.mkdtemp(prefix="pillarbox-bench.")
    bench = None
    try:
        bench = Bench(options, directory)
        for name in options.names or SECTIONS:
            start = time.perf_counter()
            getattr(bench, name)()
            print("%s: %.0f s" % (name, time.perf_counter() - start), file=sys.stderr)
    finally:
        if bench:
            bench.done()
        shutil.rmtree(directory, ignore_errors=True)
    names = [client.name for client in bench.clients]
    table(bench.rows, names)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"programs": names, "rows": bench.rows}, file, indent=1)
            file.write("\n")
    return int(any(over(row, names[0]) and row["firm"] for row in bench.rows))


if __name__ == "__main__":
    sys.exit(main())
