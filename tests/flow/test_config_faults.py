"""Configuration and secrets: part 3 of the robustness tables, where test_config.py does not say it."""

import os
import pty
import re
import resource
import signal
import subprocess

import pytest

from conftest import MESSAGE, PASSWORD, SECRETS, USER, eventually, have, is_root, is_sanitized
from smarthost import MECHANISMS, STALL


def refused(sandbox, server, *words, **more):
    """Exit 78 or 77 with these words; no traffic, nothing stored."""
    result = sandbox.run("-t", **more).failed(78, 77)
    for word in words:
        assert word in result.text, result
    assert server is None or server.connections == []
    sandbox.nothing_stored()
    return result


# --- the file -----------------------------------------------------------


@pytest.mark.parametrize("place", ["config", "PILLARBOX_CONFIG"])
def test_F02_directory_that_others_write(sandbox, mail, place):
    server = mail()
    directory = os.path.dirname(sandbox.config_path)
    os.chmod(directory, 0o777)
    env = {"PILLARBOX_CONFIG": sandbox.config_path} if place != "config" else {}
    refused(sandbox, server, directory, "chmod", env=env)
    os.chmod(directory, 0o700)
    sandbox.run("-t", env=env).ok()


@pytest.mark.parametrize("target", ["/dev/null", "/dev/zero", "/dev/tty"])
def test_F04_a_device(sandbox, mail, target):
    server = mail()
    os.unlink(sandbox.config_path)
    os.symlink(target, sandbox.config_path)
    refused(sandbox, server, sandbox.config_path, timeout=20)


@pytest.mark.skipif(not have("strace"), reason="strace is not installed")
@pytest.mark.parametrize("what", ["config", "password"])
def test_F05_one_look_at_a_file(sandbox, mail, what):
    """It is examined by the descriptor that it is read from: nobody can swap it between."""
    secret = sandbox.file("secret", PASSWORD + "\n")
    server = mail(account={"password": None, "password_file": secret})
    log = os.path.join(sandbox.root, "log")
    result = subprocess.run(
        ["strace", "-qq", "-y", "-o", log, "-e", "trace=%file,fstat", sandbox.program(), "-t"], input=MESSAGE.encode(),
        capture_output=True, env=sandbox.environment(), cwd=sandbox.home, timeout=60, check=False)
    if b"ptrace" in result.stderr and not result.returncode == 0:
        pytest.skip("strace cannot trace here")
    assert result.returncode == 0 and len(server.messages) == 1
    path = sandbox.config_path if what == "config" else secret
    with open(log, encoding="utf-8", errors="replace") as file:
        calls = [line for line in file if '"%s"' % path in line or "<%s>" % path in line]
    named = [c for c in calls if '"%s"' % path in c]
    assert named and all(c.startswith("open") for c in named), calls
    # glibc makes fstat of the call that also stat() is made of, with an empty name.
    assert len([c for c in calls if "fstat" in c]) >= len(named), calls


def test_F06_a_gigabyte(sandbox, mail):
    server = mail()
    with open(sandbox.config_path, "r+b") as file:
        file.truncate(1 << 30)

    def limit():
        if not is_sanitized(sandbox.build):
            resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20))

    refused(sandbox, server, sandbox.config_path, timeout=20, preexec_fn=limit)


@pytest.mark.parametrize("content, line", [
    (b"[account a]\rhost = x.test\r", 1), (b"[account a]\nhost = x.test\nuser = a\0b\n", 3),
    (b"[account a]\nhost = x.t\0est\n", 2), (b"\0", 1), ("[account a]\nhost = x.test\n".encode("utf-16"), 1),
    (b"[account a]\n\xff\xfeh\0o\0s\0t\0\n", 2), (b"[account a]\nhost = x.test\nuser = \x1b[2J\n", 3),
], ids=repr)
def test_F07_what_is_no_text(sandbox, content, line):
    sandbox.write_config(content)
    result = refused(sandbox, None, "%s:%d" % (sandbox.config_path, line))
    assert "\x1b" not in result.text


