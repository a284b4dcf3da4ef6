"""What befalls a server while programs run jobs on it, and what they make of it.

Beside these: a connection that ends in mid-commit, a killed session, a pooler's sessions
(``tests/store/postgres/test_faults.py``); hosts that vanish, links that are cut (``tests/storm/postgres``).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from tests.postgres.bouncer import Bouncer
from tests.postgres.server import SUPERUSER, Server
from tests.postgres.standby import both, following, is_streaming
from tests.service.waiting import until
from windlass import JobStatus, Windlass
from windlass.errors import OutcomeUnknown, StoreUnavailable
from windlass.store.postgres.inspecting import old_transactions

PATIENCE_S = 90.0
FREE = 11
"""Connections that ordinary users may have where few are allowed."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Program:
    """An app that runs jobs in this process, and how often it ran each."""

    def __init__(self, url: str) -> None:
        self.app = Windlass(url, poll="200ms")
        self.runs: Counter[int] = Counter()
        self._lock = threading.Lock()
        self.app.job("work")(self._work)

    def _work(self, n: int) -> int:
        with self._lock:
            self.runs[n] += 1
        return n

    def enqueue(self, n: int) -> int:
        """One job, as soon as the database can be reached. Its name makes trying again harmless."""

        def tried() -> int | None:
            with suppress(StoreUnavailable, OutcomeUnknown):
                return self.app.enqueue("work", {"n": n}, idempotency_key=f"{n}").id
            return None

        return until(tried, patience_s=PATIENCE_S)

    def completed(self, *numbers: int) -> None:
        """Enqueues one job for each, and waits until all are done."""
        for number in numbers:
            self.enqueue(number)
        until(lambda: set(numbers) <= set(self.done()), patience_s=PATIENCE_S)

    def done(self) -> list[Any]:
        """What the jobs gave that are done; nothing while the database cannot be asked."""
        with suppress(StoreUnavailable):
            return [job.result for job in self.app.jobs.list(status="COMPLETED", limit=10_000)]
        return []

    def unexplained(self) -> list[int]:
        """Those that ran more often than once and once for each attempt that was lost or released."""
        jobs = self.app.jobs.list(limit=10_000)
        again = {job.payload["n"]: len(self.app.jobs.attempts(job.id)) for job in jobs}
        return [n for n, runs in self.runs.items() if runs > 1 + again[n]]


@contextmanager
def running(url: str, *, programs: int = 1) -> Iterator[Program]:
    """A program, with so many dispatchers in all."""
    program = Program(url)
    with closing(program.app), ExitStack() as stack:
        for _ in range(programs):
            stack.enter_context(program.app.running(threads=2))
        yield program


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_jobs_go_on_after_the_server_was_away(postgres_url: str, postgres_server: Server, mode: str) -> None:
    """``pg_ctl stop -m immediate`` is a crash: the server recovers, and nobody has to be restarted."""
    with running(postgres_url) as program:
        program.completed(*range(5))
        # A settlement waits for no disk, so a crash may forget the last ones; these it may not.
        postgres_server.execute("CHECKPOINT")
        postgres_server.restart(mode)
        program.completed(*range(5, 10))
        assert program.unexplained() == []


def test_jobs_go_on_where_every_session_is_ended_again_and_again(
    postgres_url: str, postgres_server: Server, postgres_database: str
) -> None:
    """``pg_terminate_backend``, in whatever they do. J1, J2."""
    with running(postgres_url, programs=2) as program:
        for round_ in range(5):
            numbers = range(10 * round_, 10 * (round_ + 1))
            for n in numbers:
                program.enqueue(n)
                if n % 3 == 0:
                    postgres_server.terminate(postgres_database)
        until(lambda: len(program.done()) == 50, patience_s=PATIENCE_S)
        assert sorted(program.done()) == list(range(50))
        assert program.unexplained() == []


def test_jobs_go_on_at_the_standby_that_was_promoted() -> None:
    """What was acknowledged is there: a commit had waited for the standby."""
    with Server.made() as primary, following(primary, synchronous=True) as standby:
        primary.execute("CREATE DATABASE work OWNER app")
        with running(both(primary, standby, "work")) as program:
            program.completed(*range(5))
            until(lambda: is_streaming(primary), patience_s=PATIENCE_S)
            # A settlement waits for no disk; what is committed after it takes it along to the standby.
            primary.execute("CREATE TABLE taken_along ()")
            primary.stop("immediate")
            standby.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            standby.promote()
            program.completed(*range(5, 10))
            assert sorted(program.done()) == list(range(10))
            assert program.unexplained() == []


