"""Servers that misbehave: parts 4, 7, 8 and 9 of the robustness tables.

The letters of the tables: OK one copy and exit 0; Q exit 0 and one durable
entry; P(n) exit n and a copy under failed/.
"""

import base64
import os
import re
import threading

import pytest

from conftest import MESSAGE, USER, no_secret_before_tls
from smarthost import CLOSE, HALF_CLOSE, RST, SKIP, STALL, Each

FAST = {"connect_timeout": "2s", "timeout": "2s", "reply_timeout": "2s"}


def queued(sandbox, recipients=("bob@example.net",), **more):
    sandbox.run("-t", **more).ok()
    entry = sandbox.entry()
    assert entry.pending == list(recipients)
    assert sandbox.failed() == []
    return entry


# --- part 4: connection, greeting, reply grammar ------------------------


STAGES = ["GREETING", "EHLO", "STARTTLS", "EHLO:TLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "FINAL"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("end", [CLOSE, RST, HALF_CLOSE], ids=repr)
def test_N25_connection_lost_at(sandbox, mail, stage, end):
    """D-05: behind the dot the outcome is in doubt."""
    server = mail(script={stage: end}, account=FAST)
    entry = queued(sandbox)
    assert server.messages == []
    assert len(server.finals) == (1 if stage == "FINAL" else 0)
    assert entry.message == MESSAGE.replace("\n", "\r\n").encode()
    if stage == "FINAL":
        assert entry.states["bob@example.net"] == "S", "not in doubt: %r" % entry.lines
    elif stage != "BODY":  # there the dot may have left already
        assert entry.states["bob@example.net"] == "R"


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "BODY", "FINAL"])
def test_silence_ends_by_timeout(sandbox, mail, stage):
    server = mail(script={stage: STALL}, account=FAST)
    result = sandbox.run("-t", timeout=30).ok()
    assert result.seconds < 15
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.messages == []


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "EHLO:TLS", "MAIL", "RCPT", "DATA", "FINAL"])
def test_N26_421_at_any_time(sandbox, mail, stage):
    server = mail(script={stage: ["421 4.3.2 going down", CLOSE]})
    entry = queued(sandbox)
    assert server.messages == []
    assert entry.states["bob@example.net"] == "R"


def test_N26_421_by_itself_between_commands(sandbox, mail):
    mail(script={"AUTH:DONE": ["235 2.7.0 ok\n421 4.3.2 idle too long", CLOSE]})
    queued(sandbox)


def test_N05_refused(sandbox, mail):
    server = mail()
    server.refuse()
    queued(sandbox)
    assert server.connections == []


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "nx.example.invalid, also.invalid"])
def test_N01_no_such_host(sandbox, host):
    sandbox.configure(None, host=host, connect_timeout="5s")
    result = sandbox.run("-t", timeout=60).ok()
    assert result.seconds < 30
    assert sandbox.entry().pending == ["bob@example.net"]


@pytest.mark.parametrize("reply", [
    b"220\r\n", b"220-\r\n220 \r\n", b"220-one\r\n220-two\r\n220 three\r\n", b"220 gr\xfc\xdfe\r\n",
    b"220 bare LF\n", b"220-one\n220 two\n", b"220 " + b"x" * 500 + b"\r\n",
])
def test_N11_N13_N17_odd_greetings_are_taken(sandbox, mail, reply):
    server = mail(script={"GREETING": reply})
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