@pytest.mark.parametrize("length", [1, 198, 199, 200, 201, 202, 398, 399, 400, 4095, 4096, 4097])
def test_F08_lines_of_any_length(sandbox, mail, length):
    """The whole line, of that many octets: a login with it shows what was read."""
    password = "x" * max(1, length - len("password = "))
    server = mail(users={USER: password}, account={"password": password}, mechanisms=["PLAIN"])
    sandbox.run("-t").ok()
    assert server.message.connection.auth_attempts == [("PLAIN", True)]


def test_F11_a_colon_makes_no_key(sandbox, mail):
    server = mail()
    with open(sandbox.config_path, "a", encoding="utf-8") as file:
        file.write("timeout: 5s\n")
    lines = sandbox.account(server).count("\n") + 1
    refused(sandbox, server, "%s:%d" % (sandbox.config_path, lines))


def test_F12_an_indented_key_is_no_part_of_the_one_before(sandbox, mail):
    server = mail()
    sandbox.write_config(sandbox.account(server, password=PASSWORD) + "  timeout = 5s\n")
    sandbox.run("-t").ok()
    assert server.message.connection.auth_attempts[-1][1] is True


@pytest.mark.parametrize("text, lines", [
    ("[account a]\nhost = x.test\nport = 1\nhost = y.test\n", (2, 4)),
    ("[account a]\nhost = x.test\n\n[account a]\nhost = y.test\n", (1, 4)),
    ("[account a]\nhost = x.test\n[mail]\ndomain = a.test\n[mail]\ndomain = b.test\n", (3, 5)),
])
def test_F13_both_places_are_named(sandbox, text, lines):
    sandbox.write_config(text)
    result = refused(sandbox, None)
    first, second = lines
    assert "%s:%d" % (sandbox.config_path, second) in result.text
    assert re.search(r"line %d\b|:%d\b" % (first, first), result.text.replace(":%d:" % second, "")), result


@pytest.mark.parametrize("key, value", [(k, v) for k in ("port", "connect_timeout", "timeout") for v in (
    "-1", "587x", "0x10", "1e3", "", "99999999999999999999", "18446744073709551617", "1 2")] + [
        ("port", "0"), ("port", "65536"), ("port", "+25"), ("port", "25.0")])
def test_F16_numbers(sandbox, mail, key, value):
    server = mail()
    sandbox.configure(server, **{key: value})
    refused(sandbox, server, key)


@pytest.mark.parametrize("host", ["", "bad host/x", "a/b", "-a.test", "l" * 64 + ".test", "a." * 127 + "test", "a..test",
                                  "<a.test>", "a.test:25", "a\0b.test"], ids=repr)
def test_F17_hosts(sandbox, mail, host):
    server = mail()
    sandbox.configure(server, host=host)
    refused(sandbox, server, "host")


def test_F18_a_dot_behind_the_host(sandbox, mail):
    """The certificate and SNI have none."""
    server = mail(account={"host": "localhost."})
    sandbox.run("-t").ok()
    assert server.message.connection.sni == "localhost"
    sandbox.configure(server, tls_host="smtp.example.test.")
    sandbox.run("-t").ok()
    assert server.connections[1].sni == "smtp.example.test"


# --- the command --------------------------------------------------------


def test_F20_a_command_that_may_not_run(sandbox, mail):
    path = sandbox.file("helper", "#!/bin/sh\necho %s\n" % PASSWORD, 0o600)
    server = mail(account={"password": None, "password_command": path})
    assert path in sandbox.run("-t").failed(78).text
    assert server.messages == [] and "AUTH" not in server.verbs


def test_F20_its_complaint_is_shown_and_its_output_never(sandbox, mail):
    """Q: run() looks for the secret in all that is shown, the entry is looked at by its check."""
    server = mail(account={"password": None,
                           "password_command": "sh -c 'echo %s; echo the ring is locked >&2; exit 1'" % PASSWORD})
    result = sandbox.run("-v", "-t")
    assert result.rc == 0 and "the ring is locked" in result.text
    assert "the ring is locked" in sandbox.entry().status
    assert server.messages == []


