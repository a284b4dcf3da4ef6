"""The command line of the installed service, where no service manager answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.service.waiting import PATIENCE_S, until
from windlass import Windlass

PROGRAM = """
import os
from windlass import Windlass

app = Windlass("app.db")

@app.job
def greet(name: str) -> str:
    return f"hello {name}"
"""


class Person:
    """Someone at a shell, with a home folder of their own and no systemd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "Field Notes"
        self.folder.mkdir()
        (self.folder / "program.py").write_text(PROGRAM)
        self.units = folder / "config/systemd/user"
        own = {name: value for name, value in os.environ.items() if not name.startswith("WINDLASS_")}
        self.env = own | {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_RUNTIME_DIR": str(folder / "nothing"),
            "NO_COLOR": "1",
        }
        self.env.pop("DBUS_SESSION_BUS_ADDRESS", None)

    def __call__(self, *words: str, code: int = 0) -> str:
        """What ``windlass service`` says."""
        done = subprocess.run(
            [sys.executable, "-m", "windlass.cli", "service", *words],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 3,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout or done.stderr


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def test_a_dry_run_tells_all_and_does_nothing(person: Person) -> None:
    told = json.loads(person("install", "program.py", "--dry-run", "--linger", "--env", "A=b=c", "--json"))

    assert told["file"] == str(person.units / "windlass-field-notes.service")
    assert 'Environment="A=b=c"' in told["text"].splitlines()
    assert [command[0] for command in told["commands"]] == ["loginctl", "systemctl", "systemctl", "systemctl"]
    assert not person.units.exists()
    assert not (person.folder / "app.db").exists()
    assert told["text"] in person("install", "program.py", "--dry-run", "--env", "A=b=c")


def test_where_no_manager_answers_the_file_is_there_and_the_reason_is_told(person: Person) -> None:
    said = person("install", "program.py", code=1)

    assert "is written, but `systemctl --user daemon-reload` failed: Failed to connect to bus" in said
    status = json.loads(person("status", "--json"))
    assert (status["name"], status["active"], status["service"]) == ("field-notes", None, None)
    assert "the system does not answer" in person("status")
    assert json.loads(person("uninstall", "--json")) == {"name": "field-notes", "removed": True}
    assert list(person.units.iterdir()) == []


def test_a_service_is_found_by_its_folder_its_database_or_its_name(person: Person) -> None:
    person("install", "program.py", "--name", "notes", code=1)

    for words in ((), ("--db", "app.db"), ("--app", "program.py"), ("--name", "notes")):
        assert json.loads(person("status", "--json", *words))["name"] == "notes"
    person("install", "program.py", "--name", "again", code=1)
    assert "choose by --name again or notes" in person("status", code=2)


@pytest.mark.parametrize("command", ["status", "logs"])
def test_what_is_not_installed_is_not_found(person: Person, command: str) -> None:
    assert "field-notes is not installed: windlass service install" in person(command, code=3)


def test_somebody_elses_unit_is_refused(person: Person) -> None:
    person.units.mkdir(parents=True)
    (person.units / "windlass-field-notes.service").write_text("[Service]\nExecStart=/bin/true\n")

    for words in (("install", "program.py"), ("uninstall",), ("status",)):
        assert "was not written by windlass service install" in person(*words, code=4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--env", "A"), "expected --env NAME=VALUE"),
        (("--user", "ada"), "--user goes with --system"),
        (("--linger", "--system"), "one with --system needs none"),
        (("--name", "a/b"), "expected the name of a service"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_done(
    person: Person, words: tuple[str, ...], said: str
) -> None:
    assert said in person("install", "program.py", *words, code=2)
    assert not person.units.exists()


# ── what a scheduled task starts ─────────────────────────────────────────────────────────────────
@pytest.fixture
def in_one_process(person: Person) -> Generator[subprocess.Popen[bytes]]:
    database = str(person.folder / "app.db")
    process = subprocess.Popen(
        [sys.executable, "-m", "windlass.service.install.here", "program.py", database],
        env=person.env,
        cwd=person.folder,
    )
    yield process
    process.kill()
    process.wait()


def test_a_program_runs_in_one_process_until_it_is_told_to_end(
    person: Person, in_one_process: subprocess.Popen[bytes]
) -> None:
    log = person.folder / "app.db-windlass/service.log"
    until(lambda: log.exists() and "ready: " in log.read_text())
    app = Windlass(person.folder / "app.db")
    done = app.jobs.wait(app.enqueue("greet", {"name": "Ada"}).id, f"{PATIENCE_S}s")
    app.close()
    in_one_process.send_signal(signal.SIGTERM)

    assert done.result == "hello Ada"
    assert in_one_process.wait(PATIENCE_S) == 0
