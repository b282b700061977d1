"""Callers that err or mean harm: parts 1 and 2 of the robustness tables, where no statement of the
callers' contract says the same."""

import base64
import ctypes
import fcntl
import os
import re
import resource
import signal
import subprocess

import pytest

from conftest import MESSAGE, SOURCE, USER, eventually, have, is_sanitized, needs_root
from smarthost import Each

WIRE = MESSAGE.replace("\n", "\r\n").encode()
HEAD = "From: ann@example.test\nDate: Mon, 02 Feb 2026 10:00:00 +0100\nMessage-ID: <1@example.test>\n"


def sends_nothing(sandbox, server):
    assert server.connections == []
    sandbox.nothing_stored()


# --- recipients ---------------------------------------------------------


@pytest.mark.parametrize("args", [[], ["-odi"], ["-odq"], ["-odb"]], ids=str)
def test_union_of_header_and_arguments_in_all_paths(sandbox, mail, args):
    """C-03: sent at once, stored, and in the background."""
    server = mail()
    sandbox.run(*args, "-t", "carl@example.net").ok()
    if "-odq" in args:
        assert sorted(sandbox.entry().pending) == ["bob@example.net", "carl@example.net"]
        sandbox.run("-q", stdin=None).ok()
    server.wait_messages(1)
    assert sorted(server.message.recipients) == ["bob@example.net", "carl@example.net"]


def test_blind_copies_stay_blind_in_a_partial_retry(sandbox, mail):
    """C-04: one of them gets it later; no copy of the message names any."""
    server = mail(script={"RCPT:dora@example.net": Each("450 4.2.0 later")})
    sandbox.run("-t", stdin=HEAD + "To: bob@example.net\nBcc: carl@example.net, dora@example.net\n\nx\n").ok()
    assert server.message.recipients == ["bob@example.net", "carl@example.net"]
    assert sandbox.entry().pending == ["dora@example.net"]
    assert b"carl" not in sandbox.entry().message and b"dora" not in sandbox.entry().message
    sandbox.run("-q", stdin=None).ok()
    assert server.messages[1].recipients == ["dora@example.net"]
    for message in server.messages:
        assert b"bcc" not in message.data.lower()
        assert b"carl" not in message.data and b"dora" not in message.data


def test_blind_copies_in_every_form(sandbox, mail):
    """C-05: folded, repeated, in any letter case, with blanks before the colon."""
    server = mail()
    sandbox.run("-t", stdin=HEAD + "Bcc: a@x.test,\n b@x.test\nSubject: s\nBCC:c@x.test\nbcc \t: d@x.test\n"
                "Bcc:\n\te@x.test\nBcc: \nTo: f@x.test\n\nx\n").ok()
    assert sorted(server.message.recipients) == [c + "@x.test" for c in "abcdef"]
    assert b"bcc" not in server.message.data.lower()
    assert not re.search(rb"[a-e]@x\.test", server.message.data)


@pytest.mark.parametrize("argument, shown", [
    ("a b@x.test", "a b@x.test"), ("<a@x.test", "<a@x.test"), ("\"a@x.test", "\"a@x.test"), ("@", "@"),
    ("a@" + "x." * 140 + "test", "x.x.x"), ("a@x.test> SIZE=1", "SIZE=1"),
])
def test_C11_robustness_a_bad_argument_is_named(sandbox, mail, argument, shown):
    server = mail()
    result = sandbox.run("good@x.test", argument, stdin=HEAD + "\nx\n").failed(64, 65)
    assert shown in result.text
    sends_nothing(sandbox, server)


