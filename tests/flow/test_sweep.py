"""Death and refusal at every system call of storing, of sending and of a queue run, and of the repair behind.

What has to hold behind every one of them is in the robustness tables' invariants:

I1  exit 0: every recipient was accepted or the message is stored whole; exit not 0: neither.
I3  what is sent or stored is whole.
I4  twice only where the process died between the server's word and the record of it, or never got that word.

By itself this makes a choice of the runs, spread evenly. PILLARBOX_SWEEP=full makes all of them;
PILLARBOX_SWEEP_SEED=n shifts the choice.
"""

import os
import resource
import shutil
import subprocess

import pytest

import sweep
from conftest import MESSAGE
from sweep import Scene, Sweep

WIRE = MESSAGE.replace("\n", "\r\n").encode()
SECOND = MESSAGE.replace("one@", "two@").replace("bob@example.net", "dora@example.net, eve@example.net")
SECOND_WIRE = SECOND.replace("\n", "\r\n").encode()
MANY = [MESSAGE.replace("one@", "m%d@" % n).replace("bob@", "r%d@" % n) for n in range(12)]
TEXTS = {"<one@example.test>": WIRE, "<two@example.test>": SECOND_WIRE}
TEXTS.update(("<m%d@example.test>" % n, text.replace("\n", "\r\n").encode()) for n, text in enumerate(MANY))

# A smarthost without TLS and login on loopback: the dialogue's calls are the program's own.
CLEAR = {"tls": "none", "user": None, "password": None}

REASON = sweep.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture
def sweeper(tmp_path, build, certs, smarthost):
    return Sweep(tmp_path, build, certs, smarthost)


@pytest.fixture
def figures(record_property, capsys, request):
    """Says how many runs were made."""

    def say(what, tried, violations):
        record_property("fault points", tried)
        record_property("violations", len(violations))
        if sweep.FULL:
            with capsys.disabled():
                print("\n%s: %s: %d fault points, %d violations" % (
                    request.node.name, what, tried, len(violations)), end="")
        assert violations == [], "\n".join(violations)
        assert tried > 0

    return say


def state_of(box):
    """Message-ID → (entry, where) of all that is stored whole."""
    found = {}
    for where, entries in (("queue", box.entries()), ("failed", box.failed())):
        for entry in entries:
            name = [m for m in TEXTS if m.encode() in entry.message]
            assert name and entry.message == TEXTS[name[0]], "a message is not whole: %r" % entry.message
            assert name[0] not in found, "stored twice"
            found[name[0]] = (entry, where)
    return found


def repaired(place, wrong):
    """A clean run empties the queue; a second one finds nothing to do."""
    place.age_temporaries()
    place.drain()
    # What failed, was told and could not be moved away is held for the person to see.
    left = [e for e in place.box.entries() if not (set(e.states.values()) <= set("DF") and e.status[6] == "h")]
    if left or place.temporaries():
        wrong.append("behind a clean run: %d entries, %r" % (len(left), place.temporaries()))
    before, count = place.snapshot(), len(place.delivered())
    place.drain()
    if place.snapshot() != before or len(place.delivered()) != count:
        wrong.append("a second clean run changed something")


def check_whole(place, wrong):
    for message in place.delivered():
        name = message.fields("Message-ID")
        if message.data != TEXTS.get(name[0] if name else "", b""):
            wrong.append("the server has a message that is not whole: %r" % message.data[:200])


# --- storing -----------------------------------------------------------------------


class Storing(Scene):
    """`sendmail -odq -t` in a home without a queue."""

    args = ("-odq", "-t")
    stdin = MESSAGE.encode()

    def configure(self, place):
        place.box.configure(place.server, **CLEAR)

    def server(self, make):
        return make(tls=False, mechanisms=())

    def check(self, place, run):
        wrong = []
        stored = state_of(place.box)
        sent = place.delivered()
        if run.rc == 0 and len(stored) + len(sent) != 1:
            wrong.append("exit 0 and %d entries, %d delivered" % (len(stored), len(sent)))
        if run.rc > 0 and (stored or sent):
            wrong.append("exit not 0 and %d entries, %d delivered" % (len(stored), len(sent)))
        if run.rc > 0 and not run.err and "write" not in run.point.names:
            wrong.append("failed without a word")
        if run.killed and len(stored) + len(sent) > 1:
            wrong.append("stored and sent")
        if any(where == "failed" for _, where in stored.values()):
            wrong.append("kept as failed")
        if len(place.temporaries()) > (0 if run.rc == 0 else 1):
            wrong.append("temporaries: %r" % place.temporaries())
        if run.point.fault == "error=EINTR" and run.point.names in self.resumed and run.rc != 0:
            wrong.append("an interruption is no failure")
        for entry, _ in stored.values():
            if set(entry.states.values()) != {"R"}:
                wrong.append("states %r" % entry.states)
        repaired(place, wrong)
        check_whole(place, wrong)
        if len(place.delivered()) != max(len(stored), len(sent)):
            wrong.append("%d stored, %d delivered in the end" % (len(stored), len(place.delivered())))
        return wrong

    # Calls that a signal may interrupt, where the program makes them and not the C library.
    resumed = ("write", "fsync", "renameat", "unlinkat", "close", "flock")


