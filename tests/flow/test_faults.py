"""Death and errors at every system call: part 12 of the robustness tables, by strace.

Exit 0 means that every recipient was accepted or one whole entry is stored;
exit not 0 that there is neither (I1, I3).
"""

import os
import shutil
import subprocess

import pytest

from conftest import MESSAGE, have

WIRE = MESSAGE.replace("\n", "\r\n").encode()


def strace_works():
    if not have("strace"):
        return False
    result = subprocess.run(["strace", "-e", "inject=getppid:error=EIO:when=1", "-e", "trace=getppid",
                             "/bin/true"], capture_output=True, check=False)
    return result.returncode == 0


pytestmark = pytest.mark.skipif(not strace_works(), reason="strace cannot trace here")


def run_with_fault(sandbox, args, call, fault, number, stdin=b""):
    """True with the exit code where the fault was met, None where the run had no such call any more."""
    log = os.path.join(sandbox.root, "strace.log")
    # A call that this machine does not have is passed over by the question mark.
    calls = ",".join("?" + name for name in call.split(","))
    result = subprocess.run(
        ["strace", "-qq", "-o", log, "-e", "trace=" + calls, "-e",
         "inject=%s:%s:when=%d" % (calls, fault, number), sandbox.program()] + args,
        input=stdin, capture_output=True, env=sandbox.environment(), cwd=sandbox.home, timeout=60,
        check=False)
    with open(log, encoding="utf-8", errors="replace") as file:
        met = "INJECTED" in file.read() or result.returncode < 0
    if b"LeakSanitizer does not work under ptrace" in result.stderr:
        # The fault hit the sanitizer itself, which could not read its options.
        return met, result
    for mark in (b"Sanitizer", b"runtime error:"):
        assert mark not in result.stderr, result.stderr.decode("utf-8", "replace")
    return met, result


CALLS = ["write,pwrite64,writev", "fsync,fdatasync", "rename,renameat,renameat2", "mkdir,mkdirat",
         "flock", "ftruncate,fallocate", "fstat,newfstatat,statx", "close", "read"]


def clean(sandbox):
    shutil.rmtree(os.path.join(sandbox.state_home, "pillarbox"), ignore_errors=True)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", ["error=EIO", "error=ENOSPC", "error=EINTR", "signal=KILL"])
def test_K01_K06_storing(sandbox, mail, call, fault):
    server = mail()
    number = 1
    while True:
        clean(sandbox)
        before = len(server.messages)
        met, result = run_with_fault(sandbox, ["-odq", "-t"], call, fault, number, MESSAGE.encode())
        entries = sandbox.entries()  # each is checked: whole, private
        # A queue that cannot be written means a direct send (C66).
        delivered = len(server.messages) - before
        if b"LeakSanitizer does not work" in result.stderr:
            number += 1
            continue
        if result.returncode == 0:
            assert len(entries) + delivered == 1, (call, fault, number)
            assert not entries or entries[0].message == WIRE
        elif result.returncode > 0:
            assert entries == [] and delivered == 0, (call, fault, number, result)
            assert sandbox.leftovers() == [], (call, number)
            assert result.stderr, "failed without a word"
        else:
            assert len(entries) + delivered <= 1
            assert len([n for n in sandbox.leftovers() if n.startswith("tmp.")]) <= 1
        if not met or number > 150:
            break
        number += 1
    assert number <= 150


RUN_CALLS = ["write,pwrite64,writev", "fsync,fdatasync", "unlink,unlinkat", "sendto,sendmsg", "recvfrom,recvmsg",
             "flock", "connect", "utimensat,futimesat"]


@pytest.mark.parametrize("call", RUN_CALLS)
@pytest.mark.parametrize("fault", ["error=EIO", "signal=KILL"])
def test_K02_running(sandbox, smarthost, call, fault):
    number = 1
    while True:
        clean(sandbox)
        server = smarthost()
        sandbox.configure(server)
        sandbox.run("-odq", "-t").ok()
        met, result = run_with_fault(sandbox, ["-qf"], call, fault, number)
        server.wait_idle()
        delivered = len(server.messages)
        assert delivered <= 1
        stored = len(sandbox.entries()) + len(sandbox.failed())
        assert delivered + stored >= 1, "the message is lost: %s %s %d" % (call, fault, number)
        sandbox.run("-qf", stdin=None)
        server.wait_idle()
        assert 1 <= len(server.messages) + len(sandbox.failed()) <= 2
        if len(server.messages) == 2:
            # I4: twice only where the reply to the dot was not recorded. An
            # error that leaves the process alive is no excuse once the reply was read.
            assert server.messages[0].fields("Message-ID") == server.messages[1].fields("Message-ID")
            assert fault == "signal=KILL" or call.startswith(("recvfrom", "write", "sendto")), (
                call, fault, number)
        assert sandbox.entries() == []
        if not met or number > 60:
            break
        number += 1
        server.stop()
    assert number <= 60