@pytest.mark.parametrize("address, wire", [
    ("\"a b\"@x.test", "\"a b\"@x.test"), ("\"a\\\"b\"@x.test", "\"a\\\"b\"@x.test"),
    ("a+b@x.test", "a+b@x.test"), ("\"a.\"@x.test", "\"a.\"@x.test"), ("\"@\"@x.test", "\"@\"@x.test"),
    ("\"a>b\"@x.test", "\"a>b\"@x.test"), ("a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
    ("\"<x> SIZE=1\"@x.test", "\"<x> SIZE=1\"@x.test"),
])
@pytest.mark.parametrize("how", ["argument", "header"])
def test_C12_robustness_quoting_on_the_wire(sandbox, mail, how, address, wire):
    server = mail()
    text = HEAD + ("To: %s\n" % address if how == "header" else "") + "\nx\n"
    sandbox.run(*(["-t"] if how == "header" else [address]), stdin=text).ok()
    assert [a.line for a in server.message.attempts] == ["RCPT TO:<%s>" % wire]


@pytest.mark.parametrize("address", ["a.@x.test", ".a@x.test", "a..b@x.test"])
def test_C12_robustness_dots_that_the_grammar_lacks(sandbox, mail, address):
    """Some hosts have such mailboxes: as it is or quoted, never changed into another."""
    server = mail()
    result = sandbox.run(address, stdin=HEAD + "\nx\n")
    if result.rc == 0:
        local, _, domain = address.partition("@")
        assert server.message.attempts[0].line in ("RCPT TO:<%s>" % address, 'RCPT TO:<"%s"@%s>' % (local, domain))
    else:
        assert address in result.failed(65).text
        sends_nothing(sandbox, server)


def test_a_recipient_with_a_dash_is_no_option_of_a_child(sandbox, mail):
    """C-14: the hook that hears of it gets it in its environment alone."""
    seen = os.path.join(sandbox.root, "seen")
    hook = sandbox.file("hook", "#!/bin/sh\necho \"$#\" >%s.new\nenv >>%s.new\nmv %s.new %s\n" % ((seen,) * 4), 0o700)
    server = mail(script={"RCPT": "550 5.1.1 no"}, more="[notify]\non_failure = %s\n" % hook)
    sandbox.run("-odq", "-f", "", "-t", stdin=HEAD + "To: -oQ/tmp@x.test\n\nx\n").ok()
    sandbox.run("-q", stdin=None).ok()
    assert [a.line for t in server.transactions for a in t.attempts] == ["RCPT TO:<-oQ/tmp@x.test>"]
    eventually(lambda: os.path.exists(seen))
    with open(seen, encoding="utf-8") as file:
        assert file.readline() == "0\n"
        assert "-oQ/tmp@x.test" in file.read()


@pytest.mark.parametrize("field, want", [
    ("=?utf-8?Q?evil=40y.test=2C_x?= <a@x.test>", ["a@x.test"]),
    ("=?utf-8?B?%s?= <a@x.test>" % base64.b64encode(b"x\r\nBcc: evil@y.test\r\n").decode(), ["a@x.test"]),
    ("=?utf-8?Q?=0D=0ATo:_evil@y.test?= <a@x.test>", ["a@x.test"]),
    ("a@x.test (evil@y.test, more@y.test)", ["a@x.test"]),
    ("(evil@y.test,) a@x.test (\\), evil@y.test)", ["a@x.test"]),
    ("\"evil@y.test, x\" <a@x.test>", ["a@x.test"]),
    ("a@x.test,\n (a comment,\n evil@y.test)\n b@x.test", ["a@x.test", "b@x.test"]),
])
def test_C26_robustness_decoded_text_is_no_address(sandbox, mail, field, want):
    server = mail()
    sandbox.run("-t", stdin=HEAD + "To: " + field + "\n\nx\n").ok()
    assert server.message.recipients == want
    assert server.message.fields("Bcc") == [] and len(server.message.fields("To")) == 1


# --- options ------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\r\nX-Evil: b", "a\nX-Evil: b", "a\rX-Evil: b", "\r\n\r\nX-Evil: b", "a\r\n X-Evil: b",
                                  "a\x0bX-Evil: b\x0c", "\x7f\x1b[2J"])
def test_C08_robustness_a_name_makes_no_field(sandbox, mail, name):
    server = mail()
    result = sandbox.run("-F", name, "-t", stdin="To: bob@example.net\nSubject: s\n\nx\n")
    if result.rc != 0:
        result.failed(64)
        sends_nothing(sandbox, server)
        return
    head = server.message.data.partition(b"\r\n\r\n")[0]
    assert server.message.fields("X-Evil") == []
    assert server.message.body == b"x\r\n"
    assert sorted(line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in b" \t") == [
        b"date", b"from", b"message-id", b"subject", b"to"]
    assert not re.search(rb"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]", head)


