"""The main job: a message on stdin reaches the smarthost, and the result is told as promised."""

import os
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from conftest import MESSAGE, PASSWORD, USER, eventually, no_secret_before_tls, pipe_is_empty
from smarthost import MECHANISMS


def test_main_job_by_starttls_and_login(sandbox, mail):
    server = mail()
    sandbox.run("-t").ok()
    message = server.message
    connection = server.connection
    assert message.sender == USER
    assert message.recipients == ["bob@example.net"]
    assert message.data == MESSAGE.replace("\n", "\r\n").encode()
    assert connection.tls_version == "TLSv1.3"
    assert connection.sni == "localhost"
    assert connection.user == USER
    assert connection.verbs == [
        "EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"
    ]
    assert connection.raw_before_tls.count(b"\r\n") >= 2
    no_secret_before_tls(server)
    sandbox.nothing_stored()


def test_implicit_tls(sandbox, mail):
    server = mail(implicit=True)
    sandbox.run("-t").ok()
    assert server.message.data == MESSAGE.replace("\n", "\r\n").encode()
    assert server.connection.verbs == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
    assert server.connection.clear == b""


def test_tls_12(sandbox, mail):
    server = mail(max_tls=ssl.TLSVersion.TLSv1_2)
    sandbox.run("-t").ok()
    assert server.message.connection.tls_version == "TLSv1.2"


def test_no_tls_on_loopback_without_login(sandbox, mail):
    server = mail(account={"tls": "none", "user": None, "password": None}, tls=False, users={},
                  mechanisms=())
    sandbox.run("-t").ok()
    assert server.message.recipients == ["bob@example.net"]
    assert "AUTH" not in server.verbs


def test_no_tls_on_loopback_with_login(sandbox, mail):
    server = mail(account={"tls": "none"}, tls=False, auth_in_clear=True)
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER


def test_no_tls_falls_back_to_helo(sandbox, mail):
    """N-22: HELO is enough where neither TLS nor a login is asked for."""
    server = mail(account={"tls": "none", "user": None, "password": None}, tls=False, users={},
                  mechanisms=(), extensions=(), script={"EHLO": "502 5.5.2 what?"})
    sandbox.run("-t").ok()
    assert server.message.data == MESSAGE.replace("\n", "\r\n").encode()
    assert "HELO" in server.connection.verbs


def test_helo_is_no_way_around_tls(sandbox, mail):
    """N-22: with TLS demanded a refused EHLO ends the attempt."""
    server = mail(script={"EHLO": "502 5.5.2 what?"})
    sandbox.run("-t").ok()
    sandbox.entry()
    assert server.messages == []
    no_secret_before_tls(server)


@pytest.mark.parametrize("mechanism", [m for m in MECHANISMS if m not in ("EXTERNAL",)])
def test_login_by(sandbox, mail, mechanism):
    server = mail(account={"auth": mechanism.lower()}, mechanisms=[mechanism])
    sandbox.run("-t").ok()
    connection = server.message.connection
    assert connection.mechanism == mechanism
    assert connection.user == USER
    assert connection.auth_attempts == [(mechanism, True)]
    if mechanism.endswith("-PLUS"):
        assert connection.channel_binding in ("tls-exporter", "tls-server-end-point")


def test_login_by_external(sandbox, mail, certs):
    client = certs.get("client")
    server = mail(
        account={"auth": "external", "password": None, "tls_cert_file": client.chain,
                 "tls_key_file": client.key},
        mechanisms=["EXTERNAL"], client_ca=certs.ca,
    )
    sandbox.run("-t").ok()
    assert server.message.connection.client_certificate is not None
    assert server.message.connection.mechanism == "EXTERNAL"


