"""How jobs reach the process of an executor: by reference. The app's place and the job keys travel, no code.

Short jobs travel several in one, since the way there and back takes longer than they do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from windlass.clock import stopwatch_ns
from windlass.context.kept import LogBook
from windlass.context.saying import NOTICE
from windlass.outcome import AnyOutcome
from windlass.store.logbook import LogChunk
from windlass.store.protocol import Claim
from windlass.target import PerformerLike

Given = tuple[tuple[Any, ...], bool]
"""The fields of a claim, and whether its handler is async."""
Came = list[tuple[AnyOutcome, int, LogChunk | None]]
"""Of each job in turn what became of it, how many microseconds it took, and what it logged."""

_performers: dict[str, tuple[PerformerLike, LogBook]] = {}
_making = threading.Lock()


def perform_by_reference(target: str, given: Sequence[Given]) -> Came:
    """Runs jobs one after the other in another process, which finds the app by its target."""
    performer, logs = _performer_of(target)
    return perform_all_with(performer, logs, [(Claim(*fields), is_async) for fields, is_async in given])


def perform_all_with(performer: PerformerLike, logs: LogBook, claims: Sequence[tuple[Claim, bool]]) -> Came:
    """Runs jobs one after the other in a thread of this process."""
    return [(*perform_with(performer, claim, is_async), logs.close(claim)) for claim, is_async in claims]


def perform_with(performer: PerformerLike, claim: Claim, is_async: bool) -> tuple[AnyOutcome, int]:
    """Runs one job."""
    began_ns = stopwatch_ns()
    if is_async:
        import asyncio

        outcome = asyncio.run(performer.aperform(claim))
    else:
        outcome = performer.perform(claim)
    return outcome, (stopwatch_ns() - began_ns) // 1000


def _performer_of(target: str) -> tuple[PerformerLike, LogBook]:
    # Many threads of one process may bring its first jobs at once.
    with _making:
        made = _performers.get(target)
        if made is None:
            from windlass.handlers.kept import log_levels
            from windlass.logs import let_through
            from windlass.target import load_app
            from windlass.worker.isolate import run_start_callbacks

            app = load_app(target)
            app.prepare()
            let_through(log_levels(app.registry, app.settings.keep_logs))
            service = _Deaf()
            run_start_callbacks(app.registry, service, app.store)
            # What is logged comes with the results.
            logs = LogBook()
            made = _performers[target] = app.make_performer(service, _unheard, logs), logs
        return made


def _unheard(claim: Claim, progress: str) -> None:
    del claim, progress  # there is no way back but the result


class _Deaf:
    """The service as a worker of a foreign executor has it: there is no way back but the result."""

    def on(self, name: str, callback: Callable[..., Any]) -> None:
        del name, callback
        raise RuntimeError("messages do not reach the workers of a foreign executor: use isolates")

    def send(self, name: str, data: Any = None) -> None:
        del data
        if name == NOTICE:
            return  # what a handler says to people: unheard, like its progress
        raise RuntimeError("the workers of a foreign executor cannot send messages: use isolates")

    def stop(self) -> None:
        raise RuntimeError("the workers of a foreign executor cannot stop the service: use isolates")
