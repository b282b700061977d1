"""What the process finds when it starts, and how it ends (contract C34, C72 to C86)."""

import fcntl
import glob
import os
import pty
import resource
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import termios
import threading
import time

import pytest

from conftest import MESSAGE, USER, Sandbox, eventually, needs_root, pipe_is_empty
from smarthost import STALL

BARE = "To: bob@example.net\nSubject: x\n\nbody\n"


def sanitized(path):
    """The sanitizers need descriptors of their own, and are left alone."""
    with open(path, "rb") as file:
        return b"__asan_init" in file.read()


def shell(sandbox, script, *args, **more):
    """Runs a line of shell in which "$0" is sendmail."""
    options = {"input": MESSAGE.encode(), "capture_output": True, "timeout": 60, "cwd": sandbox.home,
               "env": sandbox.environment()}
    options.update(more)
    return subprocess.run(["/bin/sh", "-c", script, sandbox.program(), *args], check=False, **options)


def until(gate):
    """The usual answer, once the gate is open."""

    def wait(_context):
        gate.wait(60)

    return wait


# --- descriptors --------------------------------------------------------


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_C34_outputs_closed(sandbox, mail, closed):
    """C34: with 1 or 2 closed the message goes out, and no socket takes their place (C-30)."""
    server = mail()
    assert shell(sandbox, 'exec "$0" -t %s' % closed).returncode == 0
    assert server.message.data.endswith(b"a body\r\n")


