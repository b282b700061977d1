"""A scriptable SMTP and LMTP server for the flow tests and the demo.

It behaves like a strict submission server until it is told otherwise, answers
what a test's script says at any stage, and writes down all it saw: commands,
envelopes, octets of the data, TLS, logins, and how often the client had to
wait for it. Standard library only; one thread for each connection.

A script maps a stage to what happens there in place of the usual answer:

    GREETING  EHLO (first, in clear)  EHLO:TLS (behind TLS)  HELO  LHLO
    STARTTLS  TLS (in place of the handshake)  TLS:DONE (right behind it)
    AUTH (answer to the command)  SASL:CHALLENGE  SASL:FIRST  SASL:FINAL
    AUTH:DONE (the reply that ends a login)
    MAIL  RCPT  RCPT:2 (the second of a transaction)  RCPT:a@b  DATA  BODY
    FINAL  FINAL:2 (LMTP)  BDAT  BDAT:2  BDAT:LAST  RSET  NOOP  QUIT

and the value is one of

    None         the usual answer
    str          reply lines; CRLF is added
    bytes        octets as they stand
    CLOSE RST STALL HALF_CLOSE
    Pause(event) waits for a threading.Event of the test
    list         several of these in a row, each sent by itself
    Each(...)    one value for each time the stage is reached; then the usual
    callable     gets the Context, returns one of these
"""

import argparse
import os
import socket
import ssl
import sys
import threading
import time
import warnings

from smtp_record import Connection
from smtp_sasl import MECHANISMS
from smtp_script import CLOSE, HALF_CLOSE, RST, SKIP, STALL, Context, Each, Pause
from smtp_session import Session
from smtp_wire import Gone, export_keying_material

__all__ = [
    "CLOSE",
    "HALF_CLOSE",
    "MECHANISMS",
    "RST",
    "SKIP",
    "STALL",
    "Context",
    "Each",
    "Pause",
    "Smarthost",
    "export_keying_material",
]


