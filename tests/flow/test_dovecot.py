"""The programs against Dovecot's submission service, which hands on to a server of ours. Needs root and Dovecot."""

import re

import pytest

import dovecot as dovecot_module
from conftest import MESSAGE, PASSWORD, TRICKY, USER, Account, eventually
from smarthost import CLOSE, Each
from tap import Tap
from test_bs import CRLF_MESSAGE, Client

EXTENSIONS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")


class Relay:
    """The server behind Dovecot: keeps what it gets, and says what a test wants."""

    def __init__(self, smarthost, dovecot):
        self.smarthost = smarthost
        self.dovecot = dovecot

    def __call__(self, **options):
        address, port = self.dovecot.relay
        options.setdefault("extensions", EXTENSIONS)
        return self.smarthost(tls=False, mechanisms=(), address=address, port=port, **options)


@pytest.fixture
def relay(smarthost, dovecot):
    return Relay(smarthost, dovecot)


@pytest.fixture
def account(sandbox, dovecot):
    return Account(sandbox, dovecot)


def written(message, text):
    """Asserts that the relay got that text, with nothing but a trace field of Dovecot in front."""
    wire = text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    assert message.data.endswith(wire), message.data
    trace = message.data[: -len(wire)]
    assert re.fullmatch(rb"(Received: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*)?", trace), trace


def numbered(number):
    return MESSAGE.replace("<one@", "<n%02d@" % number)


# --- TLS and logins -----------------------------------------------------


@pytest.mark.parametrize("service", ["submission", "tls"])
@pytest.mark.parametrize("auth", ["auto"] + [name.lower() for name in dovecot_module.MECHANISMS])
def test_logins(sandbox, account, relay, service, auth):
    server = relay()
    account.use(service, auth=auth)
    sandbox.run("-t").ok()
    written(server.message, MESSAGE)
    assert server.message.sender == USER and server.message.recipients == ["bob@example.net"]
    sandbox.nothing_stored()


@pytest.mark.parametrize("auth", ["plain", "scram-sha-256"])
def test_wrong_password(sandbox, account, relay, auth):
    server = relay()
    account.use(auth=auth, password="wrong " + PASSWORD[::-1])
    result = sandbox.run("-t").failed(77)
    assert "535" in result.text and "localhost" in result.text
    assert "ssap" not in result.text
    assert len(sandbox.failed()) == 1 and sandbox.entries() == []
    assert sandbox.failed()[0].id in result.text
    assert server.connections == []


@pytest.mark.parametrize("service", ["submission", "tls"])
def test_untrusted_certificate_shows_no_login(sandbox, dovecot, account, relay, certs, service):
    server = relay()
    account.use(service, tls_trust_file=certs.stranger)
    sandbox.run("-t").ok()
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.connections == []
    account.use(service)
    sandbox.run("-q", stdin=None).ok()
    written(server.message, MESSAGE)
    assert sandbox.entries() == []


@pytest.mark.parametrize("service, waits", [("submission", 6), ("tls", 5)])
def test_waits(sandbox, dovecot, account, relay, service, waits):
    server = relay()
    with Tap(dovecot.ports[service]) as tap:
        account.use(service, auth="plain", port=tap.port)
        sandbox.run("bob@example.net", "carl@example.net").ok()
    assert tap.waits == waits
    written(server.message, MESSAGE)


# --- the message --------------------------------------------------------


def test_every_octet_arrives(sandbox, account, relay):
    server = relay()
    account.use()
    sandbox.run("-t", stdin=TRICKY).ok()
    written(server.message, TRICKY)
    assert server.message.parameters["BODY"] == "8BITMIME"


@pytest.mark.parametrize("extensions", [EXTENSIONS, EXTENSIONS + ("CHUNKING",)], ids=["data", "bdat"])
def test_large_message(sandbox, account, relay, extensions):
    """Several chunks, some of them on their way while the first are answered."""
    server = relay(extensions=extensions)
    account.use()
    text = MESSAGE + ("." + "y" * 69 + "\n") * 60_000
    sandbox.run("-t", stdin=text).ok()
    written(server.message, text)


