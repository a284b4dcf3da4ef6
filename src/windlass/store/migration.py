"""Numbered migrations: the files of a schema."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from windlass.errors import StoreUnavailable


class Migration(NamedTuple):
    """One file of ``schema/``."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations(folder: Path) -> list[Migration]:
    """All migrations of a folder, in order.

    Raises:
        StoreUnavailable: they cannot be read now.
    """
    try:
        files = sorted(folder.glob("[0-9]*.sql"))
        return [Migration(int(file.stem[:4]), file.stem, file.read_text(encoding="utf-8")) for file in files]
    except OSError as error:
        raise StoreUnavailable(
            f"the schema in {folder} cannot be read ({error.strerror}): check the limit of open files"
        ) from error
