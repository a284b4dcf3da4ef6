"""Where the show of the sync is seen: the protocol, and the plain one for pipes, logs and ``--json``."""

from __future__ import annotations

from typing import Protocol, TextIO

import msgspec
from rich.console import Console, RenderableType
from rich.padding import Padding

from windlass.demo.stage import PlainTeller, Teller

_WIDE = 160


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One replica, at one moment."""

    name: str
    activity: str
    """``idle``, ``pulling``, ``pushing``, ``offline``, ``throttled`` or ``failing``."""
    done: int
    total: int
    what: str
    """What ``done`` and ``total`` count."""
    pending: int
    conflicts: int
    failed: int


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything."""

    sides: tuple[Side, ...]
    requests: int
    moods: dict[str, int]
    replayed: int


class SyncStage(Teller, Protocol):
    """What the show of the sync needs to be seen."""

    def draw(self, scene: Scene) -> None:
        """The present state of both replicas and the server."""
        ...

    def show(self, what: RenderableType) -> None:
        """A table, as the command line would print it; it stays."""
        ...


class PlainSyncStage(PlainTeller):
    """Lines of text, with the seconds since the beginning."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._told: dict[tuple[str, str], int] = {}

    def draw(self, scene: Scene) -> None:
        """A line for each further quarter of what a replica has to do."""
        for side in scene.sides:
            quarter = 4 * side.done // max(side.total, 1)
            before = self._told.setdefault((side.name, side.what), 0)
            if quarter > before:
                self._told[side.name, side.what] = quarter
                self._write(f"  {side.name}: {side.done:,} of {side.total:,} {side.what}")

    def show(self, what: RenderableType) -> None:
        console = Console(file=self._stream, width=_WIDE, highlight=False)
        with console.capture() as drawn:
            console.print(Padding(what, (0, 0, 0, 11)))
        # A table is padded to its edge: in a file those blanks are only in the way.
        lines = (line.rstrip() for line in drawn.get().splitlines())
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()