@pytest.mark.parametrize("stage, default", [("MAIL", "250"), ("RCPT", "250"), ("FINAL", "250")])
@pytest.mark.parametrize("form", ["%s\r\n", "%s-\r\n%s\r\n", "%s-a\n%s b\n", "%s-a\r\n%s-b\r\n%s c\r\n"])
def test_N13_odd_replies_are_taken(sandbox, mail, stage, default, form):
    text = form.replace("%s", default).encode()
    server = mail(script={stage: text})
    sandbox.run("-t").ok()
    assert len(server.messages) == 1
    assert sandbox.entries() == []


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "FINAL"])
@pytest.mark.parametrize("reply", [
    b"25\r\n", b"2500 ok\r\n", b"250_ok\r\n", b"abc\r\n", b"\r\n", b" 250 ok\r\n", b"250-a\r\n251 b\r\n",
    b"999 x\r\n", b"000 x\r\n", b"250-a\r\n550 b\r\n", b"\x00250 ok\r\n",
], ids=repr)
def test_N16_garbage_is_no_reply(sandbox, mail, stage, reply):
    server = mail(script={stage: [reply, CLOSE]}, account=FAST)
    sandbox.run("-t").ok()
    assert sandbox.entry().pending == ["bob@example.net"]
    if stage in ("GREETING", "EHLO"):
        no_secret_before_tls(server)


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "EHLO:TLS", "MAIL", "FINAL"])
@pytest.mark.parametrize("flood", ["lines", "line"])
def test_N08_R02_endless_reply(sandbox, mail, stage, flood):
    def pour(context):
        wire = context.session.wire
        piece = b"250-" + b"x" * 60 + b"\r\n" if flood == "lines" else b"250-" + b"y" * 60
        if stage == "GREETING":
            piece = piece.replace(b"250", b"220")
        wire.flush()
        while not context.server.stopped.is_set():
            wire.send(piece * 500)
            wire.flush()
        return CLOSE

    server = mail(script={stage: pour}, account=FAST)
    result = sandbox.run("-t", timeout=30).ok()
    assert result.seconds < 20
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.messages == []


def test_N07_greeting_by_drops(sandbox, mail):
    """The limit is absolute: an octet now and then does not renew it."""
    stop = threading.Event()

    def drip(context):
        while not stop.wait(0.05):
            context.session.wire.send(b"2")
            context.session.wire.flush()
        return CLOSE

    mail(script={"GREETING": drip}, account={"connect_timeout": "1s", "timeout": "30s"})
    result = sandbox.run("-t", timeout=30).ok()
    stop.set()
    assert result.seconds < 10
    assert len(sandbox.entries()) == 1


def test_N19_reply_texts_are_made_tame(sandbox, mail):
    evil = b"450 4.2.0 \x1b]0;title\x07 \x1b[2J\x00 R evil@x.test \xff\xc3\xa4\r\n"
    mail(script={"RCPT": evil})
    entry = queued(sandbox)
    for octet in (b"\x1b", b"\x07", b"\x00", b"\xff"):
        assert octet not in entry.raw.partition(b"\n\n")[0]
    listing = sandbox.run("-bp", stdin=None)
    assert b"\x1b" not in listing.out and b"\x07" not in listing.out


def test_N24_odd_keyword_lists(sandbox, mail):
    server = mail(keywords_tls=["pipelining", "size", "8bitmime ", "AUTH=LOGIN", "auth  plain  login",
                                "X-" + "Y" * 400, "DSN", "dsn", ""])
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER


def test_N24_only_the_old_form_of_AUTH(sandbox, mail):
    server = mail(keywords_tls=["AUTH=PLAIN LOGIN"])
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER


def test_N28_MAIL_refused_then_next_message_is_free(sandbox, mail):
    server = mail(script={"MAIL": Each("550 5.7.1 no")})
    sandbox.run("-t").failed(65, 69, 77)
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


# --- part 7: login ------------------------------------------------------


def held(sandbox, server, *codes):
    """No message went out, nothing is queued, a copy is kept and the words name it."""
    result = sandbox.run("-t", timeout=30).failed(*(codes or (77, 78)))
    assert server.messages == [] and "MAIL" not in server.verbs
    assert sandbox.entries() == []
    failed = sandbox.failed()
    assert len(failed) == 1 and failed[0].id in result.text
    return result


def test_A01_no_login_offered(sandbox, mail):
    server = mail(keywords_tls=["PIPELINING"])
    held(sandbox, server)


def test_A02_only_unknown_mechanisms(sandbox, mail):
    server = mail(keywords_tls=["PIPELINING", "AUTH NTLM GSSAPI X-FOO"])
    result = held(sandbox, server)
    assert "NTLM" in result.text and "GSSAPI" in result.text
    assert "AUTH" not in server.verbs


@pytest.mark.parametrize("reply", ["535 5.7.8 no", "534 5.7.9 too weak", "538 5.7.11 encrypt", "530 5.7.0 no",
                                   "550 5.7.1 disabled"])
def test_A04_login_refused(sandbox, mail, reply):
    server = mail(script={"AUTH:DONE": reply}, mechanisms=["PLAIN"])
    result = held(sandbox, server, 77)
    assert reply[10:] in result.text
    assert "work" in result.text  # the account's name
    assert len(server.connection.auth_attempts) == 1


