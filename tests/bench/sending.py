"""Figures of what needs a smarthost: one message, a large one, many at once, a queue."""

import concurrent.futures
import os
import signal
import subprocess
import time

import measure
from server import CHUNKING, Server

MEGA = 1000000
AT_ONCE = 16


def submit(bench):
    submission(bench, "submit", False, 7)


def implicit(bench):
    submission(bench, "implicit", True, 6)


def submission(bench, section, is_implicit, most_waits):
    message = bench.message("small")
    with Server(bench.certs, implicit=is_implicit) as server:
        commands = {}
        for client in bench.clients:
            with bench.trying(section, "waits, DATA", client):
                command = client.submit(server, message)
                if command is None:
                    continue
                command.run()  # does it work at all, and warms the caches
                connection = waits(bench, section, client, server, command, "waits, DATA", most_waits)
                bench.note(section, "TLS records", client, connection.records.count, 7)
                bench.costs(section, client, command, (20, 200, 7))
                commands[client] = command
        bench.walls(section, commands, 5 if bench.quick else 15, budget=9)
    with Server(bench.certs, CHUNKING, implicit=is_implicit) as server:
        for client in commands:
            with bench.trying(section, "waits, BDAT", client):
                command = client.submit(server, message)
                waits(bench, section, client, server, command, "waits, BDAT", most_waits - 1)


def waits(bench, section, client, server, command, what, most):
    """Notes how often one submission waits for the server; gives its connection."""
    server.forget()
    command.run()
    server.wait_messages(1)
    server.wait_idle()
    assert len(server.connections) == 1, len(server.connections)
    connection = server.connections[0]
    bench.note(section, what, client, connection.waits, most)
    return connection


def latency(bench):
    """One submission over a link of 20 ms."""
    message = bench.message("small")
    with Server(bench.certs, latency=0.02) as server:
        commands = {client: client.submit(server, message) for client in bench.clients}
        commands = {client: command for client, command in commands.items() if command}
        bench.walls("latency", commands, 3 if bench.quick else 7, "wall at 20 ms")


def large(bench):
    """CPU for a gigabyte, from a message of a part of it."""
    size = 20 * MEGA if bench.quick else 100 * MEGA
    line = b"The quick brown fox jumps over the lazy dog, and nobody knows why it does\n"
    message = bench.message("large", line * (size // len(line)))
    for words, extensions in (("DATA", None), ("BDAT", CHUNKING)):
        with Server(bench.certs, *filter(None, [extensions]), discards=True) as server:
            for client in bench.clients if words == "DATA" else [bench.ours]:
                with bench.trying("large", "CPU for a GB, " + words, client, "s"):
                    large_for(bench, client, server, message, size, words)
    os.unlink(message)


def large_for(bench, client, server, message, size, words):
    command = client.submit(server, bench.message("small"))
    base = measure.cpu_seconds(command)
    command = client.submit(server, message)
    used = min(measure.cpu_seconds(command) for _ in range(1 if bench.quick else 2))
    bench.note(
        "large", "CPU for a GB, " + words, client,
        max(0, used - base) * 1000 * MEGA / size, 1.6, "s", firm=False,
    )
    bench.note(
        "large", "wall of {:,} MB, {}".format(size // MEGA, words), client,
        measure.wall_seconds(command), None, "s", firm=False,
    )
    peak = measure.peak_memory(command)
    bench.note("large", "peak memory, " + words, client, peak / (1 << 20), 12, "MiB")


def parallel(bench):
    """Sixteen at once, to one server."""
    message = bench.message("small")
    with Server(bench.certs) as server, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        taken = {}
        for _ in range(1 if bench.quick else 5):
            for client in bench.clients:
                with bench.trying("parallel", "wall", client, "ms"):
                    command = client.submit(server, message)
                    server.forget()
                    start = time.perf_counter()
                    for done in [pool.submit(command.run) for _ in range(AT_ONCE)]:
                        done.result()
                    server.wait_messages(AT_ONCE)
                    taken.setdefault(client, []).append(time.perf_counter() - start)
        bench.note_medians("parallel", "%d at once, wall" % AT_ONCE, taken)


# --- a queue ---------------------------------------------------------


def drain(bench):
    """All that waits is sent: by us, and by the others in their own ways."""
    count = 200 if bench.quick else 1000
    for client in bench.clients:
        drain_one(bench, client, count, "DATA", 0)
    drain_one(bench, bench.ours, count, "BDAT", 0)
    if bench.quick:
        return
    for words in ("DATA", "BDAT"):
        drain_one(bench, bench.ours, count, words, 0.02)
    # At one connection each it would take the others minutes for a thousand.
    for client in bench.clients:
        drain_one(bench, client, 100, "DATA", 0.02)


def drain_one(bench, client, count, words, delay):
    label = ", {:,} by {}, {} ms".format(count, words, int(delay * 1000))
    extensions = [CHUNKING] if words == "BDAT" else []
    with bench.trying("drain", "wall for each" + label, client, "ms"), Server(
        bench.certs, *extensions, latency=delay
    ) as server, client.drain(server, count, bench.message("small")) as command:
        taken = timed(server, command, count)
        server.wait_idle()
        total = sum(c.waits for c in server.connections)
        logins = sum(c.verbs.count("AUTH") for c in server.connections)
        bench.note("drain", "logins" + label, client, logins, 1)
        bench.note("drain", "connections" + label, client, len(server.connections), 1)
        bench.note("drain", "most at once" + label, client, server.most_at_once)
        bench.note(
            "drain", "waits for each" + label, client, total / count,
            # The budget is for each message; the waits up to the login come once.
            0.2 if words == "BDAT" else 1 + 7 / count,
        )
        bench.note("drain", "wall for each" + label, client, taken * 1000 / count, None, "ms", False)


def timed(server, command, count):
    """Seconds until the server has all; then the command is ended where it has not ended."""
    start = time.perf_counter()
    child = command.start(out=subprocess.DEVNULL)
    try:
        if not server.wait(lambda: len(server.messages) >= count, 300):
            raise measure.Failed("%d of %d messages came" % (len(server.messages), count))
        taken = time.perf_counter() - start
        server.wait_idle()
    finally:
        # A daemon does not end by itself; what has done its work may.
        try:
            child.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return taken
