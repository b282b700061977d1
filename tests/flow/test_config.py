"""The configuration, seen through sendmail: what is read, what is refused, and in which words."""

import os
import socket
import stat
import subprocess
import tempfile

import pytest

from conftest import MESSAGE, PASSWORD, USER, Sandbox, is_root, needs_root


def refused(sandbox, *words, codes=(78, 77), args=("-t",), **more):
    """Exit 78 or 77, all words in the text, no traffic, nothing stored."""
    result = sandbox.run(*args, **more).failed(*codes)
    for word in words:
        assert word in result.text, result
    sandbox.nothing_stored()
    return result


# --- where it is read from ----------------------------------------------


def test_no_configuration_at_all(sandbox):
    result = refused(sandbox)
    assert "[account" in result.text or "account" in result.text
    assert "host" in result.text


def test_config_of_the_home_directory(sandbox, mail):
    server = mail()
    sandbox.run("-t", env={"XDG_CONFIG_HOME": None}).ok()
    assert len(server.messages) == 1


def test_relative_XDG_is_not_used(sandbox, mail):
    """C-35: relative paths in the environment are refused or passed over."""
    server = mail()
    os.makedirs(os.path.join(sandbox.home, "rel", "pillarbox"))
    sandbox.file("home/rel/pillarbox/config", "[account evil]\nhost = 192.0.2.1\n")
    sandbox.run("-t", env={"XDG_CONFIG_HOME": "rel"}).ok()
    assert len(server.messages) == 1


def test_PILLARBOX_CONFIG_replaces_the_files(sandbox, mail, smarthost):
    server = mail()
    other = smarthost()
    path = sandbox.file("other.conf", sandbox.account(other))
    sandbox.run("-t", env={"PILLARBOX_CONFIG": path}).ok()
    assert server.connections == [] and len(other.messages) == 1


def test_PILLARBOX_CONFIG_missing_is_an_error(sandbox, mail):
    server = mail()
    refused(sandbox, "/nonexistent/x", env={"PILLARBOX_CONFIG": "/nonexistent/x"})
    assert server.connections == []


def test_everything_from_the_environment(sandbox, smarthost):
    server = smarthost()
    secret = sandbox.file("secret", PASSWORD + "\n")
    sandbox.run("-t", env={
        "PILLARBOX_HOST": "localhost", "PILLARBOX_PORT": str(server.port), "PILLARBOX_USER": USER,
        "PILLARBOX_TLS_TRUST_FILE": sandbox.certs.ca, "PILLARBOX_PASSWORD_FILE": secret,
        "PILLARBOX_FROM": "env@example.test",
    }).ok()
    assert server.message.sender == "env@example.test"


def test_environment_wins_over_the_file(sandbox, mail, smarthost):
    first = mail()
    second = smarthost(users={USER: "other pw"})
    sandbox.run("-t", env={"PILLARBOX_PORT": str(second.port), "PILLARBOX_PASSWORD": "other pw"}).ok()
    assert first.connections == [] and len(second.messages) == 1


def test_environment_names_a_file_that_holds_the_value(sandbox, mail):
    server = mail(account={"user": None})
    path = sandbox.file("user", USER + "\n")
    sandbox.run("-t", env={"PILLARBOX_USER_FILE": path}).ok()
    assert server.message.connection.user == USER


def test_environment_is_checked_as_well(sandbox, mail):
    mail()
    refused(sandbox, "PILLARBOX_PORT", env={"PILLARBOX_PORT": "587x"})


def test_environment_of_sections(sandbox, mail):
    server = mail()
    queue = os.path.join(sandbox.root, "elsewhere")
    sandbox.run("fred", env={"PILLARBOX_MAIL_DOMAIN": "mail.test", "PILLARBOX_QUEUE_DIRECTORY": queue,
                             "PILLARBOX_QUEUE_DELIVERY": "queue"}).ok()
    assert server.connections == []
    assert sandbox.entries(queue)[0].pending == ["fred@mail.test"]


