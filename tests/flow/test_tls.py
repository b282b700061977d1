"""STARTTLS and certificates: no login, no address and no message leaves before the server is
verified, and a server that cannot be verified is tried again later (robustness parts 5 and 6)."""

import base64
import os
import ssl
import subprocess
import threading

import pytest

from conftest import MESSAGE, PASSWORD, USER, eventually, have, no_secret_before_tls
from smarthost import CLOSE, RST, STALL, Pause


def queued_without_a_word(sandbox, server, *args, **more):
    """Exit 0, silent, one entry; the server learnt nothing."""
    sandbox.run(*(args or ("-t",)), **more).ok()
    no_secret_before_tls(server)
    assert server.messages == []
    for verb in ("AUTH", "MAIL", "RCPT", "DATA", "BDAT"):
        assert verb not in server.verbs
    entry = sandbox.entry()
    assert entry.pending == ["bob@example.net"]
    return entry


GOOD = ["good", "rsa", "ed25519", "intermediate", "with-root", "no-purpose", "upper-case", "leaf-is-ca"]

# Kind of certificate and words of which one is in the entry's status (T rows).
BAD = [
    ("wrong-name", ["other.example.test"]),
    ("expired", ["expired"]),
    ("not-yet", ["not yet", "not valid yet"]),
    ("untrusted", ["issuer", "trust", "unknown"]),
    ("self-signed", ["self-signed", "self signed", "issuer", "trust"]),
    ("client-only", ["purpose", "serverAuth", "server"]),
    ("incomplete", ["incomplete", "issuer", "intermediate"]),
    ("expired-intermediate", ["expired"]),
    ("not-a-ca", []),
    ("cn-only", ["name", "SAN", "subject"]),
    ("cn-other-san", ["other.example.test"]),
    ("cn-san-email", []),
    ("cn-san-uri", []),
    ("cn-san-ip", []),
    ("ip-only", []),
    ("wildcard", []),
    ("wildcard-top", []),
    ("nul-in-san", []),
    ("sha1", []),
    ("rsa1024", []),
]


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_T01_good_certificate(sandbox, mail, kind, implicit):
    """T-01, T-13, T-15, T-21, T-32: also without a purpose, in capitals, a CA itself, and with its root."""
    server = mail(certificate=kind, implicit=implicit)
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER
    no_secret_before_tls(server)


@pytest.mark.parametrize("kind, words", BAD, ids=[kind for kind, _ in BAD])
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_T02_T18_bad_certificate(sandbox, mail, kind, words, implicit):
    """T-02, T-03, T-04, T-07, T-08, T-10, T-12, T-14, T-18: each waits, with nothing said to the server."""
    server = mail(certificate=kind, implicit=implicit)
    entry = queued_without_a_word(sandbox, server)
    status = entry.status.lower()
    assert not words or any(word.lower() in status for word in words), entry.status


@pytest.mark.parametrize("kind, words", BAD, ids=[kind for kind, _ in BAD])
def test_bad_certificate_is_told_with_v(sandbox, mail, kind, words):
    server = mail(certificate=kind)
    result = sandbox.run("-v", "-t")
    assert result.rc == 0 and result.out == b""
    assert "localhost:%d" % server.port in result.text or "localhost" in result.text
    assert not words or any(word.lower() in result.text.lower() for word in words), result.text


def test_T16_host_with_a_trailing_dot(sandbox, mail):
    server = mail(account={"host": "localhost."})
    sandbox.run("-t").ok()
    assert server.message.connection.sni == "localhost"


def test_T15_host_in_upper_case(sandbox, mail):
    server = mail(account={"host": "LOCALHOST"})
    sandbox.run("-t").ok()
    assert server.message.connection.sni.lower() == "localhost"


@pytest.mark.parametrize("kind, good", [("good", True), ("ip-only", True), ("dns-as-ip", False),
                                        ("wrong-name", False), ("cn-san-ip", False)])
def test_T36_ip_literal(sandbox, mail, kind, good):
    """An address is matched by an address in the certificate, and is never sent as SNI."""
    server = mail(certificate=kind, account={"host": "127.0.0.1"})
    if good:
        sandbox.run("-t").ok()
        assert server.message.connection.sni is None
    else:
        queued_without_a_word(sandbox, server)
        assert server.connections[0].sni is None


