"""What arrives is what was given: parts B and D of the contract, octet for octet.

The oracle below is written from the contract alone and shares nothing with
the program.
"""

import email
import email.policy
import email.utils
import os
import random
import re
import socket
import subprocess
import threading
import time

import pytest

from conftest import USER, is_sanitized

HEAD = (
    b"From: Ann <ann@example.test>\n"
    b"To: bob@example.net\n"
    b"Date: Mon, 02 Feb 2026 10:00:00 +0100\n"
    b"Message-ID: <one@example.test>\n"
)

DROPPED = (b"bcc", b"resent-bcc", b"return-path", b"content-length")
FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


def oracle(text):
    """(header fields as sent, body as sent) of a message in any line ends."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+$", text)
    while lines and re.match(rb">?From ", lines[0]):
        lines.pop(0)
    fields = []
    while lines:
        line = re.sub(rb"\r?\n$", b"", lines[0])
        if line == b"":
            lines.pop(0)
            break
        line = line.replace(b"\r", b" ")
        if line[:1] in b" \t" and fields:
            fields[-1] += line + b"\r\n"
        elif FIELD.match(line):
            fields.append(line + b"\r\n")
        else:
            break
        lines.pop(0)
    kept = [f for f in fields if f.partition(b":")[0].strip().lower() not in DROPPED]
    body = b"".join(lines)
    body = re.sub(rb"\r\n|\r|\n", b"\r\n", body)
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    return kept, body


def sent(fields, body):
    return b"".join(fields) + b"\r\n" + body


def check(server, text, number=-1):
    """The last message is what the oracle says, nothing added."""
    data = server.messages[number].data
    assert data == sent(*oracle(text))
    return data


BOTH = [("PIPELINING", "8BITMIME", "SIZE"), ("PIPELINING", "8BITMIME", "SIZE", "CHUNKING")]


@pytest.fixture(params=BOTH, ids=["data", "bdat"])
def server(request, mail):
    """A server that takes DATA alone, and one that takes BDAT as well."""
    return mail(extensions=request.param)


# --- dots ---------------------------------------------------------------


@pytest.mark.parametrize("args", [["-t"], ["-t", "-i"], ["-t", "-oi"]])
@pytest.mark.parametrize("body", [
    b".\n", b".\n.\n", b"a\n.\nb\n", b"..\n", b".a\n", b"a\n..b\n...c\n", b".", b"a\n.", b"a\n..",
    b".\r\n", b"a\r\n.\r\nb\r\n", b"\n.\n", b".\n\n",
])
def test_C19_C20_dots_are_data(sandbox, server, args, body):
    """C-29, M-01, M-02, M-07: with and without -i."""
    text = HEAD + b"\n" + body
    sandbox.run(*args, stdin=text).ok()
    check(server, text)


def test_C19_dot_ends_always(sandbox, mail):
    server = mail(more="[mail]\ndot_ends = always\n")
    sandbox.run("-t", stdin=HEAD + b"\none\n.\ntwo\n").ok()
    assert server.messages[0].body == b"one\r\n"
    sandbox.run("-t", "-i", stdin=HEAD + b"\none\n.\ntwo\n").ok()
    assert server.messages[1].body == b"one\r\n.\r\ntwo\r\n"


def test_C19_dot_ends_on_a_terminal(sandbox, mail):
    """C-29."""
    import pty
    import termios

    server = mail()
    for args, typed, want in (
        (["-t"], HEAD + b"\none\n.\n", b"one\r\n"),
        (["-t", "-i"], HEAD + b"\none\n.\ntwo\n\x04", b"one\r\n.\r\ntwo\r\n"),
    ):
        master, slave = pty.openpty()
        modes = termios.tcgetattr(slave)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        os.write(master, typed)
        try:
            sandbox.run(*args, stdin=slave).ok()
        finally:
            os.close(slave)
            os.close(master)
        assert server.messages[-1].body == want


# --- line ends ----------------------------------------------------------


@pytest.mark.parametrize("body", [
    b"one\ntwo\n", b"one\r\ntwo\r\n", b"one\r\ntwo\n", b"one\rtwo\n", b"one\r\r\ntwo\n", b"one\r",
    b"one", b"one\r\n", b"\r", b"\n", b"\n\n\n", b"\r\n\r\n", b"one\n\rtwo\n", b"", b"one\r\r",
    b"\r\r\r\r\n", b"one\r\n\n", b" one\n\ttwo \n",
])
def test_C21_C23_C25_line_ends(sandbox, server, body):
    """C-28, M-07, M-08: each line is ended once, the last one too; CRCRLF is two ends."""
    text = HEAD + b"\n" + body
    sandbox.run("-t", stdin=text).ok()
    check(server, text)


def test_C21_same_data_whatever_the_line_ends(sandbox, server):
    text = HEAD + b"Subject: a\n folded\n\nbody\n.\n\nlast\n"
    mixed = b"".join(
        line + (b"\r\n" if n % 2 else b"\n") for n, line in enumerate(text.split(b"\n")[:-1])
    )
    for variant in (text, text.replace(b"\n", b"\r\n"), mixed):
        sandbox.run("-t", stdin=variant).ok()
    assert len({m.data for m in server.messages}) == 1
    check(server, text)


@pytest.mark.parametrize("separator", [b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"])
def test_C22_end_of_the_header(sandbox, server, separator):
    sandbox.run("-t", stdin=HEAD[:-1] + separator + b"To: not@example.org\n").ok()
    assert server.message.body == b"To: not@example.org\r\n"
    assert server.message.recipients == ["bob@example.net"]


SMUGGLE = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"


@pytest.mark.parametrize("end", [
    b"\n.\n", b"\r\n.\r\n", b"\r.\r", b"\r.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\r",
    b"\r.\r\n", b"\r\r.\r\r", b"\r\n..\r\n", b"\n..\n", b"\r\n.\r\n\r\n.\r\n", b"\r\n \r\n.\r\n",
])
def test_C23_M03_M04_no_smuggling(sandbox, server, end):
    """M-01, M-02: nor any other end of data."""
    text = HEAD + b"\nfirst" + end + SMUGGLE
    sandbox.run("-t", stdin=text).ok()
    assert len(server.messages) == 1 and len(server.transactions) == 1
    check(server, text)
    assert server.connection.verbs.count("MAIL") == 1


@pytest.mark.parametrize("end", [b"\r.\r", b"\r\r", b"\r", b"\r.\r\r"])
def test_C23_bare_CR_in_a_header_is_a_blank(sandbox, server, end):
    """M-05."""
    text = HEAD + b"Subject: a" + end + b"X-Evil: b\n\nbody\n"
    sandbox.run("-t", stdin=text).ok()
    check(server, text)
    assert server.message.fields("X-Evil") == []


def test_M05_dots_and_line_ends_at_every_buffer_boundary(sandbox, server):
    """Lines of every sort, so that any buffer size in use is met by any pair of octets."""
    rng = random.Random(5)
    ends = [b"\n", b"\r\n", b"\r", b"\n.", b"\r\n.", b"\r.", b"\n.\n", b"\r\n.\r\n", b"\r\r\n"]
    for _ in range(4):
        body = bytearray()
        while len(body) < 700_000:
            body += b"x" * rng.choice((0, 1, 2, 61, 253, 600, 900)) + rng.choice(ends)
        text = HEAD + b"\n" + bytes(body)
        sandbox.run("-t", stdin=text).ok()
        check(server, text)


@pytest.mark.parametrize("size", [4096, 8192, 16384, 32768, 65536, 131072, 262144])
def test_M05_boundaries_by_size(sandbox, server, size):
    for shift in (-3, -2, -1, 0, 1, 2):
        start = HEAD + b"\n"
        fill = size + shift - len(start)
        lines = b"y" * (fill % 100) + b"\n" + (b"z" * 99 + b"\n") * (fill // 100)
        text = start + lines[:-1] + b"\r\n.\r\n" + b"end"
        sandbox.run("-t", stdin=text).ok()
        check(server, text)


def test_random_messages_against_the_oracle(sandbox, server):
    rng = random.Random(22)
    pieces = [b"\n", b"\r\n", b"\r", b".", b"a", b" ", b"\t", b":", b"From ", b"X-A: b", b"Bcc: no"]
    for _ in range(60):
        body = b"".join(rng.choice(pieces) for _ in range(rng.randrange(60)))
        text = HEAD + b"\n" + body
        sandbox.run("-i", "bob@example.net", stdin=text).ok()
        check(server, text)


# --- NUL and size -------------------------------------------------------


@pytest.mark.parametrize("body", [b"a\0b\n", b"\0", b"\0\n.\n", b"a\r\n\0.\r\nb\n"])
def test_C24_NUL_in_the_body(sandbox, server, body):
    """M-09: nothing is cut off behind it."""
    text = HEAD + b"\n" + body
    result = sandbox.run("-t", stdin=text)
    if result.rc == 65:
        result.failed(65)
        assert server.messages == []
        return
    result.ok()
    message = email.message_from_bytes(server.message.data, policy=email.policy.SMTP)
    got = message.get_payload(decode=True)
    assert got.replace(b"\r\n", b"\n").rstrip(b"\n") == oracle(text)[1].replace(
        b"\r\n", b"\n").rstrip(b"\n")
    assert message["Content-Transfer-Encoding"] in ("quoted-printable", "base64")


def test_C24_NUL_in_the_header(sandbox, server):
    """M-09."""
    result = sandbox.run("-t", stdin=HEAD + b"Subject: a\0b\n\nbody\n")
    result.failed(65)
    assert server.messages == []


def test_C37_too_large(sandbox, mail):
    """M-17: what is larger than max_size is refused, and its writer read to the end or closed."""
    server = mail(more="[mail]\nmax_size = 64K\n")
    text = HEAD + b"\n" + b"x" * 70 * 1024
    text = re.sub(rb"(x{70})", rb"\1\n", text)
    result = sandbox.run("-t", stdin=text + b"y\n" * 2_000_000)
    result.failed(65, 73)
    assert server.connections == []
    sandbox.nothing_stored()


def test_C37_memory_does_not_grow_with_the_message(sandbox, mail):
    """M-17, R-13."""
    import resource

    server = mail()
    body = (b"x" * 70 + b"\n") * 330_000  # 23 MB
    path = sandbox.file("large", HEAD + b"\n" + body)

    def limit():
        if not is_sanitized(sandbox.build):
            resource.setrlimit(resource.RLIMIT_DATA, (16 << 20, 16 << 20))

    with open(path, "rb") as file:
        sandbox.run("-t", stdin=file, preexec_fn=limit).ok()
    assert server.message.body == body.replace(b"\n", b"\r\n")


def test_M18_larger_than_the_server_takes(sandbox, mail):
    server = mail(extensions=("PIPELINING", "SIZE 1000", "8BITMIME"))
    result = sandbox.run("-t", stdin=HEAD + b"\n" + b"x\n" * 2000).failed(65, 69)
    assert "1000" in result.text
    assert server.finals == []


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE 18446744073709551616",
                                  "SIZE 99999999999999999999999"])
def test_M19_odd_SIZE_is_unknown(sandbox, mail, size):
    server = mail(extensions=("PIPELINING", size, "8BITMIME"))
    sandbox.run("-t", stdin=HEAD + b"\nx\n").ok()
    assert len(server.messages) == 1


# --- where the header ends ----------------------------------------------


@pytest.mark.parametrize("prefix", [
    b"From ann@example.test Mon Feb  2 10:00:00 2026\n",
    b">From ann@example.test Mon Feb  2 10:00:00 2026\n",
    b"From a b\n>From c d\nFrom e f\n", b"From \r\n",
])
def test_C26_mbox_lines_are_dropped(sandbox, server, prefix):
    """M-13: the first lines, and none of the body."""
    text = prefix + HEAD + b"\nFrom here on\n>From there\n"
    sandbox.run("-t", stdin=text).ok()
    check(server, text)
    assert server.message.sender == USER


ADDED = {"date", "message-id", "from"}


def check_added(message, wanted, rest):
    """The message begins with the wanted fields in any order, then goes on with `rest`."""
    data = message.data
    head = data
    names = set()
    while len(names) < len(wanted):
        line, end, head = head.partition(b"\r\n")
        while head[:1] in (b" ", b"\t"):
            more, end, head = head.partition(b"\r\n")
            line += b"\r\n" + more
        name = line.partition(b":")[0].decode().lower()
        assert name in wanted and name not in names, data
        names.add(name)
    assert head == rest, data


@pytest.mark.parametrize("text, body", [
    (b"just a text\n", b"just a text\r\n"),
    (b"no header here\nTo: bob@example.org\n", b"no header here\r\nTo: bob@example.org\r\n"),
    (b"\nfirst line blank\n", b"first line blank\r\n"),
    (b"\n\ntwo blanks\n", b"\r\ntwo blanks\r\n"),
    (b" indented first\nline\n", b" indented first\r\nline\r\n"),
    (b"one", b"one\r\n"),
    (b": no name\n", b": no name\r\n"),
    (b"a b: blank in the name\n", b"a b: blank in the name\r\n"),
    (b"http://example.org/ is not a field\n", None),
])
def test_C29_C31_text_without_header(sandbox, server, text, body):
    """M-14: text without a header is the body."""
    sandbox.run("bob@example.net", stdin=text).ok()
    message = server.message
    if body is None:
        assert b"//example.org/ is not a field\r\n" in message.data
        return
    check_added(message, ADDED, b"\r\n" + body)


@pytest.mark.parametrize("line", [b"not a field\n", b"X Y: z\n", b"\xffbad: x\n", b"nocolon\n"])
def test_C30_a_line_that_is_no_field_ends_the_header(sandbox, server, line):
    """M-15: recipients behind it are none."""
    text = HEAD + line + b"Cc: carl@example.net\n\nrest\n"
    sandbox.run("-t", stdin=text).ok()
    check(server, text)
    assert server.message.recipients == ["bob@example.net"]


@pytest.mark.parametrize("text", [HEAD, HEAD[:-1], HEAD + b"\n", HEAD.replace(b"\n", b"\r\n"),
                                  HEAD[:-1] + b"\r"])
def test_C32_header_alone(sandbox, server, text):
    """C-28: without a body, a blank line or the last line end."""
    sandbox.run("-t", stdin=text).ok()
    assert server.message.data == sent(*oracle(HEAD))


def test_C35_empty_input(sandbox, server):
    """C-27, M-17: an empty input is a message without a body, as with every sendmail."""
    sandbox.run("bob@example.net", stdin=b"").ok()
    check_added(server.message, ADDED, b"\r\n")


# --- stdin --------------------------------------------------------------


def test_C33_read_error(sandbox, server):
    """A directory as stdin gives EISDIR (C-27)."""
    descriptor = os.open(sandbox.home, os.O_RDONLY)
    try:
        sandbox.run("bob@example.net", stdin=descriptor).failed(74, 66)
    finally:
        os.close(descriptor)
    assert server.connections == []
    sandbox.nothing_stored()


def test_C34_stdin_closed(sandbox, server):
    """C-27: no input is no message."""
    result = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" bob@example.net <&-', sandbox.program()],
        env=sandbox.environment(), capture_output=True, timeout=60, cwd=sandbox.home, check=False)
    assert result.returncode == 74, result
    assert server.connections == []
    sandbox.nothing_stored()


def test_C36_kinds_of_stdin(sandbox, server):
    text = HEAD + b"\nbody\n"
    path = sandbox.file("message", b"skipped " + text)
    with open(path, "rb", buffering=0) as file:
        file.seek(8)
        os.unlink(path)
        sandbox.run("-t", stdin=file).ok()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(text)
        ours.shutdown(socket.SHUT_WR)
        sandbox.run("-t", stdin=theirs.fileno()).ok()
    assert len(server.messages) == 2
    check(server, text, 0)
    check(server, text, 1)


def test_C36_nonblocking_stdin_is_waited_for(sandbox, server):
    """EAGAIN is not the end of the input."""
    text = HEAD + b"\nfirst\n"
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    child = sandbox.spawn("-t", stdin=reader)
    try:
        # The first read finds nothing; what is written later must still be taken.
        deadline = time.monotonic() + 20
        while not waits_for_input(child.pid) and time.monotonic() < deadline:
            assert child.poll() is None, "ended before its input came"
            time.sleep(0.005)
        os.write(writer, text)
    finally:
        os.close(writer)
        os.close(reader)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (0, b"", b"")
    check(server, text)


def waits_for_input(pid):
    try:
        with open("/proc/%d/wchan" % pid, encoding="ascii") as file:
            where = file.read()
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            state = file.read().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state == "S" and ("poll" in where or "select" in where or where in ("0", ""))


def test_input_octet_by_octet(sandbox, server):
    text = HEAD + b"\na\r\n.\rb\r\n"
    child = sandbox.spawn("-t", bufsize=0)
    for octet in text:
        child.stdin.write(bytes([octet]))
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (0, b"", b"")
    check(server, text)


# --- encoding -----------------------------------------------------------


def decoded(message):
    part = email.message_from_bytes(message.data, policy=email.policy.SMTP)
    return part, part.get_payload(decode=True)


def wire_is_tame(message, limit=998, ascii_only=False):
    for line in message.data.split(b"\r\n"):
        assert len(line) <= limit
    if ascii_only:
        assert message.body.isascii()


@pytest.mark.parametrize("length, plain", [
    (997, True), (998, True), (999, False), (1000, False), (1001, False), (5000, False), (100_000, False),
])
def test_C27_long_lines(sandbox, server, length, plain):
    """M-12: none of more than 998 octets is sent, and none is broken in two."""
    body = b"short\n" + b"x" * length + b"\nlast\n"
    sandbox.run("-t", stdin=HEAD + b"\n" + body).ok()
    wire_is_tame(server.message)
    if plain:
        check(server, HEAD + b"\n" + body)
        return
    part, payload = decoded(server.message)
    assert payload.replace(b"\r\n", b"\n") == body
    assert part["Content-Transfer-Encoding"].lower() in ("quoted-printable", "base64")
    assert part["MIME-Version"] == "1.0"
    for name in ("From", "To", "Date", "Message-ID"):
        assert len(part.get_all(name)) == 1


def test_C27_long_lines_pass(sandbox, mail):
    """M-12."""
    server = mail(more="[mail]\nlong_lines = pass\n", allow_long_lines=True)
    text = HEAD + b"\n" + b"x" * 5000 + b"\n"
    sandbox.run("-t", stdin=text).ok()
    check(server, text)


def test_C27_long_lines_refuse(sandbox, mail):
    """M-12."""
    server = mail(more="[mail]\nlong_lines = refuse\n")
    result = sandbox.run("-t", stdin=HEAD + b"\n" + b"x" * 5000 + b"\n").failed(65)
    assert "long_lines" in result.text or "line" in result.text
    assert server.finals == []


def test_C60_8bit_body_without_8BITMIME(sandbox, mail):
    """M-10: encoded, and the same octets when decoded."""
    server = mail(extensions=("PIPELINING", "SIZE"))
    body = "gr\u00fc\u00dfe \u2603\nplain = 100 %\n.\n trailing \n".encode()
    sandbox.run("-t", stdin=HEAD + b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                b"Content-Transfer-Encoding: 8bit\n\n" + body).ok()
    part, payload = decoded(server.message)
    assert payload.replace(b"\r\n", b"\n") == body
    wire_is_tame(server.message, ascii_only=True)
    assert len(part.get_all("Content-Transfer-Encoding")) == 1
    assert part.get_content_charset() == "utf-8"
    assert "BODY" not in server.message.parameters


def test_C60_8bit_body_without_MIME_header(sandbox, mail):
    """M-10."""
    server = mail(extensions=("PIPELINING", "SIZE"))
    body = "gr\u00fc\u00dfe\n".encode()
    sandbox.run("-t", stdin=HEAD + b"\n" + body).ok()
    part, payload = decoded(server.message)
    assert payload.replace(b"\r\n", b"\n") == body
    assert part["MIME-Version"] == "1.0"


MULTIPART = (
    b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b 1\"\n\npreamble\n"
    b"--b 1\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    b"gr\xc3\xbc\xc3\x9fe\n"
    b"--b 1\nContent-Type: text/plain\n\nstays as it is\n"
    b"--b 1\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nAAEC\n"
    b"--b 1--\nepilogue\n"
)


def test_C27_only_the_part_that_needs_it(sandbox, mail):
    server = mail(extensions=("PIPELINING", "SIZE"))
    sandbox.run("-t", stdin=HEAD + MULTIPART).ok()
    wire_is_tame(server.message, ascii_only=True)
    part = email.message_from_bytes(server.message.data, policy=email.policy.SMTP)
    first, second, third = part.get_payload()
    assert first.get_payload(decode=True).strip() == "gr\u00fc\u00dfe".encode()
    assert first["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
    assert second["Content-Transfer-Encoding"] is None
    assert second.get_payload(decode=True).strip() == b"stays as it is"
    assert third["Content-Transfer-Encoding"] == "base64"
    assert part["Content-Transfer-Encoding"] in (None, "7bit")
    assert b"\r\npreamble\r\n" in server.message.data and b"\r\nepilogue\r\n" in server.message.data


def test_C27_signed_parts_are_not_touched(sandbox, mail):
    server = mail(extensions=("PIPELINING", "SIZE"))
    text = HEAD + MULTIPART.replace(
        b"multipart/mixed", b"multipart/signed; protocol=\"application/pgp-signature\""
    )
    result = sandbox.run("-t", stdin=text).failed(65)
    assert server.finals == []
    assert "sign" in result.text.lower()


def test_8bit_with_8BITMIME_is_passed(sandbox, mail):
    """M-10."""
    server = mail()
    text = HEAD + MULTIPART
    sandbox.run("-t", stdin=text).ok()
    check(server, text)
    assert server.message.parameters["BODY"] == "8BITMIME"


def test_C60_8bit_header_with_and_without_SMTPUTF8(sandbox, smarthost):
    """M-11."""
    text = HEAD + "Subject: gr\u00fc\u00dfe \u2603\nX-Raw: caf\u00e9\n\nbody\n".encode()
    server = smarthost(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8"))
    sandbox.configure(server)
    sandbox.run("-t", stdin=text).ok()
    check(server, text)
    assert "SMTPUTF8" in server.message.parameters
    server = smarthost(extensions=("PIPELINING", "8BITMIME"))
    sandbox.configure(server)
    sandbox.run("-t", stdin=text).ok()
    part = email.message_from_bytes(server.message.data, policy=email.policy.default)
    assert part["Subject"] == "gr\u00fc\u00dfe \u2603"
    assert server.message.fields("Subject")[0].isascii()


def test_C28_long_header_lines(sandbox, server):
    words = b" ".join(b"word%04d" % n for n in range(300))
    sandbox.run("-t", stdin=HEAD + b"Subject: " + words + b"\n\nbody\n").ok()
    wire_is_tame(server.message)
    assert server.message.fields("Subject") == [words.decode()]
    sandbox.run("-t", stdin=HEAD + b"Subject: " + b"x" * 1200 + b"\n\nbody\n").failed(65)
    assert len(server.messages) == 1


# --- header -------------------------------------------------------------


@pytest.mark.parametrize("args", [["-t"], ["bob@example.net"]])
@pytest.mark.parametrize("field", [
    b"Bcc: carl@example.net\n", b"BCC:carl@example.net\n", b"bcc : carl@example.net\n",
    b"Bcc: carl@example.net,\n dora@example.org\n", b"Bcc:\n carl@example.net\n\t,dora@example.org\n",
    b"Bcc: carl@example.net\nX: y\nBcc: dora@example.org\n", b"Bcc:\n",
])
def test_C50_bcc_is_removed(sandbox, server, args, field):
    """C-05."""
    text = HEAD + field + b"Subject: x\n\nBcc: in the body\n"
    sandbox.run(*args, stdin=text).ok()
    data = check(server, text)
    assert b"carl" not in data and b"dora" not in data
    assert data.lower().count(b"bcc") == 1
    if args == ["-t"] and b"carl" in field:
        assert "carl@example.net" in server.message.recipients


def test_C50_resent_bcc_is_removed(sandbox, server):
    """C-06: the Resent fields alone say who gets it."""
    text = HEAD + (b"Resent-From: ann@example.test\nResent-To: carl@example.net\n"
                   b"Resent-Bcc: dora@example.org\nResent-Date: Mon, 02 Feb 2026 10:00:00 +0100\n"
                   b"Resent-Message-ID: <two@example.test>\n\nbody\n")
    sandbox.run("-t", stdin=text).ok()
    check(server, text)
    assert server.message.recipients == ["carl@example.net", "dora@example.org"]


def test_C50_bcc_is_not_in_the_queue(sandbox, mail):
    """C-04: neither the entry nor what is sent from it shows them."""
    server = mail(script={"MAIL": "451 4.3.0 later"})
    sandbox.run("-t", stdin=HEAD + b"Bcc: carl@example.net\n\nbody\n").ok()
    entry = sandbox.entry()
    assert entry.pending == ["bob@example.net", "carl@example.net"]
    assert b"Bcc" not in entry.message and b"carl" not in entry.message
    server.script.clear()
    sandbox.run("-qf", stdin=None)
    assert b"carl" not in server.message.data


def test_C56_leftovers_are_removed(sandbox, server):
    text = (b"Return-Path: <x@example.org>\nContent-Length: 77\n" + HEAD
            + b"return-path: <y@example.org>\n\nbody\n")
    sandbox.run("-t", stdin=text).ok()
    check(server, text)


def test_C59_everything_else_is_kept(sandbox, server):
    text = (b"X-Odd:no blank\nx-CASE:   wide\t \nSubject:\n empty first line\n"
            b"Received: from a\n\tby b\n  for c; now\n" + HEAD
            + b"Received: again\nX-Empty:\nDKIM-Signature: v=1; a=b;\n\tbh=abc=\nReply-To:x@y.test\n"
            b"MIME-Version:1.0 (old)\n\nbody\n")
    sandbox.run("-t", stdin=text).ok()
    check(server, text)


def lack(*names):
    """HEAD without some fields."""
    return b"".join(
        line for line in HEAD.splitlines(True)
        if line.partition(b":")[0].decode().lower() not in names
    )


@pytest.mark.parametrize("names", [["date"], ["message-id"], ["from"], ["date", "message-id"],
                                   ["date", "message-id", "from"]])
def test_C51_C53_only_what_is_missing_is_added(sandbox, server, names):
    """C-38."""
    text = lack(*names) + b"Subject: x\n\nbody\n"
    sandbox.run("-t", stdin=text).ok()
    check_added(server.message, set(names), sent(*oracle(text)))


def test_C51_C52_form_of_what_is_added(sandbox, mail):
    server = mail()
    before = int(time.time())
    for _ in range(3):
        sandbox.run("-t", stdin=lack("date", "message-id") + b"\nbody\n").ok()
    ids = {m.fields("Message-ID")[0] for m in server.messages}
    assert len(ids) == 3
    for number in range(3):
        message = server.messages[number]
        identity = message.fields("Message-ID")[0]
        assert re.fullmatch(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>", identity)
        assert "localhost" not in identity.rpartition("@")[2]
        text = message.fields("Date")[0]
        assert re.fullmatch(
            r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0[12]00",
            text), text
        when = email.utils.parsedate_to_datetime(text)
        assert before - 1 <= when.timestamp() <= time.time() + 1


@pytest.mark.parametrize("zone, want", [("UTC", "+0000"), ("America/New_York", "-0[45]00"),
                                        ("Asia/Kolkata", r"\+0530"), ("XYZ-5:45", r"\+0545")])
def test_C52_zone(sandbox, mail, zone, want):
    server = mail()
    sandbox.run("-t", stdin=lack("date") + b"\nbody\n", env={"TZ": zone}).ok()
    text = server.message.fields("Date")[0]
    assert re.search(want.replace("+0000", r"\+0000") + "$", text), text
    when = email.utils.parsedate_to_datetime(text)
    assert abs(when.timestamp() - time.time()) < 60


def test_C51_resent_message_gets_resent_fields(sandbox, mail):
    server = mail()
    text = lack("date", "message-id") + b"Resent-To: carl@example.net\n\nbody\n"
    sandbox.run("-t", stdin=text).ok()
    message = server.message
    assert len(message.fields("Resent-Date")) == 1
    assert len(message.fields("Resent-Message-ID")) == 1
    assert message.recipients == ["carl@example.net"]


@pytest.mark.parametrize("args, env, want", [
    (["-F", "Ann Example"], {}, "Ann Example"),
    (["-FCronDaemon"], {}, "CronDaemon"),
    (["-F", "A. \"B\" (C) <d>, e"], {}, "A. \"B\" (C) <d>, e"),
    (["-F", "J\u00f6rg \u2603"], {}, "J\u00f6rg \u2603"),
    (["-F", "x" * 300], {}, "x" * 300),
    (["-F", "a\r\nX-Evil: b"], {}, None),
    ([], {"NAME": "By Name"}, "By Name"),
    (["-F", "Option"], {"NAME": "By Name"}, "Option"),
])
def test_C53_name_of_an_added_from(sandbox, mail, args, env, want):
    """C-08: no name makes another header field."""
    server = mail()
    sandbox.run(*args, "-t", stdin=lack("from") + b"\nbody\n", env=env).ok()
    message = server.message
    assert message.fields("X-Evil") == []
    assert len(message.fields("From")) == 1
    assert message.fields("From")[0].isascii()
    part = email.message_from_bytes(message.data, policy=email.policy.default)
    address = part["From"].addresses[0]
    assert address.addr_spec == USER
    if want is not None:
        # Python leaves the blanks between encoded words of a phrase.
        assert address.display_name == want or address.display_name.replace(" ", "") == want


def test_C53_name_from_the_account(sandbox, mail):
    server = mail(account={"from_name": "Ann \u00c4rger"})
    sandbox.run("-t", stdin=lack("from") + b"\nbody\n").ok()
    part = email.message_from_bytes(server.message.data, policy=email.policy.default)
    assert part["From"].addresses[0].display_name == "Ann \u00c4rger"


def test_C53_F_is_used_only_without_from(sandbox, server):
    text = HEAD + b"\nbody\n"
    sandbox.run("-t", "-F", "Somebody Else", stdin=text).ok()
    check(server, text)


def test_C53_added_from_follows_the_envelope(sandbox, mail):
    server = mail()
    sandbox.run("-t", "-f", "x@example.org", stdin=lack("from") + b"\nbody\n").ok()
    part = email.message_from_bytes(server.message.data, policy=email.policy.default)
    assert part["From"].addresses[0].addr_spec in ("x@example.org", USER)
    assert server.message.sender == "x@example.org"


def test_C55_no_to_is_invented(sandbox, smarthost):
    text = lack("to") + b"Bcc: carl@example.net\n\nbody\n"
    server = smarthost()
    sandbox.configure(server)
    sandbox.run("-t", stdin=text).ok()
    assert server.message.fields("To") == []
    server = smarthost()
    sandbox.configure(server, more="[mail]\nundisclosed = yes\n")
    sandbox.run("-t", stdin=text).ok()
    assert server.message.fields("To") == ["undisclosed-recipients:;"]
    assert server.message.recipients == ["carl@example.net"]


def test_C54_force_from(sandbox, mail):
    """C-39: where the account says so, no other author gets out."""
    server = mail(account={"from_policy": "force"})
    text = HEAD.replace(b"Ann <ann@example.test>", b"\"Fran X\" <fran@example.org>") + b"\nbody\n"
    sandbox.run("-t", "-f", "fran@example.org", stdin=text).ok()
    message = server.message
    assert message.sender == USER
    part = email.message_from_bytes(message.data, policy=email.policy.default)
    assert part["From"].addresses[0].addr_spec == USER
    assert part["From"].addresses[0].display_name == "Fran X"
    assert part["Reply-To"].addresses[0].addr_spec == "fran@example.org"
    sandbox.run("-t", "-f", "<>", stdin=text).ok()
    assert server.messages[1].sender == ""


def test_C54_force_leaves_no_other_author(sandbox, mail):
    """Neither a second field nor a second mailbox says another one (C-39)."""
    server = mail(account={"from_policy": "force"})
    for i, text in enumerate((b"From: A <a@example.org>\nTo: b@example.net\nFrom: eve@example.org\n\n",
                              b"From: %s, eve@example.org\nTo: b@example.net\n\n" % USER.encode(),
                              b"From: %s\nFrom: eve@example.org\nTo: b@example.net\n\n" % USER.encode(),
                              b"Sender: eve@example.org\nFrom: %s\nTo: b@example.net\n\n" % USER.encode())):
        sandbox.run("-t", stdin=text).ok()
        data = server.messages[i].data
        part = email.message_from_bytes(data, policy=email.policy.default)
        assert [a.addr_spec for f in part.get_all("From") for a in f.addresses] == [USER]
        assert b"eve@" not in data


def test_C58_nothing_private_in_the_header(sandbox, mail):
    server = mail()
    sandbox.run("bob@example.net", stdin=b"hello\n").ok()
    data = server.message.data
    for word in (sandbox.home, socket.gethostname(), "uid", "sendmail", "tester", str(os.getpid())):
        assert word.encode() not in data.replace(b"bob@example.net", b""), word
    assert b"X-Authentication-Warning" not in data


def test_C62_no_warning_header(sandbox, server):
    text = HEAD + b"\nbody\n"
    sandbox.run("-t", "-f", "other@example.org", stdin=text).ok()
    check(server, text)


def test_C24_C25_robustness_header_sizes(sandbox, mail):
    """C-24: many header lines and long folded fields take linear time."""
    server = mail()
    text = HEAD + b"X-A: b\n" * 5000 + b"X-Folded: a\n" + b" b\n" * 2000 + b"\nbody\n"
    result = sandbox.run("-t", stdin=text, timeout=30).ok()
    check(server, text)
    assert result.seconds < 10


def test_slow_writer(sandbox, server):
    """C17: the input may pause; parts come when they come."""
    text = HEAD + b"\none\ntwo\n"
    child = sandbox.spawn("-t", bufsize=0)
    done = threading.Event()

    def write():
        for start in range(0, len(text), 7):
            child.stdin.write(text[start : start + 7])
        child.stdin.close()
        done.set()

    threading.Thread(target=write).start()
    assert done.wait(30)
    assert child.wait(60) == 0
    check(server, text)


def test_R15_loops_end(sandbox, mail):
    """A message that went round too often is refused; one with a long way is not."""
    server = mail()
    hop = b"Received: from a.test by b.test; Mon, 02 Feb 2026 10:00:00 +0100\n"
    sandbox.run("-t", stdin=hop * 100 + HEAD + b"\nbody\n").ok()
    result = sandbox.run("-t", stdin=hop * 101 + HEAD + b"\nbody\n").failed(65)
    assert "101 Received" in result.text
    assert len(server.messages) == 1
    sandbox.nothing_stored()
