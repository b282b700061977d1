"""Names that lead nowhere and addresses that are dead (robustness N-01 to N-05), and networks that change (Q-16).

What /etc says of names is laid over the real files, for the program alone.
"""

import os
import socket
import struct
import subprocess
import threading
from types import SimpleNamespace

import pytest

from conftest import MESSAGE, OWN_LOOPBACK, eventually, have, is_root, no_secret_before_tls


def may_mount():
    if not is_root() or not have("unshare"):
        return False
    probe = subprocess.run(["unshare", "-m", "mount", "--bind", "/etc/hosts", "/etc/hosts"], capture_output=True,
                           check=False)
    return probe.returncode == 0


needs_mounts = pytest.mark.skipif(not may_mount(), reason="mounting takes root and unshare")

# The words behind: files of /etc and what lies over them, in pairs, up to "--"; then the command.
OVER_ETC = """\
while [ "$1" != -- ]; do mount --bind "$2" "/etc/$1" || exit 125; shift 2; done
shift
exec "$@"
"""


def with_etc(sandbox, files, *command, alone=False, **more):
    """A child whose /etc has these files; alone: without any network as well."""
    words = []
    for name, text in files.items():
        words += [name, sandbox.file("etc/" + name, text, 0o644)]
    argv = ["unshare", "-mn" if alone else "-m", "/bin/sh", "-c", OVER_ETC, "over", *words, "--", *command]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=sandbox.environment(), cwd=sandbox.home, **more)
    sandbox.children.append(child)
    return child


def queued(sandbox, files, **more):
    """Q, whatever the names lead to."""
    child = with_etc(sandbox, files, sandbox.program(), "-t", **more)
    out, err = child.communicate(MESSAGE.encode(), timeout=30)
    assert (child.returncode, out, err) == (0, b"", b"")
    assert sandbox.entry().pending == ["bob@example.net"]


class Deaf:
    """Sockets whose queues are full: who connects to them hears nothing, as behind a firewall that drops."""

    def __init__(self, addresses, port=0):
        self.socks = []
        self.port = port
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.socket(family)
            self.socks.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, self.port))
            listener.listen(0)
            self.port = listener.getsockname()[1]
            for _ in range(4):
                caller = socket.socket(family)
                caller.setblocking(False)
                caller.connect_ex((address, self.port))
                self.socks.append(caller)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.socks:
            sock.close()


def port_alone(port):
    """What Sandbox.configure wants to know of a server."""
    return SimpleNamespace(port=port, implicit=False, lmtp=False)


# --- names ---------------------------------------------------------------


NO_HOSTS = {"hosts": "127.0.0.1 localhost\n"}


