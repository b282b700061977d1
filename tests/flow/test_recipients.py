"""Who gets the message: part C of the contract."""

import os

import pytest

from conftest import USER, login_name
from smarthost import Each

HEAD = "From: ann@example.test\nDate: Mon, 02 Feb 2026 10:00:00 +0100\nMessage-ID: <1@example.test>\n"


def deliver(sandbox, server, fields, *args):
    sandbox.run(*(args or ("-t",)), stdin=HEAD + fields + "\nbody\n").ok()
    return server.messages[-1].recipients


@pytest.mark.parametrize("fields, want", [
    ("To: a@x.test\n", ["a@x.test"]),
    ("To: a@x.test\nCc: b@x.test\nBcc: c@x.test\n", ["a@x.test", "b@x.test", "c@x.test"]),
    ("TO: a@x.test\ncC: b@x.test\nbCC: c@x.test\n", ["a@x.test", "b@x.test", "c@x.test"]),
    ("To : a@x.test\nCc\t: b@x.test\n", ["a@x.test", "b@x.test"]),
    ("To:\n a@x.test,\n\tb@x.test\n", ["a@x.test", "b@x.test"]),
    ("To: a@x.test\nTo: b@x.test\n", ["a@x.test", "b@x.test"]),
    ("To: a\n @x.test\n", ["a@x.test"]),
])
def test_C38_header_fields(sandbox, mail, fields, want):
    assert deliver(sandbox, mail(), fields) == want


@pytest.mark.parametrize("field, want", [
    ("Resent-To: r@x.test\n", ["r@x.test"]),
    ("Resent-Cc: r@x.test\n", ["r@x.test"]),
    ("Resent-Bcc: r@x.test\n", ["r@x.test"]),
    ("Resent-To: r@x.test\nResent-Bcc: s@x.test\nResent-Cc: t@x.test\n",
     ["r@x.test", "s@x.test", "t@x.test"]),
])
def test_C39_resent_fields_alone(sandbox, mail, field, want):
    got = deliver(sandbox, mail(), "To: a@x.test\nCc: b@x.test\n" + field)
    assert sorted(got) == sorted(want)


def test_C40_union_with_arguments(sandbox, mail):
    """C-03."""
    server = mail()
    got = deliver(sandbox, server, "To: a@x.test\nCc: b@x.test\n", "-t", "c@x.test", "A@X.test")
    assert sorted(got) == sorted(["a@x.test", "b@x.test", "c@x.test", "A@X.test"]) or sorted(
        got) == sorted(["a@x.test", "b@x.test", "c@x.test", "A@x.test"])


def test_arguments_without_t_ignore_the_header(sandbox, mail):
    assert deliver(sandbox, mail(), "To: a@x.test\nBcc: b@x.test\n", "c@x.test") == ["c@x.test"]