@pytest.mark.parametrize("closed", ["0<&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize("args", ["-t", "bob@example.net", "-bs"])
def test_C34_input_closed(sandbox, mail, args, closed):
    """C34: no input is not an empty message (C-27, C-30)."""
    server = mail()
    result = shell(sandbox, 'exec "$0" %s %s' % (args, closed))
    assert result.returncode == 74
    assert server.connections == []
    sandbox.nothing_stored()


def test_C34_queue_commands_need_no_input(sandbox, mail):
    """C34: mailq and -q work with a closed input."""
    server = mail()
    sandbox.run("-odq", "-t").ok()
    assert b"bob@example.net" in shell(sandbox, 'exec "$0" -bp 0<&-').stdout
    assert shell(sandbox, 'exec "$0" -q 0<&- 1>&- 2>&-').returncode == 0
    assert len(server.messages) == 1


def test_C36_directory_as_input(sandbox, mail):
    """C36, C33: what cannot be read is rc 74, and does not hang (C-27)."""
    server = mail()
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        sandbox.run("-t", stdin=fd, timeout=20).failed(74)
    finally:
        os.close(fd)
    assert server.connections == []


def test_C81_inherited_descriptors_are_closed(sandbox, mail):
    """C81: a background delivery does not keep what its caller left open (C-34)."""
    if sanitized(sandbox.program()):
        pytest.skip("the sanitizers keep descriptors")
    gate = threading.Event()
    server = mail(script={"MAIL": until(gate)})
    reader, writer = os.pipe()
    try:
        sandbox.run("-odb", "-t", pass_fds=[writer]).ok()
        os.close(writer)
        # The delivery is still under way; its caller's pipe has no writer any more.
        assert server.wait(lambda: server.connections)
        ready, _, _ = select.select([reader], [], [], 10)
        assert ready and os.read(reader, 1) == b""
    finally:
        gate.set()
        os.close(reader)
    server.wait_messages(1)


def test_C81_children_get_no_descriptors(sandbox, mail):
    """C81: the password command sees 0, 1 and 2 alone."""
    seen = os.path.join(sandbox.root, "seen")
    script = sandbox.file("show", "#!/bin/sh\nls /proc/$$/fd >%s\necho s3cret pass\n" % seen, 0o700)
    server = mail(account={"password": None, "password_command": script})
    reader, writer = os.pipe()
    try:
        sandbox.run("-t", pass_fds=[reader, writer]).ok()
    finally:
        os.close(reader)
        os.close(writer)
    assert len(server.messages) == 1
    with open(seen, encoding="ascii") as file:
        numbers = {int(n) for n in file.read().split()}
    # The shell opens its script and its output beside them.
    assert not numbers & {reader, writer}, numbers


def test_C82_no_prompt(sandbox, mail):
    """C82: a missing password is an error, not a question on the terminal."""
    mail(account={"password": None})
    master, slave = pty.openpty()

    def prepare():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    try:
        sandbox.run("-t", preexec_fn=prepare, pass_fds=[slave], timeout=20).failed(77, 78)
        assert select.select([master], [], [], 0)[0] == []
    finally:
        os.close(master)
        os.close(slave)


# --- homes and users ----------------------------------------------------


@pytest.mark.parametrize("home", ["/", "", "relative", "/nonexistent", None])
def test_C75_any_home(sandbox, mail, home):
    """C75: a HOME that leads nowhere does not matter where the configuration is named (C-35)."""
    server = mail()
    sandbox.run("-t", cwd="/", env={
        "HOME": home, "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None, "XDG_RUNTIME_DIR": None,
        "USER": None, "LOGNAME": None, "PILLARBOX_CONFIG": sandbox.config_path,
        "PILLARBOX_QUEUE_DIRECTORY": os.path.join(sandbox.root, "q")}).ok()
    assert len(server.messages) == 1


def test_C75_queue_without_any_home(sandbox, mail):
    """C75: nowhere to queue is no reason not to send, and said where sending fails (C-35)."""
    server = mail()
    env = {"HOME": None, "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": "relative",
           "PILLARBOX_CONFIG": sandbox.config_path, "PILLARBOX_QUEUE_DIRECTORY": "/dev/null/q"}
    sandbox.run("-t", env=env).ok()
    server.refuse()
    assert "/dev/null/q" in sandbox.run("-t", env=env).failed(73, 75).text


@needs_root
def test_C84_set_uid_is_refused(sandbox, mail):
    """C84, H-09: installed set-uid by mistake, the program does nothing."""
    if sanitized(sandbox.program()):
        pytest.skip("the leak checker has no say in a set-uid process")
    server = mail()
    with tempfile.TemporaryDirectory(prefix="pillarbox-suid.") as root:
        os.chmod(root, 0o755)
        for bits in (0o4755, 0o2755):
            path = os.path.join(root, "sendmail")
            shutil.copy(sandbox.program(), path)
            os.chown(path, 12345, 12345)
            os.chmod(path, bits)
            result = subprocess.run([path, "-t"], input=MESSAGE.encode(), capture_output=True,
                                    env=sandbox.environment(), timeout=60, check=False)
            if os.statvfs(root).f_flag & os.ST_NOSUID:
                pytest.skip("the file system knows no set-uid")
            assert result.returncode == 77 and b"set-uid" in result.stderr
    assert server.connections == []
    sandbox.nothing_stored()


@needs_root
def test_C84_root_does_not_use_the_secrets_of_another_home(sandbox, mail):
    """C84, C76, H-08: sudo leaves HOME as it was; root does not log in as that user (C-35)."""
    server = mail()
    for top, directories, files in os.walk(sandbox.home):
        for name in directories + files:
            os.chown(os.path.join(top, name), 12345, 12345)
    os.chown(sandbox.home, 12345, 12345)
    sandbox.run("-t", cwd="/", env={"XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None,
                                    "PILLARBOX_QUEUE_DIRECTORY": os.path.join(sandbox.root, "q")})
    assert server.connections == []


@pytest.mark.parametrize("env, want", [
    ({"NAME": "Ann Other"}, "Ann Other <%s>" % USER),
    ({"NAME": "O'Neil, \"Ann\""}, "\"O'Neil, \\\"Ann\\\"\" <%s>" % USER),
    ({"NAME": "A\r\nBcc: evil@example.org"}, None),
    ({"EMAIL": "evil@example.org", "FROM": "evil@example.org", "MAILUSER": "evil", "FULLNAME": "Evil",
      "QMAILUSER": "evil", "REPLYTO": "evil@example.org", "LOGNAME": "evil", "USER": "evil"}, None),
])
def test_C86_name_alone_counts(sandbox, mail, env, want):
    """C86: NAME is the one variable that has a say in what the header says (C-35)."""
    server = mail()
    sandbox.run("-t", stdin=BARE, env=env).ok()
    message = server.message
    assert message.sender == USER
    assert message.recipients == ["bob@example.net"]
    assert len(message.fields("From")) == 1 and USER in message.fields("From")[0]
    assert message.fields("Bcc") == []
    if want:
        assert message.fields("From") == [want]
    elif "EMAIL" in env:
        assert b"evil" not in message.data.lower()


# --- limits -------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o777])
def test_C78_everything_made_is_private(sandbox, mail, umask):
    """C78: entries, directories and the log, whatever the umask was (C-34)."""
    log = os.path.join(sandbox.root, "log")
    mail(script={"RCPT": "550 no"}, more="[log]\nfile = %s\n" % log)
    assert sandbox.run("-t", umask=umask).rc == 67
    sandbox.run("-odq", "-t", umask=umask).ok()
    made = glob.glob(sandbox.queue + "/**", recursive=True) + [log]
    assert len(made) >= 4
    for path in made:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        assert mode == (0o700 if os.path.isdir(path) else 0o600), (path, oct(mode))


@pytest.mark.parametrize("limit", range(4, 17))
def test_C83_few_descriptors(sandbox, mail, limit):
    """C83: sent, queued, or refused in words; nothing half done (C-34)."""
    if sanitized(sandbox.program()) and limit < 6:
        pytest.skip("the sanitizers need some themselves")
    server = mail()
    result = sandbox.run(
        "-t", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    server.wait_idle()
    if result.rc == 0:
        assert len(server.messages) + len(sandbox.entries()) == 1
    else:
        result.failed(69, 71, 72, 73, 74, 75, 78)
        assert server.messages == [] and sandbox.entries() == []
    assert sandbox.leftovers() == []


@pytest.mark.parametrize("limit", [0, 1, 100, 4096])
@pytest.mark.parametrize("args", [["-odq"], ["-odb"], []])
def test_C83_small_files(sandbox, mail, args, limit):
    """C83, C66: a queue that cannot be written does not stop a message that can be sent (C-34)."""
    server = mail()
    text = MESSAGE + "0123456789\n" * 1000
    sandbox.run(*args, "-t", stdin=text,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))).ok()
    assert len(server.messages) == 1
    sandbox.nothing_stored()


def test_C83_disk_full(sandbox, mail):
    """C83: no room for a large message that must be spilled: rc 73 or 75, and nothing stays (C-34)."""
    server = mail()
    result = sandbox.run(
        "-t", stdin=MESSAGE + "0123456789\n" * 900000,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)))
    result.failed(73, 74, 75)
    assert server.connections == []
    sandbox.nothing_stored()