@pytest.mark.parametrize("end", ["", "\n", ".", ".\n", "\n.\n\n", "\r"], ids=repr)
def test_M07_ends_of_messages(sandbox, account, relay, end):
    server = relay()
    account.use()
    text = MESSAGE + "last" + end
    sandbox.run("-i", "-t", stdin=text).ok()
    whole = text.replace("\r", "\n")
    written(server.message, whole if whole.endswith("\n") else whole + "\n")


def test_parameters_are_handed_on(sandbox, account, relay):
    server = relay()
    account.use()
    sandbox.run("-N", "success,failure", "-R", "hdrs", "-V", "id+42", "-t").ok()
    message = server.message
    assert message.parameters["RET"] == "HDRS" and message.parameters["ENVID"] == "id+2B42"
    assert sorted(message.attempts[0].parameters["NOTIFY"].split(",")) == ["FAILURE", "SUCCESS"]


def test_addresses_beyond_ascii(sandbox, account, relay):
    """Dovecot has no SMTPUTF8: a domain has another form, a mailbox has none."""
    server = relay()
    account.use()
    sandbox.run("bob@dörte.example").ok()
    assert server.message.recipients == ["bob@xn--drte-5qa.example"]
    assert "SMTPUTF8" in sandbox.run("dörte@example.net").failed(65).text
    assert len(server.messages) == 1 and sandbox.entries() == []


# --- what the relay says ------------------------------------------------


def test_all_recipients_refused(sandbox, account, relay):
    server = relay(script={"RCPT": "550 5.1.1 no such user"})
    account.use()
    result = sandbox.run("-t").failed(67)
    assert "550 5.1.1 <bob@example.net> no such user" in result.text
    assert server.messages == [] and sandbox.entries() == [] and len(sandbox.failed()) == 1


def test_one_recipient_of_three_refused(sandbox, account, relay):
    server = relay(script={"RCPT:carl@example.net": "550 5.1.1 no such user"})
    account.use()
    sandbox.run("bob@example.net", "carl@example.net", "dora@example.org").ok()
    sandbox.run("-q", stdin=None).ok()
    message, notice = server.wait_messages(2)
    assert message.recipients == ["bob@example.net", "dora@example.org"]
    assert notice.sender == "" and notice.recipients == [USER]
    assert b"Final-Recipient: rfc822; carl@example.net\r\n" in notice.data
    assert b"Diagnostic-Code: smtp; 550 5.1.1 <carl@example.net> no such user\r\n" in notice.data
    eventually(lambda: sandbox.entries() == [])
    assert len(server.messages) == 2


def test_one_recipient_of_two_later(sandbox, account, relay):
    server = relay(script={"RCPT:carl@example.net": "451 4.2.0 greylisted"})
    account.use()
    sandbox.run("bob@example.net", "carl@example.net").ok()
    assert server.message.recipients == ["bob@example.net"]
    assert sandbox.entry().pending == ["carl@example.net"]
    assert "greylisted" in sandbox.entry().status


@pytest.mark.parametrize("stage", ["DATA", "FINAL"])
def test_message_refused(sandbox, account, relay, stage):
    server = relay(script={stage: "554 5.7.1 not this one"})
    account.use()
    result = sandbox.run("-t").failed(65, 69)
    assert "554 5.7.1 not this one" in result.text
    assert server.messages == [] and sandbox.entries() == [] and len(sandbox.failed()) == 1


def test_P05_sender_refused(sandbox, account, relay):
    """Dovecot 2.3 dies of a MAIL that the relay refuses when the message came along, and others with it."""
    server = relay(script={"MAIL": lambda context: "553 5.7.1 not yours" if "bad@" in context.line else None})
    server.expects_violations = True
    account.use()
    for number in range(6):
        sender = "bad@example.test" if number == 2 else USER
        sandbox.run("-odq", "-f", sender, "-t", stdin=numbered(number)).ok()
    # Each run brings some of it to its end, whatever its fate.
    for _ in range(3):
        sandbox.run("-q", stdin=None).ok()
    taken = [message.fields("Message-ID")[0] for message in server.messages if message.sender]
    assert sorted(taken) == ["<n%02d@example.test>" % number for number in (0, 1, 3, 4, 5)]
    assert [entry.sender for entry in sandbox.failed()] == ["bad@example.test"]
    assert "553 5.7.1 not yours" in sandbox.failed()[0].status
    assert sandbox.entries() == []


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "FINAL"])
@pytest.mark.parametrize("reply", ["451 4.3.0 not now", "421 4.3.2 going down", CLOSE], ids=str)
def test_message_for_later(sandbox, account, relay, stage, reply):
    """Whatever becomes of the relay, the message waits, and goes when it is back."""
    server = relay(script={stage: Each(reply)})
    server.expects_violations = True
    account.use()
    sandbox.run("-t").ok()
    assert server.messages == []
    assert sandbox.entry().pending == ["bob@example.net"]
    server.script.clear()
    sandbox.run("-q", stdin=None).ok()
    written(server.message, MESSAGE)
    assert sandbox.entries() == []


