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


def carried(path):
    """The numbers that the tests of a file carry."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        words = ast.get_docstring(node) or ""
        if "robustness" not in node.name:
            words += " " + node.name.replace("_", " ")
        found.update(int(n) for n in re.findall(r"\bC(\d\d)\b", words))
    return found


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