def test_A04_one_refused_login_is_not_tried_by_all_mechanisms(sandbox, mail):
    server = mail(script={"AUTH:DONE": "535 5.7.8 no"}, mechanisms=["PLAIN", "LOGIN", "SCRAM-SHA-256"])
    held(sandbox, server, 77)
    assert len(server.connection.auth_attempts) <= 1


CHALLENGES = {
    "not base64": "334 ***", "blanks": "334 VXNl cm5hbWU6", "huge": "334 " + "QUFB" * 25_000,
    "bare": b"334\r\n", "padding": "334 QQ=", "wrong code": "220 what", "digits only": b"334",
}


@pytest.mark.parametrize("case", CHALLENGES)
@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "SCRAM-SHA-256"])
def test_A06_bad_challenges(sandbox, mail, case, mechanism):
    value = CHALLENGES[case]
    if isinstance(value, bytes) and not value.endswith(b"\n"):
        value = [value, CLOSE]
    server = mail(script={"AUTH": [value, STALL]}, mechanisms=[mechanism],
                  account=dict(FAST, auth=mechanism.lower()))
    result = sandbox.run("-t", timeout=30)
    assert result.rc in (0, 77), result
    assert server.messages == [] and "MAIL" not in server.verbs
    assert len(sandbox.entries()) + len(sandbox.failed()) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "XOAUTH2"])
def test_A07_endless_challenges(sandbox, mail, mechanism):
    def endless(context):
        session = context.session
        for _ in range(10_000):
            session.emit("334 " + base64.b64encode(b"again").decode())
            line = session.read_line()
            if line == "*":
                return "501 5.7.0 cancelled"
        raise AssertionError("the client answered ten thousand challenges")

    server = mail(script={"AUTH": endless}, mechanisms=[mechanism],
                  account=dict(FAST, auth=mechanism.lower()))
    result = sandbox.run("-t", timeout=30)
    assert result.rc in (0, 77), result
    assert server.messages == [] and "MAIL" not in server.verbs


def scram_case(sandbox, mail, script, **more):
    server = mail(script=script, mechanisms=["SCRAM-SHA-256"], account=dict(FAST, auth="scram-sha-256"),
                  **more)
    result = sandbox.run("-t", timeout=30)
    assert result.rc in (0, 77), result
    assert server.messages == [] and "MAIL" not in server.verbs, "the client went on"
    assert len(sandbox.entries()) + len(sandbox.failed()) == 1
    return result


def test_A08_success_without_a_signature(sandbox, mail):
    scram_case(sandbox, mail, {"AUTH": "235 2.7.0 welcome"})

def test_A08_final_without_a_signature(sandbox, mail):
    scram_case(sandbox, mail, {"SASL:FINAL": SKIP})


def field(name, value):
    return lambda context: re.sub(r"(^|,)%s=[^,]*" % name, r"\g<1>%s=%s" % (name, value), context.default)


SCRAM = {
    "A10-foreign-nonce": {"SASL:FIRST": field("r", "somebodyelse")},
    "A10-our-nonce-alone": {"SASL:FIRST": lambda c: "r=" + re.search(
        r"r=([^,]{1,18})", c.default).group(1)[:6] + "," + c.default.partition(",")[2]},
    "A12-empty-salt": {"SASL:FIRST": field("s", "")},
    "A12-salt-not-base64": {"SASL:FIRST": field("s", "*****")},
    "A12-huge-salt": {"SASL:FIRST": field("s", "QUFB" * 250_000)},
    "A13-mandatory-extension": {"SASL:FIRST": lambda c: "m=ext," + c.default},
    "A13-reordered": {"SASL:FIRST": lambda c: ",".join(reversed(c.default.split(",")))},
    "A13-doubled": {"SASL:FIRST": lambda c: c.default + "," + c.default},
    "A13-doubled-nonce": {"SASL:FIRST": lambda c: c.default.partition(",")[0] + "," + c.default},
    "A13-doubled-rounds": {"SASL:FIRST": lambda c: c.default + ",i=1"},
    "A12-long-salt": {"SASL:FIRST": field("s", "QUFB" * 1000)},
    "no-rounds": {"SASL:FIRST": field("i", "0")},
    "negative-rounds": {"SASL:FIRST": field("i", "-1")},
    "few-rounds": {"SASL:FIRST": field("i", "1")},
    "endless-rounds": {"SASL:FIRST": field("i", "4294967295")},
    "overflowing-rounds": {"SASL:FIRST": field("i", "99999999999999999999")},
    "wrong-signature": {"SASL:FINAL": "v=" + base64.b64encode(b"x" * 32).decode()},
    "short-signature": {"SASL:FINAL": lambda c: c.default[:10]},
    "empty-signature": {"SASL:FINAL": "v="},
    "error": {"SASL:FINAL": "e=other-error"},
    "empty-first": {"SASL:FIRST": lambda c: " "},
}


