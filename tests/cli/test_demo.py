"""The demo for real, on a small folder of files that take some time to parse: real processes, real kills."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from windlass import Windlass
from windlass.demo.sources import find_sources
from windlass.demo.victims import still_runs
from windlass.errors import ConfigError

SOUND = 60


@pytest.fixture
def library(home: Path) -> Path:
    folder = home / "library"
    (folder / "deep").mkdir(parents=True)
    body = "".join(
        f"def f{number}(a, b=[{number}]):\n    return a + b[0] * {number}\n" for number in range(1500)
    )
    for number in range(SOUND):
        (folder / "deep" / f"m{number}.py").write_text(f"class C{number}: ...\n{body}")
    (folder / "bad_syntax.py").write_text("print 'hello'\n")
    (folder / "bad_encoding.py").write_bytes(b"# -*- coding: utf-9 -*-\nx = 1\n")
    (folder / "bad_bytes.py").write_bytes(b"x = '\xff'\n")
    (folder / "notes.txt").write_text("no module")
    return folder


def by_path(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in rows}


def test_every_file_has_one_outcome_though_an_isolate_and_the_dispatcher_are_killed(
    shell: Command, library: Path
) -> None:
    answer = shell(
        "demo", "--source", str(library), "--db", "kept.db", "--isolates", "2", "--json", timeout=110
    )
    assert answer.code == 0, answer
    report, verdict = answer.data, answer.data["verdict"]
    assert verdict["complaints"] == []
    assert verdict["jobs"] == {"COMPLETED": SOUND, "FAILED": 3}
    assert verdict["modules"] == verdict["classes"] == SOUND
    assert verdict["functions"] == SOUND * 1500
    assert [kill["role"] for kill in report["kills"]] == ["isolate", "dispatcher"]
    assert all(kill["successor"] not in (0, kill["pid"]) for kill in report["kills"])
    assert report["left_running"] == []
    failures = by_path(verdict["failures"])
    assert (failures["bad_syntax.py"]["reason"], failures["bad_syntax.py"]["attempts"]) == ("permanent", 1)
    for path in ("bad_encoding.py", "bad_bytes.py"):
        assert (failures[path]["reason"], failures[path]["attempts"]) == ("exhausted", 3)
        assert "Undecodable" in failures[path]["error"]
    assert verdict["retries"] == 4
    for act in ("Enqueue", "Start the service", "Work", "kill -9", "Stop the service"):
        assert act in answer.err
    kept = Windlass("kept.db")
    assert sum(kept.jobs.counts().values()) == SOUND + 3
    kept.close()


def test_without_kills_it_tells_people_the_same_story(shell: Command, library: Path) -> None:
    answer = shell("demo", "--source", str(library), "--limit", "10", "--no-kill")
    assert answer.code == 0, answer
    assert "exactly one outcome" in answer.out
    assert "kill -9" not in answer.err


def test_interrupting_the_demo_leaves_no_process_and_no_file(library: Path, home: Path) -> None:
    temporary = home / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "windlass.cli", "demo", "--source", str(library), "--no-kill"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={"TMPDIR": str(temporary)}) as demo:
        assert demo.stderr is not None
        family = next(
            line for line in demo.stderr if "supervisor" in line and "→" in line and "isolates" in line
        )
        demo.send_signal(signal.SIGTERM)
        demo.stderr.read()
        assert demo.wait(60) == 130
    pids = {int(word) for word in re.findall(r"\b\d+\b", family.partition("supervisor")[2])}
    assert len(pids) >= 2
    assert still_runs(pids) == []
    assert list(temporary.iterdir()) == []


def test_the_demo_overwrites_no_database(cli: Command, home: Path) -> None:
    (home / "mine.db").write_text("precious")
    assert cli("demo", "--db", "mine.db").code == 4
    assert (home / "mine.db").read_text() == "precious"


def test_a_folder_without_python_files_is_refused(cli: Command, home: Path) -> None:
    (home / "nothing").mkdir()
    with pytest.raises(ConfigError, match="holds no"):
        find_sources(home / "nothing")


def test_the_standard_library_is_what_it_indexes_by_default() -> None:
    sources = find_sources()
    assert "json/__init__.py" in sources.paths
    assert len(sources.paths) > 100
    assert not any("site-packages" in path for path in sources.paths)
    assert len(sources.paths) == len(set(sources.paths))
