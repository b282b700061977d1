"""What `meson install` puts in place works from there, wherever the tree stands."""

import os
import stat
import subprocess

import pytest

from conftest import MESSAGE, have
from machine import stage

pytestmark = pytest.mark.skipif(not have("meson"), reason="meson is not installed")


@pytest.fixture(scope="module")
def prefix(build, tmp_path_factory):
    """The installed tree, not at the place that it was configured for."""
    return stage(build, str(tmp_path_factory.mktemp("install")))


def run(sandbox, path, *args, stdin=MESSAGE):
    return subprocess.run([path] + list(args), input=stdin.encode(), capture_output=True, timeout=60,
                          env=sandbox.environment(), check=False)


def test_links_lead_to_the_program(prefix):
    program = os.path.join(prefix, "sbin", "sendmail")
    for name in ("lib/sendmail", "bin/mailq", "bin/newaliases"):
        link = os.path.join(prefix, name)
        assert os.path.realpath(link) == os.path.realpath(program), name
        # A path that begins at the root would leave the staged tree.
        assert not os.path.isabs(os.readlink(link)), name


def test_nothing_has_special_rights(prefix):
    for directory, _, names in os.walk(prefix):
        for name in names:
            mode = os.lstat(os.path.join(directory, name)).st_mode
            if not stat.S_ISLNK(mode):
                assert mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH) == 0, name


@pytest.mark.parametrize("name", ["sbin/sendmail", "lib/sendmail"])
def test_modules_are_found_beside_the_program(sandbox, mail, prefix, name):
    """TLS and the module for names beyond ASCII are loaded from the moved tree."""
    server = mail(extensions=("PIPELINING", "SIZE", "8BITMIME"))
    result = run(sandbox, os.path.join(prefix, name), "bob@grüße.example")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert server.message.recipients == ["bob@xn--gre-6ka8l.example"]
    assert server.connection.tls_version == "TLSv1.3"


def test_names_tell_what_to_do(sandbox, mail, prefix):
    mail()
    for name, out in (("bin/mailq", b"Mail queue is empty\n"), ("bin/newaliases", b"")):
        result = run(sandbox, os.path.join(prefix, name), stdin="")
        assert (result.returncode, result.stdout, result.stderr) == (0, out, b""), name


def test_the_other_program_starts(sandbox, mail, prefix):
    server = mail()
    result = run(sandbox, os.path.join(prefix, "bin", "pillarbox"), "check", stdin="")
    assert result.returncode == 0, result
    assert server.connection.user is not None


@pytest.mark.skipif(os.geteuid() != 0 or not have("unshare"), reason="mounting takes root and unshare")
@pytest.mark.parametrize("origin", ["build", "installed"])
def test_program_mounted_over_another_finds_its_modules(sandbox, mail, build, prefix, origin):
    """As containers and trials put it in the place of the system's sendmail."""
    program = os.path.join(build, "sendmail") if origin == "build" else os.path.join(prefix, "sbin/sendmail")
    target = sandbox.file("sbin/sendmail", "#!/bin/sh\nexit 70\n", 0o755)
    server = mail()
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         'mount --bind "$0" "$1" || exit 71; exec "$1" -t', program, target],
        input=MESSAGE.encode(), capture_output=True, timeout=60, check=False,
        env={**sandbox.environment(), "PATH": os.environ["PATH"]})
    if result.returncode == 71:
        pytest.skip("this host forbids mounting")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert server.message.connection.tls_version == "TLSv1.3"