@pytest.mark.parametrize("output, good", [
    ("s3cret pass", True), ("s3cret pass\\r\\n", True), ("s3cret pass\\nother\\n", True), ("\\ns3cret pass\\n", False),
    ("s3cret pass\\n\\n", True), ("s3cret pass \\n", False), ("s3cret\\000 pass\\n", False), ("s3cret pass\\r\\r\\n", False),
])
def test_F21_one_line_and_one_end(sandbox, mail, output, good):
    helper = sandbox.file("helper", "#!/bin/sh\nprintf '%s'\n" % output, 0o700)
    server = mail(account={"password": None, "password_command": helper})
    sandbox.run("-t")
    assert len(server.messages) == (1 if good else 0)
    assert len(sandbox.entries()) + len(sandbox.failed()) == (0 if good else 1)


def test_F21_output_without_end(sandbox, mail):
    """Bounded in memory, and the command is not waited for."""
    server = mail(account={"password": None, "password_command": "yes " + "x" * 3000})

    def limit():
        if not is_sanitized(sandbox.build):
            resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20))

    result = sandbox.run("-t", timeout=25, preexec_fn=limit)
    assert result.rc in (0, 77, 78), result
    assert server.messages == []
    assert len(sandbox.entries()) + len(sandbox.failed()) == 1


def test_F23_a_command_that_asks_on_the_terminal(sandbox, mail):
    """Without a terminal it cannot ask; with one it may not: it is in a group of its own."""
    helper = sandbox.file("helper", "#!/bin/sh\nread answer </dev/tty && echo \"$answer\"\n", 0o700)
    server = mail(account={"password": None, "password_command": helper})
    sandbox.run("-t", preexec_fn=os.setsid, timeout=50).ok()  # as from cron
    assert server.messages == []
    assert "password_command" in sandbox.entry().status
    main, terminal = pty.openpty()
    try:
        os.write(main, PASSWORD.encode() + b"\n")
        script = "import fcntl,os,sys,termios\nos.setsid()\nfcntl.ioctl(%d, termios.TIOCSCTTY, 0)\n" \
                 "os.execv(sys.argv[1], sys.argv[1:])\n" % terminal
        child = subprocess.Popen(
            ["/usr/bin/python3", "-c", script, sandbox.program(), "-t"], pass_fds=[terminal], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=sandbox.environment(), cwd=sandbox.home)
        out, err = child.communicate(MESSAGE.encode(), timeout=50)
        assert (child.returncode, out) == (0, b""), err
    finally:
        os.close(main)
        os.close(terminal)
    assert server.messages == [] and len(sandbox.entries()) == 2


def test_F24_signals_and_variables_of_the_command(sandbox, mail):
    """SIGPIPE by default; PATH and the like as they were; nothing of ours that is a secret."""
    helper = sandbox.file("helper", "#!/bin/sh\nenv >%s/env\nwhile read -r line; do echo \"$line\"; done </proc/$$/status"
                          " >%s/signals\necho %s\n" % (sandbox.root, sandbox.root, PASSWORD), 0o700)
    server = mail(account={"password": None, "password_command": helper})
    sandbox.run("-t", env={"LD_BIND_NOW": "1", "LD_X": "kept", "PILLARBOX_TLS_KEY_FILE": None, "KEEP": "me"}).ok()
    assert len(server.messages) == 1
    with open(os.path.join(sandbox.root, "signals"), encoding="ascii") as file:
        masks = dict(re.findall(r"(Sig\w+):\s*(\w+)", file.read()))
    assert int(masks["SigIgn"], 16) & (1 << (signal.SIGPIPE - 1)) == 0
    assert int(masks["SigBlk"], 16) == 0
    with open(os.path.join(sandbox.root, "env"), encoding="utf-8") as file:
        env = file.read().splitlines()
    for word in ("LD_X=kept", "KEEP=me", "PATH=" + sandbox.environment()["PATH"]):
        assert word in env
    assert not any(s.decode() in line for s in SECRETS for line in env)


