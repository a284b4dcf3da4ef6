"""Starting, stopping and asking a background service, from any program."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from windlass import clock, platform
from windlass.bridge import asynchronous
from windlass.config import Settings
from windlass.duration import Duration, describe, to_seconds
from windlass.errors import AlreadyRunning, InvalidJob, NotRunning, ServiceError, StartFailed
from windlass.fields import checked_count
from windlass.service import LOCK
from windlass.service.calling import Listener, call
from windlass.service.log import LOG, open_log
from windlass.service.messages import SCALE_MOST
from windlass.service.status import ServiceStatus
from windlass.store.place import Place, place_of

SUPERVISOR_FLAG = "--windlass-supervisor"
DISPATCHER_FLAG = "--windlass-dispatcher"
_ANSWER_S = 10.0
_STOP_ANSWER_S = 2.0
_MARGIN_S = 5.0
_LOOK_S = (0.002, 0.05)


class ServiceControl:
    """``app.service``: the background service of one database, whoever started it.

    ``settings`` is asked when first needed; ``target``: where the service finds the program, or who tells.
    """

    def __init__(
        self, settings: Callable[[], Settings], *, target: str | Callable[[], str | None] | None = None
    ) -> None:
        self._settings = settings
        self._target = target
        self._listener = Listener(lambda: platform.runtime_dir(self.folder, create=False))

    @cached_property
    def folder(self) -> str:
        """The state folder beside the database."""
        return self._place.folder

    # ── life ───────────────────────────────────────────────────────────────────────────────────
    def start(self, target: str | None = None, *, wait: Duration = 10.0) -> int:
        """Starts the service in the background and returns its process id once it is ready.

        It runs in a session of its own, in the present working directory, goes on when this program ends, and
        logs to ``service.log`` in the state folder. ``target`` says where it finds the program,
        ``module:attr`` or ``path/to/script.py[:attr]``; by default, where this app was created.

        Raises:
            AlreadyRunning: a service already serves this database.
            StartFailed: it is disabled, or could not start (the message carries its own reason), or was not
                ready within ``wait``; then nothing of it is left running.
        """
        settings = self._settings()
        chosen = self._check_start(settings, target)
        if (running := self.status()) is not None:
            raise AlreadyRunning(f"a service already serves {self._place.shown}: process {running.pid}")
        self._place.make_folder()
        heard, told = os.pipe()
        log = open_log(self.folder)
        try:
            launcher = subprocess.Popen(
                _supervisor(self.folder, chosen, settings, "--detach", "--report", str(told)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(told,),
                start_new_session=True,
            )
        finally:
            os.close(log)
            os.close(told)
        # It has forked by now or will at once; the supervisor itself is no child of ours.
        launcher.wait()
        try:
            return self._await_ready(heard, to_seconds(wait, name="wait"))
        finally:
            os.close(heard)

    def stop(self, *, wait: Duration | None = None) -> bool:
        """Stops the service gracefully and returns when it has ended; False when there was none.

        Running jobs get the grace period of that service; after ``wait``, by default five seconds more than
        that, it is killed.

        Raises:
            ServiceError: it could not be ended, or is not ours to end.
        """
        running = self.status()
        if running is None:
            return False
        try:
            folder, answer_s = self._socket_folder, _STOP_ANSWER_S
            call(folder, ["stop"], is_running=self.is_running, timeout_s=answer_s, retry=False)
        except (ServiceError, OSError):
            # Nobody answers on the socket: it is starting, or stuck. The supervisor always hears.
            self._signal(signal.SIGTERM)
        patience_s = running.grace + _MARGIN_S if wait is None else to_seconds(wait, name="wait")
        if self._await(lambda: not self.is_running(), patience_s):
            return True
        self._signal(signal.SIGKILL)
        if not self._await(lambda: not self.is_running(), _MARGIN_S):
            raise ServiceError(f"process {running.pid} still holds {self._lock_path} after it was killed")
        return True

    def restart(self, *, wait: Duration = 10.0) -> None:
        """Replaces the dispatcher and its isolates, which load the program anew; returns when they are ready.

        Running jobs get the grace period first. The environment stays what it was at ``start``.

        Raises:
            NotRunning: there is no service.
            StartFailed: the program cannot be loaded any more, or was not ready ``wait`` after the grace.
        """
        before = self.status()
        if before is None:
            raise NotRunning(f"no service runs for {self._place.shown}: there is nothing to restart")
        patience_s = before.grace + _MARGIN_S + to_seconds(wait, name="wait")
        now: list[ServiceStatus | None] = [before]

        def is_decided() -> bool:
            now[0] = status = self.status()
            return status is None or (
                status.dispatcher != before.dispatcher
                and (status.state == "ready" or status.last_error is not None)
            )

        self._signal(signal.SIGUSR1)
        decided = self._await(is_decided, patience_s)
        if not decided or now[0] is None or now[0].state != "ready":
            reason = now[0] and now[0].last_error
            raise StartFailed(reason or f"the service did not come back: {self._log_path} says why")

    def is_running(self) -> bool:
        """True while a service serves this database, whoever started it."""
        return platform.is_locked(self._lock_path)

    def status(self) -> ServiceStatus | None:
        """How the service is; None when there is none."""
        for _ in range(20):
            if not self.is_running():
                return None
            told = self._read_lock()
            if told is not None:
                return told
            clock.sleep(_LOOK_S[0])
        return ServiceStatus(
            pid=None,
            dispatcher=None,
            state="unknown",
            restarts=0,
            grace=self._settings().grace,
            last_error=None,
            log=self._log_path,
        )

    def scale(self, isolates: int, *, timeout: Duration | None = None) -> None:
        """Runs jobs in so many isolates from now on: starts more, or lets some end when their jobs have.

        Returns once the service has accepted it. It lasts until its dispatcher is started again, by a restart
        or after a crash: then the setting ``isolates`` counts.

        Raises:
            InvalidJob: not a number of isolates.
            NotRunning: there is no service.
            ServiceError: it did not answer in time.
        """
        if checked_count("isolates", isolates) > SCALE_MOST:
            raise InvalidJob(f"expected at most {SCALE_MOST} isolates, got {isolates}")
        timeout_s = _ANSWER_S if timeout is None else to_seconds(timeout, name="timeout")
        call(self._socket_folder, ["scale", isolates], is_running=self.is_running, timeout_s=timeout_s)

    # ── messages ───────────────────────────────────────────────────────────────────────────────
    def invoke(
        self, name: str, data: Any = None, *, timeout: Duration | None = None, reply: bool = False
    ) -> Any:
        """Calls, in every worker, the callbacks that ``@app.on_start`` gave ``service.on(name, callback)``.

        Returns once the message is on its way to the workers; with ``reply=True``, what the first callback
        returned that did not return None. While the service starts or restarts, this waits: ``timeout`` is 10
        seconds unless given. ``data`` is anything JSON could hold, at most one MiB.

        A message dies with the process that holds it. What must not be lost is a job.

        Raises:
            NotRunning: there is no service.
            ServiceError: it did not answer in time.
            InvalidPayload: the data cannot be sent.
        """
        timeout_s = _ANSWER_S if timeout is None else to_seconds(timeout, name="timeout")
        message = ["invoke", 1, name, data, reply]
        return call(self._socket_folder, message, is_running=self.is_running, timeout_s=timeout_s)

    ainvoke = asynchronous(invoke)

    def on(self, name: str, callback: Callable[[Any], object]) -> Callable[[], None]:
        """Calls ``callback(data)`` for each message of that name from workers; call the result to end it.

        Callbacks run in one background thread. The first program that listens also hears what was sent
        before (the last 1,000 messages); listening goes on when the service restarts, or starts later.
        """
        return self._listener.on(name, callback)

    def close(self) -> None:
        """Ends listening; the service goes on."""
        self._listener.close()

    # ── within ─────────────────────────────────────────────────────────────────────────────────
    @property
    def _place(self) -> Place:
        return place_of(self._settings().database)

    @property
    def _lock_path(self) -> str:
        return f"{self.folder}/{LOCK}"

    @property
    def _log_path(self) -> str:
        return f"{self.folder}/{LOG}"

    @property
    def _socket_folder(self) -> str:
        return platform.runtime_dir(self.folder, create=False)

    def _check_start(self, settings: Settings, target: str | None) -> str:
        from windlass.target import loading

        if loading():
            raise StartFailed(
                "the program starts the service while the service is loading it: put the start under "
                '`if __name__ == "__main__":`'
            )
        if not settings.service_enabled:
            raise StartFailed("the service is disabled: service.enabled is false in the configuration")
        return check_target(
            target or settings.app or (self._target() if callable(self._target) else self._target)
        )

    def _await_ready(self, heard: int, wait_s: float) -> int:
        deadline = clock.monotonic() + wait_s
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([heard], [], [], max(deadline - clock.monotonic(), 0.0))
            if not readable:
                self.stop(wait=_MARGIN_S)
                raise StartFailed(
                    f"it was not ready within {describe(round(wait_s * 1e6))}: {self._log_path} may say why"
                )
            chunk = os.read(heard, 65536)
            if not chunk:
                raise StartFailed(f"it ended without a word: {self._log_path} may say why")
            line += chunk
        told: dict[str, Any] = json.loads(line)
        if "already_running" in told:
            raise AlreadyRunning(f"a service already serves {self._place.shown}")
        if "error" in told:
            raise StartFailed(told["error"])
        return told["ready"]["service"]

    def _read_lock(self) -> ServiceStatus | None:
        line = Path(self._lock_path).read_bytes().partition(b"\n")[0]
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            # Between taking the lock and the first word, or between two.
            return None
        last: dict[str, str] = told["last"] or {}
        return ServiceStatus(
            pid=told["pid"],
            dispatcher=told["dispatcher"] or None,
            state="ready" if told["state"] == "settling" else told["state"],
            restarts=told["restarts"],
            grace=told["grace"],
            last_error=last.get("error"),
            log=self._log_path,
        )

    def _signal(self, number: int) -> None:
        status = self.status()
        if status is None or status.pid is None:
            return
        try:
            os.kill(status.pid, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise ServiceError(f"process {status.pid} runs as another user: stop it as that user") from error

    def _await(self, condition: Callable[[], bool], patience_s: float) -> bool:
        deadline = clock.monotonic() + patience_s
        pause = _LOOK_S[0]
        while not condition():
            if clock.monotonic() >= deadline:
                return False
            clock.sleep(pause)
            pause = min(pause * 1.5, _LOOK_S[1])
        return True


def check_target(target: str | None) -> str:
    """The target, where a service can run at all.

    Raises:
        StartFailed: it cannot run here, or nobody said where the program is.
    """
    if platform.WINDOWS:
        raise StartFailed(
            "the background service needs a POSIX system; here, run jobs with `with app.running():`"
        )
    if not target:
        raise StartFailed(
            "the service must know where your program is: give start() or windlass run a target, such as "
            '"app:app" or "path/to/script.py"'
        )
    return target


def run_foreground(settings: Settings, target: str | None = None, *, reload: bool = False) -> NoReturn:
    """Becomes the service, in the foreground, logging to stderr. Ends with its exit code, or raises at once.

    Raises:
        AlreadyRunning: a service already serves this database.
        StartFailed: nobody said where the program is.
    """
    chosen = check_target(target or settings.app)
    place = place_of(settings.database)
    folder = place.make_folder()
    if platform.is_locked(f"{folder}/{LOCK}"):
        raise AlreadyRunning(f"a service already serves {place.shown}: windlass stop ends it")
    watched = [argument for path in settings.reload_dirs for argument in ("--watch", path)] if reload else []
    command = _supervisor(folder, chosen, settings, *watched)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)


def freeze_support() -> None:
    """Lets a frozen program be its own service: call it first thing in the program's main script.

    Does nothing unless the program was started as one of the service's processes, which then never returns.
    """
    from windlass.worker.isolate import FLAG as ISOLATE_FLAG
    from windlass.worker.isolate import main as isolate_main

    match sys.argv[1:]:
        case [flag, *arguments] if flag == SUPERVISOR_FLAG:
            from windlass.service.supervisor import main as supervisor_main

            sys.exit(supervisor_main(arguments))
        case [flag, *arguments] if flag == DISPATCHER_FLAG:
            from windlass.service.main import main as dispatcher_main

            dispatcher_main(arguments)
        case [flag, argument] if flag == ISOLATE_FLAG:
            isolate_main(argument)
            sys.exit(0)
        case _:
            return


def _supervisor(folder: str, target: str, settings: Settings, *flags: str) -> list[str]:
    form = ["--json-log"] if settings.log_format == "json" else []
    arguments = [folder, f"{settings.grace:g}", *form, *flags, "--"]
    if getattr(sys, "frozen", False):
        return [sys.executable, SUPERVISOR_FLAG, *arguments, sys.executable, DISPATCHER_FLAG, target, folder]
    script = str(Path(__file__).with_name("supervisor.py"))
    dispatcher = [sys.executable, "-m", "windlass.service.main", target, folder]
    # Without site and without the folder of the script: it needs nothing that is installed.
    return [sys.executable, "-S", "-P", script, *arguments, *dispatcher]