@pytest.mark.parametrize("option", ["-OQueueDirectory=%s", "-oQ%s", "-O QueueDirectory=%s", "-OAliasFile=%s/a",
                                    "-oX%s/x", "-OTempFileMode=0666", "-ODeadLetterDrop=%s/d"])
def test_C16_robustness_no_option_changes_a_path(sandbox, mail, option):
    server = mail()
    other = sandbox.directory("other")
    words = (option % other if "%s" in option else option).split(" ")
    sandbox.run("-odq", *words, "-t").ok()
    assert os.listdir(other) == []
    assert sandbox.entry().pending == ["bob@example.net"]
    assert server.connections == []


def test_C17_robustness_a_file_is_not_told(sandbox, mail):
    """-C is not opened at all, not even a FIFO; PILLARBOX_CONFIG's complaints show no line of the file."""
    server = mail()
    fifo = os.path.join(sandbox.root, "fifo")
    os.mkfifo(fifo)
    sandbox.run("-C", fifo, "-t", timeout=20).ok()
    assert len(server.messages) == 1
    path = sandbox.file("shadow", "root:$6$hash$value:19000:0:99999:7:::\nbin:*:19000::::::\n")
    for args, env in ((["-C", path], {}), ([], {"PILLARBOX_CONFIG": path})):
        text = sandbox.run(*args, "-t", env=env).text
        for word in ("root", "hash", "19000", "bin:"):
            assert word not in text.replace(sandbox.root, "")


SENT, USAGE, OTHER = "sent", "usage", "other"
LETTERS = [
    ("-bm", SENT), ("-bs", OTHER), ("-bv", OTHER), ("-bi", OTHER), ("-bp", OTHER), ("-bt", USAGE), ("-bd", USAGE),
    ("-be", USAGE), ("-q", USAGE), ("-odb", SENT), ("-odi", SENT), ("-odq", SENT), ("-oem", SENT), ("-oi", SENT),
    ("-i", SENT), ("-m", SENT), ("-v", SENT), ("-Nnever", SENT), ("-Rhdrs", SENT), ("-Vid", SENT), ("-h5", SENT),
    ("-Ltag", SENT), ("-d", SENT), ("-d9", SENT), ("-B8BITMIME", SENT), ("-G", SENT), ("-U", SENT),
]


@pytest.mark.parametrize("option, outcome", LETTERS, ids=[o for o, _ in LETTERS])
def test_C18_robustness_every_letter_is_documented(sandbox, mail, option, outcome):
    """Done, ignored or refused; the next word stays what it was; the manual tells the letter."""
    server = mail()
    result = sandbox.run(option, "carl@example.net", stdin=None if outcome == OTHER else MESSAGE)
    if outcome == USAGE:
        result.failed(64)
        sends_nothing(sandbox, server)
    elif outcome == OTHER:
        assert server.connections == [] and result.rc in (0, 64)
        sandbox.nothing_stored()
    else:
        assert result.rc == 0
        if option == "-odq":
            assert sandbox.entry().pending == ["carl@example.net"]
        else:
            server.wait_messages(1)
            assert server.message.recipients == ["carl@example.net"]
    with open(os.path.join(SOURCE, "man", "sendmail.1"), encoding="utf-8") as file:
        manual = file.read()
    name = option[1:2] if outcome == SENT and option[1] not in "bo" else option[1:3]
    assert re.search(r"(^|[ ,(])(Fl |Ic )?-?%s\b" % re.escape(name),
                     "\n".join(line for line in manual.splitlines() if "Fl" in line), re.M), name


def more_room_for_arguments():
    resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.RLIM_INFINITY))


@pytest.mark.parametrize("args", [
    ["-F", "x" * 131_000, "bob@example.net"], ["x" * 131_000], ["x" * 131_000 + "@x.test"], ["-f", "x" * 131_000, "b@x.test"],
    ["-O" + "x" * 131_000, "bob@example.net"], ["-V" + "x" * 131_000, "bob@example.net"],
], ids=lambda args: args[0][:2])
def test_C20_robustness_huge_arguments(sandbox, mail, args):
    """As long as the kernel passes them on; in a field of the header they are bounded by its limits."""
    server = mail()
    result = sandbox.run(*args, stdin="Subject: s\n\nx\n")
    if result.rc == 0:
        assert len(server.messages) == 1
    else:
        result.failed(64, 65)
        sends_nothing(sandbox, server)


