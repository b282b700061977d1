"""Data, the final reply, limits and what the system refuses: parts 8 to 10 of the robustness tables and
the lessons behind them, where test_hostile.py and the sweeps do not say it."""

import email
import email.policy
import os
import re
import resource
import subprocess
import threading

import pytest

import sweep
from conftest import MESSAGE, USER, eventually, is_sanitized, preloaded
from smarthost import CLOSE, RST, STALL, Each, Pause
from sweep import Point, Sweep
from test_sweep import CLEAR, Running, RunningInChunks, RunningSerially

WIRE = MESSAGE.replace("\n", "\r\n").encode()
BASE = ("PIPELINING", "8BITMIME", "SIZE 104857600", "ENHANCEDSTATUSCODES")
CHUNKING = BASE + ("CHUNKING",)
FAST = {"connect_timeout": "4s", "timeout": "1s", "reply_timeout": "2s"}

needs_strace = pytest.mark.skipif(sweep.why_not() is not None, reason=str(sweep.why_not()))


@pytest.fixture
def sweeper(tmp_path, build, certs, smarthost):
    certs.get("good")  # which several workers cannot make at once
    return Sweep(tmp_path, build, certs, smarthost)


# --- part 8: envelope and data ------------------------------------------


@pytest.mark.parametrize("extensions", [BASE, BASE[1:]], ids=["pipelined", "serial"])
@pytest.mark.parametrize("reply, code", [("451 4.3.0 later", 0), ("452 4.3.1 full", 0), ("421 4.3.2 bye", 0),
                                         ("554 5.6.0 no", 65), ("550 5.7.1 no", None), ("503 5.5.1 no", None)])
def test_V08_DATA_refused(sandbox, mail, extensions, reply, code):
    server = mail(extensions=extensions, script={"DATA": reply})
    result = sandbox.run("-t")
    assert server.finals == [] and server.messages == []
    if code == 0:
        result.ok()
        assert sandbox.entry().states == {"bob@example.net": "R"} and sandbox.failed() == []
    else:
        result.failed(*([code] if code else [65, 69, 77]))
        assert sandbox.entries() == [] and sandbox.failed()[0].id in result.text


@pytest.mark.parametrize("stage", ["BDAT:1", "BDAT:2", "BDAT:5"])
@pytest.mark.parametrize("reply, code", [("451 4.3.0 later", 0), ("421 4.3.2 bye", 0), ("552 5.3.4 too much", 65)])
def test_V13_no_chunk_behind_a_refused_one(sandbox, mail, stage, reply, code):
    """A few are under way already; the last one is never sent, and the words are those of the refusal."""
    server = mail(extensions=CHUNKING, script={stage: reply})
    result = sandbox.run("-t", stdin=MESSAGE + ("x" * 70 + "\n") * 90_000)
    server.wait_idle()
    transaction = server.transactions[0]
    number = int(stage[-1])
    assert number <= len(transaction.chunks) <= number + 4
    assert not any(line.endswith("LAST") for c in server.connections for line, _ in c.commands)
    if code == 0:
        result.ok()
        assert sandbox.entry().states == {"bob@example.net": "R"}
        server.script.clear()
        sandbox.run("-q", stdin=None).ok()
        assert len(server.messages) == 1
    else:
        assert "too much" in result.failed(65, 69).text
        assert len(sandbox.failed()) == 1


@pytest.mark.parametrize("reply", ["250 2.0.0 1 octets", "250 0", "250 2.0.0 99999999999 octets received"])
def test_V13_a_wrong_count_is_only_words(sandbox, mail, reply):
    server = mail(extensions=CHUNKING, script={"BDAT": reply})
    text = MESSAGE + ("x" * 70 + "\n") * 20_000
    sandbox.run("-t", stdin=text).ok()
    assert server.message.data == text.replace("\n", "\r\n").encode()
    assert sandbox.entries() == []


def refusing(word):
    def refuse(context):
        return "555 5.5.4 %s not known" % word if word in context.line.partition(">")[2] else None

    return refuse


SIGNED = MESSAGE.replace("\n\n", """
MIME-Version: 1.0
Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

%s
--b
Content-Type: application/pgp-signature

x
--b--
""", 1)


