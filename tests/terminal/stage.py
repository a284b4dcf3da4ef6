"""The terminal application on a stage: a real database, its own keys, and a little patience."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from textual import events
from textual.pilot import Pilot

from windlass import Windlass
from windlass.terminal.filtering import Wanted
from windlass.terminal.listing import Listing
from windlass.terminal.window import Window

PATIENCE_S = 60.0
_HOPS = 4
"""From a key to the last message it leads to."""
_NAMES = {"/": "slash", "?": "question_mark", ":": "colon", "=": "equals_sign", " ": "space"}


class Stage:
    """One person at one window."""

    def __init__(self, window: Window, pilot: Pilot[None]) -> None:
        self.window = window
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """One key after the other, each when the one before has done what it does."""
        for key in keys:
            character = key if len(key) == 1 else None
            self.window.post_message(events.Key(_NAMES.get(key, key), character))
            for _ in range(_HOPS):
                await self.pilot.pause(0)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits for it, up to a deadline."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}:\n{self.drawn()}"
            await self.pilot.pause(0.02)

    async def until_drawn(self, *texts: str) -> None:
        """Waits until all of these are on the screen."""
        await self.until(lambda: all(text in self.drawn() for text in texts), f"{texts} are drawn")

    async def until_gone(self, text: str) -> None:
        """Waits until this is on the screen no longer."""
        await self.until(lambda: text not in self.drawn(), f"{text!r} is gone")

    def drawn(self) -> str:
        """The screen, line by line."""
        return "\n".join(strip.text.rstrip() for strip in self.window.screen._compositor.render_strips())

    def listed(self, place: int = 0) -> list[str]:
        """The first cell of each line of a list that is on show."""
        lists = [one for one in self.window.screen.query(Listing) if one.is_on_screen]
        rows = range(lists[place].row_count) if lists else ()
        return [str(lists[place].get_row_at(row)[0]) for row in rows]

    def states(self) -> dict[str, str]:
        """The last cell of each line of the list on show, by its first one: keys act on what is shown."""
        [shown, *_] = [one for one in self.window.screen.query(Listing) if one.is_on_screen]
        rows = [shown.get_row_at(row) for row in range(shown.row_count)]
        return {str(row[0]): str(row[-1]) for row in rows}


def play(
    app: Windlass,
    story: Callable[[Stage], Awaitable[None]],
    *,
    wanted: Wanted | None = None,
    size: tuple[int, int] = (100, 30),
) -> None:
    """Opens the window on that app, and plays a story to its end."""

    async def show() -> None:
        window = Window(app, wanted=wanted)
        async with window.run_test(size=size, notifications=True) as pilot:
            stage = Stage(window, pilot)
            await stage.until(lambda: window.pulse.looks, "it has looked")
            await story(stage)

    asyncio.run(show())