# --- signals ------------------------------------------------------------


def start(sandbox, server, *args, text=MESSAGE, **more):
    """A sendmail that has taken its text and waits for more."""
    child = sandbox.spawn(*args, **more)
    child.stdin.write(text.encode())
    child.stdin.flush()
    eventually(lambda: pipe_is_empty(child.stdin))
    assert server.connections == []
    return child


def test_C80_killed_with_a_large_message(sandbox, mail):
    """C80: not even SIGKILL leaves a file; the large message had one without a name."""
    server = mail()
    child = start(sandbox, server, "-t", text=MESSAGE + "0123456789\n" * 900000)
    child.kill()
    child.wait()
    assert server.connections == []
    sandbox.nothing_stored()


@pytest.mark.parametrize("name", ["HUP", "INT", "TERM"])
def test_C80_ignored_signals_stay_ignored(sandbox, mail, name):
    """C80: under nohup a hang-up does not end the program (C-33)."""
    server = mail()
    number = getattr(signal, "SIG" + name)
    child = start(sandbox, server, "-t", preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (0, b"", b"")
    assert len(server.messages) == 1


@pytest.mark.parametrize("stage", ["GREETING", "MAIL", "FINAL"])
@pytest.mark.parametrize("name", ["HUP", "INT", "TERM"])
def test_C80_signal_behind_the_end_of_input(sandbox, mail, stage, name):
    """C80: from then on the message is brought to its outcome first, or is safe in the queue (C-33)."""
    gate = threading.Event()
    server = mail(script={stage: until(gate)})
    child = sandbox.spawn("-t")
    child.stdin.write(MESSAGE.encode())
    child.stdin.close()
    child.stdin = None
    try:
        assert server.wait(lambda: server.finals if stage == "FINAL" else server.connections)
        child.send_signal(getattr(signal, "SIG" + name))
        time.sleep(0.1)
        assert child.poll() is None
    finally:
        gate.set()
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (0, b"", b"")
    # A wait that lasts ends at the signal, and this one may have lasted on a busy machine.
    assert len(server.messages) + len(sandbox.entries()) == 1
    assert stage != "FINAL" or server.messages


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "FINAL"])
def test_C80_signal_when_the_message_came_along(sandbox, mail, stage):
    """C80: the server may have taken it, whatever it has answered so far: no second copy (C-33)."""
    gate = threading.Event()
    server = mail(extensions=("PIPELINING", "CHUNKING"), script={stage: until(gate)})
    child = sandbox.spawn("-t")
    child.stdin.write(MESSAGE.encode())
    child.stdin.close()
    child.stdin = None
    try:
        assert server.wait(lambda: server.finals if stage == "FINAL" else "MAIL" in server.verbs)
        child.send_signal(signal.SIGTERM)
        time.sleep(1.5)  # longer than a wait goes on without a look at signals
    finally:
        gate.set()
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (0, b"", b"")
    sandbox.run("-q", stdin=None).ok()
    assert len(server.messages) == 1
    sandbox.nothing_stored()