def wording(octets):
    """Subject and body as they are read."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    return message["Subject"], message.get_payload(decode=True).replace(b"\r\n", b"\n").strip()


@pytest.mark.parametrize("stage, word", [("MAIL", "SIZE="), ("MAIL", "BODY="), ("MAIL", "SMTPUTF8"), ("MAIL", "RET="),
                                         ("MAIL", "ENVID="), ("RCPT", "NOTIFY=")])
def test_V17_each_parameter_refused(sandbox, mail, stage, word):
    """Dropped and tried once more, or told; what cannot be sent without it is converted."""
    server = mail(extensions=BASE + ("SMTPUTF8", "DSN"), script={stage: refusing(word)})
    text = MESSAGE
    if word in ("BODY=", "SMTPUTF8"):
        text = text.replace("hello", "gr\u00fc\u00dfe").replace("a body", "gr\u00fc\u00dfe")
    result = sandbox.run("-R", "hdrs", "-V", "id", "-N", "failure", "-t", stdin=text)
    tried = [line for c in server.connections for line, _ in c.commands if line.startswith(stage)]
    assert len(tried) <= 2 and word in tried[0]
    if result.rc == 0:
        assert len(server.messages) == 1 and word not in server.message.line + server.message.attempts[0].line
        if word in ("BODY=", "SMTPUTF8"):
            assert server.message.data.isascii() and wording(server.message.data) == wording(text.encode())
        else:
            assert server.message.data == text.replace("\n", "\r\n").encode()
    else:
        assert "not known" in result.failed(65, 69, 67).text
        assert server.messages == [] and len(sandbox.failed()) == 1


@pytest.mark.parametrize("word", ["SIZE=", "ENVID=", "BODY="])
def test_V17_signed_parts_go_as_they_are(sandbox, mail, word):
    """What must not be changed is tried once more without the parameters."""
    server = mail(extensions=BASE + ("DSN",), script={"MAIL": refusing(word)})
    server.expects_violations = True  # 8-bit text without BODY
    text = SIGNED % "gr\u00fc\u00dfe"
    sandbox.run("-V", "id", "-t", stdin=text).ok()
    assert server.message.data == text.replace("\n", "\r\n").encode()
    sandbox.nothing_stored()


def test_V17_eight_bit_refused_in_a_run(sandbox, mail):
    """Each of them is made fit, those as well that were on their way behind the first."""
    texts = [MESSAGE.replace("one@", "n%d@" % n).replace("a body", "gr\u00fc\u00dfe %d" % n) for n in range(15)]
    server = mail(extensions=CHUNKING, script={"MAIL": refusing("BODY=")})
    for text in texts:
        sandbox.run("-odq", "-t", stdin=text).ok()
    sandbox.run("-q", stdin=None).ok()
    assert sandbox.entries() == []
    assert all(message.data.isascii() for message in server.messages)
    assert [wording(message.data)[1] for message in server.messages] == [wording(t.encode())[1] for t in texts]


# --- part 9: the final reply --------------------------------------------


@pytest.mark.parametrize("extensions", [BASE, CHUNKING], ids=["data", "bdat"])
@pytest.mark.parametrize("end", [CLOSE, RST, [b"2", CLOSE], [b"250-one\r\n", RST], [b"250 2.0.0 taken", CLOSE]], ids=repr)
@pytest.mark.parametrize("args", [["-t"], ["-odq", "-t"]], ids=["now", "run"])
def test_D05_lost_behind_the_dot(sandbox, mail, extensions, end, args):
    """In doubt: kept, with the same Message-ID, and tried again later, not at once."""
    server = mail(extensions=extensions, script={"FINAL": Each(end)}, account=FAST)
    sandbox.run(*args, stdin=MESSAGE.replace("Message-ID: <one@example.test>\n", "")).ok()
    if "-odq" in args:
        sandbox.run("-q", stdin=None).ok()
    assert len(server.finals) == 1 and server.messages == []
    entry = sandbox.entry()
    assert entry.states == {"bob@example.net": "S"}
    sandbox.run("-q", stdin=None).ok()
    assert len(server.finals) == 2 and sandbox.entries() == []
    assert server.finals[0].fields("Message-ID") == server.finals[1].fields("Message-ID") != []


def test_D07_two_segments_far_apart(sandbox, mail):
    """The limit is that of the reply, not of a read: longer than `timeout` may lie between them."""
    gate = threading.Event()
    server = mail(script={"FINAL": [b"250 2.0.0 ta", Pause(gate), b"ken\r\n"]},
                  account={"timeout": "1s", "reply_timeout": "60s"})
    child = sandbox.spawn("-t")
    child.stdin.write(MESSAGE.encode())
    child.stdin.close()
    child.stdin = None
    assert server.wait(lambda: server.finals)
    threading.Timer(1.6, gate.set).start()
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (0, b"", b"")
    assert len(server.finals) == 1
    sandbox.nothing_stored()


def test_D04_ten_minutes_in_a_run_two_in_the_foreground(sandbox, mail, shim):
    """By a clock that runs a hundred times as fast: an answer after more than three minutes."""
    server = mail()

    def answer(context):
        context.server.stopped.wait(2.2)
        return context.default

    def run(*args, stdin=b""):
        result = subprocess.run([sandbox.program()] + list(args), input=stdin, capture_output=True, timeout=60,
                                env=preloaded(sandbox, shim, SHIM_SPEED="100"), cwd=sandbox.home, check=False)
        assert (result.returncode, result.stderr) == (0, b""), result

    sandbox.configure(server, connect_timeout="50m", timeout="50m")
    server.script["FINAL"] = answer
    run("-t", stdin=MESSAGE.encode())
    assert sandbox.entry().states == {"bob@example.net": "S"}
    run("-q")
    assert len(server.messages) >= 1 and sandbox.entries() == []


def behind_the_answer(sweeper, scene):
    """The calls of a run from that which brings the server's 250 to the message."""
    calls = sweeper.baseline(scene)
    removed = next(n for n, c in enumerate(calls) if c.name == "unlinkat")
    start = max(n for n, c in enumerate(calls[:removed]) if c.name.startswith("recv") and '"250' in c.text)
    return calls[start:]


