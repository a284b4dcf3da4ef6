"""The service's log: one file beside the database, to which all its processes append."""

from __future__ import annotations

import os
from pathlib import Path

LOG = "service.log"
_SIZE_MAX = 10 << 20
_KEPT = 1 << 20


def open_log(folder: str) -> int:
    """A descriptor that appends to the log, for a service that is about to start."""
    trim_log(folder)
    return os.open(Path(folder, LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def trim_log(folder: str, *, size_max: int = _SIZE_MAX, kept: int = _KEPT) -> bool:
    """Moves the end of a log that has grown too large to ``service.log.1`` and empties it; True when it did.

    Everyone who writes appends, so their next line goes to the emptied file.
    """
    path = Path(folder, LOG)
    if not path.exists() or path.stat().st_size <= size_max:
        return False
    with path.open("rb") as log:
        log.seek(-kept, os.SEEK_END)
        end = log.read()
    path.with_name(f"{LOG}.1").write_bytes(end[end.find(b"\n") + 1 :])
    os.truncate(path, 0)
    return True