def test_defaults_hold_for_all_accounts(sandbox, smarthost):
    server = smarthost()
    sandbox.write_config(
        "[defaults]\nhost = localhost\nport = %d\ntls_trust_file = %s\npassword = %s\nuser = %s\n"
        "[account one]\nfrom = one@example.test\n[account two]\nfrom = two@example.test\n"
        % (server.port, sandbox.certs.ca, PASSWORD, USER))
    sandbox.run("-t").ok()
    sandbox.run("-t", "-a", "two", "-f", "two@example.test").ok()
    assert [m.sender for m in server.messages] == ["one@example.test", "two@example.test"] or [
        m.sender for m in server.messages] == [USER, "two@example.test"]


# --- syntax -------------------------------------------------------------


@pytest.mark.parametrize("text, line, words", [
    ("[account a]\nhost = x.test\nprot = 25\n", 3, ["prot", "port"]),
    ("[account a]\nhots = x.test\n", 2, ["hots", "host"]),
    ("[acount a]\nhost = x.test\n", 1, ["acount"]),
    ("[account a]\nhost = x.test\n[quueue]\n", 3, ["quueue"]),
    ("host = x.test\n", 1, ["section"]),
    ("[account a]\nhost = x.test\nhost = y.test\n", 3, ["host"]),
    ("[account a]\nhost = x.test\nport = 587x\n", 3, ["port", "587x"]),
    ("[account a]\nhost = x.test\nport = 0\n", 3, ["port"]),
    ("[account a]\nhost = x.test\nport = 65536\n", 3, ["port"]),
    ("[account a]\nhost = x.test\nport = -1\n", 3, ["port"]),
    ("[account a]\nhost = x.test\nport = 99999999999999999999\n", 3, ["port"]),
    ("[account a]\nhost = x.test\ntls = maybe\n", 3, ["tls", "maybe"]),
    ("[account a]\nhost = x.test\nauth = plian\n", 3, ["auth", "plian"]),
    ("[account a]\nhost = x.test\nconnect_timeout = soon\n", 3, ["connect_timeout"]),
    ("[account a]\nhost = x.test\nconnect_timeout = 5x\n", 3, ["connect_timeout"]),
    ("[account a]\nhost = x.test\ninsecure_login = perhaps\n", 3, ["insecure_login"]),
    ("[account a]\nhost = x.test\nfrom_policy = never\n", 3, ["from_policy"]),
    ("[account a]\nhost = x.test\n[mail]\nmax_size = 5Q\n", 4, ["max_size"]),
    ("[account a]\nhost = x.test\n[mail]\nlong_lines = fold\n", 4, ["long_lines"]),
    ("[account a]\nhost = x.test\n[queue]\ndelivery = pigeon\n", 4, ["delivery"]),
    ("[account a]\nhost = x.test\n[queue]\nretry_min = -1m\n", 4, ["retry_min"]),
    ("[account a]\nhost =\n", 2, ["host"]),
    ("[account a]\nhost = bad host/name\n", 2, ["host"]),
    ("[account a]\nhost = -x.test\n", 2, ["host"]),
    ("[account a]\nhost = " + "l" * 64 + ".test\n", 2, ["host"]),
    ("[account a]\nhost = x.test\nfrom = not an address\n", 3, ["from"]),
    ("[account a]\nhost = x.test\nno equals sign\n", 3, []),
    ("[account a\nhost = x.test\n", 1, []),
    ("[account a]\nhost = x.test\n[account a]\nhost = y.test\n", 3, ["a"]),
    ("[account a]\nhost = x.test\nuser = a\0b\n", 3, []),
])
def test_F13_F17_faults_name_file_and_line(sandbox, text, line, words):
    """F-13, F-16, F-17."""
    sandbox.write_config(text)
    result = refused(sandbox, *words)
    assert "%s:%d" % (sandbox.config_path, line) in result.text, result


def test_F14_did_you_mean(sandbox):
    sandbox.write_config("[account a]\nhost = x.test\npasswrod_file = /x\n")
    result = refused(sandbox, "passwrod_file", "password_file")
    assert "did you mean" in result.text.lower()


