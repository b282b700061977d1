"""Failure and delay notices: who gets them, and what they are made of (contract C68, RFC 3464)."""

import email
import email.policy
import os
import re
import time

import pytest

from conftest import MESSAGE, USER, eventually
from smarthost import Each

DSN = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
NOBODY = {"RCPT:carl@example.net": "550 5.1.1 no such user"}


def take_apart(data):
    """A notice in its parts, held to the rules of the standards."""
    for line in data.split(b"\r\n"):
        assert len(line) <= 998
        assert b"\n" not in line and b"\r" not in line
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert message.defects == []
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    assert message["Auto-Submitted"].startswith("auto-")
    assert message["MIME-Version"] == "1.0"
    for name in ("Date", "Message-ID", "From", "To", "Subject"):
        assert len(message.get_all(name)) == 1, name
    text, status, original = message.get_payload()
    for part in (text, status, original):
        assert part.defects == []
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers")
    # The email package takes the fields of each block as a message of its own.
    blocks = status.get_payload()
    assert blocks[0]["Reporting-MTA"].startswith("dns; ")
    found = {}
    for block in blocks[1:]:
        if not block.keys():
            continue
        kind, _, address = block["Final-Recipient"].partition(";")
        assert kind in ("rfc822", "utf-8")
        assert block["Action"] in ("failed", "delayed")
        assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", block["Status"])
        found[address.strip()] = block
    assert found
    return message, text.get_content(), found, original


def the_notice(server, count=2):
    """The last of so many messages, which has to be a notice by its envelope."""
    message = server.wait_messages(count)[count - 1]
    assert message.sender == "" and message.line.startswith("MAIL FROM:<>")
    assert message.recipients == [USER]
    return take_apart(message.data)


def age(entry, seconds, attempts=None, warned=None):
    """Makes an entry older, as time would."""
    raw = entry.raw
    created = int(entry.values["created"])
    raw = raw.replace(b"created %d" % created, b"created %d" % (created - seconds), 1)
    if attempts is not None:
        raw = re.sub(rb"(?m)^status \d{5}", b"status %05d" % attempts, raw, count=1)
    if warned is not None:
        raw = re.sub(rb"(?m)^(status \d{5} .).", rb"\1w" if warned else rb"\1-", raw, count=1)
    with open(entry.path, "r+b") as file:
        file.write(raw)
    os.utime(entry.path, (time.time() - 1, time.time() - 1))


def queue_one(sandbox, *args, stdin=MESSAGE):
    sandbox.run("-odq", *args, stdin=stdin).ok()
    return sandbox.entries()[-1]


# --- partial refusal ----------------------------------------------------


def test_C68_partial_refusal(sandbox, mail):
    """C68: one refused, two accepted: one notice, about that one (V-04)."""
    server = mail(script=NOBODY)
    sandbox.run("bob@example.net", "carl@example.net", "dora@example.org").ok()
    message, text, found, original = the_notice(server)
    assert list(found) == ["carl@example.net"]
    block = found["carl@example.net"]
    assert block["Action"] == "failed" and block["Status"] == "5.1.1"
    assert block["Remote-MTA"] == "dns; localhost"
    assert block["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert "carl@example.net" in text and "no such user" in text
    assert "bob@example.net" not in text and "dora@example.org" not in text
    assert message["To"].addresses[0].addr_spec == USER
    assert "hello" in message["Subject"]
    assert original.get_content_type() == "message/rfc822"
    returned = original.get_payload(0)
    assert returned["Message-ID"] == "<one@example.test>"
    assert returned.get_content().split() == ["a", "body"]
    server.wait_idle()
    eventually(lambda: sandbox.entries() == [])
    assert sandbox.failed() == []


def test_C68_several_refused(sandbox, mail):
    """C68: each refused recipient has its own block with its own words."""
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 no carl",
                          "RCPT:dora@example.org": "550 5.2.2 mailbox full",
                          "RCPT:emil@example.org": "551 gone"})
    sandbox.run("bob@example.net", "carl@example.net", "dora@example.org", "emil@example.org").ok()
    _, _, found, _ = the_notice(server)
    assert {a: b["Status"] for a, b in found.items()} == {
        "carl@example.net": "5.1.1", "dora@example.org": "5.2.2", "emil@example.org": "5.0.0"}
    assert found["dora@example.org"]["Diagnostic-Code"] == "smtp; 550 5.2.2 mailbox full"


def test_C68_notice_follows_the_sender_of_f(sandbox, mail):
    """C68: the notice goes to the envelope sender, whoever that is."""
    server = mail(script=NOBODY)
    sandbox.run("-f", "list@example.org", "bob@example.net", "carl@example.net").ok()
    notice = server.wait_messages(2)[1]
    assert notice.sender == "" and notice.recipients == ["list@example.org"]
    message = email.message_from_bytes(notice.data, policy=email.policy.default)
    assert message["From"].addresses[0].addr_spec == "MAILER-DAEMON@example.org"


