"""The session, the service and its log, the handlers, and what was done."""

from __future__ import annotations

import inspect
import logging
import os
import threading
from pathlib import Path

import msgspec

from windlass.app import Windlass
from windlass.clock import Clock, from_us
from windlass.errors import ConfigError, ServiceError, StartFailed, StoreError
from windlass.handlers import Handler
from windlass.redact import clean
from windlass.service.log import LOG
from windlass.version import VERSION
from windlass.web.routing import Call, Problem, Routes
from windlass.web.shapes.jobs import Command
from windlass.web.shapes.system import HandlerRow, Handlers, Scale, ServiceState, Session

log = logging.getLogger("windlass.web")

routes = Routes("system")

TAIL_LINES = 100
_TAIL_BYTES = 64 << 10
_LINE_BYTES = 2000
_STOP_SEEN_S = 2.0


@routes.get("/api/session")
def session(call: Call) -> Session:
    """Who looks, and at what."""
    app = call.app
    return Session(
        who=call.visitor.who,
        read_only=call.visitor.read_only,
        csrf=call.visitor.csrf or "",
        version=VERSION,
        title=app.settings.title or app.place.title.removesuffix(".db"),
        database=app.place.base if app.place.is_file else app.place.shown,
        app=_target(app),
        can_run_jobs=bool(app.registry.handlers()),
        clock=from_us(_clock(app).wall_us()),
    )


def _clock(app: Windlass) -> Clock:
    """The rows' clock; this machine's where the database cannot be opened, which the other pages tell."""
    try:
        return app.store.clock
    except StoreError:
        return app.clock


# ── the service ──────────────────────────────────────────────────────────────────────────────────
@routes.get("/api/service")
def service(call: Call) -> ServiceState:
    """How the background service is, and the end of its log."""
    return _service(call.app)


@routes.post("/api/service/start")
def start(call: Call) -> ServiceState:
    """Starts the service in the background, and returns once it is ready."""
    call.app.service.start()
    return _service(call.app)


@routes.post("/api/service/stop")
def stop(call: Call) -> ServiceState:
    """Asks the service to stop. Running jobs get its grace period: the answer does not wait for that."""
    if not call.app.service.is_running():
        raise Problem(409, "not_running", "no service is running", way_out="windlass start")
    stopping = threading.Thread(target=_stop, args=(call.app,), name="windlass-stop", daemon=True)
    stopping.start()
    stopping.join(_STOP_SEEN_S)
    return _service(call.app)


@routes.post("/api/service/restart")
def restart(call: Call) -> ServiceState:
    """Has the service load its program anew, and returns once that is ready."""
    call.app.service.restart()
    return _service(call.app)


@routes.put("/api/service/isolates")
def scale(call: Call, body: Scale) -> ServiceState:
    """Runs jobs in so many processes from now on, until the service is started again."""
    call.app.service.scale(body.isolates)
    return _service(call.app)


def _service(app: Windlass) -> ServiceState:
    status = app.service.status()
    why_not = None
    if status is None:
        why_not = _why_not(app)
    return ServiceState(
        running=status is not None,
        state="stopped" if status is None else status.state,
        pid=None if status is None else status.pid,
        dispatcher=None if status is None else status.dispatcher,
        restarts=0 if status is None else status.restarts,
        grace_s=None if status is None else status.grace,
        last_error=None if status is None or status.last_error is None else clean(status.last_error),
        log=os.path.join(app.service.folder, LOG),
        log_tail=tail_of(Path(app.service.folder, LOG)),
        can_start=status is None and why_not is None,
        why_not=why_not,
        commands=[
            Command(does="Start it", command="windlass start"),
            Command(does="Stop it", command="windlass stop"),
            Command(does="How it is", command="windlass status"),
            Command(does="Follow its log", command="windlass service logs --follow"),
        ],
    )


def _why_not(app: Windlass) -> str | None:
    if not app.settings.service_enabled:
        return "the service is disabled: service.enabled is false in the configuration"
    if _target(app) is None:
        return "which program would it run? windlass ui --app app:app tells, or app in windlass.toml"
    return None


def _target(app: Windlass) -> str | None:
    if not app.registry.handlers() and app.settings.app is None:
        return None
    try:
        return app.target
    except (ConfigError, StartFailed) as error:
        log.debug("where the program is found cannot be told: %s", error)
        return None


def _stop(app: Windlass) -> None:
    try:
        app.service.stop()
    except ServiceError as error:
        log.warning("the service did not stop: %s", error)


def tail_of(path: Path) -> list[str]:
    """The last lines of a log, without secrets; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL_BYTES, 0))
            told = file.read()
    except OSError:
        return []
    lines = told.decode(errors="replace").splitlines()
    # The first one may have been cut.
    whole = lines[1:] if len(told) == _TAIL_BYTES else lines
    return [clean(line, _LINE_BYTES) for line in whole[-TAIL_LINES:]]


# ── what can be run ──────────────────────────────────────────────────────────────────────────────
@routes.get("/api/handlers")
def handlers(call: Call) -> Handlers:
    """The job keys this program knows, with the JSON Schemas of their payloads."""
    own = [one for one in call.app.registry.handlers() if not one.is_fallback]
    return Handlers(
        handlers=[handler_row(one) for one in sorted(own, key=lambda one: one.key)],
        known=bool(own),
        note=None if own else "The program is not loaded here: windlass ui --app app:app loads it.",
        command="windlass enqueue KEY '{…}'",
    )


def handler_row(handler: Handler) -> HandlerRow:
    """A handler as a form needs it."""
    options = handler.options
    told = inspect.getdoc(handler.fn)
    return HandlerRow(
        key=handler.key,
        title=options.title,
        summary=None if not told else clean(" ".join(told.partition("\n\n")[0].split())),
        schema=handler.schema(),
        queue=options.queue,
        priority=options.priority,
        max_attempts=options.max_attempts,
        timeout_s=None if options.timeout_us is None else options.timeout_us / 1_000_000,
        tags=options.tags,
        concurrency=options.concurrency,
        rate=None if options.rate is None else str(options.rate),
        constraints=None if options.constraints is None else msgspec.json.decode(options.constraints),
        is_async=handler.is_async,
    )
