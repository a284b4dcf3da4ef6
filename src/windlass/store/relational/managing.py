"""Look, count, cancel, retry, delete, pause: what the job manager asks of the file."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from windlass.clock import from_us
from windlass.errors import InvalidJob
from windlass.job import Attempt, Job, JobStatus
from windlass.store.protocol import JobFilter, QueueState
from windlass.store.relational import flowing, succession, walking
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection
from windlass.store.relational.rows import COLUMNS, error_text, job_of, moment
from windlass.store.relational.statements import SQL

_STEP = 500
"""Jobs changed in one transaction at most."""
_ORDERS = frozenset({"id", "created_at", "updated_at", "priority", "finished_at"})


class Managing(Role):
    """The job manager's verbs."""

    def get(self, job_id: int) -> Job | None:
        with self._look() as connection:
            row = connection.execute(
                f"SELECT {COLUMNS} FROM background_service_jobs WHERE id = ?",  # noqa: S608
                (job_id,),
            ).fetchone()
        return None if row is None else job_of(row)

    def select(self, where: JobFilter, *, order: str = "-id", limit: int = 50, offset: int = 0) -> list[Job]:
        column = order.removeprefix("-")
        if column not in _ORDERS:
            raise InvalidJob(
                f"expected order to be one of {', '.join(sorted(_ORDERS))}, with a leading - to turn it, "
                f"got {order!r:.80}"
            )
        direction = "DESC" if order.startswith("-") else "ASC"
        ordered = f"ORDER BY {column} {direction}, id {direction}"
        source, conditions, values = _source(where)
        # The ids first: most filters are answered by an index alone, and only what is shown is read.
        ids = f"SELECT id FROM {source} WHERE {' AND '.join(conditions) or '1'} {ordered} LIMIT ? OFFSET ?"  # noqa: S608
        text = f"SELECT {COLUMNS} FROM background_service_jobs WHERE id IN ({ids}) {ordered}"  # noqa: S608
        with self._look() as connection:
            return [job_of(row) for row in connection.execute(text, (*values, limit, offset))]

    def counts(self) -> dict[JobStatus, int]:
        total = dict.fromkeys(JobStatus, 0)
        with self._look() as connection:
            for status, count in connection.execute(SQL["counts"]):
                total[JobStatus(status)] += count
        return total

    def attempts(self, job_id: int) -> list[Attempt]:
        with self._look() as connection:
            rows = connection.execute(SQL["attempts"], (job_id,)).fetchall()
        return [
            Attempt(
                job_id=job_id, attempt=row[0], outcome=row[1], started_at=moment(row[2]),
                finished_at=from_us(row[3]), error=error_text(row[4]),
            )
            for row in rows
        ]  # fmt: skip

    def cancel(self, job_ids: Sequence[int]) -> dict[int, JobStatus]:
        found: dict[int, JobStatus] = {}
        # Who waits for them is cancelled with them, and who waits for those: as many steps as that takes.
        queue = dict.fromkeys(job_ids)
        done = 0
        while done < len(queue):
            step = list(queue)[done : done + _STEP]
            stands, heirs = self._cancel(step)
            found |= stands
            queue |= dict.fromkeys(heirs)
            done += len(step)
        self.ring()
        return {job_id: found[job_id] for job_id in job_ids if job_id in found}

    def _cancel(self, job_ids: Sequence[int]) -> tuple[dict[int, JobStatus], list[int]]:
        found: dict[int, JobStatus] = {}
        cancelled: list[int] = []
        now_us, now = self.now()
        with self.database.write(full=True) as connection:
            for job_id in job_ids:
                if connection.execute(SQL["cancel_pending"], (now_us, now, job_id)).rowcount:
                    found[job_id] = JobStatus.CANCELLED
                    cancelled.append(job_id)
                    continue
                connection.execute(SQL["cancel_running"], (now, job_id))
                row = connection.execute(
                    "SELECT status FROM background_service_jobs WHERE id = ?", (job_id,)
                ).fetchone()
                if row is not None:
                    # A status that is none of ours is about to be held.
                    known = row[0] in JobStatus.__members__
                    found[job_id] = JobStatus(row[0]) if known else JobStatus.PENDING
            succession.ended(connection, cancelled, now)
            return found, flowing.heirs(connection, job_ids) if flowing.any_flow(connection) else []

    def retry(self, job_ids: Sequence[int]) -> list[int]:
        changed: list[int] = []
        # Parents first: they have the lower ids, and their children are to wait for them.
        for step in _steps(sorted(job_ids)):
            now_us, now = self.now()
            with self.database.write(full=True) as connection:
                before = flowing.statuses(connection, step) if flowing.any_flow(connection) else None
                again = [
                    job_id
                    for job_id in step
                    if connection.execute(SQL["retry"], (now, job_id, now_us)).rowcount
                ]
                if before is not None:
                    flowing.revive(connection, before, again, now)
                for job_id in again:
                    succession.retried(connection, job_id, now)
            changed += again
        self.ring()
        return changed

    def holder_of(self, unique: str) -> int | None:
        with self._look() as connection:
            row = connection.execute(SQL["find_unique"], (unique,)).fetchone()
        return None if row is None else row[0]

    def delete(self, job_ids: Sequence[int]) -> list[int]:
        deleted: list[int] = []
        # Children first: a parent is kept as long as one of them is not over.
        for step in _steps(sorted(job_ids, reverse=True)):
            with self.database.write(full=True) as connection:
                for job_id in step:
                    key = succession.key_of(connection, job_id)
                    gone = flowing.remove(connection, [job_id])
                    if gone and key is not None:
                        succession.deleted(connection, key, self.now()[1])
                    deleted += gone
        self.ring()
        return sorted(deleted)

    def switches(self) -> dict[str, QueueState]:
        """The queues that someone paused, limited or pinned, without counting what is in them."""
        with self.database.read() as connection:
            rows = connection.execute(
                "SELECT queue, paused, concurrency, pin FROM windlass_queues "
                "WHERE paused <> 0 OR concurrency IS NOT NULL OR pin IS NOT NULL"
            ).fetchall()
        return {
            row[0]: QueueState(queue=row[0], paused=bool(row[1]), concurrency=row[2], pin=row[3])
            for row in rows
        }

    def set_queue(self, queue: str, *, paused: bool | None = None, concurrency: int | None = -1) -> None:
        keep = concurrency == -1
        with self.database.write(full=True) as connection:
            connection.execute(
                SQL["set_queue"],
                {
                    "queue": queue,
                    "paused": paused,
                    "concurrency": None if keep else concurrency,
                    "keep": keep,
                },
            )
        self.ring()

    def set_pin(self, queue: str, label: str | None) -> None:
        with self.database.write(full=True) as connection:
            connection.execute(SQL["set_pin"], (queue, label))
        self.ring()

    @contextmanager
    def _look(self) -> Generator[Connection]:
        with self.database.show() as connection:
            yield connection


