"""The supervisor process: holds the service's lock and keeps one dispatcher alive.

Run by its path rather than as a module, without ``site``, so that neither the package's public names nor
anything installed beside it is loaded here:

    python -S -P .../supervisor.py FOLDER GRACE [--detach] [--json-log] [--report FD] [--watch DIR]...
        -- COMMAND...

COMMAND must write one line of JSON to its status pipe, ``{"ready": …}`` or ``{"error": "why"}``. SIGTERM and
SIGINT stop it gracefully, a second one at once; SIGUSR1 replaces it gracefully by a new one.

It reads no clock: every wait is the one alarm of its present state, and, under a service manager with a
watchdog, the alarm by which that is told that the dispatcher lives.
"""

from __future__ import annotations

import os
import select
import signal
import sys

if __name__ == "__main__":
    _package = type(sys)("windlass")
    _package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules["windlass"] = _package

from windlass import service
from windlass.platform import FileLock, kill_group
from windlass.service.herald import Alarms, Herald

_MARGIN_S = 4.0
"""Beyond the grace: the dispatcher ends itself before, so killing it is the last resort."""
_NOW_S = 1.0
"""What a dispatcher that was told twice has left to kill its isolates."""
_SETTLED_S = 1.0
"""A dispatcher that was ready for this long is no crash loop."""
_WATCH_MS = 500
_FAILED_STARTS_MAX = 5
_KILLED_STARTS_MAX = 3
_json_log = False
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM)


class Options:
    """What the command line asks for; see the top of the file."""

    def __init__(self, arguments: list[str]) -> None:
        at = arguments.index("--")
        self.command = arguments[at + 1 :]
        self.folder, self.grace = arguments[0], float(arguments[1])
        self.detach = False
        self.report_fd = -1
        self.json_log = False
        self.watch: list[str] = []
        flags = iter(arguments[2:at])
        for flag in flags:
            match flag:
                case "--detach":
                    self.detach = True
                case "--json-log":
                    self.json_log = True
                case "--report":
                    self.report_fd = int(next(flags))
                case "--watch":
                    self.watch.append(next(flags))
                case _:
                    raise SystemExit(f"windlass: the supervisor knows no {flag}")