@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "DATA"])
@pytest.mark.parametrize("name", ["HUP", "INT", "TERM"])
def test_C80_a_signal_ends_the_wait_for_a_silent_server(sandbox, mail, stage, name):
    """C80: behind the end of input the message is secured, and nobody waits out the time limit."""
    gate = threading.Event()
    server = mail(script={stage: until(gate)}, account={"timeout": "1h", "connect_timeout": "1h"})
    child = sandbox.spawn("-t")
    child.stdin.write(MESSAGE.encode())
    child.stdin.close()
    child.stdin = None
    try:
        assert server.wait(lambda: server.connections)
        child.send_signal(getattr(signal, "SIG" + name))
        out, err = child.communicate(timeout=60)
    finally:
        gate.set()
    assert (child.returncode, out, err) == (0, b"", b"")
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.messages == []


def test_C79_everything_blocked_and_ignored(sandbox, mail):
    """C79: a caller that blocks and ignores all it can: queueing, background, queue run (C-31, C-34)."""
    server = mail(account={"password": None, "password_command": "echo s3cret pass"})

    def prepare():
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    sandbox.run("-t", preexec_fn=prepare).ok()
    sandbox.run("-odq", "-t", preexec_fn=prepare).ok()
    sandbox.run("-q", stdin=None, preexec_fn=prepare).ok()
    sandbox.run("-odb", "-t", preexec_fn=prepare).ok()
    server.wait_messages(3)
    eventually(lambda: sandbox.entries() == [])


def test_C79_output_pipe_without_a_reader(sandbox, mail):
    """C79: words for nobody do not kill the program by SIGPIPE (C-31)."""
    mail(script={"RCPT": "550 5.1.1 no"})
    reader, writer = os.pipe()
    os.close(reader)
    try:
        child = sandbox.spawn("-t", stdout=writer, stderr=writer)
    finally:
        os.close(writer)
    child.communicate(MESSAGE.encode(), timeout=30)
    assert child.returncode == 67