@pytest.mark.parametrize("offered, chosen", [
    (("PLAIN", "LOGIN"), ("PLAIN",)),
    (("LOGIN",), ("LOGIN",)),
    (("PLAIN", "SCRAM-SHA-1"), ("SCRAM-SHA-1",)),
    (("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"), ("SCRAM-SHA-256",)),
    (("LOGIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"), ("SCRAM-SHA-256-PLUS",)),
])
def test_auto_takes_the_strongest(sandbox, mail, offered, chosen):
    server = mail(mechanisms=offered)
    sandbox.run("-t").ok()
    assert server.message.connection.mechanism in chosen


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
def test_plus_with_tls_12(sandbox, mail, mechanism):
    server = mail(account={"auth": mechanism.lower()}, mechanisms=[mechanism],
                  max_tls=ssl.TLSVersion.TLSv1_2)
    sandbox.run("-t").ok()
    assert server.message.connection.mechanism == mechanism


@pytest.mark.parametrize("password", [
    "a ;b", "p#w=d:\"x\"'y'", "tr\u00e4ger", "x" * 500, "back\\slash", "%s%n", "a,b=c",
])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_A17_password_of_any_form(sandbox, mail, password, mechanism):
    server = mail(account={"password": password, "auth": mechanism.lower()}, mechanisms=[mechanism],
                  users={USER: password})
    sandbox.run("-t").ok()
    assert server.message.connection.auth_attempts == [(mechanism, True)]


def test_A14_scram_user_with_comma_and_equals(sandbox, mail):
    server = mail(account={"user": "a,b=c"}, mechanisms=["SCRAM-SHA-256"],
                  users={"a,b=c": PASSWORD})
    sandbox.run("-t").ok()
    assert server.message.connection.user == "a,b=c"


def test_auth_none_does_not_log_in(sandbox, mail):
    server = mail(account={"auth": "none", "user": None, "password": None}, users={})
    sandbox.run("-t").ok()
    assert "AUTH" not in server.verbs
    assert len(server.messages) == 1


# --- envelope -----------------------------------------------------------


@pytest.mark.parametrize("args", [["-f", "x@example.org"], ["-fx@example.org"],
                                  ["-r", "x@example.org"], ["-rx@example.org"],
                                  ["-f", "y@example.org", "-f", "x@example.org"],
                                  ["-f", "y@example.org", "-r", "x@example.org"],
                                  ["-f", "Some One <x@example.org>"], ["-f", "<x@example.org>"],
                                  ["-if", "x@example.org"], ["-oi", "-fx@example.org"]])
def test_C06_sender_forms(sandbox, mail, args):
    server = mail()
    sandbox.run(*args, "-t").ok()
    assert server.message.sender == "x@example.org"


@pytest.mark.parametrize("args", [["-f", ""], ["-f", "<>"], ["-f<>"], ["-r", ""]])
def test_C05_null_sender_stays_null(sandbox, mail, args):
    """C-21."""
    server = mail()
    sandbox.run(*args, "bob@example.net").ok()
    assert server.message.line.startswith("MAIL FROM:<>")
    assert server.message.sender == ""


@pytest.mark.parametrize("value", ["a@b>\r\nRCPT TO:<evil@x>", "a@b\nQUIT", "a@b> SIZE=1",
                                   "a@b.test\r", "\x01@b.test", "a b@c.test", "<a@b.test"])
def test_C06_sender_cannot_inject(sandbox, mail, value):
    """C-07."""
    server = mail()
    sandbox.run("-f", value, "bob@example.net").failed(64, 65)
    assert server.connections == []
    sandbox.nothing_stored()


def test_C61_sender_by_order(sandbox, mail):
    server = mail(account={"from": None})
    sandbox.run("-t", stdin=MESSAGE.replace("ann@example.test", "fran@example.org")).ok()
    assert server.messages[0].sender == "fran@example.org"
    sandbox.configure(server)
    sandbox.run("-t", stdin=MESSAGE.replace("ann@example.test", "fran@example.org")).ok()
    assert server.messages[1].sender == USER
    assert server.messages[1].fields("From") == ["Ann <fran@example.org>"]