@pytest.mark.parametrize("kind, name, good", [
    ("good", "smtp.example.test", True), ("wildcard", "smtp.example.test", True),
    ("wildcard", "a.b.example.test", False), ("wildcard", "example.test", False),
    ("wrong-name", "other.example.test", True), ("good", "other.example.test", False),
    ("nul-in-san", "evil.test", False), ("good", "smtp.example.test.", True),
])
def test_tls_host(sandbox, mail, kind, name, good):
    server = mail(certificate=kind, account={"tls_host": name})
    if good:
        sandbox.run("-t").ok()
        assert server.message.connection.sni == name.rstrip(".")
    else:
        queued_without_a_word(sandbox, server)


def test_default_trust_is_the_system_store(sandbox, mail):
    """Without tls_trust_file our root is a stranger."""
    server = mail(account={"tls_trust_file": None})
    queued_without_a_word(sandbox, server)


def test_trust_file_with_many_roots(sandbox, mail, certs):
    """The anchor is found among others, and the others do not help a stranger."""
    bundle = b""
    try:
        with open("/etc/ssl/certs/ca-certificates.crt", "rb") as file:
            bundle = file.read()
    except OSError:
        pass
    with open(certs.ca, "rb") as file:
        ours = file.read()
    path = sandbox.file("bundle.pem", b"# a remark\n" + bundle + b"\ntext between\n" + ours + bundle)
    server = mail(account={"tls_trust_file": path})
    sandbox.run("-t").ok()
    assert len(server.messages) == 1
    path = sandbox.file("others.pem", bundle or open(certs.stranger, "rb").read())
    server = mail(account={"tls_trust_file": path})
    queued_without_a_word(sandbox, server)


def test_trust_file_missing_or_empty(sandbox, mail):
    for path in ("/nonexistent/ca.pem", sandbox.file("empty.pem", ""), sandbox.file("no.pem", "text")):
        server = mail(account={"tls_trust_file": path})
        result = sandbox.run("-t")
        assert result.rc in (0, 78), result
        if result.rc == 78:
            assert path in result.text
        assert server.messages == []
        no_secret_before_tls(server)


def test_T34_pin(sandbox, mail, certs):
    pin = certs.pin("good")
    forms = ["sha256:" + pin, base64.b64encode(bytes.fromhex(pin)).decode(),
             "sha256:" + "00" * 32 + " sha256:" + pin]
    for form in forms:
        server = mail(account={"tls_pin": form})
        sandbox.run("-t").ok()
        assert len(server.messages) == 1
    server = mail(account={"tls_pin": "sha256:" + "00" * 32})
    queued_without_a_word(sandbox, server)


@pytest.mark.parametrize("pin", ["sha256:1234", "sha256:" + "0" * 63, "sha256:" + "z" * 64, "md5:00", "x"])
def test_T34_pin_of_wrong_form(sandbox, mail, pin):
    server = mail(account={"tls_pin": pin})
    result = sandbox.run("-t").failed(78)
    assert "tls_pin" in result.text
    assert server.connections == []


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_T22_S20_old_versions(sandbox, mail, version):
    number = getattr(ssl.TLSVersion, version)
    server = mail(min_tls=number, max_tls=number)
    queued_without_a_word(sandbox, server)
    assert len(server.connections) == 1


@pytest.mark.parametrize("ciphers", ["NULL-SHA256", "AES128-SHA", "ADH-AES128-SHA256"])
def test_T23_T24_weak_ciphers(sandbox, mail, ciphers):
    server = mail(certificate="rsa", ciphers=ciphers, max_tls=ssl.TLSVersion.TLSv1_2)
    queued_without_a_word(sandbox, server)


def test_T25_versions(sandbox, mail):
    for number in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server = mail(min_tls=number, max_tls=number)
        sandbox.run("-t").ok()
        assert len(server.messages) == 1


