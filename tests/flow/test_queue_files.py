"""Files of the queue that are strange, and places where a queue may lie: part 11 of the robustness tables,
beside test_queue.py and test_together.py."""

import fcntl
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import MESSAGE, USER, Entry, eventually, have, is_root, needs_root
from smarthost import Pause

WIRE = MESSAGE.replace("\n", "\r\n").encode()


def may_unshare(*kinds):
    if not is_root() or not have("unshare"):
        return False
    return subprocess.run(["unshare", *kinds, "true"], capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not may_unshare("-m"), reason="mounting takes root and unshare")
needs_names = pytest.mark.skipif(not may_unshare("-u"), reason="another host name takes root and unshare")


def queue_one(sandbox, *args, stdin=MESSAGE):
    sandbox.run("-odq", *(args or ("-t",)), stdin=stdin).ok()
    return sandbox.entries()[-1]


def pillarbox(sandbox, *args, **more):
    return sandbox.run(*args, program="pillarbox", stdin=None, **more)


def states(sandbox):
    """What `queue list` calls each entry."""
    lines = pillarbox(sandbox, "queue", "list").out.decode().splitlines()
    return {line.split()[0]: line for line in lines if re.match(r"[0-9a-f]{8}-", line)}


def left_alone(sandbox, server, path, word="damaged"):
    """A run and both listings: never sent, never changed, shown; and the next message is served."""
    with open(path, "rb") as file:
        before = file.read()
    mode = os.lstat(path).st_mode
    sandbox.run("-odq", "-t", stdin=MESSAGE.replace("hello", "good")).ok()
    line = states(sandbox)[os.path.basename(path)]
    assert word in line, line
    assert os.path.basename(path).encode() in sandbox.run("-bp", stdin=None).out
    sandbox.run("-qf", stdin=None)
    pillarbox(sandbox, "queue", "run")
    assert [m.fields("Subject") for m in server.messages] == [["good"]]
    assert [n for n in os.listdir(sandbox.queue) if n != "failed"] == [os.path.basename(path)]
    with open(path, "rb") as file:
        assert file.read() == before
    assert os.lstat(path).st_mode == mode


# --- files ---------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o660, 0o620, 0o606, 0o602, 0o666], ids=oct)
def test_Q21_file_that_others_may_write(sandbox, mail, mode):
    """Q-21: what others can write is not believed."""
    server = mail()
    path = queue_one(sandbox).path
    os.chmod(path, mode)
    left_alone(sandbox, server, path)


def test_Q21_file_with_a_second_name(sandbox, mail):
    """Q-21, H-03: it may be somebody's who could not read it, or be changed under another name."""
    server = mail()
    path = queue_one(sandbox).path
    os.link(path, os.path.join(sandbox.root, "second"))
    left_alone(sandbox, server, path)


@needs_root
def test_Q21_file_of_another_user(sandbox, mail):
    """Q-21: by its owner."""
    server = mail()
    path = queue_one(sandbox).path
    os.chown(path, 12345, 12345)
    left_alone(sandbox, server, path)


def change(entry, old, new):
    with open(entry.path, "wb") as file:
        file.write(entry.raw.replace(old, new, 1))
    return entry.path


def test_Q22_file_of_a_newer_format(sandbox, mail):
    """Q-22: left to the newer program, and called so."""
    server = mail()
    path = change(queue_one(sandbox), b"pillarbox-queue 1", b"pillarbox-queue 2")
    left_alone(sandbox, server, path, "newer")


@pytest.mark.parametrize("line", [
    b"R " + b"b" * 5_000 + b"@example.net", b"R bob@example.net ORCPT=rfc822;" + b"x" * 70_000,
    b"R " + b"b" * 2_000_000, b"R bob@example.net NOTIFY=" + b"NEVER," * 20_000,
], ids=["address", "parameter", "no end", "words"])
def test_Q19_longer_line_than_any_writer_makes(sandbox, mail, line):
    """Q-19: the writer's limits are the reader's; tests/unit/test_entry.c has both ends of each."""
    server = mail()
    path = change(queue_one(sandbox), b"R bob@example.net", line)
    left_alone(sandbox, server, path)


def test_Q19_longest_that_is_taken_comes_back(sandbox, mail):
    """Q-19: five thousand recipients and long addresses are read as they were written."""
    server = mail()
    many = ["%s%04d@%s.example.net" % ("l" * 60, n, "d" * 60) for n in range(5000)]
    queue_one(sandbox, *many)
    sandbox.run("-qf", stdin=None, timeout=60)
    assert sorted(r for m in server.messages for r in m.recipients) == many
    assert sandbox.entries() == []


