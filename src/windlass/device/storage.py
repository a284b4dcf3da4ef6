"""Storage: what is free on the file system of the database."""

from __future__ import annotations

import shutil

from windlass.device.probe import POLL_S, Ear, Tell
from windlass.facts import Storage


class FileSystem:
    """Looked at once a minute: no platform tells of a disk that fills up."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def run(self, tell: Tell, ear: Ear) -> None:
        while not ear.closed:
            usage = shutil.disk_usage(self._folder)
            tell(Storage(free=usage.free, total=usage.total))
            ear.wait(POLL_S)
