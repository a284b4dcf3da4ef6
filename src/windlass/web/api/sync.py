"""Synced tables: how they stand, and what waits in them for a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from shlex import quote
from typing import Any, Literal, TypeVar

import msgspec

from windlass.app import Windlass
from windlass.change import Table
from windlass.clock import from_us
from windlass.errors import ConfigError
from windlass.job import Job
from windlass.redact import clean
from windlass.sync.handle import Resource
from windlass.sync.merge import Latest, PerField
from windlass.sync.resource import Settings
from windlass.sync.sides import Sides
from windlass.sync.tasks import PUSH
from windlass.sync.views import DeadLetter, OpenConflict
from windlass.sync.words import key_text
from windlass.web.api.sync_rows import (
    Letter,
    conflict_shape,
    dead_shape,
    fingerprint,
    read_choices,
    read_edit,
    read_letter,
)
from windlass.web.redacting import shown
from windlass.web.routing import Call, Problem, Routes
from windlass.web.shapes.jobs import Command
from windlass.web.shapes.sync import (
    ConflictList,
    DeadList,
    PutRight,
    Resolution,
    RowEdit,
    SyncDetail,
    SyncList,
    SyncPending,
    SyncQuarantined,
    SyncResource,
    SyncRun,
    SyncStarted,
    WaitingQuery,
)

routes = Routes("sync")

_Waiting = TypeVar("_Waiting", OpenConflict, DeadLetter)
_Shape = TypeVar("_Shape")

_RUNS, _RUNS_SHORT = 30, 20
_ERROR_MOST = 2000


# ── look ───────────────────────────────────────────────────────────────────────────────────────────
@routes.get("/api/sync")
def every(call: Call) -> SyncList:
    """How all synced tables stand, by name."""
    names = sorted(resource.name for resource in call.app.sync)
    return SyncList(
        resources=tuple(_resource(call.app.sync[name], _RUNS_SHORT) for name in names),
        undeclared=_undeclared(call.app),
        commands=(
            Command(does="How they stand", command="windlass sync status"),
            Command(does="Follow them", command="windlass sync watch"),
            Command(does="Push and pull now", command="windlass sync now"),
        ),
    )


def _undeclared(app: Windlass) -> tuple[str, ...]:
    try:
        return tuple(app.sync.undeclared())
    except ConfigError:  # a store without a ledger: where it matters, a resource says so
        return ()


@routes.get("/api/sync/{resource}")
def show(call: Call, resource: str, query: WaitingQuery) -> SyncDetail:
    """A synced table, and the oldest of what waits in it."""
    one = _found(call.app, resource)
    told, name = _resource(one, _RUNS), quote(resource)
    commands = (
        Command(does="How it stands", command=f"windlass sync status {name}"),
        Command(does="What is pending, and why", command=f"windlass sync pending {name}"),
        Command(does="Push and pull now", command=f"windlass sync now {name}"),
        Command(
            does="Resume it" if told.paused else "Pause it",
            command=f"windlass sync {'resume' if told.paused else 'pause'} {name}",
        ),
        Command(does="What is in quarantine", command=f"windlass sync quarantine {name}"),
        *_of_conflicts(name),
        *_of_dead(name),
    )
    if told.state == "broken":
        return SyncDetail(resource=told, commands=commands)
    pending = tuple(
        SyncPending(
            key=key_text(one.key),
            op=one.change.op,
            columns=tuple(one.change.data),
            made_at=from_us(one.change.created_at_us),
            attempts=one.change.attempts,
            why=clean(one.why, _ERROR_MOST),
        )
        for one in one.pending(query.limit)
    )
    quarantined = tuple(
        SyncQuarantined(
            remote_id=row.remote_id,
            reason=clean(row.reason, _ERROR_MOST),
            seen_at=from_us(row.seen_at_us),
            document=_document(row.document),
        )
        for row in one.quarantine(query.limit)
    )
    return SyncDetail(
        resource=told, pending=pending, quarantined=quarantined, faults=tuple(one.faults()), commands=commands
    )


@routes.get("/api/sync/{resource}/conflicts")
def conflicts(call: Call, resource: str, query: WaitingQuery) -> ConflictList:
    """The oldest conflicts that wait for a person, all sides of each."""
    one = _found(call.app, resource)
    told = _with_rows(one, one.conflicts(query.limit), conflict_shape)
    return ConflictList(conflicts=told, total=one.status().conflicts, commands=_of_conflicts(quote(resource)))


@routes.get("/api/sync/{resource}/dead")
def dead(call: Call, resource: str, query: WaitingQuery) -> DeadList:
    """The oldest changes that the remote rejected, or that failed too often, with what it said."""
    one = _found(call.app, resource)
    told = _with_rows(one, one.dead(query.limit), dead_shape)
    return DeadList(dead=told, total=one.status().failed, commands=_of_dead(quote(resource)))


# ── switch ─────────────────────────────────────────────────────────────────────────────────────────
@routes.post("/api/sync/{resource}/now")
def now(call: Call, resource: str) -> SyncStarted:
    """Asks the service to push and pull at once, also where it would have waited."""
    return SyncStarted(job_ids=tuple(job.id for job in _found(call.app, resource).now()))


@routes.post("/api/sync/{resource}/pause")
def pause(call: Call, resource: str) -> SyncResource:
    """Neither pushes nor pulls until it is resumed; edits are still captured."""
    one = _found(call.app, resource)
    one.pause()
    return _resource(one, _RUNS_SHORT)


@routes.post("/api/sync/{resource}/resume")
def resume(call: Call, resource: str) -> SyncResource:
    """Goes on, and asks the remote at once."""
    one = _found(call.app, resource)
    one.resume()
    return _resource(one, _RUNS_SHORT)


# ── put right ──────────────────────────────────────────────────────────────────────────────────────
@routes.post("/api/sync/conflicts/{id}/resolve")
def resolve(call: Call, id: str, body: Resolution) -> PutRight:
    """Settles a conflict: by one side as a whole, column by column, or by deleting the row."""
    letter = read_letter(id)
    one = _found(call.app, letter.resource)
    sides = one.sides(letter.key).get(letter.key)
    if sides is None or one.standing(letter.key).conflict is None:
        raise _gone("conflict", letter, "windlass sync conflicts")
    if body.seen is not None and body.seen != fingerprint(sides):
        raise Problem(
            409, "moved_on", f"{_subject(letter)} was edited meanwhile, here or there",
            way_out="look at the sides as they are now, and decide again",
        )  # fmt: skip
    choice: Any = body.choice
    if body.choice == "fields":
        choice = read_choices(body.fields, sides, one.table())
    elif body.choice == "delete":
        choice = None
    one.resolve(letter.key, choice, seen=sides)
    return _put_right(letter)


@routes.post("/api/sync/dead/{id}/retry")
def retry(call: Call, id: str) -> PutRight:
    """Sends a dead letter again, as it is."""
    one, letter = _letter(call.app, id)
    one.retry(letter.key)
    return _put_right(letter)


@routes.post("/api/sync/dead/{id}/discard")
def discard(call: Call, id: str) -> PutRight:
    """Gives a dead letter up; the row stays as it is here, until it is edited again."""
    one, letter = _letter(call.app, id)
    one.discard(letter.key)
    return _put_right(letter)


@routes.post("/api/sync/dead/{id}/revert")
def revert(call: Call, id: str) -> PutRight:
    """Gives a dead letter up, and puts the row back to what the remote has."""
    one, letter = _letter(call.app, id)
    one.revert(letter.key)
    return _put_right(letter)


@routes.post("/api/sync/dead/{id}/edit")
def edit(call: Call, id: str, body: RowEdit) -> PutRight:
    """Changes columns of a rejected row here, and sends it again."""
    one, letter = _letter(call.app, id)
    if not body.columns:
        raise Problem(422, "nothing_to_change", "expected columns to change, got none")
    one.edit(letter.key, **read_edit(body.columns, one.table()))
    return _put_right(letter)


# ── words ──────────────────────────────────────────────────────────────────────────────────────────
def _found(app: Windlass, name: str) -> Resource:
    for resource in app.sync:
        if resource.name == name:
            return resource
    raise Problem(
        404, "no_such_resource", f"this program declares no resource {name!r:.80}",
        way_out="windlass sync status",
    )  # fmt: skip


def _with_rows(
    one: Resource, found: Sequence[_Waiting], shape: Callable[[_Waiting, Sides, Table], _Shape]
) -> tuple[_Shape, ...]:
    """What waits, each with its row as it stands; what was settled since it was found is left out."""
    table, sides = one.table(), one.sides(*(each.key for each in found))
    return tuple(shape(each, sides[each.key], table) for each in found if each.key in sides)


def _letter(app: Windlass, text: str) -> tuple[Resource, Letter]:
    letter = read_letter(text)
    one = _found(app, letter.resource)
    standing = one.standing(letter.key)
    changes = (standing.sent, standing.pending, *standing.explicit)
    if not any(change is not None and change.status == "failed" for change in changes):
        raise _gone("dead letter", letter, "windlass sync dead")
    return one, letter


def _of_conflicts(name: str) -> tuple[Command, ...]:
    return (
        Command(does="List conflicts", command=f"windlass sync conflicts {name}"),
        Command(does="Keep what is here", command=f"windlass sync resolve {name} KEY mine"),
        Command(does="Take what is there", command=f"windlass sync resolve {name} KEY theirs"),
        Command(does="Decide each column", command=f"windlass sync resolve {name} KEY --set COLUMN=VALUE"),
    )


def _of_dead(name: str) -> tuple[Command, ...]:
    return (
        Command(does="List dead letters", command=f"windlass sync dead {name}"),
        Command(does="Send one again", command=f"windlass sync retry {name} KEY"),
        Command(does="Mend one", command=f"windlass sync edit {name} KEY --set COLUMN=VALUE"),
        Command(does="Give one up", command=f"windlass sync discard {name} KEY"),
        Command(does="Take the remote's row", command=f"windlass sync revert {name} KEY"),
    )


def _gone(what: str, letter: Letter, way_out: str) -> Problem:
    return Problem(
        404, "gone", f"there is no {what} about {_subject(letter)}: it may have been settled meanwhile",
        way_out=f"{way_out} {quote(letter.resource)}",
    )  # fmt: skip


def _subject(letter: Letter) -> str:
    return f"{letter.resource} {key_text(letter.key):.80}"


def _put_right(letter: Letter) -> PutRight:
    return PutRight(resource=letter.resource, key=key_text(letter.key))


def _resource(one: Resource, runs: int) -> SyncResource:
    settings = one.settings
    fixed: dict[str, Any] = {
        "resource": one.name,
        "table": settings.table,
        "direction": settings.direction,
        "every_s": None if settings.every_us is None else settings.every_us / 1_000_000,
        "policy": _policy(settings),
        "runs": tuple(map(_run, reversed(one.runs(runs)))),
    }
    try:
        status = one.status()
    except ConfigError as error:
        return SyncResource(**fixed, state="broken", reason=clean(str(error), _ERROR_MOST))
    told = msgspec.structs.asdict(status)
    for name in ("resource", "lag_s"):
        told.pop(name)
    for name in ("reason", "last_error", "sweep_refused"):
        told[name] = None if told[name] is None else clean(told[name], _ERROR_MOST)
    return SyncResource(**fixed, **told, paused=status.state == "paused")


def _run(job: Job) -> SyncRun:
    begun, ended = job.started_at, job.finished_at
    direction: Literal["push", "pull"] = "push" if job.key == PUSH else "pull"
    return SyncRun(
        job_id=job.id,
        direction=direction,
        status=job.status,
        at=ended or job.updated_at,
        run_s=None if begun is None or ended is None else max((ended - begun).total_seconds(), 0.0),
        error=None if job.last_error is None else clean(job.last_error.partition("\n")[0], 500),
    )


def _policy(settings: Settings) -> str:
    match settings.on_conflict:
        case Latest():
            return "latest"
        case PerField():
            return "merge"
        case str(word):
            return word
        case _:
            return "function"


def _document(text: str) -> str:
    try:
        told = msgspec.json.encode(shown(msgspec.json.decode(text))).decode()
    except msgspec.DecodeError:
        told = clean(text)
    return told[:2000]