def test_C63_account_by_sender(sandbox, smarthost):
    first = smarthost(users={"one": "pw-one"})
    second = smarthost(users={"two": "pw-two"})
    sandbox.write_config(
        sandbox.account(first, name="one", user="one", password="pw-one",
                        **{"from": "one@example.test"})
        + sandbox.account(second, name="two", user="two", password="pw-two", match="*@example.org",
                          **{"from": "two@example.test"})
    )
    sandbox.run("-t").ok()
    sandbox.run("-t", "-f", "two@example.test").ok()
    sandbox.run("-t", "-f", "anyone@example.org").ok()
    sandbox.run("-t", stdin=MESSAGE.replace("ann@example.test", "fran@example.org")).ok()
    sandbox.run("-t", "-a", "two").ok()
    sandbox.run("-t", "-a", "one", "-f", "two@example.test").ok()
    assert len(first.messages) == 2
    assert len(second.messages) == 4
    sandbox.run("-t", "-a", "too").failed(78)


def test_parameters_of_mail(sandbox, mail):
    server = mail()
    sandbox.run("-t", stdin=MESSAGE.replace("a body", "gr\u00fc\u00df")).ok()
    assert server.message.parameters["BODY"] == "8BITMIME"
    assert int(server.message.parameters["SIZE"]) == len(server.message.data)


@pytest.mark.parametrize("args, mail_parameters, rcpt_parameters", [
    (["-N", "success,failure"], {}, {"NOTIFY": "SUCCESS,FAILURE"}),
    (["-N", "never"], {}, {"NOTIFY": "NEVER"}),
    (["-Nfailure,delay"], {}, {"NOTIFY": "FAILURE,DELAY"}),
    (["-R", "hdrs"], {"RET": "HDRS"}, {}),
    (["-Rfull"], {"RET": "FULL"}, {}),
    (["-V", "a b+1"], {"ENVID": "a+20b+2B1"}, {}),
])
def test_dsn_options(sandbox, mail, args, mail_parameters, rcpt_parameters):
    server = mail(extensions=("PIPELINING", "DSN", "8BITMIME"))
    sandbox.run(*args, "-t").ok()
    message = server.message
    for key, value in mail_parameters.items():
        assert message.parameters.get(key, "").upper() == value.upper()
    for key, value in rcpt_parameters.items():
        assert sorted(message.attempts[0].parameters.get(key, "").upper().split(",")) == sorted(
            value.split(",")
        )


def test_dsn_options_without_dsn(sandbox, mail):
    server = mail()
    sandbox.run("-N", "success", "-R", "full", "-V", "x", "-t").ok()
    assert set(server.message.parameters) <= {"SIZE", "BODY"}
    assert server.message.attempts[0].parameters == {}


@pytest.mark.parametrize("args", [["-N", "nonsense"], ["-N", "never,success"], ["-R", "some"],
                                  ["-B", "9BIT"], ["-h", "many"], ["-V", "\u00e4"], ["-N", ""]])
def test_C12_bad_values_never_lose_the_mail(sandbox, mail, args):
    server = mail(extensions=("PIPELINING", "DSN", "8BITMIME"))
    result = sandbox.run(*args, "-t")
    assert result.rc == 0 and result.out == b""
    assert len(server.messages) == 1


# --- options ------------------------------------------------------------


@pytest.mark.parametrize("args", [
    ["-ti"], ["-it"], ["-tf", "x@example.org"], ["-oi", "-t"], ["-t", "-oem", "-oi"],
    ["-t", "-i", "-odi"], ["-t", "-oep", "-om"], ["-t", "-B8BITMIME"], ["-t", "-B", "8BITMIME"],
    ["-t", "-FCronDaemon"], ["-t", "-F", "Cron Daemon"], ["-t", "-m", "-n", "-s", "-G", "-U"],
    ["-t", "-em"], ["-t", "-e", "m"], ["-t", "-h", "3"], ["-t", "-L", "tag"], ["-t", "-p", "esmtp"],
    ["-t", "-d"], ["-t", "-d9.1"], ["-t", "-o", "i"], ["-t", "-oQ/nowhere"], ["-t", "-oMrsmtp"],
    ["-t", "-O", "DeliveryMode=i"], ["-t", "-OErrorMode=m"], ["-t", "-O", "Unknown=x"],
    ["-t", "-oZ9"], ["-t", "-Am"], ["-t", "-Ac"], ["-t", "-bm"], ["-t", "-C", "/etc/passwd"],
    ["-t", "-oitrue"], ["-t", "-oMsremote"],
    ["-t", "-oA/etc/aliases"], ["-t", "-J", "-Q", "-c", "-T"],
])
def test_C03_C09_options_of_old_callers(sandbox, mail, args):
    server = mail()
    sandbox.run(*args).ok()
    assert server.message.recipients == ["bob@example.net"]