class Smarthost:
    """The server. A context manager: listens inside the block, is gone behind it."""

    def __init__(
        self,
        certificate=None,
        users=None,
        tokens=None,
        mechanisms=("PLAIN", "LOGIN"),
        extensions=("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES"),
        keywords_clear=None,
        keywords_tls=None,
        script=None,
        implicit=False,
        tls=True,
        lmtp=False,
        auth_in_clear=False,
        min_tls=ssl.TLSVersion.TLSv1_2,
        max_tls=ssl.TLSVersion.TLSv1_3,
        ciphers=None,
        client_ca=None,
        need_client_certificate=False,
        latency=0.0,
        rcpt_max=0,
        scram_rounds=4096,
        ipv6=False,
        port=0,
        address="127.0.0.1",
        unix_path=None,
        allow_long_lines=False,
        backlog=128,
    ):
        self.certificate = certificate
        self.users = {"ann@example.test": "s3cret pass"} if users is None else dict(users)
        self.tokens = dict(self.users) if tokens is None else dict(tokens)
        self.mechanisms = tuple(mechanisms)
        self.extensions = tuple(extensions)
        self.keywords_clear = keywords_clear
        self.keywords_tls = keywords_tls
        self.script = dict(script or {})
        self.implicit = implicit
        self.tls = tls
        self.lmtp = lmtp
        self.auth_in_clear = auth_in_clear
        self.min_tls = min_tls
        self.max_tls = max_tls
        self.ciphers = ciphers
        self.client_ca = client_ca
        self.need_client_certificate = need_client_certificate
        self.latency = latency
        self.rcpt_max = rcpt_max
        self.scram_rounds = scram_rounds
        self.ipv6 = ipv6
        self.port = port
        self.address = address
        self.unix_path = unix_path
        self.allow_long_lines = allow_long_lines
        self.backlog = backlog
        self.connections = []
        self.transactions = []
        self.messages = []  # transactions that ended in a 2xx reply
        self.finals = []  # transactions whose data came whole
        self.violations = []
        self.expects_violations = False
        self.errors = []
        self.raw_heads = 0
        self.stopped = threading.Event()
        self.stalled = threading.Event()
        self.change = threading.Condition()
        self.on_message = None
        self.listeners = []
        self.threads = []
        self.live = {}

    # --- life --------------------------------------------------------

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        if self.unix_path:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(self.unix_path)
            self.listeners.append(listener)
        else:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address, self.port))
            self.port = listener.getsockname()[1]
            self.listeners.append(listener)
            if self.ipv6:
                listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("::1", self.port))
                self.listeners.append(listener)
        for listener in self.listeners:
            listener.listen(self.backlog)
            thread = threading.Thread(target=self.accept, args=(listener,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def stop(self):
        """Closes everything; connections end at once."""
        self.stopped.set()
        for listener in self.listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        with self.change:
            socks = list(self.live.values())
        for sock in socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)

    def refuse(self):
        """Stops to listen: connections are refused from now on, by this port."""
        for listener in self.listeners:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        self.listeners.clear()

    def accept(self, listener):
        while not self.stopped.is_set():
            try:
                sock, peer = listener.accept()
            except OSError:
                return
            with self.change:
                connection = Connection(len(self.connections) + 1, peer)
                self.connections.append(connection)
                self.live[connection.number] = sock
                self.change.notify_all()
            thread = threading.Thread(target=self.serve, args=(connection, sock), daemon=True)
            thread.start()
            self.threads.append(thread)

    def serve(self, connection, sock):
        sock.settimeout(60)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = Session(self, connection, sock)
        try:
            session.run()
        except Gone:
            pass
        except Exception as error:  # a fault of the server itself fails the test
            if not self.stopped.is_set():
                self.errors.append("connection %d: %r" % (connection.number, error))
                raise
        finally:
            if sock.fileno() >= 0:
                session.wire.close()
            with self.change:
                self.live.pop(connection.number, None)
                connection.over.set()
                self.change.notify_all()

    # --- TLS ---------------------------------------------------------

    def context(self, connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Weak certificates are served as readily as good ones: to refuse them
        # is the client's part.
        context.set_ciphers((self.ciphers or "DEFAULT") + "@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are served on purpose
            context.minimum_version = self.min_tls
            context.maximum_version = self.max_tls
        context.load_cert_chain(self.certificate.chain, self.certificate.key)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = (
                ssl.CERT_REQUIRED if self.need_client_certificate else ssl.CERT_OPTIONAL
            )

        def note_name(_tls, name, _context):
            connection.sni = name

        context.sni_callback = note_name
        return context

    def certificate_der(self):
        with open(self.certificate.chain, encoding="ascii") as file:
            pem = file.read()
        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(pem[pem.index(begin) : pem.index(end) + len(end)])

    # --- what happened -----------------------------------------------

    def begin_final(self, transaction):
        with self.change:
            self.finals.append(transaction)
            self.change.notify_all()

    def take(self, transaction):
        with self.change:
            transaction.done_at = time.monotonic()
            self.messages.append(transaction)
            number = len(self.messages)
            self.change.notify_all()
        if self.on_message:
            self.on_message(number, transaction)

    def wait(self, condition, timeout=20):
        """Waits until condition() holds; False when it does not in time."""
        with self.change:
            return self.change.wait_for(condition, timeout)

    def wait_messages(self, count, timeout=20):
        assert self.wait(lambda: len(self.messages) >= count, timeout), (
            "%d of %d messages came" % (len(self.messages), count)
        )
        return self.messages

    def wait_idle(self, timeout=20):
        """Waits until every connection is over."""
        assert self.wait(lambda: not self.live, timeout), "connections are still open"

    @property
    def message(self):
        """The one message there is."""
        assert len(self.messages) == 1, "%d messages" % len(self.messages)
        return self.messages[0]

    @property
    def connection(self):
        """The one connection there was, when it is over."""
        self.wait_idle()
        assert len(self.connections) == 1, "%d connections" % len(self.connections)
        return self.connections[0]

    @property
    def verbs(self):
        return [verb for c in self.connections for verb in c.verbs]


def main():
    parser = argparse.ArgumentParser(description="a submission server for tests and the demo")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--user", default="ann@example.test")
    parser.add_argument("--password", default="s3cret pass")
    parser.add_argument("--out", help="directory: each message is written there")
    parser.add_argument("--cert", help="certificate chain (PEM); without it one is made in --out")
    parser.add_argument("--key", help="its key (PEM)")
    parser.add_argument("--implicit", action="store_true", help="TLS from the first octet")
    parser.add_argument("--chunking", action="store_true", help="offer CHUNKING")
    parser.add_argument("--mechanisms", default="PLAIN,LOGIN,SCRAM-SHA-256")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--count", type=int, default=0, help="leave after that many messages")
    parser.add_argument("--refuse", action="append", default=[], help="recipient to refuse with 550")
    options = parser.parse_args()
    out = options.out or "."
    os.makedirs(out, exist_ok=True)
    if options.cert:
        certificate = argparse.Namespace(chain=options.cert, key=options.key or options.cert)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
        import certs

        maker = certs.Certificates(os.path.join(out, "tls"))
        certificate = maker.get("good")
        print("trust %s" % maker.ca, flush=True)
    extensions = ["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
    if options.chunking:
        extensions.append("CHUNKING")
    server = Smarthost(
        certificate=certificate,
        users={options.user: options.password},
        mechanisms=[m for m in options.mechanisms.upper().split(",") if m],
        extensions=extensions,
        implicit=options.implicit,
        latency=options.latency,
        port=options.port,
        address=options.address,
        allow_long_lines=True,
        script={"RCPT:" + address: "550 5.1.1 no such person" for address in options.refuse},
    )

    def write(number, message):
        path = os.path.join(out, "%05d.eml" % number)
        with open(path, "wb") as file:
            file.write(message.data)
        connection = message.connection
        print(
            "message %d: from <%s> to %s, %d octets, %s, %s as %s: %s"
            % (
                number,
                message.sender,
                ", ".join("<%s>" % r for r in message.recipients),
                len(message.data),
                connection.tls_version or "no TLS",
                connection.mechanism or "no login",
                connection.user,
                path,
            ),
            flush=True,
        )

    server.on_message = write
    with server:
        print("port %d" % server.port, flush=True)
        try:
            if options.count:
                server.wait_messages(options.count, timeout=None)
                server.wait_idle(5)
            else:
                server.stopped.wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
