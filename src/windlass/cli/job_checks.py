"""What ``windlass doctor`` asks of the jobs, the queues and the services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from windlass.blocking import blocked_lanes
from windlass.cli.findings import Finding, jobs, note, ok, problem, warning
from windlass.clock import SystemClock
from windlass.job import JobStatus
from windlass.jobs import pin_of
from windlass.living import STALE_US, live_dispatchers, lock_state
from windlass.platform import is_locked
from windlass.redact import printable
from windlass.schedule import from_text
from windlass.store.protocol import JobFilter
from windlass.store.relational.noting import moved_to
from windlass.store.sqlite.inspecting import count_odd

if TYPE_CHECKING:
    from windlass.store.hosts import DispatcherRow
    from windlass.store.postgres.store import PostgresStore
    from windlass.store.sqlite.store import SqliteStore

    AnyStore = SqliteStore | PostgresStore

_SHOWN = 3
_HELD_READ = 10_000
_LEASES_READ = 10_000


def moved(store: AnyStore) -> Iterator[Finding]:
    """Are the jobs somewhere else by now?"""
    if (to := moved_to(store.side().engine)) is not None:
        yield warning(
            "moved",
            f"this database was moved to {printable(to)}: it refuses every change, and nothing in it runs",
            "name the new database in windlass.toml, or where your program makes its Windlass",
        )


def services(store: AnyStore) -> Iterator[Finding]:
    """Does anyone work here?"""
    live = live_dispatchers(store)
    supervised = is_locked(Path(store.place.folder) / "service.lock")
    waiting = sum(queue.ready for queue in store.queues())
    if supervised and not live:
        yield problem(
            "service",
            "a service is there, but no dispatcher works: it is starting, or fails to",
            "look into its log, then windlass restart",
        )
    elif live:
        told = ", ".join(f"{row.mode} in process {row.pid}" for row in live)
        yield ok("service", f"running: {told}")
    elif waiting:
        yield warning("service", f"none is running, and {jobs(waiting)} could start", "windlass start")
    else:
        yield note("service", "none is running", "windlass start")
    for row in live:
        if row.silent_us is None and lock_state(row.lock_file, SystemClock()) == "frozen":
            yield problem(
                "dispatchers",
                f"process {row.pid} has been silent for {STALE_US // 1_000_000} s: it is stopped or stuck",
                f"kill -CONT {row.pid} if somebody stopped it; kill -9 {row.pid} is safe: its jobs run again",
            )
    yield from _dead(store, live)
    yield from _unknown_keys(store, live)


def conditions(store: AnyStore) -> Iterator[Finding]:
    """Jobs that wait for what no service finds to hold."""
    told = sorted({f"{lane.key} ({reason})" for lane, reason in blocked_lanes(store)})
    if told:
        yield note("conditions", f"waiting: {printable(', '.join(told[:_SHOWN]))}", "windlass device")


def held(store: AnyStore) -> Iterator[Finding]:
    """Jobs that wait for a person."""
    read = store.select(JobFilter(held=True), limit=_HELD_READ)
    found = [job for job in read if not job.awaits_others]
    if not found:
        yield ok("held", "no job is held")
        return
    reasons = Counter(job.hold or "" for job in found)
    told = "; ".join(f"{count:,} × {printable(reason)}" for reason, count in reasons.most_common(_SHOWN))
    count = jobs(len(found)) if len(read) < _HELD_READ else f"at least {jobs(len(found))}"
    yield warning(
        "held",
        f"{count} held: {told}",
        "windlass jobs list --held; mend the cause, then windlass jobs retry --held (or delete --held)",
    )


def odd(store: SqliteStore) -> Finding:
    """Rows that no transition of ours could have left."""
    count = count_odd(store)
    if count:
        return warning(
            "odd rows",
            f"{count:,} rows were left by other programs in a state that no job can be in",
            "a running service holds them with a reason: windlass start, then windlass jobs list --held",
        )
    return ok("odd rows", "none")


def outcomes(store: AnyStore) -> Finding:
    """What became of the rest."""
    counts = store.counts()
    told = ", ".join(f"{counts[status]:,} {status.value.lower()}" for status in JobStatus)
    if counts[JobStatus.FAILED]:
        return note("jobs", told, "windlass jobs list --status FAILED")
    return ok("jobs", told)


def switches(store: AnyStore) -> Iterator[Finding]:
    """Queues that someone paused and may have forgotten."""
    for name, state in store.switches().items():
        if state.pin is not None and not any(state.pin in row.labels for row in live_dispatchers(store)):
            said = f"queue {name} is pinned to {pin_of(state.pin)}, and no running service is or has that"
            yield warning("queues", said, f"windlass run --label …, or windlass queues unpin {name}")
        if state.paused:
            ready = next((queue.ready for queue in store.queues() if queue.queue == name), 0)
            said = f"queue {name} is paused" + (f"; {jobs(ready)} in it could start" if ready else "")
            yield note("queues", said, f"windlass queues resume {name}")


def hosts(store: AnyStore) -> Iterator[Finding]:
    """Hosts that someone paused and may have forgotten."""
    for one in store.hosts():
        what = "drains" if one.draining else "is paused"
        yield note("hosts", f"host {one.host} {what}: it starts no jobs", f"windlass hosts resume {one.host}")


def schedules(store: AnyStore) -> Iterator[Finding]:
    """Those that make no jobs."""
    rows = store.schedules()
    for row in rows:
        try:
            from_text(row.spec)
        except ValueError as error:
            yield warning(
                "schedules",
                f"schedule {printable(row.name)} makes no jobs, it cannot be read: {printable(str(error))}",
                f"upgrade Windlass, or windlass schedules remove {printable(row.name)}",
            )
    paused = [printable(row.name) for row in rows if row.paused]
    if paused:
        more = f" and {len(paused) - _SHOWN:,} more" if len(paused) > _SHOWN else ""
        yield note(
            "schedules", f"paused: {', '.join(paused[:_SHOWN])}{more}", "windlass schedules resume NAME"
        )
    elif rows:
        yield ok("schedules", f"{len(rows):,}")


def _dead(store: AnyStore, live: list[DispatcherRow]) -> Iterator[Finding]:
    alive = {row.id for row in live}
    dead = [row for row in store.dispatchers() if row.id not in alive]
    if not dead:
        return
    left = sum(len(store.leases(owner=row.id, limit=_LEASES_READ)) for row in dead)
    pids = ", ".join(str(row.pid) for row in dead[:_SHOWN])
    if left and not live:
        yield warning(
            "dispatchers",
            f"{len(dead)} ended without a word (process {pids}) and left {jobs(left)} started",
            "windlass start: they run again at once",
        )
    elif left:
        yield note(
            "dispatchers", f"{len(dead)} ended without a word; the service is taking back {jobs(left)}"
        )


def _unknown_keys(store: AnyStore, live: list[DispatcherRow]) -> Iterator[Finding]:
    if not live or any(row.job_keys is None for row in live):
        return
    known = {key for row in live for key in row.job_keys or ()}
    unknown = sorted({lane.key for lane in store.lanes()} - known)
    if unknown:
        keys = ", ".join(printable(key) for key in unknown[:_SHOWN])
        yield warning(
            "unknown keys",
            f"ready jobs wait for handlers that no running service has: {keys}",
            "deploy the handlers and windlass restart, or delete the jobs: windlass jobs delete --key KEY",
        )