@pytest.mark.parametrize("args", [["-d"], ["-oi"], ["-em"], ["-om"], ["-d0.5"]])
def test_C09_options_do_not_swallow_recipients(sandbox, mail, args):
    server = mail()
    sandbox.run(*args, "carl@example.net").ok()
    assert server.message.recipients == ["carl@example.net"]


@pytest.mark.parametrize("args", [["carl@example.net", "-f", "x@example.org"],
                                  ["-i", "carl@example.net", "-f", "x@example.org", "-oem"]])
def test_C08_options_behind_recipients(sandbox, mail, args):
    server = mail()
    sandbox.run(*args).ok()
    assert server.message.recipients == ["carl@example.net"]
    assert server.message.sender == "x@example.org"


@pytest.mark.parametrize("option", ["-Z", "-x", "-E", "--nonsense", "--help-me", "-bz"])
def test_C10_unknown_option(sandbox, mail, option):
    """C-19."""
    server = mail()
    result = sandbox.run(option, "bob@example.net").failed(64)
    assert option.encode() in result.err
    assert server.connections == []
    sandbox.nothing_stored()


def test_C10_unknown_option_does_not_read_stdin(sandbox, mail):
    mail()
    reader, writer = os.pipe()
    try:
        sandbox.run("-Z", "bob@example.net", stdin=reader, timeout=10).failed(64)
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("mode", ["-bt", "-bd", "-bD", "-bl", "-bh", "-bH", "-bP", "-ba", "-bC"])
def test_C11_other_modes_never_send(sandbox, mail, mode):
    server = mail()
    sandbox.run(mode, "bob@example.net").failed(64)
    assert server.connections == []
    sandbox.nothing_stored()


def test_C11_verify_never_sends(sandbox, mail):
    server = mail()
    result = sandbox.run("-bv", "bob@example.net")
    assert result.rc in (0, 64)
    assert server.messages == [] and "MAIL" not in server.verbs
    sandbox.nothing_stored()


@pytest.mark.parametrize("option", ["-X", "-D"])
def test_C15_no_option_writes_a_file(sandbox, mail, option):
    """C-15."""
    server = mail()
    path = os.path.join(sandbox.root, "traffic")
    sandbox.run(option, path, "-t")
    assert not os.path.exists(path)
    assert len(server.messages) <= 1


def test_C17_C_option_reads_no_file(sandbox, mail, smarthost):
    """C-17."""
    server = mail()
    evil = smarthost()
    path = sandbox.file("evil.conf", sandbox.account(evil))
    sandbox.run("-C", path, "-t").ok()
    assert len(server.messages) == 1 and evil.connections == []


@pytest.mark.parametrize("args", [["--version"], ["-d0.1"]])
def test_C94_version(sandbox, args):
    result = sandbox.run(*args, stdin=None)
    assert result.rc == 0 and result.err == b""
    assert b"pillarbox" in result.out.lower()


def test_help(sandbox):
    result = sandbox.run("--help", stdin=None)
    assert result.rc == 0 and result.err == b""
    assert b"-t" in result.out


def test_C01_C02_any_name(sandbox, mail):
    """C-22."""
    server = mail()
    link = os.path.join(sandbox.root, "lib-sendmail")
    os.symlink(sandbox.program(), os.path.join(sandbox.root, "sendmail"))
    os.symlink(os.path.join(sandbox.root, "sendmail"), link)
    for argv0 in ("sendmail", "/usr/lib/sendmail", link, "send-mail"):
        sandbox.run("-t", argv0=argv0).ok()
    assert len(server.messages) == 4


