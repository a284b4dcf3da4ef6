"""``python -m field_notes``: the app on this terminal."""

from __future__ import annotations

import argparse
import logging
import os
from contextlib import nullcontext


def main() -> None:
    """Runs the app until it is left."""
    parser = argparse.ArgumentParser(
        prog="field_notes", description="Field notes, with or without a network."
    )
    parser.add_argument("--db", help="the notebook; field_notes.db by default")
    parser.add_argument("--url", help="the server's list of notes; that of field_notes.server by default")
    parser.add_argument("--service", action="store_true", help="sync in a process that outlives this window")
    chosen = parser.parse_args()
    # The service is another process: what it is told, it is told by the environment.
    for name, value in (("WINDLASS_DATABASE", chosen.db), ("FIELD_NOTES_URL", chosen.url)):
        if value:
            os.environ[name] = value

    from field_notes.app import app
    from field_notes.field_notes import FieldNotes

    # Its window is all of the terminal: what is logged goes to a file beside the notebook.
    logging.basicConfig(filename=f"{app.settings.database}-log", level="INFO")
    window = FieldNotes(app)
    if chosen.service and not app.service.is_running():
        app.service.start()
    with nullcontext() if chosen.service else app.running():
        window.run()
    if chosen.service:
        print(f"Sync goes on. `windlass stop --db {app.settings.database}` ends it.")
    app.close()


if __name__ == "__main__":
    main()
