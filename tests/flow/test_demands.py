"""What `pillarbox send` can ask of the server: RFC 8689, 2852, 6710, 4865."""

import email
import os
import re
import time

import pytest

from conftest import MESSAGE, USER, eventually

EVERYTHING = (
    "PIPELINING",
    "SIZE 1048576",
    "DSN",
    "REQUIRETLS",
    "DELIVERBY 60",
    "MT-PRIORITY",
    "FUTURERELEASE 86400 2036-01-01T00:00:00Z",
)
DEMANDS = ("--require-tls", "--deliver-by", "2h;R", "--priority=-3", "--hold-for", "1h")


def send(sandbox, *args, **more):
    return sandbox.run("send", *args, program="pillarbox", **more)


def run_due(sandbox):
    return sandbox.run("queue", "run", stdin=None, program="pillarbox").ok()


def age(sandbox, seconds):
    """Makes the one entry as old as that, and due."""
    entry = sandbox.entry()
    created = int(entry.values["created"])
    older = re.sub(rb"(?m)^created \d+$", b"created %d" % (created - seconds), entry.raw, count=1)
    with open(entry.path, "r+b") as file:
        file.write(older)
    os.utime(entry.path, (time.time() - 1, time.time() - 1))


def demands_of(transaction):
    wanted = ("REQUIRETLS", "BY", "MT-PRIORITY", "HOLDFOR")
    return {k: v for k, v in transaction.parameters.items() if k in wanted}


def test_demands_stand_in_mail(sandbox, mail):
    server = mail(extensions=EVERYTHING)
    send(sandbox, *DEMANDS, "-t").ok()
    assert demands_of(server.message) == {
        "REQUIRETLS": True,
        "BY": "7200;R",
        "MT-PRIORITY": "-3",
        "HOLDFOR": "3600",
    }


def test_demands_survive_the_queue_and_its_time_counts(sandbox, mail):
    server = mail(extensions=EVERYTHING)
    send(sandbox, *DEMANDS, "-odq", "-t").ok()
    assert sandbox.entry().values["demands"] == "requiretls by=7200;R priority=-3 hold=3600"
    age(sandbox, 600)
    run_due(sandbox)
    demands = demands_of(server.message)
    assert demands["REQUIRETLS"] is True and demands["MT-PRIORITY"] == "-3"
    seconds, _, mode = demands["BY"].partition(";")
    assert mode == "R" and 6590 <= int(seconds) <= 6600
    assert 2990 <= int(demands["HOLDFOR"]) <= 3000


def test_demands_survive_a_server_that_is_down(sandbox, mail):
    server = mail(extensions=EVERYTHING, script={"MAIL": "451 4.3.0 later"})
    send(sandbox, *DEMANDS, "-t").ok()
    server.script.clear()
    age(sandbox, 0)
    run_due(sandbox)
    assert set(demands_of(server.message)) == {"REQUIRETLS", "BY", "MT-PRIORITY", "HOLDFOR"}


def test_the_time_to_hold_a_message_ends_in_the_queue(sandbox, mail):
    """Then it is not asked for any more, not even of a server that could not."""
    server = mail(extensions=("PIPELINING",))
    send(sandbox, "--hold-for", "10m", "-odq", "-t").ok()
    age(sandbox, 601)
    run_due(sandbox)
    assert demands_of(server.message) == {}


def test_a_message_to_be_returned_is_returned_when_its_time_is_over(sandbox, mail):
    server = mail(extensions=EVERYTHING)
    send(sandbox, "--deliver-by", "10m;R", "-odq", "-f", USER, "bob@example.net").ok()
    age(sandbox, 601)
    run_due(sandbox)
    eventually(lambda: not sandbox.entries())
    assert server.message.recipients == [USER]
    assert b"600 seconds, is over" in b" ".join(server.message.data.split())


