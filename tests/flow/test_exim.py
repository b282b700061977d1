"""The programs against a real Exim with Dovecot's SASL. Needs root and both servers."""

import re

import pytest

import exim as exim_module
from conftest import MESSAGE, PASSWORD, TRICKY, USER, Account, eventually, written
from tap import Tap
from test_bs import CRLF_MESSAGE, Client

# What the server writes down of a login, by mechanism.
LOGINS = {
    "plain": "plain",
    "login": "login",
    "cram-md5": "cram",
    "scram-sha-1": "scram_1",
    "scram-sha-256": "scram_256",
}


@pytest.fixture
def account(sandbox, exim):
    return Account(sandbox, exim)


def needs(exim, auth):
    driver = "dovecot" if auth.startswith("scram") else auth
    if auth in ("external", "scram-sha-1", "scram-sha-256") and not exim.can(driver):
        pytest.skip("this Exim was built without the driver %s" % driver)


def numbered(number):
    return MESSAGE.replace("<one@", "<n%02d@" % number)


def fill(sandbox, count):
    """Queues messages; gives their texts."""
    texts = [numbered(number) for number in range(count)]
    for text in texts:
        sandbox.run("-odq", "-t", stdin=text).ok()
    assert len(sandbox.entries()) == count
    return texts


def each_once(mails, texts):
    assert len(mails) == len(texts)
    for text in texts:
        assert len([mail for mail in mails if mail.endswith(text.encode())]) == 1


# --- TLS and logins -----------------------------------------------------


@pytest.mark.parametrize("service", ["submission", "tls"])
@pytest.mark.parametrize("auth", LOGINS)
def test_logins(sandbox, exim, account, service, auth):
    needs(exim, auth)
    account.use(service, auth=auth)
    sandbox.run("-t").ok()
    written(exim.wait_mail("bob@example.net")[0], MESSAGE)
    (message,) = exim.received()
    assert message["A"] == "%s:%s" % (LOGINS[auth], USER)
    assert message["X"].startswith("TLS1.3") and message["SNI"] == "localhost"
    assert exim.sessions() == 1
    sandbox.nothing_stored()


@pytest.mark.parametrize("service", ["submission", "tls"])
def test_auto_takes_the_strongest(sandbox, exim, account, service):
    needs(exim, "scram-sha-256")
    account.use(service)
    sandbox.run("-t").ok()
    (message,) = exim.received()
    assert message["A"] == "scram_256:" + USER


def test_login_by_certificate(sandbox, exim, account, certs):
    needs(exim, "external")
    client = certs.get("client")
    account.use(auth="external", password=None, tls_cert_file=client.chain, tls_key_file=client.key)
    sandbox.run("-t").ok()
    written(exim.wait_mail("bob@example.net")[0], MESSAGE)
    (message,) = exim.received()
    assert message["A"] == "external:" + USER and message["CV"] == "yes"


@pytest.mark.parametrize("auth", ["plain", "login", "cram-md5", "scram-sha-256"])
def test_wrong_password(sandbox, exim, account, auth):
    needs(exim, auth)
    account.use(auth=auth, password="wrong " + PASSWORD[::-1])
    result = sandbox.run("-t").failed(77)
    assert "535" in result.text and "localhost" in result.text
    assert "ssap" not in result.text
    assert len(sandbox.failed()) == 1 and sandbox.entries() == []
    assert sandbox.failed()[0].id in result.text
    assert exim.sessions() == 1
    assert exim.log_lines(" <= ") == [] and exim.mail("bob@example.net") == []


def test_no_login_where_the_server_wants_one(sandbox, exim, account):
    account.use(user=None, password=None)
    result = sandbox.run("-f", USER, "-t").failed(67, 69, 77)
    assert "log in first" in result.text
    assert exim.log_lines(" <= ") == []


@pytest.mark.parametrize("service", ["submission", "tls"])
def test_untrusted_certificate_shows_no_login(sandbox, exim, account, certs, service):
    account.use(service, auth="plain", tls_trust_file=certs.stranger)
    sandbox.run("-t").ok()
    assert sandbox.entry().pending == ["bob@example.net"]
    # The handshake was not brought to its end: there was no session to log in to.
    exim.wait_log("(gnutls_handshake): Certificate is bad")
    assert exim.log_lines(" X=TLS") == []
    account.use(service, auth="plain")
    sandbox.run("-q", stdin=None).ok()
    written(exim.wait_mail("bob@example.net")[0], MESSAGE)
    assert sandbox.entries() == []


@pytest.mark.parametrize("service, waits", [("submission", 6), ("no-chunking", 7), ("tls", 5)])
def test_waits(sandbox, exim, account, service, waits):
    with Tap(exim.ports[service]) as tap:
        account.use(service, auth="plain", port=tap.port)
        sandbox.run("bob@example.net", "carl@example.net").ok()
    assert tap.waits == waits
    written(exim.wait_mail("bob@example.net")[0], MESSAGE)