class Resolver:
    """A name server that says to each question what answer() makes of it."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0
        self.over = threading.Event()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(0.05)
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        try:
            self.sock.bind((OWN_LOOPBACK, 53))
        except OSError:
            pytest.skip("port 53 cannot be had")
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.sock.close()

    def serve(self):
        while not self.over.is_set():
            try:
                question, peer = self.sock.recvfrom(2048)
            except TimeoutError:
                continue
            self.asked += 1
            reply = self.answer(question)
            if reply:
                self.sock.sendto(reply, peer)


def refusal(code):
    """The question with an answer bit and a code of refusal."""
    return lambda question: question[:2] + bytes([0x81, 0x80 | code]) + question[4:]


@needs_mounts
@pytest.mark.parametrize("answer", [refusal(3), refusal(2), refusal(5), lambda q: b"x" * 5, lambda q: None],
                         ids=["N01-NXDOMAIN", "N01-SERVFAIL", "N01-REFUSED", "N01-garbage", "N02-silence"])
def test_N01_N02_names_that_are_not_found(sandbox, answer):
    """N-01, N-02: what resolvers say, and one that says nothing."""
    sandbox.configure(None, host="smtp.nowhere.test", connect_timeout="1s")
    with Resolver(answer) as resolver:
        queued(sandbox, {"resolv.conf": "nameserver %s\noptions timeout:30 attempts:5\n" % OWN_LOOPBACK, **NO_HOSTS})
    assert resolver.asked


@needs_mounts
def test_N02_no_answer_about_addresses_of_ipv6(sandbox, smarthost):
    """Some resolvers drop such questions; those of IPv4 are known all the same."""
    def answer(question):
        end = question.index(b"\0", 12) + 5
        if question[end - 4:end - 2] != b"\0\x01":
            return None
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
        return question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question[12:end] + record

    server = smarthost()
    sandbox.configure(server, host="smtp.example.test", tls_host="localhost")
    with Resolver(answer):
        child = with_etc(
            sandbox, {"resolv.conf": "nameserver %s\noptions timeout:30 attempts:5\n" % OWN_LOOPBACK, **NO_HOSTS},
            sandbox.program(), "-t")
        out, err = child.communicate(MESSAGE.encode(), timeout=30)
    assert (child.returncode, out, err) == (0, b"", b"")
    assert server.message.recipients == ["bob@example.net"]
    sandbox.nothing_stored()


@needs_mounts
@pytest.mark.parametrize("host", ["smtp.nowhere.test", "192.0.2.1", "srv:nowhere.test"])
def test_N01_N05_no_network(sandbox, host):
    """N-01, N-05: no interface at all, no resolv.conf worth the name; an address says "unreachable"."""
    sandbox.configure(None, host=host, connect_timeout="2s")
    queued(sandbox, {"resolv.conf": "", **NO_HOSTS}, alone=True)


def service(port, target):
    """Answers that name a server for the first service that is asked for, and no addresses."""
    data = struct.pack(">HHH", 10, 1, port) + b"".join(
        bytes([len(label)]) + label.encode() for label in target.split(".")) + b"\0"

    def answer(question):
        if b"_submission\x04_tcp" not in question:
            return refusal(3)(question)
        end = question.index(b"\0", 12) + 5
        record = b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 60, len(data)) + data
        return question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question[12:end] + record

    return answer


@needs_mounts
@pytest.mark.parametrize("domain, target, keys, good", [
    ("example.test", "smtp.example.test", {}, True),
    ("smarthost.test", "mx.smarthost.test", {}, True),
    ("smarthost.test", "mx.provider.test", {}, True),
    ("another.test", "smtp.example.test", {}, False),
    ("le.test", "smtp.example.test", {}, False),
    ("another.test", "smtp.example.test", {"tls_host": "smtp.example.test"}, True),
], ids=["server-in-domain", "domain", "domain-elsewhere", "T07-server-elsewhere", "T07-like-the-domain", "tls_host"])
def test_T07_names_of_a_service(sandbox, smarthost, domain, target, keys, good):
    """T-07: the DNS may be forged; what it leads to has to be the domain's, or lie in it (RFC 7817)."""
    server = smarthost()
    sandbox.configure(server, host="srv:" + domain, port=None, **keys)
    files = {"resolv.conf": "nameserver %s\n" % OWN_LOOPBACK, "hosts": "127.0.0.1 localhost %s\n" % target}
    with Resolver(service(server.port, target)):
        child = with_etc(sandbox, files, sandbox.program(), "-t")
        assert child.communicate(MESSAGE.encode(), timeout=30) == (b"", b"") and child.returncode == 0
    assert (len(server.messages), len(sandbox.entries())) == ((1, 0) if good else (0, 1))
    assert len(server.connections) == 1
    no_secret_before_tls(server)


# --- addresses -----------------------------------------------------------


@needs_mounts
def test_N04_fifty_dead_addresses(sandbox):
    """N-04: the limit is one for all of them."""
    addresses = ["127.9.0.%d" % n for n in range(1, 51)]
    with Deaf(addresses) as deaf:
        sandbox.configure(port_alone(deaf.port), host="many.test", connect_timeout="1s")
        queued(sandbox, {"hosts": "".join("%s many.test\n" % a for a in addresses)})


@needs_mounts
def test_N04_fifty_refusing_addresses(sandbox):
    """N-04: each says no at once."""
    addresses = ["127.9.0.%d" % n for n in range(1, 51)]
    with Deaf(addresses[:1]) as deaf:
        port = deaf.port
    sandbox.configure(port_alone(port), host="many.test", connect_timeout="20s")
    queued(sandbox, {"hosts": "".join("%s many.test\n" % a for a in addresses)})


def test_N04_N05_several_dead_hosts(sandbox):
    """N-04, N-05: a list of hosts that drop what is sent to them shares one limit as well."""
    addresses = ["127.9.1.%d" % n for n in range(1, 21)]
    with Deaf(addresses) as deaf:
        sandbox.configure(port_alone(deaf.port), host=" ".join(addresses), connect_timeout="1s")
        sandbox.run("-t", timeout=20).ok()
    assert sandbox.entry().pending == ["bob@example.net"]


