"""A machine with other users: part 13 of the robustness tables. Most of it takes root, who can be anybody."""

import os
import re
import socket
import stat
import subprocess
import tempfile
import threading

import pytest

from conftest import MESSAGE, PASSWORD, SECRETS, Sandbox, eventually, have, is_sanitized, needs_root
from smarthost import Pause

ANN, EVE = 12345, 23456


def reachable(path):
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


def give(path, uid):
    """A tree to a user."""
    os.chown(path, uid, uid)
    for top, directories, files in os.walk(path):
        for name in directories + files:
            os.lchown(os.path.join(top, name), uid, uid)


def person(uid):
    return {"user": uid, "group": uid, "extra_groups": [], "cwd": "/"}


def as_user(uid, *command):
    """What a command says to another user."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd="/", user=uid,
                          group=uid, extra_groups=[])


@pytest.fixture
def home(build, certs):
    """A sandbox that belongs to Ann, on a way that everybody may go."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not reachable(os.path.join(build, "sendmail")):
        pytest.skip("only root can reach the build")
    with tempfile.TemporaryDirectory(prefix="pillarbox-shared.") as root:
        os.chmod(root, 0o755)
        box = Sandbox(root, build, certs)
        with open(certs.ca, "rb") as file:
            box.public = box.file("public.pem", file.read(), 0o644)
        yield box
        box.done()


def settle(box, server=None, more="", **keys):
    """The configuration, and all of the sandbox to Ann."""
    box.configure(server, tls_trust_file=box.public, more=more, **keys)
    give(box.root, ANN)
    os.chmod(box.root, 0o755)


# --- what others see -----------------------------------------------------


def test_H01_each_user_has_a_queue_of_his_own(home):
    """H-01: closed directory, closed files, the user's; nobody else can list or read them."""
    settle(home)
    home.run("-odq", "-t", umask=0, **person(ANN)).ok()
    entry = home.entry()
    assert (entry.stat.st_uid, stat.S_IMODE(entry.stat.st_mode)) == (ANN, 0o600)
    assert stat.S_IMODE(os.stat(home.queue).st_mode) == 0o700
    for path in (home.home, os.path.dirname(home.state_home), home.state_home, os.path.dirname(home.queue)):
        os.chmod(path, 0o755)  # so that it is the queue itself that keeps them out
    assert as_user(EVE, "ls", home.queue).returncode != 0
    assert as_user(EVE, "cat", entry.path).returncode != 0
    assert as_user(ANN, "cat", entry.path).stdout == entry.raw


def test_H01_H09_no_special_rights(sandbox):
    """H-01, H-09: neither program is set-uid or set-gid, or has a capability."""
    for name in ("sendmail", "pillarbox"):
        path = sandbox.program(name)
        assert not os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID)
        assert "security.capability" not in os.listxattr(path)


def under_way(box, server, **more):
    """A sendmail that has logged in and waits for the answer to MAIL."""
    child = box.spawn("-t", **more)
    child.stdin.write(MESSAGE.encode())
    child.stdin.close()
    child.stdin = None
    eventually(lambda: "MAIL" in server.verbs)
    return child


@pytest.mark.parametrize("source", ["password", "password_file", "password_command", "environment"])
def test_H10_nothing_secret_in_proc(sandbox, mail, source):
    """H-10: arguments, and the environments of all but the one whom the caller gave it to, hold no secret."""
    keys, env = {"password": None}, {}
    if source == "password":
        keys = {}
    elif source == "password_file":
        keys["password_file"] = sandbox.file("secret", PASSWORD + "\n")
    elif source == "password_command":
        keys["password_command"] = sandbox.file(
            "helper", "#!/bin/sh\ncat </proc/$$/environ >%s/env\ncat </proc/$PPID/cmdline >%s/cmd\n"
            "echo '%s'\n" % (sandbox.root, sandbox.root, PASSWORD), 0o700)
    else:
        env["PILLARBOX_PASSWORD"] = PASSWORD
    gate = threading.Event()
    server = mail(script={"MAIL": [Pause(gate), "250 2.1.0 ok"]}, account=keys)
    child = under_way(sandbox, server, env=env)
    shown = []
    for name in ("cmdline", "environ", "comm", "status"):
        if name == "environ" and source == "environment":
            continue  # the caller's own doing; closed to other users, as test_H11 sees
        with open("/proc/%d/%s" % (child.pid, name), "rb") as file:
            shown.append(file.read())
    gate.set()
    assert child.wait(30) == 0
    for name in ("env", "cmd"):
        path = os.path.join(sandbox.root, name)
        if source == "password_command":
            with open(path, "rb") as file:
                shown.append(file.read())
    for text in shown:
        assert text
        for secret in SECRETS:
            assert secret not in text


