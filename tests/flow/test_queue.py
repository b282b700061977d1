"""What becomes of a message: DESIGN sections 5 and 6, seen from outside."""

import fcntl
import os
import re
import signal
import stat
import time

import pytest

from conftest import MESSAGE, PASSWORD, USER, Entry, eventually
from smarthost import CLOSE, STALL, Each

WIRE = MESSAGE.replace("\n", "\r\n").encode()


def run_queue(sandbox, *args):
    """One queue run in the foreground."""
    return sandbox.run("-qf", *args, stdin=None, timeout=60)


def queue_one(sandbox, *args, stdin=MESSAGE):
    sandbox.run("-odq", *(args or ("-t",)), stdin=stdin).ok()
    return sandbox.entries()[-1]


# --- storing ------------------------------------------------------------


def test_down_is_queued_in_silence(sandbox, mail):
    server = mail()
    server.refuse()
    before = int(time.time())
    sandbox.run("-t", "-f", "x@example.org").ok()
    entry = sandbox.entry()
    assert entry.sender == "x@example.org"
    assert entry.states == {"bob@example.net": "R"}
    assert entry.values["account"] == "work"
    assert before <= int(entry.values["created"]) <= time.time()
    assert entry.message == WIRE
    assert stat.S_IMODE(os.stat(sandbox.queue).st_mode) == 0o700
    assert stat.S_IMODE(entry.stat.st_mode) == 0o600
    assert entry.stat.st_nlink == 1
    assert sandbox.leftovers() == []
    assert int(entry.id.partition("-")[0], 16) >= before
    assert entry.stat.st_mtime > before, "mtime is the time of the next attempt"


@pytest.mark.parametrize("args", [["-odq"], ["-o", "dq"], ["-ODeliveryMode=q"], ["-O", "DeliveryMode=queue"]])
def test_odq_queues_only(sandbox, mail, args):
    server = mail()
    sandbox.run(*args, "-t").ok()
    assert server.connections == []
    assert sandbox.entry().states == {"bob@example.net": "R"}


def test_delivery_queue_of_the_configuration(sandbox, mail):
    server = mail(more="[queue]\ndelivery = queue\n")
    sandbox.run("-t").ok()
    assert server.connections == []
    assert sandbox.entry().message == WIRE


@pytest.mark.parametrize("how", ["option", "configuration"])
def test_background_delivery(sandbox, mail, how):
    server = mail(more="" if how == "option" else "[queue]\ndelivery = background\n")
    sandbox.run(*(["-odb"] if how == "option" else []), "-t").ok()
    server.wait_messages(1)
    assert server.messages[0].data == WIRE
    eventually(lambda: sandbox.entries() == [])


def test_background_returns_before_the_server_answers(sandbox, mail):
    server = mail(script={"GREETING": STALL}, account={"connect_timeout": "2s"})
    result = sandbox.run("-odb", "-t").ok()
    assert result.seconds < 2
    assert len(sandbox.entries()) == 1
    assert server.messages == []


def test_order_of_ids_is_order_of_arrival(sandbox, mail):
    mail()
    names = []
    for number in range(5):
        sandbox.run("-odq", "-t", stdin=MESSAGE.replace("hello", "n%d" % number)).ok()
        names = [e.id for e in sandbox.entries()]
    assert len(set(names)) == 5


def test_queue_directory_of_the_configuration(sandbox, mail):
    directory = os.path.join(sandbox.root, "deep", "er", "queue")
    mail(more="[queue]\ndirectory = %s\ndelivery = queue\n" % directory)
    sandbox.run("-t").ok()
    assert len(sandbox.entries(directory)) == 1
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700


