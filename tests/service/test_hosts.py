"""Services on several hosts of one PostgreSQL: each has a state folder of its own, as machines have."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.service import hosted
from tests.service.waiting import T
from tests.service.waiting import until as until_seen
from windlass import JobStatus, Windlass
from windlass.living import live_dispatchers

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE_S = 60.0
LOST_S = 40.0
"""J6: within so long another host runs a dead one's jobs."""


def until(look: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """As there, with patience for machines that are busy."""
    return until_seen(look, patience_s=patience_s)


class Hosts:
    """Machines, as far as a service can tell."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.script = folder / "hosted.py"
        shutil.copy(Path(str(hosted.__file__)), self.script)
        self.app = Windlass(url)
        self.services: dict[str, subprocess.Popen[bytes]] = {}

    def env(self, host: str) -> dict[str, str]:
        """What a shell on that host has set."""
        state = str(self.folder / host)
        return os.environ | {"WINDLASS_DATABASE": self.url, "WINDLASS_HOST": host, "XDG_STATE_HOME": state}

    def start(self, host: str) -> None:
        """Starts the service there; it is ready."""
        command = [sys.executable, "-m", "windlass.cli", "run", str(self.script)]
        with (self.folder / f"{host}.log").open("ab") as log:
            self.services[host] = subprocess.Popen(
                command, env=self.env(host), stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: "ready:" in self.log(host))

    def windlass(self, host: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, typed there."""
        command = [sys.executable, "-m", "windlass.cli", *words]
        return subprocess.run(command, env=self.env(host), capture_output=True, text=True, timeout=60)

    def log(self, host: str) -> str:
        """What its service logged."""
        return (self.folder / f"{host}.log").read_text()

    def dispatcher(self, host: str) -> int:
        """The process id of its dispatcher."""
        return next(row.pid for row in self.app.store.dispatchers() if row.host == host)

    def began(self, host: str) -> bool:
        """The guarded job runs there, or did."""
        return (self.folder / f"began-{host}").exists()

    def close(self) -> None:
        (self.folder / "end").touch()
        for service in self.services.values():
            service.terminate()
        for service in self.services.values():
            service.wait(60)
        self.app.close()


@pytest.fixture
def hosts(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Hosts]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nobody"))
    made = Hosts(tmp_path, postgres_url)
    yield made
    made.close()


def test_a_service_on_a_server_is_started_asked_and_drained(hosts: Hosts) -> None:
    hosts.start("alpha")
    job = hosts.app.enqueue("where", {})
    assert hosts.app.jobs.wait(job.id, 60).result == "alpha"
    status = hosts.windlass("alpha", "status")
    assert "the service is ready" in status.stdout, status
    doctor = hosts.windlass("alpha", "doctor")
    assert doctor.returncode == 0, doctor
    assert "PostgreSQL 1" in doctor.stdout
    listed = hosts.windlass("beta", "hosts", "list").stdout
    assert "alpha" in listed
    backup = hosts.windlass("alpha", "backup", "copy.db")
    assert backup.returncode == 2
    assert "pg_dump" in backup.stderr
    assert hosts.windlass("beta", "hosts", "drain", "alpha").returncode == 0
    assert hosts.services["alpha"].wait(60) == 0
    assert hosts.app.store.dispatchers() == []


def test_a_password_is_shown_nowhere(hosts: Hosts) -> None:
    hosts.url = hosts.url.replace("app@", "app:hunter2secret@")
    hosts.start("alpha")
    job = hosts.app.enqueue("where", {})
    hosts.app.jobs.wait(job.id, 60)
    for words in (["status"], ["status", "--json"], ["doctor"], ["migrate"]):
        told = hosts.windlass("alpha", *words)
        assert "hunter2" not in told.stdout + told.stderr, words
    assert "hunter2" not in hosts.log("alpha")


def test_a_killed_dispatchers_job_runs_again_at_once_on_its_host(hosts: Hosts) -> None:
    hosts.start("alpha")
    job = hosts.app.enqueue("guarded", {})
    until(lambda: hosts.began("alpha"))
    dead = hosts.app.store.dispatchers()[0]
    os.kill(dead.pid, signal.SIGKILL)
    until(lambda: [row.id for row in hosts.app.store.dispatchers()] not in ([dead.id], []))
    until(lambda: dead.id not in [row.id for row in hosts.app.store.dispatchers()])
    (hosts.folder / "end").touch()
    done = hosts.app.jobs.wait(job.id, 60)
    assert (done.status, done.attempts) == (JobStatus.COMPLETED, 1)
    assert [attempt.outcome for attempt in hosts.app.jobs.attempts(job.id)] == ["lost"]


def test_a_frozen_hosts_job_runs_elsewhere_and_it_gives_up_what_it_lost(hosts: Hosts) -> None:
    """J6, and J5: what the frozen one says when it wakes is discarded."""
    hosts.start("alpha")
    job = hosts.app.enqueue("guarded", {})
    until(lambda: hosts.began("alpha"))
    frozen = next(row for row in hosts.app.store.dispatchers() if row.host == "alpha")
    hosts.start("beta")
    os.kill(frozen.pid, signal.SIGSTOP)
    begun = time.monotonic()
    try:
        until(lambda: hosts.began("beta"), patience_s=LOST_S + 60)
        lost_s = time.monotonic() - begun
        assert [row.host for row in live_dispatchers(hosts.app.store)] == ["beta"]
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    until(lambda: "others took over what it ran" in hosts.log("alpha"))
    (hosts.folder / "end").touch()
    assert hosts.app.jobs.wait(job.id, 60).result == "beta"
    again = until(lambda: [row for row in hosts.app.store.dispatchers() if row.host == "alpha"])
    assert again[0].id != frozen.id
    # From the last pulse, which was at most ten seconds before.
    assert lost_s < LOST_S, "J6"
