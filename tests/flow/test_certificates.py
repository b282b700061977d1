"""What a server may present, and what it may agree on: part 6 of the robustness tables, beside test_tls.py;
and the rest of part 5.

A server that is not verified learns nothing, and the message waits.
"""

import os
import ssl
import struct

import pytest

from conftest import OWN_LOOPBACK, PASSWORD, USER, no_secret_before_tls
from smarthost import CLOSE, RST, STALL, Each

FAST = {"connect_timeout": "2s", "timeout": "2s", "reply_timeout": "2s"}


def queued(sandbox, server):
    """Q +nocred; gives the words of the entry."""
    sandbox.run("-t", timeout=30).ok()
    no_secret_before_tls(server)
    assert server.messages == []
    for verb in ("AUTH", "MAIL", "RCPT", "DATA", "BDAT"):
        assert verb not in server.verbs
    assert sandbox.failed() == []
    entry = sandbox.entry()
    assert entry.states == {"bob@example.net": "R"}
    return entry.status


# --- certificates --------------------------------------------------------


@pytest.mark.parametrize("kind, words", [
    ("incomplete", ["incomplete chain", "Test Intermediate"]), ("self-signed", ["self-signed"]),
    ("untrusted", ["unknown issuer", "Stranger Root"]),
    ("wrong-name", ["other.example.test, www.example.test", "not for 'localhost'"]),
    ("client-only", ["not meant for a server"]),
])
def test_T02_T03_T04_T07_T12_the_words_say_what_is_wrong(sandbox, mail, kind, words):
    """T-02, T-03, T-04, T-07, T-12: what the listing shows is enough to set it right."""
    status = queued(sandbox, mail(certificate=kind))
    for word in words:
        assert word in status, status


@pytest.mark.parametrize("kind, word", [("clock-1970", "not valid yet"), ("clock-2040", "expired")])
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_T06_a_clock_that_is_wrong_by_decades(sandbox, mail, kind, word, implicit):
    """T-06: as a machine without a battery sees it in 1970, and one that fell into 2040: the words name the clock."""
    status = queued(sandbox, mail(certificate=kind, implicit=implicit))
    assert word in status and "the clock here says 20" in status, status