def test_H02_queue_directory_of_wrong_mode_or_kind(sandbox, mail):
    """Nothing is stored where others may write or a link leads."""
    server = mail(script={"MAIL": "451 4.3.0 later"})
    os.makedirs(sandbox.queue)
    os.chmod(sandbox.queue, 0o777)
    result = sandbox.run("-t").failed(73, 75, 77)
    assert sandbox.queue in result.text
    assert sandbox.entries() == []
    os.rmdir(sandbox.queue)
    os.symlink(sandbox.directory("elsewhere"), sandbox.queue)
    sandbox.run("-t").failed(73, 75, 77)
    assert os.listdir(os.path.join(sandbox.root, "elsewhere")) == []
    server.script.clear()
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_large_message_is_queued_whole(sandbox, mail):
    server = mail(script={"FINAL": "451 4.3.0 later"})
    text = MESSAGE + ("x" * 70 + "\n") * 30_000
    sandbox.run("-t", stdin=text).ok()
    assert sandbox.entry().message == text.replace("\n", "\r\n").encode()
    server.script.clear()
    run_queue(sandbox)
    assert server.message.data == text.replace("\n", "\r\n").encode()


def test_max_size_of_the_queue(sandbox, mail):
    server = mail(more="[queue]\nmax_size = 64K\ndelivery = queue\n")
    large = MESSAGE + ("x" * 70 + "\n") * 2000
    sandbox.run("-t").ok()
    assert server.connections == []
    sandbox.run("-t", stdin=large, env={"PILLARBOX_PORT": "1"}).failed(75, 73, 74)
    assert len(sandbox.entries()) == 1 and sandbox.leftovers() == []
    sandbox.run("-t", stdin=large).ok()
    server.wait_messages(1)  # C66: a full queue means a direct send
    assert large.replace("\n", "\r\n").encode() in [m.data for m in server.messages]


# --- draining -----------------------------------------------------------


@pytest.mark.parametrize("args", [["-q"], ["-qf"]])
def test_C88_q_drains(sandbox, mail, args):
    server = mail()
    for number in range(3):
        queue_one(sandbox, stdin=MESSAGE.replace("hello", "n%d" % number))
    result = sandbox.run(*args, stdin=None)
    assert (result.rc, result.out, result.err) == (0, b"", b"")
    server.wait_messages(3)
    eventually(lambda: sandbox.entries() == [])
    assert [m.fields("Subject")[0] for m in server.messages] == ["n0", "n1", "n2"]
    assert len(server.connections) == 1
    assert sandbox.failed() == []


def test_C88_q_with_time_does_nothing(sandbox, mail):
    server = mail()
    queue_one(sandbox)
    result = sandbox.run("-q30m", stdin=None)
    assert result.rc == 0 and result.out == b""
    assert server.connections == []


@pytest.mark.parametrize("args", [["-q", "bob@example.net"], ["-qf", "bob@example.net"]])
def test_C88_q_with_recipients(sandbox, mail, args):
    server = mail()
    sandbox.run(*args).failed(64)
    assert server.connections == []


def test_q_of_an_empty_queue(sandbox, mail):
    server = mail()
    sandbox.run("-q", stdin=None).ok()
    assert server.connections == []


def test_q_ignores_the_pause(sandbox, mail):
    """`sendmail -q` tries every entry now, as Postfix does."""
    server = mail(script={"MAIL": Each("451 4.3.0 later")})
    sandbox.run("-t").ok()
    entry = sandbox.entry()
    assert entry.stat.st_mtime > time.time()
    run_queue(sandbox)
    assert len(server.messages) == 1
    assert sandbox.entries() == []


def test_run_tries_what_is_due(sandbox, mail):
    """`pillarbox queue run` waits for the time of the next attempt, which `touch` sets to now."""
    server = mail(script={"MAIL": Each("451 4.3.0 later")})
    sandbox.run("-t").ok()
    path = sandbox.entry().path
    count = len(server.connections)
    result = sandbox.run("queue", "run", program="pillarbox", stdin=None)
    assert result.rc == 0, result
    assert len(server.connections) == count
    os.utime(path)
    sandbox.run("queue", "run", program="pillarbox", stdin=None)
    server.wait_messages(1)
    assert sandbox.entries() == []


