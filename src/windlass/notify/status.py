"""What stands in the status line: the app's own standing text, or what a running job says.

Pure: a board is told what happens and when, and says what to show.
"""

from __future__ import annotations

from typing import Literal

import msgspec

LINGER_US = 10_000_000
"""So long the last message of a job that ended stays, where no other running job has one."""

Attempt = tuple[int, int]
"""Job id and lease token: one run of one job."""


class Status(msgspec.Struct, frozen=True):
    """A short text about what goes on. ``icon`` is a file, or the name of an icon of the desktop's theme."""

    title: str
    content: str = ""
    icon: str | None = None
    kind: Literal["standing", "notice", "progress"] = "standing"
    """Whose it is: the app's own, what ``ctx.notify`` said, or how far a job with a title is."""

    def __str__(self) -> str:
        return f"{self.title}: {self.content}" if self.content else self.title


class Board:
    """Decides what is shown: the latest message of a running job; for ten seconds the last one of a job that
    ended; otherwise the standing status. Progress belongs to the run, and goes with it.

    >>> board = Board(Status("Field notes", "in step"))
    >>> board.say((7, 1), Status("Upload", "3 of 9", kind="notice"))
    >>> str(board.shown(0))
    'Upload: 3 of 9'
    >>> board.ended((7, 1), 0)
    >>> str(board.shown(LINGER_US - 1)), str(board.shown(LINGER_US))
    ('Upload: 3 of 9', 'Field notes: in step')
    """

    def __init__(self, standing: Status | None) -> None:
        self.standing = standing
        self._said: dict[Attempt, Status] = {}
        """By running attempt, the latest last."""
        self._notices: dict[Attempt, Status] = {}
        """The last message of each that was no progress."""
        self._last: tuple[Status, int] | None = None

    def say(self, attempt: Attempt, status: Status) -> None:
        """A running attempt says something: it is the latest."""
        self._said.pop(attempt, None)
        self._said[attempt] = status
        if status.kind == "notice":
            self._notices[attempt] = status

    def knows(self, attempt: Attempt) -> bool:
        """True where a running attempt has said something."""
        return attempt in self._said

    def ended(self, attempt: Attempt, now_us: int) -> None:
        """It runs no more. What it said stays a little; how far it was is of no interest."""
        self._said.pop(attempt, None)
        notice = self._notices.pop(attempt, None)
        if notice is not None:
            self._last = (notice, now_us + LINGER_US)

    def shown(self, now_us: int) -> Status | None:
        """What to show now; None where there is nothing to say."""
        if self._said:
            return next(reversed(self._said.values()))
        if self._last is not None and now_us < self._last[1]:
            return self._last[0]
        self._last = None
        return self.standing

    @property
    def lingers(self) -> bool:
        """True where time alone will change what is shown."""
        return self._last is not None and not self._said
