"""Every stage of the dialogue meets every end: part 4 of the robustness tables.

The letters of the tables: Q exit 0 and one durable entry; P(n) exit n and a copy under failed/; HOLD
exit 77 and such a copy; +nocred: not an octet of a login or of mail was seen.
"""

import os

import pytest

from conftest import MESSAGE, PASSWORD, USER, eventually, no_secret_before_tls
from smarthost import CLOSE, HALF_CLOSE, RST, STALL, Each

FAST = {"connect_timeout": "2s", "timeout": "2s", "reply_timeout": "2s"}
SERIAL = ("SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES")
CHUNKING = SERIAL + ("CHUNKING",)
RELAY = {"tls": "none", "user": None, "password": None}
RELAY_SERVER = {"tls": False, "users": {}, "mechanisms": ()}
WIRE = MESSAGE.replace("\n", "\r\n").encode()


def queued(sandbox, server, **more):
    """Q: silent, one whole entry, nothing at the server; no wait but the limits of the account."""
    sandbox.run("-t", timeout=30, **more).ok()
    server.wait_idle()
    entry = sandbox.entry()
    assert entry.pending == ["bob@example.net"]
    assert sandbox.failed() == [] and sandbox.leftovers() == [] and server.messages == []
    return entry


def then(*ends):
    """The usual answer of a stage, and something behind it."""
    return lambda context: [context.default, *ends]


# --- the connection ends -------------------------------------------------


@pytest.mark.parametrize("stage, options", [
    ("TLS", {}), ("TLS", {"implicit": True}), ("TLS:DONE", {}), ("GREETING", {"implicit": True}),
    ("SASL:CHALLENGE", {"mechanisms": ("LOGIN",)}), ("AUTH:DONE", {}),
    ("BDAT:LAST", {"extensions": CHUNKING}),
], ids=str)
@pytest.mark.parametrize("end", [CLOSE, RST, HALF_CLOSE], ids=repr)
def test_N25_end_in_place_of_an_answer(sandbox, mail, stage, options, end):
    """N-25: the stages around TLS, inside a login and of BDAT; test_hostile.py has the others."""
    server = mail(script={stage: end}, account=FAST, **options)
    entry = queued(sandbox, server)
    assert entry.message == WIRE
    assert entry.states["bob@example.net"] == ("S" if stage == "BDAT:LAST" else "R")
    no_secret_before_tls(server)


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("PIPELINING", "CHUNKING")], ids=["DATA", "BDAT"])
@pytest.mark.parametrize("end", [CLOSE, "421 4.7.0 too many errors"], ids=["close", "421"])
def test_N25_end_behind_the_refusal_of_all(sandbox, mail, extensions, end):
    """N-25, N-28: everybody was refused for good before the server went: that is told, and nothing waits."""
    script = {"RCPT": "550 5.1.1 unknown", "DATA": [end, CLOSE], "BDAT:LAST": [end, CLOSE]}
    mail(script=script, account=FAST, extensions=extensions)
    sandbox.run("-t").failed(67)
    assert sandbox.entries() == [] and len(sandbox.failed()) == 1


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "STARTTLS", "EHLO:TLS", "AUTH:DONE", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("end", [CLOSE, RST], ids=repr)
def test_N25_end_behind_an_answer(sandbox, mail, stage, end):
    """N-25: the answer is good and the last one: who was accepted at RCPT has nothing yet."""
    server = mail(script={stage: then(end)}, account=FAST, extensions=SERIAL)
    entry = queued(sandbox, server)
    assert entry.states["bob@example.net"] == "R" or stage == "DATA"
    no_secret_before_tls(server)


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "STARTTLS", "MAIL", "DATA", "FINAL"])
def test_N25_end_within_an_answer(sandbox, mail, stage):
    """N-25: half a line is no answer, whatever it begins with."""
    def half(context):
        return [context.default.partition("\n")[0].encode()[:9], CLOSE]

    server = mail(script={stage: half}, account=FAST, extensions=SERIAL)
    entry = queued(sandbox, server)
    assert entry.states["bob@example.net"] == ("S" if stage == "FINAL" else "R")