def test_backoff_grows(sandbox, mail):
    server = mail(script={"MAIL": "451 4.3.0 later"}, more="[queue]\nretry_min = 1m\nretry_max = 1h\n")
    sandbox.run("-t").ok()
    pauses = []
    for _ in range(8):
        pauses.append(sandbox.entry().stat.st_mtime - time.time())
        run_queue(sandbox)
    assert 40 <= pauses[0] <= 61
    assert all(b >= a * 0.85 for a, b in zip(pauses, pauses[1:])), pauses
    assert pauses[-1] <= 3601 and pauses[-1] > 1000
    assert server.messages == []
    assert sandbox.entry().pending == ["bob@example.net"]


def test_success_drains_what_is_due(sandbox, mail):
    """Back online: an ordinary send takes the waiting mail along."""
    server = mail()
    queue_one(sandbox, stdin=MESSAGE.replace("hello", "waiting"))
    sandbox.run("-t", stdin=MESSAGE.replace("hello", "fresh")).ok()
    server.wait_messages(2)
    eventually(lambda: sandbox.entries() == [])
    assert sorted(m.fields("Subject")[0] for m in server.messages) == ["fresh", "waiting"]


def test_V05_partial_later(sandbox, mail):
    server = mail(script={"RCPT:carl@example.net": Each("450 4.2.0 greylisted")})
    sandbox.run("bob@example.net", "carl@example.net", "dora@example.org").ok()
    entry = sandbox.entry()
    assert entry.pending == ["carl@example.net"]
    assert entry.states.get("bob@example.net", "D") == "D"
    assert "greylisted" in entry.status
    run_queue(sandbox)
    assert [m.recipients for m in server.messages] == [
        ["bob@example.net", "dora@example.org"], ["carl@example.net"]]
    assert sandbox.entries() == []


def test_partial_later_and_refused(sandbox, mail):
    """Each recipient gets its own fate."""
    server = mail(script={"RCPT:carl@example.net": Each("450 4.2.0 later"),
                          "RCPT:dora@example.org": "550 5.1.1 no dora"})
    sandbox.run("bob@example.net", "carl@example.net", "dora@example.org").ok()
    server.wait_messages(1)
    eventually(lambda: [e for e in sandbox.entries() if "carl@example.net" in e.pending]
               or any("carl@example.net" in m.recipients for m in server.messages))
    run_queue(sandbox)
    eventually(lambda: sandbox.entries() == [])
    got = [r for m in server.messages for r in m.recipients]
    assert got.count("bob@example.net") == 1 and got.count("carl@example.net") == 1
    notices = [m for m in server.messages if m.sender == ""]
    assert len(notices) == 1 and notices[0].recipients == [USER]
    assert b"no dora" in notices[0].data


@pytest.mark.parametrize("final", [CLOSE, [b"25", CLOSE]], ids=["nothing", "half"])
def test_C69_lost_final_reply_is_doubt(sandbox, mail, final):
    server = mail(script={"FINAL": Each(final)})
    sandbox.run("-t").ok()
    entry = sandbox.entry()
    assert entry.states == {"bob@example.net": "S"}
    assert entry.stat.st_mtime > time.time(), "it would be sent again at once"
    run_queue(sandbox)
    assert len(server.finals) == 2
    assert server.finals[0].fields("Message-ID") == server.finals[1].fields("Message-ID")
    assert server.finals[0].data == server.finals[1].data
    assert sandbox.entries() == []


def test_C69_generated_message_id_is_kept(sandbox, mail):
    """C-38."""
    server = mail(script={"FINAL": Each(CLOSE, "451 4.3.0 later")})
    sandbox.run("bob@example.net", stdin="text\n").ok()
    run_queue(sandbox)
    run_queue(sandbox)
    ids = [t.fields("Message-ID") for t in server.finals]
    assert len(ids) == 3 and ids[0] == ids[1] == ids[2]
    dates = [t.fields("Date") for t in server.finals]
    assert dates[0] == dates[2]


