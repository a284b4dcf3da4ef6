"""Services on several hosts of one PostgreSQL: each has a state folder of its own, as machines have."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.postgres.server import Server
from tests.service import hosted
from tests.service.waiting import T
from tests.service.waiting import until as until_seen
from tests.storm.processes import children, is_alive
from windlass import JobStatus, Windlass
from windlass.errors import StoreUnavailable
from windlass.living import live_dispatchers

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE_S = 120.0
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

    def env(self, host: str, **extra: str) -> dict[str, str]:
        """What a shell on that host has set."""
        state = str(self.folder / host)
        known = {"WINDLASS_DATABASE": self.url, "WINDLASS_HOST": host, "XDG_STATE_HOME": state}
        return os.environ | known | extra

    def start(self, host: str, **extra: str) -> None:
        """Starts the service there; it is ready."""
        command = [sys.executable, "-m", "windlass.cli", "run", str(self.script)]
        with (self.folder / f"{host}.log").open("ab") as log:
            self.services[host] = subprocess.Popen(
                command, env=self.env(host, **extra), stdout=log, stderr=log, start_new_session=True
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

    def enqueued(self, key: str) -> int | None:
        """A job; None while the database is away."""
        with suppress(StoreUnavailable):
            return self.app.enqueue(key, {}).id
        return None

    def close(self) -> None:
        (self.folder / "end").touch()
        for service in self.services.values():
            service.terminate()
        for service in self.services.values():
            service.wait(60)
        self.app.close()


class Stillness:
    """True once a process has used no processor time in so many looks: it waits, or it has ended."""

    def __init__(self, pid: int, looks: int = 50) -> None:
        self.stat = Path(f"/proc/{pid}/stat")
        self.seen: deque[list[str]] = deque(maxlen=looks)

    def __call__(self) -> bool:
        with suppress(OSError):  # it has ended
            self.seen.append(self.stat.read_text().rpartition(")")[2].split()[11:13])
            return len(self.seen) == self.seen.maxlen and len({*map(tuple, self.seen)}) == 1
        return True


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
    # Nor of a URL in which it is not written as it must be.
    for password in ("hunter2%zz", "x@y/hunter2#z"):
        hosts.url = f"postgresql://app:{password}@127.0.0.1/app"
        for words in (["jobs", "list"], ["doctor"], ["run", str(hosts.script)]):
            told = hosts.windlass("alpha", *words)
            assert told.returncode == 2, (words, told)
            assert "hunter2" not in told.stdout + told.stderr, words
            assert "~/.pgpass" in told.stderr, words


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


def test_an_isolate_that_starts_while_the_database_is_away_waits_for_it(
    hosts: Hosts, postgres_server: Server
) -> None:
    hosts.start("alpha")
    dispatcher = hosts.dispatcher("alpha")
    [isolate] = children(dispatcher)
    postgres_server.stop()
    os.kill(isolate, signal.SIGKILL)
    another = until(lambda: next((pid for pid in children(dispatcher) if pid != isolate), None))
    until(Stillness(another))
    assert is_alive(another)
    postgres_server.start()
    job = until(lambda: hosts.enqueued("where"))
    assert hosts.app.jobs.wait(job, 60).result == "alpha"
    assert hosts.dispatcher("alpha") == dispatcher


def test_a_service_that_ran_goes_on_trying_while_the_database_is_away(
    hosts: Hosts, postgres_server: Server
) -> None:
    """More often than it would where something is wrong with its program."""
    hosts.start("alpha")
    dispatcher = hosts.dispatcher("alpha")
    postgres_server.stop()
    os.kill(dispatcher, signal.SIGKILL)
    until(lambda: hosts.log("alpha").count("starting another") > 5)
    postgres_server.start()
    job = until(lambda: hosts.enqueued("where"))
    assert hosts.app.jobs.wait(job, 60).result == "alpha"
    assert hosts.services["alpha"].poll() is None


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


def test_in_a_rolling_deploy_a_fallback_leaves_a_job_to_the_host_that_has_its_handler(hosts: Hosts) -> None:
    """J8: the old version has a fallback, the new one a handler; it takes the rest where nobody else can."""
    hosts.start("old", HOSTED_FALLBACK="1")
    before = hosts.app.enqueue("newer", {})
    assert hosts.app.jobs.wait(before.id, 60).result == "the fallback on old"
    hosts.start("new", HOSTED_NEWER="1")
    during = [hosts.app.enqueue("newer", {}) for _ in range(20)]
    strange = hosts.app.enqueue("unheard-of", {})
    assert {hosts.app.jobs.wait(job.id, 60).result for job in during} == {"its handler on new"}
    assert hosts.app.jobs.wait(strange.id, 60).result == "the fallback on old"
    # A paused host has its handler still, and a job for it waits.
    hosts.app.hosts.pause("new")
    waiting = hosts.app.enqueue("newer", {})
    until(lambda: hosts.app.jobs.why(waiting.id).code == "paused")
    hosts.app.hosts.resume("new")
    assert hosts.app.jobs.wait(waiting.id, 60).result == "its handler on new"
    assert hosts.windlass("beta", "hosts", "drain", "new").returncode == 0
    assert hosts.services["new"].wait(60) == 0
    after = hosts.app.enqueue("newer", {})
    assert hosts.app.jobs.wait(after.id, 60).result == "the fallback on old"