def test_a_message_to_be_notified_of_goes_on_when_its_time_is_over(sandbox, mail):
    server = mail(extensions=EVERYTHING)
    send(sandbox, "--deliver-by", "10m;N", "-odq", "-t").ok()
    age(sandbox, 700)
    run_due(sandbox)
    seconds, _, mode = demands_of(server.message)["BY"].partition(";")
    assert mode == "N" and -110 <= int(seconds) <= -100


def test_the_message_has_precedence_over_its_account(sandbox, mail):
    server = mail(
        extensions=EVERYTHING,
        account={"priority": "5", "deliver_by": "4h notify", "hold_for": "2h"},
    )
    send(sandbox, "--priority", "0", "--deliver-by", "2h;R", "-t").ok()
    assert demands_of(server.message) == {
        "MT-PRIORITY": "0",
        "BY": "7200;R",
        "HOLDFOR": "7200",
    }


def test_a_notice_is_not_held_to_a_time(sandbox, mail):
    """It has no sender who could be told of that; REQUIRETLS goes with it, as the message asked for it."""
    demands = {"require_tls": "yes", "deliver_by": "2h return", "hold_for": "1h", "priority": "3"}
    server = mail(account=demands, extensions=EVERYTHING, script={"RCPT:bob@example.net": "550 5.1.1 nobody"})
    sandbox.run("bob@example.net", "carl@example.net").ok()
    server.wait_messages(2)
    assert [m.recipients for m in server.messages] == [["carl@example.net"], [USER]]
    assert demands_of(server.messages[0]) == {
        "REQUIRETLS": True, "BY": "7200;R", "MT-PRIORITY": "3", "HOLDFOR": "3600"}
    assert server.messages[1].sender == "" and demands_of(server.messages[1]) == {"REQUIRETLS": True}


@pytest.mark.parametrize(
    "option, extension",
    [
        ("--require-tls", "REQUIRETLS"),
        ("--deliver-by=2h", "DELIVERBY"),
        ("--priority=1", "MT-PRIORITY"),
        ("--hold-for=1h", "FUTURERELEASE"),
    ],
)
def test_refused_in_words_where_the_server_lacks_it(sandbox, mail, option, extension):
    server = mail(extensions=("PIPELINING",))
    result = send(sandbox, option, "-t")
    assert result.rc == 69 and result.out == b""
    assert result.text.startswith("pillarbox: ") and extension in result.text
    assert server.messages == [] and "MAIL" not in server.verbs
    assert sandbox.entries() == [] and len(sandbox.failed()) == 1


def test_require_tls_message_is_not_returned_whole(sandbox, mail):
    """RFC 8689 section 5."""
    server = mail(extensions=EVERYTHING, script={"RCPT:b@example.net": "550 5.1.1 no"})
    text = MESSAGE.replace("a body", "a body of its own")
    send(sandbox, "--require-tls", "-R", "full", "-f", USER, "a@example.net", "b@example.net", stdin=text).ok()
    server.wait_messages(2)
    notice = next(m for m in server.messages if m.sender == "")
    parts = [p.get_content_type() for p in email.message_from_bytes(notice.data).walk()]
    assert "text/rfc822-headers" in parts and "message/rfc822" not in parts
    assert b"a body of its own" not in notice.data


def test_account_and_config_by_long_options(sandbox, smarthost):
    first, second = smarthost(), smarthost()
    sandbox.configure(first)
    other = sandbox.file(
        "other", sandbox.account(first, name="one") + sandbox.account(second, name="two")
    )
    send(sandbox, "-t", "--config", other, "--account=two").ok()
    assert len(second.messages) == 1 and first.connections == []


def test_help_of_send(sandbox):
    result = send(sandbox, "--help", stdin=None)
    assert result.rc == 0 and result.err == b""
    for word in (b"pillarbox send", b"--require-tls", b"--deliver-by", b"--priority", b"--hold-for"):
        assert word in result.out
