"""The table of options, as the program takes it (contract part 2), and the table of exit codes."""

import os
import re
import subprocess

import pytest

from conftest import MESSAGE, USER, have

BARE = "To: bob@example.net\nSubject: x\n\nbody\n"


def sent(sandbox, server, *args, stdin=MESSAGE):
    """What a call puts on the wire."""
    sandbox.run(*args, stdin=stdin).ok()
    message = server.messages[-1]
    return message.line, message.recipients, message.data


# --- pairs and clusters --------------------------------------------------


@pytest.mark.parametrize("one, other", [
    (["-f", "x@example.org"], ["-fx@example.org"]),
    (["-r", "x@example.org"], ["-rx@example.org"]),
    (["-F", "Some Name"], ["-FSome Name"]),
    (["-B", "8BITMIME"], ["-B8BITMIME"]),
    (["-N", "failure"], ["-Nfailure"]),
    (["-R", "hdrs"], ["-Rhdrs"]),
    (["-V", "id"], ["-Vid"]),
    (["-O", "DeliveryMode=i"], ["-ODeliveryMode=i"]),
    (["-o", "i"], ["-oi"]),
    (["-e", "m"], ["-em"]),
    (["-A", "c"], ["-Ac"]),
    (["-h", "5"], ["-h5"]),
    (["-L", "tag"], ["-Ltag"]),
    (["-p", "esmtp:host"], ["-pesmtp:host"]),
    (["-X", "/nowhere/log"], ["-X/nowhere/log"]),
    (["-C", "/nowhere/cf"], ["-C/nowhere/cf"]),
    (["-a", "work"], ["-awork"]),
    (["-M", "r", "smtp"], ["-Mrsmtp"]),
    (["-ti"], ["-t", "-i"]),
    (["-it"], ["-i", "-t"]),
    (["-tf", "x@example.org"], ["-t", "-f", "x@example.org"]),
    (["-if", "x@example.org"], ["-i", "-f", "x@example.org"]),
])
def test_C04_C03_attached_and_separate_are_the_same(sandbox, mail, one, other):
    """C04, C03: the same octets on the wire."""
    server = mail(extensions=("PIPELINING", "8BITMIME", "DSN"))
    # All fields are there, so that nothing of the time or the process gets in.
    assert sent(sandbox, server, *one, "bob@example.net") == sent(sandbox, server, *other, "bob@example.net")


def test_C03_oit(sandbox, mail):
    """C03: -oit alone means -oi -t; beside a recipient it does not add the header's."""
    server = mail()
    assert sent(sandbox, server, "-oit")[1] == ["bob@example.net"]
    assert sent(sandbox, server, "-oit", "carl@example.net")[1] == ["carl@example.net"]


@pytest.mark.parametrize("args", [
    ["-d"], ["-d9"], ["-o"], ["-e"], ["-A"], ["-oem"], ["-em"], ["-Am"], ["-m"], ["-n"], ["-s"], ["-c"],
    ["-T"], ["-U"], ["-G"], ["-J"], ["-Q"], ["-v"], ["-i"], ["-bm"], ["-odi"], ["-or5m"], ["-oQ/x"],
    ["-oX/tmp/x"], ["-oC/x"], ["-oA/x"], ["-oP/x"],
])
def test_C09_no_option_swallows_a_recipient(sandbox, mail, args):
    """C09: what has no value, or an attached one, leaves the next word alone."""
    server = mail()
    assert sandbox.run(*args, "carl@example.net").rc == 0
    assert server.message.recipients == ["carl@example.net"]


@pytest.mark.parametrize("args", [
    ["-C", "evil.conf"], ["-Cevil.conf"], ["-X", "evil.conf"], ["-D", "evil.conf"], ["-oX", "evil.conf"],
    ["-oQ.", "bob@example.net"], ["-OQueueDirectory=.", "bob@example.net"],
    ["-O", "AliasFile=evil.conf"], ["-oAevil.conf"],
])
def test_C09_options_name_no_file(sandbox, mail, args):
    """C09: called as sendmail, no option reads or writes a file (argument injection) (C-15, C-16, C-17)."""
    server = mail()
    sandbox.file("home/evil.conf", "root: evil@example.org\n", 0o600)
    before = sorted(os.listdir(sandbox.home)), os.stat(os.path.join(sandbox.home, "evil.conf")).st_mtime_ns
    sandbox.run(*args, "-t")
    assert (sorted(os.listdir(sandbox.home)),
            os.stat(os.path.join(sandbox.home, "evil.conf")).st_mtime_ns) == before
    assert all("evil" not in r for m in server.messages for r in m.recipients)


@pytest.mark.parametrize("word", ["-x@example.net", "-fooo@example.net", "-be", "-OQueueDirectory=/tmp -X/tmp/x",
                                  "-"])
def test_C07_a_recipient_behind_two_dashes_alone(sandbox, mail, word):
    """C07: behind -- it is an address or an error; it is never an option (C-13)."""
    server = mail()
    result = sandbox.run("-i", "--", word)
    if "@" in word:
        assert result.rc == 0 and server.message.recipients == [word]
    else:
        assert result.rc in (64, 65) and server.messages == []
    assert not os.path.exists("/tmp/x")


