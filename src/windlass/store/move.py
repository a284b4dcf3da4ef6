"""Moving all jobs of one store to another: what ``windlass move`` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from windlass.store.relational.moving import Move, Report

if TYPE_CHECKING:
    from windlass.store.relational.sides import Side


class Movable(Protocol):
    """A store that can be moved, or moved to."""

    def migrate(self) -> list[str]:
        """Brings the schema up to date."""
        ...

    def side(self) -> Side:
        """What a move asks of its database."""
        ...

    def ring(self) -> None:
        """Wakes every listener."""
        ...


def move(
    source: Movable,
    target: Movable,
    *,
    told: Callable[[str, int], None] | None = None,
    before_cut: Callable[[], None] | None = None,
) -> Report:
    """Moves jobs, schedules, history and figures; goes on with a move that was interrupted.

    Synced tables are the program's own, and stay where they are, as does what sync keeps of them: once their
    remotes have every edit, a new place gets it back from them. Until then the move is refused.

    Programs may go on using the source until the cut, also while both sides are counted; the cut takes as
    long as what changed in the last moment. Then the source refuses every change, and the target is open.
    ``told`` hears each table, and how many of its rows were copied. ``before_cut`` is called once nearly all
    is copied and counted: the moment to stop what runs jobs, whose running ones would otherwise be taken back
    by the target, as those of a dispatcher that died.

    Raises:
        MoveRefused: it cannot be done. Nothing was lost, and one of the two is the truth.
        StoreUnavailable: one of the two failed: call it again, and it goes on.

    >>> from tempfile import mkdtemp
    >>> from windlass.store import open_store
    >>> folder = mkdtemp()
    >>> old, new = (open_store(f"{folder}/{name}.db") for name in ("old", "new"))
    >>> report = move(old, new)
    >>> report.rows["background_service_jobs"], report.resumed
    (0, False)
    """
    source.migrate()
    target.migrate()
    run = Move(source.side(), target.side(), told)
    if run.prepare():
        run.copy()
        run.count()
        run.copy()
        if before_cut is not None:
            before_cut()
            run.copy()
        run.cut()
    report = run.finish()
    source.ring()
    target.ring()
    return report


def abandon(source: Movable, target: Movable) -> None:
    """Gives up a move that has not come to its cut: the source is as it was, and the target is empty.

    Raises:
        MoveRefused: there is nothing to give up, or the source has been left for good.
    """
    Move(source.side(), target.side()).abandon()