class StoringAgain(Storing):
    """The same in a queue that is there and holds a message of somebody else's moment."""

    def prepare(self, place):
        os.makedirs(os.path.join(place.box.queue, "failed"), mode=0o700)
        with open(os.path.join(place.box.queue, "tmp.6b000000-0000000000000000"), "wb"):
            pass

    def check(self, place, run):
        os.unlink(os.path.join(place.box.queue, "tmp.6b000000-0000000000000000"))
        return super().check(place, run)


class FallingBack(Storing):
    """`sendmail -t` whose server is down."""

    args = ("-t",)
    env = {"PILLARBOX_PORT": "1"}
    resumed = ("fsync", "renameat", "flock")


class InTheBackground(Storing):
    """`sendmail -odb -t`: stored, then sent by a child of its own, which meets faults as well."""

    args = ("-odb", "-t")
    resumed = ()


def sweep_scene(sweeper, scene, figures, kills, errors, lasting=0):
    """Kills, refusals and lasting refusals of a scene; the numbers bound the choice."""
    calls = sweeper.baseline(scene)
    points = sweep.sample(sweep.kill_points(calls), kills)
    points += sweep.sample(sweep.error_points(calls), errors)
    points += sweep.sample(sweep.lasting_points(calls), lasting)
    met, violations = sweeper.sweep(scene, points)
    dead = len([p for p in met if p.kills])
    figures("%d killed, %d refused" % (dead, len(met) - dead), len(met), violations)


def test_K01_K06_storing(sweeper, figures):
    sweep_scene(sweeper, Storing(), figures, 100, 100, 10)


def test_K01_K06_storing_in_a_queue_that_is_there(sweeper, figures):
    sweep_scene(sweeper, StoringAgain(), figures, 25, 25, 10)


def test_K01_K06_falling_back_to_the_queue(sweeper, figures):
    sweep_scene(sweeper, FallingBack(), figures, 30, 40, 10)


def test_K01_K06_in_the_background(sweeper, figures):
    sweep_scene(sweeper, InTheBackground(), figures, 15, 15, 5)


# --- sending at once ----------------------------------------------------------------


class Sending(Storing):
    """`sendmail -t` to a server that takes it: a lost reply leaves it in doubt in the queue."""

    args = ("-t",)
    resumed = ("fsync", "renameat", "flock", "sendto", "sendmsg", "recvfrom", "recvmsg")

    def check(self, place, run):
        wrong = []
        stored = state_of(place.box)
        sent = place.delivered()
        if run.rc == 0 and not stored and not sent:
            wrong.append("exit 0 and the message is nowhere")
        if run.rc > 0 and (sent or any(where == "queue" for _, where in stored.values())):
            wrong.append("exit not 0 and %d entries, %d delivered" % (len(stored), len(sent)))
        if run.rc > 0 and not run.err and "write" not in run.point.names:
            wrong.append("failed without a word")
        if sent and stored:
            entry = list(stored.values())[0][0]
            if set(entry.states.values()) != {"S"} or not run.point.on_network:
                wrong.append("sent and stored as %r" % entry.states)
        if run.point.fault == "error=EINTR" and run.point.names in self.resumed and not sent:
            wrong.append("an interruption is no failure")
        if len(place.temporaries()) > 1:
            wrong.append("temporaries: %r" % place.temporaries())
        repaired(place, wrong)
        check_whole(place, wrong)
        queued = [e for e, where in stored.values() if where == "queue"]
        if len(place.delivered()) != len(sent) + len(queued):
            wrong.append("in the end %d delivered" % len(place.delivered()))
        return wrong


class SendingByTls(Sending):
    """The same with TLS and a login."""

    def configure(self, place):
        place.box.configure(place.server)

    def server(self, make):
        return make()


def test_I1_sending(sweeper, figures):
    sweep_scene(sweeper, Sending(), figures, 25, 50, 5)


