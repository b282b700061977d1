"""Several recipients, several answers: nobody is forgotten and nobody is told twice."""

import os
import time

import pytest

from conftest import MESSAGE, USER, eventually
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
    server.wait_messages(1)
    eventually(lambda: len(sandbox.entries()) == 1)
    assert list(sandbox.entry().states) == ["a@example.net"]
    notice = server.message
    assert notice.sender == "" and notice.recipients == [USER]
    assert b"b@example.net" in notice.data and NO.encode() in notice.data
    assert b"<a@example.net>" not in notice.data
    make_due(sandbox)
    run_due(sandbox)
    assert sandbox.entries() == [] and sandbox.failed() == []
    assert [m.recipients for m in server.messages] == [[USER], ["a@example.net"]]


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


@pytest.mark.parametrize("chunking", [False, True])
def test_messages_behind_a_limit_of_the_connection_go_on_another(sandbox, mail, chunking):
    """421 after five messages, as servers with a limit of the connection say it (V-18)."""
    seen = {}

    def limit(context):
        seen[context.connection] = seen.get(context.connection, 0) + 1
        return "421 4.7.0 too many messages" if seen[context.connection] > 5 else None

    extensions = ["PIPELINING", "SIZE 1048576"] + (["CHUNKING"] if chunking else [])
    server = mail(script={"MAIL": limit}, extensions=extensions)
    for number in range(20):
        sandbox.run("-odq", "-t", stdin=MESSAGE.replace("hello", "n%02d" % number)).ok()
    run_due(sandbox)
    assert sandbox.entries() == []
    numbers = [m.data.partition(b"Subject: ")[2][:3] for m in server.messages]
    assert numbers == [b"n%02d" % n for n in range(20)], "in order of arrival"
    assert len(server.connections) <= 5


def test_421_to_every_message_is_no_loop(sandbox, mail):
    server = mail(script={"MAIL": "421 4.7.0 go away"})
    for _ in range(3):
        sandbox.run("-odq", "-t").ok()
    run_due(sandbox)
    assert len(server.connections) <= 3
    assert all(e.status.startswith("00001") for e in sandbox.entries())


def test_refused_login_is_tried_once_although_times_differ(sandbox, mail):
    """Each entry with a time of its own must not become a login of its own (F-33, A-04)."""
    server = mail(script={"MAIL": "451 4.3.0 later"})
    for _ in range(4):
        sandbox.run("-t").ok()
    server.script.clear()
    server.script["AUTH"] = "535 5.7.8 no"
    before = time.time()
    for number, entry in enumerate(sandbox.entries()):
        os.utime(entry.path, (before, before - 1 + 300 * number))
    run_due(sandbox)
    entries = sandbox.entries()
    assert [e.status[:5] for e in entries] == ["00002", "00001", "00001", "00001"]
    for entry in entries:
        assert entry.stat.st_mtime > before + 3000
        assert "535" in entry.status and "login refused" in entry.status