@pytest.mark.parametrize("args", [[], ["-i"], ["-bi"], ["-v"]])
def test_C89_newaliases(sandbox, mail, args):
    """C-22."""
    server = mail()
    sandbox.run(*args, argv0="newaliases", stdin=None).ok()
    assert server.connections == []


@pytest.mark.parametrize("args", [["-bi"], ["-I"]])
def test_C89_rebuild_aliases(sandbox, mail, args):
    mail()
    sandbox.run(*args, stdin=None).ok()


# --- results ------------------------------------------------------------


REFUSALS = [
    ({"AUTH:DONE": "535 5.7.8 no such luck"}, 77, "no such luck"),
    ({"AUTH": "534 5.7.9 weak"}, 77, "weak"),
    ({"MAIL": "550 5.7.1 not this address"}, 69, "<ann@example.test>: 550 5.7.1 not this address"),
    ({"MAIL": "553 5.7.1 sender not owned"}, 77, "<ann@example.test>: 553 5.7.1 sender not owned"),
    ({"RCPT": "550 5.1.1 no such user"}, 67, "no such user"),
    ({"DATA": "554 5.6.0 no content"}, None, "no content"),
    ({"FINAL": "554 5.6.0 looks like spam"}, 65, "looks like spam"),
    ({"FINAL": "552 5.3.4 too big"}, 65, "too big"),
]


@pytest.mark.parametrize("script, code, words", REFUSALS)
def test_C67_permanent_refusal(sandbox, mail, script, code, words):
    """D-02, V-08."""
    server = mail(script=script)
    result = sandbox.run("-t").failed(*([code] if code else [65, 69, 77]))
    assert words in result.text
    assert "localhost:%d" % server.port in result.text
    assert server.messages == []
    assert sandbox.entries() == []
    failed = sandbox.failed()
    assert len(failed) == 1
    assert failed[0].id in result.text
    assert failed[0].message == MESSAGE.replace("\n", "\r\n").encode()
    if "RCPT" in script:
        assert "bob@example.net" in result.text


def test_C67_the_refused_recipient_is_named(sandbox, mail):
    mail(script={"RCPT:carl@example.net": "550 5.1.1 no carl", "RCPT:bob@example.net": "551 no bob"})
    result = sandbox.run("bob@example.net", "carl@example.net").failed(67)
    for word in ("bob@example.net", "carl@example.net", "no carl", "no bob"):
        assert word in result.text


def test_C68_partial_refusal(sandbox, mail):
    """V-04."""
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 no such user"})
    sandbox.run("bob@example.net", "carl@example.net", "dora@example.org").ok()
    server.wait_messages(1)
    first = server.messages[0]
    assert first.recipients == ["bob@example.net", "dora@example.org"]
    # The notice goes to the sender through the queue; it may have left it already.
    def notice():
        for message in server.messages[1:]:
            return message.sender, message.recipients, message.data
        for entry in sandbox.entries():
            return entry.sender, list(entry.states), entry.message
        return None

    sender, recipients, data = eventually(notice)
    assert sender == ""
    assert recipients == [USER]
    assert b"multipart/report" in data and b"message/delivery-status" in data
    assert b"carl@example.net" in data and b"5.1.1" in data
    assert b"Final-Recipient:" in data
    assert b"Final-Recipient: rfc822;bob@" not in data.replace(b"; ", b";")
    assert b"dora@example.org" not in data.partition(b"message/delivery-status")[2].partition(b"--")[0]


def test_C68_partial_refusal_with_null_sender(sandbox, mail):
    """V-04."""
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 no such user"})
    sandbox.run("-f", "", "bob@example.net", "carl@example.net").ok()
    assert server.messages[0].recipients == ["bob@example.net"]
    failed = sandbox.failed()
    assert len(failed) == 1
    assert sandbox.entries() == []
    assert failed[0].states["carl@example.net"] == "F"
    assert failed[0].states.get("bob@example.net", "D") == "D"


