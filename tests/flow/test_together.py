"""Many at one queue at once: writers, runners, runners that die or are told to end."""

import os
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import MESSAGE, eventually
from smarthost import Pause

CLEAR = {"tls": "none", "user": None, "password": None}


def numbered(number):
    return MESSAGE.replace("one@", "n%d@" % number).replace("hello", "number %d" % number)


def wire(number):
    return numbered(number).replace("\n", "\r\n").encode()


def numbers_of(messages):
    return [int(re.fullmatch(r"<n(\d+)@example.test>", m.fields("Message-ID")[0]).group(1)) for m in messages]


def fill(sandbox, numbers):
    """Queues messages one after another, quicker than by Sandbox.run."""
    env = sandbox.environment()
    for number in numbers:
        subprocess.run([sandbox.program(), "-odq", "-t"], input=numbered(number).encode(), env=env,
                       cwd=sandbox.home, check=True, timeout=60)


def all_whole(server):
    for message, number in zip(server.messages, numbers_of(server.messages)):
        assert message.data == wire(number)


def runner(sandbox, how):
    return sandbox.spawn(*how[1:], program=how[0], stdin=subprocess.DEVNULL)


def finish(child, timeout=120):
    out, err = child.communicate(timeout=timeout)
    assert child.returncode == 0 and err == b"", (child.returncode, out, err)


RUNNERS = [("sendmail", "-qf"), ("pillarbox", "queue", "run")]


def test_Q01_many_runners_and_writers(sandbox, mail):
    """500 messages wait; 8 runners and 4 writers of 50 more each work at once: each arrives once."""
    server = mail(account=CLEAR, tls=False, mechanisms=())
    fill(sandbox, range(500))
    writers = [threading.Thread(target=fill, args=(sandbox, range(500 + 50 * w, 550 + 50 * w))) for w in range(4)]
    runners = [runner(sandbox, RUNNERS[n % 2]) for n in range(8)]
    for writer in writers:
        writer.start()
    for child in runners:
        finish(child)
    for writer in writers:
        writer.join()
    finish(runner(sandbox, RUNNERS[0]))  # what was written behind the last look of the others
    server.wait_idle()
    assert sorted(numbers_of(server.messages)) == list(range(700))
    all_whole(server)
    assert sandbox.entries() == [] and sandbox.failed() == [] and sandbox.leftovers() == []


def test_Q02_runners_beside_senders(sandbox, mail):
    """Senders whose messages are taken at once go on with the queue as well: nothing doubles."""
    server = mail()
    fill(sandbox, range(40))
    children = [sandbox.spawn("-t") for _ in range(6)] + [runner(sandbox, RUNNERS[0]) for _ in range(2)]
    for number, child in enumerate(children[:6]):
        child.stdin.write(numbered(40 + number).encode())
        child.stdin.close()
        child.stdin = None
    for child in children:
        finish(child)
    server.wait_messages(46)
    eventually(lambda: sandbox.entries() == [])
    server.wait_idle()
    assert sorted(numbers_of(server.messages)) == list(range(46))
    all_whole(server)


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("PIPELINING", "CHUNKING"), ()])
def test_Q14_order_of_arrival(sandbox, mail, extensions):
    """One runner, one connection, one login; in the order in which the messages came."""
    server = mail(extensions=extensions)
    fill(sandbox, range(60))
    sandbox.run("-qf", stdin=None).ok()
    assert numbers_of(server.messages) == list(range(60))
    assert len(server.connections) == 1
    assert len(server.connection.auth_attempts) == 1


def test_Q04_runner_dies(sandbox, mail):
    """Killed with messages in flight: the rest arrives by the next, and only those in flight may come twice."""
    gate = threading.Event()
    seen = []

    def at_the_end(context):
        seen.append(context)
        return [Pause(gate), context.default] if len(seen) == 25 else None

    server = mail(account=CLEAR, tls=False, mechanisms=(), script={"FINAL": at_the_end})
    fill(sandbox, range(60))
    child = runner(sandbox, RUNNERS[0])
    eventually(lambda: len(seen) >= 25)
    in_doubt = [e for e in sandbox.entries() if "S" in e.states.values()]
    child.kill()
    child.wait()
    gate.set()
    server.wait_idle()
    first = numbers_of(server.messages)
    left = [e for e in sandbox.entries() if "R" in e.states.values() or "S" in e.states.values()]
    assert len(first) == len(set(first))
    assert 1 <= len(in_doubt) <= 10
    assert {int(re.search(rb"<n(\d+)@", e.message).group(1)) for e in left} | set(first) == set(range(60))
    sandbox.run("-qf", stdin=None).ok()
    server.wait_idle()
    twice = [n for n in range(60) if numbers_of(server.messages).count(n) == 2]
    assert sorted(set(numbers_of(server.messages))) == list(range(60))
    assert len(server.messages) == 60 + len(twice)
    assert len(twice) <= len(in_doubt)
    assert sandbox.entries() == []
    all_whole(server)


