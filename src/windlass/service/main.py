"""The dispatcher process: loads the program, runs its jobs in isolates, answers on the socket, ends in time.

    python -m windlass.service.main TARGET FOLDER

Started by the supervisor only, which it tells on the status pipe when it is ready, or why it cannot be.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from windlass import platform, systemd
from windlass.errors import ConfigError, StoreUnavailable, WindlassError
from windlass.logs import configure_logging
from windlass.redact import describe, message_of
from windlass.service import DATABASE_AWAY, START_FAILED, SUPERVISED
from windlass.service.log import trim_log
from windlass.service.messages import SOCKET, MessageServer

if TYPE_CHECKING:
    from windlass.target import AppLike
    from windlass.worker.dispatcher import Dispatcher
    from windlass.worker.isolates import IsolatePool

log = logging.getLogger("windlass.service")

_MARGIN_S = 3.0
"""Beyond the grace: to settle, to kill the isolates and to go. The supervisor waits a second more."""
_NOW_S = 0.8


class Supervision:
    """The ties to the supervisor: the dispatcher ends when it does, and tells it how the start went."""

    def __init__(self, told: str) -> None:
        parent, life_fd, status_fd = (int(part) for part in told.split(","))
        self.life_fd = life_fd
        self._service_pid = parent
        self._status_fd = status_fd
        platform.set_parent_death_signal(parent)
        for fd in (life_fd, status_fd):
            # No isolate, and nothing a handler starts, may hold these open.
            os.set_inheritable(fd, False)

    def ready(self, **more: object) -> None:
        """Work can begin. ``pulse`` is the file whose text moves while we live, and says how often."""
        self._tell({"ready": {"service": self._service_pid, "dispatcher": os.getpid(), **more}})

    def failed(self, reason: str) -> None:
        """It never will."""
        self._tell({"error": reason[:4000]})

    def _tell(self, what: object) -> None:
        fd, self._status_fd = self._status_fd, -1
        if fd >= 0:
            os.write(fd, json.dumps(what).encode() + b"\n")
            os.close(fd)

    @property
    def is_ready(self) -> bool:
        """The supervisor has been told."""
        return self._status_fd < 0


class Ending:
    """Ends the process in time, however it was asked to: by signals, a program, a worker or a lost parent."""

    def __init__(self) -> None:
        self._dispatcher: Dispatcher | None = None
        self._grace_s = 0.0
        self._signals = 0
        self._lock = threading.Lock()
        self.begun = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def mind(self, dispatcher: Dispatcher, grace_s: float) -> None:
        """From now on there is something to end gracefully."""
        self._dispatcher, self._grace_s = dispatcher, grace_s

    def begin(self) -> None:
        """No more claims; running jobs get their grace; then all ends. On any thread; once is enough."""
        with self._lock:
            begun, self.begun = self.begun, True
        if not begun:
            self._end_within(self._grace_s, _MARGIN_S)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1
        if self._dispatcher is None:
            # The program is still being loaded: nothing has been claimed.
            os._exit(0)
        if self._signals == 1:
            # On a thread: this one may hold the lock at this moment.
            threading.Thread(target=self.begin).start()
        else:
            self._end_within(0.0, _NOW_S)

    def _end_within(self, grace_s: float, margin_s: float) -> None:
        assert self._dispatcher is not None
        self._dispatcher.stop(grace_s)
        watchdog = threading.Timer(grace_s + margin_s, _end_now)
        watchdog.daemon = True
        watchdog.start()


def _end_now() -> None:
    # Isolates end with us: by the kernel's word, or by their closed sockets. Their jobs are reclaimed.
    os.write(2, b"windlass: the dispatcher did not end in time; this is where it was:\n")
    faulthandler.dump_traceback()
    os._exit(0)


def _orphaned() -> None:
    os.write(2, b"windlass: the supervisor is gone\n")
    os._exit(1)


def serve(target: str, folder: str, supervision: Supervision, ending: Ending) -> None:
    """Runs the service's jobs until it is stopped.

    Raises:
        ConfigError: the program uses another database than the service was started for.
        WindlassError: whatever else keeps it from starting.
    """
    from windlass.target import load_app
    from windlass.version import VERSION
    from windlass.worker.dispatcher import Dispatcher

    app = load_app(target)
    settings = app.settings
    configure_logging(settings)
    if app.place.folder != os.path.realpath(folder):
        raise ConfigError(
            f"the service was started for the database of {folder}, but {target} uses {app.place.shown}: "
            "start it from the same working directory, with the same settings"
        )
    app.prepare()

    def ready() -> None:
        if not supervision.is_ready:
            server.workers_ready()
            ours = (row.lock_file for row in app.store.dispatchers() if row.id == dispatcher.owner)
            # One that is taken for dead at this very moment has no row, until it hears of it.
            supervision.ready(pulse=next(ours, ""))
            log.info("ready: %s, %d isolates", app.place.shown, settings.isolates)

    def publish(name: str, data: Any, request_id: int | None) -> None:
        server.publish(name, data, request_id)

    pool, desk = _pool(app, target), app.make_desk()
    dispatcher = Dispatcher(
        app.store,
        pool,
        state_dir=Path(folder),
        job_keys=app.registry.keys(),
        own_keys=app.registry.own_keys(),
        version=VERSION,
        poll_s=settings.poll,
        grace_s=settings.grace,
        retention_us=settings.retention_us,
        retention_count=settings.retention_count,
        sources=app.make_sources(),
        open_device=app.open_device,
        host=settings.host,
        labels=settings.labels,
        on_message=publish,
        on_ready=ready,
        on_stop=ending.begin,
        tap=lambda inbox: desk.tap(inbox, pool.held),
    )
    ending.mind(dispatcher, settings.grace)
    server = MessageServer(
        f"{platform.runtime_dir(folder)}/{SOCKET}",
        broadcast=dispatcher.broadcast,
        stop=ending.begin,
        scale=dispatcher.scale,
        hourly=lambda: trim_log(folder),
    )
    server.watch(supervision.life_fd, _orphaned)
    server.start()
    try:
        _run(dispatcher)
    finally:
        desk.close()
        server.close()
        platform.leave_runtime_dir(folder)
        app.store.close()


def _pool(app: AppLike, target: str) -> IsolatePool:
    from windlass.service.traits import traits_of
    from windlass.worker.isolates import IsolatePool

    settings = app.settings
    return IsolatePool(
        target,
        traits_of(app.registry),
        count=settings.isolates,
        async_concurrency=settings.async_concurrency,
        cancel_grace_s=settings.cancel_grace,
        recycle_after_jobs=settings.recycle_after_jobs,
        recycle_memory_mb=settings.recycle_memory_mb,
    )


def main(arguments: Sequence[str]) -> NoReturn:
    """Runs the process to its end; see the top of the file."""
    told = os.environ.pop(SUPERVISED, None)
    systemd.keep_to_self()
    if told is None or len(arguments) != 2:
        sys.exit("windlass: the dispatcher is started by the service's supervisor: use windlass run")
    faulthandler.enable()
    supervision = Supervision(told)
    ending = Ending()
    target, folder = arguments
    code = 0
    try:
        serve(target, folder, supervision, ending)
    except BaseException as error:  # noqa: BLE001 - the last resort of a process: told, logged, and its end
        # Also SystemExit: a program that calls sys.exit() while it is loaded must not look like a clean end.
        log.critical("the dispatcher fails: %s", describe(error))
        # Whoever asked for the end gets it: only a service that was to go on is started again.
        refused = DATABASE_AWAY if isinstance(error, StoreUnavailable) else START_FAILED
        code = 0 if ending.begun else 1 if supervision.is_ready else refused
        supervision.failed(_reason(error))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit(): a thread that the program started when it was loaded must not keep the service alive.
    os._exit(code)


def _reason(error: BaseException) -> str:
    told = message_of(error)
    if isinstance(error, WindlassError | RuntimeError):
        return told
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {told}{where}"


def _run(dispatcher: Dispatcher) -> None:
    # What is loaded by now stays: nobody need look through it again and again. And what a turn makes is gone
    # with it, mostly before the collector comes by.
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    dispatcher.run()


if __name__ == "__main__":
    main(sys.argv[1:])