# --- verify ---------------------------------------------------------------


def test_C11_verify_prints_a_route_for_each(sandbox, mail):
    """C11: -bv says where each would go, and sends nothing."""
    server = mail(more="[aliases]\nroot = ann@example.org, ben@example.org\n")
    result = sandbox.run("-bv", "root", "Carl <carl@example.net>, dora@example.net", stdin=None)
    assert result.rc == 0 and result.err == b""
    lines = result.out.decode().splitlines()
    assert len(lines) == 4
    for line, address in zip(lines, ["ann@example.org", "ben@example.org", "carl@example.net",
                                     "dora@example.net"]):
        assert "<%s>" % address in line and "localhost" in line and "work" in line
    assert server.connections == []


def test_C11_verify_tells_all_faults(sandbox, mail):
    """C11: one bad recipient hides no other; the exit code tells that there was one."""
    server = mail()
    result = sandbox.run("-bv", "nobody", "bob@example.net", "a b c@", stdin=None)
    assert result.rc in (65, 67)
    assert b"<bob@example.net>" in result.out
    assert b"nobody" in result.err
    assert server.connections == []
    sandbox.run("-bv", stdin=None).failed(64)


def test_C11_verify_reads_no_input(sandbox, mail):
    """C11: -bv does not wait for a message."""
    mail()
    reader, writer = os.pipe()
    try:
        assert sandbox.run("-bv", "bob@example.net", stdin=reader, timeout=10).rc == 0
    finally:
        os.close(reader)
        os.close(writer)


# --- queue runs -----------------------------------------------------------


@pytest.mark.parametrize("args, want", [
    (["-qRcarl"], ["carl@example.net"]), (["-qSfran"], ["bob@example.net"]),
    (["-qf"], ["bob@example.net", "carl@example.net"]), (["-qRnobody"], []), (["-qp"], []),
    (["-q1h"], []), (["-qGgroup"], []),
])
def test_C88_filtered_runs(sandbox, mail, args, want):
    """C88: -qR and -qS try some of the queue; intervals and groups do nothing."""
    server = mail()
    sandbox.run("-odq", "-f", "fran@example.org", "bob@example.net").ok()
    sandbox.run("-odq", "carl@example.net").ok()
    sandbox.run(*args, stdin=None).ok()
    assert [m.recipients[0] for m in server.messages] == want
    assert len(sandbox.entries()) == 2 - len(want)


def test_C88_one_entry_by_its_id(sandbox, mail):
    """C88: -qI with an id, as mailq shows it."""
    server = mail()
    for name in ("bob", "carl"):
        sandbox.run("-odq", name + "@example.net").ok()
    second = sandbox.entries()[1]
    sandbox.run("-qI" + second.id, stdin=None).ok()
    assert [m.recipients for m in server.messages] == [list(second.states)]


def test_C88_verbose_run(sandbox, mail):
    """C88, C93: with -v each entry's fate is told on stderr."""
    mail()
    sandbox.run("-odq", "-t").ok()
    entry = sandbox.entry()
    result = sandbox.run("-q", "-v", stdin=None)
    assert result.rc == 0 and result.out == b""
    assert entry.id in result.text and "delivered" in result.text


# --- the header -----------------------------------------------------------


@pytest.mark.parametrize("fields, want", [
    ("From: a@example.org\n", []),
    ("From: a@example.org, b@example.org\n", ["a@example.org"]),
    ("From: a@example.org, b@example.org\nSender: c@example.org\n", ["c@example.org"]),
    ("", []),
])
def test_C57_sender(sandbox, mail, fields, want):
    """C57: Sender is added where From has several mailboxes and it is missing, and never else."""
    server = mail()
    sandbox.run("-t", stdin=fields + BARE).ok()
    found = server.message.fields("Sender")
    if want == ["a@example.org"]:
        # Any one of those who may be the sender.
        assert len(found) == 1 and re.search(r"(a@example.org|%s)" % USER, found[0])
    else:
        assert found == want


# --- results --------------------------------------------------------------


@pytest.mark.parametrize("args", [["-t"], ["-t", "-odq"], ["-t", "-odb"], ["-q"], ["-q30m"], ["-bi"],
                                  ["-t", "-F", "X"], ["-t", "-N", "nonsense"]])
def test_C64_success_is_silent(sandbox, mail, args):
    """C64: exit 0 without a byte on either output."""
    mail()
    sandbox.run(*args).ok()