def test_H11_other_processes_of_the_user_do_not_look_in(home, smarthost):
    """H-11: memory and environment are closed to them while a login is under way; nor is there a core."""
    if is_sanitized(home.build):
        pytest.skip("the leak checker has to look in")
    gate = threading.Event()
    server = smarthost(script={"MAIL": [Pause(gate), "250 2.1.0 ok"]})
    settle(home, server)
    child = under_way(home, server, **person(ANN))
    for name in ("mem", "environ", "maps"):
        result = as_user(ANN, "head", "-c", "1", "/proc/%d/%s" % (child.pid, name))
        assert b"denied" in result.stderr or result.returncode != 0, (name, result)
    with open("/proc/%d/limits" % child.pid, encoding="ascii") as file:
        assert re.search(r"Max core file size\s+0\s+0 ", file.read())
    gate.set()
    assert child.wait(30) == 0


@pytest.mark.skipif(not have("strace"), reason="strace is not installed")
@pytest.mark.parametrize("where", ["queue", "TMPDIR"])
def test_H12_large_message_has_no_name_in_a_shared_directory(sandbox, mail, where):
    """H-12: it goes into the queue's directory, and before there is one into TMPDIR: never with a name."""
    server = mail()
    if where == "queue":
        os.makedirs(sandbox.queue, mode=0o700)
    log = os.path.join(sandbox.root, "strace")
    result = subprocess.run(
        ["strace", "-f", "-qq", "-o", log, "-e", "trace=open,openat,creat,mknod,mknodat,link,linkat,symlink",
         sandbox.program(), "-t"], input=(MESSAGE + ("x" * 70 + "\n") * 100_000).encode(), capture_output=True,
        env=sandbox.environment(), cwd=sandbox.home, check=False, timeout=60)
    assert result.returncode == 0 or b"LeakSanitizer" in result.stderr, result
    assert len(server.messages) == 1
    with open(log, encoding="utf-8", errors="replace") as file:
        made = [line for line in file if re.search("O_CREAT|O_TMPFILE|creat|mknod|link", line)]
    made = [line for line in made if "/dev/shm" not in line and " = -1 " not in line]
    place = sandbox.queue if where == "queue" else sandbox.tmp
    assert made
    for line in made:
        assert "O_TMPFILE" in line and "O_EXCL" in line and ('"%s"' % place in line), line
    assert os.listdir(sandbox.tmp) == []


# --- what others put in the way ------------------------------------------


@pytest.mark.parametrize("kind", ["directory", "open directory", "link", "link to one of ours"])
def test_H02_somebody_was_there_first(home, smarthost, kind):
    """H-02: in a directory like /tmp: nothing is stored in what another has made, and nothing of his is followed."""
    server = smarthost()
    settle(home, server)
    shared, target = os.path.join(home.root, "shared"), os.path.join(home.root, "target")
    os.mkdir(shared)
    os.chmod(shared, 0o1777)
    os.mkdir(target, 0o700)
    os.chown(target, ANN if kind == "link to one of ours" else EVE, -1)
    queue = os.path.join(shared, "queue")
    if "link" in kind:
        os.symlink(target, queue)
    else:
        os.mkdir(queue, 0o700)
        os.chmod(queue, 0o777 if kind == "open directory" else 0o700)
    os.lchown(queue, EVE, EVE)
    env = {"PILLARBOX_QUEUE_DIRECTORY": queue, "PILLARBOX_PORT": "1"}
    assert queue in home.run("-odq", "-t", env=env, **person(ANN)).failed(73, 75, 77).text
    assert os.listdir(target) == [] and os.listdir(queue) == []
    env.pop("PILLARBOX_PORT")
    home.run("-t", env=env, **person(ANN)).ok()
    assert len(server.messages) == 1


