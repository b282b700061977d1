#!/usr/bin/env python3
"""Checks that the tree keeps its shape; speaks TAP.

Usage: layers.py SOURCE_DIR COMPILER_WORD...

- a folder of src/ includes only what stands below it (see CONTRIBUTING.md);
- a header is named with its folder, begins with #pragma once, and compiles alone;
- only tests/unit/test.h includes cmocka;
- a function of the program has at most 80 lines, a file at most 500.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ALLOWED = {
    "base": set(),
    "mail": {"base"},
    "net": {"base"},
    "smtp": {"mail", "net", "base"},
    "config": {"mail", "base"},
    "queue": {"mail", "base"},
    "submit": {"smtp", "config", "queue", "mail", "net", "base"},
    "cli": {"submit", "smtp", "config", "queue", "mail", "net", "base"},
    "cmd": {"cli", "submit", "smtp", "config", "queue", "mail", "net", "base"},
}
MAX_FUNCTION, MAX_FILE = 80, 500
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def layer_of(path):
    """The folder of src/ a file belongs to, or cmd, which stands above them all."""
    return path.parts[1] if path.parts[0] == "src" else path.parts[0]


def wrong_includes(root, files):
    for path in files:
        text = (root / path).read_text()
        for mark, name in INCLUDE.findall(text):
            if mark == "<":
                continue
            below = name.split("/")[0]
            if "/" not in name:
                if name != "build_config.h":
                    yield f'{path} includes "{name}" without its folder'
            elif below not in ALLOWED:
                yield f'{path} includes "{name}", which is in no layer'
            elif below != layer_of(path) and below not in ALLOWED[layer_of(path)]:
                yield f'{path} includes "{name}", against the direction of the layers'


def unknown_folders(root):
    for path in sorted((root / "src").iterdir()):
        if path.is_dir() and path.name not in ALLOWED:
            yield f"src/{path.name} is in no layer"


def headers_that_do_not_compile(root, headers, compiler):
    with tempfile.TemporaryDirectory() as folder:
        for path in headers:
            # Twice, so that a header that lacks its guard is found too.
            name = path.relative_to("src")
            source = pathlib.Path(folder, "alone.c")
            source.write_text(f'#include "{name}"\n#include "{name}"\n')
            run = subprocess.run(
                [*compiler, "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                 f"-I{root / 'src'}", str(source)],
                capture_output=True, text=True, check=False)
            if run.returncode != 0:
                yield f"{path} does not compile alone: {(run.stderr.splitlines() or ['?'])[0]}"


def headers_without_guard(root, headers):
    for path in headers:
        if not re.search(r"^#pragma once$", (root / path).read_text(), re.M):
            yield f"{path} has no #pragma once"


def cmocka_elsewhere(root, files):
    for path in files:
        if path.as_posix() != "tests/unit/test.h" and re.search(r"#\s*include\s*[\"<]cmocka", (root / path).read_text()):
            yield f"{path} includes cmocka"


def functions(lines):
    """Yields the first line and the length of each function, whose braces stand in column 0."""
    first = None
    for number, line in enumerate(lines):
        if line.startswith("{") and first is None:
            first = number
            while first > 0 and not re.match(r"\s*$|#|.*(;|\*/|})\s*$", lines[first - 1]):
                first -= 1
        elif line.startswith("}") and first is not None:
            yield first + 1, number - first + 1
            first = None


def long_functions(root, files):
    for path in files:
        for first, length in functions((root / path).read_text().splitlines()):
            if length > MAX_FUNCTION:
                yield f"{path}:{first} is a function of {length} lines"


def long_files(root, files):
    for path in files:
        length = len((root / path).read_text().splitlines())
        if length > MAX_FILE:
            yield f"{path} has {length} lines"


def listing(root, *folders):
    found = [path.relative_to(root) for folder in folders for path in (root / folder).rglob("*.[ch]")]
    return sorted(found)


def main():
    root, compiler = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    program = listing(root, "src", "cmd")
    headers = [path for path in program if path.suffix == ".h" and path.parts[0] == "src"]
    everything = program + listing(root, "tests")
    checks = [
        ("each folder of src is a layer", unknown_folders(root)),
        ("folders include only what is below them", wrong_includes(root, program)),
        ("headers have a guard", headers_without_guard(root, headers)),
        ("headers compile alone", headers_that_do_not_compile(root, headers, compiler)),
        ("only test.h includes cmocka", cmocka_elsewhere(root, everything)),
        (f"functions have at most {MAX_FUNCTION} lines", long_functions(root, program)),
        (f"files have at most {MAX_FILE} lines", long_files(root, program)),
    ]
    is_good = bool(headers)
    print(f"1..{len(checks) + 1}")
    print(f"{'ok' if headers else 'not ok'} 1 - the tree was found")
    for number, (name, found) in enumerate(checks, 2):
        faults = list(found)
        print(f"{'not ok' if faults else 'ok'} {number} - {name}")
        for fault in faults:
            print(f"# {fault}")
        is_good = is_good and not faults
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