# --- the message --------------------------------------------------------


@pytest.mark.parametrize("service", ["submission", "tls", "no-chunking", "bare"])
def test_every_octet_arrives(sandbox, exim, account, service):
    account.use(service)
    sandbox.run("-t", stdin=TRICKY).ok()
    written(exim.wait_mail("bob@example.net")[0], TRICKY)
    chunking = service in ("submission", "tls")
    (line,) = exim.wait_log(" <= ")
    assert (" K " in line) == chunking


@pytest.mark.parametrize("service", ["submission", "no-chunking", "bare"])
def test_large_message(sandbox, exim, account, service):
    """Several chunks, some of them on their way while the first are answered."""
    account.use(service)
    text = MESSAGE + ("." + "y" * 69 + "\n") * 60_000
    sandbox.run("-t", stdin=text).ok()
    written(exim.wait_mail("bob@example.net")[0], text)
    assert exim.sessions() == 1


@pytest.mark.parametrize("service", ["submission", "no-chunking"])
@pytest.mark.parametrize("end", ["", "\n", ".", ".\n", "\n.\n\n", "\r"], ids=repr)
def test_M07_ends_of_messages(sandbox, exim, account, service, end):
    account.use(service)
    text = MESSAGE + "last" + end
    sandbox.run("-i", "-t", stdin=text).ok()
    whole = text.replace("\r", "\n")
    written(exim.wait_mail("bob@example.net")[0], whole if whole.endswith("\n") else whole + "\n")


def test_bcc_is_delivered_and_not_shown(sandbox, exim, account):
    account.use()
    sandbox.run("-t", stdin="Bcc: carl@example.net,\n dora@example.org\n" + MESSAGE).ok()
    for mailbox in ("bob@example.net", "carl@example.net", "dora@example.org"):
        mail = exim.wait_mail(mailbox)[0]
        written(mail, MESSAGE)
        assert b"bcc" not in mail.lower()
    assert len(exim.received()) == 1


def test_address_beyond_ascii(sandbox, exim, account):
    account.use()
    text = MESSAGE.replace("bob@", "dörte@")
    sandbox.run("-t", stdin=text).ok()
    written(exim.wait_mail("dörte@example.net")[0], text)


def test_report_of_success(sandbox, exim, account):
    """NOTIFY, RET and ENVID reach the server: its own report names them."""
    account.use()
    sandbox.run("-N", "success", "-R", "hdrs", "-V", "id-42", "-f", USER, "-t").ok()
    report = exim.wait_mail(USER)[0]
    assert b"Original-Envelope-ID: id-42" in report
    assert b"Final-Recipient: rfc822;bob@example.net" in report
    assert b"Action: delivered" in report
    assert b"a body" not in report


# --- refusals -----------------------------------------------------------


def test_unknown_recipient(sandbox, exim, account):
    account.use()
    result = sandbox.run("nobody@example.net").failed(67)
    assert "nobody@example.net" in result.text and "no such mailbox here" in result.text
    assert len(sandbox.failed()) == 1 and sandbox.entries() == []
    assert exim.sessions() == 1 and exim.log_lines(" <= ") == []


@pytest.mark.parametrize("service", ["submission", "no-chunking", "bare"])
def test_one_unknown_recipient_of_three(sandbox, exim, account, service):
    account.use(service)
    sandbox.run("bob@example.net", "nobody@example.net", "dora@example.org").ok()
    for mailbox in ("bob@example.net", "dora@example.org"):
        written(exim.wait_mail(mailbox)[0], MESSAGE)
    sandbox.run("-q", stdin=None).ok()
    notice = exim.wait_mail(USER)[0]
    assert b"multipart/report" in notice and b"Final-Recipient: rfc822; nobody@example.net" in notice
    assert notice.startswith(b"Return-path: <>\n")
    eventually(lambda: sandbox.entries() == [])
    for mailbox in ("bob@example.net", "dora@example.org", USER):
        assert len(exim.mail(mailbox)) == 1


@pytest.mark.parametrize("service", ["submission", "no-chunking"])
def test_one_recipient_of_two_later(sandbox, exim, account, service):
    account.use(service)
    sandbox.run("later@example.net", "bob@example.net").ok()
    written(exim.wait_mail("bob@example.net")[0], MESSAGE)
    assert sandbox.entry().pending == ["later@example.net"]
    assert "come back later" in sandbox.entry().status
    assert exim.mail("later@example.net") == []


