"""The callers of the contract's part 1: their argv, their line ends, and the real ones where installed."""

import email
import email.policy
import glob
import os
import pty
import select
import signal
import time

import pytest

from callers import BODY as REAL_BODY
from callers import CALLERS as REAL_CALLERS
from conftest import USER, eventually, have
from machine import JOBBER_ID, Machine, missing, stage

CRON = (
    "From: root (Cron Daemon)\nTo: ann@x.test\nSubject: Cron <root@host> /usr/bin/job\nMIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <A=b>\n\n{}"
)
PLAIN = "From: me@x.test\nTo: ann@x.test\nSubject: a subject\n\n{}"
BODY = "line one\n.\nline three \u00e4\n"

# Who calls, with what, and whether the message has line ends of CRLF.
CALLERS = [
    ("debian-cron", ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "ann@x.test"], CRON, False),
    ("cronie", ["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root@x.test"], CRON, False),
    ("busybox", ["-ti"], "To: ann@x.test\nSubject: cron: job\n\n{}", False),
    ("fcron", ["-Ffcron", "-odi", "ann@x.test"], CRON, False),
    ("bcron", ["-FCronDaemon", "-i", "-odi", "-oem", "-t"], PLAIN, False),
    ("systemd-cron", ["-i", "-B", "8BITMIME", "ann@x.test"], PLAIN, False),
    ("anacron", ["-FAnacron", "-odi", "ann@x.test"], PLAIN, False),
    ("atd", ["-i", "ann@x.test"], "Subject: Output from your job\nTo: ann@x.test\n\n{}", False),
    ("php", ["-t", "-i", "-fann@example.test"], "To: ann@x.test\nSubject: php\n\n{}", True),
    ("php-mixed", ["-t", "-i"], "To: ann@x.test\r\nSubject: php\r\nX-A: b\r\n\r\n{}", False),
    ("phpmailer", ["-oi", "-fann@example.test", "-t"], PLAIN, False),
    ("symfony", ["-fann@example.test", "--", "ann@x.test"], PLAIN, False),
    ("pear", ["-i", "-fann@example.test", "--", "ann@x.test"], PLAIN, False),
    ("mutt", ["-oem", "-oi", "-f", "ann@example.test", "--", "ann@x.test"], PLAIN, False),
    ("mutt-dsn", ["-oem", "-oi", "-B8BITMIME", "-N", "failure", "-R", "hdrs", "--", "ann@x.test"], PLAIN,
     False),
    ("aerc", ["ann@x.test"], PLAIN, True),
    ("s-nail", ["-i", "-m", "-F", "Ann", "-f", "ann@example.test", "--", "ann@x.test"], PLAIN, False),
    ("bsd-mailx", ["-i", "-t", "-m"], PLAIN, False),
    ("mailutils", ["-oi", "-f", "ann@example.test", "-t"], PLAIN, False),
    ("emacs", ["-oi", "-f", "ann@example.test", "-oem", "-odb", "-t"], PLAIN, False),
    ("emacs-resend", ["-oi", "-f", "ann@example.test", "-oep", "-odi", "Ann X <ann@x.test>"], PLAIN, False),
    ("claws", ["-t", "-i"], PLAIN, False),
    ("git", ["-f", "ann@example.test", "-i", "ann@x.test"], PLAIN, False),
    ("nodemailer", ["-i", "-f", "ann@example.test", "ann@x.test"], PLAIN, True),
    ("ruby", ["-i", "-f", "ann@example.test", "--", "ann@x.test"], PLAIN, False),
    ("perl", ["-oi", "-t"], PLAIN, False),
    ("rt", ["-oi", "-t", "-f", "ann@example.test", "-ODeliveryMode=i", "-OErrorMode=m"], PLAIN, False),
    ("gitea", ["-f", "ann@example.test", "-i", "ann@x.test"], PLAIN, True),
    ("sudo", ["-t"], "To: ann@x.test\nFrom: root@x.test\nAuto-Submitted: auto-generated\nSubject: *** x\n\n{}",
     False),
    ("mdadm", ["-t"], PLAIN, False),
    ("unattended-upgrades", ["-oi", "-t"], PLAIN, False),
    ("fail2ban", ["-f", "fail2ban@x.test", "ann@x.test"], PLAIN, False),
    ("arpwatch", ["-odi", "ann@x.test"], PLAIN, False),
    ("rkhunter", ["ann@x.test"], PLAIN, False),
    ("vacation", ["-oi", "-f", "<>", "--", "ann@x.test"], PLAIN, False),
    ("procmail", ["-oi", "-f", "ann@example.test", "ann@x.test"],
     "From x@y.test  Mon Feb  2 10:00:00 2026\n" + PLAIN, False),
    ("dovecot", ["-i", "-f", "<>", "--", "ann@x.test"], PLAIN, True),
    ("sympa", ["-oi", "-odi", "-oem", "-f", "", "--", "ann@x.test"], PLAIN, False),
    ("proxmox", ["-B", "8BITMIME", "-f", "ann@example.test", "--", "ann@x.test"], PLAIN, False),
]