def _source(where: JobFilter) -> tuple[str, list[str], list[Any]]:
    """From where to select, under which conditions, with which values."""
    source = "background_service_jobs"
    conditions: list[str] = []
    values: list[Any] = []

    def ask(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    if where.status is not None:
        # Spelled out, as in the conditions of the indexes: of a parameter the planner knows nothing.
        names = ", ".join(f"'{status.value}'" for status in where.status)
        ask(f"status IN ({names})")
        if where.ids is None and set(where.status) == {JobStatus.RUNNING}:
            source += " INDEXED BY windlass_jobs_running"
            ask("status = 'RUNNING'")
        elif where.ids is None and where.status and all(status.is_final for status in where.status):
            source += " INDEXED BY windlass_jobs_finished"
            ask("(status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED')")
    if where.key is not None:
        ask("job_key = ?", where.key)
    if where.queue is not None:
        ask("queue = ?", where.queue)
    if where.tag is not None:
        ask("EXISTS (SELECT 1 FROM json_each(iif(json_valid(tags), tags, '[]')) WHERE value = ?)", where.tag)
    if where.unique is not None:
        ask("ifnull(unique_key, unique_next) = ?", where.unique)
        if where.status is not None and not any(status.is_final for status in where.status):
            ask(f"id IN ({walking.UNFINISHED_UNDER_A_KEY})", where.unique, where.unique)
    if where.ids is not None:
        ask("id IN (SELECT value FROM json_each(?))", json.dumps(where.ids))
    if where.held is not None:
        ask("status = 'PENDING' AND hold IS NOT NULL" if where.held else "hold IS NULL")
    if where.after_id is not None:
        ask("id > ?", where.after_id)
    if where.until_id is not None:
        ask("id <= ?", where.until_id)
    for words in walking.searches(where):
        ask(f"({words.text})", *words.values)
    return source, conditions, values


def _steps(job_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Short transactions: whoever else wants to write gets in between."""
    for start in range(0, len(job_ids), _STEP):
        yield job_ids[start : start + _STEP]
