"""How often the client waits for the server: the measure of latency on a real link."""

import ssl

import pytest

from conftest import MESSAGE

BASE = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES")
CHUNKED = BASE + ("CHUNKING",)

BODY = MESSAGE + "x" * 60 + "\n"


@pytest.mark.parametrize("implicit, extensions, waits", [
    (False, BASE, 7), (False, CHUNKED, 6), (True, BASE, 6), (True, CHUNKED, 5),
], ids=["starttls-data", "starttls-bdat", "implicit-data", "implicit-bdat"])
@pytest.mark.parametrize("count", [1, 5, 50])
def test_waits_from_the_greeting(sandbox, mail, implicit, extensions, waits, count):
    server = mail(implicit=implicit, extensions=extensions, mechanisms=["PLAIN"])
    sandbox.run(*["user%d@example.net" % n for n in range(count)], stdin=BODY).ok()
    assert len(server.message.recipients) == count
    connection = server.connection
    assert connection.waits == waits, connection.flight_commands
    assert server.message.by_bdat == ("CHUNKING" in extensions)


@pytest.mark.parametrize("implicit, extensions, waits", [
    (False, BASE, 7), (False, CHUNKED, 6), (True, BASE, 6), (True, CHUNKED, 5),
], ids=["starttls-data", "starttls-bdat", "implicit-data", "implicit-bdat"])
def test_waits_with_latency(sandbox, mail, implicit, extensions, waits):
    """The time on a slow link is the number of waits times the latency."""
    latency = 0.1
    server = mail(implicit=implicit, extensions=extensions, mechanisms=["PLAIN"], latency=latency)
    result = sandbox.run("-t").ok()
    assert server.connection.waits == waits, server.connection.flight_commands
    # The greeting is delayed as well where it comes by itself.
    assert result.seconds < latency * (waits + 1) + 0.6


def test_quit_travels_with_the_body(sandbox, mail):
    server = mail()
    sandbox.run("-t").ok()
    connection = server.connection
    assert connection.flight_commands[-1][-1] == "QUIT", connection.flight_commands
    assert connection.flight_commands[-1] != ["QUIT"]
    assert connection.flights == connection.waits


def test_envelope_and_data_travel_together(sandbox, mail):
    server = mail()
    sandbox.run("a@x.test", "b@x.test").ok()
    assert ["MAIL", "RCPT", "RCPT", "DATA"] in server.connection.flight_commands


def test_P04_serial_without_pipelining(sandbox, mail):
    """The server counts a fault where commands come together."""
    server = mail(extensions=("SIZE", "8BITMIME"))
    sandbox.run("a@x.test", "b@x.test").ok()
    for flight in server.connection.flight_commands:
        assert len([w for w in flight if w not in ("(body)", "QUIT")]) <= 1, flight


def test_login_with_initial_response(sandbox, mail):
    server = mail(mechanisms=["PLAIN"])
    sandbox.run("-t").ok()
    line = [c for c, _ in server.connection.commands if c.startswith("AUTH")][0]
    assert line.startswith("AUTH PLAIN ") and len(line.split(" ")) == 3


def test_tls_12_costs_its_round_trip_alone(sandbox, mail):
    server = mail(mechanisms=["PLAIN"], max_tls=ssl.TLSVersion.TLSv1_2)
    sandbox.run("-t").ok()
    assert server.connection.waits == 8, server.connection.flight_commands


def test_scram_waits(sandbox, mail):
    server = mail(mechanisms=["SCRAM-SHA-256"])
    sandbox.run("-t").ok()
    assert server.connection.waits == 9, server.connection.flight_commands


def test_queue_run_uses_one_connection(sandbox, mail):
    """A drain: one login, and no more than a wait for each message."""
    server = mail(extensions=CHUNKED, script={"GREETING": "421 4.3.2 later"}, mechanisms=["PLAIN"])
    for number in range(20):
        sandbox.run("-odq", "-t", stdin=MESSAGE.replace("hello", "number %d" % number)).ok()
    assert len(sandbox.entries()) == 20
    assert server.connections == []
    server.script.clear()
    sandbox.run("-qf", stdin=None)
    server.wait_messages(20)
    connection = server.connection
    assert connection.verbs.count("AUTH") == 1
    assert connection.waits <= 6 + 20
    subjects = [m.fields("Subject")[0] for m in server.messages]
    assert subjects == ["number %d" % n for n in range(20)]
    assert sandbox.entries() == []