class Strict(Running):
    """No excuse: who has the message is marked so."""

    texts = (MESSAGE,)

    def all_pairs(self):
        yield "<one@example.test>", "bob@example.net"

    def check(self, place, run):
        wrong = []
        stored = self.stored(place)
        for states, _ in stored.values():
            if "S" in states.values() or "R" in states.values():
                wrong.append("delivered, and the record says %r" % states)
        return wrong + super().check(place, run)


@needs_strace
@pytest.mark.parametrize("scene", [Running, RunningInChunks, RunningSerially])
def test_D08_killed_between_the_answer_and_the_record(sweeper, scene):
    """Nowhere else is a copy more allowed, and none is lost; every call of that window is met."""
    scene = scene()
    calls = behind_the_answer(sweeper, scene)[:12]
    met, violations = sweeper.sweep(scene, [Point(c.name, "signal=KILL", c.nth) for c in calls])
    assert violations == [], "\n".join(violations)
    assert met


class Terminated(Sweep):
    """Runs that get SIGTERM as a call returns, and live on."""

    def one(self, scene, place, point):
        place.clean()
        scene.prepare(place)
        rc, err, log = sweep.trace(place.box, scene.args, b"", [
            "-e", "trace=" + point.names, "-e", "inject=%s:signal=TERM:when=%s" % (point.names, point.when)], scene.env)
        run = sweep.Run(point, rc, err, log + "(INJECTED)" if "SIGTERM" in log else log)
        return run, ["%r, exit %d %r: %s" % (point, rc, err[:300], words)
                     for words in scene.check(place, run) + (["killed"] if run.killed else [])]


@needs_strace
def test_a_signal_waits_for_the_record(tmp_path, build, certs, smarthost):
    """D-08: between the 250 and the record of it no signal ends the process."""
    certs.get("good")
    sweeper = Terminated(tmp_path, build, certs, smarthost)
    calls = behind_the_answer(sweeper, Strict())
    met, violations = sweeper.sweep(Strict(), [Point(c.name, "signal=TERM", c.nth) for c in calls[:12]])
    assert violations == [], "\n".join(violations)
    assert met


@needs_strace
@pytest.mark.parametrize("fault", ["pwrite64 ENOSPC", "fdatasync EIO", "pwrite64,fdatasync EIO",
                                   "pwrite64,fdatasync,unlinkat EIO", "pwrite64,fdatasync,unlinkat,openat ENOSPC"])
def test_D09_no_record_can_be_made(sweeper, fault):
    """The disk is full or broken from the 250 on: the message is put out of use by any means, and never sent again."""
    names, error = fault.split(" ")
    calls = behind_the_answer(sweeper, Strict())
    first = {}
    for call in calls:
        first.setdefault(call.name, call.nth)
    assert "pwrite64" in first and "fdatasync" in first
    point = Point(names, "error=" + error, "%d+" % first[names.split(",")[0]])
    met, violations = sweeper.sweep(Unrecorded(), [point])
    assert violations == [], "\n".join(violations)
    assert met == [point]


