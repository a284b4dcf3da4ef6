"""Error hooks: code of the program, or of a package beside it, that hears of every attempt that fails.

They run where the handler failed, since only there is the exception itself; each on a thread of its own, so
that no job ever waits for one.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from windlass.clock import monotonic
from windlass.job import Job
from windlass.outcome import Failed, Retried
from windlass.redact import describe
from windlass.store.protocol import Claim, Store

log = logging.getLogger("windlass.worker")

GROUP = "windlass.error_hooks"
"""The group of entry points by which installed packages are asked."""
_WAITING_MOST = 100
_COMPLAIN_EVERY_S = 60.0


class FailedAttempt:
    """An attempt that failed, as error hooks get it. The job may be tried again."""

    __slots__ = ("_claim", "_store", "exception", "outcome")

    def __init__(
        self, claim: Claim, outcome: Failed | Retried, exception: BaseException, store: Callable[[], Store]
    ) -> None:
        self._claim = claim
        self._store = store
        self.exception = exception
        """What the handler raised, with its traceback; its texts are as they were: nothing is redacted."""
        self.outcome = outcome
        """What becomes of the job: ``Retried`` with ``delay_us``, or ``Failed`` with ``reason``."""

    @property
    def job_id(self) -> int:
        """The job's id."""
        return self._claim.job_id

    @property
    def key(self) -> str:
        """The job key."""
        return self._claim.key

    @property
    def queue(self) -> str:
        """The queue it came from."""
        return self._claim.queue

    @property
    def attempt(self) -> int:
        """Which run failed; 1 is the first."""
        return self._claim.attempt

    @property
    def max_attempts(self) -> int:
        """How many runs are allowed in total."""
        return self._claim.max_attempts

    @property
    def is_final(self) -> bool:
        """The job is not tried again."""
        return isinstance(self.outcome, Failed)

    @property
    def job(self) -> Job | None:
        """The whole job, read from the database now; None where it was deleted meanwhile."""
        return self._store().get(self._claim.job_id)

    def __repr__(self) -> str:
        return (
            f"<attempt {self.attempt} of {self.max_attempts} of job {self.job_id} ({self.key}) failed: "
            f"{type(self.exception).__name__}>"
        )


Hook = Callable[[FailedAttempt], Any]


class Hooks:
    """Calls the hooks of a program and of installed packages, each once for every failed attempt."""

    def __init__(self, own: Iterable[Hook], store: Callable[[], Store]) -> None:
        self._own = own
        self._store = store
        self._callers: list[_Caller] | None = None
        self._lock = threading.Lock()

    def report(self, claim: Claim, outcome: Failed | Retried, exception: BaseException) -> None:
        """Has them called; does not wait for them."""
        callers = self._opened()
        if callers:
            failed = FailedAttempt(claim, outcome, exception, self._store)
            for caller in callers:
                caller.call(failed)

    def close(self, patience_s: float) -> None:
        """Waits, so long at most, until the hooks have heard of all there was, and ends their threads."""
        with self._lock:
            callers, self._callers = self._callers or [], None
        until = monotonic() + patience_s
        for caller in callers:
            caller.close(until)

    def _opened(self) -> list[_Caller]:
        # At the first failure: most processes never need to look for installed packages.
        callers = self._callers
        if callers is None:
            with self._lock:
                if self._callers is None:
                    self._callers = [_Caller(hook) for hook in (*self._own, *_installed())]
                callers = self._callers
        return callers


class _Caller:
    """One hook, on its thread."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._name = f"{getattr(hook, '__module__', '?')}.{getattr(hook, '__qualname__', repr(hook))}"
        self._waiting: queue.Queue[FailedAttempt | None] = queue.Queue(_WAITING_MOST)
        self._complain_at = 0.0
        threading.Thread(target=self._serve, name="windlass-error-hook", daemon=True).start()

    def call(self, failed: FailedAttempt) -> None:
        try:
            self._waiting.put_nowait(failed)
        except queue.Full:
            now = monotonic()
            if now >= self._complain_at:
                self._complain_at = now + _COMPLAIN_EVERY_S
                log.warning(
                    "the error hook %s has not answered for %d failed attempts: it is not told of more",
                    self._name, _WAITING_MOST,
                )  # fmt: skip

    def close(self, until: float) -> None:
        with self._waiting.all_tasks_done:
            while self._waiting.unfinished_tasks and (left := until - monotonic()) > 0:
                self._waiting.all_tasks_done.wait(left)
        with suppress(queue.Full):  # it hangs, and its thread is left behind
            self._waiting.put_nowait(None)

    def _serve(self) -> None:
        while (failed := self._waiting.get()) is not None:
            self._call(failed)
            self._waiting.task_done()

    def _call(self, failed: FailedAttempt) -> None:
        try:
            self._hook(failed)
        except BaseException as error:  # noqa: BLE001 - it is other people's code, and its job is over
            log.error("the error hook %s failed: %s", self._name, describe(error))


def _installed() -> list[Hook]:
    """The hooks of installed packages; one that cannot be loaded is logged, and left out."""
    from importlib.metadata import entry_points

    found: list[Hook] = []
    for entry in entry_points(group=GROUP):
        try:
            found.append(entry.load())
        except BaseException as error:  # noqa: BLE001 - likewise
            log.error("the error hook %s cannot be loaded: %s", entry.value, describe(error))
    return found
