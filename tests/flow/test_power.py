"""The power goes: cases K-04, K-05, K-10 and K-11 of the robustness tables, on a model of the disk.

The calls of a real run are replayed in the model; after each of them, all that the disk may hold then is looked
at, and what differs is laid down and given to the real program.
"""

import os
import re
import shutil

import pytest

import power
import sweep
from conftest import MESSAGE

WIRE = MESSAGE.replace("\n", "\r\n").encode()
SECOND = MESSAGE.replace("one@", "two@").replace("bob@example.net", "dora@example.net, eve@example.net")
SECOND_WIRE = SECOND.replace("\n", "\r\n").encode()
CLEAR = {"tls": "none", "user": None, "password": None}
ID = re.compile(r"[0-9a-f]{8,}-[0-9a-f]{16}")

MOST = 20_000  # states for each call
LAID = 400 if sweep.FULL else 40  # of them, how many the program itself gets to see in a test

REASON = sweep.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def entries_of(state):
    """(directory, message, states of the recipients) of each file that bears the name of an entry."""
    for path, data in state.items():
        directory, name = os.path.split(path)
        if path.endswith("/") or not ID.fullmatch(name):
            continue
        head, blank, message = data.partition(b"\n\n")
        assert blank and head.startswith(b"pillarbox-queue 1\n"), "half a file under its final name: %r" % data
        size = re.search(rb"\nsize (\d+)", head)
        assert size and int(size.group(1)) == len(message), "half a file under its final name: %r" % data
        states = {a.decode(): s.decode() for s, a in re.findall(rb"^([RDFS]) (\S+)", head, re.M)}
        yield os.path.basename(directory), message, states


class Ground:
    """Lays states down and lets the real program at them."""

    def __init__(self, sandbox, server):
        self.sandbox = sandbox
        self.server = server
        self.root = sandbox.state_home
        self.seen = set()

    def run(self, state):
        """The messages that a queue run sends in this state; None where enough were tried."""
        key = frozenset(state.items())
        if key in self.seen or len(self.seen) >= LAID:
            return None
        self.seen.add(key)
        shutil.rmtree(os.path.join(self.root, "pillarbox"), ignore_errors=True)
        power.lay_down(state, self.root)
        before = len(self.server.messages)
        self.sandbox.run("-qf", stdin=None)
        self.server.wait_idle()
        return self.server.messages[before:]


@pytest.fixture
def say(record_property, capsys, request):
    def figures(calls, states, laid):
        record_property("states", states)
        if sweep.FULL:
            with capsys.disabled():
                print("\n%s: power lost behind each of %d calls: %d states, %d of them run" % (
                    request.node.name, calls, states, laid), end="")

    return figures


@pytest.fixture
def ground(sandbox, smarthost):
    server = smarthost(tls=False, mechanisms=())
    sandbox.configure(server, **CLEAR)
    return Ground(sandbox, server)