@pytest.mark.parametrize("script", [
    {"AUTH:DONE": "454 4.7.0 not now"}, {"MAIL": "451 4.3.0 later"}, {"RCPT": "450 4.2.0 grey"},
    {"DATA": "451 4.3.0 later"}, {"FINAL": "451 4.3.0 later"}, {"GREETING": "421 4.3.2 busy"},
    {"EHLO": "421 4.3.2 busy"}, {"EHLO:TLS": "451 4.3.2 busy"}, {"STARTTLS": "454 4.7.0 no TLS now"},
])
def test_C65_N27_transient_refusal_is_queued(sandbox, mail, script):
    """D-02, V-08."""
    server = mail(script=script)
    sandbox.run("-t").ok()
    assert server.messages == []
    entry = sandbox.entry()
    assert entry.pending == ["bob@example.net"]
    assert entry.sender == USER
    assert entry.message == MESSAGE.replace("\n", "\r\n").encode()
    assert sandbox.failed() == []


def test_C66_queue_unwritable_sends_directly(sandbox, mail):
    server = mail()
    sandbox.file(".keep", "")
    os.makedirs(os.path.join(sandbox.state_home, "pillarbox"))
    with open(sandbox.queue, "wb"):
        pass  # a file where the directory would be: nobody can write there, root neither
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_C66_a_part_is_served_and_the_queue_unwritable(sandbox, mail):
    """The words name those who do not have the message."""
    server = mail(rcpt_max=1, extensions=("PIPELINING", "LIMITS RCPTMAX=1"),
                  script={"RCPT:carl@example.net": "451 4.3.0 later",
                          "RCPT:dora@example.net": "451 4.3.0 later"})
    os.makedirs(os.path.join(sandbox.state_home, "pillarbox"))
    with open(sandbox.queue, "wb"):
        pass
    result = sandbox.run("bob@example.net", "carl@example.net", "dora@example.net").failed(73, 75)
    assert "1 of 3 recipients" in result.text
    assert "send it again to <carl@example.net>, <dora@example.net> alone" in result.text
    assert [r for m in server.messages for r in m.recipients] == ["bob@example.net"]


def test_C66_neither_server_nor_queue(sandbox, mail):
    server = mail(script={"MAIL": "451 4.3.0 later"})
    os.makedirs(os.path.join(sandbox.state_home, "pillarbox"))
    with open(sandbox.queue, "wb"):
        pass
    result = sandbox.run("-t").failed(75, 73, 74, 71)
    assert sandbox.queue in result.text
    assert server.messages == []


def test_C71_server_text_is_sanitised(sandbox, mail):
    mail(script={"RCPT": b"550 5.1.1 bad \x1b[31mred\x1b[0m \x07 \xff\xfe \xc3\xa4 " + b"x" * 3000 + b"\r\n"})
    result = sandbox.run("-t").failed(67)
    assert b"\x1b" not in result.err and b"\x07" not in result.err and b"\xff" not in result.err
    assert len(result.err) <= 1024


def test_C34_output_closed(sandbox, mail):
    server = mail()
    script = 'exec "$0" -t <"$1" 1>&- 2>&-'
    path = sandbox.file("message", MESSAGE)
    rc = subprocess.run(["/bin/sh", "-c", script, sandbox.program(), path],
                        env=sandbox.environment(), cwd=sandbox.home, timeout=60).returncode
    assert rc == 0
    assert server.message.data == MESSAGE.replace("\n", "\r\n").encode()


def test_C93_verbose_masks_the_login(sandbox, mail):
    """F-28."""
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "XOAUTH2"):
        server = mail(mechanisms=[mechanism], account={"auth": mechanism.lower()})
        result = sandbox.run("-v", "-t")  # run() looks for secrets in all output
        assert result.rc == 0 and result.out == b""
        assert "EHLO" in result.text and "MAIL FROM:<%s>" % USER in result.text
        assert "250" in result.text
        for line in server.message.connection.commands:
            if line[0].startswith("AUTH ") and line[0].count(" ") == 2:
                assert line[0].split(" ")[2] not in result.text
        for answer in getattr(server.message.connection, "sasl_lines", []):
            assert not answer or answer not in result.text