# --- time ---------------------------------------------------------------


@pytest.mark.parametrize("stage, account", [
    ("GREETING", {"connect_timeout": "1s"}), ("EHLO:TLS", {"connect_timeout": "1s"}),
    ("AUTH:DONE", {"connect_timeout": "1s"}), ("MAIL", {"timeout": "1s"}),
    ("FINAL", {"reply_timeout": "1s"}),
])
def test_C73_the_foreground_is_bounded(sandbox, mail, stage, account):
    """C73: a server that falls silent costs the time that was set; then the message is queued."""
    server = mail(script={stage: STALL}, account=account)
    result = sandbox.run("-t").ok()
    assert 0.5 < result.seconds < 8
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.messages == []


@pytest.mark.parametrize("args", [["-odq"], ["-odb"], ["-ODeliveryMode=b"]])
def test_C73_background_returns_at_once(sandbox, mail, args):
    """C73: -odb and -odq wait for no server."""
    server = mail(script={"GREETING": STALL}, account={"connect_timeout": "20s"})
    assert sandbox.run(*args, "-t").ok().seconds < 5
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.messages == []


def test_C74_order_is_kept(sandbox, mail):
    """C74: a series that had to wait arrives in its order, by one connection."""
    server = mail()
    for number in range(12):
        sandbox.run("-odq", "-t", stdin=MESSAGE.replace("hello", "part %02d" % number)).ok()
    sandbox.run("-q", stdin=None).ok()
    assert [m.fields("Subject")[0] for m in server.messages] == ["part %02d" % n for n in range(12)]
    assert len(server.connections) == 1


def test_C85_dozens_at_once(sandbox, mail):
    """C85: thirty callers at once, no lock between them, every message once."""
    server = mail()
    children = [sandbox.spawn("-t") for _ in range(30)]
    for number, child in enumerate(children):
        child.stdin.write(MESSAGE.replace("hello", "number %d" % number).encode())
        child.stdin.close()
    for child in children:
        assert child.wait(60) == 0
    subjects = sorted(m.fields("Subject")[0] for m in server.messages)
    waiting = len(sandbox.entries())
    assert len(set(subjects)) == len(subjects) and len(subjects) + waiting == 30


@needs_root
def test_C77_nobody_knows_the_user(build, certs, smarthost):
    """C77: no passwd entry and no home: an error in words without a configuration, work with one."""
    server = smarthost()
    if not all(os.stat(p).st_mode & stat.S_IXOTH for p in parents(build)):
        pytest.skip("only root can reach the build")
    with tempfile.TemporaryDirectory(prefix="pillarbox-nobody.") as root:
        os.chmod(root, 0o755)
        box = Sandbox(root, build, certs)
        with open(certs.ca, "rb") as file:
            public = box.file("public.pem", file.read(), 0o644)
        queue = os.path.join(root, "q")
        os.mkdir(queue, 0o700)
        os.chown(queue, 23456, 23456)
        who = {"user": 23456, "group": 23456, "extra_groups": [], "cwd": "/"}
        none = {"HOME": None, "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None, "USER": None,
                "LOGNAME": None, "TMPDIR": None, "XDG_RUNTIME_DIR": None}
        box.run("-t", env=none, **who).failed(67, 78)
        facts = dict(none, PILLARBOX_HOST="localhost", PILLARBOX_PORT=str(server.port),
                     PILLARBOX_USER=USER, PILLARBOX_PASSWORD="s3cret pass", PILLARBOX_FROM=USER,
                     PILLARBOX_TLS_TRUST_FILE=public, PILLARBOX_QUEUE_DIRECTORY=queue)
        box.run("-t", stdin=BARE, env=facts, **who).ok()
        assert server.message.fields("From") == [USER]
        box.done()


def parents(path):
    while path != "/":
        yield path
        path = os.path.dirname(path)
