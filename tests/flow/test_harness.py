"""The smarthost itself: it must see what the other tests rely on it to see.

Python's own smtplib and bare sockets are the clients here.
"""

import base64
import smtplib
import socket
import ssl

import pytest

from conftest import PASSWORD, USER
from smarthost import CLOSE, RST, Each, export_keying_material


@pytest.fixture
def host(certs, smarthost):
    """A server whose faults of protocol are wanted."""

    def make(**more):
        server = smarthost(**more)
        server.expects_violations = True
        return server

    return make


def client(server, certs):
    smtp = smtplib.SMTP("localhost", server.port, local_hostname="client.test", timeout=20)
    smtp.starttls(context=ssl.create_default_context(cafile=certs.ca))
    return smtp


def test_smtplib_is_a_good_client(smarthost, certs):
    server = smarthost()
    with client(server, certs) as smtp:
        smtp.login(USER, PASSWORD)
        smtp.sendmail(USER, ["a@x.test", "b@x.test"], b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\n")
    message = server.message
    assert message.body == b".\r\n..\r\n.a\r\n"
    assert message.recipients == ["a@x.test", "b@x.test"]
    assert message.fields("subject") == ["x"]
    connection = server.connection
    assert connection.user == USER and connection.tls_version == "TLSv1.3"
    assert connection.verbs[-1] == "QUIT"
    # smtplib waits for each command: greeting apart, that is EHLO, STARTTLS,
    # two of the handshake, EHLO, AUTH, MAIL, RCPT, RCPT, DATA, body, QUIT.
    assert connection.flights == connection.waits + 1
    assert server.violations == []


def test_wrong_password_is_refused(smarthost, certs):
    server = smarthost()
    with client(server, certs) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login(USER, "wrong")
    assert server.connection.auth_attempts == [("PLAIN", False), ("LOGIN", False)]


@pytest.mark.parametrize("data, fault", [
    (b"a\nb\r\n.\r\n", "bare CR or LF"), (b"a\rb\r\n.\r\n", "bare CR or LF"), (b"a\0b\r\n.\r\n", "NUL"),
    (b"a\r\n.b\r\n.\r\n", "not doubled"), (b"x" * 999 + b"\r\n.\r\n", "998"),
    (b"x\r\n\r\n\xff\r\n.\r\n", "8BITMIME"),
])
def test_faults_of_the_data_are_seen(host, data, fault):
    server = host(tls=False, users={}, mechanisms=())
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        stream = sock.makefile("rb")
        stream.readline()
        for line in (b"HELO x", b"MAIL FROM:<a@x>", b"RCPT TO:<b@x>", b"DATA"):
            sock.sendall(line + b"\r\n")
            assert stream.readline()[:1] in b"23"
        sock.sendall(data)
        assert stream.readline().startswith(b"250")
    assert any(fault in v for v in server.violations), server.violations


@pytest.mark.parametrize("lines, fault", [
    ([b"MAIL FROM:<a@x> SIZE=1\r\n"], "not offered"),
    ([b"MAIL FROM:<a@x> BODY=8BITMIME\r\n"], "not offered"),
    ([b"MAIL FROM: <a@x>\r\n"], "cannot be read"), ([b"EHLO x\n"], "without CR"),
    ([b"EHLO a b\r\n"], "EHLO with"),
    ([b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n"], "PIPELINING"),
    ([b"MAIL FROM:<\xc3\xa4@x>\r\n"], "not ASCII"),
])
def test_faults_of_commands_are_seen(host, lines, fault):
    server = host(tls=False, users={}, mechanisms=(), extensions=())
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        stream = sock.makefile("rb")
        stream.readline()
        for line in lines:
            sock.sendall(line)
            stream.readline()
    assert any(fault in v for v in server.violations), server.violations


def test_login_in_clear_is_seen(host):
    server = host()
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        stream = sock.makefile("rb")
        stream.readline()
        word = base64.b64encode(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())
        sock.sendall(b"AUTH PLAIN " + word + b"\r\n")
        stream.readline()
        stream.close()
    assert server.violations
    assert word in server.connection.raw_before_tls


def test_scripts(host):
    server = host(tls=False, users={}, mechanisms=(), script={
        "NOOP": Each("250-a\n250 b", b"299 raw\r\n", [b"25", b"0 parts\r\n"], lambda c: c.line),
        "RSET": CLOSE, "QUIT": RST})
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        stream = sock.makefile("rb")
        stream.readline()
        got = []
        for word in (b"NOOP 1", b"NOOP 2", b"NOOP 3", b"NOOP 4", b"NOOP 5"):
            sock.sendall(word + b"\r\n")
            line = stream.readline()
            if line[3:4] == b"-":
                line += stream.readline()
            got.append(line)
        assert got == [b"250-a\r\n250 b\r\n", b"299 raw\r\n", b"250 parts\r\n", b"NOOP 4\r\n",
                       b"250 2.0.0 ok\r\n"]
        sock.sendall(b"RSET\r\n")
        assert stream.read() == b""
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        stream = sock.makefile("rb")
        stream.readline()
        sock.sendall(b"QUIT\r\n")
        with pytest.raises(ConnectionResetError):
            stream.read()


def test_keying_material_is_the_same_on_both_sides(smarthost, certs):
    """What tls-exporter of SCRAM-PLUS rests on."""
    got = []

    def export(context):
        got.append(export_keying_material(context.session.wire.tls, b"EXPORTER-Channel-Binding", 32))

    server = smarthost(implicit=True, script={"GREETING": export})
    context = ssl.create_default_context(cafile=certs.ca)
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        with context.wrap_socket(sock, server_hostname="localhost") as tls:
            assert tls.recv(100).startswith(b"220")
            mine = export_keying_material(tls, b"EXPORTER-Channel-Binding", 32)
    assert mine is not None and got == [mine]


def test_real_postfix_answers(postfix, certs):
    smtp = smtplib.SMTP("localhost", postfix.port, local_hostname="client.test", timeout=20)
    with smtp:
        smtp.starttls(context=ssl.create_default_context(cafile=certs.ca))
        smtp.login(USER, PASSWORD)
        smtp.sendmail(USER, ["bob@example.net"], b"Subject: x\r\n\r\nhello\r\n")
    assert postfix.wait_mail("bob@example.net")[0].endswith(b"\n\nhello\n")