def test_relay_away_and_back(sandbox, account, relay):
    account.use()
    sandbox.run("-t").ok()
    assert sandbox.entry().pending == ["bob@example.net"]
    server = relay()
    sandbox.run("-q", stdin=None).ok()
    written(server.message, MESSAGE)
    assert sandbox.entries() == []


def test_message_over_the_size_limit(sandbox, account, relay):
    """The size that the server would take is known behind the login."""
    server = relay()
    account.use(user=dovecot_module.SMALL_USER, **{"from": USER})
    sandbox.run("-t", stdin=MESSAGE + ("z" * 69 + "\n") * 300).failed(65)
    assert server.messages == []
    assert sandbox.entries() == [] and len(sandbox.failed()) == 1
    sandbox.run("-t").ok()
    written(server.message, MESSAGE)


# --- the queue ----------------------------------------------------------


@pytest.mark.parametrize("service", ["submission", "tls"])
def test_thirty_messages_by_one_login(sandbox, dovecot, account, relay, service):
    server = relay()
    texts = [numbered(number) for number in range(30)]
    with Tap(dovecot.ports[service]) as tap:
        account.use(service, auth="plain", port=tap.port)
        for text in texts:
            sandbox.run("-odq", "-t", stdin=text).ok()
        sandbox.run("-q", stdin=None).ok()
    assert len(server.messages) == 30
    for message, text in zip(server.messages, texts):
        written(message, text)
    assert sandbox.entries() == [] and sandbox.failed() == []
    assert len(server.connections) == 1
    assert tap.waits <= 6 + 30 // 5


def test_some_of_many_messages_are_refused(sandbox, account, relay):
    """Replies that travel together are each their own message's."""
    server = relay(script={"RCPT:nobody@example.net": "550 5.1.1 no such user",
                           "RCPT:later@example.net": "451 4.2.0 greylisted"})
    account.use()
    for number in range(12):
        mailbox = {3: "nobody@", 7: "later@"}.get(number, "bob@")
        sandbox.run("-odq", "-t", stdin=numbered(number).replace("bob@", mailbox)).ok()
    sandbox.run("-q", stdin=None).ok()
    sent = [message.fields("Message-ID")[0] for message in server.messages if message.sender]
    assert sent == ["<n%02d@example.test>" % number for number in range(12) if number not in (3, 7)]
    assert [b"<n03@" in entry.raw for entry in sandbox.failed()] == [True]
    waiting = [entry for entry in sandbox.entries() if entry.sender == USER]
    assert [b"<n07@" in entry.raw for entry in waiting] == [True]


@pytest.mark.parametrize("service", ["submission", "tls"])
def test_bs(sandbox, account, relay, service):
    server = relay(script={"RCPT:nobody@example.net": "550 5.1.1 no such user"})
    account.use(service)
    client = Client(sandbox)
    client.open("bob@example.net", "nobody@example.net")
    client.data(CRLF_MESSAGE + b"..\r\n", 250)
    client.open("carl@example.net")
    client.data(CRLF_MESSAGE, 250)
    assert client.quit() == (0, b"")
    sandbox.run("-q", stdin=None).ok()
    messages = {message.recipients[0]: message for message in server.wait_messages(3)}
    written(messages["bob@example.net"], MESSAGE + ".\n")
    written(messages["carl@example.net"], MESSAGE)
    assert b"Final-Recipient: rfc822; nobody@example.net\r\n" in messages[USER].data
    eventually(lambda: sandbox.entries() == [])
    assert len(server.messages) == 3
