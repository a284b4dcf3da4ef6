"""Jobs as rows and details of the API's shapes."""

from __future__ import annotations

from shlex import quote
from typing import Any, Literal

import msgspec

from windlass.app import Windlass
from windlass.constraints import to_text
from windlass.job import Job, JobStatus, Progress
from windlass.living import is_alive
from windlass.redact import clean
from windlass.store.flows import Relative
from windlass.web.redacting import shown, shown_text
from windlass.web.shapes.jobs import (
    AttemptRow,
    Command,
    Graph,
    GraphEdge,
    GraphNode,
    JobDetail,
    JobLogs,
    JobRow,
    JobState,
    LeaseOwner,
    LogRow,
    WhyRow,
)

LINE_MOST = 300
GRAPH_LEVELS = 3
GRAPH_WIDTH = 20
GRAPH_MOST = 200
_LEASES_MOST = 10_000

Action = Literal["retry", "cancel", "delete", "copy"]


def state_of(job: Job) -> JobState:
    """The part of ``why`` that the row itself shows."""
    match job.status:
        case JobStatus.RUNNING:
            return "running"
        case JobStatus.COMPLETED:
            return "completed"
        case JobStatus.FAILED:
            return "failed"
        case JobStatus.CANCELLED:
            return "cancelled"
        case JobStatus.PENDING:
            if job.hold is not None:
                return "waiting" if job.awaits_others else "held"
            if job.run_at is not None:
                return "retrying" if job.attempts else "scheduled"
            return "ready"


def row_of(job: Job) -> JobRow:
    """A job as a line of a table."""
    return JobRow(**_row(job))


def detail_of(app: Windlass, job: Job) -> JobDetail:
    """A job with all that is known about it."""
    why = app.jobs.why(job.id)
    constraints = to_text(job.constraints)
    return JobDetail(
        **_row(job),
        payload=shown(job.payload),
        payload_text=None if job.payload is None else shown_text(job.payload),
        result=shown(job.result),
        result_text=None if job.result is None else shown_text(job.result),
        last_error=None if job.last_error is None else clean(job.last_error),
        meta=shown(job.meta),
        timeout_s=job.timeout_s,
        idempotency_key=job.idempotency_key,
        in_line=job.in_line,
        waits_for=job.waits_for,
        constraints=None if constraints is None else msgspec.json.decode(constraints),
        deadline=job.deadline,
        crashes=job.crashes,
        why=WhyRow(code=why.code, reason=clean(why.reason), until=why.until),
        history=history_of(app, job),
        lease=lease_of(app, job),
        graph=graph_of(app, job),
        can=actions_of(job),
        known=app.registry.get_own(job.key) is not None,
        commands=commands_of(job),
    )


def history_of(app: Windlass, job: Job) -> list[AttemptRow]:
    """Its attempts, oldest first, the present or last one among them."""
    told = [
        AttemptRow(
            attempt=one.attempt,
            outcome=one.outcome,
            started_at=one.started_at,
            finished_at=one.finished_at,
            error=None if one.error is None else clean(one.error),
        )
        for one in app.jobs.attempts(job.id)
    ]
    if job.status in (JobStatus.RUNNING, JobStatus.COMPLETED) and job.started_at is not None:
        told.append(
            AttemptRow(
                attempt=job.attempts,
                outcome=job.status.lower(),
                started_at=job.started_at,
                finished_at=job.finished_at,
                error=None,
            )
        )
    return told


def logs_of(app: Windlass, job_id: int) -> JobLogs:
    """What its handler logged, cleaned once more: of secrets that became known since it was kept."""
    return JobLogs(
        lines=[
            LogRow(
                attempt=line.attempt, number=line.number, at=line.at, level=line.level,
                logger=clean(line.logger, LINE_MOST), text=clean(line.text),
            )
            for line in app.jobs.logs(job_id)
        ]
    )  # fmt: skip


def actions_of(job: Job) -> list[Action]:
    """What may be done to it as it stands."""
    if job.status is JobStatus.RUNNING:
        return ["copy"] if job.cancel_requested else ["cancel", "copy"]
    if job.status is JobStatus.PENDING:
        # Held, due later or due again: it need not wait. What is ready does not.
        waits = job.hold is not None or job.run_at is not None
        return ["retry", "cancel", "delete", "copy"] if waits else ["cancel", "delete", "copy"]
    return ["retry", "delete", "copy"]


