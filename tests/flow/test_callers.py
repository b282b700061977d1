"""The callers of the contract's part 1: their argv, their line ends, and the real ones where installed."""

import os
import subprocess

import pytest

from conftest import USER, have

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


def caller_path(sandbox):
    """A directory with a `sendmail` in it."""
    path = sandbox.directory("sbin")
    link = os.path.join(path, "sendmail")
    if not os.path.exists(link):
        os.symlink(sandbox.program(), link)
    return link


def call(sandbox, argv, stdin="", **env):
    result = subprocess.run(argv, input=stdin.encode(), capture_output=True, timeout=120, cwd=sandbox.home,
                            env=sandbox.environment(**env), check=False)
    assert result.returncode == 0, result
    return result


@pytest.mark.skipif(not have("mutt"), reason="mutt is not installed")
def test_mutt(sandbox, mail):
    server = mail()
    sandbox.file("home/.muttrc", "set sendmail=\"%s -oem -oi\"\nset from=ann@example.test\nset copy=no\n"
                 % caller_path(sandbox))
    call(sandbox, ["mutt", "-s", "by mutt", "bob@example.net", "-b", "carl@example.net"], "hello\n")
    message = server.wait_messages(1)[0]
    assert sorted(message.recipients) == ["bob@example.net", "carl@example.net"]
    assert message.fields("Subject") == ["by mutt"] and message.body == b"hello\r\n"


@pytest.mark.skipif(not have("php"), reason="PHP is not installed")
def test_php_mail(sandbox, mail):
    server = mail()
    code = "exit(mail('bob@example.net', 'by PHP', \"one\\n.\\ntwo\\r\\nthree\", \"X-A: b\\r\\n\") ? 0 : 1);"
    result = call(sandbox, ["php", "-d", "sendmail_path=%s -t -i" % caller_path(sandbox), "-r", code])
    assert result.stdout == b""
    message = server.message
    assert message.recipients == ["bob@example.net"]
    assert message.body.startswith(b"one\r\n.\r\ntwo\r\nthree\r\n")


def git_send_email():
    result = subprocess.run(["git", "send-email", "-h"], capture_output=True, check=False) if have("git") else None
    return result is not None and b"is not a git command" not in result.stderr


@pytest.mark.skipif(not git_send_email(), reason="git send-email is not installed")
def test_git_send_email(sandbox, mail):
    server = mail()
    patches = []
    for number in range(3):
        patches.append(sandbox.file("000%d.patch" % number, (
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
            "From: Ann <ann@example.test>\nDate: Mon, 2 Feb 2026 10:00:00 +0100\n"
            "Subject: [PATCH %d/3] part\n\n.leading dot\n---\n-- \n2.39\n") % number))
    call(sandbox, ["git", "send-email", "--sendmail-cmd=" + caller_path(sandbox), "--to=bob@example.net",
                   "--bcc=carl@example.net", "--from=Ann <ann@example.test>", "--confirm=never", "--quiet",
                   "--suppress-cc=all"] + patches,
         GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="Ann", GIT_AUTHOR_EMAIL=USER, GIT_COMMITTER_NAME="Ann",
         GIT_COMMITTER_EMAIL=USER)
    server.wait_messages(3)
    assert [m.fields("Subject")[0] for m in server.messages] == ["[PATCH %d/3] part" % n for n in range(3)]
    for message in server.messages:
        assert sorted(message.recipients) == ["bob@example.net", "carl@example.net"]
        assert b"carl" not in message.data
        assert message.body.startswith(b".leading dot\r\n")


@pytest.mark.parametrize("program", ["bsd-mailx", "s-nail"])
def test_mailx(sandbox, mail, program):
    if not have(program):
        pytest.skip("%s is not installed" % program)
    server = mail()
    link = caller_path(sandbox)
    # Not every one of them takes HOME's word for where the file is.
    path = sandbox.file("home/.mailrc", "set %s\n" % (
        "mta=file://" + link if program == "s-nail" else "sendmail=" + link))
    call(sandbox, [program, "-s", "by mailx", "bob@example.net"], "hello\n", MAILRC=path)
    message = server.wait_messages(1)[0]
    assert message.recipients == ["bob@example.net"]
    assert message.fields("Subject") == ["by mailx"] and b"hello\r\n" in message.body
