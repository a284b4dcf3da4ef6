"""``python -m field_notes.picture FILE.svg``: plays a morning with the real app, and draws its window."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.pilot import Pilot

from field_notes import notes
from field_notes.app import make_app
from field_notes.field_notes import FieldNotes
from field_notes.notes_screen import NotesScreen
from field_notes.server import NotesServer, colleague_adds
from field_notes.widgets import NoteList

SIZE = (100, 26)
PATIENCE_S = 30
MORNING = [
    ("First orchids, about forty", "Chalk slope", ""),
    ("Water level at weir 3", "Weir 3", "42 cm, and falling."),
    ("Bats in the old pump house", "Pump house", "At least six, behind the left shutter."),
    ("Oak 17: new cracks in the trunk", "Mill lane", "About 40 cm, from the first fork down."),
    ("Kestrel pair on the silo", "North field", "Both birds in and out of the box. The male brings voles."),
]


async def draw(folder: Path) -> str:
    """The window when the network is back after a while: a conflict, and a note that was rejected."""
    with NotesServer() as server:
        app = make_app(folder / "ann.db", server.url)
        window = FieldNotes(app)
        for title, place, body in MORNING:
            notes.add(window.db, title, body, place)
        orchids, *_, kestrels = reversed(notes.list_notes(window.db))
        with app.running():
            async with window.run_test(size=SIZE) as pilot:
                screen = window.screen_stack[1]
                assert isinstance(screen, NotesScreen)
                await until(pilot, lambda: len(server.shelf.notes()) == len(MORNING))
                colleague_adds(server.shelf, "Badger setts along the hedge")
                notes.edit(window.db, orchids.id, {"done": True})
                await until(pilot, lambda: len(screen.all) > len(MORNING) and not screen.outlook.standings)
                server.cut()
                notes.add(window.db, "", "The farmer asks for a call.", "Farm gate")
                notes.edit(window.db, kestrels.id, {"title": "Kestrel pair on the silo, three young"})
                with server.shelf.alone():
                    there = {"title": "Kestrels: one young seen", "updated_at": notes.now()}
                    server.shelf.put(kestrels.id, there)
                server.mend()
                window.post_message(events.Key("f5", None))
                await until(pilot, lambda: screen.outlook.questions and screen.outlook.letters)
                screen.query_one(NoteList).choose(kestrels.id)
                await pilot.pause(0.5)
                drawn = window.export_screenshot(title="Field notes")
        app.close()
    # It must look the same without a network: nothing in it is fetched from elsewhere.
    return re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->", "", drawn, flags=re.DOTALL)


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Waits for it."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await pilot.pause(0.05)


def main() -> None:
    """Draws into the file that is named."""
    logging.getLogger("windlass").setLevel(logging.ERROR)  # the conflict and the rejection are meant
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "field_notes.svg")
    with tempfile.TemporaryDirectory() as folder:
        target.write_text(asyncio.run(draw(Path(folder))), encoding="utf-8")
    print(f"drawn into {target}")


if __name__ == "__main__":
    main()
