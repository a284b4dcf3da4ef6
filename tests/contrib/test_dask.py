"""Jobs on a real Dask cluster of processes, whose workers and scheduler are killed."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import until
from tests.worker.apps import diary
from tests.worker.rig import ROOT
from windlass import JobStatus, Windlass
from windlass.contrib.dask import DaskExecutor

pytestmark = [pytest.mark.slow, pytest.mark.alone]

COMPLETED, FAILED, PENDING = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.PENDING


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Cluster:
    """A scheduler and workers, each a process of its own, as a cluster has them."""

    def __init__(self, folder: Path) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._folder = folder
        self.scheduler = self._start_scheduler()
        self.workers: list[subprocess.Popen[str]] = []

    def _start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _start_scheduler(self) -> subprocess.Popen[str]:
        port = self.address.rpartition(":")[2]
        words = ["--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        return self._start("distributed.cli.dask_scheduler", *words)

    def restart_scheduler(self) -> None:
        """Kills it as a machine dies, and has another one at its address."""
        kill(self.scheduler)
        self.scheduler = self._start_scheduler()

    def add_worker(self, *, threads: int = 1) -> subprocess.Popen[str]:
        """One more, without a nanny that would bring it back."""
        words = [self.address, "--no-nanny", "--nthreads", str(threads), "--no-dashboard"]
        worker = self._start("distributed.cli.dask_worker", *words, "--host", "127.0.0.1")
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def faulty(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Windlass]:
    """The helper app with every fault, as this process and the cluster's have it."""
    monkeypatch.setenv("WINDLASS_DATABASE", database_url)
    monkeypatch.setenv("RIG_FOLDER", str(tmp_path))
    from windlass.target import load_app

    app: Any = load_app(f"{ROOT}/tests.worker.apps.faults:app")
    app._settings = None
    yield app
    app.close()
    app._settings = None


@pytest.fixture
def cluster(tmp_path: Path, faulty: Windlass) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()


@contextmanager
def running(cluster: Any, app: Windlass, workers: int) -> Generator[DaskExecutor]:
    """The app's jobs run on the cluster, once so many threads are there."""
    with ExitStack() as stack:
        executor = stack.enter_context(reached(cluster))
        until(lambda: executor.size == workers, patience_s=60)
        stack.enter_context(app.running(executor=executor))
        yield executor


def reached(cluster: Cluster) -> DaskExecutor:
    """Waits until its scheduler answers."""

    def reach() -> DaskExecutor | None:
        try:
            return DaskExecutor(cluster.address)
        except OSError:
            return None

    return until(reach, patience_s=60)


def started() -> list[tuple[str, int]]:
    """Which jobs have begun, in which processes, in order."""
    path = diary.diary_path()
    lines = path.read_text().splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    return [(entry["name"], entry["pid"]) for entry in entries if entry["what"] == "start"]


def ended(app: Windlass, *job_ids: int) -> list[Any]:
    return [app.jobs.wait(job_id, 60) for job_id in job_ids]


# ── by reference ───────────────────────────────────────────────────────────────────────────────────
def test_jobs_run_on_the_workers_and_every_outcome_comes_back(cluster: Cluster, faulty: Windlass):
    pids = {cluster.add_worker(threads=2).pid, cluster.add_worker(threads=2).pid}
    with running(cluster, faulty, 4):
        many = ended(faulty, *[faulty.enqueue("innocent", {"name": str(n)}).id for n in range(100)])
        [raised, odd] = ended(
            faulty,
            faulty.enqueue("raising", {"what": "an unpicklable exception"}, max_attempts=1).id,
            faulty.enqueue("raising", {"what": "an unpicklable result"}, max_attempts=1).id,
        )
        invalid = faulty.enqueue("innocent", {})
        [invalid] = ended(faulty, invalid.id)
    assert {job.status for job in many} == {COMPLETED}
    assert {job.result for job in many} == pids
    assert "Unpicklable" in raised.last_error
    assert "the handler's result cannot be kept" in odd.last_error
    assert [job.attempts for job in many] == [1] * 100


@pytest.mark.sqlite
def test_a_local_cluster_or_a_client_says_where_its_scheduler_is(faulty: Windlass):
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as local:
        with DaskExecutor(local) as executor, faulty.running(executor=executor):
            [job] = ended(faulty, faulty.enqueue("innocent", {}).id)
        with Client(local, set_as_default=False) as client, DaskExecutor(client) as executor:
            until(lambda: executor.size == 1)
            assert executor.submit(int, "7").result(30) == 7
    assert (job.status, job.result != os.getpid()) == (COMPLETED, True)


@pytest.mark.sqlite
def test_no_scheduler_at_all_is_told_at_once():
    with pytest.raises(OSError, match=r"Timed out|connect"):
        DaskExecutor(f"tcp://127.0.0.1:{free_port()}")


@pytest.mark.sqlite
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(4096)])
def test_another_server_at_the_address_is_told_and_nothing_stays_open(answer: bytes):
    """A connection left open complained later, when it was collected, in the midst of something else."""

    def respond(server: socket.socket) -> None:
        with server.accept()[0] as connection:
            connection.recv(10)
            connection.sendall(answer)
            connection.recv(1)  # until the other side has had enough

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=respond, args=(server,))
        thread.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(OSError, match=f"{address} cannot be used as a scheduler of Dask"):
            DaskExecutor(address)
        thread.join()
    gc.collect()


@pytest.mark.sqlite
def test_what_was_shut_down_takes_no_work(cluster: Cluster):
    executor = reached(cluster)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)