def test_the_history_is_clean_behind_pgbouncer_in_transaction_mode(
    bouncer: Bouncer, bouncer_url: str
) -> None:
    """Also where the pooler is restarted under them."""
    with running(bouncer_url, programs=2) as program:
        program.completed(*range(50))
        bouncer.restart()
        program.completed(*range(50, 100))
        assert sorted(program.done()) == list(range(100))
        assert program.unexplained() == []


def test_a_transaction_that_stays_open_is_told_of_and_stops_nobody(
    postgres_url: str, postgres_server: Server, postgres_database: str
) -> None:
    """Idle in transaction: its snapshot keeps dead rows; the doctor and the storage page name it."""
    sleeper = postgres_server.url(postgres_database, application_name="sleeper")
    with running(postgres_url) as program, closing(psycopg.connect(sleeper)) as other:
        program.completed(0)
        other.execute("SELECT count(*) FROM background_service_jobs").fetchone()
        program.completed(*range(1, 20))
        told = [one for one in old_transactions(program.app.store, 0.0) if one.application == "sleeper"]  # type: ignore[arg-type]
        assert [(one.pid, one.state) for one in told] == [(other.info.backend_pid, "idle in transaction")]


def test_where_no_connection_is_left_work_waits_for_one() -> None:
    """``max_connections`` exhausted: an enqueue says that nothing was written; dispatchers try again."""
    settings = {"max_connections": f"{FREE + 3}", "superuser_reserved_connections": "3"}
    with Server.made(settings=settings) as server, server.database() as name:
        url = server.url(name)
        with running(url) as program:
            program.completed(0)
            with ExitStack() as others:
                taken: list[Any] = []
                until(lambda: fill(server, name, others, taken), patience_s=PATIENCE_S)
                with pytest.raises(StoreUnavailable, match="nothing was written"):
                    program.app.enqueue("work", {"n": 1})
                with psycopg.connect(server.url(name, user=SUPERUSER), autocommit=True) as reserved:
                    reserved.execute("INSERT INTO background_service_jobs (job_key, payload) "
                                     "VALUES ('work', '{\"n\": 2}')")  # fmt: skip
                assert program.runs[2] == 0
            program.completed(3)
            until(lambda: 2 in program.done(), patience_s=PATIENCE_S)
            assert sorted(program.done()) == [0, 2, 3]


def fill(server: Server, database: str, others: ExitStack, taken: list[Any]) -> bool:
    """Takes every connection that is free, and sends away who has one; True once all are taken."""
    with suppress(psycopg.OperationalError):
        while len(taken) < FREE:
            taken.append(psycopg.connect(server.url(database, application_name="other")))
            others.callback(taken[-1].close)
    server.terminate(database, where="application_name <> 'other'")
    return len(taken) == FREE


def test_a_notice_that_was_lost_is_made_up_for_by_a_look(
    postgres_url: str, postgres_server: Server, postgres_database: str
) -> None:
    """Polling is the truth, NOTIFY a hint."""
    with running(postgres_url) as program:
        program.completed(0)
        # Without triggers nobody is told.
        postgres_server.execute(
            "SET session_replication_role = replica; "
            "INSERT INTO background_service_jobs (job_key, payload) VALUES ('work', '{\"n\": 1}')",
            database=postgres_database,
        )
        until(lambda: 1 in program.done(), patience_s=PATIENCE_S)


def test_sixty_four_writers_at_once_are_told_of_no_lock(postgres_url: str) -> None:
    """huey #445, Solid Queue #133 (database is locked)."""
    with closing(Windlass(postgres_url)) as app:
        app.store.counts()
        raised: list[Exception] = []

        def write(writer: int) -> None:
            try:
                with psycopg.connect(postgres_url, autocommit=True) as own:
                    for n in range(5):
                        app.enqueue("work", {"n": n})
                        app.enqueue("work", unique=f"{n}", existing="keep")
                        own.execute("INSERT INTO background_service_jobs (job_key) VALUES ('foreign')")
            except Exception as error:  # noqa: BLE001 - told to the test
                raised.append(error)

        writers = [threading.Thread(target=write, args=(n,)) for n in range(64)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(PATIENCE_S)
        assert raised == []
        assert app.jobs.counts()[JobStatus.PENDING] == 64 * 5 * 2 + 5
