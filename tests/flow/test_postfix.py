"""The programs against a real Postfix with Dovecot's SASL. Needs root and both servers."""

import quopri

import pytest

from conftest import MESSAGE, PASSWORD, TRICKY, USER, Account, eventually, written


@pytest.fixture
def account(sandbox, postfix):
    return Account(sandbox, postfix)


# --- TLS and logins -----------------------------------------------------


@pytest.mark.parametrize("service", ["submission", "tls"])
@pytest.mark.parametrize(
    "auth, method",
    [
        ("auto", "SCRAM-SHA-256"),
        ("plain", "PLAIN"),
        ("login", "LOGIN"),
        ("cram-md5", "CRAM-MD5"),
        ("scram-sha-1", "SCRAM-SHA-1"),
        ("scram-sha-256", "SCRAM-SHA-256"),
    ],
)
def test_logins(sandbox, postfix, account, service, auth, method):
    account.use(service, auth=auth)
    sandbox.run("-t").ok()
    written(postfix.wait_mail("bob@example.net")[0], MESSAGE)
    session = postfix.session()
    assert session["auth"] == "1" and session["mail"] == "1" and session["quit"] == "1"
    assert session.get("starttls") == (None if service == "tls" else "1")
    assert len(postfix.log_lines("sasl_method=%s, sasl_username=%s" % (method, USER))) == 1
    assert len(postfix.log_lines("TLS connection established")) == 1
    assert "TLSv1.3" in postfix.log_lines("TLS connection established")[0]
    sandbox.nothing_stored()


@pytest.mark.parametrize("auth", ["auto", "plain", "login", "cram-md5", "scram-sha-256"])
def test_wrong_password(sandbox, postfix, account, auth):
    account.use(auth=auth, password="wrong " + PASSWORD[::-1])
    result = sandbox.run("-t").failed(77)
    assert "535" in result.text and "localhost" in result.text
    assert "ssap" not in result.text
    assert postfix.session().get("mail") is None
    assert len(sandbox.failed()) == 1 and sandbox.entries() == []
    assert sandbox.failed()[0].id in result.text
    assert postfix.mail("bob@example.net") == []


def test_unknown_user(sandbox, postfix, account):
    account.use(user="stranger@example.test")
    sandbox.run("-t").failed(77)
    assert postfix.session().get("mail") is None


def test_no_login_where_the_server_wants_one(sandbox, postfix, account):
    """Postfix refuses each recipient of a client that is not logged in."""
    account.use(user=None, password=None)
    result = sandbox.run("-f", USER, "-t").failed(67, 69, 77)
    assert "5.7.1" in result.text
    assert postfix.mail("bob@example.net") == []


def test_untrusted_certificate_shows_no_login(sandbox, postfix, account, certs):
    account.use(tls_trust_file=certs.stranger)
    sandbox.run("-t").ok()
    assert postfix.session().get("auth") is None
    assert len(sandbox.entries()) == 1
    account.use()
    sandbox.run("-q", stdin=None).ok()
    written(postfix.wait_mail("bob@example.net")[0], MESSAGE)


# --- the message --------------------------------------------------------


@pytest.mark.parametrize("service", ["submission", "tls", "no-chunking", "bare"])
def test_every_octet_arrives(sandbox, postfix, account, service):
    account.use(service)
    sandbox.run("-t", stdin=TRICKY).ok()
    written(postfix.wait_mail("bob@example.net")[0], TRICKY)
    session = postfix.session()
    chunking = service in ("submission", "tls")
    assert (session.get("bdat") is not None) == chunking
    assert (session.get("data") is not None) == (not chunking)


def test_crlf_and_lf_arrive_the_same(sandbox, postfix, account):
    account.use()
    sandbox.run("-t", stdin=TRICKY).ok()
    sandbox.run("-t", stdin=TRICKY.replace("\n", "\r\n")).ok()
    for mail in postfix.wait_mail("bob@example.net", 2):
        written(mail, TRICKY)


@pytest.mark.parametrize("service", ["submission", "no-chunking"])
def test_large_message(sandbox, postfix, account, service):
    account.use(service)
    line = "." + "y" * 69 + "\n"
    text = MESSAGE + line * 120_000
    sandbox.run("-t", stdin=text).ok()
    written(postfix.wait_mail("bob@example.net")[0], text)
    session = postfix.session()
    assert session["mail"] == "1" and session["auth"] == "1"


def test_server_without_8bit_gets_7bit(sandbox, postfix, account):
    account.use("7bit")
    sandbox.run("-t", stdin=TRICKY).ok()
    mail = postfix.wait_mail("bob@example.net")[0]
    assert max(mail) < 128
    head, _, body = mail.partition(b"\n\n")
    assert b"Content-Transfer-Encoding: quoted-printable" in head
    assert quopri.decodestring(body) == TRICKY.partition("\n\n")[2].encode()


def test_bcc_is_delivered_and_not_shown(sandbox, postfix, account):
    account.use()
    sandbox.run("-t", stdin="Bcc: carl@example.net,\n dora@example.org\n" + MESSAGE).ok()
    for mailbox in ("bob@example.net", "carl@example.net", "dora@example.org"):
        mail = postfix.wait_mail(mailbox)[0]
        written(mail, MESSAGE)
        assert b"bcc" not in mail.lower()
    assert postfix.session()["rcpt"] == "3"