@pytest.mark.parametrize("args, text, crlf", [c[1:] for c in CALLERS], ids=[c[0] for c in CALLERS])
def test_C40_robustness_callers(sandbox, mail, args, text, crlf):
    server = mail(extensions=("PIPELINING", "SIZE", "8BITMIME", "DSN"),
                  more="[mail]\ndomain = mail.test\n")
    text = text.format(BODY)
    if crlf:
        text = text.replace("\n", "\r\n")
    sandbox.run(*args, stdin=text, cwd="/").ok()
    server.wait_messages(1)
    message = server.message
    assert message.recipients == ["ann@x.test"]
    assert message.body == BODY.replace("\n", "\r\n").encode()
    for name in ("From", "Date", "Message-ID", "Subject", "To"):
        assert len(message.fields(name)) == 1, name
    if "<>" in args or "" in args:
        assert message.sender == ""
    elif "-f" not in args and not any(a.startswith("-f") for a in args):
        assert message.sender == USER
    if "-odb" in args:
        server.wait_idle()


# --- the programs themselves --------------------------------------------


@pytest.fixture(scope="session")
def installed(build, tmp_path_factory):
    return stage(build, str(tmp_path_factory.mktemp("stage")))


@pytest.fixture
def machine(tmp_path, installed):
    reason = missing()
    if reason:
        pytest.skip(reason)
    box = Machine(tmp_path, installed)
    yield box
    box.done()


class Mail:
    """The machine's mail: a server that comes and goes, and the queues."""

    def __init__(self, machine, sandbox, smarthost):
        self.machine = machine
        self.sandbox = sandbox
        self.smarthost = smarthost
        self.server = smarthost()
        with open(sandbox.certs.ca, encoding="ascii") as file:
            machine.file("etc/pillarbox-ca.pem", file.read())
        machine.configure(
            sandbox.account(self.server, tls_trust_file="/etc/pillarbox-ca.pem") + "[aliases]\nroot = bob@example.net\njobber = bob@example.net\n"
        )

    def environment(self):
        return self.sandbox.environment(
            HOME="/root", XDG_CONFIG_HOME=None, XDG_STATE_HOME=None, XDG_RUNTIME_DIR=None, TMPDIR=None,
            USER="root", LOGNAME="root", NODE_PATH="/usr/share/nodejs", GIT_CONFIG_NOSYSTEM="1",
        )

    def call(self, argv, stdin="", user=None):
        return self.machine.call(argv, self.environment(), stdin, user)

    def run_queue(self, user=None):
        assert self.call(["sendmail", "-q"], user=user) == (0, b"", b"")

    def entries(self, user=None):
        return self.sandbox.entries(self.machine.jobber_queue if user else self.machine.queue)

    def failed(self):
        return self.sandbox.entries(os.path.join(self.machine.queue, "failed"))

    def go_down(self):
        self.server.refuse()

    def come_back(self):
        """A server by the same address that has seen nothing yet."""
        self.server.stop()
        self.server = self.smarthost(port=self.server.port)
        return self.server


@pytest.fixture
def traffic(machine, sandbox, smarthost):
    return Mail(machine, sandbox, smarthost)


def decoded(message):
    """The text of a message, its line ends as LF."""
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    part = parsed.get_body(("plain",))
    text = part.get_payload(decode=True).decode(part.get_content_charset() or "utf-8")
    return text.replace("\r\n", "\n")


