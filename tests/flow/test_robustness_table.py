"""Every case of the robustness tables is carried by a test: its id stands in the test's name or text.

Flow tests carry an id in their name (test_T07_other_name) or docstring (T-07 or T07); unit tests in
their name (t07_other_name) or in the comment right above them. The callers' contract numbers its
statements C01 to C94: the cases C-01 to C-40 count only in that form, with the dash, or in a name that
says "robustness". A case that the program leaves alone on purpose is carried by the manual that says so.
"""

import ast
import glob
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TABLE = os.path.join(HERE, "robustness.txt")

# The numbers of each part of the tables; some were given up.
CASES = {
    "C": "1-40",
    "M": "1-19",
    "F": "1-34",
    "N": "1-11 13 16-17 19 22-32",
    "S": "1 4-5 7-14 16 18 20",
    "T": "1-4 6-8 10 12-16 18 21-28 31-32 34 36-37",
    "A": "1-2 4 6-8 10 12-14 16-17 20 23",
    "V": "3-10 12-13 16-18",
    "D": "1-5 7-9",
    "P": "1-5 7-8",
    "R": "1-3 7 10-16",
    "Q": "1-27",
    "K": "1-12",
    "H": "1-13",
}

# What is not the program's to do: where that is written, and the words that say it.
DOCUMENTED = {
    "H-11": ("sendmail.1", "other processes of the same user that would trace the program, are kept off"),
    "T-37": ("pillarbox.conf.5", "TLSA records (DANE) are not asked for."),
    "M-16": ("sendmail.1", "Whoever may choose recipients or header fields of a caller may send mail to anyone"),
}

def numbers_in(ranges):
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)

ALL = ["%s-%02d" % (part, number) for part, ranges in CASES.items() for number in numbers_in(ranges)]

def cases_of(name, words):
    """The ids that a test carries by its name and the words about it."""
    found = {"%s-%s" % pair for pair in re.findall(r"\b([A-Z])-(\d\d)\b", words)}
    plain = re.findall(r"(?:^|_)([A-Za-z])(\d\d)(?=_|$)", name) + re.findall(r"\b([A-Z])(\d\d)\b", words)
    for part, number in plain:
        if part.upper() != "C" or "robustness" in name:
            found.add("%s-%s" % (part.upper(), number))
    return found & set(ALL)


def flow_tests(path):
    """(test, ids) for each test of a Python file that carries some."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, cases_of(node.name, ast.get_docstring(node) or "")


def unit_tests(path):
    """The same for a C file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    comment = r"(?:/\*((?:[^*]|\*(?!/))*)\*/\s*)?"
    for words, name in re.findall(comment + r"^static void (\w+)\(void \*\*state\b", text, re.M):
        yield name, cases_of(name, words)


def carried(directory=os.path.dirname(HERE)):
    """id → the tests that carry it, as file::test."""
    found = {}
    for pattern, tests_of in (("flow/test_*.py", flow_tests), ("unit/test_*.c", unit_tests)):
        for path in glob.glob(os.path.join(directory, pattern)):
            for name, ids in tests_of(path):
                for case in ids:
                    found.setdefault(case, set()).add("%s::%s" % (os.path.basename(path), name))
    return found


def table():
    """The text of robustness.txt: a line for each case, with its tests or the manual that speaks of it."""
    found = carried()
    for case, (manual, _) in DOCUMENTED.items():
        found.setdefault(case, set()).add(manual)
    return "".join("%s %s\n" % (case, " ".join(sorted(found[case]))) for case in ALL if case in found)


def test_every_case_has_a_test():
    assert sorted(set(ALL) - set(carried()) - set(DOCUMENTED)) == []


def test_the_manual_says_so():
    for case, (manual, words) in DOCUMENTED.items():
        with open(os.path.join(SOURCE, "man", manual), encoding="utf-8") as file:
            assert words in " ".join(file.read().split()), case


def test_the_search_can_fail(tmp_path):
    for name in ("flow", "unit"):
        (tmp_path / name).mkdir()
    (tmp_path / "flow" / "test_x.py").write_text(
        'def test_T07_V99_x():\n    """C-03: words of N-01; and C04"""\n\ndef test_C05_robustness_y():\n    pass\n'
        'def test_C06_y():\n    pass\n\ndef helper_T01():\n    """T-02"""\n')
    (tmp_path / "unit" / "test_x.c").write_text(
        "/* T-10: another\n * name. */\nstatic void names_are_compared(void **state UNUSED)\n{\n}\n\n"
        "/* T-12 */\nstatic int helper(void);\n\nstatic void t14_nul_in_a_name(void **state)\n{\n\t/* T-16 */\n}\n")
    assert carried(str(tmp_path)) == {
        "T-07": {"test_x.py::test_T07_V99_x"}, "C-03": {"test_x.py::test_T07_V99_x"},
        "N-01": {"test_x.py::test_T07_V99_x"}, "C-05": {"test_x.py::test_C05_robustness_y"},
        "T-10": {"test_x.c::names_are_compared"}, "T-14": {"test_x.c::t14_nul_in_a_name"}}


def test_the_table_is_true():
    """robustness.txt is written anew by: python3 tests/flow/test_robustness_table.py"""
    with open(TABLE, encoding="utf-8") as file:
        assert file.read() == table()


if __name__ == "__main__":
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write(table())