def test_C16_C18_nothing_happens_before_the_end_of_input(sandbox, mail):
    server = mail()
    child = sandbox.spawn("-t")
    child.stdin.write(MESSAGE.encode())
    child.stdin.flush()
    # The program has read what there is once the pipe is empty again.
    eventually(lambda: pipe_is_empty(child.stdin))
    assert server.connections == []
    assert sandbox.entries() == []
    child.kill()
    child.wait()
    assert server.connections == []
    sandbox.nothing_stored()


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_C80_signal_before_the_end_of_input(sandbox, mail, name):
    """C-33."""
    server = mail()
    child = sandbox.spawn("-t")
    child.stdin.write(MESSAGE.encode())
    child.stdin.flush()
    eventually(lambda: pipe_is_empty(child.stdin))
    number = getattr(signal, "SIG" + name)
    child.send_signal(number)
    assert child.wait(20) == -number
    assert server.connections == []
    sandbox.nothing_stored()


# --- environment --------------------------------------------------------


def test_C75_env_i_and_no_home(sandbox, mail):
    """Without HOME the passwd entry's home is used: here the configuration comes by variable (C-35)."""
    server = mail()
    rc = subprocess.run([sandbox.program(), "-t"], input=MESSAGE.encode(), capture_output=True,
                        env={"PILLARBOX_CONFIG": sandbox.config_path,
                             "PILLARBOX_QUEUE_DIRECTORY": sandbox.directory("queue"),
                             "ASAN_OPTIONS": "detect_leaks=0"}, cwd="/", timeout=60)
    assert (rc.returncode, rc.stdout, rc.stderr) == (0, b"", b"")
    assert len(server.messages) == 1


def test_C75_working_directory_gone(sandbox, mail):
    """C-34."""
    server = mail()
    path = sandbox.directory("gone")
    rc = subprocess.run(["/bin/sh", "-c", 'rmdir "$1"; exec "$0" -t', sandbox.program(), path],
                        input=MESSAGE.encode(), capture_output=True, env=sandbox.environment(),
                        cwd=path, timeout=60)
    assert (rc.returncode, rc.stdout) == (0, b""), rc
    assert len(server.messages) == 1


def test_C79_signals_ignored_and_blocked_by_the_caller(sandbox, mail):
    server = mail(account={"password": None, "password_command": "echo s3cret pass"})

    def prepare():
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM})

    sandbox.run("-t", preexec_fn=prepare).ok()
    assert len(server.messages) == 1


def test_ipv6_is_tried_and_ipv4_is_enough(sandbox, mail):
    """N-03: a name with several addresses, one of which listens."""
    server = mail(account={"host": "localhost"})
    result = sandbox.run("-t").ok()
    assert len(server.messages) == 1
    assert result.seconds < 5


def test_several_hosts_in_order_of_trial(sandbox, smarthost):
    server = smarthost()
    sandbox.configure(server, host="127.0.0.2, 127.0.0.1")
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_unix_socket(sandbox, smarthost):
    path = os.path.join(sandbox.root, "smtp.sock")
    server = smarthost(unix_path=path, tls=False, users={}, mechanisms=())
    sandbox.configure(None, host=None, socket=path, tls="none", user=None, password=None,
                      port=None, tls_trust_file=None)
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_lmtp_replies_for_each_recipient(sandbox, mail):
    server = mail(lmtp=True, tls=False, users={}, mechanisms=(),
                  account={"tls": "none", "user": None, "password": None},
                  script={"FINAL:carl@example.net": "450 4.2.2 mailbox full"})
    sandbox.run("bob@example.net", "carl@example.net").ok()
    assert "LHLO" in server.verbs and "EHLO" not in server.verbs
    entry = sandbox.entry()
    assert entry.pending == ["carl@example.net"]


def test_ehlo_name(sandbox, mail):
    server = mail(account={"ehlo": "client.example.test"})
    sandbox.run("-t").ok()
    assert server.message.connection.ehlo == ["client.example.test"] * 2