class Unrecorded(Running):
    """What is delivered is not sent again, by this run or by later ones with the fault gone."""

    texts = (MESSAGE,)

    def check(self, place, run):
        wrong = []
        if len(place.delivered()) != 1:
            wrong.append("%d delivered" % len(place.delivered()))
        for _ in range(2):
            place.drain()
        if len(place.delivered()) != 1:
            wrong.append("sent again: %d delivered" % len(place.delivered()))
        for entry in place.box.entries():
            wrong.append("an entry stayed: %r" % entry.lines)
        return wrong


@pytest.mark.parametrize("stage", ["MAIL", "RCPT:1"])
def test_P05_input_behind_a_command_is_dropped(sandbox, mail, stage):
    """A server that says PIPELINING and cannot: queued, and nothing is taken for what it is not."""
    def drop(context):
        context.session.wire.buffer.clear()
        return context.default

    server = mail(script={stage: drop}, account=FAST)
    sandbox.run("bob@example.net", "carl@example.net").ok()
    assert server.messages == [] and server.finals == []
    assert sandbox.entry().pending == ["bob@example.net", "carl@example.net"]


@pytest.mark.parametrize("reply", ["250 2.1.5 %s" % ("y" * 480)])
def test_P07_thousands_of_commands_and_long_answers(sandbox, mail, reply):
    """Both sides have more to say than the buffers between them hold: who only writes stands still for ever."""
    server = mail(script={"RCPT": "250-" + "x" * 480 + "\n" + reply}, account={"timeout": "20s"})
    names = ["%s%05d@example.net" % ("n" * 40, n) for n in range(6_000)]
    sandbox.run("-t", stdin=MESSAGE.replace("bob@example.net", ",\n ".join(names))).ok()
    assert [r for m in server.messages for r in m.recipients] == names
    assert sandbox.entries() == []


@needs_strace
@pytest.mark.parametrize("extensions", [BASE, CHUNKING], ids=["data", "bdat"])
@pytest.mark.parametrize("clear", [False, True], ids=["tls", "clear"])
def test_P08_one_write_for_each_flight(sandbox, mail, extensions, clear):
    """TCP_NODELAY before the first octet, and as many calls that send as the client had the floor."""
    options = {"tls": False, "mechanisms": ()} if clear else {"mechanisms": ("PLAIN",)}
    server = mail(extensions=extensions, account=CLEAR if clear else {}, **options)
    rc, err, log = sweep.trace(sandbox, ["-t"], MESSAGE.encode(), [
        "-e", "trace=connect,setsockopt,sendto,sendmsg,write,writev"], strings=4)
    assert rc == 0, err
    connection = server.connection
    sock = re.findall(r"connect\((\d+), \{sa_family=AF_INET6?, sin6?_port=htons\(%d\)" % server.port, log)[-1]
    calls = re.findall(r"(\w+)\(%s, (.*)" % sock, log)
    sent = [n for n, (name, _) in enumerate(calls) if name in ("sendto", "sendmsg", "write", "writev")]
    delay = [n for n, (name, words) in enumerate(calls) if name == "setsockopt" and "TCP_NODELAY, [1]" in words]
    assert delay and delay[0] < sent[0], calls
    # The end of TLS may be told by itself: nobody waits for it.
    assert len(sent) - connection.flights in ((0,) if clear else (0, 1)), (calls, connection.flight_commands)


# --- part 10: resources -------------------------------------------------