DAMAGE = {
    "empty": lambda raw: b"", "half": lambda raw: raw[: len(raw) // 2], "short by one": lambda raw: raw[:-1],
    "long by one": lambda raw: raw + b"x",
    "size": lambda raw: re.sub(rb"size \d{10}", b"size 9999999999", raw, count=1),
    "no size": lambda raw: re.sub(rb"size [^\n]*\n", b"", raw, count=1), "version": lambda raw: b"x" + raw,
    "control": lambda raw: raw.replace(b"from ann", b"from \x1bnn", 1),
    "second line for a recipient": lambda raw: raw.replace(b"R bob@example.net\n", 2 * b"R bob@example.net\n", 1),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_Q18_Q20_damage_is_shown(sandbox, mail, kind):
    """Q-18, Q-20: never sent, by both listings told, and nobody else is held up."""
    server = mail()
    entry = queue_one(sandbox)
    with open(entry.path, "wb") as file:
        file.write(DAMAGE[kind](entry.raw))
    left_alone(sandbox, server, entry.path)
    assert pillarbox(sandbox, "queue", "--check").rc == 2


def test_Q23_other_names_mean_nothing(sandbox, mail):
    """Q-23: whole entries under names that are none: not sent, not listed, not touched."""
    server = mail()
    entry = queue_one(sandbox)
    base = entry.id.encode()
    names = [b"." + base, base + b"~", b"#" + base + b"#", b"." + base + b".swp", base + b".orig", base + b".bak",
             b"core", b"core.123", b"\xff\xfe", base[:-1] + b"\xff", base.upper() + b"G", base + b"\n", b"a" + base[8:],
             base.replace(b"-", b"_"), b"full"]
    directory = sandbox.queue.encode()
    for name in names:
        with open(os.path.join(directory, name), "wb") as file:
            file.write(entry.raw)
    os.unlink(entry.path)
    before = sorted(os.listdir(directory))
    assert b"is empty" in sandbox.run("-bp", stdin=None).out
    sandbox.run("-qf", stdin=None).ok()
    assert server.connections == []
    kept = sorted(os.listdir(directory))
    assert [n for n in before if n not in kept] in ([], [b"full"])


@pytest.mark.parametrize("away", [-7200, 7200], ids=["old", "ahead"])
def test_Q24_stale_temporaries(sandbox, mail, away):
    """Q-24: over an hour away and unlocked they go; young or locked they stay; a link is not followed."""
    mail()
    entry = queue_one(sandbox)
    paths = {}
    for kind, digit in (("stale", b"1"), ("young", b"2"), ("locked", b"3"), ("link", b"4")):
        paths[kind] = os.path.join(sandbox.queue, "tmp." + entry.id[:-1] + digit.decode())
    outside = sandbox.file("outside", "precious")
    for kind, path in paths.items():
        if kind == "link":
            os.symlink(outside, path)
        else:
            with open(path, "wb") as file:
                file.write(b"part")
            os.chmod(path, 0o600)
        when = time.time() + (away if kind != "young" else 0)
        os.utime(path, (when, when), follow_symlinks=False)
    os.utime(outside, (time.time() + away,) * 2)
    with open(paths["locked"], "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sandbox.run("-qf", stdin=None)
    assert not os.path.exists(paths["stale"])
    assert os.path.exists(paths["young"]) and os.path.exists(paths["locked"])
    with open(outside, "rb") as file:
        assert file.read() == b"precious"


# --- a person and a runner -----------------------------------------------


def test_Q13_changes_while_it_is_being_sent(sandbox, mail):
    """Q-13: what a runner works on is listed as such, and hold, release, delete and retry are refused in words."""
    gate = threading.Event()
    server = mail(script={"FINAL": [Pause(gate), "250 2.0.0 taken"]})
    first = queue_one(sandbox)
    child = sandbox.spawn("-qf", stdin=subprocess.DEVNULL)
    try:
        assert server.wait(lambda: server.finals)
        assert "sending" in states(sandbox)[first.id]
        assert pillarbox(sandbox, "queue", "show", first.id).out.endswith(WIRE)
        for action in ("hold", "release", "delete", "retry"):
            result = pillarbox(sandbox, "queue", action, first.id)
            assert result.rc == 75 and "being sent" in result.text and first.id in result.text
        other = queue_one(sandbox, stdin=MESSAGE.replace("hello", "other"))
        assert pillarbox(sandbox, "queue", "hold", other.id).rc == 0
        assert Entry(first.path).states == {"bob@example.net": "S"}
    finally:
        gate.set()
    assert child.wait(30) == 0
    server.wait_idle()
    assert len(server.messages) == 1 and [e.id for e in sandbox.entries()] == [other.id]
    assert pillarbox(sandbox, "queue", "delete", first.id).rc != 0
    assert pillarbox(sandbox, "queue", "release", other.id).rc == 0
    assert pillarbox(sandbox, "queue", "delete", other.id).rc == 0
    assert sandbox.entries() == [] and len(server.messages) == 1


def test_Q04_a_password_command_does_not_keep_the_lock(sandbox, mail):
    """Q-04: the runner is killed while its command waits for a key ring; the next run is not held up by it."""
    pid, secret = os.path.join(sandbox.root, "pid"), "s3cret pass"
    helper = sandbox.file("helper", "#!/bin/sh\n[ -e %s ] && exec echo '%s'\necho $$ >%s.new\nmv %s.new %s\n"
                          "exec sleep 600\n" % (pid, secret, pid, pid, pid), 0o700)
    server = mail(account={"password": None, "password_command": helper})
    queue_one(sandbox)
    child = sandbox.spawn("-qf", stdin=subprocess.DEVNULL)
    eventually(lambda: os.path.exists(pid))
    child.kill()
    child.wait()
    with open(pid, encoding="ascii") as file:
        sleeper = int(file.read())
    try:
        os.kill(sleeper, 0)
        sandbox.run("-qf", stdin=None).ok()
        assert len(server.messages) == 1 and sandbox.entries() == []
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_Q13_held_is_not_sent(sandbox, mail):
    """Q-13: by no run, until it is released; a retry ends the hold."""
    server = mail()
    entry = queue_one(sandbox)
    pillarbox(sandbox, "queue", "hold", entry.id)
    sandbox.run("-qf", stdin=None)
    pillarbox(sandbox, "queue", "run")
    assert server.connections == [] and "held" in states(sandbox)[entry.id]
    assert pillarbox(sandbox, "queue", "retry", entry.id).rc == 0
    assert len(server.messages) == 1 and sandbox.entries() == []


@needs_names
def test_Q17_two_hosts_share_a_queue(sandbox, mail):
    """Q-17: the locks are the file system's, and names bear no host: as the manual says, each message goes out once."""
    server = mail()
    for number in range(20):
        queue_one(sandbox, stdin=MESSAGE.replace("one@", "n%d@" % number))
    children = []
    for host in ("one.test", "two.test", "three.test"):
        children.append(subprocess.Popen(
            ["unshare", "-u", "/bin/sh", "-c", 'hostname "$1"; exec "$0" -qf', sandbox.program(), host],
            stdin=subprocess.DEVNULL, env=sandbox.environment(), cwd=sandbox.home))
    for child in children:
        assert child.wait(60) == 0
    eventually(lambda: sandbox.entries() == [])
    ids = [m.fields("Message-ID")[0] for m in server.messages]
    assert sorted(ids) == sorted("<n%d@example.test>" % n for n in range(20))


# --- places --------------------------------------------------------------


def stored(sandbox, directory, *args, rc=0):
    """-odq with the queue there and no server to fall back to."""
    result = sandbox.run("-odq", "-t", *args, env={"PILLARBOX_QUEUE_DIRECTORY": directory, "PILLARBOX_PORT": "1"})
    if rc == 0:
        result.ok()
    else:
        result.failed(73, 75, 77)
        assert directory in result.text
    return result


def test_Q26_queue_directory_that_is_missing(sandbox, mail):
    """Q-26: made, closed to others, with what is missing above it."""
    mail()
    directory = os.path.join(sandbox.root, "a/b/c")
    stored(sandbox, directory)
    for path in (directory, os.path.dirname(directory)):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    assert len(sandbox.entries(directory)) == 1


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "FIFO", "below a file"])
def test_Q26_queue_directory_that_is_none(sandbox, mail, kind):
    """Q-26, H-02: T, and nothing is made where a link leads."""
    mail()
    path, elsewhere = os.path.join(sandbox.root, "q"), os.path.join(sandbox.root, "elsewhere")
    if kind == "link":
        os.mkdir(elsewhere)
    if "link" in kind:
        os.symlink(elsewhere, path)
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        sandbox.file("q", "")
    stored(sandbox, os.path.join(path, "inner") if kind == "below a file" else path, rc=75)
    assert not os.path.exists(elsewhere) or os.listdir(elsewhere) == []


@needs_mounts
def test_Q26_queue_on_a_read_only_file_system(sandbox, mail):
    """Q-26: T with the path; a direct send goes on without it."""
    server = mail()
    os.makedirs(sandbox.queue, mode=0o700)
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$0" "$@"'

    def run(*args, env=None):
        return subprocess.run(["unshare", "-m", "/bin/sh", "-c", script, sandbox.program(), sandbox.queue, *args],
                              input=MESSAGE.encode(), capture_output=True, env=sandbox.environment(**(env or {})),
                              cwd=sandbox.home, timeout=60, check=False)

    result = run("-odq", "-t", env={"PILLARBOX_PORT": "1"})
    assert result.returncode in (73, 75) and sandbox.queue.encode() in result.stderr
    result = run("-t")
    assert (result.returncode, result.stderr) == (0, b"") and len(server.messages) == 1
    sandbox.nothing_stored()


@needs_mounts
def test_Q25_disk_full_while_storing(sandbox, mail):
    """Q-25: a real file system without room: T, no temporary stays, and what was there is whole."""
    mail()
    os.makedirs(sandbox.queue, mode=0o700)
    script = ('mount -t tmpfs -o size=64k,mode=0700 none "$1" || exit 125; "$0" -odq -t <"$2" || exit 126; '
              '"$0" -odq -t <"$3"; rc=$?; ls -A "$1" >&3; cat "$1"/* >&4; exit $rc')
    small, large = sandbox.file("small", MESSAGE), sandbox.file("large", MESSAGE + ("x" * 70 + "\n") * 3000)
    reports = [tempfile.TemporaryFile() for _ in range(2)]
    script = script.replace(">&3", ">&%d" % reports[0].fileno()).replace(">&4", ">&%d" % reports[1].fileno())
    result = subprocess.run(
        ["unshare", "-m", "/bin/bash", "-c", script, sandbox.program(), sandbox.queue, small, large],
        capture_output=True, env=sandbox.environment(PILLARBOX_PORT="1"), cwd=sandbox.home, timeout=60, check=False,
        pass_fds=[r.fileno() for r in reports])
    names, content = (read_all(r) for r in reports)
    assert result.returncode == 75, result
    assert result.stderr.startswith(b"sendmail: ")
    assert re.fullmatch(rb"[0-9a-f]{8}-[0-9a-f]{16}\n", names), names
    assert content.endswith(WIRE)


def read_all(file):
    with file:
        file.seek(0)
        return file.read()


def in_memory():
    """A directory on tmpfs, or None."""
    probe = subprocess.run(["stat", "-f", "-c", "%T", "/dev/shm"], capture_output=True, check=False)
    return tempfile.mkdtemp(prefix="pillarbox.", dir="/dev/shm") if probe.stdout.strip() == b"tmpfs" else None


def test_Q26_Q27_queue_in_memory_and_on_another_file_system(sandbox, mail):
    """Q-26, Q-27: it works, large bodies and all; `pillarbox check` warns once, and elsewhere not at all."""
    server = mail()
    root = in_memory()
    if not root:
        pytest.skip("/dev/shm is no tmpfs")
    try:
        place = {"PILLARBOX_QUEUE_DIRECTORY": os.path.join(root, "queue")}
        text = MESSAGE + ("x" * 70 + "\n") * 30_000
        sandbox.run("-odq", "-t", stdin=text, env=place).ok()
        assert len(sandbox.entries(place["PILLARBOX_QUEUE_DIRECTORY"])) == 1
        sandbox.run("-qf", stdin=None, env=place).ok()
        assert server.message.data == text.replace("\n", "\r\n").encode()
        assert pillarbox(sandbox, "check", env=place).out.count(b"does not survive a reboot") == 1
        on_disk = pillarbox(sandbox, "check").out
        assert b"queue " in on_disk
    finally:
        shutil.rmtree(root)


def test_Q11_warned_once(sandbox, mail):
    """Q-11: after `warn`, and not again by later runs."""
    server = mail(script={"RCPT:bob@example.net": "450 4.2.0 later"})
    sandbox.run("-t").ok()
    entry = sandbox.entry()
    raw = re.sub(rb"created \d+", b"created %d" % (time.time() - 5 * 3600), entry.raw, count=1)
    with open(entry.path, "wb") as file:
        file.write(raw)
    for _ in range(3):
        sandbox.run("-qf", stdin=None)
    assert [(m.sender, m.recipients) for m in server.messages] == [("", [USER])]
    assert sandbox.entry().pending == ["bob@example.net"]
