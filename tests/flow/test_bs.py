"""sendmail -bs: SMTP on standard input and output (contract C90 to C92)."""

import os
import re
import resource
import select
import signal
import subprocess
import time

import pytest

from conftest import MESSAGE, USER, eventually, is_sanitized
from smarthost import CLOSE

CRLF_MESSAGE = MESSAGE.replace("\n", "\r\n").encode()


class Client:
    """Speaks with a sendmail -bs, a command and its reply at a time."""

    def __init__(self, sandbox, *args, end=b"\r\n", **more):
        self.child = sandbox.spawn("-bs", *args, **more)
        self.end = end
        self.buffer = b""
        self.greeting = self.reply()

    def line(self, timeout=30):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.child.stdout], [], [], deadline - time.monotonic())
            assert ready, "no reply in %d s; so far %r" % (timeout, self.buffer)
            piece = os.read(self.child.stdout.fileno(), 65536)
            assert piece, "closed: %r, stderr %r" % (self.buffer, self.child.stderr.read())
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        assert line.endswith(b"\r"), "a reply without CRLF: %r" % line
        assert len(line) < 512, line
        return line[:-1].decode("ascii")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return lines

    def send(self, octets):
        self.child.stdin.write(octets if isinstance(octets, bytes) else octets.encode())
        self.child.stdin.flush()

    def say(self, text, code):
        """Sends a command; the reply's code must be this."""
        self.send(text.encode() + self.end)
        lines = self.reply()
        assert lines[-1].startswith(str(code)), "%s: %r" % (text, lines)
        return lines

    def open(self, *recipients, sender=USER, ehlo="[127.0.0.1]"):
        self.say("EHLO " + ehlo, 250)
        self.say("MAIL FROM:<%s>" % sender, 250)
        for recipient in recipients or ("bob@example.net",):
            self.say("RCPT TO:<%s>" % recipient, 250)

    def data(self, octets, code):
        self.say("DATA", 354)
        self.send(octets)
        return self.say(".", code)

    def quit(self):
        self.say("QUIT", 221)
        return self.finish()

    def finish(self):
        out, err = self.child.communicate(timeout=30)
        assert out == b"" and self.buffer == b"", (self.buffer, out)
        return self.child.returncode, err


def talk(sandbox, octets, *args, **more):
    """Sends everything at once; gives the last line of each reply."""
    result = sandbox.run("-bs", *args, stdin=octets, **more)
    assert result.rc == 0 and result.err == b"", result
    lines = result.out.decode("ascii").split("\r\n")
    assert lines.pop() == ""
    return [line for line in lines if line[3:4] != "-"]


def codes(lines):
    return [int(line[:3]) for line in lines]


# --- the clients it is there for ---------------------------------------