def test_doubt_is_marked_before_the_final_dot_in_a_run(sandbox, mail):
    seen = []

    def look(_context):
        seen.extend(Entry(e.path).states["bob@example.net"] for e in sandbox.entries())
        return None

    server = mail(script={"FINAL": look})
    queue_one(sandbox)
    run_queue(sandbox)
    assert seen == ["S"]
    assert len(server.messages) == 1


def test_envelope_options_survive_the_queue(sandbox, mail):
    server = mail(extensions=("PIPELINING", "DSN", "8BITMIME", "SMTPUTF8"))
    sandbox.run("-odq", "-N", "failure,delay", "-R", "hdrs", "-V", "id 1", "-t",
                stdin=MESSAGE.replace("a body", "gr\u00fc\u00df")).ok()
    run_queue(sandbox)
    message = server.message
    assert message.parameters["RET"] == "HDRS"
    assert message.parameters["ENVID"] == "id+201"
    assert message.parameters["BODY"] == "8BITMIME"
    assert sorted(message.attempts[0].parameters["NOTIFY"].split(",")) == ["DELAY", "FAILURE"]
    assert message.attempts[0].parameters["ORCPT"] == "rfc822;bob@example.net"


def test_null_sender_survives_the_queue(sandbox, mail):
    server = mail()
    queue_one(sandbox, "-f", "<>", "bob@example.net")
    run_queue(sandbox)
    assert server.message.sender == ""


def test_Q12_new_settings_are_used(sandbox, smarthost):
    first, second = smarthost(), smarthost()
    sandbox.configure(first)
    first.refuse()
    sandbox.run("-t").ok()
    sandbox.configure(second, **{"from": "changed@example.test"})
    run_queue(sandbox)
    assert second.message.sender == USER, "sender and recipients stay as they were"


def test_F33_account_gone(sandbox, mail):
    server = mail()
    queue_one(sandbox)
    sandbox.write_config(sandbox.account(server, name="other"))
    run_queue(sandbox)
    assert server.messages == []
    assert len(sandbox.entries()) == 1
    sandbox.write_config(sandbox.account(server))
    run_queue(sandbox)
    assert len(server.messages) == 1


# --- refused in a run ---------------------------------------------------


def test_refused_in_a_run_goes_to_failed_with_a_notice(sandbox, mail):
    server = mail(script={"RCPT:bob@example.net": "550 5.1.1 no such user"})
    queue_one(sandbox)
    run_queue(sandbox)
    run_queue(sandbox)
    failed = sandbox.failed()
    assert len(failed) == 1 and failed[0].states == {"bob@example.net": "F"}
    server.wait_messages(1)
    notice = server.message
    assert notice.sender == "" and notice.recipients == [USER]
    assert b"multipart/report" in notice.data and b"no such user" in notice.data
    eventually(lambda: sandbox.entries() == [])


def test_R16_no_notice_of_a_notice(sandbox, mail):
    server = mail(script={"RCPT": "550 5.1.1 no"})
    queue_one(sandbox)
    for _ in range(3):
        run_queue(sandbox)
    assert server.messages == []
    assert sandbox.entries() == []
    assert len(sandbox.failed()) == 2
    assert sorted(e.sender for e in sandbox.failed()) == ["", USER]


def test_login_refused_in_a_run_keeps_the_entries(sandbox, mail):
    server = mail(script={"AUTH:DONE": "535 5.7.8 no"}, mechanisms=["PLAIN"])
    for _ in range(3):
        queue_one(sandbox)
    result = run_queue(sandbox)
    assert result.out == b""
    entries = sandbox.entries()
    assert len(entries) == 3
    assert all(e.states == {"bob@example.net": "R"} for e in entries)
    attempts = sum(len(c.auth_attempts) for c in server.connections)
    assert attempts == 1, "one refused login for each run is enough"
    assert sandbox.failed() == []