@pytest.mark.parametrize("body, want", [
    ("Friends: a@x.test, \"B, C\" <b@x.test>;", ["a@x.test", "b@x.test"]),
    ("undisclosed-recipients:;, a@x.test", ["a@x.test"]),
    ("One: a@x.test;, Two: b@x.test;, c@x.test", ["a@x.test", "b@x.test", "c@x.test"]),
    ("a@x.test (comment (nested \\) deep), not@this.test)", ["a@x.test"]),
    ("a(x)@(y)x.test(z)", ["a@x.test"]),
    ("\"a b\"@x.test", ["\"a b\"@x.test"]),
    ("\"a\\\"b\"@x.test", ["\"a\\\"b\"@x.test"]),
    ("\"plain\"@x.test", ["plain@x.test"]),
    ("Name \"quoted, name\" <a@x.test>", ["a@x.test"]),
    ("<@r1.test,@r2.test:a@x.test>", ["a@x.test"]),
    (",, a@x.test,,b@x.test, ,", ["a@x.test", "b@x.test"]),
    ("<a@x.test>, <>", ["a@x.test"]),
    ("a+b=c@x.test, o'neil@x.test, {weird}@x.test", ["a+b=c@x.test", "o'neil@x.test", "{weird}@x.test"]),
    ("a@[192.0.2.1]", ["a@[192.0.2.1]"]),
    ("a@[IPv6:2001:db8::1]", ["a@[IPv6:2001:db8::1]"]),
    ("a . b @ x . test", ["a.b@x.test"]),
    ("=?utf-8?Q?evil=40y=2Etest=2C?= <a@x.test>", ["a@x.test"]),
    ("J. R. Hacker <a@x.test>", ["a@x.test"]),
    ("-leading@x.test", ["-leading@x.test"]),
    ("a@x.test.", ["a@x.test"]),
    ("Gr\u00fc\u00df Gott <a@x.test>", ["a@x.test"]),
    ("\"Last, First\" <a@x.test>, b@x.test (Name, Other)", ["a@x.test", "b@x.test"]),
    ("<a@x.test> (trailing)", ["a@x.test"]),
    ("A Group:b@x.test,Nested <c@x.test>;", ["b@x.test", "c@x.test"]),
])
def test_C41_address_syntax(sandbox, mail, body, want):
    """C-12, C-14, C-26: recipients are taken from the syntax."""
    server = mail(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8"))
    assert deliver(sandbox, server, "To: %s\n" % body) == want


def test_C41_nothing_but_an_empty_group(sandbox, mail):
    server = mail()
    sandbox.run("-t", stdin=HEAD + "To: undisclosed-recipients:;\n\nx\n").failed(64)
    assert server.connections == []


@pytest.mark.parametrize("fields, want", [
    ("To: a@x.test, a@x.test\nCc: a@X.TEST\n", 1),
    ("To: a@x.test, A@x.test\n", 2),
    ("To: a@x.test, \"a\"@x.test\n", 1),
])
def test_C42_duplicates(sandbox, mail, fields, want):
    got = deliver(sandbox, mail(), fields)
    assert len(got) == want and got[0] == "a@x.test"


def test_C42_order_is_kept(sandbox, mail):
    got = deliver(sandbox, mail(), "To: c@x.test, a@x.test, b@x.test, a@x.test\n")
    assert got == ["c@x.test", "a@x.test", "b@x.test"]


def test_C43_the_body_adds_nobody(sandbox, mail):
    server = mail()
    sandbox.run("-t", stdin=HEAD + "To: a@x.test\n\nTo: b@x.test\nCc: c@x.test\n\nBcc: d@x.test\n").ok()
    assert server.message.recipients == ["a@x.test"]


@pytest.mark.parametrize("field, word", [
    ("To: a@x.test, b@@x.test", "b@@x.test"), ("Cc: <a@x.test", "Cc"), ("To: a@x.test> evil", "To"),
    ("To: \"open@x.test", "To"), ("To: a@", "To"), ("To: @x.test", "To"), ("Bcc: a b@x.test", "Bcc"),
    ("To: a@x..test", "To"), ("To: a@x_y.test>", "To"), ("To: a@-x.test", "To"),
    ("To: " + "l" * 300 + "@x.test", "To"), ("To: a@" + "d" * 64 + ".test", "To"),
])
def test_C44_malformed_address_in_a_header(sandbox, mail, field, word):
    server = mail()
    result = sandbox.run("-t", stdin=HEAD + field + "\n\nbody\n").failed(65)
    assert word in result.text
    assert server.connections == []
    sandbox.nothing_stored()


@pytest.mark.parametrize("args, stdin", [([], HEAD + "\nx\n"), (["-t"], HEAD + "\nx\n"),
                                         (["-t"], HEAD + "To: \n\nx\n"), (["-i"], HEAD + "\nx\n"),
                                         (["-t"], HEAD + "To: <>\n\nx\n")])
def test_C45_no_recipients(sandbox, mail, args, stdin):
    """C-01, C-02: nobody to send to is an error of usage, without traffic."""
    server = mail()
    result = sandbox.run(*args, stdin=stdin).failed(64)
    assert "no recipients" in result.text.lower()
    assert server.connections == []
    sandbox.nothing_stored()
    assert not os.path.exists(os.path.join(sandbox.home, "dead.letter"))


def test_C49_apparently_to_is_ignored(sandbox, mail):
    assert deliver(sandbox, mail(), "To: a@x.test\nApparently-To: b@x.test\n") == ["a@x.test"]


# --- arguments ----------------------------------------------------------


@pytest.mark.parametrize("args, want", [
    (["a@x.test,b@x.test"], ["a@x.test", "b@x.test"]),
    (["Name <a@x.test>"], ["a@x.test"]),
    (["\"B, C\" <a@x.test>, b@x.test (hi)"], ["a@x.test", "b@x.test"]),
    (["a@x.test", "b@x.test", "a@x.test"], ["a@x.test", "b@x.test"]),
    (["--", "-x@y.test"], ["-x@y.test"]),
    (["\"a b\"@x.test"], ["\"a b\"@x.test"]),
    (["  a@x.test "], ["a@x.test"]),
])
def test_C14_C07_arguments(sandbox, mail, args, want):
    """C-12, C-13: arguments are addresses in any of their forms."""
    assert deliver(sandbox, mail(), "", *args) == want


def test_C07_a_word_with_a_dash_is_no_recipient(sandbox, mail):
    server = mail()
    sandbox.run("-x@y.test", stdin=HEAD + "\nx\n").failed(64)
    assert server.connections == []


@pytest.mark.parametrize("args, codes", [([""], (64,)), (["<>"], (64,)), (["a@x.test", ""], (65,)),
                                         (["a@x.test", "<>"], (65,)), (["", "a@x.test"], (65,))])
def test_C15_empty_argument(sandbox, mail, args, codes):
    server = mail()
    sandbox.run(*args, stdin=HEAD + "\nx\n").failed(*codes)
    assert server.connections == []
    sandbox.nothing_stored()


@pytest.mark.parametrize("argument", [
    "a@x.test> SIZE=1", "a@x.test>\r\nRCPT TO:<evil@x.test", "a@x.test\nDATA", "a\0b@x.test"[:1] + "\x01@x.test",
    "a b@x.test", "<a@x.test", "a@x.test>", "@", "a@", "@x.test", "\"a@x.test", "x" * 300 + "@x.test",
    "a@" + "x." * 140 + "test", "a@x.test\r", "a@x.test\x7f", "a@x y.test", "a@[1.2.3.4", "a@x.test;b",
])
def test_C09_C10_C11_robustness_bad_argument(sandbox, mail, argument):
    server = mail()
    sandbox.run("good@x.test", argument, stdin=HEAD + "\nx\n").failed(64, 65)
    assert server.connections == []
    sandbox.nothing_stored()


def test_C13_two_thousand_recipients_split_by_the_server(sandbox, mail):
    """V-06: 452 at the 101st is no end of the message; each gets it once."""
    server = mail(rcpt_max=100)
    names = ["user%04d@x.test" % n for n in range(2000)]
    sandbox.run(*names, stdin=HEAD + "\nx\n").ok()
    got = [r for m in server.messages for r in m.recipients]
    assert got == names
    assert len(server.connections) == 1


def test_V06_too_many_when_the_message_came_along(sandbox, mail):
    """No QUIT goes with so many: the rest follows by the same login."""
    server = mail(rcpt_max=100, extensions=("PIPELINING", "CHUNKING"))
    names = ["user%04d@x.test" % n for n in range(150)]
    sandbox.run(*names, stdin=HEAD + "\nx\n").ok()
    assert [r for m in server.messages for r in m.recipients] == names
    assert len(server.connections) == 1
    sandbox.nothing_stored()


def test_V06_limits_are_known_beforehand(sandbox, mail):
    """With LIMITS the split needs no refusal (RFC 9422)."""
    server = mail(rcpt_max=100, extensions=("PIPELINING", "LIMITS RCPTMAX=100"))
    names = ["user%04d@x.test" % n for n in range(250)]
    sandbox.run(*names, stdin=HEAD + "\nx\n").ok()
    assert [len(m.recipients) for m in server.messages] == [100, 100, 50]
    assert not [a for t in server.transactions for a in t.attempts if not a.accepted]


def test_limits_of_domains_and_of_messages(sandbox, mail):
    """RCPTDOMAINMAX and MAILMAX of RFC 9422: so many of one transaction, so many of one connection."""
    server = mail(extensions=("PIPELINING", "LIMITS MAILMAX=2 RCPTDOMAINMAX=1"))
    names = ["a@x.test", "b@y.test", "c@x.test", "d@z.test"]
    sandbox.run(*names, stdin=HEAD + "\nx\n").ok()
    assert [m.recipients for m in server.messages] == [["a@x.test", "c@x.test"], ["b@y.test"], ["d@z.test"]]
    assert [sum(line.startswith("MAIL") for line, _ in c.commands) for c in server.connections] == [2, 1]
    sandbox.nothing_stored()


def test_thousands_in_a_header(sandbox, mail):
    server = mail()
    names = ["user%05d@x.test" % n for n in range(3000)]
    got = deliver(sandbox, server, "To: " + ",\n ".join(names) + "\n")
    assert sorted({r for m in server.messages for r in m.recipients}) == names
    assert got


def test_C25_robustness_pathological_lists_are_linear(sandbox, mail):
    server = mail(allow_long_lines=True)
    for body in (",\n " * 100_000 + "a@x.test", "(" * 5000 + ")" * 5000 + " a@x.test"):
        result = sandbox.run("-t", stdin=HEAD + "To: " + body + "\n\nx\n", timeout=30)
        assert result.rc in (0, 65), result
        assert result.seconds < 10
    assert len(server.messages) <= 2


# --- bare names ---------------------------------------------------------


def test_C46_alias_first(sandbox, mail):
    server = mail(more="[aliases]\nroot = ann@x.test, dora@x.test\n[mail]\ndomain = mail.test\n")
    assert deliver(sandbox, server, "", "root") == ["ann@x.test", "dora@x.test"]


def test_C46_domain_of_mail(sandbox, mail):
    server = mail(more="[mail]\ndomain = mail.test\n")
    got = deliver(sandbox, server, "To: fred\nCc: Ginger <ginger>, x@y.test\n")
    assert got == ["fred@mail.test", "ginger@mail.test", "x@y.test"]
    message = server.message
    assert message.fields("To") == ["fred@mail.test"]
    assert message.fields("Cc") == ["Ginger <ginger@mail.test>, x@y.test"]


def test_C46_own_login_goes_to_the_account(sandbox, mail):
    server = mail()
    assert deliver(sandbox, server, "", login_name()) == [USER]


def test_C46_unknown_bare_name(sandbox, mail):
    server = mail()
    result = sandbox.run("nobody-knows-me", stdin=HEAD + "\nx\n").failed(65)
    assert "nobody-knows-me" in result.text
    assert "domain" in result.text or "aliases" in result.text
    assert server.connections == []


def test_C46_alias_to_another_alias(sandbox, mail):
    server = mail(more="[aliases]\npostmaster = root\nroot = ann@x.test\n")
    assert deliver(sandbox, server, "", "postmaster") == ["ann@x.test"]


def test_C46_alias_loop_ends(sandbox, mail):
    server = mail(more="[aliases]\none = two\ntwo = one\n")
    sandbox.run("one", stdin=HEAD + "\nx\n").failed(65, 78)
    assert server.connections == []


def test_C47_catch_all(sandbox, mail):
    server = mail(more="[aliases]\n* = ann@x.test\n")
    got = deliver(sandbox, server, "To: whoever\nCc: real@y.test\n")
    assert sorted(got) == ["ann@x.test", "real@y.test"]


def test_C47_catch_all_from_the_environment(sandbox, mail):
    server = mail()
    sandbox.run("www-data", "root", stdin=HEAD + "\nx\n",
                env={"PILLARBOX_ALIASES": "root=a@x.test, b@x.test; *=c@x.test"}).ok()
    assert sorted(server.message.recipients) == ["a@x.test", "b@x.test", "c@x.test"]


def test_C46_host_name_counts_as_bare(sandbox, mail):
    import socket

    server = mail(more="[aliases]\nroot = ann@x.test\n")
    assert deliver(sandbox, server, "", "root@" + socket.gethostname()) == ["ann@x.test"]


def test_C46_C54_cron_message(sandbox, mail):
    """The form of Debian's cron: old comment form, login name, no Date."""
    server = mail(more="[aliases]\nroot = ann@x.test\n[mail]\ndomain = mail.test\n")
    text = (
        "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> echo hi\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
        "X-Cron-Env: <SHELL=/bin/sh>\nX-Cron-Env: <HOME=/root>\n\nhi\n"
    )
    sandbox.run("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root", stdin=text).ok()
    message = server.message
    assert message.recipients == ["ann@x.test"]
    assert len(message.fields("From")) == 1
    assert "@" in message.fields("From")[0] and "Cron Daemon" in message.fields("From")[0]
    assert message.fields("X-Cron-Env") == ["<SHELL=/bin/sh>", "<HOME=/root>"]
    assert len(message.fields("Date")) == 1


def test_C48_international_domain(sandbox, mail):
    """M-11: a domain has a form in ASCII."""
    server = mail()
    assert deliver(sandbox, server, "", "bob@b\u00fccher.example") == ["bob@xn--bcher-kva.example"]


def test_C48_international_local_part(sandbox, smarthost):
    """M-11: a local part has none; without SMTPUTF8 it is refused."""
    server = smarthost(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8"))
    sandbox.configure(server)
    sandbox.run("j\u00f6rg@x.test", stdin=HEAD + "\nx\n").ok()
    assert server.message.recipients == ["j\u00f6rg@x.test"]
    assert "SMTPUTF8" in server.message.parameters
    server = smarthost(extensions=("PIPELINING", "8BITMIME"))
    sandbox.configure(server)
    sandbox.run("j\u00f6rg@x.test", stdin=HEAD + "\nx\n").failed(65)
    assert server.messages == []


def test_V03_greylisted_recipients_are_queued(sandbox, mail):
    mail(script={"RCPT": "450 4.2.0 greylisted"})
    deliver_args = ["a@x.test", "b@x.test"]
    sandbox.run(*deliver_args, stdin=HEAD + "\nx\n").ok()
    assert sandbox.entry().pending == deliver_args


def test_V05_the_later_ones_alone_are_queued(sandbox, mail):
    server = mail(script={"RCPT:b@x.test": Each("450 4.2.0 later")})
    sandbox.run("a@x.test", "b@x.test", "c@x.test", stdin=HEAD + "\nx\n").ok()
    assert server.messages[0].recipients == ["a@x.test", "c@x.test"]
    assert sandbox.entry().pending == ["b@x.test"]
    sandbox.run("-qf", stdin=None)
    assert server.messages[1].recipients == ["b@x.test"]
    assert server.messages[1].data == server.messages[0].data
    assert sandbox.entries() == []


@pytest.mark.parametrize("reply", ["251 2.1.5 will forward", "252 2.1.5 cannot verify"])
def test_N29_251_and_252_are_acceptance(sandbox, mail, reply):
    server = mail(script={"RCPT": reply})
    assert deliver(sandbox, server, "", "a@x.test") == ["a@x.test"]