def check_message(message, caller):
    assert sorted(message.recipients) == sorted(caller.to)
    if caller.sender is not None:
        assert message.sender == caller.sender
    for name in ("From", "Date", "Message-ID", "To"):
        assert len(message.fields(name)) == 1, name
    assert message.fields("Bcc") == [] and b"carl" not in message.data
    if caller.subject is not None:
        assert message.fields("Subject") == [caller.subject]
    if caller.body is not None:
        assert decoded(message) == caller.body


def prepare(traffic, caller):
    for pattern in caller.needs:
        if not glob.glob(pattern):
            pytest.skip("%s is not installed: no %s" % (caller.name, pattern))
    for name, text in caller.files.items():
        traffic.machine.file(name, text, 0o440 if name == "etc/sudoers" else 0o600)


def goes_well(traffic, caller):
    code, out, err = traffic.call(caller.argv, caller.stdin)
    assert code == 0, (code, out, err)
    assert b"sendmail:" not in err and b"sendmail:" not in out, (out, err)


@pytest.mark.parametrize("caller", REAL_CALLERS, ids=[c.name for c in REAL_CALLERS])
def test_caller_server_up(traffic, caller):
    prepare(traffic, caller)
    goes_well(traffic, caller)
    traffic.server.wait_messages(1)
    traffic.server.wait_idle()
    check_message(traffic.server.message, caller)
    eventually(lambda: traffic.entries() == [] and traffic.failed() == [])


@pytest.mark.parametrize("caller", REAL_CALLERS, ids=[c.name for c in REAL_CALLERS])
def test_caller_server_down(traffic, caller):
    """To the caller all is well; the message waits, and is delivered once when the server is back."""
    prepare(traffic, caller)
    traffic.go_down()
    goes_well(traffic, caller)
    eventually(lambda: len(traffic.entries()) == 1)
    if caller.waits:
        assert sorted(traffic.entries()[0].pending) == sorted(caller.to)
    server = traffic.come_back()
    traffic.run_queue()
    check_message(server.message, caller)
    traffic.run_queue()
    assert len(server.messages) == 1
    assert traffic.entries() == [] and traffic.failed() == []


@pytest.mark.parametrize("caller", REAL_CALLERS, ids=[c.name for c in REAL_CALLERS])
def test_caller_is_told_of_a_refusal(traffic, caller):
    """Every recipient is refused for good: who listens hears of it, and a copy is kept."""
    prepare(traffic, caller)
    traffic.server.script["RCPT"] = "550 5.7.1 not today"
    code, out, err = traffic.call(caller.argv, caller.stdin)
    if caller.tells:
        assert code != 0 or b"550 5.7.1 not today" in out + err, (code, out, err)
    eventually(lambda: len(traffic.failed()) == 1)
    assert traffic.entries() == [] and traffic.server.messages == []


def git_is_ready():
    return glob.glob("/usr/lib/git-core/git-send-email") or glob.glob("/usr/share/git-core/git-send-email")


@pytest.mark.skipif(not git_is_ready(), reason="git send-email is not installed")
@pytest.mark.parametrize("state", ["up", "down"])
def test_git_send_email_series(traffic, state):
    """Three patches, in order, also where they have waited."""
    server = traffic.server
    names = []
    traffic.machine.file("root/.gitconfig", "[user]\n\tname = Ann\n\temail = ann@example.test\n")
    for number in range(1, 4):
        names.append("/root/000%d.patch" % number)
        traffic.machine.file(names[-1][1:], (
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
            "From: Ann <ann@example.test>\nDate: Mon, 2 Feb 2026 10:00:00 +0100\n"
            "Subject: [PATCH %d/3] part\n\n.leading dot\n---\n-- \n2.39\n") % number)
    if state == "down":
        traffic.go_down()
    code, out, err = traffic.call(["git", "send-email", "--from=Ann <ann@example.test>", "--to=bob@example.net",
                                   "--bcc=carl@example.net", "--confirm=never", "--quiet",
                                   "--suppress-cc=all"] + names)
    assert code == 0, (code, out, err)
    if state == "down":
        assert len(traffic.entries()) == 3
        server = traffic.come_back()
        traffic.run_queue()
    assert [m.fields("Subject")[0] for m in server.messages] == ["[PATCH %d/3] part" % n for n in (1, 2, 3)]
    for message in server.messages:
        assert sorted(message.recipients) == ["bob@example.net", "carl@example.net"]
        assert message.sender == USER
        assert b"carl" not in message.data
        assert message.body == b".leading dot\r\n---\r\n-- \r\n2.39\r\n"
    assert traffic.entries() == []