@pytest.mark.parametrize("service", ["submission", "no-chunking", "bare"])
def test_message_refused_behind_its_data(sandbox, exim, account, service):
    account.use(service)
    refused = MESSAGE.replace("hello", "refuse this")
    result = sandbox.run("-t", stdin=refused).failed(65, 69)
    assert "not this one" in result.text
    assert sandbox.entries() == [] and len(sandbox.failed()) == 1
    sandbox.run("-t", stdin=MESSAGE.replace("hello", "defer this")).ok()
    assert sandbox.entry().pending == ["bob@example.net"]
    assert "not now" in sandbox.entry().status
    assert exim.log_lines(" <= ") == []


def test_message_over_the_size_limit(sandbox, exim, account):
    account.use("small")
    result = sandbox.run("-t", stdin=MESSAGE + ("z" * 69 + "\n") * 300).failed(65)
    assert str(exim_module.SMALL_SIZE) in result.text
    # Known from EHLO: not an octet of it was sent.
    assert exim.sessions() == 1
    assert "BDAT" not in exim.wait_log("no MAIL in")[0]
    assert sandbox.entries() == [] and len(sandbox.failed()) == 1
    sandbox.run("-t").ok()
    written(exim.wait_mail("bob@example.net")[0], MESSAGE)


def test_V06_more_recipients_than_a_transaction_may_have(sandbox, exim, account):
    account.use("strict")
    people = [mailbox for mailbox in exim_module.MAILBOXES if mailbox.isascii() and mailbox[:5] != "later"]
    assert len(people) > exim_module.STRICT_RECIPIENTS
    sandbox.run(*people).ok()
    for mailbox in people:
        written(exim.wait_mail(mailbox)[0], MESSAGE)
        assert len(exim.mail(mailbox)) == 1
    # The first QUIT travels with the message: the one too many goes by another connection, at once.
    assert exim.sessions() == 2
    sandbox.nothing_stored()


# --- the queue ----------------------------------------------------------


# At most so many waits behind those of the login: with CHUNKING whole messages travel together, with
# PIPELINING a message and the next one's commands.
@pytest.mark.parametrize("service, waits", [("submission", 30 // 5), ("no-chunking", 30), ("bare", 4 * 30)])
def test_thirty_messages_by_one_login(sandbox, exim, account, service, waits):
    with Tap(exim.ports[service]) as tap:
        account.use(service, auth="plain", port=tap.port)
        texts = fill(sandbox, 30)
        sandbox.run("-q", stdin=None).ok()
    assert tap.waits <= 7 + waits
    each_once(exim.wait_mail("bob@example.net", 30), texts)
    assert sandbox.entries() == [] and sandbox.failed() == []
    assert exim.sessions() == 1
    taken = [message["id"] for message in exim.received(30)]
    assert taken == ["n%02d@example.test" % n for n in range(30)]


def test_some_of_many_messages_are_refused(sandbox, exim, account):
    """Replies that travel together are each their own message's."""
    account.use()
    for number in range(12):
        subject = {3: "refuse this", 7: "defer this"}.get(number, "hello")
        text = numbered(number).replace("hello", subject)
        sandbox.run("-odq", "-t", stdin=text.replace("bob@", "nobody@") if number == 5 else text).ok()
    sandbox.run("-q", stdin=None).ok()
    mails = exim.wait_mail("bob@example.net", 9)
    each_once(mails, [numbered(number) for number in range(12) if number not in (3, 5, 7)])
    refused = sorted(re.search(rb"<n(\d\d)@", entry.raw).group(1) for entry in sandbox.failed())
    assert refused == [b"03", b"05"]
    waiting = [entry for entry in sandbox.entries() if entry.sender == USER]
    assert len(waiting) == 1 and b"<n07@" in waiting[0].raw


def test_server_that_takes_so_many_for_each_connection(sandbox, exim, account):
    """It says 421 to the next: one run takes further connections, and none is there twice."""
    account.use("strict")
    texts = fill(sandbox, 30)
    sandbox.run("-q", stdin=None).ok()
    each_once(exim.wait_mail("bob@example.net", 30), texts)
    assert sandbox.entries() == [] and sandbox.failed() == []
    assert exim.sessions() == 30 / exim_module.STRICT_MESSAGES


@pytest.mark.parametrize("service", ["submission", "tls"])
def test_bs(sandbox, exim, account, service):
    account.use(service)
    client = Client(sandbox)
    client.open("bob@example.net", "nobody@example.net")
    client.data(CRLF_MESSAGE + b"..\r\n", 250)
    client.open("carl@example.net")
    client.data(CRLF_MESSAGE, 250)
    assert client.quit() == (0, b"")
    written(exim.wait_mail("bob@example.net")[0], MESSAGE + ".\n")
    written(exim.wait_mail("carl@example.net")[0], MESSAGE)
    sandbox.run("-q", stdin=None).ok()
    assert b"Final-Recipient: rfc822; nobody@example.net" in exim.wait_mail(USER)[0]
    eventually(lambda: sandbox.entries() == [])
