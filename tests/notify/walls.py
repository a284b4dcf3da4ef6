"""A channel that keeps what it shows and tells, for whoever looks."""

from __future__ import annotations

from windlass import Event, Status


class Wall:
    """Every status that was shown, and every event that was told, in order."""

    def __init__(self, name: str = "wall") -> None:
        self.name = name
        self.shown: list[Status | None] = []
        self.told: list[Event] = []
        self.closed = 0

    @property
    def now(self) -> str:
        """What is shown at the moment."""
        return str(self.shown[-1]) if self.shown and self.shown[-1] is not None else ""

    @property
    def texts(self) -> list[str]:
        return [str(event) for event in self.told]

    def show(self, status: Status | None) -> None:
        self.shown.append(status)

    def tell(self, event: Event) -> str:
        self.told.append(event)
        return "written on the wall"

    def close(self) -> None:
        self.closed += 1