@pytest.mark.parametrize("end", [CLOSE, RST, HALF_CLOSE], ids=repr)
@pytest.mark.parametrize("extensions", [SERIAL, CHUNKING], ids=["DATA", "BDAT"])
def test_N25_end_in_the_middle_of_the_body(sandbox, mail, end, extensions):
    """N-25: a megabyte is on its way when the server goes."""
    def go(context):
        context.session.wire.flush()
        context.session.wire.receive()
        return end

    server = mail(script={"BODY": go, "BDAT:1": end}, account=FAST, extensions=extensions)
    text = MESSAGE + ("x" * 70 + "\n") * 30_000
    entry = queued(sandbox, server, stdin=text)
    assert entry.message == text.replace("\n", "\r\n").encode()


# --- 421 -----------------------------------------------------------------


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "STARTTLS", "EHLO:TLS", "AUTH", "AUTH:DONE", "MAIL", "RCPT",
                                   "DATA", "FINAL", "BDAT:LAST"])
def test_N26_421_ends_the_dialogue(sandbox, mail, stage):
    """N-26: the client leaves by itself, without another command; a 421 to the dot is no doubt."""
    server = mail(script={stage: ["421 4.3.2 going down", STALL]}, account=FAST,
                  extensions=CHUNKING if stage == "BDAT:LAST" else SERIAL)
    entry = queued(sandbox, server)
    assert entry.states["bob@example.net"] == "R"
    verbs = server.connection.verbs
    last = {"GREETING": [], "EHLO:TLS": ["EHLO"], "AUTH:DONE": ["AUTH"], "FINAL": ["DATA"],
            "BDAT:LAST": ["BDAT"]}.get(stage, [stage])
    assert verbs[-1:] == last
    assert stage != "EHLO" or verbs == ["EHLO"]


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "EHLO:TLS", "AUTH:DONE", "MAIL", "RCPT"])
def test_N26_421_that_nobody_asked_for(sandbox, mail, stage):
    """N-26: it is taken for the answer to what comes next, and ends the dialogue."""
    server = mail(script={stage: then("421 4.4.2 idle too long", STALL)}, account=FAST, extensions=SERIAL)
    assert queued(sandbox, server).states["bob@example.net"] == "R"
    no_secret_before_tls(server)


def test_N26_421_between_messages_of_a_run(sandbox, mail):
    """N-26: the message that was taken is done; the next goes by another connection."""
    server = mail(script={"FINAL": Each(["250 2.0.0 taken", "421 4.4.2 enough", CLOSE])})
    for number in range(2):
        sandbox.run("-odq", "-t", stdin=MESSAGE.replace("hello", "n%d" % number)).ok()
    sandbox.run("-qf", stdin=None)
    sandbox.run("-qf", stdin=None)
    assert [t.fields("Subject")[0] for t in server.finals] == ["n0", "n1"]
    assert sandbox.entries() == []


# --- 4xx and 5xx ---------------------------------------------------------

# Stage; set-up; what a 5xx there is: Q, HOLD or P.
REFUSALS = [
    ("GREETING", {}, "Q"), ("EHLO", {}, "Q"), ("STARTTLS", {}, "Q"), ("EHLO:TLS", {}, "Q"),
    ("AUTH", {}, "HOLD"), ("AUTH:DONE", {}, "HOLD"), ("SASL:CHALLENGE", {"mechanisms": ("LOGIN",)}, "HOLD"),
    ("MAIL", {}, "P"), ("RCPT", {}, "P"), ("DATA", {}, "P"), ("FINAL", {}, "P"),
    ("BDAT:LAST", {"extensions": CHUNKING}, "P"),
]


@pytest.mark.parametrize("stage, options, _", REFUSALS, ids=[r[0] for r in REFUSALS])
@pytest.mark.parametrize("reply", ["451 4.3.0 not now", "400 4.0.0 no code of any list"])
def test_N27_each_verb_refused_for_now(sandbox, mail, stage, options, _, reply):
    """N-27: 4xx to any command waits in the queue."""
    script = {stage: [reply, CLOSE] if stage == "SASL:CHALLENGE" else reply}
    server = mail(script=script, account=FAST, **dict({"extensions": SERIAL}, **options))
    assert queued(sandbox, server).states["bob@example.net"] == "R"
    no_secret_before_tls(server)