def test_I1_sending_by_tls(sweeper, figures):
    sweep_scene(sweeper, SendingByTls(), figures, 10, 25, 5)


# --- a queue run --------------------------------------------------------------------


class Running(Scene):
    """`sendmail -q` over two messages for three recipients."""

    args = ("-qf",)
    texts = (MESSAGE, SECOND)
    options = {}
    refused = ()  # recipients that get a 5xx
    deferred = ()  # recipients that get a 4xx for as long as the run lasts

    def configure(self, place):
        place.box.configure(place.server, **CLEAR)
        for text in self.texts:
            place.box.run("-odq", "-t", stdin=text).ok()
        place.store = os.path.join(place.box.root, "store")
        shutil.copytree(place.box.queue, place.store)

    def server(self, make):
        return make(tls=False, mechanisms=(), **self.options)

    def prepare(self, place):
        os.makedirs(os.path.dirname(place.box.queue), mode=0o700, exist_ok=True)
        shutil.copytree(place.store, place.box.queue)
        for address in self.deferred:
            place.server.script["RCPT:" + address] = "451 4.3.0 later"
        for address in self.refused:
            place.server.script["RCPT:" + address] = "550 5.1.1 nobody"

    def counts(self, place):
        """(Message-ID, recipient) → times delivered; notices apart."""
        counts, notices = {}, 0
        for message in place.delivered():
            name = message.fields("Message-ID")[0]
            if name not in TEXTS:
                notices += 1
                continue
            for address in message.recipients:
                counts[name, address] = counts.get((name, address), 0) + 1
        return counts, notices

    def all_pairs(self):
        yield "<one@example.test>", "bob@example.net"
        yield "<two@example.test>", "dora@example.net"
        yield "<two@example.test>", "eve@example.net"

    def stored(self, place):
        """Message-ID → (states, where); notices are left out."""
        found = {}
        for where, entries in (("queue", place.box.entries()), ("failed", place.box.failed())):
            for entry in entries:
                name = [m for m in TEXTS if entry.message == TEXTS[m]]
                if not name:
                    assert entry.sender == "", "a message is not whole: %r" % entry.message
                    continue
                assert name[0] not in found, "stored twice"
                found[name[0]] = (entry.states, where)
        return found

    def check(self, place, run):
        wrong = []
        stored = self.stored(place)
        counts, _ = self.counts(place)
        in_doubt = set()
        for name, address in self.all_pairs():
            states, where = stored.get(name, ({}, "nowhere"))
            state = states.get(address, "-")
            times = counts.get((name, address), 0)
            if address in self.refused:
                continue
            if times == 0 and (state not in "RS" or where != "queue"):
                wrong.append("%s is lost: %s in %s" % (address, state, where))
            if times > 1:
                wrong.append("%s has it twice by one run" % address)
            if times and state == "R":
                wrong.append("%s has it, and no mark says so" % address)
            if state == "S":
                in_doubt.add((name, address))
            if times and state == "S" and not run.killed and not run.point.on_network and not self.is_helpless(run):
                wrong.append("%s has it, and its mark of doubt stayed" % address)
        # What cannot be removed is put out of use under a temporary name.
        if len(place.temporaries()) > (len(self.texts) + 1 if "unlinkat" in run.point.names else 1):
            wrong.append("temporaries: %r" % place.temporaries())
        place.server.script.clear()
        for address in self.refused:
            place.server.script["RCPT:" + address] = "550 5.1.1 nobody"
        repaired(place, wrong)
        self.check_end(place, run, counts, in_doubt, wrong)
        return wrong

    @staticmethod
    def is_helpless(run):
        """Nothing can be written any more."""
        return run.point.names.startswith("write,")

    def check_end(self, place, run, before, in_doubt, wrong):
        counts, notices = self.counts(place)
        for pair in self.all_pairs():
            times = counts.get(pair, 0)
            if pair[1] in self.refused:
                if times:
                    wrong.append("%s was refused and has it" % pair[1])
                continue
            if times == 0:
                wrong.append("%s never got it" % pair[1])
            if times > 1 and not (pair in in_doubt and times == 2):
                wrong.append("%s has it %d times" % (pair[1], times))
        for message in place.delivered():
            name = message.fields("Message-ID")[0]
            if name in TEXTS and message.data != TEXTS[name]:
                wrong.append("not whole: %r" % message.data[:100])
        self.check_notices(place, run, notices, wrong)

    def check_notices(self, place, run, notices, wrong):
        if notices or place.box.failed():
            wrong.append("%d notices, %d failed" % (notices, len(place.box.failed())))


