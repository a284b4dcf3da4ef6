"""An app's own conditions. They are its code: they run on threads of their own, and nobody waits."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from windlass.clock import monotonic
from windlass.device.probe import Ear, Tell
from windlass.duration import Duration, to_seconds
from windlass.errors import ConfigError, InvalidJob, RegistrationError
from windlass.facts import Fact, Unknown, Verdict
from windlass.fields import checked_name

log = logging.getLogger("windlass.device")

_SHORTEST_S = 0.1


class Predicate(NamedTuple):
    """A function without parameters: True where the condition holds; False, or a text that says why not."""

    fn: Callable[[], bool | str]
    every_s: float = 30.0
    """How often it is asked while a job waits for it or runs by it."""
    timeout_s: float = 5.0
    """Without an answer after that time the condition does not hold."""

    @staticmethod
    def of(
        fn: Callable[[], bool | str], *, name: str, every: Duration = "30s", timeout: Duration = "5s"
    ) -> Predicate:
        """A predicate as an app registers it.

        Raises:
            RegistrationError: no function that can be called so, or a span or name that cannot be right.
        """
        try:
            checked_name("the name of a condition", name)
            spans = [to_seconds(every, name="every"), to_seconds(timeout, name="timeout")]
        except (ConfigError, InvalidJob) as error:
            raise RegistrationError(f"condition {name!r:.80}: {error}") from None
        if min(spans) < _SHORTEST_S:
            raise RegistrationError(
                f"condition {name!r}: expected spans of at least 100ms, got {every!r}, {timeout!r}"
            )
        if not callable(fn) or inspect.iscoroutinefunction(fn):
            raise RegistrationError(
                f"condition {name!r}: expected a function that is not async, got {fn!r:.80}"
            )
        try:
            inspect.signature(fn).bind()
        except ValueError:
            return Predicate(fn, *spans)  # some built-in functions tell nobody what they take
        except TypeError as error:
            raise RegistrationError(f"condition {name!r} is called without arguments: {error}") from None
        return Predicate(fn, *spans)


class Asking:
    """Asks one predicate, again and again."""

    def __init__(self, name: str, predicates: Mapping[str, Predicate]) -> None:
        self._name = name
        self._predicates = predicates
        self._call: _Call | None = None
        self._raised = ""

    def run(self, tell: Tell, ear: Ear) -> None:
        while not ear.closed:
            predicate = self._predicates.get(self._name)
            if predicate is None:
                missing = f'@app.condition("{self._name}")'
                tell(Unknown(f"this program registers no such condition: is {missing} missing?"))
                ear.wait()
                continue
            tell(self._answer(predicate, ear))
            self._rest(predicate.every_s, ear)

    def _answer(self, predicate: Predicate, ear: Ear) -> Fact:
        # One that hangs cannot be ended. It is never called a second time meanwhile.
        call = self._call = self._call or _Call(predicate.fn, ear.nudge)
        deadline = monotonic() + predicate.timeout_s
        while not call.done and not ear.closed and (left := deadline - monotonic()) > 0:
            ear.wait(left)
        if not call.done:
            return Unknown(f"it has not answered within {predicate.timeout_s:g} s")
        self._call = None
        return self._read(call)

    def _read(self, call: _Call) -> Fact:
        if call.error is not None:
            raised = f"it raised {type(call.error).__name__}: {call.error}"[:500]
            if raised != self._raised:
                log.error("condition %s: %s", self._name, raised, exc_info=call.error)
            self._raised = raised
            return Unknown(raised)
        self._raised = ""
        if isinstance(call.answer, bool):
            return Verdict(call.answer)
        if isinstance(call.answer, str):
            return Verdict(False, call.answer)
        return Unknown(f"it returned {call.answer!r:.80}: expected True, False, or a text that says why not")

    def _rest(self, seconds: float, ear: Ear) -> None:
        until = monotonic() + seconds
        while not ear.closed and (left := until - monotonic()) > 0:
            ear.wait(left)
            if self._call is not None and self._call.done:
                return  # an answer that came late is still an answer


class _Call:
    """One call on a thread of its own, which may never end."""

    def __init__(self, fn: Callable[[], Any], ended: Callable[[], None]) -> None:
        self.done = False
        self.answer: Any = None
        self.error: BaseException | None = None
        self._fn, self._ended = fn, ended
        threading.Thread(target=self._run, name="windlass-condition", daemon=True).start()

    def _run(self) -> None:
        try:
            self.answer = self._fn()
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever it was is why it does not hold
            self.error = error
        self.done = True
        self._ended()