def commands_of(job: Job) -> list[Command]:
    """What does the same in a terminal."""
    told = [
        Command(does="Show it", command=f"windlass jobs show {job.id}"),
        Command(does="Why it is not running", command=f"windlass jobs why {job.id}"),
        Command(does="What it logged", command=f"windlass jobs logs {job.id}"),
        Command(does="Follow it", command=f"windlass watch {job.id}"),
    ]
    said = {"retry": "Retry it", "cancel": "Cancel it", "delete": "Delete it"}
    told += [
        Command(does=said[action], command=f"windlass jobs {action} {job.id}")
        for action in actions_of(job)
        if action in said
    ]
    return [*told, Command(does="Enqueue one like it", command=f"windlass enqueue {quote(job.key)}")]


def graph_of(app: Windlass, job: Job) -> Graph | None:
    """Whom it waits for and who waits for it, some levels in each direction."""
    if job.waits_for is None and not app.jobs.children(job.id, limit=1):
        return None
    own = Relative(id=job.id, key=job.key, status=job.status, hold=job.hold, waits_for=job.waits_for)
    found = _Found({job.id: _node(own, 0)}, set())
    found.grow(app, job.id, -1)
    found.grow(app, job.id, +1)
    edges = [GraphEdge(parent=parent, child=child) for parent, child in sorted(found.edges)]
    return Graph(nodes=sorted(found.nodes.values(), key=_place), edges=edges, more=found.more)


class _Found:
    def __init__(self, nodes: dict[int, GraphNode], edges: set[tuple[int, int]]) -> None:
        self.nodes = nodes
        self.edges = edges
        self.more = False

    def grow(self, app: Windlass, start: int, step: int) -> None:
        edge = [start]
        for level in range(1, GRAPH_LEVELS + 1):
            after: list[int] = []
            for job_id in edge:
                ask = app.jobs.parents if step < 0 else app.jobs.children
                relatives = ask(job_id, limit=GRAPH_WIDTH + 1)
                self.more |= len(relatives) > GRAPH_WIDTH
                for one in relatives[:GRAPH_WIDTH]:
                    if one.id not in self.nodes:
                        if len(self.nodes) >= GRAPH_MOST:
                            self.more = True
                            return
                        self.nodes[one.id] = _node(one, step * level)
                        after.append(one.id)
                    self.edges.add((one.id, job_id) if step < 0 else (job_id, one.id))
            edge = after
        # Nobody has asked whether the last level goes on.
        self.more |= bool(edge) and step > 0 and any(app.jobs.children(one, limit=1) for one in edge)
        self.more |= bool(edge) and step < 0 and any(app.jobs.parents(one, limit=1) for one in edge)


def lease_of(app: Windlass, job: Job) -> LeaseOwner | None:
    """The dispatcher that runs it; None where none does."""
    if job.status is not JobStatus.RUNNING:
        return None
    owners = [one.owner for one in app.store.leases(limit=_LEASES_MOST) if one.job_id == job.id]
    row = next((row for row in app.store.dispatchers() if row.id in owners), None)
    if row is None:
        return None
    alive = is_alive(row)
    return LeaseOwner(dispatcher=row.id, host=row.host, pid=row.pid, mode=row.mode, alive=alive)


def first_line(text: str | None) -> str | None:
    """The first line of an error, without secrets, as a table shows it."""
    return None if text is None else clean(text.partition("\n")[0][:LINE_MOST])


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "key": job.key,
        "status": job.status,
        "state": state_of(job),
        "queue": job.queue,
        "priority": job.priority,
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "run_at": job.run_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "tags": job.tags,
        "unique": job.unique,
        "hold": None if job.hold is None else clean(job.hold),
        "reason": job.reason,
        "error": first_line(job.last_error),
        "progress": _shown_progress(job.progress),
        "cancel_requested": job.cancel_requested,
    }


def _shown_progress(progress: Progress | None) -> Progress | None:
    if progress is None or progress.message is None:
        return progress
    return msgspec.structs.replace(progress, message=clean(progress.message, LINE_MOST))


def _node(one: Relative, level: int) -> GraphNode:
    hold = None if one.hold is None else clean(one.hold)
    return GraphNode(id=one.id, key=one.key, status=one.status, hold=hold, level=level)


def _place(node: GraphNode) -> tuple[int, int]:
    return node.level, node.id
