"""Who comes after whom under a unique key.

At most one unfinished job *has* a key (``unique_key``). Those that are to have it later are *in line* for
it: held, with the key in ``unique_next``, in the order of their ids. Whatever ends the one that has the key
passes it on in the same transaction:

* Who ``FOLLOWS`` takes it however that one ended: it replaces it, or gathers what came while it ran.
* Who ``WAITS`` takes it if that one completed. Otherwise all of these stay held, and their ``hold`` says
  which one it was: when that one is retried they wait again, and one of them that is retried itself takes
  the key. Those that stay held before it are passed over: the line goes on behind it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from windlass.clock import to_wall_us
from windlass.errors import InvalidJob
from windlass.outcome import Committed
from windlass.store.protocol import Inserted, NewJob, Settlement
from windlass.store.relational import flowing
from windlass.store.relational.engine import Connection
from windlass.store.relational.rows import moment
from windlass.store.relational.statements import SQL
from windlass.store.timetable import Instant

WAITS = "it runs once the jobs with its unique key that came before it have completed"
FOLLOWS = "it runs once the job that has its unique key is over"

Put = Callable[[str, NewJob], int | None]
"""Inserts a job by the statement of that name; its id, or None where there was a conflict."""


class Met(NamedTuple):
    """An unfinished job that an enqueue meets under its unique key."""

    job_id: int
    created_at: Any
    key: str
    state: str | None
    """The status of the one that has the key; of one in line, why it is held."""


class Meeting:
    """One enqueue under a unique key, in the transaction of its insert."""

    def __init__(
        self,
        connection: Connection,
        job: NewJob,
        put: Put,
        instant: Instant,
        now: str,
        keep_still: Callable[[Connection, str], None],
    ) -> None:
        assert job.unique is not None
        self._keep_still = keep_still
        self._connection = connection
        self._job = job
        self._name = job.unique
        self._put = put
        self._instant = instant
        self._now = now

    def enqueue(self) -> Inserted:
        """Inserts the job, or does what it says to those that are there already.

        Raises:
            InvalidJob: its payload is for another job key than that of the job that should get it.
        """
        while True:
            made = self._put("insert_unique", self._job)
            if made is not None:
                return Inserted(made, True, self._now)
            known = self._idempotent()
            if known is not None:
                return known
            if self._job.existing != "keep" or self._job.debounce_us is not None:
                self._keep_still(self._connection, self._name)
            holder = self._met("find_unique")
            if holder is None and _next_of(self._connection, self._name, 0, "COMPLETED", self._now):
                # Foreign hands had taken away the one that had the key.
                holder = self._met("find_unique")
            if holder is not None or self._met("line_last") is not None:
                break
            # Where others write at the same time, who was in the way may be over by now.
        return self._meet(holder)

    def _meet(self, holder: Met | None) -> Inserted:
        if self._job.debounce_us is not None:
            return self._debounce(holder)
        match self._job.existing:
            case "keep":
                return self._found(self._earliest(holder), "kept")
            case "update":
                return self._update(self._earliest(holder))
            case "replace":
                return self._replace(holder)
            case "append":
                last = self._met("line_last")
                return self._append(WAITS if last is None or last.state in (WAITS, FOLLOWS) else last.state)
            case "append_or_replace":
                return self._append_or_replace(holder)

    def _idempotent(self) -> Inserted | None:
        job = self._job
        if job.idempotency_key is None:
            return None
        row = self._connection.execute(SQL["find_idempotent"], (job.key, job.idempotency_key)).fetchone()
        return None if row is None else self._found(Met(row[0], row[1], job.key, None), "kept")

    # ── what may become of those that are there ────────────────────────────────────────────────
    def _update(self, met: Met) -> Inserted:
        job = self._job
        self._check_key(met, "update")
        self._write("update_unique", met, later=bool(job.delay_us or job.run_at_us), wait_us=job.delay_us)
        return self._found(met, "updated")

    def _debounce(self, holder: Met | None) -> Inserted:
        job = self._job
        # The last one: not one that is held before a later one, which was retried and has the key.
        met = max(filter(None, (self._met("line_last"), holder)), key=lambda one: one.job_id)
        assert job.debounce_us is not None
        if met is holder and met.state == "RUNNING":
            return self._append(FOLLOWS)
        self._check_key(met, "debounce")
        wait_us = job.debounce_us
        if job.debounce_most_us is not None:
            first = moment(met.created_at)
            passed_us = 0 if first is None else self._instant.wall_us - to_wall_us(first)
            # A clock that was set back says nothing of how long ago that was: rather too early than too late.
            wait_us = min(wait_us, max(job.debounce_most_us - passed_us, 0)) if passed_us >= 0 else 0
        self._write("debounce_unique", met, wait_us=wait_us)
        return self._found(met, "debounced")

    def _replace(self, holder: Met | None) -> Inserted:
        self._cancel_line(all_of_it=True)
        if holder is None or holder.state == "PENDING":
            return self._in_its_place(holder)
        self._replace_holder(holder)
        return self._append(FOLLOWS)._replace(disposition="replaced")

    def _append(self, hold: str | None) -> Inserted:
        job = msgspec.structs.replace(self._job, unique=None, unique_next=self._name, hold=hold)
        made = self._put("insert_more", job)
        assert made is not None  # in line there is room for many, and its idempotency key is new
        return Inserted(made, True, self._now, "appended")

    def _append_or_replace(self, holder: Met | None) -> Inserted:
        self._cancel_line(all_of_it=False)
        if holder is None and self._met("line_last") is None:
            return self._in_its_place(None)
        return self._append(WAITS)

    def _in_its_place(self, holder: Met | None) -> Inserted:
        if holder is not None:
            self._replace_holder(holder)
        made = self._put("insert_unique", self._job)
        assert made is not None  # nobody has the key any more, and nobody is in line for it
        return Inserted(made, True, self._now, "replaced")

    # ── looking and writing ────────────────────────────────────────────────────────────────────
    def _met(self, statement: str) -> Met | None:
        row = self._connection.execute(SQL[statement], (self._name,)).fetchone()
        return None if row is None else Met(*row)

    def _earliest(self, holder: Met | None) -> Met:
        met = holder or self._met("line_first")
        assert met is not None  # else there was no conflict
        return met

    def _found(self, met: Met, disposition: Any) -> Inserted:
        created_at = met.created_at if moment(met.created_at) else self._now
        return Inserted(met.job_id, False, created_at, disposition)

    def _check_key(self, met: Met, what: str) -> None:
        if met.key != self._job.key:
            raise InvalidJob(
                f"expected the job key {met.key!r} of job {met.job_id}, whose unique key is {self._name!r}, "
                f'got {self._job.key!r}: to {what} it does not change that; existing="replace" does'
            )

    def _write(self, statement: str, met: Met, *, wait_us: int | None, later: bool = True) -> None:
        job, now_us = self._job, self._instant.wall_us
        due = job.run_at_us if job.run_at_us is not None and job.run_at_us > now_us else None
        run_at, run_at_boot, boot_id = self._instant.after(wait_us) if wait_us else (due, None, None)
        values = {
            "id": met.job_id, "payload": job.payload, "priority": job.priority, "queue": job.queue,
            "max_attempts": job.max_attempts, "timeout_us": job.timeout_us, "tags": job.tags,
            "meta": job.meta, "title": job.title, "constraints": job.constraints,
            "deadline": deadline_of(job, now_us),
            "run_at": run_at, "run_at_boot": run_at_boot, "boot_id": boot_id,
            "later": later, "now": self._now,
        }  # fmt: skip
        self._connection.execute(SQL[statement], values)

    def _cancel_line(self, *, all_of_it: bool) -> None:
        values = (self._instant.wall_us, self._now, self._name, all_of_it, WAITS, FOLLOWS)
        gone = self._connection.execute(SQL["line_cancel"], values).fetchall()
        self._lament([job_id for (job_id,) in gone])

    def _replace_holder(self, holder: Met) -> None:
        self._connection.execute(SQL["replace_holder"], (self._instant.wall_us, self._now, holder.job_id))
        self._lament([holder.job_id])

    def _lament(self, job_ids: Sequence[int]) -> None:
        if job_ids and flowing.any_flow(self._connection):
            flowing.lament(self._connection, job_ids, self._now)


def deadline_of(job: NewJob, now_us: int) -> int | None:
    """The wall time by which it must have ended."""
    return job.deadline_us if job.deadline_in_us is None else now_us + job.deadline_in_us


def follow(
    connection: Connection,
    settlements: Sequence[Settlement],
    not_settled: Iterable[Settlement],
    now: str,
) -> bool:
    """After settlements: passes on the keys of those that ended; True where someone got one.

    ``not_settled``: those that did not own their job, or could not be stored. For all whom this does not
    concern it is one look into an index that is empty.
    """
    if not settlements or not _anyone_in_line(connection):
        return False
    late = {id(settlement) for settlement in not_settled}
    return ended(
        connection,
        # What committed by itself has passed on its key there.
        [one.job_id for one in settlements if id(one) not in late and not isinstance(one.outcome, Committed)],
        now,
    )


def ended(connection: Connection, job_ids: Iterable[int], now: str) -> bool:
    """Passes on the keys of those of the jobs that are over, in the transaction that ended them; True where
    someone got one."""
    if not _anyone_in_line(connection):
        return False
    freed = False
    for job_id, key, next_key, hold, status in connection.execute(
        SQL["line_ended"], (json.dumps(list(job_ids)),)
    ).fetchall():
        if next_key is None:
            freed = _next_of(connection, key, job_id, status, now) or freed
        elif hold in (WAITS, FOLLOWS):
            _hold_back(connection, next_key, job_id, status, now)
    return freed


def key_of(connection: Connection, job_id: int) -> str | None:
    """The unique key of an unfinished job that somebody is in line for."""
    if not _anyone_in_line(connection):
        return None
    row = connection.execute(
        "SELECT unique_key FROM background_service_jobs "
        "WHERE id = ? AND (status = 'PENDING' OR status = 'RUNNING')",
        (job_id,),
    ).fetchone()
    return None if row is None else row[0]


def deleted(connection: Connection, key: str, now: str) -> None:
    """The job that had the key was deleted: it is as if it had never been."""
    _next_of(connection, key, 0, "COMPLETED", now)


def retried(connection: Connection, job_id: int, now: str) -> None:
    """The job has its key again: those behind it wait for it, as before."""
    key = key_of(connection, job_id)
    if key is not None:
        connection.execute(SQL["line_hold"], (WAITS, now, key, job_id, FOLLOWS))


def _anyone_in_line(connection: Connection) -> bool:
    return connection.execute(SQL["line_any"]).fetchone() is not None


def _next_of(connection: Connection, key: str, job_id: int, status: str, now: str) -> bool:
    if connection.execute(SQL["find_unique"], (key,)).fetchone() is not None:
        return False
    first = connection.execute(SQL["line_next"], (key, WAITS, FOLLOWS)).fetchone()
    if first is None:
        return False
    if first[1] == WAITS and status != "COMPLETED":
        _hold_back(connection, key, job_id, status, now)
        return False
    connection.execute(SQL["line_take"], (now, first[0]))
    return True


def _hold_back(connection: Connection, key: str, job_id: int, status: str, now: str) -> None:
    reason = (
        f"job {job_id}, after which it was to run, is {status}: retry that one, or this one to run it anyway"
    )
    connection.execute(SQL["line_hold"], (reason, now, key, job_id, FOLLOWS))