def test_C68_null_sender_gets_no_notice(sandbox, mail):
    """C68: nobody is told about the null sender's mail; a copy stays."""
    server = mail(script=NOBODY)
    sandbox.run("-f", "<>", "bob@example.net", "carl@example.net").ok()
    server.wait_idle()
    assert len(server.messages) == 1 and sandbox.entries() == []
    assert [list(e.states) for e in sandbox.failed()] == [["carl@example.net"]]


@pytest.mark.parametrize("notify, told", [("never", False), ("delay", False), ("success", False),
                                          ("failure", True), ("failure,delay", True)])
def test_C68_notify(sandbox, mail, notify, told):
    """C68: what -N asks for decides."""
    server = mail(script=NOBODY, extensions=DSN)
    sandbox.run("-N", notify, "bob@example.net", "carl@example.net").ok()
    if told:
        _, _, found, _ = the_notice(server)
        assert list(found) == ["carl@example.net"]
    else:
        server.wait_idle()
        time.sleep(0.3)
        assert len(server.messages) == 1 and sandbox.entries() == []


@pytest.mark.parametrize("ret, whole", [("full", True), ("hdrs", False)])
def test_C68_return(sandbox, mail, ret, whole):
    """C68: what -R asks for comes back."""
    server = mail(script=NOBODY, extensions=DSN)
    sandbox.run("-R", ret, "-V", "id 7+1", "bob@example.net", "carl@example.net").ok()
    _, _, found, original = the_notice(server)
    assert (original.get_content_type() == "message/rfc822") == whole
    assert ("a body" in original.as_string()) == whole
    assert "<one@example.test>" in original.as_string()
    notice = server.messages[1].data
    assert b"Original-Envelope-Id: id 7+1\r\n" in notice


def test_C68_large_message_comes_back_as_its_header(sandbox, mail):
    """C68: a large message is not sent around twice."""
    server = mail(script=NOBODY)
    sandbox.run("bob@example.net", "carl@example.net", stdin=MESSAGE + "0123456789\n" * 20000).ok()
    _, _, _, original = the_notice(server)
    assert original.get_content_type() == "text/rfc822-headers"
    assert len(server.messages[1].data) < 20000


def test_C68_long_and_foreign_words_of_the_server(sandbox, mail):
    """C68: many long lines of UTF-8 from the server break no rule of mail."""
    lines = ["550-5.1.1 " + "gr\u00fc\u00df dich " * 12 for _ in range(12)] + ["550 5.1.1 " + "x" * 480]
    server = mail(script={"RCPT:carl@example.net": ("\r\n".join(lines) + "\r\n").encode()})
    sandbox.run("bob@example.net", "carl@example.net").ok()
    _, text, found, _ = the_notice(server)
    assert "gr\u00fc\u00df dich" in text
    assert found["carl@example.net"]["Diagnostic-Code"].isascii()
    status = server.messages[1].data.partition(b"message/delivery-status")[2].partition(b"\r\n--")[0]
    assert status.isascii()


def test_C68_message_with_8bit_and_strange_subject(sandbox, mail):
    """C68: an 8-bit header and body come back as they were."""
    server = mail(script=NOBODY)
    text = ("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\nMIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
            "\u00fcber alles\n")
    sandbox.run("bob@example.net", "carl@example.net", stdin=text).ok()
    message, _, _, original = the_notice(server)
    assert "gr\u00fc\u00dfe" in str(message["Subject"])
    assert original["Content-Transfer-Encoding"] == "8bit"
    assert "\u00fcber alles" in original.get_payload(0).get_content()


def test_C68_one_refused_one_later(sandbox, mail):
    """C68: the refused one is told at once, the other waits, and is not told of."""
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 no carl",
                          "RCPT:dora@example.org": "450 4.2.0 grey"})
    sandbox.run("bob@example.net", "carl@example.net", "dora@example.org").ok()
    entries = eventually(lambda: [e for e in sandbox.entries() if "dora@example.org" in e.states])
    assert list(entries[0].states) == ["dora@example.org"]
    _, text, found, _ = the_notice(server)
    assert list(found) == ["carl@example.net"] and "dora" not in text


# --- in a queue run ------------------------------------------------------