def test_F25_nothing_of_the_message_is_a_word_of_the_command(sandbox, mail):
    seen = os.path.join(sandbox.root, "seen")
    helper = sandbox.file("helper", "#!/bin/sh\nprintf '%%s\\n' \"$@\" >%s\nenv >>%s\ncat >>%s\necho %s\n"
                          % (seen, seen, seen, PASSWORD), 0o700)
    server = mail(account={"password": None, "password_command": helper + " one 'two words'"})
    evil = "$(touch x)`touch y`;touch-z@example.net"
    sandbox.run("-F", "$(touch x)", "\"%s\"@example.net" % evil.partition("@")[0]).ok()
    assert len(server.messages) == 1
    with open(seen, encoding="utf-8") as file:
        text = file.read()
    assert text.startswith("one\ntwo words\n")
    assert "touch" not in text and "a body" not in text


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_F27_a_token_that_stays_bad(sandbox, mail, mechanism):
    """The challenge is answered as the mechanism wants, the token fetched anew once, then the mail is kept."""
    counter = os.path.join(sandbox.root, "count")
    helper = sandbox.file("token", "#!/bin/sh\necho x >>%s\necho s3cret-token\n" % counter, 0o700)
    log = os.path.join(sandbox.root, "log")
    server = mail(mechanisms=[mechanism], tokens={USER: "good"}, more="[log]\nfile = %s\n" % log,
                  account={"auth": mechanism.lower(), "password": None, "password_command": helper})
    result = sandbox.run("-t").failed(77)  # run() looks for the token in the words
    assert sandbox.failed()[0].id in result.text and sandbox.entries() == []
    with open(counter, encoding="ascii") as file:
        assert len(file.readlines()) == 2
    attempts = [a for c in server.connections for a in c.auth_attempts]
    assert attempts == [(mechanism, False)] * 2
    with open(log, "rb") as file:
        text = file.read()
    assert not any(secret in text for secret in SECRETS)


# --- where a secret could show ------------------------------------------


@pytest.mark.parametrize("mechanism", [m for m in MECHANISMS if m != "EXTERNAL"])
@pytest.mark.parametrize("echo", [False, True], ids=["plain", "echoed"])
def test_F28_login_is_masked_everywhere(sandbox, mail, mechanism, echo):
    """-v, the log in both forms, stderr and the queue, also where the server repeats what it was sent."""
    def repeat(context):
        # The password, and the last line that was sent.
        return "535 5.7.8 you said %s %s" % (PASSWORD, context.line.split(" ")[-1])

    script = {"AUTH:DONE": repeat} if echo else {}
    for form in ("text", "json"):
        log = os.path.join(sandbox.root, "log." + form)
        server = mail(mechanisms=[mechanism], account={"auth": mechanism.lower()}, script=script,
                      more="[log]\nfile = %s\nformat = %s\n" % (log, form))
        result = sandbox.run("-v", "-t")
        assert result.rc == (77 if echo else 0)
        shown = result.err
        with open(log, "rb") as file:
            shown += file.read()
        for entry in sandbox.entries() + sandbox.failed():
            shown += entry.raw
        assert b"EHLO" in shown and b"AUTH " + mechanism.encode() in shown
        for secret in SECRETS:
            assert secret not in shown
        connection = server.connections[0]
        for line, _ in connection.commands:
            word = line.split(" ")[2:] if line.startswith("AUTH ") else []
            assert not word or len(word[0]) < 4 or word[0].encode() not in shown
        for answer in getattr(connection, "sasl_lines", []):
            answer = answer if isinstance(answer, bytes) else answer.encode()
            assert len(answer) < 4 or answer not in shown


