"""The dialogue of one connection of the smarthost."""

import base64
import re
import select

from smtp_record import Recipient, Transaction
from smtp_sasl import Sasl, SaslCancelled
from smtp_script import (
    CLOSE,
    HALF_CLOSE,
    RST,
    STALL,
    Action,
    Context,
    Each,
    Pause,
    reply_code,
    to_octets,
)
from smtp_wire import Gone, Wire

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