def test_T31_client_certificate(sandbox, mail, certs):
    server = mail(client_ca=certs.ca)
    sandbox.run("-t").ok()
    assert server.message.connection.client_certificate is None
    client = certs.get("client")
    server = mail(client_ca=certs.ca, need_client_certificate=True,
                  account={"tls_cert_file": client.chain, "tls_key_file": client.key})
    sandbox.run("-t").ok()
    assert server.message.connection.client_certificate is not None


@pytest.fixture
def token(sandbox, certs):
    """A token in software that holds the client's key and certificate: (URI, environment to find it)."""
    if not have("softhsm2-util") or not have("p11tool"):
        pytest.skip("softhsm2 or p11tool is not installed")
    client = certs.get("client")
    environment = dict(sandbox.environment(), GNUTLS_PIN="1234", SOFTHSM2_CONF=sandbox.file(
        "softhsm2.conf", "directories.tokendir = %s\n" % sandbox.directory("tokens")))

    def ask(*words):
        subprocess.run(words, env=environment, check=True, capture_output=True, timeout=60)

    ask("softhsm2-util", "--init-token", "--free", "--label", "box", "--pin", "1234", "--so-pin", "5678")
    uri = "pkcs11:token=box"
    for what, path in (("--load-privkey", client.key), ("--load-certificate", client.leaf)):
        ask("p11tool", "--batch", "--login", "--write", what, path, "--label", "client", "--id", "a1", uri)
    return uri + ";object=client", {"SOFTHSM2_CONF": environment["SOFTHSM2_CONF"]}


@pytest.mark.parametrize("certificate", ["in-a-file", "on-the-token"])
@pytest.mark.parametrize("pin", ["pin-value=1234", "pin-source=%s"])
def test_T31_client_key_on_a_token(sandbox, mail, certs, token, certificate, pin):
    """Keys of smart cards do not leave them; pkcs11: names them (RFC 7512)."""
    uri, environment = token
    if "%" in pin:
        pin %= sandbox.file("pin", "1234", 0o600)
    client = certs.get("client")
    server = mail(client_ca=certs.ca, need_client_certificate=True, account={
        "tls_cert_file": client.chain if certificate == "in-a-file" else uri + ";type=cert",
        "tls_key_file": uri + ";type=private?" + pin})
    sandbox.run("-t", env=environment).ok()
    assert server.message.connection.client_certificate is not None
    sandbox.nothing_stored()


def test_T31_token_with_another_pin(sandbox, mail, certs, token):
    uri, environment = token
    server = mail(client_ca=certs.ca, account={
        "tls_cert_file": certs.get("client").chain, "tls_key_file": uri + ";type=private?pin-value=9876"})
    result = sandbox.run("-t", env=environment).failed(78)
    assert "9876" not in result.text and "object=client" in result.text
    assert server.messages == []


def test_pin_in_a_value_that_is_refused(sandbox, mail):
    """F-28: it is not shown with the value."""
    server = mail(account={"tls_cert_file": "/nonexistent", "tls_key_file": "PKCS11:token=box?pin-value=1234"})
    result = sandbox.run("-t").failed(78)
    assert "tls_key_file" in result.text and "1234" not in result.text
    assert server.connections == []


def test_F30_pin_in_the_environment_stays_here(sandbox, mail, certs, token):
    """The command that gives the password does not get it."""
    uri, environment = token
    shown = os.path.join(sandbox.root, "shown")
    command = sandbox.file("ask", "#!/bin/sh\nenv > %s\necho '%s'\n" % (shown, PASSWORD), 0o700)
    server = mail(client_ca=certs.ca, need_client_certificate=True,
                  account={"auth": "plain", "password": None, "password_command": command})
    sandbox.run("-t", env=dict(environment, PILLARBOX_TLS_CERT_FILE=certs.get("client").chain,
                               PILLARBOX_TLS_KEY_FILE=uri + ";type=private?pin-value=1234")).ok()
    assert len(server.messages) == 1
    with open(shown, encoding="utf-8") as file:
        text = file.read()
    assert "SOFTHSM2_CONF=" in text and "pin-value" not in text


def test_pin_in_a_file_that_others_read(sandbox, mail):
    """F-01: it is as good as a password."""
    server = mail(account={"tls_cert_file": "/nonexistent", "tls_key_file": "pkcs11:token=box?pin-value=1234",
                           "user": None, "password": None})
    os.chmod(sandbox.config_path, 0o644)
    result = sandbox.run("-t").failed(77, 78)
    assert "chmod 600" in result.text and "1234" not in result.text
    assert server.connections == []