def test_R01_each_step_just_in_time(sandbox, mail, shim):
    """By a clock a hundred times as fast: each answer comes before the limit of a step, all together end at that of
    the whole. Forty would take ten minutes."""
    answered = []

    def late(context):
        context.server.stopped.wait(0.15)
        answered.append(context.line)
        return context.default

    server = mail(script={"MAIL": late, "RCPT": late, "DATA": late}, extensions=BASE[1:])
    sandbox.configure(server, connect_timeout="50m", timeout="20s")
    names = ["n%d@example.net" % n for n in range(40)]
    result = subprocess.run([sandbox.program()] + names, input=MESSAGE.encode(), capture_output=True, timeout=60,
                            env=preloaded(sandbox, shim, SHIM_SPEED="100"), cwd=sandbox.home, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert server.messages == [] and len(answered) < 40
    assert sandbox.entry().pending == names


REFUSED = [
    ("clone,clone3,fork,vfork", "EAGAIN"), ("pipe,pipe2", "EMFILE"), ("pipe,pipe2", "ENFILE"), ("socket", "EMFILE"),
    ("socket", "ENFILE"), ("socket", "ENOBUFS"), ("connect", "EAGAIN"), ("fcntl", "EMFILE"), ("memfd_create", "EMFILE"),
]


@needs_strace
@pytest.mark.parametrize("names, error", REFUSED)
@pytest.mark.parametrize("args", [["-t"], ["-odb", "-t"], ["-odq", "-t"]], ids=lambda args: args[0])
def test_R11_no_process_no_pipe_no_descriptor(sandbox, mail, names, error, args):
    """Every such call is refused: sent, stored, or an error in words and neither."""
    server = mail(account={"password": None, "password_command": "echo s3cret pass"})
    calls = ",".join("?" + name for name in names.split(","))
    rc, err, _ = sweep.trace(sandbox, args, MESSAGE.encode(), [
        "-e", "trace=" + calls, "-e", "inject=%s:error=%s:when=1+" % (calls, error)])
    server.wait_idle()
    stored = sandbox.entries()
    if rc == 0:
        assert len(stored) + len(server.messages) == 1 and err == b"", err
    else:
        assert rc in (71, 73, 74, 75, 77, 78) and err, (rc, err)
        assert stored == [] and server.messages == []
    assert sandbox.leftovers() == []
    eventually(lambda: not server.live)
    sandbox.run("-q", stdin=None)
    assert len(server.messages) == (1 if rc == 0 else 0)


@needs_strace
@pytest.mark.parametrize("error", ["EMFILE", "ENFILE"])
def test_R11_no_file_can_be_opened(sandbox, mail, error):
    """From the n-th on, for all n behind the start of the program."""
    server = mail()
    _, _, log = sweep.trace(sandbox, ["-t"], MESSAGE.encode(), ["-e", "trace=all"])
    numbers = [c.nth for c in sweep.calls_of(log) if c.name == "openat"]
    assert numbers and len(server.messages) == 1
    for number in numbers:
        count = len(server.messages)
        rc, err, _ = sweep.trace(sandbox, ["-t"], MESSAGE.encode(), [
            "-e", "trace=openat", "-e", "inject=openat:error=%s:when=%d+" % (error, number)])
        server.wait_idle()
        stored = sandbox.entries()
        assert len(stored) + len(server.messages) - count == (1 if rc == 0 else 0), (number, rc, err)
        assert rc == 0 or err
        for entry in stored:
            os.unlink(entry.path)


# --- part 14: lessons ---------------------------------------------------


def test_the_rest_that_cannot_be_queued_is_told(sandbox, mail):
    """V-05: some have it, the others cannot be stored: not exit 0, and who has it and who has not."""
    server = mail(script={"RCPT:carl@example.net": "450 4.2.0 later"})
    os.makedirs(os.path.dirname(sandbox.queue))
    with open(sandbox.queue, "wb"):
        pass
    result = sandbox.run("bob@example.net", "carl@example.net").failed(71, 73, 74, 75)
    assert server.message.recipients == ["bob@example.net"]
    assert "carl@example.net" in result.text
    assert "1 of 2 recipients have the message" in result.text and "to <carl@example.net> alone" in result.text


@needs_strace
@pytest.mark.parametrize("args, program", [(["-bp"], "sendmail"), (["queue", "list"], "pillarbox"),
                                           (["queue", "list", "--json"], "pillarbox")], ids=str)
def test_a_directory_that_cannot_be_read_is_not_empty(sandbox, mail, args, program):
    mail()
    sandbox.run("-odq", "-t").ok()
    result = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "trace=getdents64", "-e", "inject=getdents64:error=EIO",
         sandbox.program(program)] + args, capture_output=True, env=sandbox.environment(), timeout=60, check=False)
    assert result.returncode != 0 and result.stderr, result
    assert b"empty" not in result.stdout


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
@pytest.mark.parametrize("limit", [None, 0, 200])
def test_no_file_takes_the_place_of_an_output(sandbox, mail, closed, limit):
    """C-30, C-34: stored whole, or neither stored nor left behind half."""
    server = mail()
    path = sandbox.file("message", MESSAGE)
    result = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -v -odq -t <"$1" ' + closed, sandbox.program(), path], env=sandbox.environment(),
        cwd=sandbox.home, timeout=60, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert result.returncode == 0
    assert sandbox.leftovers() == []
    if limit is None:
        assert sandbox.entry().message == WIRE
    else:
        assert sandbox.entries() == [] and server.message.data == WIRE
