"""Logins with servers that misbehave, and secrets of every form: part 7 of the robustness tables, beside
test_hostile.py."""

import base64
import json
import os

import pytest

from conftest import MESSAGE, PASSWORD, USER
from smarthost import CLOSE, STALL, Each

FAST = {"connect_timeout": "2s", "timeout": "2s", "reply_timeout": "2s"}


def queued(sandbox, server, **more):
    sandbox.run("-t", timeout=30, **more).ok()
    server.wait_idle()
    assert server.messages == [] and "MAIL" not in server.verbs
    assert sandbox.failed() == []
    entry = sandbox.entry()
    assert entry.states == {"bob@example.net": "R"}
    return entry


def held(sandbox, server):
    """HOLD: exit 77, a copy, no mail said to the server."""
    result = sandbox.run("-t", timeout=30).failed(77)
    server.wait_idle()
    assert server.messages == [] and "MAIL" not in server.verbs and sandbox.entries() == []
    copy, = sandbox.failed()
    assert copy.id in result.text
    return result


# --- what the server asks ------------------------------------------------


CHALLENGES = {
    "no base64": "334 ***", "blanks inside": "334 VXNl cm5hbWU6", "bad padding": "334 QUI=QUI=", "one letter": "334 A",
    "8-bit": b"334 \xff\xfe\r\n", "nine kilobytes": "334 " + "QUFB" * 3000,
}


@pytest.mark.parametrize("case", CHALLENGES)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"])
def test_A06_bad_challenge_is_cancelled(sandbox, mail, case, mechanism):
    """A-06: the exchange ends by "*", or with the connection where the line is too long; the message waits."""
    said = []

    def ask(context):
        context.session.emit(CHALLENGES[case])
        said.append(context.session.read_line())
        return "501 5.7.0 cancelled"

    server = mail(script={"AUTH": ask}, mechanisms=[mechanism], account=dict(FAST, auth=mechanism.lower()))
    queued(sandbox, server)
    assert said == ["*"] or (case == "nine kilobytes" and said == [])


@pytest.mark.parametrize("challenge", [b"334\r\n", b"334 \r\n", b"334-\r\n334 \r\n", b"334\n"], ids=repr)
@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "SCRAM-SHA-256", "PLAIN"])
def test_A06_empty_challenge_where_there_must_be_something(sandbox, mail, challenge, mechanism):
    """A-06: nothing to answer is "*" as well."""
    said = []

    def ask(context):
        context.session.emit(challenge)
        said.append(context.session.read_line())
        return "501 5.7.0 cancelled"

    server = mail(script={"AUTH": ask}, mechanisms=[mechanism], account=dict(FAST, auth=mechanism.lower()))
    queued(sandbox, server)
    assert said == ["*"]


@pytest.mark.parametrize("challenge", [b"334 " + b"QUFB" * 25_000 + b"\r\n", b"334 " + b"Q" * 100_000,
                                       b"334-QUFB\r\n" * 10_000 + b"334 QUFB\r\n"], ids=["line", "no end", "lines"])
def test_A06_challenge_of_a_hundred_kilobytes(sandbox, mail, challenge):
    """A-06: limits of a line and of a reply hold here too."""
    server = mail(script={"AUTH": [challenge, STALL]}, mechanisms=["LOGIN"], account=FAST)
    queued(sandbox, server)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2",
                                       "OAUTHBEARER"])
def test_A07_the_client_ends_an_endless_exchange(sandbox, mail, mechanism):
    """A-07: by "*", after as many answers as the mechanism has; Q."""
    answers = []

    def endless(context):
        while True:
            context.session.emit("334 " + base64.b64encode(b"again").decode())
            answers.append(context.session.read_line())
            if answers[-1] == "*":
                return "501 5.7.0 cancelled"

    server = mail(script={"AUTH": endless}, mechanisms=[mechanism], account=dict(FAST, auth=mechanism.lower()))
    queued(sandbox, server)
    assert len(answers) <= 3


