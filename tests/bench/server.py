"""The smarthost of the flow tests, told to count TLS records and to cope with large messages."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "flow"))

import smarthost  # noqa: E402
import smtp_session  # noqa: E402
import smtp_wire  # noqa: E402

USER = "ann@example.test"
PASSWORD = "s3cret pass"
PLAIN = ("SIZE 2000000000", "8BITMIME", "ENHANCEDSTATUSCODES")
PIPELINING = PLAIN + ("PIPELINING",)
CHUNKING = PIPELINING + ("CHUNKING",)
END = b"\r\n.\r\n"


class Records:
    """Counts the records in a stream of TLS octets."""

    def __init__(self):
        self.head = b""
        self.skip = 0
        self.count = 0

    def add(self, octets):
        at = 0
        while at < len(octets):
            if self.skip:
                step = min(self.skip, len(octets) - at)
                self.skip -= step
                at += step
                continue
            take = octets[at : at + 5 - len(self.head)]
            self.head += take
            at += len(take)
            if len(self.head) == 5:
                self.count += 1
                self.skip = int.from_bytes(self.head[3:], "big")
                self.head = b""


class Wire(smtp_wire.Wire):
    def receive_raw(self):
        raw = super().receive_raw()
        if self.tls is not None:
            self.connection.records.add(raw)
            self.connection.reads += 1
        return raw

    def start_tls(self, context):
        self.connection.records = Records()
        self.connection.records.add(bytes(self.buffer))
        self.connection.reads = 0
        super().start_tls(context)


class Session(smtp_session.Session):
    """Large bodies are counted and not kept."""

    def __init__(self, server, connection, sock):
        super().__init__(server, connection, sock)
        self.wire = Wire(server, connection, sock)
        server.most_at_once = max(server.most_at_once, len(server.live))

    def check_data(self, transaction):
        pass

    def read_body(self):
        buffer = self.wire.buffer
        if not self.server.discards:
            return super().read_body()
        # The line break in front belongs to DATA itself where the message is empty.
        last = b"\r\n"
        while True:
            text = last + bytes(buffer)
            end = text.find(END)
            if end >= 0:
                del buffer[: max(0, end + len(END) - len(last))]
                return b".\r\n"
            last = text[-4:]
            buffer.clear()
            self.wire.receive()

    def do_bdat(self, line, rest):
        if not self.server.discards:
            super().do_bdat(line, rest)
            return
        match = re.fullmatch(r"(\d+)( LAST)?", rest, re.I)
        left = int(match.group(1))
        buffer = self.wire.buffer
        while left:
            if not buffer:
                self.wire.receive()
            taken = min(left, len(buffer))
            del buffer[:taken]
            left -= taken
        self.transaction.by_bdat = True
        if match.group(2):
            self.finish()
        else:
            self.answer("BDAT", line, "250 2.0.0 taken")


smarthost.Session = Session


class Server(smarthost.Smarthost):
    def __init__(self, certs, extensions=PIPELINING, discards=False, **more):
        super().__init__(
            certificate=certs.get("good"),
            users={USER: PASSWORD},
            mechanisms=("PLAIN", "LOGIN"),  # the second for those that know no better
            extensions=extensions,
            ipv6=True,  # no client shall have to try "localhost" twice
            backlog=1024,
            **more,
        )
        self.discards = discards
        self.most_at_once = 0

    def forget(self):
        """Begins to count from nothing."""
        self.wait_idle()
        with self.change:
            for kept in (self.connections, self.transactions, self.messages, self.finals):
                kept.clear()
            self.most_at_once = 0