@pytest.mark.skipif(not have("strace"), reason="strace is not installed")
@pytest.mark.parametrize("args", [["-odq"], ["-odb"], []])
def test_C64_file_and_directory_are_synced(sandbox, mail, args):
    """C64: queued means synced: the file before it has its name, the directory behind."""
    server = mail()
    server.refuse()
    log = os.path.join(sandbox.root, "calls")
    result = subprocess.run(
        ["strace", "-y", "-o", log, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,linkat",
         sandbox.program(), *args, "-t"], input=MESSAGE.encode(), capture_output=True,
        env=sandbox.environment(), cwd=sandbox.home, timeout=60, check=False)
    if b"ptrace" in result.stderr:
        pytest.skip("strace cannot trace here")
    assert result.returncode == 0, result
    calls = [line for line in open(log, encoding="utf-8").read().splitlines() if "(" in line and "= 0" in line]
    names = [re.match(r"\w+", line).group(0) for line in calls]
    place = next(n for n, name in enumerate(names) if name.startswith("rename") or name == "linkat")
    assert any(name.endswith("sync") and "tmp." in calls[n] for n, name in enumerate(names[:place])), calls
    assert any(name == "fsync" and re.search(r"queue>", calls[place + 1 + n])
               for n, name in enumerate(names[place + 1:])), calls


@pytest.mark.parametrize("what, code", [
    ("no recipients", 64), ("unknown option", 64), ("bad address", 65), ("NUL in the header", 65),
    ("too large", 65), ("recipient refused", 67), ("sender refused", 69), ("login refused", 77),
    ("closed input", 74), ("no account", 78), ("unknown account", 78), ("broken file", 78),
    ("unknown host", 0), ("server down", 0), ("server later", 0), ("neither", (73, 75)),
])
def test_C70_exit_codes(sandbox, mail, what, code):
    """C70: each cause its code."""
    scripts = {"recipient refused": {"RCPT": "550 no"}, "sender refused": {"MAIL": "550 no"},
               "login refused": {"AUTH:DONE": "535 no"}, "server later": {"MAIL": "451 later"}}
    more = {"too large": "[mail]\nmax_size = 1K\n", "neither": "[queue]\ndirectory = /dev/null/q\n"}
    server = mail(script=scripts.get(what), more=more.get(what, ""))
    args, stdin, options = ["-t"], MESSAGE, {}
    if what == "no recipients":
        args = []
    elif what == "unknown option":
        args = ["-t", "-Z"]
    elif what == "bad address":
        stdin = MESSAGE.replace("bob@example.net", "bob@@example.net")
    elif what == "NUL in the header":
        stdin = MESSAGE.replace("hello", "hel\0lo")
    elif what == "too large":
        stdin = MESSAGE + "0123456789\n" * 200
    elif what == "closed input":
        options["preexec_fn"] = lambda: os.close(0)
    elif what == "no account":
        sandbox.write_config("")
    elif what == "unknown account":
        args = ["-a", "wrok", "-t"]
    elif what == "broken file":
        sandbox.write_config("[account x\n")
    elif what == "unknown host":
        sandbox.configure(server, host="no-such-host.invalid", connect_timeout="2s")
    elif what in ("server down", "neither"):
        server.refuse()
    result = sandbox.run(*args, stdin=stdin, **options)
    assert result.rc in (code if isinstance(code, tuple) else (code,)), result
    assert result.out == b"" and (result.rc == 0) == (result.err == b"")
    assert result.err == b"" or result.err.startswith(b"sendmail: ")


@pytest.mark.parametrize("what, words", [
    ("RCPT", ["550", "no such user", "bob@example.net", "localhost", "pillarbox queue retry"]),
    ("FINAL", ["550", "no such user", "localhost", "pillarbox queue retry"]),
])
def test_C71_words_say_what_became_of_the_mail(sandbox, mail, what, words):
    """C71: what failed, where, the server's words, and where the message is now."""
    mail(script={what: "550 5.1.1 no such user"})
    text = sandbox.run("-t").failed(65, 67).text
    for word in words:
        assert word in text
    assert sandbox.failed()[0].id in text


def test_C71_nowhere_is_said(sandbox, mail):
    """C71: where the message is neither sent nor stored, the words say so."""
    server = mail(more="[queue]\ndirectory = /dev/null/q\n")
    server.refuse()
    text = sandbox.run("-t").failed(73, 75).text
    assert "/dev/null/q" in text and "localhost:%d" % server.port in text and "nowhere" in text


def test_C72_verbose_leaves_stdout_alone(sandbox, mail):
    """C72, C93: even the transcript of a large dialogue goes to stderr alone."""
    mail()
    recipients = ["r%d@example.net" % n for n in range(300)]
    result = sandbox.run("-v", *recipients)
    assert result.rc == 0 and result.out == b"" and b"r299@example.net" in result.err


@pytest.mark.parametrize("args, stdout", [(["-bp"], True), (["--help"], True), (["--version"], True),
                                          (["-d0.1"], True), (["-bv", "bob@example.net"], True),
                                          (["-bi"], False), (["-q"], False), (["-bd"], False)])
def test_C72_who_writes_to_stdout(sandbox, mail, args, stdout):
    """C72: listing, help, version and verify; nothing else."""
    mail()
    result = sandbox.run(*args, stdin=None)
    assert (result.out != b"") == stdout


def test_C70_output_that_cannot_be_written(sandbox, mail):
    """C70: a listing that its reader did not get is not exit 0."""
    mail()
    with open("/dev/full", "wb") as full:
        for args in (["-bp"], ["--help"], ["--version"], ["-bv", "bob@example.net"]):
            result = sandbox.run(*args, stdin=None, stdout=full)
            assert result.rc == 74, (args, result)
