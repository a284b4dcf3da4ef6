"""How the storage is, for whoever looks after it: the page, and the terminal."""

from __future__ import annotations

from windlass.app import Windlass
from windlass.storage.file import back_up_file, file_storage
from windlass.storage.server import server_storage
from windlass.storage.state import Backup, StorageState


def look(app: Windlass) -> StorageState:
    """How the file or the server is now.

    Raises:
        StoreUnavailable: it cannot be looked at.
    """
    return file_storage(app) if app.place.is_file else server_storage(app)


def back_up(app: Windlass) -> Backup:
    """Makes a copy beside the file, while everything runs.

    Raises:
        StoreUnavailable: it could not be written; or the database is on a server, and the message says how it
            is done there.
    """
    if not app.place.is_file:
        app.store.backup("app.dump")  # which says how it is done there
    return back_up_file(app)