def test_H03_H04_H05_what_bears_the_name_of_an_entry(sandbox, mail):
    """H-03, H-04, H-05: links, a FIFO, a socket, a device, a directory: none is opened for long, none is sent."""
    server = mail()
    sandbox.run("-odq", "-t").ok()
    entry = sandbox.entry()
    names = {kind: entry.id[:-1] + "%x" % n for n, kind in enumerate(
        ["fifo", "socket", "device", "directory", "link", "hard link"])}
    names = {kind: os.path.join(sandbox.queue, name) for kind, name in names.items()}
    outside, other = sandbox.file("outside", entry.raw), sandbox.file("other", entry.raw)
    os.unlink(entry.path)
    os.mkfifo(names["fifo"], 0o600)
    with socket.socket(socket.AF_UNIX) as sock:
        # The path may be longer than an address of a socket.
        here = os.getcwd()
        os.chdir(sandbox.queue)
        sock.bind(os.path.basename(names["socket"]))
        os.chdir(here)
    try:
        os.mknod(names["device"], 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        del names["device"]
    os.mkdir(names["directory"])
    os.symlink(outside, names["link"])
    os.link(other, names["hard link"])
    sandbox.run("-qf", stdin=None, timeout=20)
    listing = sandbox.run("queue", "list", program="pillarbox", stdin=None, timeout=20).out.decode()
    assert server.connections == []
    for path in names.values():
        assert os.path.lexists(path)
        assert re.search(r"^%s +damaged " % os.path.basename(path), listing, re.M), listing
    for path in (outside, other):
        with open(path, "rb") as file:
            assert file.read() == entry.raw


@needs_root
@pytest.mark.parametrize("kind", ["another's file", "link to another's file", "FIFO", "device", "directory"])
def test_H06_log_that_is_not_ours(sandbox, mail, kind):
    """H-06: not written to, not waited for, and the mail goes out; a fresh log is closed to others."""
    log, target = os.path.join(sandbox.root, "log"), sandbox.file("target", "theirs\n", 0o666)
    os.chown(target, EVE, EVE)
    if kind == "another's file":
        os.rename(target, log)
        target = log
    elif kind == "link to another's file":
        os.symlink(target, log)
    elif kind == "FIFO":
        os.mkfifo(log)
    elif kind == "device":
        log = "/dev/null"
    else:
        os.mkdir(log)
    server = mail(more="[log]\nfile = %s\n" % log)
    sandbox.run("-t", timeout=20).ok()
    assert len(server.messages) == 1
    with open(target, "rb") as file:
        assert file.read() == b"theirs\n"
    if kind == "directory":
        os.rmdir(log)
        sandbox.run("-t", umask=0).ok()
        assert stat.S_IMODE(os.stat(log).st_mode) == 0o600


# --- what is shared ------------------------------------------------------


OVER_ETC = 'mount -t overlay overlay -o "lowerdir=$1:/etc" /etc || exit 125; shift; exec "$@"'


def overlays_work():
    if os.geteuid() != 0 or not have("unshare"):
        return False
    probe = ["unshare", "-m", "mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc:/usr", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not overlays_work(), reason="takes root and overlayfs")
@pytest.mark.parametrize("mode, group, rc", [(0o640, EVE, 77), (0o640, ANN, 77), (0o644, 0, 77), (0o600, 0, 78)],
                         ids=str)
def test_H07_system_configuration_with_a_password(home, smarthost, mode, group, rc):
    """H-07: one that a group may read is refused, for whoever can read it has the password; and one that is
    closed serves nobody but root: there is no set-gid bit that could change that (see sendmail(1))."""
    server = smarthost()
    settle(home)
    os.unlink(home.config_path)
    path = home.file("layer/pillarbox/config", home.account(server, tls_trust_file=home.public), mode)
    for above in (os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        os.chmod(above, 0o755)
    os.chown(path, 0, group)
    result = subprocess.run(
        ["unshare", "-m", "/bin/sh", "-c", OVER_ETC, "over", os.path.join(home.root, "layer"),
         "setpriv", "--reuid=%d" % ANN, "--regid=%d" % ANN, "--groups=%d" % group, home.program(), "-t"],
        input=MESSAGE.encode(), capture_output=True, env=home.environment(), cwd="/", check=False, timeout=60)
    assert result.returncode == rc, result
    assert b"/etc/pillarbox/config" in result.stderr
    assert server.connections == []


@needs_root
@pytest.mark.parametrize("args", [["-t"], ["-odq", "-t"], ["-qf"]], ids=str)
def test_H08_root_does_not_work_in_the_queue_of_another(home, smarthost, args):
    """H-08: sudo with the caller's variables: no file of root's is left there, and nothing of it is sent by root."""
    server = smarthost(script={"MAIL": "451 4.3.0 later"})
    settle(home, server)
    home.run("-odq", "-t", **person(ANN)).ok()
    before = {n: os.lstat(os.path.join(home.queue, n)).st_uid for n in os.listdir(home.queue)}
    config = home.file("root.conf", home.account(server, tls_trust_file=home.public, port=1))
    os.chown(config, 0, 0)
    result = home.run(*args, cwd="/", env={"PILLARBOX_CONFIG": config, "PILLARBOX_QUEUE_DIRECTORY": home.queue})
    assert result.rc != 0 and home.queue in result.text
    assert {n: os.lstat(os.path.join(home.queue, n)).st_uid for n in os.listdir(home.queue)} == before
    assert server.connections == [] and set(before.values()) == {ANN}


@needs_root
def test_H08_root_uses_a_home_of_its_own(home, smarthost):
    """H-08: HOME of the caller is another's: neither its configuration nor its queue is touched."""
    server = smarthost()
    settle(home, server)
    queue = os.path.join(home.root, "roots")
    home.run("-t", cwd="/", env={"XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None,
                                 "PILLARBOX_QUEUE_DIRECTORY": queue})
    assert server.connections == []
    for top, directories, files in os.walk(home.home):
        for name in directories + files:
            assert os.lstat(os.path.join(top, name)).st_uid == ANN


@needs_root
def test_H08_configuration_of_another_is_refused(home, smarthost):
    """H-08: where it is named outright."""
    server = smarthost()
    settle(home, server)
    env = {"PILLARBOX_CONFIG": home.config_path, "PILLARBOX_QUEUE_DIRECTORY": os.path.join(home.root, "roots")}
    assert home.config_path in home.run("-t", cwd="/", env=env).failed(77, 78).text
    assert server.connections == [] and not os.path.exists(os.path.join(home.root, "roots"))


# --- the way to the queue ------------------------------------------------


PLACES = {
    # mode and owner of the directory above; whether there is a warning
    "ours": (0o755, ANN, ANN, False), "root's": (0o755, 0, 0, False), "another's": (0o755, EVE, EVE, True),
    "open": (0o777, ANN, ANN, True), "open, of root": (0o777, 0, 0, True), "sticky": (0o1777, 0, 0, False),
    "sticky of another": (0o1777, EVE, EVE, True), "our group": (0o775, ANN, ANN, False),
    "another group": (0o775, ANN, EVE, True), "group of root": (0o775, 0, 0, False),
    "group with sticky bit": (0o1775, 0, EVE, False),
}


@pytest.mark.parametrize("kind, depth", [(kind, 1) for kind in PLACES] + [("open", 2), ("another's", 2)])
def test_H13_the_way_to_the_queue(home, smarthost, kind, depth):
    """H-13: `pillarbox check` warns of a directory on it in which others may rename; the queue serves all the same."""
    mode, uid, gid, is_warned = PLACES[kind]
    server = smarthost()
    settle(home, server)
    above = os.path.join(home.root, "above")
    inner = above if depth == 1 else os.path.join(above, "inner")
    queue = os.path.join(inner, "queue")
    os.makedirs(queue)
    give(above, ANN)
    os.chmod(queue, 0o700)
    os.chown(home.root, 0, 0)
    os.chown(above, uid, gid)
    os.chmod(above, mode)
    env = {"PILLARBOX_QUEUE_DIRECTORY": queue}
    home.run("-odq", "-t", env=env, **person(ANN)).ok()
    result = home.run("check", program="pillarbox", stdin=None, env=env, **person(ANN))
    assert result.rc == 0, result
    assert (b"move the queue away" in result.out) == is_warned, result
    assert not is_warned or ("'%s'" % above).encode() in result.out
    home.run("-qf", stdin=None, env=env, **person(ANN)).ok()
    assert len(server.messages) == 1
