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
import base64
import ctypes
import hashlib
import hmac
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time


class Action:
    """Something done to the connection in place of a reply."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


CLOSE = Action("CLOSE")
RST = Action("RST")
STALL = Action("STALL")
HALF_CLOSE = Action("HALF_CLOSE")


class Pause:
    """Waits until the test sets the event, or a minute."""

    def __init__(self, event):
        self.event = event


class Each:
    """One value for each time a stage is reached; behind the last the usual answer."""

    def __init__(self, *values, then=None):
        self.values = list(values)
        self.then = then
        self.lock = threading.Lock()

    def next(self):
        with self.lock:
            return self.values.pop(0) if self.values else self.then


class Context:
    """What a scripted callable may look at."""

    def __init__(self, session, stage, line, default):
        self.session = session
        self.connection = session.connection
        self.server = session.server
        self.stage = stage
        self.line = line
        self.default = default


class Gone(Exception):
    """The connection is over."""


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


def reply_code(value):
    """The three digits of a scripted reply, or None."""
    if isinstance(value, (list, tuple)):
        text = b"".join(to_octets(v) for v in value if isinstance(v, (str, bytes)))
    elif isinstance(value, (str, bytes)):
        text = to_octets(value)
    else:
        return None
    lines = [line for line in text.split(b"\n") if line.strip()]
    match = re.match(rb"\d{3}", lines[-1]) if lines else None
    return match.group(0).decode() if match else None


def to_octets(value):
    if isinstance(value, bytes):
        return value
    text = value.encode("utf-8", "surrogateescape")
    if text.endswith(b"\r\n"):
        return text
    return text.replace(b"\n", b"\r\n") + b"\r\n"


class Wire:
    """Octets to and from one client, in clear or over TLS, and the count of flights."""

    def __init__(self, server, connection, sock):
        self.server = server
        self.connection = connection
        self.sock = sock
        self.tls = None
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.buffer = bytearray()
        self.out = bytearray()
        self.client_has_floor = True  # octets now received begin a new flight
        self.handshaking = False

    def receive(self):
        """Adds what the client sent to the buffer; blocks. Gone at the end."""
        while True:
            raw = self.receive_raw()
            if self.tls is None:
                self.connection.clear += raw
                self.note_flight()
                self.buffer += raw
                return
            self.incoming.write(raw)
            if self.decrypt():
                self.note_flight()
                return

    def receive_raw(self):
        try:
            raw = self.sock.recv(262144)
        except ConnectionResetError:
            self.connection.reset = True
            raise Gone from None
        except OSError:
            raise Gone from None
        if not raw:
            self.connection.eof = True
            raise Gone
        if self.tls is None or self.handshaking:
            self.connection.raw_before_tls += raw
        return raw

    def decrypt(self):
        """True when plain text came out."""
        came = False
        while True:
            try:
                plain = self.tls.read(262144)
            except ssl.SSLWantReadError:
                return came
            except ssl.SSLZeroReturnError:
                plain = b""
            except ssl.SSLError as error:
                self.connection.tls_error = str(error)
                raise Gone from None
            if not plain:
                self.connection.closed_cleanly = True
                self.connection.eof = True
                if came:
                    return True
                raise Gone
            self.buffer += plain
            came = True

    def note_flight(self):
        if self.client_has_floor:
            self.client_has_floor = False
            self.connection.flights += 1
            self.connection.waits += 1
            self.connection.flight_commands.append([])

    def fill_without_waiting(self):
        """Takes in what has arrived already."""
        try:
            while select.select([self.sock], [], [], 0)[0]:
                self.receive()
        except Gone:
            return

    def send(self, octets):
        self.out += octets

    def flush(self):
        """Sends what has been gathered, in one write. Session tickets wait for it as well."""
        if not self.out:
            return
        if self.server.latency:
            self.server.stopped.wait(self.server.latency)
        out, self.out = bytes(self.out), bytearray()
        if self.tls is not None:
            try:
                self.tls.write(out)
            except ssl.SSLError:
                raise Gone from None
            out = self.outgoing.read()
        self.send_raw(out)

    def send_raw(self, octets):
        try:
            self.sock.sendall(octets)
        except OSError:
            raise Gone from None
        self.client_has_floor = True

    def start_tls(self, context):
        """The server's side of a handshake; Gone when it fails."""
        connection = self.connection
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.handshaking = True
        if self.buffer:
            self.incoming.write(bytes(self.buffer))
            self.buffer.clear()
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pending = self.outgoing.read()
                if pending:
                    if self.server.latency:
                        self.server.stopped.wait(self.server.latency)
                    self.send_raw(pending)
                try:
                    self.incoming.write(self.receive_raw())
                except Gone:
                    connection.tls_error = connection.tls_error or "closed in the handshake"
                    raise
                self.note_flight()
            except ssl.SSLError as error:
                connection.tls_error = str(error)
                pending = self.outgoing.read()
                if pending:
                    self.send_raw(pending)
                raise Gone from None
        self.handshaking = False
        connection.tls_version = self.tls.version()
        connection.tls_cipher = self.tls.cipher()
        connection.client_certificate = self.tls.getpeercert(binary_form=True)
        if self.decrypt():
            self.note_flight()

    def say_goodbye(self):
        """Sends close_notify."""
        if self.tls is None:
            return
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        try:
            self.sock.sendall(self.outgoing.read())
        except OSError:
            pass

    def abort(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        # Octets that were never read would turn the close into a reset and
        # take the last reply with them.
        try:
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(2)
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.sock.close()


def export_keying_material(tls, label, length):
    """RFC 5705 through the libssl that the ssl module has loaded; None where it cannot be had.

    CPython 3.11 keeps the SSL pointer right behind the object's head and its
    socket reference.
    """
    try:
        inner = tls._sslobj
        pointer = ctypes.cast(id(inner), ctypes.POINTER(ctypes.c_void_p))[3]
        library = ctypes.CDLL("libssl.so.3")
        export = library.SSL_export_keying_material
        export.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_int,
        ]
        out = ctypes.create_string_buffer(length)
        if export(pointer, out, length, label, len(label), b"", 0, 1) != 1:
            return None
        return out.raw
    except (OSError, AttributeError, ValueError):
        return None


