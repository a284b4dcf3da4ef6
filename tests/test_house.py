"""The house keeps its own rules, and the rules notice when it does not."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import windlass
from tests import house
from windlass.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_house_keeps_its_rules():
    assert list(house.faults_of_house(ROOT)) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("src/windlass/utils.py", "", "a drawer for anything"),
        ("src/windlass/long.py", "x = 1\n" * 401, "401 lines"),
        ("src/windlass/deep.py", "def f():\n" + "    x = 1\n" * 70, "f has 71 lines"),
        ("src/windlass/quiet.py", "with suppress(OSError):\n    f()\n", "suppress() without a comment"),
        ("tests/test_lazy.py", "@pytest.mark.skip\ndef test(): ...\n", "pytest.mark.skip"),
        ("tests/test_lazy.py", "pytest.importorskip('x')\n", "pytest.importorskip"),
        ("tests/test_sleepy.py", "time.sleep(1)\n", "time.sleep"),
        ("requirements/dev.txt", "--index-url https://example.org\n", "address or option"),
        ("uv.lock", "", "records addresses"),
    ],
)
def test_a_broken_rule_is_named_with_its_file(tmp_path: Path, name: str, text: str, fault: str):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

    (found,) = house.faults_of_house(tmp_path)

    assert found.startswith(f"{name}:")
    assert fault in found


@pytest.mark.parametrize("lock", ["tools", "dev", "run", "bench", "bench-newer", "bench-optional", "servers"])
def test_every_package_of_a_lock_is_pinned_with_hashes(lock: str):
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    packages = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE | re.IGNORECASE)[1:]

    assert packages
    assert [package for package in packages if "==" not in package or "--hash=sha256:" not in package] == []


@pytest.mark.parametrize(
    "group", ["tools", "dev", "run", "bench", "bench-newer", "bench-optional", "servers"]
)
def test_every_requirement_is_in_its_lock(group: str):
    wanted = [entry for entry in PROJECT["dependency-groups"][group] if isinstance(entry, str)]
    if group in ("dev", "run", "bench"):
        wanted += PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["cli"]
    lock = (ROOT / "requirements" / f"{group}.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w-]+)(?:\[.*?\])?==", lock, flags=re.MULTILINE))

    names = {re.split(r"[\[<>=~!;]", entry)[0] for entry in wanted}

    assert names - locked == set(), "pyproject.toml changed: run `python3 dev.py lock`"


def test_the_public_names_are_a_sorted_list_and_all_there():
    assert list(windlass.__all__) == sorted(windlass.__all__)
    assert [name for name in windlass.__all__ if not hasattr(windlass, name)] == []


def test_every_public_name_is_explained_in_the_docs():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    words = set(re.findall(r"\w+", "\n".join(page.read_text(encoding="utf-8") for page in pages)))

    assert [name for name in windlass.__all__ if name not in words] == []


def test_every_public_class_and_function_has_a_docstring_of_its_own():
    callables = [getattr(windlass, name) for name in windlass.__all__]

    # A class without one of its own would show its parent's.
    def own(thing: object) -> object:
        return vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__

    bare = [thing.__name__ for thing in callables if callable(thing) and not own(thing)]

    assert bare == []


def test_the_changelog_tells_of_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)

    assert PROJECT["project"]["version"] in versions


def test_the_package_knows_the_version_it_is_released_as():
    assert PROJECT["project"]["version"] == VERSION


def test_an_unknown_verb_names_the_known_ones():
    answer = subprocess.run([sys.executable, ROOT / "dev.py", "dance"], capture_output=True, text=True)

    assert answer.returncode == 2
    for verb in ("setup", "demo", "test", "lint", "bench", "storm"):
        assert verb in answer.stderr
