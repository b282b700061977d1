"""Several recipients, several answers: nobody is forgotten and nobody is told twice."""

import os
import time

import pytest

from conftest import USER, eventually
from smarthost import CLOSE, Each

NO = "550 5.1.1 no such person"


def run_due(sandbox):
    """What a timer does."""
    return sandbox.run("queue", "run", stdin=None, program="pillarbox").ok()


def make_due(sandbox):
    for entry in sandbox.entries():
        os.utime(entry.path, (time.time() - 1, time.time() - 1))


@pytest.mark.parametrize("final", ["451 4.3.0 later", CLOSE], ids=["later", "lost"])
def test_C68_refused_recipient_is_told_of_although_the_message_waits(sandbox, mail, final):
    server = mail(script={"RCPT:b@example.net": NO, "FINAL": Each(final)})
    sandbox.run("-f", USER, "a@example.net", "b@example.net").ok()
    notices = [e for e in sandbox.entries() if e.sender == ""]
    waiting = [e for e in sandbox.entries() if e.sender != ""]
    assert len(notices) == 1 and len(waiting) == 1
    assert list(notices[0].states) == [USER]
    assert b"b@example.net" in notices[0].message and NO.encode() in notices[0].message
    assert b"<a@example.net>" not in notices[0].message
    assert list(waiting[0].states) == ["a@example.net"]
    make_due(sandbox)
    run_due(sandbox)
    # The first call may be at the notice still, in the background.
    eventually(lambda: sandbox.entries() == [])
    assert sandbox.failed() == []
    assert sorted(m.recipients for m in server.messages) == [["a@example.net"], [USER]]


@pytest.mark.parametrize("script", [{"FINAL": "554 5.6.0 bad"}, {"DATA": "554 5.6.0 bad"}], ids=str)
def test_C67_copy_of_a_refused_message_holds_all_recipients(sandbox, mail, script):
    """One was refused by name, and then the message for the other."""
    server = mail(script={"RCPT:b@example.net": Each(NO), **script})
    sandbox.run("a@example.net", "b@example.net").failed(65, 69)
    assert sandbox.entries() == []
    copy = sandbox.failed()[0]
    assert sorted(copy.states) == ["a@example.net", "b@example.net"]
    server.script.clear()
    sandbox.run("queue", "retry", copy.id, stdin=None, program="pillarbox").ok()
    assert sorted(server.message.recipients) == ["a@example.net", "b@example.net"]


def test_C64_no_exit_0_where_nobody_would_hear_of_a_refusal(sandbox, mail):
    """Neither a notice nor a copy can be kept: the words are all that is left."""
    server = mail(script={"RCPT:b@example.net": NO})
    os.makedirs(os.path.dirname(sandbox.queue))
    with open(sandbox.queue, "wb"):
        pass
    result = sandbox.run("a@example.net", "b@example.net").failed(67)
    assert server.message.recipients == ["a@example.net"]
    assert "<b@example.net>: " + NO in result.text
    assert "the other recipients are served" in result.text


@pytest.mark.parametrize("args, words", [
    ([], "the sender gets a notice"),
    (["-f", ""], "a copy is kept: 'pillarbox queue retry "),
    (["-N", "never"], "no notice is sent"),
], ids=str)
def test_C93_verbose_says_who_was_refused_and_who_hears_of_it(sandbox, mail, args, words):
    mail(script={"RCPT:b@example.net": NO})
    result = sandbox.run("-v", *args, "a@example.net", "b@example.net")
    assert result.rc == 0
    line = [line for line in result.text.splitlines() if "recipient refused" in line][-1]
    assert "<b@example.net>: " + NO in line and words in line


def test_C71_long_words_of_the_server_leave_room_for_the_way_out(sandbox, mail):
    mail(script={"RCPT": "550 5.1.1 " + "no such person " * 30})
    result = sandbox.run(*["%d@example.net" % i for i in range(9)]).failed(67)
    assert len(result.err) <= 1024
    assert "'pillarbox queue retry %s' sends it again\n" % sandbox.failed()[0].id in result.text


def test_C65_verbose_says_why_it_waits_and_what_to_do(sandbox, mail):
    mail(account={"tls_trust_file": None})
    result = sandbox.run("-v", "-t")
    assert result.rc == 0
    last = result.text.splitlines()[-1]
    assert last.startswith("sendmail: queued as %s: TLS with " % sandbox.entry().id)
    assert "tls_trust_file" in last