@pytest.mark.parametrize("kind", ["cn-san-srv", "cn-san-long", "cn-san-email", "cn-san-uri", "cn-san-ip", "cn-only",
                                  "cn-other-san", "nul-in-san", "nul-in-cn", "nul-in-cn-other-san", "san-dot"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_T08_T10_T14_T16_names_that_do_not_count(sandbox, mail, kind, version):
    """T-08, T-10, T-14, T-16: a common name never, a name cut at a NUL never, a dot at the end of theirs neither."""
    status = queued(sandbox, mail(certificate=kind, min_tls=version, max_tls=version))
    assert "not for 'localhost'" in status


@pytest.mark.parametrize("kind, name", [("nul-in-cn", "localhost"), ("nul-in-cn", "localhost.evil.test"),
                                        ("nul-in-san", "localhost"), ("san-dot", "localhost."),
                                        ("san-dot", "localhost")])
def test_T14_T16_no_spelling_of_our_side_helps(sandbox, mail, kind, name):
    """T-14, T-16: nor does tls_host."""
    queued(sandbox, mail(certificate=kind, account={"tls_host": name}))


@pytest.mark.parametrize("kind", ["good", "rsa", "ed25519", "large", "leaf-is-ca", "no-purpose", "upper-case"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_T13_T15_T21_T25_good_ones_in_each_version(sandbox, mail, kind, version):
    """T-13, T-15, T-21, T-25: no extended key usage, capital letters, a leaf that is a CA, any key, eight kilobytes."""
    server = mail(certificate=kind, min_tls=version, max_tls=version)
    sandbox.run("-t").ok()
    assert server.message.connection.tls_version == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")


# A chain; the anchors that accept it. The others give the same verdict from a file of all and from one.
CHAINS = [
    ("with-root", {"root"}), ("crossed", {"root", "stranger"}), ("crossed-both", {"root", "stranger"}),
    ("extra", {"root", "intermediate"}), ("disordered", {"root", "intermediate"}), ("intermediate", {"root"}),
    ("good", {"root"}), ("untrusted", {"stranger"}),
]


@pytest.mark.parametrize("kind, anchors", CHAINS, ids=[c[0] for c in CHAINS])
@pytest.mark.parametrize("anchor", ["root", "stranger"])
def test_T32_chains_of_all_kinds(sandbox, mail, certs, kind, anchors, anchor):
    """T-32: cross-signed, with the root, with strangers among it, in disorder: one anchor decides, wherever."""
    with open(certs.authority(anchor).leaf, "rb") as file:
        pem = file.read()
    with open(certs.authority("old-intermediate").leaf, "rb") as file:
        other = file.read()
    for text in (pem, other + pem + other):
        server = mail(certificate=kind, account={"tls_trust_file": sandbox.file("anchors.pem", text)})
        if anchor in anchors:
            sandbox.run("-t").ok()
            assert len(server.messages) == 1
        else:
            queued(sandbox, server)
            os.unlink(sandbox.entry().path)


def test_T31_server_insists_on_a_certificate(sandbox, mail, certs):
    """T-31: without one of ours the server decides; that it ends the handshake is no fault of the message."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server = mail(client_ca=certs.ca, need_client_certificate=True, max_tls=version, account=FAST)
        sandbox.run("-t", timeout=30).ok()
        assert server.messages == []
        entry = sandbox.entry()
        assert entry.pending == ["bob@example.net"]
        os.unlink(entry.path)


@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong-name", "clock-1970"])
def test_T34_a_pin_replaces_the_check(sandbox, mail, certs, kind):
    """T-34: as the manual says: authorities, names and dates are not asked then."""
    server = mail(certificate=kind, account={"tls_pin": "sha256:" + certs.pin(kind)})
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_T34_a_good_certificate_does_not_replace_the_pin(sandbox, mail, certs):
    """T-34: another key of the same name and authority is a mismatch."""
    queued(sandbox, mail(certificate="good2", account={"tls_pin": "sha256:" + certs.pin("good")}))


@pytest.mark.parametrize("key", ["tls_dane", "tls_tlsa", "dane"])
def test_T37_DANE_is_not_passed_over(sandbox, mail, key):
    """T-37: TLSA records are not asked for; whoever wants that is told, instead of served without."""
    server = mail(account={key: "yes"})
    assert key in sandbox.run("-t").failed(78).text
    assert server.connections == []


# --- what is offered, seen on the wire -----------------------------------


@pytest.mark.parametrize("host", ["b\u00fccher.localhost", "B\u00dcCHER.localhost.", "xn--bcher-kva.localhost"],
                         ids=ascii)
def test_T36_international_name(sandbox, mail, host):
    """T-36: SNI and the check of the name take its A-label."""
    server = mail(certificate="idn", account={"host": host})
    sandbox.run("-t").ok()
    assert server.message.connection.sni == "xn--bcher-kva.localhost"


class ClientHello:
    """The first record of the client."""

    def __init__(self, raw):
        assert raw[0] == 22 and raw[5] == 1
        at = 9 + 2 + 32
        self.session_id, at = self.vector(raw, at, 1)
        suites, at = self.vector(raw, at, 2)
        self.suites = set(struct.unpack(">%dH" % (len(suites) // 2), suites))
        _, at = self.vector(raw, at, 1)
        extensions, _ = self.vector(raw, at, 2)
        self.extensions = {}
        at = 0
        while at < len(extensions):
            kind, = struct.unpack_from(">H", extensions, at)
            self.extensions[kind], at = self.vector(extensions, at + 2, 2)

    @staticmethod
    def vector(octets, at, width):
        size = int.from_bytes(octets[at : at + width], "big")
        return octets[at + width : at + width + size], at + width + size


def hello_of(connection):
    raw = connection.raw_before_tls
    return ClientHello(raw[raw.index(b"\x16\x03"):])


# By kind, the numbers of the IANA registry.
STATIC_RSA = {1, 2, 4, 5, 7, 9, 10, 0x2F, 0x35, 0x3B, 0x3C, 0x3D, 0x41, 0x84, 0x96, 0x9C, 0x9D, 0xBA, 0xC0, 0xC09C,
              0xC09D, 0xC0A0, 0xC0A1, 0xC07A, 0xC07B}
NULLS = {1, 2, 0x3B, 0xC001, 0xC006, 0xC00B, 0xC010, 0xC015, 0xB0, 0xB1}
RC4 = {4, 5, 0x18, 0x8A, 0xC002, 0xC007, 0xC00C, 0xC011, 0xC016}
TRIPLE_DES = {0x0A, 0x0D, 0x10, 0x13, 0x16, 0x1B, 0xC003, 0xC008, 0xC00D, 0xC012, 0xC017}
EXPORT = {3, 6, 8, 0x0B, 0x0E, 0x11, 0x14, 0x17, 0x19}
ANONYMOUS = {0x17, 0x18, 0x19, 0x1A, 0x1B, 0x34, 0x3A, 0x46, 0x6C, 0x6D, 0x89, 0xA6, 0xA7, 0xBF, 0xC5, 0xC015, 0xC016,
             0xC017, 0xC018, 0xC019}


def test_T22_T23_T24_what_is_offered(sandbox, mail):
    """T-22, T-23, T-24: TLS 1.2 and 1.3 with forward secrecy, and nothing that ever was weak."""
    server = mail()
    sandbox.run("-t").ok()
    hello = hello_of(server.connection)
    assert hello.suites
    for weak in (STATIC_RSA, NULLS, RC4, TRIPLE_DES, EXPORT, ANONYMOUS):
        assert not hello.suites & weak
    versions = hello.extensions[43]
    assert {versions[i : i + 2] for i in range(1, len(versions), 2)} == {b"\x03\x03", b"\x03\x04"}


@pytest.mark.parametrize("suite, version", [
    (0x0005, b"\x03\x03"), (0x000A, b"\x03\x03"), (0x0003, b"\x03\x03"), (0x001B, b"\x03\x03"),
    (0x0002, b"\x03\x03"), (0x002F, b"\x03\x03"), (0x009C, b"\x03\x03"), (0xC013, b"\x03\x02"),
    (0xC013, b"\x03\x01"), (0x000A, b"\x03\x00"),
], ids=["RC4", "3DES", "export", "anonymous", "NULL", "static RSA", "static RSA GCM", "TLS 1.1", "TLS 1.0", "SSL 3"])
def test_T22_T23_T24_server_takes_what_was_not_offered(sandbox, mail, suite, version):
    """T-22, T-23, T-24, S-20: an answer with a weak suite or version ends it, and no other connection is tried."""
    body = version + os.urandom(32) + b"\0" + struct.pack(">H", suite) + b"\0"
    answer = b"\x16" + version + struct.pack(">H", len(body) + 4) + b"\x02\0" + struct.pack(">H", len(body)) + body

    def choose(context):
        context.session.wire.flush()
        context.session.wire.receive()
        return [answer, STALL]

    server = mail(script={"TLS": choose}, account=FAST)
    queued(sandbox, server)
    assert len(server.connections) == 1


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "AES256-SHA256", "AES128-SHA", "NULL-SHA256",
                                     "ADH-AES128-SHA256", "AECDH-AES128-SHA"])
def test_T23_T24_server_that_knows_nothing_better(sandbox, mail, ciphers):
    """T-23, T-24: no suite in common; static RSA has no forward secrecy and is refused too."""
    queued(sandbox, mail(certificate="rsa", ciphers=ciphers, max_tls=ssl.TLSVersion.TLSv1_2))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_T28_no_session_goes_from_host_to_host(sandbox, smarthost, version):
    """T-28: the next host, and the next connection to the same one, see a full handshake in one process."""
    more = {"max_tls": version, "mechanisms": ("PLAIN",)}
    first = smarthost(script={"AUTH:DONE": ["454 4.7.0 not here", CLOSE]}, **more)
    second = smarthost(address="127.0.0.2", port=first.port, script={"MAIL": Each(None, ["421 enough", CLOSE])}, **more)
    sandbox.configure(first, host="127.0.0.1, 127.0.0.2", tls_host="localhost")
    for _ in range(2):
        sandbox.run("-odq", "-t").ok()
    sandbox.run("-qf", stdin=None)
    assert len(second.messages) == 2
    connections = first.connections + second.connections
    assert len(connections) >= 3
    for connection in connections:
        hello = hello_of(connection)
        assert connection.tls_resumed is False
        assert 41 not in hello.extensions and hello.extensions.get(35, b"") == b""


def test_T28_a_stricter_policy_counts_at_once(sandbox, mail, certs):
    """T-28: what was trusted a moment ago helps nobody."""
    server = mail()
    sandbox.run("-t").ok()
    sandbox.configure(server, tls_trust_file=certs.stranger)
    sandbox.run("-t").ok()
    assert len(server.messages) == 1
    assert sandbox.entry().pending == ["bob@example.net"]


# --- the end of TLS ------------------------------------------------------


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "FINAL"])
@pytest.mark.parametrize("words", [b"", b"250 2.0.0 ok", b"250-2.0.0 ok\r\n", b"250 2.0.0 ok\r"], ids=repr)
def test_T26_cut_before_the_reply_is_whole(sandbox, mail, stage, words):
    """T-26: the end of the connection ends no line, with or without close_notify."""
    def cut(context):
        context.session.emit(words)
        context.session.wire.flush()
        if len(words) % 2:
            context.session.wire.say_goodbye()
        return CLOSE

    server = mail(script={stage: cut}, account=FAST)
    sandbox.run("-t", timeout=30).ok()
    assert server.messages == []
    assert sandbox.entry().states == {"bob@example.net": "S" if stage == "FINAL" else "R"}


@pytest.mark.parametrize("end", [CLOSE, RST], ids=repr)
@pytest.mark.parametrize("stage", ["FINAL", "QUIT"])
def test_T27_cut_behind_the_reply(sandbox, mail, stage, end):
    """T-27: the message is taken, and the missing close_notify is not worth a word, on a terminal neither."""
    good = "250 2.0.0 taken" if stage == "FINAL" else "221 2.0.0 bye"
    server = mail(script={stage: [good, end]}, account=FAST)
    result = sandbox.run("-v", "-t", timeout=30)
    assert result.rc == 0 and len(server.finals) == 1
    assert "broke off" not in result.text and "due form" not in result.text
    assert sandbox.entries() == [] and sandbox.failed() == []


# --- STARTTLS ------------------------------------------------------------


@pytest.mark.parametrize("banner", ["220 hello again", "220-hello\n220 again", "220 hello\n220 again"], ids=repr)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_S12_a_second_banner_is_a_fault(sandbox, mail, banner, version):
    """S-12: 220 is no answer to EHLO: it ends there, before anything could be taken for another's answer."""
    server = mail(script={"TLS:DONE": banner}, max_tls=version)
    queued(sandbox, server)


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_S13_handshake_that_hangs(sandbox, mail, implicit):
    """S-13: within the first record of the server."""
    part = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + b"x" * 20
    queued(sandbox, mail(script={"TLS": [part, STALL]}, implicit=implicit, account={"connect_timeout": "1s"}))


def test_S16_the_mask_is_named(sandbox, mail):
    """S-16: nothing in clear, and the words tell of the mask."""
    status = queued(sandbox, mail(keywords_clear=["PIPELINING", "250-XXXXXXXX", "XXXXXXXX", "AUTH PLAIN"]))
    assert "masks the offer" in status


@pytest.mark.parametrize("implicit", [False, True], ids=["server-of-587", "server-of-465"])
@pytest.mark.parametrize("tls", ["starttls", "implicit", None])
def test_S18_the_setting_decides_and_not_the_port(sandbox, smarthost, implicit, tls):
    """S-18: 465 by itself changes nothing, as the manual says; what does not fit waits, and nothing is in clear."""
    try:
        server = smarthost(address=OWN_LOOPBACK, port=465, implicit=implicit)
    except OSError:
        pytest.skip("port 465 cannot be had")
    server.expects_violations = True
    sandbox.configure(server, host=OWN_LOOPBACK, tls_host="localhost", tls=tls, connect_timeout="1s")
    sandbox.run("-t", timeout=30).ok()
    no_secret_before_tls(server)
    fits = (tls == "implicit") == implicit
    assert len(server.messages) == (1 if fits else 0)
    assert len(sandbox.entries()) == (0 if fits else 1)
    assert all(PASSWORD.encode() not in c.raw_before_tls and USER.encode() not in c.raw_before_tls
               for c in server.connections)