def test_R03_server_down_is_tried_once_a_run(sandbox, mail):
    server = mail(script={"GREETING": "421 4.3.2 down"})
    for _ in range(10):
        queue_one(sandbox)
    run_queue(sandbox)
    assert len(server.connections) <= 2
    assert len(sandbox.entries()) == 10


def test_V18_one_refused_message_does_not_stop_the_next(sandbox, mail):
    server = mail(script={"MAIL": Each(None, "552 5.2.3 not this one", None)})
    for number in range(3):
        queue_one(sandbox, stdin=MESSAGE.replace("hello", "n%d" % number))
    run_queue(sandbox)
    subjects = {m.fields("Subject")[0] for m in server.messages if m.sender}
    assert subjects == {"n0", "n2"}


def test_421_in_a_run_keeps_the_rest(sandbox, mail):
    server = mail(script={"MAIL": Each(None, ["421 4.3.2 going down", CLOSE])})
    for number in range(3):
        queue_one(sandbox, stdin=MESSAGE.replace("hello", "n%d" % number))
    run_queue(sandbox)
    run_queue(sandbox)
    assert sorted(m.fields("Subject")[0] for m in server.messages) == ["n0", "n1", "n2"]
    assert sandbox.entries() == []


# --- exclusion ----------------------------------------------------------


def test_Q01_two_runners(sandbox, mail):
    server = mail()
    for number in range(10):
        queue_one(sandbox, stdin=MESSAGE.replace("hello", "n%d" % number))
    children = [sandbox.spawn("-qf", stdin=None) for _ in range(3)]
    for child in children:
        child.communicate(timeout=60)
    eventually(lambda: sandbox.entries() == [])
    assert sorted(m.fields("Subject")[0] for m in server.messages) == ["n%d" % n for n in range(10)]


