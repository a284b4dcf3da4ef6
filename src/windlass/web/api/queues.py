"""Queues and limits: pause, resume, limit, while everything runs."""

from __future__ import annotations

from shlex import quote

from msgspec import UNSET

from windlass.app import Windlass
from windlass.limits import LimitState
from windlass.store.protocol import QueueState
from windlass.web.routing import Call, Problem, Routes
from windlass.web.shapes.jobs import Command
from windlass.web.shapes.queues import KeyLimit, LimitChange, LimitLifted, QueueList, QueueRow

routes = Routes("queues")

_COUNT_TO = 10_000


@routes.get("/api/queues")
def every(call: Call) -> QueueList:
    """All queues that hold jobs or are switched, and the limits of job keys."""
    limits = [limit for limit in call.app.limits.list() if limit.kind == "key"]
    return QueueList(
        queues=tuple(map(_row, call.app.queues.list(count_to=_COUNT_TO))),
        key_limits=tuple(map(_key_limit, limits)),
        commands=(
            Command(does="List queues", command="windlass queues list"),
            Command(does="List limits", command="windlass queues limits"),
            Command(does="Pause a queue", command="windlass queues pause QUEUE"),
            Command(does="Limit a queue", command="windlass queues limit QUEUE --concurrency 4 --rate 50/s"),
            Command(does="Run more processes", command="windlass scale 4"),
        ),
    )


@routes.post("/api/queues/{name}/pause")
def pause(call: Call, name: str) -> QueueRow:
    """Starts no more jobs of this queue; what runs goes on."""
    call.app.queues.pause(name)
    return _one(call.app, name)


@routes.post("/api/queues/{name}/resume")
def resume(call: Call, name: str) -> QueueRow:
    """Starts its jobs again."""
    call.app.queues.resume(name)
    return _one(call.app, name)


@routes.put("/api/queues/{name}/limits")
def limit(call: Call, name: str, body: LimitChange) -> QueueRow:
    """Limits how many jobs of a queue run at once, and how often they start."""
    _refuse_nothing(body)
    call.app.limits.set(queue=name, concurrency=body.concurrency, rate=body.rate)
    return _one(call.app, name)


@routes.put("/api/keys/{key}/limits")
def limit_key(call: Call, key: str, body: LimitChange) -> KeyLimit:
    """Limits how many jobs of a key run at once, and how often they start, in whatever queue."""
    _refuse_nothing(body)
    call.app.limits.set(key=key, concurrency=body.concurrency, rate=body.rate)
    found = [one for one in call.app.limits.list() if (one.kind, one.name) == ("key", key)]
    return _key_limit(found[0]) if found else KeyLimit(key=key)


@routes.delete("/api/keys/{key}/limits")
def lift_key(call: Call, key: str) -> LimitLifted:
    """Forgets what was set for a key: what the program declares counts again."""
    if not call.app.limits.lift(key=key):
        raise Problem(
            404, "no_such_limit", f"no limit was set for the key {key!r:.80}",
            way_out=f"windlass queues limit --key {quote(key)} --concurrency 4",
        )  # fmt: skip
    return LimitLifted(kind="key", name=key, lifted=True)


def _one(app: Windlass, name: str) -> QueueRow:
    return next(
        (_row(one) for one in app.queues.list(count_to=_COUNT_TO) if one.queue == name), QueueRow(queue=name)
    )


def _row(state: QueueState) -> QueueRow:
    return QueueRow(
        queue=state.queue, paused=state.paused, concurrency=state.concurrency, rate=state.rate,
        ready=state.ready, scheduled=state.scheduled, held=state.held, running=state.running,
        is_least=state.is_least,
    )  # fmt: skip


def _key_limit(limit: LimitState) -> KeyLimit:
    return KeyLimit(
        key=limit.name, concurrency=limit.concurrency, rate=limit.rate, running=limit.running,
        declared=limit.declared,
    )  # fmt: skip


def _refuse_nothing(body: LimitChange) -> None:
    if body.concurrency is UNSET and body.rate is UNSET:
        raise Problem(
            422, "nothing_to_change", "expected concurrency or rate, got neither: null lifts a limit"
        )
