"""Figures of what needs no smarthost: starting, storing, reading headers, listing."""

import measure

MEGA = 1000000

HEADER = (
    b"From: Ann <ann@example.test>\n"
    b"To: bob@example.net\n"
    b"Subject: hello\n"
    b"Date: Mon, 02 Feb 2026 10:00:00 +0100\n"
    b"Message-ID: <one@example.test>\n"
)


def start(bench):
    for client in bench.clients:
        client.clear()
        for what, command in (("--version", client.version()), ("empty mailq", client.listing())):
            if command is not None:
                with bench.trying("start", what, client, "M"):
                    command.run()
                    bench.note(
                        "start", what, client, measure.instructions(command) / MEGA, 0.3, "M"
                    )


def enqueue(bench):
    message = bench.message("small")
    commands = {}
    for client in bench.clients:
        with bench.trying("enqueue", "instructions", client, "M"):
            command = client.enqueue(message)
            if command is None:
                continue
            command.run()
            syncs = bench.costs("enqueue", client, command, (0.5, None, None))
            bench.note("enqueue", "syncs", client, syncs, 2)
            bench.note(
                "enqueue", "loads a TLS library", client,
                int(any(measure.loads_library(command, name) for name in ("libgnutls", "libssl"))),
                0,
            )
            commands[client] = command
    bench.walls("enqueue", commands, 5 if bench.quick else 21)
    if not bench.quick:
        bench.ours.fill(10000, message)
        count = measure.instructions(bench.ours.enqueue(message))
        bench.note("enqueue", "behind 10,000 others", bench.ours, count / MEGA, None, "M")
    for client in commands:
        client.clear()


def headers(bench):
    plain = HEADER.replace(b"To: bob@example.net\n", b"")
    for times in (1,) if bench.quick else (1, 2, 4):
        count = 10000 * times
        named = b",\n\t".join(
            b"Person Number %d <user%d@example.net>" % (n, n) for n in range(count)
        )
        message = bench.message("many", header=plain + b"To: " + named + b"\n")
        read(bench, "-t, {:,} recipients".format(count), message, count, 25 * times, times == 1)
        filler = b"".join(
            b"X-Filler-%d: %s\n" % (n, b"abcdefg " * 8) for n in range(times * MEGA // 80)
        )
        message = bench.message("fields", header=HEADER + filler)
        read(bench, "-t, header of %d MB" % times, message, 1, 12 * times, times == 1)


def read(bench, what, message, recipients, most, with_others):
    """Ours is to be linear; the others are looked at once."""
    for client in bench.clients:
        command = client.headers(message)
        if command is None or not (with_others or client is bench.ours):
            continue
        with bench.trying("headers", what + ", wall", client, "ms"):
            client.clear()
            command.run()
            found = client.recipients_queued()
            if found not in (recipients, None):
                bench.rows.mark("headers", what + ", wall", client, "takes {:,}".format(found), "ms")
                bench.rows.mark("headers", what, client, "takes {:,}".format(found), "M")
                continue
            bench.walls("headers", {client: command}, 1 if bench.quick else 3, what + ", wall")
            # To count what one of them does takes minutes.
            if client is bench.ours or not bench.quick:
                count = measure.instructions(command)
                bench.note("headers", what, client, count / MEGA, most, "M")
        client.clear()


def listing(bench):
    for count, limits in ((10000, (None, None)), (100000, (800, 400))):
        if bench.quick and count > 10000:
            break
        what = "mailq of {:,}".format(count)
        commands = {}
        for client in bench.clients:
            if client.listing() is None or (client, "mailq") in bench.beaten:
                continue
            client.fill(count, bench.message("small"))
            with bench.trying("list", what, client, "ms", "mailq"):
                command = client.listing()
                lines = command.run()
                assert lines.count(b"bob@example.net") == count, lines[-200:]
                commands[client] = command
        bench.walls("list", commands, 5, what, limits[0])
        for client, command in commands.items():
            used = min(measure.cpu_seconds(command) for _ in range(3))
            bench.note("list", what + ", CPU", client, used * 1000, None, "ms", firm=False)
        scan = {bench.ours: bench.ours.idle_run()}
        bench.walls("list", scan, 5, "idle run over {:,}".format(count), limits[1])
        for client in bench.clients:
            client.clear()