def test_C20_robustness_a_hundred_thousand_arguments(sandbox, mail):
    server = mail()
    names = ["u%05d@x.test" % n for n in range(100_000)]
    result = sandbox.run("-odq", *names, preexec_fn=more_room_for_arguments)
    if result.rc == 0:
        assert sandbox.entry().pending == names
    else:
        result.failed(64, 65)
        sandbox.nothing_stored()
    assert server.connections == []


def run_with_argv(sandbox, argv):
    """Starts sendmail with just that argv, which may be empty."""
    execve = ctypes.CDLL(None).execve
    words = (ctypes.c_char_p * (len(argv) + 1))(*[a.encode() for a in argv], None)
    env = [("%s=%s" % pair).encode() for pair in sandbox.environment().items()]
    environment = (ctypes.c_char_p * (len(env) + 1))(*env, None)
    return subprocess.run(
        ["unused"], executable="/bin/false", input=MESSAGE.encode(), capture_output=True, timeout=30, check=False,
        preexec_fn=lambda: execve(sandbox.program().encode(), words, environment))


@pytest.mark.parametrize("argv", [[], [""], ["/"], ["/usr/lib/"]], ids=str)
def test_C22_robustness_no_name_at_all(sandbox, mail, argv):
    server = mail()
    result = run_with_argv(sandbox, argv)
    assert result.returncode == 64 and b"no recipients" in result.stderr.lower(), result
    sends_nothing(sandbox, server)


def test_C22_robustness_mailq_by_a_path(sandbox, mail):
    mail()
    sandbox.run("-odq", "-t").ok()
    for name in ("mailq", "/usr/bin/mailq", "./mailq"):
        assert b"bob@example.net" in sandbox.run(argv0=name, stdin=None).out


@pytest.mark.parametrize("option", ["-oMr", "-oMs", "-oMa"])
@pytest.mark.parametrize("value", ["evil\r\nX-Evil: x", "", "127.0.0.1", "x" * 5000], ids=repr)
def test_C23_robustness_protocol_and_host_are_ignored(sandbox, mail, option, value):
    server = mail()
    sandbox.run(option + value, "-t").ok()
    assert server.message.data == WIRE


# --- the input ----------------------------------------------------------


def test_C24_robustness_lines_without_end_and_without_number(sandbox, mail):
    """A line of 1 MiB, 100,000 fields, 2,000 folded lines: sent whole or refused, within the limit of CPU time."""
    server = mail(allow_long_lines=True)
    limit = 30 if is_sanitized(sandbox.build) else 5
    for text in (HEAD + "To: bob@example.net\nX-Long: " + "word " * 200_000 + "\n\nx\n",
                 HEAD + "To: bob@example.net\nX-Long: " + "x" * (1 << 20) + "\n\nx\n",
                 HEAD + "X-A: b\n" * 100_000 + "To: bob@example.net\n\nx\n",
                 HEAD + "To: bob@example.net\nX-Folded: a\n" + " b\n" * 2_000 + "\nx\n"):
        count = len(server.messages)
        result = sandbox.run("-t", stdin=text, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_CPU, (limit, limit)))
        if result.rc == 0:
            assert len(server.messages) == count + 1
            assert server.messages[-1].data.count(b"X-A: b\r\n") == text.count("X-A: b\n")
        else:
            result.failed(65)
            assert len(server.messages) == count