def test_claimed_entry_is_left_alone(sandbox, mail):
    server = mail()
    entry = queue_one(sandbox)
    with open(entry.path, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run_queue(sandbox)
        assert server.messages == []
    run_queue(sandbox)
    assert len(server.messages) == 1


def test_Q04_killed_runner_leaves_no_lock(sandbox, mail):
    server = mail(script={"GREETING": Each(STALL)})
    queue_one(sandbox)
    child = sandbox.spawn("-qf", stdin=None)
    assert server.stalled.wait(20)
    child.send_signal(signal.SIGKILL)
    child.wait()
    run_queue(sandbox)
    assert len(server.messages) == 1
    assert sandbox.entries() == []


def test_Q09_killed_between_transactions(sandbox, mail):
    """Delivered recipients are not mailed again."""
    server = mail(rcpt_max=1, script={"MAIL": Each(None, STALL)})
    queue_one(sandbox, "a@x.test", "b@x.test")
    child = sandbox.spawn("-qf", stdin=None)
    assert server.stalled.wait(20)
    child.send_signal(signal.SIGKILL)
    child.wait()
    run_queue(sandbox)
    assert sorted(r for m in server.messages for r in m.recipients) == ["a@x.test", "b@x.test"]


# --- damaged and foreign files ------------------------------------------


DAMAGE = {
    "truncated": lambda raw: raw[: len(raw) // 2],
    "empty": lambda raw: b"",
    "size": lambda raw: re.sub(rb"size \d", b"size 9", raw, 1),
    "longer": lambda raw: raw + b"more\r\n",
    "version": lambda raw: raw.replace(b"pillarbox-queue 1", b"pillarbox-queue 2", 1),
    "no version": lambda raw: raw.partition(b"\n")[2],
    "state": lambda raw: raw.replace(b"\nR bob", b"\nX bob", 1),
    "carriage return": lambda raw: raw.replace(b"R bob@example.net", b"R bob@e\rmple.net", 1),
    "NUL": lambda raw: raw.replace(b"R bob@example.net", b"R bob@e\0mple.net", 1),
    "garbage": lambda raw: os.urandom(500),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_Q18_Q20_damaged_entries_are_never_sent(sandbox, mail, kind):
    server = mail()
    entry = queue_one(sandbox)
    with open(entry.path, "wb") as file:
        file.write(DAMAGE[kind](entry.raw))
    damaged = open(entry.path, "rb").read()
    result = run_queue(sandbox)
    assert result.out == b""
    assert server.messages == []
    assert open(entry.path, "rb").read() == damaged, "a damaged file was changed"


def test_I5_an_address_of_the_file_cannot_inject(sandbox, mail):
    """A recipient that somebody edited is refused on our side; it never reaches the wire."""
    server = mail()
    entry = queue_one(sandbox)
    with open(entry.path, "wb") as file:
        file.write(entry.raw.replace(b"R bob@example.net", b"R b@e.test>SIZE=1", 1))
    run_queue(sandbox)
    assert [m for m in server.messages if m.sender] == []
    for transaction in server.transactions:
        assert [a.address for a in transaction.attempts] in ([], [USER])


def test_I7_a_damaged_entry_does_not_stop_the_others(sandbox, mail):
    server = mail()
    bad = queue_one(sandbox)
    queue_one(sandbox, stdin=MESSAGE.replace("hello", "good"))
    with open(bad.path, "wb") as file:
        file.write(b"nonsense")
    run_queue(sandbox)
    assert server.message.fields("Subject") == ["good"]
    assert os.path.exists(bad.path)


def test_H03_H05_strange_files_are_skipped(sandbox, mail):
    """Q-21, Q-23, H-03, H-04, H-05: links, no files at all, open to others, other names."""
    server = mail()
    entry = queue_one(sandbox)
    base = entry.id.partition("-")[0]

    def name(number):
        return os.path.join(sandbox.queue, "%s-%016x" % (base, number))

    outside = sandbox.file("outside", entry.raw)
    os.symlink(outside, name(1))
    os.mkfifo(name(2))
    os.mkdir(name(3))
    hard = sandbox.file("hard", entry.raw)
    os.link(hard, name(4))
    group = name(5)
    with open(group, "wb") as file:
        file.write(entry.raw)
    os.chmod(group, 0o666)
    for other in ("tmp.x", ".hidden", "core", entry.id + "~", "x" + entry.id):
        with open(os.path.join(sandbox.queue, other), "wb") as file:
            file.write(entry.raw)
    result = sandbox.run("-qf", stdin=None, timeout=30)
    assert result.out == b""
    assert len(server.messages) == 1
    assert not os.path.exists(entry.path)
    for number in range(1, 6):
        assert os.path.lexists(name(number))


def test_stale_temporaries_go(sandbox, mail):
    """Q-24: by age and lock."""
    mail()
    entry = queue_one(sandbox)
    old = os.path.join(sandbox.queue, "tmp." + entry.id)
    fresh = os.path.join(sandbox.queue, "tmp.x" + entry.id[1:])
    locked = os.path.join(sandbox.queue, "tmp.y" + entry.id[1:])
    for path in (old, fresh, locked):
        with open(path, "wb") as file:
            file.write(b"part")
        os.chmod(path, 0o600)
    hours_ago = time.time() - 7200
    os.utime(old, (hours_ago, hours_ago))
    os.utime(locked, (hours_ago, hours_ago))
    with open(locked, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run_queue(sandbox)
    assert not os.path.exists(old)
    assert os.path.exists(fresh) and os.path.exists(locked)


@pytest.mark.parametrize("when", [-400 * 86400, 400 * 86400, 50 * 365 * 86400])
def test_Q06_Q08_absurd_times_do_not_hold_a_message(sandbox, mail, when):
    """A next attempt that lies beyond the longest pause counts as due."""
    server = mail()
    entry = queue_one(sandbox)
    os.utime(entry.path, (time.time() + when, time.time() + when))
    sandbox.run("queue", "run", program="pillarbox", stdin=None)
    server.wait_messages(1)
    assert sandbox.entries() == []


@pytest.mark.parametrize("ahead", [1800, 3 * 86400])
def test_Q06_a_clock_set_back_does_not_delay_the_first_attempt(sandbox, mail, ahead):
    server = mail()
    entry = queue_one(sandbox)
    arrival = int(time.time()) + ahead
    with_values(entry, created=arrival)
    path = os.path.join(sandbox.queue, "%08x%s" % (arrival, entry.id[8:]))
    os.rename(entry.path, path)
    os.utime(path, (arrival, arrival))
    sandbox.run("queue", "run", program="pillarbox", stdin=None).ok()
    server.wait_messages(1)
    assert sandbox.entries() == []


def with_values(entry, created=None, attempts=None):
    raw = entry.raw
    if created is not None:
        raw = re.sub(rb"created \d+", b"created %d" % created, raw, 1)
    if attempts is not None:
        raw = re.sub(rb"status \d+", b"status %05d" % attempts, raw, 1)
    with open(entry.path, "r+b") as file:
        file.write(raw)
        file.truncate()
    return entry


def test_Q07_not_expired_by_a_jump_of_the_clock(sandbox, mail):
    """Expiry needs age and attempts."""
    server = mail(script={"MAIL": Each("451 4.3.0 later")})
    sandbox.run("-t").ok()
    with_values(sandbox.entry(), created=int(time.time()) - 50 * 365 * 86400)
    run_queue(sandbox)
    assert len(server.messages) == 1 and sandbox.failed() == []


@pytest.mark.parametrize("words", [["list", "x"], ["run", "x"], ["retry", "--all", "x"]])
def test_queue_words_that_nobody_takes(sandbox, mail, words):
    server = mail()
    queue_one(sandbox)
    result = sandbox.run("queue", *words, program="pillarbox", stdin=None)
    assert result.rc == 64 and "takes no 'x'" in result.text
    assert server.connections == []


def test_Q10_status_of_what_expired_without_an_answer(sandbox, mail):
    """Where no server ever gave one, it is that of a delivery time that is over."""
    server = mail()
    server.refuse()
    sandbox.run("-t").ok()
    with_values(sandbox.entry(), created=int(time.time()) - 6 * 86400, attempts=9)
    run_queue(sandbox)
    assert len(sandbox.failed()) == 1
    notice = sandbox.entry().message
    assert b"\r\nAction: failed\r\nStatus: 4.4.7\r\n" in notice


def test_Q10_expired_with_one_notice(sandbox, mail):
    server = mail(script={"RCPT:bob@example.net": "450 4.2.0 never"})
    sandbox.run("-t").ok()
    for _ in range(8):
        run_queue(sandbox)
    assert len(sandbox.entries()) == 1
    with_values(sandbox.entry(), created=int(time.time()) - 6 * 86400)
    for _ in range(3):
        run_queue(sandbox)
    assert sandbox.entries() == []
    assert len(sandbox.failed()) == 1
    notices = [m for m in server.messages if m.sender == ""]
    assert len(notices) == 1 and notices[0].recipients == [USER]
    assert len(server.messages) == 1


# --- what is shown ------------------------------------------------------


@pytest.mark.parametrize("how", ["mailq", "-bp", "mailq -v", "-bp -v", "mailq -Ac"])
def test_C87_empty_queue(sandbox, mail, how):
    mail()
    words = how.split(" ")
    argv0 = "mailq" if words[0] == "mailq" else None
    args = words[1:] if argv0 else words
    result = sandbox.run(*args, argv0=argv0, stdin=None)
    assert (result.rc, result.out, result.err) == (0, b"Mail queue is empty\n", b"")


def test_C87_listing(sandbox, mail):
    mail(script={"RCPT:bob@example.net": "450 4.2.0 greylisted for a while"})
    sandbox.run("bob@example.net").ok()
    queue_one(sandbox, "-f", "<>", "carl@example.net", "dora@example.org",
              stdin=MESSAGE + "x" * 70 + "\n" * 4000)
    result = sandbox.run(argv0="mailq", stdin=None)
    assert result.rc == 0 and result.err == b""
    lines = result.out.decode("ascii").split("\n")
    assert lines[0] == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
    trailer = lines[-2]
    match = re.fullmatch(r"-- (\d+) Kbytes in 2 Requests\.", trailer)
    assert match, trailer
    total = sum(len(e.message) for e in sandbox.entries())
    assert abs(int(match.group(1)) - total / 1024) <= 2
    ids = [e.id for e in sandbox.entries()]
    text = result.out.decode()
    for identity in ids:
        assert identity in text
    entry = r"^[0-9a-f]{8,}-[0-9a-f]{16}[*!]?\s+\d+ (Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\s+\S+$"
    assert len(re.findall(entry, text, re.M)) == 2, text
    assert re.search(r"^\s*\(.*greylisted for a while.*\)$", text, re.M), text
    for recipient in ("bob@example.net", "carl@example.net", "dora@example.org"):
        assert re.search(r"^\s+%s$" % re.escape(recipient), text, re.M), text
    assert "MAILER-DAEMON" in text or "<>" in text
    assert "\n\n" in text


def test_C87_one_request(sandbox, mail):
    mail()
    queue_one(sandbox)
    text = sandbox.run("-bp", stdin=None).out.decode()
    assert re.search(r"^-- \d+ Kbytes in 1 Request\.$", text, re.M), text


def test_C87_mailq_needs_no_server_and_no_tls(sandbox, mail):
    server = mail()
    queue_one(sandbox)
    server.refuse()
    assert sandbox.run("-bp", stdin=None).rc == 0
    assert server.connections == []


def test_failed_copy_is_retried_on_request(sandbox, mail):
    server = mail(script={"RCPT": Each("550 5.1.1 no")})
    result = sandbox.run("-t").failed(67)
    identity = sandbox.failed()[0].id
    assert "pillarbox queue retry %s" % identity in result.text
    sandbox.run("queue", "retry", identity, program="pillarbox", stdin=None)
    run_queue(sandbox)
    server.wait_messages(1)
    assert server.message.data == WIRE
    eventually(lambda: sandbox.entries() == [] and sandbox.failed() == [])


def test_I2_no_secret_in_the_queue(sandbox, mail):
    """Entry.check looks for the password in every file (F-32)."""
    mail(script={"AUTH:DONE": "454 4.7.0 " + PASSWORD})
    sandbox.run("-t").ok()
    with open(sandbox.entry().path, "rb") as file:
        assert PASSWORD.encode() not in file.read()


def test_retry_tries_the_named_ones_and_says_what_became_of_them(sandbox, mail):
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 no such user"})
    queue_one(sandbox)
    first = sandbox.entries()[0].id
    queue_one(sandbox)
    sandbox.run("carl@example.net").failed(67)
    refused = sandbox.failed()[0].id

    sandbox.run("queue", "retry", first, program="pillarbox", stdin=None).ok()
    assert len(server.messages) == 1 and len(sandbox.entries()) == 1

    result = sandbox.run("queue", "retry", refused, program="pillarbox", stdin=None)
    assert result.rc == 69 and "no such user" in result.text
    assert [e.id for e in sandbox.failed()] == [refused]

    server.script["MAIL"] = "451 4.3.0 later"
    result = sandbox.run("queue", "retry", sandbox.entries()[0].id, program="pillarbox", stdin=None)
    assert result.rc == 75 and "451 4.3.0 later" in result.text