@pytest.mark.parametrize("args", [[], ["-i"], ["-odi"], ["-i", "-oem", "-f", USER]])
def test_C90_symfony(sandbox, mail, args):
    """C90: Symfony and Laravel: one message, then RSET or a second message, one process for both."""
    server = mail()
    client = Client(sandbox, *args)
    assert client.greeting[0].startswith("220 ")
    capabilities = client.say("EHLO [127.0.0.1]", 250)
    for word in ("PIPELINING", "8BITMIME", "SIZE", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"):
        assert any(re.match(r"250[ -]%s( |$)" % word, line) for line in capabilities), word
    client.say("MAIL FROM:<ann@example.test>", 250)
    client.say("RCPT TO:<bob@example.net>", 250)
    client.data(CRLF_MESSAGE, 250)
    assert len(server.messages) == 1
    client.say("MAIL FROM:<ann@example.test>", 250)
    client.say("RCPT TO:<carl@example.net>", 250)
    client.say("RSET", 250)
    client.say("MAIL FROM:<ann@example.test>", 250)
    client.say("RCPT TO:<dora@example.net>", 250)
    client.data(b"..a dot\r\n", 250)
    assert client.quit() == (0, b"")
    assert [m.recipients for m in server.messages] == [["bob@example.net"], ["dora@example.net"]]
    assert server.messages[0].data == CRLF_MESSAGE
    assert server.messages[1].body == b".a dot\r\n"


def test_C90_alpine(sandbox, mail):
    """C90: Alpine: sendmail -bs -odb -oem, EHLO with the host's name, then QUIT."""
    server = mail()
    client = Client(sandbox, "-odb", "-oem")
    client.say("EHLO box.example.org", 250)
    client.say("MAIL FROM:<ann@example.test> BODY=8BITMIME", 250)
    client.say("RCPT TO:<bob@example.net>", 250)
    client.say("RCPT TO:<carl@example.net>", 250)
    client.data(CRLF_MESSAGE, 250)
    assert client.quit() == (0, b"")
    message = server.wait_messages(1)[0]
    assert message.recipients == ["bob@example.net", "carl@example.net"]
    server.wait_idle()
    eventually(lambda: sandbox.entries() == [])


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_C90_pipelined(sandbox, mail, end):
    """C90: all at once, by CRLF and by LF."""
    server = mail()
    lines = [b"EHLO c", b"MAIL FROM:<ann@example.test>", b"RCPT TO:<bob@example.net>", b"DATA",
             b"Subject: x", b"", b"..", b"...three", b".", b"NOOP", b"QUIT", b""]
    replies = talk(sandbox, end.join(lines))
    assert codes(replies) == [220, 250, 250, 250, 354, 250, 250, 221]
    assert server.message.body == b".\r\n..three\r\n"
    assert server.message.recipients == ["bob@example.net"]


def test_C90_old_and_other_commands(sandbox, mail):
    """C90: HELO, NOOP, VRFY, HELP, RSET, and what is not there."""
    mail()
    client = Client(sandbox)
    client.say("HELO c", 250)
    client.say("NOOP", 250)
    client.say("VRFY ann", 252)
    client.say("HELP", 214)
    client.say("RSET", 250)
    client.say("STARTTLS", 500)
    client.say("AUTH PLAIN AGEAYg==", 500)
    client.say("DATA", 503)
    assert client.quit() == (0, b"")


def test_C90_end_without_quit(sandbox, mail):
    """C90: what is unfinished at the end of the input is dropped, rc 0."""
    server = mail()
    head = b"EHLO c\r\nMAIL FROM:<ann@example.test>\r\nRCPT TO:<bob@example.net>\r\n"
    for text in (b"", head, head + b"DATA\r\n", head + b"DATA\r\nSubject: x\r\n\r\nhalf",
                 head + b"DATA\r\nSubject: x\r\n\r\nbody\r\n.", head + b"DATA\r\nbody\n.\n"):
        talk(sandbox, text)
    assert server.connections == []
    sandbox.nothing_stored()


def test_C90_no_smuggling(sandbox, mail):
    """C90: only CRLF.CRLF ends the message of a client that speaks CRLF."""
    server = mail()
    inner = b"\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<carl@example.net>\r\nDATA\r\nevil"
    replies = talk(sandbox, b"EHLO c\r\nMAIL FROM:<ann@example.test>\r\nRCPT TO:<bob@example.net>\r\n"
                   b"DATA\r\nSubject: x\r\n\r\nbody" + inner + b"\n.\nmore\r\n.\r\nQUIT\r\n")
    assert codes(replies) == [220, 250, 250, 250, 354, 250, 221]
    assert server.message.recipients == ["bob@example.net"]
    assert b"evil@example.org" in server.message.body


def test_C90_signal_in_the_middle(sandbox, mail):
    """C90: SIGTERM before the end of the data sends nothing."""
    server = mail()
    client = Client(sandbox)
    client.open()
    client.say("DATA", 354)
    client.send(b"Subject: x\r\n\r\nhalf\r\n")
    time.sleep(0.2)
    client.child.send_signal(signal.SIGTERM)
    assert client.child.wait(20) == -signal.SIGTERM
    assert server.connections == []
    sandbox.nothing_stored()


# --- what happens to the message ---------------------------------------


@pytest.mark.parametrize("field", ["Bcc: dora@example.net", "bcc: dora@example.net,\r\n emil@example.net",
                                   "Resent-Bcc: dora@example.net"])
def test_C91_bcc_is_removed(sandbox, mail, field):
    """C91: Bcc goes, and adds no recipient."""
    server = mail()
    client = Client(sandbox)
    client.open()
    client.data(field.encode() + b"\r\n" + CRLF_MESSAGE, 250)
    client.quit()
    message = server.message
    assert message.recipients == ["bob@example.net"]
    assert b"dora" not in message.data and b"emil" not in message.data


def test_C91_missing_fields_are_added(sandbox, mail):
    """C91: Date, Message-ID and From, as with -t."""
    server = mail()
    client = Client(sandbox)
    client.open()
    client.data(b"Subject: x\r\n\r\nbody\r\n", 250)
    client.quit()
    message = server.message
    for name in ("Date", "Message-ID", "From"):
        assert len(message.fields(name)) == 1, name
    assert USER in message.fields("From")[0]
    assert message.fields("Message-ID")[0].endswith("@example.test>")
    assert message.body == b"body\r\n"


def test_C91_header_adds_no_recipients(sandbox, mail):
    """C91: the envelope is what RCPT said, whatever options stood beside -bs."""
    server = mail()
    client = Client(sandbox, "-t")
    client.open("carl@example.net")
    client.data(CRLF_MESSAGE, 250)
    client.quit()
    assert server.message.recipients == ["carl@example.net"]


def test_C91_null_sender(sandbox, mail):
    """C91, C05: MAIL FROM:<> stays null."""
    server = mail()
    client = Client(sandbox)
    client.open(sender="")
    client.data(CRLF_MESSAGE, 250)
    client.quit()
    assert server.message.line.startswith("MAIL FROM:<>")


def test_C90_parameters_travel_on_for_each_recipient(sandbox, mail):
    """C90: NOTIFY and ORCPT of each recipient, RET and ENVID of the message."""
    server = mail(extensions=("PIPELINING", "DSN", "8BITMIME"))
    client = Client(sandbox, "-N", "delay")
    client.say("EHLO c", 250)
    client.say("MAIL FROM:<ann@example.test> RET=HDRS ENVID=a+20b", 250)
    client.say("RCPT TO:<bob@example.net> NOTIFY=NEVER", 250)
    client.say("RCPT TO:<carl@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c+2B@example.net", 250)
    client.say("RCPT TO:<dora@example.net>", 250)
    client.data(CRLF_MESSAGE, 250)
    client.quit()
    message = server.message
    assert message.parameters["RET"] == "HDRS" and message.parameters["ENVID"] == "a+20b"
    found = {r.address: r.parameters for r in message.attempts}
    assert found["bob@example.net"].get("NOTIFY") == "NEVER"
    assert sorted(found["carl@example.net"]["NOTIFY"].split(",")) == ["FAILURE", "SUCCESS"]
    assert found["carl@example.net"]["ORCPT"] == "rfc822;c+2B@example.net"
    assert "ORCPT" not in found["bob@example.net"]
    assert found["dora@example.net"].get("NOTIFY") == "DELAY"


def test_C90_parameters_survive_the_queue(sandbox, mail):
    """C90: the same by way of the queue."""
    server = mail(extensions=("PIPELINING", "DSN", "8BITMIME"))
    client = Client(sandbox, "-odq")
    client.say("EHLO c", 250)
    client.say("MAIL FROM:<ann@example.test>", 250)
    client.say("RCPT TO:<bob@example.net> NOTIFY=NEVER", 250)
    client.say("RCPT TO:<carl@example.net> NOTIFY=FAILURE ORCPT=rfc822;c@example.net", 250)
    client.data(CRLF_MESSAGE, 250)
    client.quit()
    assert len(sandbox.entries()) == 1
    sandbox.run("-q", stdin=None).ok()
    found = {r.address: r.parameters for r in server.message.attempts}
    assert found["bob@example.net"] == {"NOTIFY": "NEVER"}
    assert found["carl@example.net"] == {"NOTIFY": "FAILURE", "ORCPT": "rfc822;c@example.net"}


# --- answers ------------------------------------------------------------


@pytest.mark.parametrize("command, code", [
    ("RCPT TO:<>", 501), ("RCPT TO:<a b@example.net>", 501), ("RCPT TO:", 501),
    ("RCPT TO:<bob@example.net> NOTIFY=SOMETIMES", 501), ("RCPT TO:<bob@example.net> X=1", 555),
    ("RCPT TO:<nosuchname>", 550), ("RCPT TO:<x@ex ample.net>", 501),
])
def test_C92_recipients_are_answered_at_rcpt(sandbox, mail, command, code):
    """C92: a bad recipient is refused at RCPT; the good one gets its mail."""
    server = mail()
    client = Client(sandbox)
    client.open("bob@example.net")
    client.say(command, code)
    client.data(CRLF_MESSAGE, 250)
    client.quit()
    assert server.message.recipients == ["bob@example.net"]


def test_C92_broken_aliases_are_no_refusal(sandbox, mail):
    """C92: what is wrong with the configuration must not make a client drop its mail."""
    mail(more="[mail]\naliases_file = /nonexistent/aliases\n")
    client = Client(sandbox)
    client.open("bob@example.net")
    client.say("RCPT TO:<root>", 451)
    client.quit()


def test_C92_aliases_are_followed(sandbox, mail):
    """C92, C46: a bare name goes through the aliases."""
    server = mail(more="[aliases]\nroot = ann@example.org\n")
    client = Client(sandbox)
    client.open("root")
    client.data(CRLF_MESSAGE, 250)
    client.quit()
    assert server.message.recipients == ["ann@example.org"]


def test_C92_no_valid_recipients(sandbox, mail):
    """C92: DATA without a recipient."""
    server = mail()
    replies = talk(sandbox, b"EHLO c\r\nMAIL FROM:<ann@example.test>\r\nRCPT TO:<>\r\nDATA\r\nQUIT\r\n")
    assert codes(replies) == [220, 250, 250, 501, 554, 221]
    assert server.connections == []


def test_C92_250_comes_when_the_server_has_it(sandbox, mail):
    """C92: 250 is the smarthost's, not ours."""
    server = mail()
    server_had = []
    client = Client(sandbox)
    client.open()
    client.data(CRLF_MESSAGE, 250)
    server_had.append(len(server.messages))
    client.quit()
    assert server_had == [1]
    sandbox.nothing_stored()


def test_C92_250_when_it_is_queued(sandbox, mail):
    """C92: with the server down the queue has it, synced, before the 250."""
    server = mail()
    server.refuse()
    client = Client(sandbox)
    client.open("bob@example.net", "carl@example.net")
    client.data(CRLF_MESSAGE, 250)
    assert sandbox.entry().pending == ["bob@example.net", "carl@example.net"]
    assert client.quit() == (0, b"")


@pytest.mark.parametrize("script, code", [
    ({"FINAL": "554 5.7.1 spam"}, "554 5.7.1"), ({"MAIL": "553 5.7.1 not yours"}, "553 5.7.1"),
    ({"RCPT": "550 5.1.1 nobody"}, "550 5.1.1"),
])
def test_C92_refusals_are_passed_on(sandbox, mail, script, code):
    """C92: the server's code and words after DATA; the session goes on."""
    server = mail(script=script)
    client = Client(sandbox)
    client.open()
    line = client.data(CRLF_MESSAGE, code[:3])[-1]
    assert line.startswith(code), line
    client.say("RSET", 250)
    assert client.quit() == (0, b"")
    assert server.messages == [] and sandbox.entries() == []
    assert len(sandbox.failed()) == 1


def test_C92_partial_refusal(sandbox, mail):
    """C92, C68: 250 where somebody has it; the rest is told by a notice."""
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 no such user"})
    client = Client(sandbox)
    client.open("bob@example.net", "carl@example.net")
    client.data(CRLF_MESSAGE, 250)
    client.quit()
    assert server.messages[0].recipients == ["bob@example.net"]
    notice = server.wait_messages(2)[1]
    assert notice.sender == "" and notice.recipients == [USER]


def test_C92_too_large(sandbox, mail):
    """C92: 552 by SIZE, and 552 at the end of data that is larger than it said."""
    server = mail(more="[mail]\nmax_size = 10K\n")
    client = Client(sandbox)
    assert "250-SIZE 10240" in client.say("EHLO c", 250)
    client.say("MAIL FROM:<ann@example.test> SIZE=10241", 552)
    client.say("MAIL FROM:<ann@example.test> SIZE=100", 250)
    client.say("RCPT TO:<bob@example.net>", 250)
    line = client.data(b"Subject: x\r\n\r\n" + b"0123456789012345678901234567890\r\n" * 600, 552)[-1]
    assert line.startswith("552 5.3.4 "), line
    client.say("MAIL FROM:<ann@example.test>", 250)
    client.say("RCPT TO:<bob@example.net>", 250)
    client.data(b"Subject: x\r\n\r\nsmall\r\n", 250)
    client.quit()
    assert len(server.messages) == 1


def test_C92_neither_server_nor_queue(sandbox, mail):
    """C92: 451 when the queue cannot be written either."""
    server = mail(more="[queue]\ndirectory = /dev/null/queue\n")
    server.refuse()
    client = Client(sandbox)
    client.open()
    line = client.data(CRLF_MESSAGE, 451)[-1]
    assert "queue" in line
    assert client.quit() == (0, b"")


def test_C92_queue_full(sandbox, mail):
    """C92: 451 when the queue is at its limit."""
    server = mail(more="[queue]\nmax_size = 1K\n")
    server.refuse()
    client = Client(sandbox)
    client.open()
    client.data(b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 200, 451)
    client.quit()
    assert sandbox.entries() == []


def test_C92_header_that_cannot_be_read(sandbox, mail):
    """C92, C24: what is refused is refused with 5xx, and says why."""
    server = mail()
    client = Client(sandbox)
    client.open()
    line = client.data(b"Subject: a\0b\r\n\r\nbody\r\n", 554)[-1]
    assert "NUL" in line
    client.quit()
    assert server.messages == []


def test_C90_large_message_with_dots(sandbox, mail):
    """C90, C37: the message is passed on whole, whatever its size."""
    server = mail()
    body = b"".join(b"%s line %d\r\n" % (b"." * (n % 4), n) for n in range(60000))
    stuffed = re.sub(rb"(?m)^\.", b"..", body)
    client = Client(sandbox)
    client.open()
    client.say("DATA", 354)
    client.send(b"Subject: x\r\n\r\n" + stuffed)
    client.say(".", 250)
    client.quit()
    assert server.message.body == body


def test_C90_session_without_a_word(sandbox, mail):
    """C90: nothing but the dialogue on standard output; with no configuration the words are on stderr."""
    sandbox.write_config("")
    result = sandbox.run("-bs", stdin=b"QUIT\r\n", timeout=20)
    assert result.rc == 78 and result.out == b"" and result.err.startswith(b"sendmail: ")


def test_C90_verbose_stays_out_of_the_dialogue(sandbox, mail):
    """C90, C93: the transcript is on stderr."""
    mail()
    client = Client(sandbox, "-v")
    client.open()
    client.data(CRLF_MESSAGE, 250)
    rc, err = client.quit()
    assert rc == 0 and b"MAIL FROM" in err


def test_C90_many_messages_in_one_session(sandbox, mail):
    """C90: Symfony keeps one process for a hundred messages."""
    server = mail()
    client = Client(sandbox)
    client.say("EHLO c", 250)
    for number in range(20):
        client.say("MAIL FROM:<ann@example.test>", 250)
        client.say("RCPT TO:<bob@example.net>", 250)
        client.data(b"Subject: %d\r\n\r\nbody\r\n" % number, 250)
    client.quit()
    assert [m.fields("Subject")[0] for m in server.messages] == [str(n) for n in range(20)]


def test_C90_memory_does_not_grow_with_the_session(sandbox, mail):
    """C90: a client that asks for ever gets its answers out of little memory."""
    mail()
    transaction = b"MAIL FROM:<ann@example.test>\r\n" + b"RCPT TO:<bob@example.net>\r\n" * 30 + b"RSET\r\n"

    def limit():
        if not is_sanitized(sandbox.build):
            resource.setrlimit(resource.RLIMIT_DATA, (16 << 20, 16 << 20))

    result = sandbox.run("-bs", stdin=b"EHLO c\r\n" + transaction * 6000 + b"QUIT\r\n", preexec_fn=limit)
    assert result.rc == 0, result.text
    assert result.out.count(b"250 2.1.5 ") == 30 * 6000


def three(sandbox):
    """Three messages over one dialogue; gives its replies."""
    lines = ["EHLO [127.0.0.1]"]
    for number in range(3):
        lines += ["MAIL FROM:<ann@example.test>", "RCPT TO:<bob@example.net>", "DATA",
                  "Subject: n%d" % number, "", "text", "."]
    result = sandbox.run("-bs", stdin="".join(line + "\r\n" for line in lines + ["QUIT"]).encode())
    assert result.rc == 0
    return result.out.decode()


def test_C90_one_connection_for_all_messages(sandbox, mail):
    server = mail()
    assert three(sandbox).count("250 2.0.0 the message") == 3
    assert [m.fields("Subject")[0] for m in server.messages] == ["n0", "n1", "n2"]
    assert len(server.connections) == 1


def test_C90_connection_that_the_server_ended_between_messages(sandbox, mail):
    """The next message goes over a new one, once."""
    seen = set()

    def close_at_the_second(context):
        if context.connection in seen:
            return CLOSE
        seen.add(context.connection)
        return None

    server = mail(script={"MAIL": close_at_the_second})
    assert three(sandbox).count("250 2.0.0 the message") == 3
    assert [m.fields("Subject")[0] for m in server.messages] == ["n0", "n1", "n2"]
    assert len(server.connections) == 3 and sandbox.entries() == []


def test_message_without_end(sandbox, mail):
    """I6: it is refused, and not read for ever; nothing of it is taken for a command."""
    if is_sanitized(sandbox.build):
        pytest.skip("a sanitizer takes minutes for so much")
    server = mail(more="[mail]\nmax_size = 64K\n")
    writer = subprocess.Popen(
        ["/bin/sh", "-c",
         "printf 'EHLO x\\r\\nMAIL FROM:<%s>\\r\\nRCPT TO:<b@x.test>\\r\\nDATA\\r\\n'; yes VRFY %s" % (USER, "x" * 400)],
        stdout=subprocess.PIPE)
    try:
        result = sandbox.run("-bs", stdin=writer.stdout, timeout=100)
    finally:
        writer.stdout.close()
        writer.kill()
        writer.wait()
    assert result.out.count(b"\n252") == 0 and b"\n354" in result.out
    assert server.messages == []
    sandbox.nothing_stored()
