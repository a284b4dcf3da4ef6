"""All that the screens see of sync: how each note stands, what waits for its writer, and what can be done.

What asks the database here may wait for a moment: screens call it from a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from windlass import Windlass
from windlass.sync.status import Status
from windlass.sync.stream import Stream
from windlass.sync.views import DeadLetter

State = Literal["there", "waiting", "rejected", "conflict"]
Side = Mapping[str, Any] | None
"""A note as one side has it; None: it was deleted there."""

MOST = 1000
_THREAD_ENDS_S = 5.0


class Standing(NamedTuple):
    """How one note stands."""

    state: State
    why: str = ""
    detail: str = ""


class Question(NamedTuple):
    """One note, edited here and there: what it was, and both of what it became."""

    note_id: str
    base: Side
    mine: Side
    theirs: Side


class Letter(NamedTuple):
    """A change that the server did not take, in its own words."""

    note_id: str
    title: str
    detail: str


class Outlook(NamedTuple):
    """Everything at one moment."""

    link: str
    """``connected``, ``offline``, ``paused``, or what else keeps the server from being asked."""
    since: datetime | None = None
    reason: str = ""
    last_pull: datetime | None = None
    standings: Mapping[str, Standing] = {}
    """By note; a note that is not named is at the server."""
    questions: tuple[Question, ...] = ()
    letters: tuple[Letter, ...] = ()

    def of(self, note_id: str) -> Standing:
        """How that note stands."""
        return self.standings.get(note_id, Standing("there"))

    def count(self, state: State) -> int:
        """How many notes stand so."""
        return sum(standing.state == state for standing in self.standings.values())


class Keeper:
    """The notes of one app, kept in step with the server by Windlass."""

    def __init__(self, app: Windlass) -> None:
        self._app = app
        self._notes = app.sync["notes"]
        self._streams: list[Stream[Any]] = []
        self._threads: list[threading.Thread] = []

    # ── see ────────────────────────────────────────────────────────────────────────────────────
    def look(self) -> Outlook:
        """How everything stands now."""
        return self._outlook(self._notes.status())

    def follow(self, on_outlook: Callable[[Outlook], Any], on_arrival: Callable[[], Any]) -> None:
        """Tells each new outlook, and that a pull has changed a note, from threads, until ``close``."""
        statuses, changes = self._app.sync.watch("notes"), self._notes.changes()

        def outlooks() -> None:
            for status in statuses:
                on_outlook(self._outlook(status))

        def arrivals() -> None:
            for _ in changes:
                on_arrival()

        self._streams = [statuses, changes]
        for work in (outlooks, arrivals):
            thread = threading.Thread(target=work, name=f"field-notes-{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Tells nothing any more."""
        for stream in self._streams:
            stream.close()
        for thread in self._threads:
            thread.join(_THREAD_ENDS_S)

    # ── do ─────────────────────────────────────────────────────────────────────────────────────
    def settle(self, note_id: str, choice: Side | Literal["mine", "theirs"]) -> None:
        """Answers a question."""
        self._notes.resolve(note_id, choice)

    def retry(self, note_id: str) -> None:
        """Sends a change that was not taken once more, as it is."""
        self._notes.retry(note_id)

    def revert(self, note_id: str) -> None:
        """Gives such a change up: the note is again as the server has it."""
        self._notes.revert(note_id)

    def ask_now(self) -> None:
        """Sends and asks at once, also where it would have waited."""
        self._app.sync.now("notes")

    def switch(self, *, paused: bool) -> None:
        """Leaves the network alone, or goes on."""
        if paused:
            self._notes.pause()
        else:
            self._notes.resume()

    def _outlook(self, status: Status) -> Outlook:
        notes = self._notes
        waiting = {str(one.key): Standing("waiting", one.why) for one in notes.pending(MOST)}
        letters = tuple(_letter(one) for one in notes.dead(MOST))
        questions = tuple(
            Question(str(one.key), one.conflict.base, one.conflict.mine, one.conflict.theirs)
            for one in notes.conflicts(MOST)
        )
        standings = {
            **waiting,
            **{one.note_id: Standing("rejected", one.title, one.detail) for one in letters},
            **{one.note_id: Standing("conflict", "was edited here and at the server") for one in questions},
        }
        link = "connected" if status.state in ("idle", "pushing", "pulling") else status.state
        if link == "connected" and status.last_pull is None:
            link = "connecting"
        return Outlook(
            link, status.since, status.reason or "", status.last_pull, standings, questions, letters
        )


def contested(question: Question) -> list[str]:
    """The columns about which both sides differ, as a person reads them."""
    mine, theirs = question.mine or {}, question.theirs or {}
    return [name for name in ("title", "place", "done", "body") if mine.get(name) != theirs.get(name)]


def _letter(dead: DeadLetter) -> Letter:
    problem, note_id = dead.problem, str(dead.key)
    if isinstance(problem, Mapping) and "title" in problem:
        return Letter(note_id, str(problem["title"]), str(problem.get("detail", "")))
    return Letter(note_id, "The server did not take it.", dead.error)
