"""What a test can tell the smarthost to say or do."""

import re
import threading


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
SKIP = Action("SKIP")  # SASL:FINAL: leave the server's signature out


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