@pytest.mark.parametrize("case", SCRAM)
def test_scram_of_a_false_server(sandbox, mail, case):
    """A-10, A-12, A-13: and rounds and signatures that are wrong: nobody is logged in by them."""
    result = scram_case(sandbox, mail, SCRAM[case])
    assert result.seconds < 15


def test_A16_plus_from_the_clear_list_is_ignored(sandbox, mail):
    server = mail(keywords_clear=["STARTTLS", "AUTH SCRAM-SHA-256-PLUS"], keywords_tls=["AUTH PLAIN"])
    sandbox.run("-t").ok()
    assert server.message.connection.mechanism == "PLAIN"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_A20_token_refused(sandbox, mail, mechanism):
    server = mail(mechanisms=[mechanism], tokens={USER: "another"}, account={"auth": mechanism.lower()})
    result = held(sandbox, server, 77)
    answer = server.connection.sasl_error_answer
    assert answer == (b"" if mechanism == "XOAUTH2" else b"\x01")
    assert "401" in result.text or "invalid_token" in result.text or "535" in result.text


def test_F27_token_is_fetched_anew_once(sandbox, mail):
    counter = os.path.join(sandbox.root, "count")
    helper = sandbox.file(
        "token", "#!/bin/sh\necho x >> %s\nif [ $(wc -l < %s) -gt 1 ]; then echo good; else echo old; fi\n"
        % (counter, counter), 0o700)
    server = mail(mechanisms=["XOAUTH2"], tokens={USER: "good"},
                  account={"auth": "xoauth2", "password": None, "password_command": helper})
    sandbox.run("-t").ok()
    assert len(server.messages) == 1
    with open(counter, encoding="ascii") as file:
        assert len(file.readlines()) == 2


def test_A23_sender_not_owned(sandbox, mail):
    mail(script={"MAIL": "553 5.7.1 not owned by user"})
    result = sandbox.run("-t").failed(77, 69)
    assert "not owned by user" in result.text


# --- part 8: envelope and data ------------------------------------------


def test_V07_DATA_answered_250(sandbox, mail):
    server = mail(script={"DATA": ["250 ok", STALL]}, account=FAST)
    queued(sandbox, timeout=30)
    assert server.finals == []


@pytest.mark.parametrize("reply", ["354 go", "354-a\n354 b"])
def test_V09_354_although_no_recipient(sandbox, mail, reply):
    """Pipelined: the server waits for data that must not be a message."""
    server = mail(script={"RCPT": "550 5.1.1 no", "DATA": reply, "FINAL": "250 2.0.0 taken"})
    sandbox.run("-t").failed(67)
    for transaction in server.finals:
        assert transaction.data.strip() == b"", "the message was sent to nobody"
    assert len(sandbox.failed()) == 1


def test_V09_354_although_all_greylisted(sandbox, mail):
    server = mail(script={"RCPT": "450 4.2.0 grey", "DATA": "354 go", "FINAL": "250 2.0.0 taken"})
    queued(sandbox)
    for transaction in server.finals:
        assert transaction.data.strip() == b""


def test_V10_server_stops_reading(sandbox, mail):
    server = mail(script={"BODY": lambda c: wait_stopped(c)}, account=FAST)
    body = "x" * 70 + "\n"
    result = sandbox.run("-t", stdin=MESSAGE + body * 200_000, timeout=40).ok()
    assert result.seconds < 25
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.messages == []


def wait_stopped(context):
    """Neither reads nor answers."""
    context.session.wire.flush()
    context.server.stopped.wait(30)
    return CLOSE


