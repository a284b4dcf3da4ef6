"""What wakes whoever waits for a change of the database. A part of the store's contract."""

from __future__ import annotations

from typing import Protocol


class Bell(Protocol):
    """One listener's ear: wakes when any process may have changed the database."""

    @property
    def hears_strangers(self) -> bool:
        """True where it also wakes for programs that know nothing of Windlass."""
        ...

    def fileno(self) -> int: ...

    def drain(self) -> bool:
        """Forgets the rings so far; True where one was a ring of ours, which comes after its commit.

        False: the file merely stirred, and a commit may not be visible yet: look until ``version`` moves.
        Drain first, then look: a ring in between is not lost.
        """
        ...

    def close(self) -> None: ...