@pytest.mark.parametrize("script, status", [
    ({"RCPT": "550 5.1.1 no such user"}, "5.1.1"), ({"MAIL": "553 5.7.1 not yours"}, "5.7.1"),
    ({"FINAL": "554 5.6.0 spam"}, "5.6.0"), ({"DATA": "554 no"}, "5.0.0"),
])
def test_C68_refused_in_a_run(sandbox, mail, script, status):
    """C68: a 5xx at any stage of a run: notice to the sender, a copy that says why under failed/."""
    server = mail()
    queue_one(sandbox, "-t")
    server.script.update({stage: Each(reply) for stage, reply in script.items()})
    sandbox.run("-q", stdin=None).ok()
    (reply,) = script.values()
    (failed,) = sandbox.failed()
    assert list(failed.states.values()) == ["F"]
    assert failed.status.startswith("00001 -- " + reply[:3]) and reply in failed.status
    _, text, found, original = the_notice(server, 1)
    assert found["bob@example.net"]["Status"] == status
    assert found["bob@example.net"]["Diagnostic-Code"] == "smtp; " + reply
    assert "the server localhost said: " + reply in text
    assert original.get_payload(0)["Message-ID"] == "<one@example.test>"
    assert sandbox.entries() == []


def test_C68_partly_refused_in_a_run(sandbox, mail):
    """C68: the accepted ones have it once; the rest is told; nothing stays."""
    server = mail()
    queue_one(sandbox, "bob@example.net", "carl@example.net")
    server.script.update(NOBODY)
    sandbox.run("-q", stdin=None).ok()
    sandbox.run("-q", stdin=None).ok()
    _, _, found, _ = the_notice(server)
    assert list(found) == ["carl@example.net"]
    assert server.messages[0].recipients == ["bob@example.net"]
    assert sandbox.entries() == [] and sandbox.failed() == []


def test_C68_refused_once_while_others_wait(sandbox, mail):
    """C68: one refused, one greylisted: the sender hears of the refusal once, not at each run."""
    server = mail(script=dict(NOBODY, **{"RCPT:dora@example.org": "450 4.2.0 grey"}))
    queue_one(sandbox, "carl@example.net", "dora@example.org")
    for _ in range(3):
        sandbox.run("-q", stdin=None).ok()
    assert len(server.messages) == 1
    _, _, found, _ = the_notice(server, 1)
    assert list(found) == ["carl@example.net"]
    assert sandbox.entry().states == {"carl@example.net": "F", "dora@example.org": "R"}
    attempts = [r.address for c in server.connections for t in c.transactions for r in t.attempts]
    assert attempts.count("carl@example.net") == 1


def test_C69_expired(sandbox, mail):
    """C69: given up after the usual limits, with the server's last words."""
    server = mail(script={"RCPT": "450 4.2.0 greylisted for ever"})
    age(queue_one(sandbox, "-t"), 6 * 86400, attempts=20)
    sandbox.run("-q", stdin=None).ok()
    server.script.clear()
    sandbox.run("-q", stdin=None).ok()
    _, text, found, _ = the_notice(server, 1)
    assert found["bob@example.net"]["Action"] == "failed"
    assert "greylisted for ever" in text
    assert len(sandbox.failed()) == 1


def test_C69_expired_with_the_server_down(sandbox, mail):
    """C69: nobody ever answered: the words say so, and the notice waits like any mail."""
    server = mail()
    server.refuse()
    age(queue_one(sandbox, "-t"), 6 * 86400, attempts=20)
    sandbox.run("-q", stdin=None).ok()
    assert len(sandbox.failed()) == 1
    entry = sandbox.entry()
    assert entry.sender == "" and entry.pending == [USER]
    _, text, found, _ = take_apart(entry.message)
    assert found["bob@example.net"]["Diagnostic-Code"].startswith("x-pillarbox; given up after 21 attempts")
    assert found["bob@example.net"]["Status"].startswith(("4.", "5."))
    assert "localhost:%d" % server.port in text.replace("\n    ", " ")


def test_Q11_delay_notice_once(sandbox, mail):
    """After `warn` the sender hears that the mail waits, once."""
    server = mail(script={"RCPT:bob@example.net": "450 4.2.0 grey"})
    age(queue_one(sandbox, "-t"), 5 * 3600, attempts=3)
    sandbox.run("-q", stdin=None).ok()
    message, text, found, original = the_notice(server, 1)
    assert found["bob@example.net"]["Action"] == "delayed"
    assert found["bob@example.net"]["Status"] == "4.2.0"
    assert found["bob@example.net"]["Will-Retry-Until"]
    assert original.get_content_type() == "text/rfc822-headers"
    assert "hello" in message["Subject"] and "given up on" in text
    for _ in range(2):
        sandbox.run("-q", stdin=None).ok()
    assert len(server.messages) == 1
    assert sandbox.entry().pending == ["bob@example.net"]


@pytest.mark.parametrize("args", [["-f", ""], ["-N", "never"], ["-N", "failure"]])
def test_no_delay_notice_where_nobody_wants_one(sandbox, mail, args):
    """The null sender and NOTIFY without DELAY."""
    server = mail(script={"RCPT:bob@example.net": "450 4.2.0 grey"}, extensions=DSN)
    age(queue_one(sandbox, *args, "bob@example.net"), 5 * 3600, attempts=3)
    sandbox.run("-q", stdin=None).ok()
    assert server.messages == [] and len(sandbox.entries()) == 1


