"""Hosts whose clocks are minutes wrong, at one server: they agree on what is due, and on how often."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import psycopg
import pytest

from tests.service.waiting import until
from tests.store.conformance.steps import SECOND, accept_any, add, register
from windlass.clock import SystemClock, to_wall_us
from windlass.living import state_of
from windlass.rate import read_rate
from windlass.schedule import Spec, to_text
from windlass.store.postgres.store import PostgresStore
from windlass.store.postgres.timing import machine_of
from windlass.store.protocol import ClaimRequest, Turn
from windlass.store.timetable import ScheduleRow
from windlass.worker.periodic import Periodic

MINUTES_5 = 300 * SECOND
HOUR = 3600 * SECOND
DUE = "run_at, run_at_boot, boot_id"


class Wrong(SystemClock):
    """The clocks of a machine of its own: set wrong, and started at another time."""

    def __init__(self, ahead_us: int, boot: str) -> None:
        self._ahead_us, self._boot = ahead_us, boot

    def wall_us(self) -> int:
        return super().wall_us() + self._ahead_us

    def boot_us(self) -> int:
        return super().boot_us() + 7 * self._ahead_us

    def boot_id(self) -> str:
        return self._boot


Hosts = tuple[PostgresStore, PostgresStore]


@pytest.fixture
def hosts(postgres_url: str) -> Iterator[Hosts]:
    """One is five minutes ahead of the server, one as much behind."""
    ahead, behind = (
        PostgresStore(postgres_url, Wrong(by_us, name))
        for by_us, name in ((MINUTES_5, "a"), (-MINUTES_5, "b"))
    )
    ahead.migrate()
    yield ahead, behind
    ahead.close()
    behind.close()


def server_us(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        ).fetchone()
        assert row is not None
        return int(row[0])


def turn(store: PostgresStore, owner: int) -> Turn:
    caps = dict.fromkeys(store.lanes(), 100)
    return store.settle_and_claim([], ClaimRequest(owner, 100, caps, accept_any))


def test_they_say_what_the_server_says(hosts: Hosts, postgres_url: str) -> None:
    for store in hosts:
        before = server_us(postgres_url)
        told = store.instant()
        after = server_us(postgres_url)
        assert told == (told.wall_us, told.wall_us, None)
        assert before - 100_000 < told.wall_us < after + 100_000


@pytest.mark.parametrize("first", [0, 1])
def test_a_rate_holds_over_both(hosts: Hosts, first: int) -> None:
    """Whoever starts one, the other starts none before its time."""
    one, other = hosts[first], hosts[1 - first]
    one.set_limit("key", "sms", rate=read_rate("1/h"))
    for _ in range(3):
        add(one, "sms")
    assert len(turn(one, register(one)).claimed) == 1
    for store in (other, one):
        told = turn(store, register(store))
        assert told.claimed == []
        assert told.slot_in_us is not None
        assert HOUR - 60 * SECOND < told.slot_in_us <= HOUR + 2 * SECOND
        [limit] = store.limits()
        assert HOUR - 60 * SECOND < limit.slot_in_us <= HOUR + 2 * SECOND


@pytest.mark.parametrize("first", [0, 1])
def test_a_delayed_job_is_neither_early_nor_late(hosts: Hosts, postgres_url: str, first: int) -> None:
    one, other = hosts[first], hosts[1 - first]
    before = server_us(postgres_url)
    add(one, delay_us=HOUR)
    after = server_us(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute(
            "SELECT run_at, run_at_boot, boot_id FROM background_service_jobs"
        ).fetchone()
    assert row is not None
    assert before + HOUR - 100_000 < row[0] < after + HOUR + 100_000
    assert row[1:] == (None, None)
    for store in hosts:
        told = store.promote()
        assert told.promoted == 0
        assert told.next_due_us is not None
        assert HOUR - 60 * SECOND < told.next_due_us <= HOUR + 100_000
    add(one, "soon", delay_us=50_000)
    until(lambda: other.promote().promoted == 1)
    assert server_us(postgres_url) >= after + 50_000


def test_a_schedule_fires_once(hosts: Hosts) -> None:
    ahead, behind = hosts
    spec, now = Spec(every=HOUR), ahead.instant()
    row = ScheduleRow(name="hourly", job_key="k", payload=None, spec=to_text(spec))
    assert ahead.put_schedule(row.waiting_for(spec.rule, now.wall_us, now), replaces=None)
    for source in [Periodic(store) for store in (behind, ahead, behind, ahead)]:
        source.look()
        source.look()
    assert sum(behind.counts().values()) == 1
    kept = behind.schedule("hourly")
    assert kept is not None
    assert (kept.next_at_us, kept.boot_id) == (now.wall_us + HOUR, None)


def test_nobody_is_taken_for_dead(hosts: Hosts) -> None:
    owners = [register(store) for store in hosts]
    for store, owner in zip(hosts, owners, strict=True):
        store.pulse(owner, "host")
    for store in hosts:
        assert {state_of(row, store.clock) for row in store.dispatchers()} == {"alive"}


def test_what_a_file_told_the_host_is_told_the_claim_by_the_servers_clock(hosts: Hosts) -> None:
    for store in hosts:
        changed_us = machine_of(store.clock).wall_us()
        assert abs(store.of_rows(changed_us) - store.instant().wall_us) < SECOND
        assert store.of_machine(store.of_rows(5 * HOUR)) == pytest.approx(5 * HOUR, abs=SECOND)


def test_rows_with_a_boot_go_by_their_wall_time(hosts: Hosts, postgres_url: str) -> None:
    """Those that a file brought, or foreign hands."""
    store = hosts[0]
    add(store, delay_us=HOUR)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE background_service_jobs SET boot_id = 'a', run_at_boot = 1, run_at = 1")
    until(lambda: store.promote().promoted == 1)


def test_what_is_written_by_anybody_has_the_same_clock(hosts: Hosts, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("INSERT INTO background_service_jobs (job_key) VALUES ('plain')")
    ids = [add(store) for store in hosts]
    with psycopg.connect(postgres_url) as connection:
        connection.execute("INSERT INTO background_service_jobs (job_key) VALUES ('plain')")
    made = [job.created_at for job in map(hosts[0].get, (1, *ids, 4)) if job is not None]
    assert len(made) == 4
    moments = [to_wall_us(moment) for moment in made]
    assert all(later - one > -100_000 for one, later in pairwise(moments))
    assert moments[-1] - moments[0] < 60 * SECOND