def test_parallel_invocations(sandbox, mail):
    """C85: they do not wait for each other."""
    server = mail()
    arrived = threading.Barrier(5, timeout=30)

    def meet(context):
        try:
            arrived.wait()
        except threading.BrokenBarrierError:
            return "451 4.3.0 nobody else came"
        return None

    server.script["MAIL"] = meet
    children = [sandbox.spawn("-t") for _ in range(5)]
    threads = [threading.Thread(target=c.communicate, args=(MESSAGE.encode(),)) for c in children]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [c.returncode for c in children] == [0] * 5
    assert len(server.messages) == 5
    assert sandbox.entries() == []


def test_answers_while_uploading_do_not_deadlock(sandbox, mail):
    """P-07: the server writes a lot while the client does."""
    body = "x" * 70 + "\n"
    server = mail(script={"BODY": b"", "MAIL": "250-" + "y" * 400 + "\n250 ok"})
    sandbox.run("-t", stdin=MESSAGE + body * 40000).ok()
    assert len(server.message.body) > 2_000_000


# --- the real thing -----------------------------------------------------


@pytest.mark.parametrize("auth", ["auto", "plain", "login", "scram-sha-256", "scram-sha-1"])
def test_real_postfix(sandbox, postfix, auth):
    sandbox.configure(postfix_account(postfix), auth=auth)
    sandbox.run("-t").ok()
    stored = postfix.wait_mail("bob@example.net")[0]
    assert stored.endswith(MESSAGE.encode())
    assert b"Return-Path: <ann@example.test>" in stored


def test_real_postfix_by_implicit_tls(sandbox, postfix):
    sandbox.configure(postfix_account(postfix), port=postfix.tls_port, tls="implicit")
    sandbox.run("-t").ok()
    assert postfix.wait_mail("bob@example.net")[0].endswith(MESSAGE.encode())


def test_real_postfix_partial_refusal(sandbox, postfix):
    sandbox.configure(postfix_account(postfix))
    sandbox.run("bob@example.net", "nobody-here@example.net").ok()
    assert postfix.wait_mail("bob@example.net")[0].endswith(MESSAGE.encode())


def test_real_postfix_all_refused(sandbox, postfix):
    sandbox.configure(postfix_account(postfix))
    result = sandbox.run("nobody-here@example.net").failed(67)
    assert "nobody-here@example.net" in result.text


def test_real_postfix_wrong_password(sandbox, postfix):
    sandbox.configure(postfix_account(postfix), password="wrong")
    sandbox.run("-t").failed(77)
    assert postfix.mail("bob@example.net") == []


def test_real_postfix_many_recipients_and_bytes(sandbox, postfix):
    body = "".join("%05d .leading and lone dots\n.\n..\n" % n for n in range(3000))
    sandbox.configure(postfix_account(postfix))
    sandbox.run("-i", "bob@example.net", "carl@example.net", "dora@example.org",
                stdin=MESSAGE + body).ok()
    for box in ("bob@example.net", "carl@example.net", "dora@example.org"):
        assert postfix.wait_mail(box)[0].endswith((MESSAGE + body).encode())


def test_real_postfix_utf8_body(sandbox, postfix):
    text = MESSAGE.replace("a body", "gr\u00fc\u00dfe \u2603")
    sandbox.configure(postfix_account(postfix))
    sandbox.run("-t", stdin=text).ok()
    assert postfix.wait_mail("bob@example.net")[0].endswith(text.encode())


def postfix_account(postfix):
    class Server:
        port = postfix.port
        implicit = False
        lmtp = False

    return Server


def test_connection_refused_names_the_place(sandbox):
    """The words say host, port and what failed, where neither server nor queue is there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

    class Server:
        implicit = False
        lmtp = False

    Server.port = port
    sandbox.configure(Server, host="127.0.0.1")
    os.makedirs(os.path.join(sandbox.state_home, "pillarbox"))
    with open(sandbox.queue, "wb"):
        pass
    result = sandbox.run("-t").failed(75, 73, 74, 71)
    assert "127.0.0.1:%d" % port in result.text
