"""Memory that is refused, and calls that are interrupted or do half of what they were asked: a library
of the tests stands before the C library (shim.c)."""

import os
import subprocess
import threading

import pytest

from conftest import MESSAGE, USER, eventually, is_sanitized, preloaded
from smarthost import Each
from sweep import Point, Run, Sweep
from test_sweep import CLEAR, FallingBack, Running, RunningRefused, Sending, SendingByTls, Storing

# --- memory -------------------------------------------------------------


class Refusals(Sweep):
    """Runs in which one request for memory is refused, the next one in each run."""

    def __init__(self, shim, *more):
        super().__init__(*more)
        self.shim = shim

    def one(self, scene, place, point):
        place.clean()
        scene.prepare(place)
        met = os.path.join(place.box.root, "met")
        if os.path.exists(met):
            os.unlink(met)
        facts = dict(scene.env or {}, SHIM_ALLOCATION=str(point.when), SHIM_MET=met)
        result = subprocess.run(
            [place.box.program()] + list(scene.args), input=scene.stdin, capture_output=True, cwd=place.box.home,
            env=preloaded(place.box, self.shim, **facts), timeout=120, check=False)
        run = Run(point, result.returncode, result.stderr, "(INJECTED)" if os.path.exists(met) else "")
        wrong = scene.check(place, run)
        if result.returncode < 0:
            wrong.append("killed by signal %d" % -result.returncode)
        return run, ["%r, exit %d %r: %s" % (point, run.rc, run.err[:300], words) for words in wrong]

    def all(self, scene, workers=2):
        """(refusals, violations) until a run makes no such request any more."""
        violations, numbers, over = [], [0], threading.Event()

        def work(number):
            place = self.place(scene, number)
            try:
                while not over.is_set() and len(violations) < 20:
                    with self.lock:
                        numbers[0] += 1
                        point = Point("malloc", "null", numbers[0])
                    try:
                        run, wrong = self.one(scene, place, point)
                    except BaseException as error:  # told with the request that it came by
                        run, wrong = None, ["%r: %r" % (point, error)]
                    violations.extend(wrong)
                    if run and not run.met:
                        over.set()
            finally:
                place.box.done()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return numbers[0], violations


class SendingToMany(Sending):
    """Answers for all of them have to be noted."""

    args = ("-t", "-f", "x@example.org") + tuple("someone%d@example.org" % n for n in range(40))


LOG = "[log]\nfile = %s\n"


class SendingToALot(Sending):
    args = ("-t", "-f", "x@example.org") + tuple("someone%d@example.org" % n for n in range(200))


class SendingWithWords(Sending):
    args = ("-v", "-t")


class SendingWithLog(Sending):
    def configure(self, place):
        super().configure(place)
        place.box.configure(place.server, more=LOG % os.path.join(place.box.root, "log"), **CLEAR)


class RunningWithLog(Running):
    def configure(self, place):
        super().configure(place)
        place.box.configure(place.server, more=LOG % os.path.join(place.box.root, "log"), **CLEAR)


class SendingByLogin(SendingByTls):
    """Without memory the arithmetic below the library of TLS ends the process: our own requests alone."""

    env = {"SHIM_OWN": "1"}


@pytest.mark.parametrize("scene", [
    Storing, FallingBack, Sending, SendingToMany, SendingToALot, SendingWithWords, SendingWithLog, SendingByLogin,
    Running, RunningRefused, RunningWithLog])
def test_R10_no_memory(tmp_path, build, certs, smarthost, shim, scene):
    """R-10: any one request for memory is refused; what holds behind any fault holds then."""
    if is_sanitized(build):
        pytest.skip("a sanitizer has memory of its own")
    certs.get("good")  # which several workers cannot make at once
    tried, violations = Refusals(shim, tmp_path, build, certs, smarthost).all(scene())
    assert violations == [], "\n".join(violations)
    assert tried > 20


# --- pieces and interruptions -------------------------------------------


def in_pieces(sandbox, shim, octets, *args, stdin=b""):
    result = subprocess.run(
        [sandbox.program()] + list(args), input=stdin, capture_output=True, cwd=sandbox.home,
        env=preloaded(sandbox, shim, SHIM_PIECES=str(octets)), timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b""), (args, result)


@pytest.mark.parametrize("octets", [1, 100])
@pytest.mark.parametrize("args", [["-t"], ["-odq", "-t"], ["-odb", "-t"]], ids=lambda args: args[0])
@pytest.mark.parametrize("extensions", [("PIPELINING", "SIZE"), ("PIPELINING", "CHUNKING")], ids=["data", "bdat"])
def test_R12_short_and_interrupted_calls(sandbox, mail, shim, octets, args, extensions):
    """R-12: the result is the same where each call moves a few octets and half of them are interrupted."""
    server = mail(extensions=extensions, mechanisms=["SCRAM-SHA-256"])
    text = MESSAGE + "a line\n.\n" * 300
    in_pieces(sandbox, shim, octets, *args, stdin=text.encode())
    if "-odq" in args:
        assert sandbox.entry().message == text.replace("\n", "\r\n").encode()
        in_pieces(sandbox, shim, octets, "-q")
    server.wait_messages(1, timeout=10)
    assert server.message.data == text.replace("\n", "\r\n").encode()
    assert server.message.recipients == ["bob@example.net"]
    eventually(lambda: sandbox.entries() == [])
    sandbox.nothing_stored()


@pytest.mark.parametrize("octets", [1, 7])
def test_R12_partial_refusal_and_lists(sandbox, mail, shim, octets):
    """R-12: the notice, the mark of a recipient and the listing as well."""
    server = mail(script={"RCPT:carl@example.net": "550 5.1.1 nobody", "RCPT:dora@example.net": Each("451 later")})
    in_pieces(sandbox, shim, octets, "bob@example.net", "carl@example.net", "dora@example.net",
              stdin=MESSAGE.encode())
    server.wait_messages(2)  # the notice goes behind it
    eventually(lambda: len(sandbox.entries()) == 1)
    assert sandbox.entry().pending == ["dora@example.net"]
    result = subprocess.run([sandbox.program(), "-bp"], capture_output=True, timeout=60, check=False,
                            env=preloaded(sandbox, shim, SHIM_PIECES=str(octets)))
    assert result.returncode == 0 and b"dora@example.net" in result.stdout
    in_pieces(sandbox, shim, octets, "-q")
    assert sorted(r for m in server.messages for r in m.recipients) == [USER] + [
        name + "@example.net" for name in ("bob", "dora")]
    assert sandbox.entries() == []