PATHOLOGICAL = {
    "semicolons": ";" * 1_000_000, "commas": "," * 1_000_000, "commas then one": "," * 1_000_000 + "a@x.test",
    "comments": "(" * 10_000 + ")" * 10_000 + " a@x.test", "open comments": "(" * 10_000,
    "quotes": "\"" * 100_000, "angles": "<" * 100_000, "backslashes": "\"" + "\\" * 100_000,
    "empty groups": "g:;," * 20_000 + " a@x.test", "nested groups": "g:" * 20_000 + "a@x.test" + ";" * 20_000,
    "open group": "g: a@x.test, b@x.test", "routes": "<" + "@r.test," * 20_000 + ":a@x.test>",
    "many": ",".join("u%06d@x.test" % n for n in range(30_000)), "encoded words": "=?utf-8?Q?a?= " * 20_000 + "<a@x.test>",
    "folded": ",\n " * 300_000 + "a@x.test", "dots": "a" + ".a" * 100_000 + "@x.test",
}


@pytest.mark.parametrize("case", PATHOLOGICAL)
def test_C25_R14_robustness_pathological_lists(sandbox, mail, case):
    """Time and memory are linear: a limit of CPU time and memory that a square would pass by far."""
    server = mail(allow_long_lines=True)
    sanitized = is_sanitized(sandbox.build)

    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20) if sanitized else (2, 2))
        if not sanitized:
            resource.setrlimit(resource.RLIMIT_DATA, (160 << 20, 160 << 20))

    result = sandbox.run("-t", "-odq", stdin=HEAD + "To: " + PATHOLOGICAL[case] + "\n\nx\n", preexec_fn=limits)
    if result.rc == 0:
        wanted = set(re.findall(r"[a-z0-9]+@x\.test", PATHOLOGICAL[case]))
        assert set(sandbox.entry().pending) == wanted or case == "dots"
    else:
        result.failed(64, 65)
        sends_nothing(sandbox, server)


@pytest.mark.skipif(not have("strace"), reason="strace is not installed")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_C27_robustness_the_input_breaks_half_way(sandbox, mail, number):
    """EIO at the n-th read of it: nothing is sent and nothing stored."""
    server = mail()
    path = sandbox.file("message", MESSAGE + "a line of text\n" * 40_000)
    log = os.path.join(sandbox.root, "log")
    with open(path, "rb") as file:
        result = subprocess.run(
            ["strace", "-qq", "-o", log, "-P", path, "-e", "trace=read", "-e", "inject=read:error=EIO:when=%d" % number,
             sandbox.program(), "-t"], stdin=file, capture_output=True, env=sandbox.environment(), timeout=60,
            cwd=sandbox.home, check=False)
    if b"ptrace" in result.stderr and b"Sanitizer" not in result.stderr:
        pytest.skip("strace cannot trace here")
    with open(log, encoding="utf-8") as file:
        assert "INJECTED" in file.read()
    assert result.returncode in (66, 74), result
    sends_nothing(sandbox, server)


def test_C30_robustness_words_do_not_get_into_the_dialogue(sandbox, mail):
    """With -v and without 0, 1 and 2 of its own the transcript goes nowhere; the server counts every fault."""
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 no"})
    path = sandbox.file("message", MESSAGE)
    for closed in ("2>&-", "1>&- 2>&-"):
        result = subprocess.run(
            ["/bin/sh", "-c", 'exec "$0" -v bob@example.net carl@example.net <"$1" ' + closed, sandbox.program(), path],
            env=sandbox.environment(), cwd=sandbox.home, timeout=60, check=False)
        assert result.returncode == 0
    delivered = eventually(lambda: [m for m in server.messages if m.sender == USER and len(server.messages) >= 4])
    assert [m.data for m in delivered] == [WIRE, WIRE]


@pytest.mark.parametrize("args", [["-t"], ["-v", "-t"]], ids=str)
@pytest.mark.parametrize("disposition", [signal.SIG_IGN, signal.SIG_DFL], ids=["ignored", "default"])
@pytest.mark.parametrize("script, code", [({}, 0), ({"RCPT": "550 5.1.1 no"}, 67)], ids=["good", "refused"])
def test_C31_robustness_nobody_reads_the_words(sandbox, mail, args, disposition, script, code):
    """A pipe whose reader is gone, whatever SIGPIPE does: the exit code is that of the mail."""
    server = mail(script=script)
    reader, writer = os.pipe()
    os.close(reader)
    child = sandbox.spawn(*args, stdout=writer, stderr=writer,
                          preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition))
    os.close(writer)
    child.communicate(MESSAGE.encode(), timeout=30)
    assert child.returncode == code
    assert len(server.messages) == (1 if code == 0 else 0)