class RunningByTls(Running):
    def configure(self, place):
        super().configure(place)
        place.box.configure(place.server)

    def server(self, make):
        return make(**self.options)


class RunningInChunks(Running):
    options = {"extensions": ("PIPELINING", "8BITMIME", "CHUNKING", "ENHANCEDSTATUSCODES")}


class RunningMany(RunningInChunks):
    """More messages than are in flight at once."""

    texts = MANY

    def all_pairs(self):
        for number in range(len(MANY)):
            yield "<m%d@example.test>" % number, "r%d@example.net" % number


class RunningSerially(Running):
    options = {"extensions": ("8BITMIME",)}


class RunningPartly(Running):
    """One of two recipients is refused for now: exactly that one is tried again."""

    deferred = ("dora@example.net",)


class RunningRefused(Running):
    """One recipient is refused for good: the others get the message, the sender a notice."""

    refused = ("eve@example.net",)

    def check_notices(self, place, run, notices, wrong):
        if notices < 1 and not place.box.failed():
            wrong.append("nobody was told of the refusal")
        # A death between the notice and the record of it repeats the notice, never the message.
        if notices > 1 and not (run.killed or notices == 2):
            wrong.append("%d notices" % notices)


class RunningAllRefused(Running):
    """All recipients of a message are refused: it goes to failed/ and the sender is told."""

    refused = ("dora@example.net", "eve@example.net")

    def check_notices(self, place, run, notices, wrong):
        if notices < 1 and not place.box.failed():
            wrong.append("neither a notice nor a copy")


def test_K02_running(sweeper, figures):
    sweep_scene(sweeper, Running(), figures, 45, 50, 20)


def test_K02_running_by_tls(sweeper, figures):
    sweep_scene(sweeper, RunningByTls(), figures, 10, 15, 5)


@pytest.mark.parametrize("scene", [
    RunningInChunks, RunningMany, RunningSerially, RunningPartly, RunningRefused, RunningAllRefused])
def test_K02_Q09_running_otherwise(sweeper, figures, scene):
    sweep_scene(sweeper, scene(), figures, 12, 12, 6)


# --- repair -------------------------------------------------------------------------


class Repairing(Running):
    """A run over what earlier deaths left: old temporaries, an entry that is delivered, one in doubt."""

    def prepare(self, place):
        super().prepare(place)
        names = sorted(os.listdir(place.box.queue))
        done = os.path.join(place.box.queue, names[0])
        with open(done, "r+b") as file:
            text = file.read()
            file.seek(text.index(b"\nR ") + 1)
            file.write(b"D")
        for number in range(2):
            with open(os.path.join(place.box.queue, "tmp.6b000000-%016x" % number), "wb") as file:
                file.write(text[:300])
        place.age_temporaries()

    def all_pairs(self):
        yield "<two@example.test>", "dora@example.net"
        yield "<two@example.test>", "eve@example.net"

    def check(self, place, run):
        wrong = []
        if len(place.temporaries()) > (5 if "unlinkat" in run.point.names else 2):
            wrong.append("temporaries: %r" % place.temporaries())
        place.age_temporaries()
        for name in place.temporaries():
            os.unlink(os.path.join(place.box.queue, name))
        wrong += super().check(place, run)
        if ("<one@example.test>", "bob@example.net") in self.counts(place)[0]:
            wrong.append("a delivered message was sent again")
        return wrong


def test_K03_K11_repairing(sweeper, figures):
    sweep_scene(sweeper, Repairing(), figures, 15, 15, 5)


# --- short writes -------------------------------------------------------------------


def test_K09_a_limit_at_every_octet(sandbox, mail):
    """Writes that end short and then fail: a file never grows beyond the limit."""
    server = mail()
    text = MESSAGE + "x" * 200 + "\n"
    sandbox.run("-odq", "-t", stdin=text).ok()
    size = sandbox.entry().stat.st_size
    shutil.rmtree(sandbox.queue)
    for limit in range(0, size + 20, 1 if sweep.FULL else 29):
        child = subprocess.run(
            [sandbox.program(), "-odq", "-t"], input=text.encode(), capture_output=True, cwd=sandbox.home,
            env=sandbox.environment(PILLARBOX_PORT="1"), check=False, timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))  # noqa: B023
        entries = sandbox.entries()
        assert len(entries) == (1 if limit >= size else 0), (limit, child)
        assert child.returncode == (0 if limit >= size else 75), (limit, child)
        assert sandbox.leftovers() == []
        for entry in entries:
            os.unlink(entry.path)
    assert server.connections == []