def test_N05_each_host_is_told_of(sandbox):
    """I8: which hosts were tried, and what became of each."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        sandbox.configure(port_alone(nobody.getsockname()[1]), host="127.0.0.1, 127.0.0.2")
        result = sandbox.run("check", program="pillarbox", stdin=None)
    assert result.rc == 75
    assert result.text.index("127.0.0.1:") < result.text.index("127.0.0.2:")


def test_N03_black_hole_of_ipv6(sandbox, mail):
    """N-03: the other address serves long before the limit, which silence of the first would take up."""
    server = mail(account={"connect_timeout": "20s", "timeout": "20s"})
    try:
        deaf = Deaf(["::1"], server.port)
    except OSError:
        pytest.skip("no IPv6 here")
    with deaf:
        sandbox.run("-t", timeout=15).ok()
    assert len(server.messages) == 1 and sandbox.entries() == []


# --- a proxy, an address to come from ------------------------------------


class Proxy:
    """A SOCKS proxy (RFC 1928, 1929) that leads every name to one port, or says no with that code."""

    def __init__(self, port, code=0):
        self.port_behind, self.code = port, code
        self.logins, self.names = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                self.lead(peer)

    def lead(self, peer):
        wire = peer.makefile("rb", buffering=0)
        methods = wire.read(wire.read(2)[1])
        assert 2 in methods
        peer.sendall(b"\5\2")
        user = wire.read(wire.read(2)[1])
        self.logins.append((user, wire.read(wire.read(1)[0])))
        peer.sendall(b"\1\0")
        assert wire.read(4) == b"\5\1\0\3"  # CONNECT, to a name
        self.names.append((wire.read(wire.read(1)[0]), *struct.unpack(">H", wire.read(2))))
        peer.sendall(b"\5%c\0\1" % self.code + bytes(6))
        if self.code == 0:
            with socket.create_connection(("127.0.0.1", self.port_behind)) as behind:
                back = threading.Thread(target=pass_on, args=(behind, peer), daemon=True)
                back.start()
                pass_on(peer, behind)
                back.join(10)


def pass_on(source, target):
    try:
        while octets := source.recv(65536):
            target.sendall(octets)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.parametrize("by", ["key", "variable"])
def test_proxy_looks_up_the_name(sandbox, smarthost, by):
    """The name is looked up behind the proxy, so that Tor works; F-30: its login reaches no command."""
    server = smarthost()
    shown = sandbox.file("shown", "")
    command = sandbox.file("ask", "#!/bin/sh\nenv > %s\necho 's3cret pass'\n" % shown, 0o700)
    with Proxy(server.port) as proxy:
        url = "socks5://ann:pr0xy@127.0.0.1:%d" % proxy.port
        sandbox.configure(server, host="smtp.nowhere.test", port=5870, tls_host="localhost", auth="plain",
                          password=None, password_command=command, proxy=url if by == "key" else None)
        sandbox.run("-t", env={} if by == "key" else {"PILLARBOX_PROXY": url}).ok()
    assert proxy.logins == [(b"ann", b"pr0xy")] and proxy.names == [(b"smtp.nowhere.test", 5870)]
    assert server.message.recipients == ["bob@example.net"]
    with open(shown, encoding="utf-8") as file:
        text = file.read()
    assert "PATH=" in text and "pr0xy" not in text
    sandbox.nothing_stored()


@pytest.mark.parametrize("code", range(1, 9))
def test_proxy_that_says_no(sandbox, smarthost, code):
    server = smarthost()
    with Proxy(server.port, code) as proxy:
        sandbox.configure(server, proxy="socks5://ann:pr0xy@127.0.0.1:%d" % proxy.port, connect_timeout="2s")
        sandbox.run("-t").ok()
    assert proxy.names and server.connections == []
    assert sandbox.entry().pending == ["bob@example.net"] and b"pr0xy" not in sandbox.entry().raw


def test_source_address(sandbox, mail):
    server = mail(account={"host": "127.0.0.1", "tls_host": "localhost", "source": "127.0.0.9"})
    sandbox.run("-t").ok()
    assert server.message.connection.peer[0] == "127.0.0.9"


# --- networks that change ------------------------------------------------


@needs_mounts
def test_Q16_a_loop_asks_for_the_address_again(sandbox, smarthost, certs):
    """Q-16: a runner that lives on finds the server at its new place."""
    old = smarthost(address="127.0.0.2")
    new = smarthost(address="127.0.0.3", port=old.port)
    sandbox.configure(old, host="moving.test", tls_host="localhost")
    old.refuse()
    sandbox.run("-odq", "-t").ok()
    child = with_etc(sandbox, {"hosts": "127.0.0.2 moving.test\n"}, sandbox.program("pillarbox"), "queue", "run",
                     "--every", "1s")
    eventually(lambda: sandbox.entry().status.startswith("00001"))
    with open(os.path.join(sandbox.root, "etc/hosts"), "w", encoding="ascii") as file:
        file.write("127.0.0.3 moving.test\n")
    os.utime(sandbox.entry().path)
    new.wait_messages(1)
    child.terminate()
    assert child.wait(20) == 0
    assert sandbox.entries() == [] and old.connections == []