class Sasl:
    """One login: the server's side of each mechanism."""

    def __init__(self, session, mechanism):
        self.session = session
        self.server = session.server
        self.connection = session.connection
        self.mechanism = mechanism

    def run(self, initial):
        """True where the client has proved itself."""
        name = self.mechanism
        if name.startswith("SCRAM-"):
            return self.scram(initial)
        handlers = {
            "PLAIN": self.plain,
            "LOGIN": self.login,
            "CRAM-MD5": self.cram_md5,
            "XOAUTH2": self.xoauth2,
            "OAUTHBEARER": self.oauthbearer,
            "EXTERNAL": self.external,
        }
        return handlers[name](initial)

    def ask(self, challenge, stage="SASL:CHALLENGE"):
        """Sends a challenge and gives the client's answer, decoded."""
        line = "334 " + base64.b64encode(challenge).decode()
        self.session.answer(stage, line, line)
        return self.session.read_sasl()

    def first(self, initial, stage="SASL:CHALLENGE"):
        return self.ask(b"", stage) if initial is None else initial

    def known(self, user, password):
        return self.server.users.get(user) == password

    def plain(self, initial):
        parts = self.first(initial).split(b"\0")
        if len(parts) != 3:
            return False
        authzid, user, password = (p.decode("utf-8", "surrogateescape") for p in parts)
        self.connection.authzid = authzid
        self.connection.user = user
        return self.known(user, password)

    def login(self, initial):
        user = self.ask(b"Username:") if initial is None else initial
        password = self.ask(b"Password:")
        self.connection.user = user.decode("utf-8", "surrogateescape")
        return self.known(self.connection.user, password.decode("utf-8", "surrogateescape"))

    def cram_md5(self, initial):
        challenge = b"<%d.%d@smarthost.test>" % (id(self), time.time_ns())
        user, _, digest = self.ask(challenge).rpartition(b" ")
        self.connection.user = user.decode("utf-8", "surrogateescape")
        password = self.server.users.get(self.connection.user)
        if password is None:
            return False
        want = hmac.new(password.encode(), challenge, "md5").hexdigest().encode()
        return hmac.compare_digest(want, digest)

    def xoauth2(self, initial):
        answer = self.first(initial)
        match = re.fullmatch(rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", answer)
        if match:
            self.connection.user = match.group(1).decode()
            if self.token_is_good(match.group(2).decode()):
                return True
        problem = {"status": "401", "schemes": "bearer", "scope": "https://mail.example.test/"}
        self.connection.sasl_error_answer = self.ask(json.dumps(problem).encode())
        return False

    def oauthbearer(self, initial):
        answer = self.first(initial)
        match = re.fullmatch(
            rb"n,a=([^,]*),\x01(?:[a-z]+=[^\x01]*\x01)*?auth=Bearer ([^\x01]*)\x01\x01", answer
        )
        self.connection.oauthbearer = answer
        if match:
            user = match.group(1).decode().replace("=2C", ",").replace("=3D", "=")
            self.connection.user = user
            if self.token_is_good(match.group(2).decode()):
                return True
        problem = {"status": "invalid_token", "scope": "mail"}
        self.connection.sasl_error_answer = self.ask(json.dumps(problem).encode())
        return False

    def token_is_good(self, token):
        return self.server.tokens.get(self.connection.user) == token

    def external(self, initial):
        self.connection.authzid = self.first(initial).decode()
        self.connection.user = self.connection.authzid
        return self.connection.client_certificate is not None

    def scram(self, initial):
        plus = self.mechanism.endswith("-PLUS")
        digest = "sha256" if "SHA-256" in self.mechanism else "sha1"
        message = self.first(initial).decode("utf-8", "surrogateescape")
        match = re.fullmatch(r"(([ny]|p=([^,]*)),([^,]*),)(n=([^,]*),r=([^,]+))", message)
        if not match:
            return False
        header, flag, binding, authzid, bare, name, nonce = match.groups()
        if plus != (binding is not None):
            return False
        if flag == "y" and any(m.endswith("-PLUS") for m in self.server.mechanisms):
            # The client thinks that we cannot bind; we said that we can (RFC 5802 section 6).
            return False
        self.connection.channel_binding = binding or flag
        self.connection.authzid = authzid
        user = name.replace("=2C", ",").replace("=3D", "=")
        self.connection.user = user
        password = self.server.users.get(user)
        salt = hashlib.sha256(b"salt of " + user.encode()).digest()[:16]
        rounds = self.server.scram_rounds
        full_nonce = nonce + base64.b64encode(os.urandom(18)).decode()
        first = "r=%s,s=%s,i=%d" % (full_nonce, base64.b64encode(salt).decode(), rounds)
        first = self.replace("SASL:FIRST", first)
        answer = self.ask(first.encode("utf-8", "surrogateescape")).decode()
        without_proof, _, proof = answer.rpartition(",p=")
        if password is None or not proof:
            return False
        expected = header.encode() + self.binding_data(binding)
        want = "c=%s,r=%s" % (base64.b64encode(expected).decode(), full_nonce)
        if without_proof != want:
            return False
        auth = ",".join([bare, first, without_proof]).encode()
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", digest)
        signature = hmac.digest(hashlib.new(digest, client_key).digest(), auth, digest)
        expected_proof = bytes(a ^ b for a, b in zip(client_key, signature))
        if not hmac.compare_digest(expected_proof, base64.b64decode(proof)):
            return False
        server_key = hmac.digest(salted, b"Server Key", digest)
        verifier = base64.b64encode(hmac.digest(server_key, auth, digest)).decode()
        final = self.replace("SASL:FINAL", "v=" + verifier)
        if final is not None:
            # RFC 4954: a mechanism's last word goes into a challenge that the
            # client answers with an empty line.
            self.ask(final.encode("utf-8", "surrogateescape"))
        return True

    def replace(self, stage, default):
        value = self.session.scripted(stage, default, default)
        if value is None:
            return default
        return None if value is SKIP else value

    def binding_data(self, binding):
        if binding is None:
            return b""
        if binding == "tls-server-end-point":
            return hashlib.sha256(self.server.certificate_der()).digest()
        if binding == "tls-exporter":
            data = export_keying_material(
                self.session.wire.tls, b"EXPORTER-Channel-Binding", 32
            )
            if data is not None:
                return data
        return b"no such binding"


SKIP = Action("SKIP")  # SASL:FINAL: leave the server's signature out

MECHANISMS = (
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS",
    "XOAUTH2",
    "OAUTHBEARER",
    "EXTERNAL",
)

# Which extension lets a parameter of MAIL or RCPT be used.
MAIL_PARAMETERS = {
    "SIZE": ("SIZE",),
    "BODY": ("8BITMIME", "BINARYMIME"),
    "SMTPUTF8": ("SMTPUTF8",),
    "RET": ("DSN",),
    "ENVID": ("DSN",),
    "AUTH": ("AUTH",),
    "BY": ("DELIVERBY",),
    "MT-PRIORITY": ("MT-PRIORITY",),
    "HOLDFOR": ("FUTURERELEASE",),
    "HOLDUNTIL": ("FUTURERELEASE",),
    "REQUIRETLS": ("REQUIRETLS",),
}
RCPT_PARAMETERS = {"NOTIFY": ("DSN",), "ORCPT": ("DSN",)}


class Session:
    """The dialogue of one connection."""

    def __init__(self, server, connection, sock):
        self.server = server
        self.connection = connection
        self.wire = Wire(server, connection, sock)
        self.transaction = None
        self.logged_in = False
        self.greeted = False

    # --- answers -----------------------------------------------------

    def scripted(self, stage, line, default):
        """What the script says for a stage, or None."""
        value = self.server.script.get(stage)
        if isinstance(value, Each):
            value = value.next()
        if callable(value) and not isinstance(value, (Action, Pause)):
            value = value(Context(self, stage, line, default))
        return value

    def answer(self, stages, line, default):
        """Answers by the first stage that the script knows, else by default; gives the code."""
        if isinstance(stages, str):
            stages = [stages]
        for stage in stages:
            value = self.scripted(stage, line, default)
            if value is not None:
                self.emit(value)
                return reply_code(value) or ""
        self.emit(default)
        return reply_code(default) or ""

    def emit(self, value):
        wire = self.wire
        if value is None:
            return
        if isinstance(value, (list, tuple)):
            for part in value:
                self.emit(part)
                wire.flush()
        elif isinstance(value, (str, bytes)):
            wire.send(to_octets(value))
        elif isinstance(value, Pause):
            wire.flush()
            value.event.wait(60)
        elif value is CLOSE:
            wire.flush()
            raise Gone
        elif value is RST:
            wire.flush()
            wire.abort()
            raise Gone
        elif value is HALF_CLOSE:
            wire.flush()
            wire.half_close()
            self.swallow()
        elif value is STALL:
            wire.flush()
            self.server.stalled.set()
            self.swallow()
        else:
            raise TypeError("a script cannot hold %r" % (value,))

    def swallow(self):
        """Says nothing more and reads until the client gives up."""
        while not self.server.stopped.is_set():
            self.wire.receive()
        raise Gone

    # --- input -------------------------------------------------------

    def read_line(self):
        buffer = self.wire.buffer
        while True:
            end = buffer.find(b"\n")
            if end >= 0:
                break
            if len(buffer) > 1 << 20:
                self.fault("a command of more than a megabyte")
                raise Gone
            before = len(buffer)
            if select.select([self.wire.sock], [], [], 0)[0]:
                self.wire.receive()
                if len(buffer) != before:
                    continue
            self.wire.flush()
            self.wire.receive()
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        if not line.endswith(b"\r\n"):
            self.fault("a command line without CR: %r" % line)
        return line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")

    def read_sasl(self):
        line = self.read_line()
        self.note_command("(sasl)")
        self.connection.sasl_lines = getattr(self.connection, "sasl_lines", []) + [line]
        if line == "*":
            raise SaslCancelled
        try:
            return base64.b64decode(line, validate=True)
        except ValueError:
            raise SaslCancelled from None

    def note_command(self, line):
        connection = self.connection
        connection.commands.append((line, self.wire.tls is not None))
        if connection.flight_commands:
            connection.flight_commands[-1].append(line.split(" ")[0].upper())
        if line.upper() == "QUIT" and connection.flight_commands[-1:] == [["QUIT"]]:
            connection.waits -= 1

    def fault(self, text):
        self.server.violations.append("connection %d: %s" % (self.connection.number, text))

    # --- dialogue ----------------------------------------------------

    def run(self):
        if self.server.implicit:
            self.handshake()
        self.answer("GREETING", "", "220 smarthost.test ESMTP")
        self.wire.flush()
        while True:
            line = self.read_line()
            self.note_command(line)
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            handler = getattr(self, "do_" + verb.lower(), None)
            if handler is None or not verb.isalpha():
                self.answer(verb, line, "500 5.5.2 unknown command")
            else:
                handler(line, rest)
            if self.wire.buffer and not self.offers("PIPELINING"):
                if verb not in ("BDAT",) and self.transaction is not None:
                    self.fault("pipelined without PIPELINING behind %s" % verb)

    def offers(self, keyword):
        return any(k.upper().split(" ")[0] == keyword for k in self.keywords())

    def keywords(self):
        server = self.server
        if self.wire.tls is None:
            if server.keywords_clear is not None:
                return list(server.keywords_clear)
            words = list(server.extensions)
            if server.tls:
                words.append("STARTTLS")
            if server.auth_in_clear and server.mechanisms:
                words.append("AUTH " + " ".join(server.mechanisms))
            return words
        if server.keywords_tls is not None:
            return list(server.keywords_tls)
        words = list(server.extensions)
        if server.mechanisms:
            words.append("AUTH " + " ".join(server.mechanisms))
        return words

    def do_ehlo(self, line, rest):
        self.connection.ehlo.append(rest)
        if not re.fullmatch(r"\[[0-9.]+\]|\[IPv6:[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,255}", rest):
            self.fault("EHLO with %r" % rest)
        words = ["smarthost.test"] + self.keywords()
        default = "\n".join(
            "250%s%s" % (" " if n == len(words) - 1 else "-", w) for n, w in enumerate(words)
        )
        stages = ["EHLO:TLS", "EHLO:ANY"] if self.wire.tls is not None else ["EHLO", "EHLO:ANY"]
        code = self.answer(stages, line, default)
        self.greeted = code[:1] == "2"
        self.transaction = None

    def do_lhlo(self, line, rest):
        self.do_ehlo(line, rest)

    def do_helo(self, line, rest):
        self.connection.ehlo.append(rest)
        self.answer("HELO", line, "250 smarthost.test")
        self.transaction = None
        self.greeted = True

    def do_starttls(self, line, rest):
        if self.wire.buffer:
            self.fault("octets behind STARTTLS: %r" % bytes(self.wire.buffer))
        if not self.server.tls or self.wire.tls is not None:
            self.answer("STARTTLS", line, "502 5.5.1 no")
            return
        code = self.answer("STARTTLS", line, "220 2.0.0 go ahead")
        self.wire.flush()
        if code == "220":
            self.handshake()

    def handshake(self):
        value = self.scripted("TLS", "", None)
        if value is not None:
            self.emit(value)
            self.wire.flush()
            self.swallow()
        self.wire.start_tls(self.server.context(self.connection))
        self.greeted = False
        self.transaction = None
        value = self.scripted("TLS:DONE", "", None)
        if value is not None:
            self.emit(value)
            self.wire.flush()

    def do_auth(self, line, rest):
        name, _, initial = rest.partition(" ")
        name = name.upper()
        if self.wire.tls is None and not self.server.auth_in_clear:
            self.fault("AUTH in clear")
        if name not in self.server.mechanisms:
            self.fault("AUTH %s was not offered" % name)
            self.answer("AUTH", line, "504 5.5.4 no such mechanism")
            return
        if len(line) > 12286:
            self.fault("an AUTH line of %d octets" % len(line))
        connection = self.connection
        connection.mechanism = name
        value = self.scripted("AUTH", line, None)
        if value is not None:
            self.emit(value)
            self.logged_in = reply_code(value) == "235"
            connection.auth_attempts.append((name, self.logged_in))
            return
        try:
            decoded = None
            if initial:
                decoded = b"" if initial == "=" else base64.b64decode(initial, validate=True)
            good = Sasl(self, name).run(decoded)
        except SaslCancelled:
            connection.auth_attempts.append((name, False))
            self.answer("AUTH:CANCELLED", line, "501 5.7.0 cancelled")
            return
        except ValueError:
            connection.auth_attempts.append((name, False))
            self.answer("AUTH:DONE", line, "501 5.5.2 cannot decode")
            return
        default = "235 2.7.0 welcome" if good else "535 5.7.8 credentials are not known"
        code = self.answer("AUTH:DONE", line, default)
        self.logged_in = code == "235"
        connection.auth_attempts.append((name, self.logged_in))

    def split_path(self, rest, word):
        """Address and parameters of MAIL or RCPT, or None."""
        match = re.fullmatch(word + r':<((?:"(?:[^"\\]|\\.)*"|[^>"])*)>(?: (.*))?', rest, re.I | re.S)
        if not match:
            return None
        parameters = {}
        for item in (match.group(2) or "").split(" "):
            if item:
                key, equals, value = item.partition("=")
                parameters[key.upper()] = value if equals else True
        return match.group(1), parameters

    def check_parameters(self, line, parameters, table):
        for key in parameters:
            if key not in table or not any(self.offers(k) for k in table[key]):
                self.fault("parameter %s was not offered: %s" % (key, line))
                return False
        body = str(parameters.get("BODY", "")).upper()
        if body == "BINARYMIME" and not self.offers("BINARYMIME"):
            self.fault("BODY=BINARYMIME was not offered")
            return False
        return True

    def do_mail(self, line, rest):
        split = self.split_path(rest, "FROM")
        if self.server.users and not self.logged_in and self.server.mechanisms:
            self.fault("MAIL before a login")
            self.answer("MAIL", line, "530 5.7.0 log in first")
            return
        if split is None:
            self.fault("MAIL cannot be read: %r" % line)
            self.answer("MAIL", line, "501 5.5.4 syntax")
            return
        sender, parameters = split
        if not line.isascii() and "SMTPUTF8" not in parameters:
            self.fault("MAIL is not ASCII, without SMTPUTF8: %r" % line)
        if self.transaction is not None:
            self.fault("MAIL within a transaction")
            self.answer("MAIL", line, "503 5.5.1 nested MAIL")
            return
        good = self.check_parameters(line, parameters, MAIL_PARAMETERS)
        code = self.answer(
            "MAIL", line, "250 2.1.0 sender ok" if good else "555 5.5.4 parameter"
        )
        if code[:1] == "2":
            self.transaction = Transaction(self.connection, line, sender, parameters)
            self.connection.transactions.append(self.transaction)
            self.server.transactions.append(self.transaction)

    def do_rcpt(self, line, rest):
        split = self.split_path(rest, "TO")
        if self.transaction is None:
            self.answer(["RCPT:ORPHAN"], line, "503 5.5.1 MAIL first")
            return
        transaction = self.transaction
        if split is None or not split[0]:
            self.fault("RCPT cannot be read: %r" % line)
            self.answer("RCPT", line, "501 5.5.4 syntax")
            return
        address, parameters = split
        if not line.isascii() and "SMTPUTF8" not in transaction.parameters:
            self.fault("RCPT is not ASCII, without SMTPUTF8: %r" % line)
        good = self.check_parameters(line, parameters, RCPT_PARAMETERS)
        default = "250 2.1.5 recipient ok" if good else "555 5.5.4 parameter"
        if self.server.rcpt_max and len(transaction.recipients) >= self.server.rcpt_max:
            default = "452 4.5.3 too many recipients"
        number = len(transaction.attempts) + 1
        recipient = Recipient(address, parameters, line, "")
        transaction.attempts.append(recipient)
        recipient.reply = self.answer(
            ["RCPT:%d" % number, "RCPT:" + address, "RCPT"], line, default
        )

    def do_data(self, line, rest):
        transaction = self.transaction
        if transaction is None:
            self.answer("DATA:ORPHAN", line, "503 5.5.1 MAIL first")
            return
        default = "354 go ahead" if transaction.recipients else "554 5.5.1 no valid recipients"
        code = self.answer("DATA", line, default)
        if code != "354":
            if code[:1] in ("2", "3"):
                # The script promises nothing that we could follow.
                self.wire.flush()
            return
        self.wire.flush()
        if self.server.script.get("BODY") is not None:
            self.emit(self.scripted("BODY", "", None))
        transaction.raw = self.read_body()
        transaction.data = self.unstuff(transaction.raw)
        self.check_data(transaction)
        self.finish()

    def read_body(self):
        """All octets up to CRLF . CRLF, which must be that sequence and no other."""
        buffer = self.wire.buffer
        start = 0
        while True:
            if buffer[:3] == b".\r\n":
                end = 3
                break
            found = buffer.find(b"\r\n.\r\n", max(0, start - 5))
            if found >= 0:
                end = found + 5
                break
            start = len(buffer)
            self.wire.receive()
        raw = bytes(buffer[:end])
        del buffer[:end]
        if self.connection.flight_commands:
            self.connection.flight_commands[-1].append("(body)")
        return raw

    @staticmethod
    def unstuff(raw):
        text = raw[:-3]
        if text.startswith(b"."):
            text = text[1:]
        return text.replace(b"\r\n.", b"\r\n")

    def check_data(self, transaction):
        data = transaction.data
        body = str(transaction.parameters.get("BODY", "7BIT")).upper()
        if body != "BINARYMIME":
            if re.search(rb"\r(?!\n)|(?<!\r)\n", data):
                self.fault("a bare CR or LF in the message")
            if b"\0" in data:
                self.fault("NUL in the message")
            if data and not data.endswith(b"\r\n"):
                self.fault("the last line of the message has no CRLF")
            if not self.server.allow_long_lines and any(
                len(line) > 998 for line in data.split(b"\r\n")
            ):
                self.fault("a line of more than 998 octets")
        if not transaction.by_bdat and re.search(rb"(^|\r\n)\.(?!\.)", transaction.raw[:-3]):
            self.fault("a dot at a line's start that was not doubled")
        head, _, rest = data.partition(b"\r\n\r\n")
        if not rest.isascii() and body == "7BIT":
            self.fault("an 8-bit body without BODY=8BITMIME")
        if not head.isascii() and "SMTPUTF8" not in transaction.parameters:
            self.server.raw_heads += 1

    def finish(self):
        transaction = self.transaction
        self.transaction = None
        if self.server.lmtp:
            for number, recipient in enumerate(
                [r for r in transaction.attempts if r.accepted], start=1
            ):
                code = self.answer(
                    ["FINAL:%d" % number, "FINAL:" + recipient.address, "FINAL"],
                    "",
                    "250 2.0.0 stored for " + recipient.address,
                )
                recipient.final = code
                if code[:1] == "2":
                    transaction.reply = code
        else:
            # The message counts as taken before the words go out: a client that
            # sees the reply and a test that looks next must agree.
            self.server.begin_final(transaction)
            code = self.answer("FINAL", "", "250 2.0.0 taken as %d" % len(self.server.messages))
            transaction.reply = code
        if transaction.reply[:1] == "2":
            self.server.take(transaction)
        self.wire.fill_without_waiting()

    def do_bdat(self, line, rest):
        transaction = self.transaction
        match = re.fullmatch(r"(\d+)( LAST)?", rest, re.I)
        if not match:
            self.fault("BDAT cannot be read: %r" % line)
            raise Gone
        if not self.offers("CHUNKING"):
            self.fault("BDAT was not offered")
        size = int(match.group(1))
        last = match.group(2) is not None
        while len(self.wire.buffer) < size:
            self.wire.receive()
        chunk = bytes(self.wire.buffer[:size])
        del self.wire.buffer[:size]
        if transaction is None:
            self.answer("BDAT:ORPHAN", line, "503 5.5.1 MAIL first")
            return
        transaction.by_bdat = True
        transaction.chunks.append(size)
        transaction.data += chunk
        transaction.raw += chunk
        number = len(transaction.chunks)
        if not transaction.recipients:
            self.answer("BDAT", line, "554 5.5.1 no valid recipients")
            if last:
                self.transaction = None
            return
        if last:
            self.check_data(transaction)
            value = self.server.script.get("BDAT:LAST")
            if value is not None:
                code = self.answer("BDAT:LAST", line, "250 2.0.0 taken")
                transaction.reply = code
                self.transaction = None
                if code[:1] == "2":
                    self.server.take(transaction)
                return
            self.finish()
            return
        code = self.answer(["BDAT:%d" % number, "BDAT"], line, "250 2.0.0 %d octets" % size)
        if code[:1] in ("4", "5"):
            transaction.refused = True

    def do_rset(self, line, rest):
        self.transaction = None
        self.answer("RSET", line, "250 2.0.0 ok")

    def do_noop(self, line, rest):
        self.answer("NOOP", line, "250 2.0.0 ok")

    def do_vrfy(self, line, rest):
        self.answer("VRFY", line, "252 2.0.0 maybe")

    def do_quit(self, line, rest):
        self.answer("QUIT", line, "221 2.0.0 bye")
        self.wire.flush()
        self.wire.say_goodbye()
        raise Gone


class SaslCancelled(Exception):
    pass


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