class Supervisor:
    """One dispatcher after another until told to stop; ``run`` returns the exit code."""

    def __init__(self, options: Options, lock: FileLock) -> None:
        self.options = options
        self.lock = lock
        self.state = "starting"
        self.child = 0
        self.restarts = 0
        self._ever_ready = False
        self._early_deaths = 0
        self._stops = 0
        self._reason = ""
        self._code: int | None = None
        self._life_fd = self._status_fd = -1
        self._heard = b""
        self._poll = select.poll()
        self._wake_fd, wake_write = os.pipe()
        os.set_blocking(self._wake_fd, False)
        os.set_blocking(wake_write, False)
        for number in _SIGNALS:
            signal.signal(number, _noted)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._poll.register(self._wake_fd, select.POLLIN)
        self._alarms = Alarms()
        self._herald = Herald(detached=options.detach)
        self._alarms.set("watchdog", self._herald.look_every_s)
        self._watch = None
        if options.watch:
            from windlass.service.reload import Watch

            self._watch = Watch(options.watch)

    def run(self) -> int:
        """Returns when the service has ended, with nothing of it left running."""
        self._spawn()
        while self._code is None:
            ready = self._poll.poll(_WATCH_MS if self._watch else None)
            if not ready and self._watch and (changed := self._watch.changed()):
                say(f"{changed} changed: restarting")
                self._replace()
            readable = {fd for fd, _ in ready}
            # The child before the signals: its last words belong to its death.
            if self._status_fd in readable:
                self._hear_child()
            if self._wake_fd in readable:
                self._hear_signals()
        self.lock.write("")
        if self._code == service.START_FAILED:
            # Released before it is told: whoever hears it may start another at once.
            self.lock.release()
            self._report(self._reason.encode())
        return self._code

    # ── what happens ───────────────────────────────────────────────────────────────────────────
    def _hear_signals(self) -> None:
        # A set: ten SIGCHLDs say no more than one. Two stops that arrive together are one decision.
        numbers = set(os.read(self._wake_fd, 512))
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGALRM in numbers and self._code is None:
            for name in self._alarms.rung():
                self._alarm_rang(name)
        if signal.SIGUSR1 in numbers and self._code is None:
            self._replace()
        if numbers & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} and self._code is None:
            self._stop()

    def _hear_child(self) -> None:
        try:
            chunk = os.read(self._status_fd, 65536)
        except BlockingIOError:
            # It died, and a process it left behind holds the pipe open.
            chunk = b""
        self._heard += chunk
        if chunk and b"\n" not in self._heard:
            return
        line = self._heard.partition(b"\n")[0]
        self._forget_status()
        if line.startswith(b'{"ready"'):
            self._ever_ready = True
            self._reason = ""
            self._herald.expects(line)
            if self.state == "starting":
                self._enter("settling", _SETTLED_S)
            self._report(line)
        elif line.startswith(b'{"error"') and line.endswith(b"}"):
            self._reason = line.decode(errors="replace")

    def _alarm_rang(self, name: str) -> None:
        match self.state:
            case _ if name == "watchdog":
                self._herald.look(self.state)
                self._alarms.set(name, self._herald.look_every_s)
            case "settling":
                self._early_deaths = 0
                self._enter("ready")
            case "waiting":
                self._spawn()
            case "stopping" | "replacing":
                say(f"dispatcher {self.child} did not end in time: killed")
                kill_group(self.child)
            case _:
                pass

    def _stop(self) -> None:
        self._stops += 1
        if not self.child:
            self._code = 0
            return
        if self._stops > 1:
            # Another signal than the first: two of a kind that arrive together are one.
            os.kill(self.child, signal.SIGINT)
        elif self.state != "replacing":
            os.kill(self.child, signal.SIGTERM)
        self._enter("stopping", self.options.grace + _MARGIN_S if self._stops == 1 else _NOW_S)

    def _replace(self) -> None:
        if self.state == "stopping":
            return
        if not self.child:
            self._spawn()
        elif self.state != "replacing":
            os.kill(self.child, signal.SIGTERM)
            self._enter("replacing", self.options.grace + _MARGIN_S)

    def _reap(self) -> None:
        # Any child: as a container's first process it is given those that others left behind.
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.child:
                self._ended(os.waitstatus_to_exitcode(status))

    def _ended(self, code: int) -> None:
        # What it said last may still lie in the pipe.
        while self._status_fd >= 0:
            self._hear_child()
        kill_group(self.child)
        os.close(self._life_fd)
        asked, self.child = self.state, 0
        if asked == "stopping":
            self._code = 0
        elif asked == "replacing":
            self._early_deaths = 0
            self._restart()
        elif code == 0:
            self._code = 0
        else:
            self._judge(code)

    def _judge(self, code: int) -> None:
        """It died by itself: is another worth starting?"""
        self._early_deaths += 1
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        hopeless = False
        if not self._ever_ready:
            hopeless = code > 0 or self._early_deaths >= _KILLED_STARTS_MAX
        elif code == service.START_FAILED:
            hopeless = self._early_deaths >= _FAILED_STARTS_MAX
        if hopeless:
            if code not in (service.START_FAILED, service.DATABASE_AWAY) or not self._reason:
                self._reason = _error(f"the dispatcher {how} before it was ready")
            say(f"giving up: {self._reason}")
            if self._watch:
                self._enter("broken")
                return
            self._code = service.START_FAILED
        else:
            # Also where the database is away, for however long: once it served, so it will again.
            delay_s = min(0.05 * 2 ** (self._early_deaths - 2), 2.0) if self._early_deaths > 1 else 0.0
            say(f"the dispatcher {how}; starting another {f'in {delay_s:g} s' if delay_s else 'at once'}")
            self._restart(delay_s)

    def _restart(self, delay_s: float = 0.0) -> None:
        self.restarts += 1
        if delay_s:
            self._enter("waiting", delay_s)
        else:
            self._spawn()

    # ── how ────────────────────────────────────────────────────────────────────────────────────
    def _spawn(self) -> None:
        life_read, self._life_fd = os.pipe()
        self._status_fd, status_write = os.pipe()
        os.set_blocking(self._status_fd, False)
        self._heard = b""
        env = dict(os.environ)
        env[service.SUPERVISED] = f"{os.getpid()},{life_read},{status_write}"
        quiet = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        for fd in (life_read, status_write):
            os.set_inheritable(fd, True)
        try:
            # A group of its own: a terminal's Ctrl-C reaches it once, through us.
            self.child = os.posix_spawn(
                self.options.command[0], self.options.command, env, file_actions=quiet, setpgroup=0
            )
        except OSError as error:
            say(f"cannot start {self.options.command[0]}: {error}")
            os.close(self._life_fd)
            os.close(self._status_fd)
            self._status_fd = -1
            self._reason = _error(f"cannot start {self.options.command[0]}: {error.strerror}")
            self._judge(service.START_FAILED)
            return
        finally:
            os.close(life_read)
            os.close(status_write)
        self._poll.register(self._status_fd, select.POLLIN)
        self._herald.expects()
        self._enter("starting")

    def _enter(self, state: str, alarm_s: float = 0.0) -> None:
        self.state = state
        self._alarms.set("state", alarm_s)
        self.lock.write(
            f'{{"pid":{os.getpid()},"dispatcher":{self.child},"state":"{state}","restarts":{self.restarts},'
            f'"grace":{self.options.grace:g},"last":{self._reason or "null"}}}\n'
        )
        # After the lock's text: who hears that it is ready may ask it.
        self._herald.enters(state)

    def _forget_status(self) -> None:
        self._poll.unregister(self._status_fd)
        os.close(self._status_fd)
        self._status_fd = -1

    def _report(self, line: bytes) -> None:
        fd, self.options.report_fd = self.options.report_fd, -1
        if fd >= 0:
            report(fd, line)