@pytest.mark.parametrize("stage, options, outcome", REFUSALS, ids=[r[0] for r in REFUSALS])
@pytest.mark.parametrize("reply", ["554 5.3.0 never and never", "599 5.0.0 never and never"])
def test_N28_each_verb_refused_for_good(sandbox, mail, stage, options, outcome, reply):
    """N-28: before the login a 5xx may be that of a wrong server, and waits; a login is held; mail is refused."""
    script = {stage: [reply, CLOSE] if stage == "SASL:CHALLENGE" else reply}
    server = mail(script=script, account=FAST, **dict({"extensions": SERIAL}, **options))
    if outcome == "Q":
        queued(sandbox, server)
        no_secret_before_tls(server)
        return
    result = sandbox.run("-t").failed(*([77] if outcome == "HOLD" else [65, 67, 69]))
    assert reply in result.text
    assert server.messages == [] and sandbox.entries() == []
    copy, = sandbox.failed()
    assert copy.id in result.text and copy.message == WIRE
    assert outcome != "HOLD" or "MAIL" not in server.verbs


@pytest.mark.parametrize("extensions", [SERIAL, SERIAL + ("PIPELINING",)], ids=["serial", "pipelined"])
def test_N27_N28_RCPT_is_about_that_recipient(sandbox, mail, extensions):
    """N-27, N-28: one waits, one is refused and told of, one has it."""
    server = mail(script={"RCPT:b@x.test": "450 4.2.0 later", "RCPT:c@x.test": "550 5.1.1 nobody"},
                  extensions=extensions)
    sandbox.run("a@x.test", "b@x.test", "c@x.test").ok()
    eventually(lambda: len(server.messages) == 2)
    assert server.messages[0].recipients == ["a@x.test"]
    assert server.messages[1].sender == "" and server.messages[1].recipients == [USER]
    eventually(lambda: [e.pending for e in sandbox.entries()] == [["b@x.test"]])


@pytest.mark.parametrize("reply", ["451 4.3.0 no", "554 5.3.0 no", "221 bye", "999 what"])
def test_N27_N28_QUIT_and_RSET_refused(sandbox, mail, reply):
    """N-27, N-28: what is answered to QUIT is of no account, and to RSET of none for a message that is done."""
    server = mail(script={"QUIT": reply, "RSET": reply})
    for number in range(2):
        sandbox.run("-odq", "-t", stdin=MESSAGE.replace("hello", "n%d" % number)).ok()
    sandbox.run("-qf", stdin=None).ok()
    assert len(server.messages) == 2 and sandbox.entries() == []


# --- greeting, EHLO, HELO ------------------------------------------------


@pytest.mark.parametrize("greeting", ["554 5.3.2 no", "421 4.3.2 no", "500 no", "530 no", "501 no", "221 bye", "354 go",
                                      "250 ok", "334 ", b"\x00\x01\x02\xff\r\n", b"Welcome\r\n"], ids=repr)
def test_N09_N10_no_command_behind_a_bad_greeting(sandbox, mail, greeting):
    """N-09, N-10: at most QUIT, and the client closes."""
    server = mail(script={"GREETING": [greeting, STALL]}, account=FAST)
    queued(sandbox, server)
    assert server.connection.raw_before_tls in (b"", b"QUIT\r\n")


def test_N09_next_server_behind_554(sandbox, smarthost):
    """N-09: a host that does not serve is passed over where there is another."""
    first = smarthost(address="127.0.0.2", script={"GREETING": "554 5.3.2 no service here"})
    second = smarthost(port=first.port)
    sandbox.configure(second, host="127.0.0.2, 127.0.0.1")
    sandbox.run("-t").ok()
    assert len(second.messages) == 1 and "EHLO" not in first.verbs


@pytest.mark.parametrize("reply", ["500 what", "502 what", "504 what", "550 what"])
def test_N22_HELO_on_loopback_alone(sandbox, smarthost, reply):
    """N-22: a relay that knows HELO only serves where neither TLS nor a login is asked for."""
    server = smarthost(extensions=(), script={"EHLO": reply}, **RELAY_SERVER)
    sandbox.configure(server, **RELAY)
    sandbox.run("-t").ok()
    assert "HELO" in server.verbs and len(server.messages) == 1
    server = smarthost(script={"EHLO:ANY": reply, "EHLO": reply})
    sandbox.configure(server)
    queued(sandbox, server)
    assert server.verbs[:1] == ["EHLO"] and "HELO" not in server.verbs
    no_secret_before_tls(server)