def test_C31_robustness_a_full_pipe(sandbox, mail):
    """Nobody takes the words out: the message does not wait for them."""
    server = mail()
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(writer, True)
        child = sandbox.spawn("-t", stdout=writer, stderr=writer)
        child.communicate(MESSAGE.encode(), timeout=30)
        assert child.returncode == 0
        assert len(server.messages) == 1
    finally:
        os.close(reader)
        os.close(writer)


def test_C32_robustness_the_caller_dies_while_it_writes(sandbox, mail):
    """What came up to then is a message, as with every sendmail, or an error in words; no crash."""
    server = mail()
    for cut in range(0, len(MESSAGE), 9):
        count = len(server.messages)
        result = sandbox.run("-t", stdin=MESSAGE[:cut])
        if result.rc == 0:
            assert len(server.messages) == count + 1
            assert set(server.messages[-1].recipients) <= {"bob@example.net"[:n] for n in range(16)}
        else:
            result.failed(64, 65)
            assert len(server.messages) == count
        sandbox.nothing_stored()


@pytest.mark.parametrize("limit", [3, 0])
def test_C34_robustness_no_descriptor_left(sandbox, mail, limit):
    if is_sanitized(sandbox.build):
        pytest.skip("the sanitizers need some themselves")
    server = mail()
    child = sandbox.spawn("-t", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    _, err = child.communicate(MESSAGE.encode(), timeout=30)
    # The loader needs one to begin with.
    assert child.returncode in (71, 73, 74, 75, 77, 78, 127) and err
    sends_nothing(sandbox, server)


def test_C34_robustness_little_memory(sandbox, mail):
    """The address space ends somewhere: sent, stored, or an error in words."""
    if is_sanitized(sandbox.build):
        pytest.skip("a sanitizer needs the space itself")
    server = mail()
    for limit in range(1 << 20, 24 << 20, 1 << 20):
        count = len(server.messages)
        child = sandbox.spawn("-t", preexec_fn=lambda: resource.setrlimit(  # noqa: B023
            resource.RLIMIT_AS, (limit, limit)))
        _, err = child.communicate(MESSAGE.encode(), timeout=30)
        server.wait_idle()
        stored = sandbox.entries()
        if child.returncode == 0:
            assert len(server.messages) - count + len(stored) == 1, limit
        else:
            # Below some size the loader or exec itself gives up, by a signal.
            assert len(server.messages) == count and stored == [], (limit, err)
            assert child.returncode < 0 or err
        for entry in stored:
            os.unlink(entry.path)
        assert sandbox.leftovers() == []
    assert len(server.messages) > 0


@needs_root
@pytest.mark.parametrize("name", ["host name", "h\r\nMAIL FROM:<evil@x.test>", "h\u00f6st", "x" * 64, "", "a.b\tc"], ids=repr)
def test_C36_robustness_any_host_name(sandbox, mail, name):
    """It gets neither into EHLO nor into an added field as it stands."""
    server = mail()
    script = "import ctypes,os,sys\nlibc = ctypes.CDLL(None)\nname = os.fsencode(sys.argv[2])\n" \
             "assert libc.unshare(0x04000000) == 0\nassert libc.sethostname(name, len(name)) == 0\n" \
             "os.execv(sys.argv[1], [sys.argv[1], '-t'])\n"
    result = subprocess.run(["/usr/bin/python3", "-c", script, sandbox.program(), name], capture_output=True,
                            input=b"To: bob@example.net\nSubject: s\n\nx\n", timeout=60, check=False,
                            env=sandbox.environment(), cwd=sandbox.home)
    if b"AssertionError" in result.stderr:
        pytest.skip("no host name of one's own here")
    assert (result.returncode, result.stderr) == (0, b"")
    assert all(re.fullmatch(r"\[127\.0\.0\.1\]|[A-Za-z0-9.-]+", e) for e in server.message.connection.ehlo)
    assert re.fullmatch(r"<[A-Za-z0-9.+=_-]+@[A-Za-z0-9.-]+>", server.message.fields("Message-ID")[0])
    assert b"evil" not in server.message.data
    assert server.connection.verbs.count("MAIL") == 1


@pytest.mark.parametrize("name", ["host name", "h\r\nMAIL FROM:<evil@x.test>", "h\u00f6st", "x" * 256, "a" * 255])
def test_C36_robustness_any_name_for_EHLO(sandbox, mail, name):
    server = mail()
    result = sandbox.run("-t", env={"PILLARBOX_EHLO": name})
    if result.rc == 0:
        assert all(re.fullmatch(r"\[127\.0\.0\.1\]|[A-Za-z0-9.-]{1,255}", e) for e in server.message.connection.ehlo)
    else:
        assert "ehlo" in result.failed(78).text.lower()
        sends_nothing(sandbox, server)


@pytest.mark.parametrize("locale", ["tr_TR.UTF-8", "nonsense"])
def test_C37_robustness_letters_do_not_follow_the_locale(sandbox, mail, locale, tmp_path):
    """A dotless i makes no other field of Message-ID, and no other host of LOCALHOST or EXAMPLE."""
    path = str(tmp_path / "locales")
    os.mkdir(path)
    if "." in locale and have("localedef"):
        subprocess.run(["localedef", "-c", "-i", locale[:5], "-f", locale[6:], os.path.join(path, locale)],
                       capture_output=True, check=False)
    server = mail(account={"host": "LOCALHOST"}, more="[mail]\ndomain = I.test\n")
    text = "FROM: ann@example.test\nDATE: Mon, 02 Feb 2026 10:00:00 +0100\nMESSAGE-ID: <I@example.test>\n" \
           "MIME-VERSION: 1.0\nbCc: carl@I.test\nTo: BOB@I.TEST, bob@i.test, BOB@i.test\n\nx\n"
    sandbox.run("-t", stdin=text, env={"LC_ALL": locale, "LANG": locale, "LOCPATH": path}).ok()
    message = server.message
    assert [r.lower() for r in message.recipients] == ["bob@i.test", "bob@i.test", "carl@i.test"] or [
        r.lower() for r in message.recipients] == ["carl@i.test", "bob@i.test", "bob@i.test"]
    for name in ("Message-ID", "Date", "From", "MIME-Version"):
        assert len(message.fields(name)) == 1
    assert message.fields("Bcc") == []


@pytest.mark.parametrize("fields", [
    "From: a@example.test\nFrom: b@example.test\n", "From: a@example.test\nDate: yesterday at noon\n",
    "From: a@example.test\nMessage-ID: without-brackets\n", "From: (nobody)\n", "From: a@example.test\nDate:\n",
    "From: a@example.test\nSubject: \t x  \nsubject: y\n",
], ids=repr)
def test_C38_robustness_what_others_wrote_stays(sandbox, mail, fields):
    server = mail()
    given = fields + "To: bob@example.net\n"
    result = sandbox.run("-t", stdin=given + "\nx\n")
    if result.rc != 0:
        result.failed(65)
        sends_nothing(sandbox, server)
        return
    for line in given.splitlines():
        assert server.message.data.count(line.encode() + b"\r\n") == 1, line
    names = [n.lower() for n in re.findall(r"^([\w-]+):", server.message.data.partition(b"\r\n\r\n")[0].decode(), re.M)]
    had = [n.lower() for n in re.findall(r"^([\w-]+):", given, re.M)]
    assert sorted(names) == sorted(had + [n for n in ("from", "date", "message-id") if n not in had])


# --- the message --------------------------------------------------------

CHUNKING = ("PIPELINING", "8BITMIME", "SIZE", "CHUNKING")


def test_M06_chunks_are_exact(sandbox, mail):
    """Dots and all, in several chunks whose sizes are those of the octets behind them."""
    server = mail(extensions=CHUNKING)
    body = ".\n..\n.x\n\nsome words\n" * 60_000 + "."
    sandbox.run("-t", stdin=MESSAGE + body).ok()
    message = server.message
    assert message.by_bdat and len(message.chunks) > 2
    assert sum(message.chunks) == len(message.data) == int(message.parameters["SIZE"])
    assert message.data == (MESSAGE + body + "\n").replace("\n", "\r\n").encode()


SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"


@pytest.mark.parametrize("extensions", [("PIPELINING", "8BITMIME"), CHUNKING, CHUNKING + ("BINARYMIME",)], ids=str)
def test_M03_M04_M09_a_NUL_before_the_dot(sandbox, mail, extensions):
    """One message, or none; NUL goes as it is by BINARYMIME alone, and nothing behind it is lost."""
    server = mail(extensions=extensions)
    text = MESSAGE.encode() + b"\r\n\0.\r\n" + SMUGGLED
    result = sandbox.run("-t", stdin=text)
    assert server.verbs.count("MAIL") <= 1
    if result.rc != 0:
        result.failed(65)
        assert server.messages == []
        return
    assert len(server.messages) == 1 and server.message.recipients == ["bob@example.net"]
    if b"\0" in server.message.data:
        assert server.message.parameters["BODY"] == "BINARYMIME"
        assert b"\r\n\0.\r\n" + SMUGGLED in server.message.data
    else:
        import email

        assert email.message_from_bytes(server.message.data).get_payload(decode=True).endswith(
            b"\0.\r\n" + SMUGGLED)


@pytest.mark.parametrize("place", ["field", "folded", "first", "last"])
@pytest.mark.parametrize("end", [b"\r.\r", b"\r.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\n", b"\r\n.\r\n"], ids=repr)
def test_M05_ends_of_data_in_any_place(sandbox, mail, place, end):
    """In a field, in a folded one, at the first octet and at the last: one message for whom it was meant."""
    server = mail()
    head = HEAD.encode() + b"To: bob@example.net\n"
    text = {"field": head + b"X-A: b" + end + SMUGGLED, "folded": head + b"X-A: b\n c" + end + SMUGGLED,
            "first": end.lstrip(b"\r\n") + head + b"\nx\n" + SMUGGLED, "last": head + b"\nx" + end}[place]
    result = sandbox.run("bob@example.net", stdin=text)
    assert server.verbs.count("MAIL") <= 1 and server.verbs.count("DATA") <= 1
    if result.rc != 0:
        result.failed(65)
        assert server.messages == []
    else:
        assert server.message.recipients == ["bob@example.net"]
        assert place == "last" or b"RCPT TO:<victim@example.org>" in server.message.data


def test_M16_what_a_header_says_counts(sandbox, mail):
    """A line end that got into a subject cannot be told from one that was meant."""
    server = mail()
    sandbox.run("-t", "-i", stdin="To: bob@example.net\nSubject: a\nBcc: carl@example.net\n\nb\n").ok()
    assert server.message.recipients == ["bob@example.net", "carl@example.net"]
    assert b"carl" not in server.message.data
    sandbox.run("-t", "-i", stdin="To: bob@example.net\nSubject: a\n\nb\nBcc: carl@example.net\n\nc\n").ok()
    assert server.messages[1].recipients == ["bob@example.net"]


def test_M17_input_without_end(sandbox, mail):
    """Refused as well: it is not read for ever."""
    server = mail()
    writer = subprocess.Popen(["yes", "a line, again and again"], stdout=subprocess.PIPE)
    try:
        sandbox.run("bob@example.net", stdin=writer.stdout, timeout=100).failed(65)
    finally:
        writer.stdout.close()
        writer.kill()
        writer.wait()
    sends_nothing(sandbox, server)


def test_M17_more_than_any_message(sandbox, mail):
    """2 GiB and an octet: refused, in the memory of a small one, and its writer is not hurt."""
    server = mail()

    def limit():
        if not is_sanitized(sandbox.build):
            resource.setrlimit(resource.RLIMIT_DATA, (16 << 20, 16 << 20))

    writer = subprocess.Popen(["/bin/sh", "-c", "cat \"$0\"; yes 'a line, again and again' | head -c 2147483649",
                               sandbox.file("message", MESSAGE)], stdout=subprocess.PIPE)
    try:
        result = sandbox.run("-t", stdin=writer.stdout, preexec_fn=limit).failed(65)
        writer.wait(20)
    finally:
        writer.stdout.close()
        writer.kill()
    assert writer.wait() == 0
    assert "max_size" in result.text
    sends_nothing(sandbox, server)