# --- STARTTLS -----------------------------------------------------------


NO_TLS = {
    "S01-not-offered": dict(keywords_clear=["PIPELINING", "AUTH PLAIN LOGIN"]),
    "S16-masked": dict(keywords_clear=["XXXXXXXX", "AUTH PLAIN"]),
    "N32-nothing-offered": dict(keywords_clear=[]),
    "454": dict(script={"STARTTLS": "454 4.7.0 not now"}),
    "502": dict(script={"STARTTLS": "502 5.5.1 no"}),
    "250": dict(script={"STARTTLS": "250 ok"}),
    "close": dict(script={"STARTTLS": CLOSE}),
    "reset": dict(script={"STARTTLS": RST}),
    "N30-http": dict(script={"GREETING": "HTTP/1.1 400 Bad Request\nServer: x\n"}),
    "N30-ssh": dict(script={"GREETING": "SSH-2.0-OpenSSH_9.2"}),
    "N30-pop3": dict(script={"GREETING": "+OK ready"}),
    "S14-alert": dict(script={"TLS": [b"\x15\x03\x03\x00\x02\x02\x28", CLOSE]}),
    "S14-close": dict(script={"TLS": CLOSE}),
    "S14-garbage": dict(script={"TLS": [b"hello, this is no TLS\r\n" * 20, CLOSE]}),
    "S03-injected-line": dict(script={"STARTTLS": b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"}),
    "S05-injected-part": dict(script={"STARTTLS": b"220 go\r\n25"}),
    "N22-ehlo-refused": dict(script={"EHLO:ANY": "550 no EHLO", "HELO": "250 but HELO"}),
    "S10-ehlo-refused-behind-tls": dict(script={"EHLO:TLS": "500 what"}),
    "S10-close-behind-tls": dict(script={"EHLO:TLS": CLOSE}),
    "N23-ehlo-220": dict(script={"EHLO": "220 again"}),
    "N23-ehlo-354": dict(script={"EHLO": "354 go ahead"}),
    "N23-ehlo-221": dict(script={"EHLO": "221 bye"}),
    "N09-greeting-554": dict(script={"GREETING": "554 5.3.2 no service"}),
    "N10-greeting-221": dict(script={"GREETING": "221 bye"}),
    "N10-greeting-250": dict(script={"GREETING": "250 ok"}),
    "N10-greeting-334": dict(script={"GREETING": "334 "}),
    "N10-garbage": dict(script={"GREETING": b"\x00\x01\x02\xff\r\n"}),
}


@pytest.mark.parametrize("case", NO_TLS)
def test_part5_no_verified_session_no_secret(sandbox, mail, case):
    """S-01, S-05, S-10, S-14, S-16, N-09, N-10, N-22, N-23, N-30, N-32: Q, and no secret was seen."""
    options = dict(NO_TLS[case])
    server = mail(**options)
    server.expects_violations = True
    queued_without_a_word(sandbox, server)


def test_S04_octets_before_the_handshake_spoil_it(sandbox, mail):
    """S-04: octets that come behind the 220 by themselves: the handshake fails."""
    event = threading.Event()
    server = mail(script={"STARTTLS": ["220 go", Pause(event), "250 evil"]})
    server.expects_violations = True
    child = sandbox.spawn("-t")
    child.stdin.write(MESSAGE.encode())
    child.stdin.close()
    # The ClientHello waits in the server's socket: now the reply is out and taken.
    eventually(lambda: server.connections and "STARTTLS" in server.connections[0].verbs)
    event.set()
    assert child.wait(60) == 0
    no_secret_before_tls(server)
    assert server.messages == [] and "MAIL" not in server.verbs
    assert sandbox.entry().pending == ["bob@example.net"]


def test_S07_reply_of_several_lines(sandbox, mail):
    server = mail(script={"STARTTLS": "220-ready\n220 go"})
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_S08_STARTTLS_travels_alone(sandbox, mail):
    server = mail()
    sandbox.run("-t").ok()
    flights = server.connection.flight_commands
    assert ["STARTTLS"] in flights


def test_S09_only_the_second_list_counts(sandbox, mail):
    server = mail(
        keywords_clear=["STARTTLS", "PIPELINING", "SIZE 10", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN",
                        "AUTH CRAM-MD5 XOAUTH2 SCRAM-SHA-256-PLUS"],
        keywords_tls=["AUTH PLAIN"],
    )
    sandbox.run("-t", "-N", "success").ok()
    message = server.message
    assert message.connection.mechanism == "PLAIN"
    assert message.parameters == {} and not message.by_bdat
    assert message.attempts[0].parameters == {}


def test_S11_STARTTLS_offered_again_is_ignored(sandbox, mail):
    server = mail(keywords_tls=["STARTTLS", "PIPELINING", "AUTH PLAIN"])
    sandbox.run("-t").ok()
    assert server.connection.verbs.count("STARTTLS") == 1


def test_S12_a_second_banner_does_not_shift_the_replies(sandbox, mail):
    server = mail(script={"TLS:DONE": "220 hello again"})
    result = sandbox.run("-t")
    result.ok()
    if server.messages:
        assert server.message.recipients == ["bob@example.net"]
        assert sandbox.entries() == []
    else:
        assert sandbox.entry().pending == ["bob@example.net"]


def test_N31_plain_server_on_the_implicit_port(sandbox, mail):
    server = mail(account={"tls": "implicit", "connect_timeout": "2s"})
    server.expects_violations = True
    sandbox.run("-t", timeout=30).ok()
    assert server.messages == []
    for connection in server.connections:
        assert PASSWORD.encode() not in connection.clear
    assert sandbox.entry().pending == ["bob@example.net"]


def test_N31_tls_server_on_the_starttls_port(sandbox, mail):
    server = mail(implicit=True, account={"tls": "starttls", "connect_timeout": "2s"})
    sandbox.run("-t", timeout=30).ok()
    assert server.messages == []
    assert sandbox.entry().pending == ["bob@example.net"]


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "STARTTLS", "TLS", "EHLO:TLS", "AUTH"])
def test_S13_N06_silence_ends_by_connect_timeout(sandbox, mail, stage):
    server = mail(script={stage: STALL}, account={"connect_timeout": "1s"})
    result = sandbox.run("-t", timeout=30).ok()
    assert result.seconds < 10
    assert server.messages == []
    assert "MAIL" not in server.verbs
    assert sandbox.entry().pending == ["bob@example.net"]