def test_V12_reply_then_reset_in_the_middle_of_the_body(sandbox, mail):
    def refuse(context):
        wire = context.session.wire
        wire.flush()
        wire.receive()
        wire.send(b"552 5.3.4 too much\r\n")
        wire.flush()
        return CLOSE

    server = mail(script={"BODY": refuse}, account=FAST)
    body = "x" * 70 + "\n"
    result = sandbox.run("-t", stdin=MESSAGE + body * 100_000, timeout=40)
    assert result.rc in (0, 65, 69), result
    assert server.messages == []
    if result.rc == 0:
        assert sandbox.entry().pending == ["bob@example.net"]
    else:
        assert "too much" in result.text


CHUNKING = ("PIPELINING", "CHUNKING", "8BITMIME")


@pytest.mark.parametrize("stage", ["BDAT:1", "BDAT:LAST"])
@pytest.mark.parametrize("reply, codes", [("451 4.3.0 later", (0,)), ("554 5.6.0 no", (65, 69))])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_V13_chunk_refused(sandbox, mail, stage, reply, codes, large):
    server = mail(extensions=CHUNKING, script={stage: reply})
    text = MESSAGE + ("x" * 70 + "\n") * (60_000 if large else 1)
    result = sandbox.run("-t", stdin=text, timeout=40)
    refused = any(
        t.reply[:1] in ("4", "5") or getattr(t, "refused", False) for t in server.transactions
    )
    if not refused:
        # The message went in one chunk, so that there was no first one before the last.
        assert stage == "BDAT:1" and result.rc == 0 and len(server.messages) == 1
        return
    assert result.rc in codes, result
    assert server.messages == []
    if result.rc == 0:
        assert sandbox.entry().pending == ["bob@example.net"]
    else:
        assert len(sandbox.failed()) == 1


@pytest.mark.parametrize("reply", ["221 bye", "421 4.3.2 bye", "500 what", "451 no"])
def test_V16_RSET_refused(sandbox, mail, reply):
    server = mail(script={"RSET": reply, "DATA": Each("451 4.3.0 later")})
    queued(sandbox)
    server.script.clear()
    sandbox.run("-qf", stdin=None)
    server.wait_messages(1)
    assert len(server.messages) == 1


@pytest.mark.parametrize("code", ["555 5.5.4 parameter", "504 5.5.4 parameter", "501 5.5.4 parameter"])
def test_V17_parameters_refused(sandbox, mail, code):
    def refuse(context):
        return code if " " in context.line.partition(">")[2] else None

    server = mail(script={"MAIL": refuse})
    result = sandbox.run("-t")
    if result.rc == 0:
        assert len(server.messages) == 1 and server.message.parameters == {}
    else:
        result.failed(65, 69)
        assert code[10:] in result.text and len(sandbox.failed()) == 1


# --- part 9: final reply, QUIT, pipelining ------------------------------


@pytest.mark.parametrize("behind", [CLOSE, RST, STALL, "421 bye", b"garbage\r\n", HALF_CLOSE], ids=repr)
def test_D01_accepted_whatever_follows(sandbox, mail, behind):
    server = mail(script={"FINAL": ["250 2.0.0 taken", behind]}, account=FAST)
    server.expects_violations = True
    result = sandbox.run("-t", timeout=30).ok()
    assert result.seconds < 10
    assert len(server.finals) == 1
    assert sandbox.entries() == [] and sandbox.failed() == []


@pytest.mark.parametrize("behind", [CLOSE, RST, STALL, "500 what"], ids=repr)
def test_D01_T27_QUIT_does_not_matter(sandbox, mail, behind):
    server = mail(script={"QUIT": behind}, account=FAST)
    result = sandbox.run("-t", timeout=30).ok()
    assert result.seconds < 5
    assert len(server.messages) == 1
    assert sandbox.entries() == []


@pytest.mark.parametrize("reply", ["354 more", "220 hello", "334 ", "100 x", b"garbage\r\n", "150 x"])
def test_D03_nonsense_for_the_dot_is_doubt(sandbox, mail, reply):
    mail(script={"FINAL": [reply, CLOSE]}, account=FAST)
    entry = queued(sandbox)
    assert entry.states["bob@example.net"] == "S"
    assert b"Message-ID: <one@example.test>" in entry.message


def test_D04_no_answer_to_the_dot(sandbox, mail):
    server = mail(script={"FINAL": STALL}, account=dict(FAST, reply_timeout="1s"))
    entry = queued(sandbox, timeout=30)
    assert entry.states["bob@example.net"] == "S"
    assert len(server.finals) == 1