@pytest.mark.parametrize("reply", ["451 4.3.0 no", "550 no"])
def test_N27_N28_HELO_refused(sandbox, mail, reply):
    """N-27, N-28: then the relay takes nothing now."""
    server = mail(account=RELAY, extensions=(), script={"EHLO": "500 what", "HELO": reply}, **RELAY_SERVER)
    queued(sandbox, server)


@pytest.mark.parametrize("reply", ["220 again", "221 bye", "354 go", "421 4.3.2 no", "501 no", "530 no"])
def test_N23_EHLO_answered_by_something_else(sandbox, mail, reply):
    """N-23: Q, and nothing but QUIT behind it."""
    server = mail(script={"EHLO": [reply, STALL]}, account=FAST)
    queued(sandbox, server)
    lines = server.connection.raw_before_tls.split(b"\r\n")
    assert lines[0].startswith(b"EHLO ") and lines[1:] in ([b""], [b"QUIT", b""])


def test_N24_keywords_in_any_dress(sandbox, mail):
    """N-24: case, tabs and repetition do not matter; the old AUTH= is understood; unknown ones are passed over."""
    server = mail(keywords_tls=["pipelining\t", "PIPELINING", "Size\t1000000", "size", "8bitmime \t", "X", "X=Y",
                                "auth=plain", "Auth\tPlain  Login", "X-\xe4\xf6", "123", "-"])
    sandbox.run("-t", stdin=MESSAGE.replace("a body", "gr\u00fc\u00df")).ok()
    assert server.message.connection.user == USER
    assert server.message.parameters["BODY"] == "8BITMIME"


def test_N24_a_list_without_anything(sandbox, mail):
    """N-24: an empty list offers nothing, and a message can do without."""
    server = mail(keywords_clear=[], keywords_tls=[], account=RELAY, **RELAY_SERVER)
    sandbox.run("-t").ok()
    assert server.message.parameters == {} and server.verbs.count("MAIL") == 1


@pytest.mark.parametrize("stage", ["keywords_clear", "keywords_tls"])
def test_N24_ten_thousand_keywords(sandbox, mail, stage):
    """N-24: the list has a limit."""
    server = mail(account=FAST, **{stage: ["X-%d" % n for n in range(10_000)] + ["STARTTLS", "AUTH PLAIN"]})
    queued(sandbox, server)
    no_secret_before_tls(server)
    assert "AUTH" not in server.verbs


# --- the grammar of replies ----------------------------------------------


def test_N16_NUL_does_not_hide_the_rest_of_a_reply(sandbox, mail):
    """N-16: what stands behind it is read: keywords, and the words of a refusal."""
    server = mail(script={"EHLO": b"250-smart\0host\r\n250-X\0Y\r\n250 STARTTLS\r\n",
                          "RCPT": b"550 5.1.1 no\0body of that name\r\n"})
    result = sandbox.run("-t").failed(67)
    assert "body of that name" in result.text
    assert server.connection.tls_version and sandbox.failed()[0].states == {"bob@example.net": "F"}


def test_N16_NUL_in_the_code_is_no_reply(sandbox, mail):
    """N-16: a code is three digits; 2, 5, NUL is none."""
    server = mail(script={"FINAL": [b"25\x00 ok\r\n", CLOSE]}, account=FAST)
    assert queued(sandbox, server).states["bob@example.net"] == "S"


@pytest.mark.parametrize("replies", [
    {"MAIL": b"250 ok\n", "RCPT": b"550 5.1.1 no\n"}, {"MAIL": b"250-a\n250 b\n", "RCPT": b"550-a\n550 b\r\n"},
    {"MAIL": b"250-a\r\n250 b\n", "RCPT": b"550 5.1.1 no\n"}, {"MAIL": b"250\n", "RCPT": b"550\n"},
], ids=str)
def test_N13_N17_bare_line_ends_merge_nothing(sandbox, mail, replies):
    """N-13, N-17: two replies in one segment stay two, each for its command."""
    server = mail(script=replies)
    sandbox.run("-t").failed(67)
    assert server.messages == [] and len(sandbox.failed()) == 1


