from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from tests.cli.conftest import Command
from windlass.cli.commands import BY_NAME
from windlass.cli.exits import MEANING
from windlass.cli.lazy import cli as root

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_help_names_every_command_and_every_exit_code(shell: Command) -> None:
    answer = shell("--help")
    assert answer.code == 0
    for command in BY_NAME.values():
        assert f"  {command.name} " in answer.out
        assert command.summary in answer.out
    for code, meaning in MEANING.items():
        assert f"{code.value:>3}  {meaning}" in answer.out


def test_help_without_a_terminal_has_no_colours(shell: Command) -> None:
    assert "\033" not in shell("--help").out


def test_help_costs_neither_typer_nor_rich_nor_the_database() -> None:
    code = (
        "import atexit, sys; atexit.register(lambda: print('\\n@', *sys.modules)); "
        "sys.argv = ['windlass', '--help']; from windlass.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("@")[2].split())
    assert "windlass.cli.main" in loaded
    assert {"typer", "rich", "pydantic", "sqlite3", "msgspec", "asyncio", "pathlib"}.isdisjoint(loaded)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_command_explains_itself(cli: Command, name: str) -> None:
    answer = cli(name, "--help")
    assert answer.code == 0, answer
    assert f"Usage: windlass {name}" in answer.out or f"Usage: root {name}" in answer.out


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_command_is_documented(name: str) -> None:
    assert f"windlass {name}" in DOCS


def test_each_subcommand_and_each_option_is_documented() -> None:
    loaded = get_command(root).commands  # type: ignore[attr-defined]
    for name in BY_NAME:
        command = loaded[name]
        for sub_name, sub in getattr(command, "commands", {name: command}).items():
            assert sub_name in DOCS
            for parameter in sub.params:
                flag = next((option for option in parameter.opts if option.startswith("--")), None)
                assert flag is None or flag == "--help" or flag in DOCS, f"{name} {sub_name} {flag}"


def test_each_exit_code_is_documented() -> None:
    for code, meaning in MEANING.items():
        assert f"| {code.value} | {meaning} |" in DOCS


def test_a_misspelt_command_is_answered_with_the_right_one(cli: Command) -> None:
    answer = cli("enqueu")
    assert answer.code == 2
    assert "Did you mean 'enqueue'" in answer.err


def test_version_names_what_matters_for_a_bug_report(cli: Command) -> None:
    answer = cli("--version")
    assert answer.code == 0
    assert answer.out.startswith("windlass ")
    assert "Python" in answer.out
    assert "SQLite" in answer.out
