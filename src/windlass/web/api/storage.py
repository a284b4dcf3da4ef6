"""How the storage is, and copies that are made from here."""

from __future__ import annotations

from shlex import quote

import msgspec

from windlass import storage
from windlass.app import Windlass
from windlass.storage.state import Backup
from windlass.web.routing import Call, Routes
from windlass.web.shapes.jobs import Command
from windlass.web.shapes.system import Storage

routes = Routes("storage")


@routes.get("/api/storage")
def health(call: Call) -> Storage:
    """How the file is, and its copies; or the server."""
    return Storage(**msgspec.structs.asdict(storage.look(call.app)), commands=_commands(call.app))


@routes.post("/api/storage/backup", status=201)
def backup(call: Call) -> Backup:
    """Makes a consistent copy beside the database, readable by its owner alone, while everything runs."""
    return storage.back_up(call.app)


def _commands(app: Windlass) -> list[Command]:
    # Without the password, which is for PGPASSFILE: what is shown here is copied into shells.
    url = quote(app.place.shown)
    is_file = app.place.is_file
    copy = "windlass backup FILE" if is_file else f"pg_dump --format=custom --file=app.dump {url}"
    back = "windlass restore FILE" if is_file else f"pg_restore --clean --dbname={url} app.dump"
    return [
        Command(does="Look after it", command="windlass doctor"),
        Command(does="Make a copy", command=copy),
        Command(does="Go back to a copy", command=back),
    ]