def test_N19_evil_words_everywhere_they_are_shown(sandbox, mail):
    """N-19: on stderr, in the log, in both listings, in the entry and in the notice: letters of UTF-8 and no more."""
    evil = b"550 5.1.1 \x1b[2J\x07\x9b31m\xc2\x9b2J\xff gr\xc3\xbc\xc3\x9fe " + b"w" * 300 + b"\r\n"
    log = os.path.join(sandbox.root, "log")
    server = mail(script={"RCPT:bob@example.net": evil}, more="[log]\nfile = %s\n" % log)
    shown = [sandbox.run("-t").failed(67).err]
    sandbox.run("bob@example.net", "carl@example.net").ok()
    server.wait_messages(2)
    shown.append(server.messages[1].data)
    eventually(lambda: sandbox.entries() == [])
    server.script["RCPT"] = evil.replace(b"550 5", b"450 4")
    sandbox.run("dora@example.net").ok()
    shown.append(sandbox.run("-bp", stdin=None).out)
    shown.append(sandbox.run("queue", "list", program="pillarbox", stdin=None).out)
    shown.append(sandbox.run("queue", "list", "--json", program="pillarbox", stdin=None).out)
    shown.append(sandbox.entry().raw.partition(b"\n\n")[0])
    with open(log, "rb") as file:
        shown.append(file.read())
    for text in shown:
        assert b"www" in text
        for octets in (b"\x1b", b"\x07", b"\x9b", b"\xff"):
            assert octets not in text, (octets, text)
        text.decode("utf-8")


@pytest.mark.parametrize("reply", ["551 5.1.6 not here; try <carl@example.net>", "551 carl@example.net"])
def test_N29_551_is_a_refusal(sandbox, mail, reply):
    """N-29: and its text is never followed."""
    server = mail(script={"RCPT": reply})
    result = sandbox.run("-t").failed(67)
    assert "carl@example.net" in result.text
    assert [a.address for t in server.transactions for a in t.attempts] == ["bob@example.net"]


def test_N29_251_changes_nobody(sandbox, mail):
    """N-29: the server forwards by itself; the recipient stays who it was."""
    server = mail(script={"RCPT": "251 2.1.5 will forward to <carl@example.net>"})
    sandbox.run("-t").ok()
    assert [a.address for t in server.transactions for a in t.attempts] == ["bob@example.net"]
    assert sandbox.entries() == []


@pytest.mark.parametrize("greeting", [
    "HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH_9.2", "+OK ready", "* OK IMAP4rev1",
    b"\x15\x03\x01\x00\x02\x02\x16", b"\x16\x03\x01\x00\x40" + b"x" * 64,
], ids=repr)
def test_N30_another_protocol_is_told_with_a_way_out(sandbox, mail, greeting):
    """N-30: not an octet is said to it, and the words speak of the port."""
    server = mail(script={"GREETING": [greeting, CLOSE]}, account=FAST)
    result = sandbox.run("-v", "-t", timeout=30)
    assert result.rc == 0 and "port" in result.text.splitlines()[-1]
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.connection.raw_before_tls in (b"", b"QUIT\r\n")


@pytest.mark.parametrize("implicit", [False, True], ids=["plain server", "TLS server"])
def test_N31_TLS_and_plain_mixed_up(sandbox, mail, implicit):
    """N-31: bounded, and the words name the setting."""
    server = mail(implicit=implicit, account={"tls": "starttls" if implicit else "implicit", "connect_timeout": "1s"})
    server.expects_violations = True
    result = sandbox.run("-v", "-t", timeout=30)
    assert result.rc == 0
    assert "tls = %s" % ("implicit" if implicit else "starttls") in result.text.splitlines()[-1]
    assert sandbox.entry().pending == ["bob@example.net"] and server.messages == []
    assert PASSWORD.encode() not in b"".join(c.raw_before_tls for c in server.connections)


def test_N32_portal_that_takes_everything_in_clear(sandbox, mail):
    """N-32: it would take a login and mail; it gets neither."""
    server = mail(tls=False, auth_in_clear=True, script={"STARTTLS": "250 ok", "AUTH": "235 welcome"})
    queued(sandbox, server)
    no_secret_before_tls(server)
    assert set(server.verbs) <= {"EHLO", "STARTTLS", "QUIT"}
