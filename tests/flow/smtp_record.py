"""What the smarthost writes down."""

import re
import threading


class Recipient:
    def __init__(self, address, parameters, line, reply):
        self.address = address
        self.parameters = parameters
        self.line = line
        self.reply = reply

    @property
    def accepted(self):
        return self.reply[:1] == "2"


class Transaction:
    """One MAIL command and what followed it."""

    def __init__(self, connection, line, sender, parameters):
        self.connection = connection
        self.line = line
        self.sender = sender
        self.parameters = parameters
        self.attempts = []
        self.raw = b""  # as it came over the wire, end marker included
        self.data = b""  # dots taken out again, end marker gone
        self.chunks = []  # sizes of BDAT
        self.by_bdat = False
        self.reply = ""  # the final one
        self.done_at = 0.0

    @property
    def recipients(self):
        return [r.address for r in self.attempts if r.accepted]

    @property
    def head(self):
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self):
        return self.data.partition(b"\r\n\r\n")[2]

    def fields(self, name):
        """Bodies of the header fields of that name, unfolded."""
        unfolded = re.sub(rb"\r\n([ \t])", rb"\1", self.head)
        found = []
        for line in unfolded.split(b"\r\n"):
            key, colon, value = line.partition(b":")
            if colon and key.strip().lower() == name.lower().encode():
                found.append(value.strip().decode("utf-8", "surrogateescape"))
        return found


class Connection:
    """All that was seen on one connection."""

    def __init__(self, number, peer):
        self.number = number
        self.peer = peer
        self.raw_before_tls = b""  # every octet up to the end of the handshake
        self.clear = b""  # octets taken as commands before TLS
        self.commands = []  # (verb line, over TLS?)
        self.ehlo = []
        self.tls_version = None
        self.tls_cipher = None
        self.tls_resumed = None
        self.tls_error = None
        self.sni = None
        self.client_certificate = None
        self.mechanism = None
        self.user = None
        self.authzid = None
        self.channel_binding = None
        self.auth_attempts = []  # (mechanism, succeeded)
        self.flights = 0  # times the client's octets came behind an answer
        self.waits = 0  # the same without a QUIT that travelled alone
        self.flight_commands = []  # what each of them held
        self.transactions = []
        self.eof = False
        self.closed_cleanly = False
        self.reset = False
        self.over = threading.Event()

    @property
    def verbs(self):
        return [line.split(" ")[0].upper() for line, _ in self.commands]