# ── killed ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_job_whose_worker_is_killed_runs_again_and_is_a_crash(cluster: Cluster, faulty: Windlass):
    """J7: it was alone there, so it is known which one it was; Dask itself would have told nobody."""
    workers = {worker.pid: worker for worker in (cluster.add_worker(), cluster.add_worker())}
    with running(cluster, faulty, 2):
        jobs = [faulty.enqueue("innocent", {"name": str(n), "wait": True}) for n in range(2)]
        until(lambda: len(started()) == 2)
        [hit] = [name for name, pid in started() if pid == min(workers)]
        kill(workers[min(workers)])
        # The other one works, so the job waits for it: until then it is known to be a crash.
        until(lambda: faulty.jobs.get(jobs[int(hit)].id).crashes == 1)
        for name in "01":
            diary.gate(name).touch()
        done = ended(faulty, *[job.id for job in jobs])
    assert {job.status for job in done} == {COMPLETED}
    expected = [(2, 1) if str(n) == hit else (1, 0) for n in range(2)]
    assert [(job.attempts, job.crashes) for job in done] == expected


@pytest.mark.sqlite
def test_jobs_that_shared_a_killed_worker_run_again_unspent(cluster: Cluster, faulty: Windlass):
    """Which one it was nobody can say: next time each has a worker to itself; none has lost an attempt."""
    first = cluster.add_worker(threads=3)
    with running(cluster, faulty, 3):
        jobs = [faulty.enqueue("innocent", {"name": str(n), "wait": True}) for n in range(3)]
        until(lambda: len(started()) == 3)
        kill(first)
        second = cluster.add_worker(threads=3)
        for n in range(3):
            until(lambda n=n: len(started()) > 3 + n, patience_s=60)
            [name] = [name for name, _ in started()[3 + n :]]  # the worker has room for three
            diary.gate(name).touch()
        done = ended(faulty, *[job.id for job in jobs])
    assert [(job.status, job.attempts, job.crashes) for job in done] == [(COMPLETED, 1, 0)] * 3
    assert {job.result for job in done} == {second.pid}


@pytest.mark.sqlite
def test_a_job_that_kills_its_workers_is_found_and_the_others_complete(faulty: Windlass):
    """J7, with nannies that bring each worker back."""
    from distributed import LocalCluster

    guilty = faulty.enqueue("dying", {"how": "kill -9"}, max_attempts=10)
    innocent = [faulty.enqueue("innocent", {}) for _ in range(20)]
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address="127.0.0.1:0") as local,
        DaskExecutor(local) as executor,
        faulty.running(executor=executor),
    ):
        [found] = ended(faulty, guilty.id)
        done = ended(faulty, *[job.id for job in innocent])
    assert (found.status, found.reason, found.crashes) == (FAILED, "crashed", 3)
    assert {(job.status, job.attempts) for job in done} == {(COMPLETED, 1)}


def test_a_scheduler_that_is_killed_takes_no_job_along(cluster: Cluster, faulty: Windlass):
    """What was given goes back unspent and runs on the next scheduler's workers, to one completion each."""
    cluster.add_worker(threads=2)
    with running(cluster, faulty, 2) as executor:
        jobs = [faulty.enqueue("innocent", {"name": str(n), "wait": True}) for n in range(4)]
        until(lambda: len(started()) == 2)
        cluster.restart_scheduler()
        until(lambda: faulty.jobs.counts()[PENDING] == 4)
        assert executor.size == 0
        new = cluster.add_worker(threads=2)
        until(lambda: len([pid for _, pid in started() if pid == new.pid]) == 2, patience_s=60)
        for n in range(4):
            diary.gate(str(n)).touch()
        done = ended(faulty, *[job.id for job in jobs])
    assert [(job.status, job.attempts, job.result) for job in done] == [(COMPLETED, 1, new.pid)] * 4


@pytest.mark.sqlite
def test_a_late_result_of_a_lost_worker_changes_nothing(cluster: Cluster, faulty: Windlass):
    """J5: a worker that is frozen, and not dead, goes on when its job has long been run by another."""
    frozen = cluster.add_worker()
    with running(cluster, faulty, 1):
        job = faulty.enqueue("innocent", {"name": "a", "wait": True})
        until(lambda: len(started()) == 1)
        os.kill(frozen.pid, signal.SIGSTOP)
        cluster.restart_scheduler()
        other = cluster.add_worker()
        until(lambda: len(started()) == 2, patience_s=60)
        diary.gate("a").touch()
        [done] = ended(faulty, job.id)
        os.kill(frozen.pid, signal.SIGCONT)
        until(lambda: frozen.poll() is not None, patience_s=60)
    found = faulty.jobs.get(job.id)
    assert found is not None
    assert (done.result, found.result, found.attempts) == (other.pid, other.pid, 1)


@pytest.mark.sqlite
def test_a_worker_that_is_retired_gives_its_jobs_back(cluster: Cluster, faulty: Windlass):
    """As a cluster that adapts its size does: no crash, and no attempt spent."""
    from distributed import Client

    first = cluster.add_worker()
    with running(cluster, faulty, 1):
        job = faulty.enqueue("innocent", {"name": "a", "wait": True})
        until(lambda: len(started()) == 1)
        second = cluster.add_worker()
        with Client(cluster.address, set_as_default=False) as client:
            until(lambda: len(client.scheduler_info()["workers"]) == 2, patience_s=60)
            [leaving] = client.run(os.getpid).keys() - {
                address for address, pid in client.run(os.getpid).items() if pid != first.pid
            }
            client.retire_workers([leaving])
        until(lambda: len(started()) == 2, patience_s=60)
        diary.gate("a").touch()
        [done] = ended(faulty, job.id)
    assert (done.status, done.attempts, done.crashes, done.result) == (COMPLETED, 1, 0, second.pid)