def test_Q04_runners_die_while_others_work(sandbox, mail):
    """Every second runner is killed at some moment: nothing is lost."""
    server = mail(account=CLEAR, tls=False, mechanisms=())
    fill(sandbox, range(150))
    for turn in range(12):
        victim, other = runner(sandbox, RUNNERS[0]), runner(sandbox, RUNNERS[1])
        time.sleep(0.003 * (turn + 1))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        if turn % 2:
            other.kill()
            other.wait()
        else:
            finish(other)
            fill(sandbox, range(150 + turn * 10, 160 + turn * 10))
            fill(sandbox, range(160 + turn * 10, 170 + turn * 10))
    sandbox.run("-qf", stdin=None).ok()
    server.wait_idle()
    assert sorted(set(numbers_of(server.messages))) == list(range(270))
    # Each death leaves at most a window of messages in doubt.
    assert len(server.messages) - 270 <= 18 * 10
    assert sandbox.entries() == []
    all_whole(server)


def test_Q03_message_behind_the_last_look(sandbox, mail):
    """A message that is queued while a runner works is sent by it or by the next, whoever holds what."""
    server = mail(account=CLEAR, tls=False, mechanisms=())
    fill(sandbox, range(3))
    for number in range(3, 20):
        child = runner(sandbox, RUNNERS[0])
        fill(sandbox, [number])
        finish(child)
    sandbox.run("-qf", stdin=None).ok()
    assert sorted(numbers_of(server.messages)) == list(range(20))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_loop_ends_between_messages(sandbox, mail, number):
    """`queue run --every` told to end: what is in flight gets its record, nothing comes twice, exit 0."""
    gate = threading.Event()
    seen = []

    def at_the_end(context):
        seen.append(context)
        return [Pause(gate), context.default] if len(seen) == 5 else None

    server = mail(account=CLEAR, tls=False, mechanisms=(), script={"FINAL": at_the_end})
    fill(sandbox, range(40))
    child = runner(sandbox, ("pillarbox", "queue", "run", "--every", "1h"))
    eventually(lambda: len(seen) >= 5)
    child.send_signal(number)
    time.sleep(0.1)
    assert child.poll() is None, "it did not wait for the reply"
    gate.set()
    finish(child, 20)
    server.wait_idle()
    done = numbers_of(server.messages)
    assert done == list(range(len(done))) and 5 <= len(done) < 40
    entries = sandbox.entries()
    assert len(entries) == 40 - len(done)
    assert all(set(e.states.values()) == {"R"} for e in entries)
    sandbox.run("-qf", stdin=None).ok()
    assert sorted(numbers_of(server.messages)) == list(range(40))


def test_loop_ends_while_it_waits(sandbox, mail):
    server = mail(account=CLEAR, tls=False, mechanisms=())
    fill(sandbox, range(2))
    child = runner(sandbox, ("pillarbox", "queue", "run", "--every", "1h"))
    server.wait_messages(2)
    eventually(lambda: sandbox.entries() == [])
    start = time.monotonic()
    child.terminate()
    finish(child, 20)
    assert time.monotonic() - start < 5


def test_loop_takes_what_comes_later(sandbox, mail):
    server = mail(account=CLEAR, tls=False, mechanisms=())
    fill(sandbox, range(1))
    child = runner(sandbox, ("pillarbox", "queue", "run", "--every", "1s"))
    server.wait_messages(1)
    fill(sandbox, range(1, 3))
    server.wait_messages(3)
    child.terminate()
    finish(child, 20)
    assert numbers_of(server.messages) == [0, 1, 2]


def test_I6_failed_entry_that_has_to_stay(sandbox, mail):
    """failed/ cannot be used: the sender is told once, not by every run, and the entry stays to be seen."""
    server = mail(account=CLEAR, tls=False, mechanisms=(), script={"RCPT:bob@example.net": "550 5.1.1 nobody"})
    fill(sandbox, range(1))
    with open(os.path.join(sandbox.queue, "failed"), "wb"):
        pass
    for _ in range(3):
        sandbox.run("-qf", stdin=None)
        server.wait_idle()
    assert [m.recipients for m in server.messages] == [["ann@example.test"]]
    assert sandbox.entry().states == {"bob@example.net": "F"}
    shown = sandbox.run("queue", "list", program="pillarbox", stdin=None)
    assert b"held" in shown.out
