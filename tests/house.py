"""The rules of the house that no linter knows: ``python3 -m tests.house`` prints what breaks them.

every file     at most 400 lines, no function over 70, none called utils.py
src/           suppress() says why, beside it or in the line above
tests/         nothing is skipped or expected to fail, and no test sleeps: it waits for the event
requirements/  locks name no address, and there is no uv.lock, which would
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 70
FOLDERS = ("src", "tests", "benchmarks", "docs", "examples")
UNRUN = frozenset({"skip", "skipif", "xfail", "importorskip"})


def main() -> int:
    faults = list(faults_of_house(ROOT))
    for fault in faults:
        print(fault)
    return min(len(faults), 1)


def faults_of_house(root: Path) -> Iterator[str]:
    """Every fault, as ``file:line: what is wrong, and the way out``."""
    files = [*root.glob("*.py"), *(path for folder in FOLDERS for path in root.glob(f"{folder}/**/*.py"))]
    for path in sorted(files):
        name, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        yield from faults_of_shape(name, text)
        if name.startswith("src/"):
            yield from unexplained_suppressions(name, text)
        if name.startswith("tests/"):
            yield from faults_of_test(name, text)
    yield from faults_of_locks(root)


def faults_of_shape(name: str, text: str) -> Iterator[str]:
    if name.endswith("/utils.py"):
        yield f"{name}:1: a drawer for anything: name the file after what is in it"
    if (count := len(text.splitlines())) > MAX_FILE_LINES:
        yield f"{name}:1: {count} lines, more than {MAX_FILE_LINES}: split the file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > MAX_FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {count} lines, more than {MAX_FUNCTION_LINES}"


def unexplained_suppressions(name: str, text: str) -> Iterator[str]:
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        above = lines[number - 2].strip() if number > 1 else ""
        if "suppress(" in line and "#" not in line and not above.startswith("#"):
            yield f"{name}:{number}: suppress() without a comment that says why this error is no news"


def faults_of_test(name: str, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Attribute):
            continue
        dotted = ast.unparse(node)
        if node.attr in UNRUN and dotted.startswith("pytest."):
            yield f"{name}:{node.lineno}: {dotted}: a test that cannot run fails; install what it lacks"
        if dotted == "time.sleep" and Path(name).name.startswith("test_"):
            yield f"{name}:{node.lineno}: time.sleep in a test: wait for the event, up to a deadline"


def faults_of_locks(root: Path) -> Iterator[str]:
    if (root / "uv.lock").exists():
        yield "uv.lock:1: it records addresses: the locks are in requirements/, made by `python3 dev.py lock`"
    for path in sorted(root.glob("requirements/*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            option = line.lstrip().startswith("--") and "--hash=" not in line
            if option or "://" in line:
                yield f"requirements/{path.name}:{number}: an address or option in a lock: {line.strip()}"


if __name__ == "__main__":
    sys.exit(main())
