"""The desk: where one process of a service, or an embedded program, minds its status line.

It hears what the pool tells the dispatcher, and passes everything on. Showing is done on a thread of its own,
which begins when there is something to show: a channel may be slow, and the dispatcher waits for nobody.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

from windlass.clock import Clock
from windlass.config import Settings
from windlass.context.saying import NOTICE
from windlass.errors import StoreError
from windlass.events import JobFailed
from windlass.handlers import Registry
from windlass.notify.channels import Channel
from windlass.notify.jobs import OURS
from windlass.notify.notifier import Notifier
from windlass.notify.status import Attempt, Board, Status
from windlass.outcome import AnyOutcome, Crashed, Failed
from windlass.store.protocol import Claim
from windlass.store.relational.settling import CRASHES_ALLOWED
from windlass.worker.pool import Inbox

log = logging.getLogger("windlass.notify")

_REST_S = 0.5
"""Between two statuses: nobody reads faster."""
_LOOK_S = 0.2
"""While a message stays for its last seconds, the clock is looked at so often."""
_END_S = 1.0
"""So long the end waits for a channel that is slow: the service has to be gone in time."""


class Desk:
    """The status line of one dispatcher's process, and the voice of those who died there: of each job that
    was killed or crashed a small job tells, in a worker, where the program's own code may run."""

    def __init__(
        self,
        notifier: Notifier,
        *,
        settings: Settings,
        registry: Registry,
        clock: Clock,
    ) -> None:
        self._notifier = notifier
        self._default = Status(settings.title or "Windlass", settings.content or "", settings.icon)
        # A program that gave itself neither has nothing to say by itself.
        self._board = Board(self._default if settings.title or settings.content else None)
        self._registry = registry
        self._clock = clock
        self._tells_of_the_dead = notifier.listens_for(JobFailed)
        self._dead: list[Attempt] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._hurry = threading.Event()
        if self._board.standing is not None:
            with self._changed:
                self._wake()

    def tap(self, inbox: Inbox, held: Callable[[], Collection[int]]) -> Inbox:
        """Stands between a pool and its dispatcher. ``held``: the ids of the jobs that the pool has."""
        return _Tap(self, inbox, held)

    def close(self) -> None:
        """Shows nothing any more, and closes the channels."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(_END_S)
            if self._thread.is_alive():
                log.warning("a channel hangs: the status line is left as it is")
                return
        self._notifier.close()

    # ── on the dispatcher's thread ─────────────────────────────────────────────────────────────
    def say(self, attempt: Attempt, content: str, title: str | None, key: str) -> None:
        """A running handler says something."""
        title = title or self._title_of(key) or self._default.title
        self._say(attempt, Status(title, content, self._default.icon, kind="notice"))

    def progressed(self, claim: Claim, progress: str) -> None:
        """A running job says how far it is: shown where it has a title."""
        title = self._title_of(claim.key)
        if title is not None:
            status = Status(title, _spoken(progress), self._default.icon, kind="progress")
            self._say((claim.job_id, claim.token), status)

    def ended(self, claim: Claim, outcome: AnyOutcome) -> None:
        """An attempt is over."""
        attempt = (claim.job_id, claim.token)
        if self._board.knows(attempt):
            with self._changed:
                self._board.ended(attempt, self._clock.boot_us())
                self._wake()
        kind = type(outcome)
        if (kind is Crashed or kind is Failed) and self._tells_of_the_dead and _is_end(claim, outcome):
            with self._changed:
                self._dead.append((claim.job_id, claim.attempt))
                self._wake()

    def _say(self, attempt: Attempt, status: Status) -> None:
        with self._changed:
            self._board.say(attempt, status)
            self._wake()

    def _title_of(self, key: str) -> str | None:
        handler = self._registry.get_own(key)
        return None if handler is None else handler.options.title

    def _wake(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._work, name="windlass-desk", daemon=True)
            self._thread.start()
        self._changed.notify()

    # ── the desk's thread ──────────────────────────────────────────────────────────────────────
    def _work(self) -> None:
        showing: Status | None = None
        while True:
            with self._changed:
                while True:
                    shown = None if self._closing else self._board.shown(self._clock.boot_us())
                    if shown != showing or self._dead or self._closing:
                        break
                    self._changed.wait(_LOOK_S if self._board.lingers else None)
                dead, self._dead = self._dead, []
                closing = self._closing
            for attempt in dead:
                self._tell_of(attempt)
            if shown != showing and not closing:
                showing = shown
                for channel in self._notifier.channels:
                    _show(channel, shown)
            if closing:
                return
            self._hurry.wait(_REST_S)

    def _tell_of(self, attempt: Attempt) -> None:
        try:
            self._notifier.tell_end_later(*attempt)
        except StoreError as error:
            if self._closing:
                log.warning("job %d: nobody could be told how it ended: %s", attempt[0], error)
                return
            # The rest that follows is the pause before the next try.
            with self._changed:
                self._dead.append(attempt)


class _Tap:
    """Passes on to the dispatcher whatever its pool tells it, and lets the desk hear it."""

    def __init__(self, desk: Desk, inbox: Inbox, held: Callable[[], Collection[int]]) -> None:
        self._desk = desk
        self._inbox = inbox
        self._held = held
        self.stop_asked = inbox.stop_asked
        self.ready = inbox.ready
        self.logged = inbox.logged
        self.failed = inbox.failed

    def settled(self, claim: Claim, outcome: AnyOutcome, took_us: int | None = None) -> None:
        self._inbox.settled(claim, outcome, took_us)
        self._desk.ended(claim, outcome)

    def progressed(self, claim: Claim, progress: str) -> None:
        self._inbox.progressed(claim, progress)
        self._desk.progressed(claim, progress)

    def message(self, name: str, data: Any, request_id: int | None) -> None:
        if name != NOTICE:
            self._inbox.message(name, data, request_id)
            return
        match data:
            case [int(job_id), int(token), str(content), str() | None as title, str(key)]:
                # A thread that outlives its handler may speak late: nobody would take that back.
                if job_id in self._held():
                    self._desk.say((job_id, token), content, title, key)
            case _:
                log.warning("a handler sent %r itself: ctx.notify does", NOTICE)


def _is_end(claim: Claim, outcome: AnyOutcome) -> bool:
    """Was it killed, and may that have been its last attempt? The job that tells of it looks again."""
    if claim.key.startswith(OURS):
        # A job that tells of an end and dies would be told of by one that dies: without end.
        return False
    if isinstance(outcome, Crashed):
        return claim.attempt >= claim.max_attempts or claim.crashes + 1 >= CRASHES_ALLOWED
    return isinstance(outcome, Failed) and outcome.reason in ("timeout", "deadline")


def _spoken(progress: str) -> str:
    import json

    done, total, message = json.loads(progress)
    count = f"{done:g}" if total is None else f"{done:g} of {total:g}"
    return count if message is None else f"{count}: {message}"


def _show(channel: Channel, status: Status | None) -> None:
    try:
        channel.show(status)
    except Exception:
        # A channel is the user's or a platform's: the others are shown it all the same.
        log.exception("the channel %s failed to show a status", channel.name)