@pytest.mark.skipif(not have("cron"), reason="cron is not installed")
@pytest.mark.parametrize("state", ["up", "down"])
def test_cron_daemon(traffic, state):
    """The daemon itself: the job's mail is sent by its user, in the daemon's own environment."""
    machine = traffic.machine
    machine.file("etc/crontab", "")
    machine.file("etc/cron.d/jobs", "@reboot jobber cat /home/jobber/body\n")
    machine.file("home/jobber/body", REAL_BODY, 0o644)
    server = traffic.server
    if state == "down":
        traffic.go_down()
    cron = machine.spawn(["cron", "-f"], traffic.environment())
    if state == "down":
        eventually(lambda: len(traffic.entries("jobber")) == 1)
        assert traffic.entries("jobber")[0].stat.st_uid == JOBBER_ID
        server = traffic.come_back()
        traffic.run_queue("jobber")
    server.wait_messages(1)
    cron.terminate()
    cron.wait()
    message = server.message
    assert message.recipients == ["bob@example.net"] and message.sender == USER
    assert message.fields("Subject")[0].startswith("Cron <jobber@")
    assert message.fields("X-Cron-Env") != []
    assert decoded(message) == REAL_BODY
    eventually(lambda: traffic.entries("jobber") == [])
    assert traffic.entries() == []


class Screen:
    """A program on a terminal of its own: types when it shows what is awaited."""

    def __init__(self, argv, env):
        self.seen = b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)

    def wait_for(self, text):
        deadline = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.seen += os.read(self.terminal, 4096)
        self.seen = b""

    def type(self, keys):
        os.write(self.terminal, keys)

    def done(self):
        os.close(self.terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.mark.skipif(not have("alpine"), reason="alpine is not installed")
@pytest.mark.parametrize("state", ["up", "down"])
def test_alpine(traffic, state):
    """It speaks SMTP to `sendmail -bs -odb -oem`, and ends as soon as that has taken the message."""
    server = traffic.server
    traffic.machine.file("root/.pinerc", (
        "user-domain=example.test\nlast-version-used=7.00\nnew-version-threshold=99.99\n"
        "feature-list=quell-folder-internal-msg\ncustomized-hdrs=From: ann@example.test\n"
        "inbox-path=/root/inbox\ndefault-fcc=\"\"\n"), 0o600)
    traffic.machine.file("root/inbox", "", 0o600)
    if state == "down":
        traffic.go_down()
    screen = Screen(traffic.machine.words(["alpine", "-url", "mailto:bob@example.net?subject=by%20alpine&body=hello"]),
                    dict(traffic.environment(), TERM="vt100"))
    try:
        screen.wait_for(b"hello")
        screen.type(b"\x18")
        screen.wait_for(b"Send message?")
        screen.type(b"y")
        screen.wait_for(b"Alpine finished")
        if state == "down":
            eventually(lambda: traffic.entries() and "refused" in traffic.entries()[0].status)
            server = traffic.come_back()
            traffic.run_queue()
        server.wait_messages(1)
    finally:
        screen.done()
    message = server.message
    assert (message.sender, message.recipients) == (USER, ["bob@example.net"])
    assert message.fields("Subject") == ["by alpine"] and message.body == b"hello\r\n"
    eventually(lambda: traffic.entries() == [])


CHECK_MAILQ = "/usr/lib/nagios/plugins/check_mailq"


@pytest.mark.skipif(not os.path.exists(CHECK_MAILQ), reason="check_mailq is not installed")
def test_check_mailq(traffic):
    """Monitoring reads mailq as it reads Postfix's."""
    words = [CHECK_MAILQ, "-M", "postfix", "-w", "1", "-c", "3"]
    assert traffic.call(words)[:2] == (0, b"OK: postfix mailq reports queue is empty|unsent=0;1;3;0\n")
    for count, code in ((1, 1), (2, 1), (3, 2)):
        assert traffic.call(["sendmail", "-odq", "bob@example.net"], "Subject: x\n\nx\n") == (0, b"", b"")
        result = traffic.call(words)
        assert result[0] == code and b"unsent=%d;" % count in result[1], result
