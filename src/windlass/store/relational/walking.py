"""How to get at the jobs that match a filter without reading all that do not.

A *part* is a set of jobs that one index has: the ready ones, the held ones, those that failed. What a filter
asks of the status is answered by parts; what else it asks is a *condition* on the row.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from windlass.job import JobStatus
from windlass.store.protocol import JobFilter

JOBS = "background_service_jobs"
_READY = "status = 'PENDING' AND run_at IS NULL AND hold IS NULL"
_DUE = "status = 'PENDING' AND run_at IS NOT NULL AND hold IS NULL"
_ENDED = "(status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED')"
_WORDS_MOST = 8
_TEXTS = ("job_key", "queue", "tags", "ifnull(unique_key, unique_next)", "last_error", "payload")

UNFINISHED_UNDER_A_KEY = (
    f"SELECT id FROM {JOBS} INDEXED BY windlass_jobs_unique "  # noqa: S608
    "WHERE unique_key = ? AND unique_key IS NOT NULL AND (status = 'PENDING' OR status = 'RUNNING') "
    f"UNION ALL SELECT id FROM {JOBS} INDEXED BY windlass_jobs_unique_next "
    "WHERE unique_next = ? AND unique_next IS NOT NULL AND status = 'PENDING'"
)


class Clause(NamedTuple):
    """A condition as SQL, and its values."""

    text: str
    values: tuple[Any, ...] = ()


class Part(NamedTuple):
    """Jobs that an index has."""

    name: str
    clause: Clause

    @property
    def ids(self) -> str:
        """Selects their ids."""
        return f"SELECT id FROM {JOBS} INDEXED BY {self.name} WHERE {self.clause.text}"  # noqa: S608


def candidates(where: JobFilter) -> list[int] | Clause | None:
    """The ids that may match, or a statement that finds them, where the filter names them itself."""
    if where.ids is not None:
        return list(where.ids)
    if (
        where.unique is not None
        and where.status is not None
        and not any(one.is_final for one in where.status)
    ):
        return Clause(UNFINISHED_UNDER_A_KEY, (where.unique, where.unique))
    return None


def parts(where: JobFilter) -> list[Part] | None:
    """The parts that hold all that may match; None where that is everything."""
    if where.status is None and not where.held:
        return None
    statuses = set(JobStatus if where.status is None else where.status)
    found: list[Part] = []
    if JobStatus.PENDING in statuses:
        found.append(Part("windlass_jobs_held", Clause("status = 'PENDING' AND hold IS NOT NULL")))
    if where.held:
        return found
    if where.held is False:
        found.clear()
    if JobStatus.PENDING in statuses:
        lane = _lane(where)
        found += [
            Part("windlass_jobs_ready", joined(Clause(f"{_READY} AND constraints IS NULL"), *lane)),
            Part("windlass_jobs_conditioned", joined(Clause(f"constraints IS NOT NULL AND {_READY}"), *lane)),
            Part("windlass_jobs_due_wall", Clause(f"{_DUE} AND boot_id IS NULL")),
            Part("windlass_jobs_due_boot", Clause(f"{_DUE} AND boot_id IS NOT NULL")),
        ]
    if JobStatus.RUNNING in statuses:
        found.append(Part("windlass_jobs_running", Clause("status = 'RUNNING'")))
    return found + [ended(status) for status in JobStatus if status.is_final and status in statuses]


def ended(status: JobStatus) -> Part:
    """The jobs that ended so."""
    return Part("windlass_jobs_finished", Clause(f"{_ENDED} AND status = '{status.value}'"))


def _tallied() -> dict[str, list[Part]]:
    held, *more = parts(JobFilter(status=(JobStatus.PENDING,))) or []
    found = {"ready": more[:2], "scheduled": more[2:], "held": [held]}
    found["running"] = parts(JobFilter(status=(JobStatus.RUNNING,))) or []
    return found | {one.value.lower(): [ended(one)] for one in JobStatus if one.is_final}


def _lane(where: JobFilter) -> list[Clause]:
    """What the index of ready jobs answers by itself."""
    found: list[Clause] = []
    if where.queue is not None:
        found.append(Clause("alone IN (0, 1) AND queue = ?", (where.queue,)))
    if where.key is not None:
        found.append(Clause("job_key = ?", (where.key,)))
    return found


def bounds(where: JobFilter) -> list[Clause]:
    """What is asked of the id: every index answers that."""
    found: list[Clause] = []
    if where.after_id is not None:
        found.append(Clause("id > ?", (where.after_id,)))
    if where.until_id is not None:
        found.append(Clause("id <= ?", (where.until_id,)))
    return found


def conditions(where: JobFilter, *, by_parts: bool) -> list[Clause]:
    """What is to be asked of each row; ``by_parts``: the parts have answered what they can."""
    found: list[Clause] = []
    if where.status is not None and not by_parts:
        found.append(Clause(" OR ".join(f"status = '{one.value}'" for one in where.status) or "0"))
    if where.held is False or (where.held and not by_parts):
        found.append(Clause("status = 'PENDING' AND hold IS NOT NULL" if where.held else "hold IS NULL"))
    if where.key is not None:
        found.append(Clause("job_key = ?", (where.key,)))
    if where.queue is not None:
        found.append(Clause("queue = ?", (where.queue,)))
    if where.tag is not None:
        # Most jobs have none, which is seen without a look into the array.
        found.append(
            Clause(
                "tags IS NOT NULL AND EXISTS "
                "(SELECT 1 FROM json_each(iif(json_valid(tags), tags, '[]')) WHERE value = ?)",
                (where.tag,),
            )
        )
    if where.unique is not None:
        found.append(Clause("ifnull(unique_key, unique_next) = ?", (where.unique,)))
    if where.ids is not None:
        found.append(Clause("id IN (SELECT value FROM json_each(?))", (json.dumps(where.ids),)))
    return found + searches(where)


def searches(where: JobFilter) -> list[Clause]:
    """What is asked of its texts: each word is in one of them."""
    return [_has(word) for word in (where.search or "").split()[:_WORDS_MOST]]


def _has(word: str) -> Clause:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    text = " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for column in _TEXTS)
    return Clause(text, (f"%{escaped}%",) * len(_TEXTS))


def joined(*clauses: Clause) -> Clause:
    """All of them."""
    if not clauses:
        return Clause("1")
    return Clause(
        " AND ".join(f"({clause.text})" if " OR " in clause.text else clause.text for clause in clauses),
        tuple(value for clause in clauses for value in clause.values),
    )


def union(some: list[Part], *more: Clause) -> Clause:
    """Selects the ids of all these parts, as far as ``more`` holds."""
    selects: list[str] = []
    values: list[Any] = []
    for part in some:
        whole = joined(part.clause, *more)
        selects.append(Part(part.name, whole).ids)
        values += whole.values
    return Clause(" UNION ALL ".join(selects) or "SELECT 1 AS id WHERE 0", tuple(values))


TALLIED = _tallied()
"""What is counted for an overview, by name."""