def test_S13_trickle_in_the_handshake(sandbox, mail):
    """An octet now and then does not extend the absolute limit (N-07)."""
    stop = threading.Event()

    def trickle(context):
        wire = context.session.wire
        wire.flush()
        try:
            while not stop.wait(0.05):
                wire.send_raw(b"\x16")
        finally:
            stop.set()
        return CLOSE

    server = mail(script={"TLS": trickle}, account={"connect_timeout": "1s"})
    result = sandbox.run("-t", timeout=30).ok()
    stop.set()
    assert result.seconds < 10
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.messages == []


def test_T26_close_without_notify_before_the_reply(sandbox, mail):
    server = mail(script={"MAIL": CLOSE})
    sandbox.run("-t").ok()
    assert server.messages == []
    assert sandbox.entry().pending == ["bob@example.net"]


def test_T27_close_without_notify_behind_the_reply(sandbox, mail):
    server = mail(script={"QUIT": CLOSE})
    sandbox.run("-t").ok()
    assert len(server.messages) == 1
    assert sandbox.entries() == []


# --- no TLS -------------------------------------------------------------


def test_F19_login_without_tls_needs_loopback_or_insistence(sandbox):
    sandbox.configure(None, host="192.0.2.1", tls="none")
    result = sandbox.run("-t", timeout=30).failed(78)
    assert "insecure_login" in result.text
    sandbox.nothing_stored()


def test_F34_no_keys_are_logged(sandbox, mail):
    server = mail()
    path = os.path.join(sandbox.root, "keys")
    sandbox.run("-t", env={"SSLKEYLOGFILE": path}).ok()
    assert len(server.messages) == 1
    assert not os.path.exists(path)