@pytest.mark.parametrize("password", [
    "a ;b", ";x", "#x", "a # b", "\"quoted\"", "'x'", "a=b", "a:b", "=", "a\tb", "\\", "[x]", "${HOME}",
    "%(x)s", "p\u00e4\u00df", "x" * 300, "y" * 5000,
])
def test_F08_F10_a_value_is_the_rest_of_the_line(sandbox, mail, password):
    server = mail(users={USER: password}, account={"password": password}, mechanisms=["PLAIN"])
    sandbox.run("-t").ok()
    assert server.message.connection.auth_attempts == [("PLAIN", True)]


def test_blanks_around_values_and_comments(sandbox, mail):
    server = mail()
    text = sandbox.account(server).replace(" = ", " \t=  ").replace("\n", "  \n")
    sandbox.write_config("; a remark\n# another\n\n   \n" + text + "; " + "x" * 180 + "\n")
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_F09_the_tail_of_a_long_comment_is_comment(sandbox, mail):
    server = mail()
    sandbox.write_config(sandbox.account(server) + ";" + "x" * 197 + "host = evil.test\n#" + "y" * 400
                         + "\n; z" + " " * 195 + "port = 1\n")
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


def test_F12_an_indented_key_is_a_key_or_an_error(sandbox, mail):
    server = mail()
    sandbox.write_config(sandbox.account(server).replace("\nport", "\n  port"))
    result = sandbox.run("-t")
    if result.rc == 0:
        assert len(server.messages) == 1
    else:
        result.failed(78)
        assert server.connections == []


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_line_ends_of_the_file(sandbox, mail, ends):
    server = mail()
    sandbox.write_config(sandbox.account(server).replace("\n", ends))
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER


def test_F07_byte_order_mark_and_utf16(sandbox, mail):
    server = mail()
    text = sandbox.account(server)
    sandbox.write_config(b"\xef\xbb\xbf" + text.encode())
    result = sandbox.run("-t")
    assert result.rc in (0, 78)
    sandbox.write_config(text.encode("utf-16"))
    sandbox.run("-t").failed(78)


def test_last_line_without_end(sandbox, mail):
    server = mail()
    sandbox.write_config(sandbox.account(server).rstrip("\n"))
    sandbox.run("-t").ok()
    assert server.message.sender == USER


def test_F15_long_account_names_are_distinct(sandbox, smarthost):
    first, second = smarthost(), smarthost()
    name = "n" * 60
    sandbox.write_config(sandbox.account(first, name=name + "1") + sandbox.account(
        second, name=name + "2", **{"from": "two@example.test"}))
    result = sandbox.run("-t", "-a", name + "2")
    assert first.connections == []
    if result.rc == 0:
        assert len(second.messages) == 1
    else:
        assert sandbox.config_path + ":1" in result.failed(78).text


def test_F06_huge_files_are_refused(sandbox):
    for text in ("[account a]\nuser = " + "x" * (1 << 20) + "\n", "; line\n" * 2_000_000):
        sandbox.write_config(text)
        result = sandbox.run("-t", timeout=30).failed(78)
        assert sandbox.config_path in result.text or "account" in result.text


# --- permissions --------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666, 0o622])
def test_F01_config_with_a_password_is_private(sandbox, mail, mode):
    server = mail()
    os.chmod(sandbox.config_path, mode)
    refused(sandbox, sandbox.config_path, "chmod")
    assert server.connections == []


def test_F01_config_without_a_password_may_be_read(sandbox, mail):
    secret = sandbox.file("secret", PASSWORD)
    server = mail(account={"password": None, "password_file": secret})
    os.chmod(sandbox.config_path, 0o644)
    sandbox.run("-t").ok()
    assert len(server.messages) == 1


@needs_root
def test_F02_config_of_another_user(sandbox, mail):
    server = mail()
    os.chown(sandbox.config_path, 12345, 12345)
    refused(sandbox, sandbox.config_path)
    assert server.connections == []


def test_F03_a_link_to_ones_own_file(sandbox, mail):
    server = mail()
    real = os.path.join(sandbox.home, "dotfiles")
    os.rename(sandbox.config_path, real)
    os.symlink(real, sandbox.config_path)
    sandbox.run("-t").ok()
    assert len(server.messages) == 1
    os.chmod(real, 0o644)
    refused(sandbox, "chmod")


