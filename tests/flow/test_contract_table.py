"""Every statement of the contract is carried by a test: its number stands in the test's name or text.

The callers' contract numbers its statements C01 to C94. Tests named for the tables of robustness
use numbers of their own and do not count here.
"""

import ast
import glob
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
STATEMENTS = 94


TABLE = os.path.join(HERE, "contract.txt")


def numbers_of(path):
    """(number, test) for each number that a test of a file carries."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        words = ast.get_docstring(node) or ""
        if "robustness" not in node.name:
            words += " " + node.name.replace("_", " ")
        for number in re.findall(r"\bC(\d\d)\b", words):
            yield int(number), "%s::%s" % (os.path.basename(path), node.name)


def carried(path):
    """The numbers that the tests of a file carry."""
    return {number for number, _ in numbers_of(path)}


def table():
    """The text of contract.txt: a line for each statement, with its tests."""
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        for number, test in numbers_of(path):
            found.setdefault(number, set()).add(test)
    return "".join("C%02d %s\n" % (number, " ".join(sorted(found[number]))) for number in sorted(found))


def test_every_statement_has_a_test():
    found = set()
    for path in glob.glob(os.path.join(HERE, "test_*.py")):
        found |= carried(path)
    missing = ["C%02d" % n for n in range(1, STATEMENTS + 1) if n not in found]
    assert missing == []
    assert max(found) <= STATEMENTS


def test_the_search_can_fail(tmp_path):
    path = tmp_path / "test_x.py"
    path.write_text('def test_C01_C02_x():\n    """C03: words"""\n\ndef test_C05_robustness_y():\n    pass\n'
                    'def helper_C06():\n    """C07"""\n')
    assert carried(str(path)) == {1, 2, 3}


def test_the_table_is_true():
    """contract.txt is written anew by: python3 tests/flow/test_contract_table.py"""
    with open(TABLE, encoding="utf-8") as file:
        assert file.read() == table()


if __name__ == "__main__":
    with open(TABLE, "w", encoding="utf-8") as file:
        file.write(table())