@pytest.mark.parametrize("size", [0, 300_000])
@pytest.mark.parametrize("how", ["first use", "used queue", "server down"])
def test_K04_K05_storing(sandbox, ground, say, how, size):
    """Behind exit 0 the entry is there, whole, in every state; before, it is there whole or not at all."""
    text = MESSAGE + ("y" * 70 + "\n") * (size // 71)
    wire = text.replace("\n", "\r\n").encode()
    if how == "used queue":
        os.makedirs(sandbox.queue, mode=0o700)
    args = ["-odq", "-t"]
    if how == "server down":
        args = ["-t"]
        sandbox.configure(None, **CLEAR)
    disk = power.Disk(sandbox.state_home)
    rc, err, events = power.record(sandbox, args, text.encode(), sandbox.state_home)
    assert rc == 0, err
    sandbox.configure(ground.server, **CLEAR)
    assert [e.kind for e in events if e.kind == "rename"] == ["rename"], "not the calls that were expected"
    count = 0
    for number, event in enumerate(events):
        disk.apply(event)
        is_last = number + 1 == len(events)
        for state in disk.states(MOST, number):
            count += 1
            found = list(entries_of(state))
            assert len(found) <= 1
            for directory, message, states in found:
                assert directory == "queue" and message == wire and set(states.values()) == {"R"}
            if is_last:
                assert len(found) == 1, "exit 0, and the power takes the message away: %r" % sorted(state)
            sent = ground.run(state)
            if sent is not None:
                assert [m.data for m in sent] == [wire] * len(found), (event, sorted(state))
                assert sandbox.entries() == [] and sandbox.failed() == []
    say(len(events), count, len(ground.seen))


MESSAGES = {
    b"<one@example.test>": (WIRE, ["bob@example.net"]),
    b"<two@example.test>": (SECOND_WIRE, ["dora@example.net", "eve@example.net"]),
}


NOTICE = b"report-type=delivery-status"


class Progress:
    """How far the run has come, by what went over the network and what was synced."""

    def __init__(self, refused):
        self.sent = set()  # Message-IDs whose data left
        self.order = []
        self.taken = set()  # for which the server's word came
        self.recorded = set()
        self.replies = b""
        self.refused = refused

    def note(self, event, disk):
        if event.kind == "send":
            for name in re.findall(rb"^Message-ID: <\w+@example.test>|report-type=delivery-status", event.data, re.M):
                name = name.removeprefix(b"Message-ID: ")
                if name in self.sent:
                    continue
                self.sent.add(name)
                if name == NOTICE or set(MESSAGES[name][1]) - set(self.refused):
                    self.order.append(name)  # the server will take it
        elif event.kind == "recv":
            self.replies += event.data
            self.taken = set(self.order[: self.replies.count(b"taken as")])
        elif event.kind == "sync":
            # What the live file says is now certain.
            node = disk.nodes[event.path]
            for name in self.taken & set(MESSAGES):
                if isinstance(node, power.File) and MESSAGES[name][0] in node.synced:
                    self.recorded.add(name)


def check_state(state, progress, where):
    """No message is lost, nobody refused in silence; what the server has for certain is not sent again."""
    found = {}
    notices = 0
    for directory, message, states in entries_of(state):
        names = [n for n, (wire, _) in MESSAGES.items() if message == wire]
        if not names:
            notices += 1
            continue
        found.setdefault(names[0], []).append((directory, states))
    for name, (_, recipients) in MESSAGES.items():
        copies = found.get(name, [])
        for address in recipients:
            pending = [d for d, states in copies if states.get(address) in ("R", "S") and d == "queue"]
            marks = [states.get(address) for _, states in copies]
            if address in progress.refused:
                # While the entry stands in the queue, the next run sees to the notice.
                if not any(d == "queue" for d, _ in copies):
                    assert notices or NOTICE in progress.taken, (where, "nobody is told")
                continue
            if name not in progress.taken:
                assert pending, (where, name, address, "lost", copies)
            if name in progress.sent:
                assert "R" not in marks, (where, name, address, "sent, and no mark says so")
            if name in progress.recorded:
                assert not pending, (where, name, address, "would be sent again")


@pytest.mark.parametrize("extensions", ["PIPELINING,CHUNKING", "PIPELINING", "8BITMIME"])
@pytest.mark.parametrize("refused", [(), ("eve@example.net",), ("dora@example.net", "eve@example.net")])
def test_K04_K10_K11_delivering(sandbox, smarthost, say, extensions, refused):
    server = smarthost(tls=False, mechanisms=(), extensions=tuple(extensions.split(",")),
                       script={"RCPT:" + a: "550 5.1.1 nobody" for a in refused})
    sandbox.configure(server, **CLEAR)
    ground = Ground(sandbox, server)
    for text in (MESSAGE, SECOND):
        sandbox.run("-odq", "-t", stdin=text).ok()
    disk = power.Disk(sandbox.state_home)
    rc, err, events = power.record(sandbox, ["-qf"], b"", sandbox.state_home)
    assert rc == 0, err
    progress = Progress(refused)
    count = 0
    for number, event in enumerate(events):
        disk.apply(event)
        progress.note(event, disk)
        for state in disk.states(MOST, number):
            count += 1
            check_state(state, progress, (number, event))
            sent = ground.run(state) if progress.taken or number % 5 == 0 else None
            if sent is None:
                continue
            for message in sent:
                name = message.fields("Message-ID")[0].encode()
                if name in MESSAGES:
                    assert message.data == MESSAGES[name][0]
                    assert name not in progress.recorded, (event, "sent again")
            # With both names of a half made move, the copy under failed/ counts; nobody is told again and again.
            left = sandbox.entries()
            assert {e.id for e in left} <= {e.id for e in sandbox.failed()}, "a clean run leaves nothing"
            if left:
                sandbox.run("-qf", stdin=None)
                server.wait_idle()
                assert server.messages[-1] is sent[-1], "a second run sent something"
    accepted = {n for n, (_, r) in MESSAGES.items() if set(r) - set(refused)}
    assert progress.taken >= accepted and progress.recorded >= accepted, "the run did not do what was watched for"
    say(len(events), count, len(ground.seen))
