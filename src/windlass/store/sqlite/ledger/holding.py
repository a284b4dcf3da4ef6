"""Who may push and pull: an OS file lock says who lives, a fence in the database who was the last."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from windlass.errors import ResourceBusy
from windlass.platform import file_lock
from windlass.store.ledger import Hold
from windlass.store.sqlite.ledger.base import LedgerRole
from windlass.store.sqlite.ledger.batching import unpack
from windlass.store.sqlite.ledger.statements import SQL
from windlass.store.sqlite.safety import private_folder


class Holding(LedgerRole):
    """Holds."""

    @contextmanager
    def hold(self, resource: str) -> Generator[Hold]:
        """See the protocol. Two threads of one process exclude each other, too."""
        folder = private_folder(private_folder(self.database.state_dir) / "sync")
        lock = file_lock(folder / _file_name(resource))
        if not lock.try_acquire():
            raise ResourceBusy(
                f"{resource} is pushed or pulled by another process or thread now{_holder(lock.path)}: it is "
                "done there, or try again later"
            )
        try:
            lock.write(str(os.getpid()))
            with self.database.write(full=False) as connection:
                found = self.resource(connection, resource)
                fence: int = connection.execute(SQL["fence"], (found.id,)).fetchall()[0][0]
                # What a push that ended early has left: nobody waits for its answer any more.
                unpack(connection, found, self.clock.wall_us())
            yield Hold(resource, fence)
        finally:
            lock.release()


def _file_name(resource: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", resource):
        return f"{resource}.lock"
    # Anything else may be no name for a file, or one in another folder.
    return hashlib.blake2s(resource.encode(), digest_size=16).hexdigest() + ".lock"


def _holder(path: str) -> str:
    try:
        return f" (process {int(Path(path).read_text(encoding='ascii'))})"
    except (OSError, ValueError):
        return ""