def test_F04_no_regular_file(sandbox, mail):
    mail()
    os.unlink(sandbox.config_path)
    os.mkfifo(sandbox.config_path)
    refused(sandbox, sandbox.config_path, timeout=20)
    os.unlink(sandbox.config_path)
    os.mkdir(sandbox.config_path)
    refused(sandbox, sandbox.config_path)
    os.rmdir(sandbox.config_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(sandbox.config_path)
        refused(sandbox, sandbox.config_path)


@pytest.mark.skipif(is_root(), reason="root may read everything")
def test_ones_own_file_that_cannot_be_read(sandbox, mail):
    mail()
    os.chmod(sandbox.config_path, 0)
    refused(sandbox, sandbox.config_path)


# --- secrets ------------------------------------------------------------


@pytest.mark.parametrize("content", [PASSWORD + "\n", PASSWORD, PASSWORD + "\r\n", PASSWORD + "\nmore\n"])
def test_password_file(sandbox, mail, content):
    path = sandbox.file("secret", content)
    server = mail(account={"password": None, "password_file": path})
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_password_file_is_private(sandbox, mail, mode):
    path = sandbox.file("secret", PASSWORD, mode)
    server = mail(account={"password": None, "password_file": path})
    result = sandbox.run("-t").failed(78, 77)
    assert path in result.text
    assert server.messages == [] and "AUTH" not in server.verbs


def test_password_file_missing(sandbox, mail):
    server = mail(account={"password": None, "password_file": "/nonexistent/secret"})
    result = sandbox.run("-t").failed(78, 77)
    assert "/nonexistent/secret" in result.text
    assert server.messages == []


@pytest.mark.parametrize("command", [
    "echo s3cret pass", "printf '%s\\n' 's3cret pass'", "sh -c 'echo s3cret pass; echo other line'",
    "printf 's3cret pass'", "printf 's3cret pass\\r\\n'", "echo \"s3cret pass\"",
    "sh -c 'cat >/dev/null; echo s3cret pass'",
])
def test_password_command(sandbox, mail, command):
    """F-21: the first line, without its end."""
    server = mail(account={"password": None, "password_command": command})
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER


def test_F25_password_command_is_run_without_a_shell(sandbox, mail):
    path = os.path.join(sandbox.root, "created")
    server = mail(account={"password": None, "password_command": "echo x; touch %s" % path})
    sandbox.run("-t")
    assert not os.path.exists(path)
    assert server.messages == []


@pytest.mark.parametrize("command", ["false", "true", "sh -c 'echo the ring is locked >&2; exit 3'",
                                     "sh -c 'kill -9 $$'"])
def test_F20_password_command_fails(sandbox, mail, command):
    server = mail(account={"password": None, "password_command": command})
    sandbox.run("-t").ok()
    entry = sandbox.entry()
    assert entry.pending == ["bob@example.net"]
    if "locked" in command:
        assert "the ring is locked" in entry.status
    assert server.messages == [] and "AUTH" not in server.verbs


@pytest.mark.parametrize("command", ["/nonexistent/helper", "no-such-program-here",
                                     "/etc/passwd"])
def test_F20_password_command_not_found(sandbox, mail, command):
    server = mail(account={"password": None, "password_command": command})
    result = sandbox.run("-t").failed(78)
    assert command in result.text
    assert server.connections == []
    assert sandbox.entries() == [] and sandbox.failed() == []


@pytest.mark.parametrize("command", [
    "sh -c 'yes %s | head -c 100000000'" % ("x" * 5000), "printf 'a\\0b\\n'",
])
def test_F21_output_that_is_no_password(sandbox, mail, command):
    """Endless lines and NUL: bounded, no login is tried with a part of them."""
    server = mail(account={"password": None, "password_command": command})
    result = sandbox.run("-t", timeout=60)
    assert result.rc in (0, 78), result
    assert server.messages == [] and "AUTH" not in server.verbs
    assert len(sandbox.entries()) + len(sandbox.failed()) <= 1
    assert result.rc != 0 or len(sandbox.entries()) == 1


def test_F22_daemon_that_keeps_the_pipe(sandbox, mail):
    """The first line counts; a child that holds the pipe open is not waited for."""
    helper = sandbox.file("helper", "#!/bin/sh\nsleep 100 &\necho $! > %s/pid\necho s3cret pass\n"
                          % sandbox.root, 0o700)
    server = mail(account={"password": None, "password_command": helper})
    try:
        result = sandbox.run("-t", timeout=50, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert result.rc == 0
        assert result.seconds < 45
        assert len(server.messages) + len(sandbox.entries()) == 1
    finally:
        pid_file = os.path.join(sandbox.root, "pid")
        if os.path.exists(pid_file):
            with open(pid_file, encoding="ascii") as file:
                try:
                    os.kill(int(file.read()), 15)
                except ProcessLookupError:
                    pass


def test_F24_F26_what_the_command_gets(sandbox, mail):
    helper = sandbox.file("helper", "#!/bin/sh\nenv > %s/env\nls -l /proc/$$/fd > %s/fds\n"
                          "readlink /proc/$$/fd/0 > %s/stdin\necho s3cret pass\n"
                          % ((sandbox.root,) * 3), 0o700)
    server = mail(account={"password": None, "password_command": helper})
    sandbox.run("-t", env={"PILLARBOX_PASSWORD_COMMAND": helper}).ok()
    assert len(server.messages) == 1
    with open(os.path.join(sandbox.root, "stdin"), encoding="utf-8") as file:
        assert file.read().strip() == "/dev/null"
    with open(os.path.join(sandbox.root, "env"), encoding="utf-8") as file:
        assert "HOME=" in file.read()
    with open(os.path.join(sandbox.root, "fds"), encoding="utf-8") as file:
        assert "socket:" not in file.read()


def test_F30_password_of_the_environment_is_not_passed_on(sandbox, mail):
    helper = sandbox.file("helper", "#!/bin/sh\nenv > %s/env\n" % sandbox.root, 0o700)
    server = mail(more="[notify]\non_failure = %s\n" % helper, account={"password": None},
                  script={"RCPT": "550 5.1.1 no"})
    sandbox.run("-t", env={"PILLARBOX_PASSWORD": PASSWORD}).failed(67)
    assert server.connections
    path = os.path.join(sandbox.root, "env")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            assert "s3cret" not in file.read()


def test_password_credential(sandbox, mail):
    directory = sandbox.directory("credentials")
    sandbox.file("credentials/mail-password", PASSWORD + "\n", 0o440)
    server = mail(account={"password": None, "password_credential": "mail-password"})
    sandbox.run("-t", env={"CREDENTIALS_DIRECTORY": directory}).ok()
    assert server.message.connection.user == USER


def test_password_credential_cannot_leave_its_directory(sandbox, mail):
    directory = sandbox.directory("credentials")
    sandbox.file("outside", PASSWORD)
    server = mail(account={"password": None, "password_credential": "../outside"})
    sandbox.run("-t", env={"CREDENTIALS_DIRECTORY": directory}).failed(78, 77)
    assert server.messages == []


def test_netrc_is_the_last_resort(sandbox, mail):
    server = mail(account={"password": None}, users={USER: "s3cret-netrc"})
    sandbox.file("home/.netrc", "machine other login x password y\nmachine localhost login %s\n"
                 "  password s3cret-netrc\n" % USER)
    sandbox.run("-t").ok()
    assert server.message.connection.user == USER


def test_no_password_anywhere(sandbox, mail):
    server = mail(account={"password": None})
    result = sandbox.run("-t").failed(78, 77)
    assert "password" in result.text
    assert server.messages == []


def test_two_sources_of_the_password(sandbox, mail):
    """Only one of them may be given."""
    path = sandbox.file("secret", "other")
    server = mail(account={"password_file": path})
    result = sandbox.run("-t")
    assert result.rc in (0, 78)
    if result.rc == 78:
        assert "password_file" in result.text or "password" in result.text
        assert server.connections == []


def test_C71_no_secret_in_words_about_the_secret(sandbox, mail):
    """run() fails when a password is shown."""
    server = mail()
    with open(sandbox.config_path, "a", encoding="utf-8") as file:
        file.write("[account two]\nhost = x.test\npasword = s3cret pass\nport = s3cret\n")
    sandbox.run("-t").failed(78)
    assert server.connections == []


# --- environment of the process -----------------------------------------


@needs_root
def test_C76_home_of_another_user_is_not_used(sandbox, mail):
    """sudo and cron may leave HOME pointing at somebody else."""
    server = mail()
    os.chown(sandbox.home, 12345, 12345)
    sandbox.run("-t", env={"XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None,
                           "PILLARBOX_QUEUE_DIRECTORY": os.path.join(sandbox.root, "q")}, cwd="/")
    assert server.connections == []


@needs_root
def test_C77_user_without_a_passwd_entry(build, certs, smarthost):
    """As in a container: a bare number for a user, who sends, queues and drains."""
    if not reachable(os.path.join(build, "sendmail")):
        pytest.skip("only root can reach the build")
    server = smarthost()
    with tempfile.TemporaryDirectory(prefix="pillarbox-user.") as root:
        os.chmod(root, 0o755)
        box = Sandbox(root, build, certs)
        with open(certs.ca, "rb") as file:
            public = box.file("public.pem", file.read(), 0o644)
        box.configure(server, tls_trust_file=public)
        for top, directories, files in os.walk(root):
            for name in directories + files:
                os.chown(os.path.join(top, name), 12345, 12345)
        who = {"user": 12345, "group": 12345, "extra_groups": []}
        assert box.run("-t", **who).rc == 0
        assert box.run("-odq", "-t", **who).rc == 0
        assert box.entry().stat.st_uid == 12345
        assert box.run("-qf", stdin=None, **who).rc == 0
        assert len(server.messages) == 2
        assert box.entries() == []
        box.done()


def reachable(path):
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


@pytest.mark.parametrize("umask", [0, 0o777])
def test_C78_umask_does_not_matter(sandbox, mail, umask):
    mail(script={"MAIL": "451 4.3.0 later"})
    sandbox.run("-t", umask=umask).ok()
    entry = sandbox.entry()  # entries are checked for 0600
    assert stat.S_IMODE(os.stat(os.path.dirname(entry.path)).st_mode) == 0o700


def test_C83_few_descriptors_and_small_files(sandbox, mail):
    import resource

    server = mail()
    sandbox.run("-t", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))).ok()
    assert len(server.messages) == 1
    server.script["MAIL"] = "451 4.3.0 later"
    result = sandbox.run(
        "-t", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)))
    result.failed(71, 73, 74, 75)
    sandbox.nothing_stored()