def test_C68_refused_notice_makes_no_notice(sandbox, mail):
    """C68: a notice that is refused stays under failed/."""
    server = mail(script=dict(NOBODY, **{"RCPT:" + USER: "550 5.1.1 no ann either"}))
    sandbox.run("bob@example.net", "carl@example.net").ok()
    failed = eventually(sandbox.failed)
    assert [(e.sender, list(e.states)) for e in failed] == [("", [USER])]
    server.wait_idle()
    assert len(server.messages) == 1 and sandbox.entries() == []


def test_C68_never_in_a_run(sandbox, mail):
    """C68: NOTIFY=NEVER holds in the queue as well; the mail itself stays under failed/."""
    server = mail(extensions=DSN)
    queue_one(sandbox, "-N", "never", "-t")
    server.script["RCPT"] = "550 5.1.1 no such user"
    sandbox.run("-q", stdin=None).ok()
    assert sandbox.entries() == [] and len(sandbox.failed()) == 1
    assert server.messages == []


def test_C68_international_recipient(sandbox, mail):
    """C68: an address that is not ASCII, in the form of RFC 6533."""
    server = mail(script={"RCPT:gr\u00fc\u00df@example.net": "550 5.1.1 no such user"},
                  extensions=DSN + ("SMTPUTF8",))
    sandbox.run("bob@example.net", "gr\u00fc\u00df@example.net").ok()
    notice = server.wait_messages(2)[1]
    assert b"Final-Recipient: utf-8; gr\\x{FC}\\x{DF}@example.net\r\n" in notice.data


def hook(sandbox, name):
    """A command that writes the facts it was given, and where they will stand."""
    facts = os.path.join(sandbox.root, name + ".facts")
    command = sandbox.file(name, "#!/bin/sh\nenv | grep '^PILLARBOX_' | sort >> '%s'\n" % facts, 0o755)
    return command, facts


def facts_of(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").partition("=")[::2] for line in file]


def test_on_failure_is_told_what_nobody_else_is(sandbox, mail):
    """The null sender's mail is refused in a run: the command gets the facts, and no secret."""
    command, path = hook(sandbox, "failed")
    server = mail(more="[notify]\non_failure = %s --of 'two words'\n" % command)
    queue_one(sandbox, "-f", "", "-t")
    server.script["RCPT"] = "550 5.1.1 no such user"
    sandbox.run("-q", stdin=None, env={"PILLARBOX_SPARE": "x"}).ok()
    copy = sandbox.failed()[0]
    facts = dict(facts_of(path))
    assert sorted(facts) == ["PILLARBOX_" + n for n in (
        "ACCOUNT", "EVENT", "FILE", "ID", "REASON", "RECIPIENTS", "SENDER")]
    assert facts["PILLARBOX_EVENT"] == "failure" and facts["PILLARBOX_ID"] == copy.id
    assert facts["PILLARBOX_FILE"] == copy.path and facts["PILLARBOX_ACCOUNT"] == "work"
    assert facts["PILLARBOX_SENDER"] == "" and facts["PILLARBOX_RECIPIENTS"] == "bob@example.net"
    assert "550 5.1.1 no such user" in facts["PILLARBOX_REASON"]


def test_on_stuck_once(sandbox, mail):
    """With the delay notice, and for mail whose sender cannot be told as well."""
    command, path = hook(sandbox, "stuck")
    mail(script={"RCPT": "450 4.2.0 grey"}, more="[notify]\non_stuck = %s\n" % command)
    age(queue_one(sandbox, "-f", "", "-t"), 5 * 3600, attempts=3)
    for _ in range(2):
        sandbox.run("-q", stdin=None).ok()
    facts = facts_of(path)
    assert [value for name, value in facts if name == "PILLARBOX_EVENT"] == ["stuck"]
    assert ("PILLARBOX_FILE", sandbox.entry().path) in facts


@pytest.mark.parametrize("command", ["/nonexistent/program", "sh -c 'exit 3'", "sh -c 'kill -9 $$'"])
def test_hook_that_fails_changes_nothing(sandbox, mail, command):
    server = mail(more="[notify]\non_failure = %s\n[log]\nfile = %s\n" % (
        command, os.path.join(sandbox.root, "log")))
    queue_one(sandbox, "-f", "", "-t")
    server.script["RCPT"] = "550 5.1.1 no such user"
    sandbox.run("-q", stdin=None).ok()
    assert len(sandbox.failed()) == 1 and sandbox.entries() == []
    with open(os.path.join(sandbox.root, "log"), encoding="utf-8") as log:
        assert "hook-failed" in log.read()
