from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Command
from windlass import Windlass
from windlass.demo.victims import still_runs


def test_start_status_restart_stop_are_one_life(shell: Command, app: Windlass) -> None:
    assert shell("status").code == 3
    started = shell("start", "--json")
    assert started.code == 0, started
    try:
        again = shell("start")
        running = shell("status", "--json")
        restarted = shell("restart", "--json")
        after = shell("status", "--json")
    finally:
        stopped = shell("stop")
    assert again.code == 4, again
    assert str(started.data["pid"]) in again.err
    assert (running.code, running.data["service"]["state"]) == (0, "ready")
    assert restarted.code == 0, restarted
    assert after.data["service"]["pid"] == started.data["pid"]
    assert after.data["service"]["dispatcher"] != running.data["service"]["dispatcher"]
    assert stopped.code == 0, stopped
    assert still_runs({started.data["pid"], after.data["service"]["dispatcher"]}) == []
    assert shell("stop").code == 3


def test_status_is_readable_without_colours(shell: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    answer = shell("status")
    assert "no service runs" in answer.out
    assert "1 pending" in answer.out
    assert "\033" not in answer.out


def test_a_program_that_cannot_be_loaded_is_one_sentence(shell: Command, home: Path) -> None:
    (home / "broken.py").write_text("import no_such_module_anywhere\n")
    for command in ("start", "run"):
        answer = shell(command, "broken.py")
        assert answer.code == 1, (command, answer)
        assert "no_such_module_anywhere" in answer.err
        assert "Traceback" not in answer.err


def test_a_program_that_nobody_named_is_a_usage_error(shell: Command, home: Path) -> None:
    answer = shell("start")
    assert answer.code == 2, answer
    assert "which program" in answer.err


def test_run_is_the_service_itself_and_ends_gracefully(shell: Command, app: Windlass) -> None:
    command = [sys.executable, "-m", "windlass.cli", "run"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        job = app.enqueue("greet", {"name": "ada"})
        done = app.jobs.wait(job.id, 20)
        status = shell("status", "--json")
        os.kill(service.pid, signal.SIGINT)
        assert service.stderr is not None
        service.stderr.read()
        code = service.wait(40)
    assert done.result == "hello ada"
    assert status.data["service"]["pid"] == service.pid
    assert code == 0
    assert still_runs({status.data["service"]["dispatcher"]}) == []


def test_bench_measures_everything_it_promises(shell: Command, home: Path) -> None:
    answer = shell("bench", "--quick", "--json", timeout=110)
    assert answer.code == 0, answer
    figures = {figure["name"]: figure["value"] for figure in answer.data["figures"]}
    assert set(figures) >= {
        *("enqueue_durable", "enqueue_fast", "enqueue_threads_8", "enqueue_many_1000"),
        *("process_inprocess", "process_isolate", "wake_durable_p50", "wake_fast_p99"),
    }
    assert all(value > 0 for value in figures.values())
    assert list(home.iterdir()) == []
