"""Which source file changed: for ``windlass run --reload``, in development."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

_SUFFIXES = (".py", ".toml")


class Watch:
    """Compares the source files below some folders with how they last were."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._seen = dict(self._look())

    def changed(self) -> str | None:
        """The path of one file that appeared, changed or went since the last call; None when none did."""
        seen, self._seen = self._seen, dict(self._look())
        if seen == self._seen:
            return None
        return min(path for path, _ in seen.items() ^ self._seen.items())

    def _look(self) -> Iterator[tuple[str, int]]:
        for top in self._folders:
            for folder, folders, files in os.walk(top):
                if "pyvenv.cfg" in files:
                    folders.clear()
                    continue
                folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
                for name in files:
                    if name.endswith(_SUFFIXES):
                        path = f"{folder}/{name}"
                        try:
                            yield path, os.stat(path).st_mtime_ns
                        except FileNotFoundError:
                            # An editor replaced it between the listing and the look: the next look tells.
                            continue