def test_D07_reply_in_two_pieces(sandbox, mail):
    server = mail(script={"FINAL": [b"25", b"0 2.0.0 ta", b"ken\r", b"\n"]})
    sandbox.run("-t").ok()
    assert len(server.finals) == 1 and sandbox.entries() == []


def test_P01_fewer_replies_than_commands(sandbox, mail):
    mail(script={"RCPT:1": b""}, account=FAST)
    sandbox.run("a@x.test", "b@x.test", timeout=30).ok()
    assert set(sandbox.entry().pending) == {"a@x.test", "b@x.test"}


@pytest.mark.parametrize("extra", ["250 2.1.5 extra", "250 2.0.0 taken", "354 go", "450 4.2.0 extra"])
def test_P02_more_replies_than_commands(sandbox, mail, extra):
    """A reply too many must not be taken for the answer to the dot."""
    server = mail(script={"DATA": "354 go\n" + extra, "FINAL": CLOSE}, account=FAST)
    sandbox.run("-t", timeout=30)
    assert server.messages == []
    assert len(sandbox.entries()) == 1, "a stray reply was believed"


def test_P02_a_refusal_before_the_body(sandbox, mail):
    """It may be an early refusal (V-12) or one reply too many: the message stays safe either way."""
    server = mail(script={"DATA": "354 go\n550 5.1.1 extra", "FINAL": CLOSE}, account=FAST)
    result = sandbox.run("-t", timeout=30)
    assert server.messages == []
    assert (result.rc, len(sandbox.entries()), len(sandbox.failed())) in ((0, 1, 0), (65, 0, 1))


def test_P02_more_replies_to_RCPT(sandbox, mail):
    server = mail(script={"RCPT:1": "250 2.1.5 ok\n250 2.1.5 ok", "FINAL": CLOSE}, account=FAST)
    sandbox.run("-t", timeout=30)
    assert server.messages == []
    assert len(sandbox.entries()) == 1


def test_P03_replies_belong_by_position(sandbox, mail):
    server = mail(script={"RCPT:1": "450 4.2.0 text names <b@x.test>", "RCPT:2": "250 2.1.5 <a@x.test>"})
    sandbox.run("a@x.test", "b@x.test").ok()
    assert server.message.recipients == ["b@x.test"]
    assert sandbox.entry().pending == ["a@x.test"]


def test_P05_server_that_breaks_off_where_the_message_came_along(sandbox, mail):
    """It cannot refuse MAIL with a message behind it: what was in doubt waits for its replies (I7)."""
    def refuse(context):
        if "bad@" not in context.line:
            return None
        return CLOSE if b"BDAT" in context.session.wire.buffer else "553 5.7.1 not yours"

    server = mail(extensions=("PIPELINING", "CHUNKING", "SIZE"), script={"MAIL": refuse})
    for number in range(6):
        sandbox.run("-odq", "-f", "bad@example.test" if number == 2 else USER, "-t",
                    stdin=MESSAGE.replace("one@", "n%d@" % number)).ok()
    for _ in range(2):
        sandbox.run("-q", stdin=None).ok()
    taken = [m.fields("Message-ID")[0] for m in server.messages if m.sender]
    assert taken == ["<n%d@example.test>" % number for number in (0, 1, 3, 4, 5)]
    assert [m.recipients for m in server.messages if not m.sender] == [["bad@example.test"]]
    assert [entry.sender for entry in sandbox.failed()] == ["bad@example.test"]
    assert "553 5.7.1 not yours" in sandbox.failed()[0].status
    assert sandbox.entries() == []


def test_replies_in_single_octets(sandbox, mail):
    def spell(context):
        return [bytes([o]) for o in context.default.replace("\n", "\r\n").encode() + b"\r\n"]

    # On a busy machine so many small pieces take their time.
    server = mail(account={"connect_timeout": "60s"},
                  script={stage: spell for stage in ("GREETING", "EHLO", "EHLO:TLS", "MAIL", "RCPT", "DATA",
                                                     "FINAL")})
    sandbox.run("-t").ok()
    server.wait_messages(1)  # which it notes behind its last octet
    assert len(server.messages) == 1


def test_body_is_not_sent_twice_on_one_connection(sandbox, mail):
    """I4: what was refused for now is not tried again at once."""
    server = mail(script={"FINAL": "451 4.3.0 later"})
    queued(sandbox)
    assert len(server.finals) == 1