def report(fd: int, line: bytes) -> None:
    """Tells whoever started us, who may have gone."""
    try:
        os.write(fd, line + b"\n")
    except BrokenPipeError:
        say("whoever started the service no longer listens")
    os.close(fd)


def say(text: str) -> None:
    """One line to the service's log; a full disk or a closed terminal must not end the service."""
    try:
        os.write(2, (_as_json(text) if _json_log else f"windlass: {text}\n").encode())
    except OSError:
        return


def _as_json(text: str) -> str:
    import json

    # No time: this process reads no clock, and whoever collects lines stamps them.
    told = {"level": "warning", "logger": "windlass.supervisor", "message": text, "process": os.getpid()}
    return json.dumps(told) + "\n"


def _error(text: str) -> str:
    import json

    return json.dumps({"error": text})


def _noted(number: int, frame: object) -> None:
    """The signal's number is in the wake-up pipe already."""


def _take(lock: FileLock) -> bool:
    for _ in range(50):
        if lock.try_acquire():
            return True
        # An onlooker's test of the lock holds it for microseconds; a service holds it for good.
        select.select([], [], [], 0.01)
    return False


def main(arguments: list[str]) -> int:
    """Runs the service; see the top of the file."""
    global _json_log
    options = Options(arguments)
    _json_log = options.json_log
    if options.detach and os.fork():
        # Init, not the program that called start(), is to be the parent: it leaves no zombie behind.
        os._exit(0)
    lock = FileLock(os.path.join(options.folder, service.LOCK))
    if not _take(lock):
        say("a service already serves this database")
        if options.report_fd >= 0:
            report(options.report_fd, b'{"already_running": true}')
        return service.ALREADY_RUNNING
    return Supervisor(options, lock).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