def test_address_beyond_ascii(sandbox, postfix, account):
    account.use()
    text = MESSAGE.replace("bob@", "dörte@")
    sandbox.run("-t", stdin=text).ok()
    written(postfix.wait_mail("dörte@example.net")[0], text)


def test_report_of_success(sandbox, postfix, account):
    """NOTIFY, RET and ENVID reach the server: its own report names them."""
    account.use()
    sandbox.run("-N", "success", "-R", "hdrs", "-V", "id+42", "-f", USER, "-t").ok()
    report = postfix.wait_mail(USER)[0]
    assert b"Original-Envelope-Id: id+42" in report
    assert b"Original-Recipient: rfc822;bob@example.net" in report
    assert b"Action: delivered" in report
    assert b"a body" not in report


# --- refusals -----------------------------------------------------------


def test_unknown_recipient(sandbox, postfix, account):
    account.use()
    result = sandbox.run("nobody@example.net").failed(67)
    assert "nobody@example.net" in result.text and "5.1.1" in result.text
    assert len(sandbox.failed()) == 1 and sandbox.entries() == []
    session = postfix.session()
    assert session["auth"] == "1" and session["mail"] == "1"


@pytest.mark.parametrize("service", ["submission", "bare"])
def test_one_unknown_recipient_of_three(sandbox, postfix, account, service):
    account.use(service)
    sandbox.run("bob@example.net", "nobody@example.net", "dora@example.org").ok()
    for mailbox in ("bob@example.net", "dora@example.org"):
        written(postfix.wait_mail(mailbox)[0], MESSAGE)
    sandbox.run("-q", stdin=None).ok()
    notice = postfix.wait_mail(USER)[0]
    assert b"multipart/report" in notice and b"Final-Recipient: rfc822; nobody@example.net" in notice
    assert b"Status: 5.1.1" in notice
    assert notice.startswith(b"Return-Path: <>\n")
    eventually(lambda: sandbox.entries() == [])
    for mailbox in ("bob@example.net", "dora@example.org", USER):
        assert len(postfix.mail(mailbox)) == 1


def test_more_bad_recipients_than_postfix_bears(sandbox, postfix, account):
    """It hangs up behind the twentieth (smtpd_hard_error_limit): the good one must get through."""
    account.use()
    unknown = ["n%02d@example.net" % n for n in range(25)]
    sandbox.run(*unknown, "bob@example.net").ok()
    assert postfix.mail("bob@example.net") == []
    (waiting,) = [entry for entry in sandbox.entries() if entry.sender == USER]
    assert waiting.pending == unknown[20:] + ["bob@example.net"]
    sandbox.run("-q", stdin=None).ok()
    written(postfix.wait_mail("bob@example.net")[0], MESSAGE)
    sandbox.run("-q", stdin=None).ok()
    reports = b"".join(postfix.wait_mail(USER))
    for address in unknown:
        assert reports.count(b"Final-Recipient: rfc822; %s\n" % address.encode()) == 1
    assert sandbox.entries() == []
    assert len(postfix.mail("bob@example.net")) == 1


def test_message_over_the_size_limit(sandbox, postfix, account):
    account.use("small")
    result = sandbox.run("-t", stdin=MESSAGE + ("z" * 69 + "\n") * 300).failed(65)
    assert "20000" in result.text
    # Known from EHLO: not an octet of it was sent.
    assert postfix.session().get("bdat") is None
    assert sandbox.entries() == [] and len(sandbox.failed()) == 1
    sandbox.run("-t").ok()
    written(postfix.wait_mail("bob@example.net")[0], MESSAGE)


# --- the queue ----------------------------------------------------------


@pytest.mark.parametrize("service", ["submission", "tls", "bare"])
def test_fifty_messages_by_one_login(sandbox, postfix, account, service):
    account.use(service)
    texts = [MESSAGE.replace("<one@", "<n%02d@" % n) for n in range(50)]
    for text in texts:
        sandbox.run("-odq", "-t", stdin=text).ok()
    assert len(sandbox.entries()) == 50
    sandbox.run("-q", stdin=None).ok()
    arrived = postfix.wait_mail("bob@example.net", 50)
    for text in texts:
        assert len([m for m in arrived if m.endswith(text.encode())]) == 1
    assert sandbox.entries() == [] and sandbox.failed() == []
    session = postfix.session()
    assert (session["auth"], session["mail"], session["rcpt"]) == ("1", "50", "50")
    # In the order in which they were sent.
    taken = [line.rsplit("message-id=", 1)[1] for line in postfix.log_lines("message-id=")]
    assert taken == ["<n%02d@example.test>" % n for n in range(50)]


def test_server_away_and_back(sandbox, postfix, account):
    account.use()
    postfix.stop_postfix()
    try:
        sandbox.run("-t").ok()
        assert len(sandbox.entries()) == 1
    finally:
        postfix.start_postfix()
    sandbox.run("-q", stdin=None).ok()
    written(postfix.wait_mail("bob@example.net")[0], MESSAGE)
    assert sandbox.entries() == []
    assert postfix.session()["mail"] == "1"