@pytest.mark.parametrize("program", ["sendmail", "pillarbox"])
def test_F29_no_option_takes_a_password(sandbox, program):
    """What stands in argv is read by everybody."""
    pages = [["--help"]] if program == "sendmail" else [["--help"]] + [
        [name, "--help"] for name in ("send", "check", "setup", "queue", "import", "explain")]
    for args in pages:
        result = sandbox.run(*args, program=program, stdin=None)
        for option in re.findall(r"--[a-z-]+", (result.out + result.err).decode()):
            assert not re.search("pass|secret|token|credential", option), option
    for option in ("--password", "--password=" + "x", "--secret=x"):
        assert sandbox.run(option, program=program, stdin=None).rc == 64


def test_F30_no_child_gets_the_password_of_the_environment(sandbox, mail):
    """A hook of a queue run, and the run itself in /proc once it has begun."""
    seen = os.path.join(sandbox.root, "env")
    helper = sandbox.file("helper", "#!/bin/sh\nenv >%s\n" % seen, 0o700)
    server = mail(more="[notify]\non_failure = %s\n" % helper, account={"password": None}, script={"RCPT": "550 no"})
    env = {"PILLARBOX_PASSWORD": PASSWORD, "KEEP": "me"}
    sandbox.run("-odq", "-f", "", "-t", env=env).ok()
    sandbox.run("-q", stdin=None, env=env).ok()
    assert server.connections[0].auth_attempts[-1][1] is True
    with open(seen, encoding="utf-8") as file:
        text = file.read()
    assert "KEEP=me" in text and not any(s.decode() in text for s in SECRETS)
    assert "PASSWORD" not in text
    with open(os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "man",
                           "pillarbox.conf.5"), encoding="utf-8") as file:
        assert "environment" in file.read()


def test_F31_a_crash_leaves_no_core(sandbox, mail):
    """With the password in memory, killed by SIGABRT: the kernel writes nothing."""
    server = mail(script={"MAIL": STALL})
    child = sandbox.spawn("-t", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)) if is_root() else None)
    child.stdin.write(MESSAGE.encode())
    child.stdin.close()
    assert server.stalled.wait(20)
    with open("/proc/%d/limits" % child.pid, encoding="ascii") as file:
        assert re.search(r"Max core file size +0 +0 ", file.read())
    if not is_sanitized(sandbox.build):
        # A process that may not be dumped belongs to root in /proc, and keeps its memory from its own user.
        with open("/proc/%d/status" % child.pid, encoding="ascii") as file:
            assert "TracerPid:\t0" in file.read()
    child.send_signal(signal.SIGABRT)
    _, status = os.waitpid(child.pid, 0)
    child.returncode = -signal.SIGABRT
    assert os.WTERMSIG(status) == signal.SIGABRT and not os.WCOREDUMP(status)
    assert [n for n in os.listdir(sandbox.home) if "core" in n] == []


def test_F32_an_entry_names_the_account_alone(sandbox, mail):
    secret = sandbox.file("secret", PASSWORD + "\n")
    server = mail(account={"password": None, "password_file": secret})
    server.refuse()
    sandbox.run("-t").ok()
    entry = sandbox.entry()  # whose check looks for the password
    assert entry.values["account"] == "work"
    head = entry.raw.partition(b"\n\n")[0].decode()
    assert secret not in head and "password" not in head


def test_F33_a_mended_account_is_picked_up(sandbox, mail):
    """Deleted, broken, and back: the entry waits with the reason, and goes."""
    server = mail()
    sandbox.run("-odq", "-t").ok()
    good = open(sandbox.config_path, encoding="utf-8").read()
    sandbox.write_config(sandbox.account(server, name="other"))
    sandbox.run("-q", stdin=None)
    assert "work" in sandbox.entry().status and sandbox.entry().pending == ["bob@example.net"]
    sandbox.write_config(good.replace("port = ", "prot = "))
    sandbox.run("-q", stdin=None).failed(78)
    assert len(sandbox.entries()) == 1 and server.messages == []
    sandbox.write_config(good)
    sandbox.run("-q", stdin=None).ok()
    assert len(server.messages) == 1
    eventually(lambda: sandbox.entries() == [])