@pytest.mark.parametrize("mechanism", ["LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_A08_235_before_the_mechanism_is_complete(sandbox, mail, mechanism):
    """A-08: who is let in without a proof of either side is not where mail should go."""
    server = mail(script={"AUTH": "235 2.7.0 welcome"}, mechanisms=[mechanism],
                  account=dict(FAST, auth=mechanism.lower()))
    queued(sandbox, server)


def test_A08_LOGIN_that_asks_for_the_name_alone(sandbox, mail):
    """A-08: 235 in place of the second question."""
    def half(context):
        context.session.emit("334 VXNlcm5hbWU6")
        context.session.read_line()
        return "235 2.7.0 welcome"

    queued(sandbox, mail(script={"AUTH": half}, mechanisms=["LOGIN"], account=FAST))


def test_A04_each_run_tries_a_refused_login_once(sandbox, mail):
    """A-04: three messages, three timers, one trial: the account waits for the longest pause."""
    server = mail(script={"AUTH:DONE": "534 5.7.9 an app password is needed"}, mechanisms=["PLAIN"])
    for _ in range(3):
        sandbox.run("-odq", "-t").ok()
    for _ in range(3):
        sandbox.run("queue", "run", stdin=None, program="pillarbox").ok()
    assert sum(len(c.auth_attempts) for c in server.connections) == 1
    assert all("534" in entry.status for entry in sandbox.entries())


@pytest.mark.parametrize("keywords", [["AUTH"], ["AUTH NTLM GSSAPI X-FOO DIGEST-MD5 GS2-KRB5"], []], ids=repr)
def test_A01_A02_nothing_to_log_in_by(sandbox, mail, keywords):
    """A-01, A-02: with a password the message is not sent without a login."""
    server = mail(keywords_tls=["PIPELINING"] + keywords)
    result = held(sandbox, server)
    for name in " ".join(keywords).split()[1:]:
        assert name in result.text


def test_A16_mechanisms_of_the_clear_list_alone(sandbox, mail):
    """A-16: none behind TLS is none at all, whatever stood in clear."""
    held(sandbox, mail(keywords_clear=["STARTTLS", "AUTH PLAIN SCRAM-SHA-256-PLUS"], keywords_tls=["SIZE"]))


@pytest.mark.parametrize("reply", ["530 5.7.0 sender not owned", "553 5.7.1 sender not owned"])
def test_A23_sender_that_the_login_does_not_own(sandbox, mail, reply):
    """A-23: P(77) in the server's words."""
    server = mail(script={"MAIL": reply})
    assert reply in sandbox.run("-t").failed(77).text
    assert server.connection.auth_attempts[0][1] and len(sandbox.failed()) == 1 and sandbox.entries() == []


# --- secrets -------------------------------------------------------------


def from_command(sandbox, octets):
    path = sandbox.file("secret.bin", octets)
    return {"password": None, "password_command": "cat " + path}


def from_file(sandbox, octets):
    return {"password": None, "password_file": sandbox.file("secret.bin", octets)}


SOURCES = [from_command, from_file]


@pytest.mark.parametrize("source, mechanism", [
    (from_file, "PLAIN"), (from_command, "LOGIN"), (from_command, "CRAM-MD5"), (from_file, "SCRAM-SHA-256")])
@pytest.mark.parametrize("password", ["  both ends  ", "\ttab\t", "gr\u00fc\u00df", "x" * 500, "a\\b'c\"d;e#f", " "],
                         ids=repr)
def test_A17_password_octet_for_octet(sandbox, mail, source, mechanism, password):
    """A-17: blanks at the ends, 8-bit, long: exact."""
    server = mail(account=dict(source(sandbox, password.encode() + b"\n"), auth=mechanism.lower()),
                  mechanisms=[mechanism], users={USER: password})
    sandbox.run("-t").ok()
    assert server.message.connection.auth_attempts == [(mechanism, True)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("octets", [b"a\0b\n", b"\0\n", b"abc\0"], ids=repr)
def test_A17_NUL_in_a_password(sandbox, mail, source, octets):
    """A-17: refused before anything is said to the server that a part of it could be taken from."""
    server = mail(account=source(sandbox, octets))
    result = sandbox.run("-t")
    assert result.rc in (0, 77, 78), result
    assert "AUTH" not in server.verbs and server.messages == []
    assert result.rc != 0 or len(sandbox.entries()) == 1


@pytest.mark.parametrize("octets", [9_150, 9_250, 30_000])
def test_A17_token_longer_than_the_line_of_AUTH(sandbox, mail, octets):
    """A-17: what does not fit into 12,288 octets of a command goes behind an empty challenge (the smarthost looks)."""
    token = "t" * octets
    server = mail(account={"password": token, "auth": "xoauth2"}, mechanisms=["XOAUTH2"], tokens={USER: token})
    sandbox.run("-t").ok()
    assert server.message.connection.auth_attempts == [("XOAUTH2", True)]


@pytest.mark.parametrize("typed, stored", [("a\u00a0b", "a b"), ("u\u0308ber", "\u00fcber"),
                                           ("\ufb01sh", "\ufb01sh")], ids=ascii)
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_A14_passwords_are_prepared(sandbox, mail, typed, stored, mechanism):
    """A-14: as the manual says, by OpaqueString of RFC 8265: composed letters, plain blanks, and no more."""
    server = mail(account={"password": typed, "auth": mechanism.lower()}, mechanisms=[mechanism],
                  users={USER: stored})
    sandbox.run("-t").ok()
    assert server.message.connection.auth_attempts == [(mechanism, True)]


@pytest.mark.parametrize("user", [",=,", "=2C", "a=3Db", "gr\u00fc\u00df@example.test"])
def test_A14_names_are_quoted(sandbox, mail, user):
    """A-14: comma and equals sign, and what looks like their codes."""
    server = mail(account={"user": user, "auth": "scram-sha-256"}, mechanisms=["SCRAM-SHA-256"], users={})

    # The name stands in the first message; what our server makes of the codes is not the point here.
    sandbox.run("-t")
    want = user.replace("=", "=3D").replace(",", "=2C")
    line = [line for line, _ in server.connections[0].commands if line.startswith("AUTH ")][0]
    first = base64.b64decode(line.split(" ")[2]).decode()
    assert first.split(",")[2] == "n=" + want


# --- tokens --------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("problem", [
    {"status": "401", "schemes": "bearer", "scope": PASSWORD, "error_description": "token %s is old" % PASSWORD},
    {"status": PASSWORD, "schemes": PASSWORD}, {"status": "400 " + PASSWORD, "token": PASSWORD},
], ids=["described", "as status", "behind the status"])
def test_A20_words_that_hold_the_token(sandbox, mail, mechanism, problem):
    """A-20: a server that sends the token back, in the problem and in the reply: it is shown nowhere.

    Sandbox.run looks at stderr, and Entry.check at the copy."""
    log = os.path.join(sandbox.root, "log")

    def refuse(context):
        context.session.emit("334 " + base64.b64encode(json.dumps(problem).encode()).decode())
        answer = context.session.read_line()
        assert answer == ("" if mechanism == "XOAUTH2" else "AQ==")
        return "535 5.7.8 no such token: %s (%s)" % (PASSWORD, base64.b64encode(PASSWORD.encode()).decode())

    server = mail(script={"AUTH": refuse}, mechanisms=[mechanism], account={"auth": mechanism.lower()},
                  more="[log]\nfile = %s\n" % log)
    for args in (["-t"], ["-v", "-t"]):
        result = sandbox.run(*args)
        assert result.rc == 77 and "535" in result.text
    assert server.messages == [] and len(sandbox.failed()) == 2
    with open(log, "rb") as file:
        assert b"s3cret" not in file.read()


def test_A20_status_is_shown(sandbox, mail):
    """A-20: what tells an expired token from a wrong scope."""
    server = mail(mechanisms=["XOAUTH2"], tokens={USER: "another"}, account={"auth": "xoauth2"})
    assert "status 401" in held(sandbox, server).text


def test_A06_A20_connection_lost_behind_the_problem(sandbox, mail):
    """A-06, A-20: that is no refusal; the next attempt may go well."""
    problem = "334 " + base64.b64encode(b'{"status":"401"}').decode()
    server = mail(script={"AUTH": Each([problem, CLOSE])}, mechanisms=["XOAUTH2"],
                  account=dict(FAST, auth="xoauth2"))
    queued(sandbox, server, stdin=MESSAGE)
    sandbox.run("-qf", stdin=None)
    assert len(server.messages) == 1
