"""The demo of sync for real: a server's process, two services, a network that is cut."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from windlass.demo.sync import show
from windlass.demo.sync.tables import CHOICE
from windlass.demo.victims import still_runs

# Eight processes, each with its own Python: on a busy machine they take their time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
FEW = ("--limit", "60")


def test_both_replicas_and_the_server_are_equal_in_the_end(shell: Command) -> None:
    answer = shell("demo", "sync", *FEW, "--json", timeout=280)
    assert answer.code == 0, answer
    report, verdict = answer.data, answer.data["verdict"]
    assert verdict["complaints"] == []
    assert report["left_running"] == []
    assert (report["conflicts"], report["rejected"]) == (1, 1)
    assert report["pulled"] == 2 * verdict["rows"]  # one was deleted, and one is new
    assert verdict["tally"]["moods"]["hung up"] >= 1
    # Whether it is asked again, or a pull tells first what became of it: nothing is done twice.
    assert verdict["tally"]["twice"] == []
    for act in ("First pull", "Cut the network", "Reconnect", "What needs a person", "Compare"):
        assert act in answer.err
    for told in ("the network is cut", "offline since", "changes pending"):
        assert told in answer.err
    for shown in ("base", "mine", "theirs", "A note has at most 60 characters"):
        assert shown in answer.err


def test_where_pycountry_is_not_installed_it_takes_what_python_brings(
    shell: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOICE, "stdlib")
    answer = shell("demo", "sync", *FEW, timeout=280)
    assert answer.code == 0, answer
    assert "Unicode's names" in answer.err
    assert "ann, ben and the server are equal in every one of" in answer.out


class Tampered(show.Show):
    """Somebody changes a row of ben's behind everybody's back, when all is over."""

    def _stop(self) -> None:
        super()._stop()
        self._ben.run("UPDATE languages SET name = 'french' WHERE id = 'fra'")


def test_a_replica_that_was_tampered_with_is_a_failure(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "Show", Tampered)
    answer = cli("demo", "sync", *FEW, "--json")
    assert answer.code == 1
    assert answer.data["verdict"]["complaints"] == ["ben differs in 1 rows of languages: fra"]


def test_interrupting_it_leaves_no_process_and_no_file(home: Path) -> None:
    temporary = home / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "windlass.cli", "demo", "sync", *FEW]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={"TMPDIR": str(temporary)}) as demo:
        assert demo.stderr is not None
        pids: set[int] = set()
        for line in demo.stderr:
            if found := re.search(r"(?:service|server) ((?:\d+(?:, )?)+)", line):
                pids |= {int(word) for word in found[1].split(", ") if word}
            if "ben: a database" in line:
                break
        demo.send_signal(signal.SIGTERM)
        demo.stderr.read()
        assert demo.wait(60) == 130
    assert len(pids) >= 5
    assert still_runs(pids) == []
    assert list(temporary.iterdir()) == []


def test_what_is_said_to_the_other_demo_is_refused(cli: Command) -> None:
    assert cli("demo", "sync", "--no-kill").code == 2
    assert cli("demo", "sync", "--db", "mine.db").code == 2


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['httpx2'] = None; "
        "sys.argv = ['windlass', 'demo', 'sync']; from windlass.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == 'windlass: the demo of sync needs httpx2: pip install "windlass[cli,sync]"\n'