def test_H09_the_program_has_no_set_id_bit(sandbox):
    for name in ("sendmail", "pillarbox"):
        assert not os.stat(sandbox.program(name)).st_mode & (stat.S_ISUID | stat.S_ISGID)


def test_log_file(sandbox, mail):
    path = os.path.join(sandbox.root, "log")
    server = mail(more="[log]\nfile = %s\n" % path)
    sandbox.run("-t").ok()
    assert len(server.messages) == 1
    with open(path, "rb") as file:
        text = file.read()
    assert text.count(b"\n") >= 1
    assert b"bob@example.net" in text and b"s3cret" not in text
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_R07_log_that_cannot_be_written(sandbox, mail):
    fifo = os.path.join(sandbox.root, "fifo")
    os.mkfifo(fifo)
    link = os.path.join(sandbox.root, "link")
    os.symlink(os.path.join(sandbox.root, "target"), link)
    for path in ("/nonexistent/dir/log", fifo, sandbox.home, link, "/dev/full"):
        server = mail(more="[log]\nfile = %s\n" % path)
        result = sandbox.run("-t", timeout=30)
        assert result.rc == 0, result
        assert len(server.messages) == 1
    assert not os.path.exists(os.path.join(sandbox.root, "target"))


def test_message_is_not_in_the_log(sandbox, mail):
    path = os.path.join(sandbox.root, "log")
    mail(more="[log]\nfile = %s\nformat = json\n" % path)
    sandbox.run("-t", stdin=MESSAGE + "the private words\n").ok()
    import json

    with open(path, "rb") as file:
        text = file.read()
    assert b"private words" not in text
    for line in text.splitlines():
        assert isinstance(json.loads(line), dict)
