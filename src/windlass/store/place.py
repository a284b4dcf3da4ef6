"""Where a database is: what it may be called before people, and which folder of this machine goes with it.

The one seam for everything that is not kept in the database itself: locks, sockets, logs, temporary files.
Beside a file lies its state folder; for a server each user has one of his own for each database he names.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from windlass import platform
from windlass.errors import ConfigError, StoreUnavailable

_SECRET = re.compile(r"://[^/?@]*:[^/?@]+@|[?&](?:ssl)?password=", re.IGNORECASE)


class Place(NamedTuple):
    """A database, as its setting names it."""

    shown: str
    """For people and logs: the file as it was named, or the URL without its password."""
    base: str
    """The file's absolute path; of a server, the name of what this machine keeps for it."""
    is_file: bool
    """True for SQLite."""
    has_secret: bool = False
    """Its setting holds a password."""

    @property
    def title(self) -> str:
        """The file's name, or the database's."""
        return os.path.basename(self.base if self.is_file else self.shown.partition("?")[0])

    @property
    def folder(self) -> str:
        """The state folder, whether or not it is there."""
        return platform.state_folder(self.base, create=False)

    def make_folder(self) -> str:
        """The state folder, made where it is not there (mode 0700).

        Raises:
            StoreUnavailable: it cannot be made.
        """
        if not self.is_file:
            parent = os.path.dirname(self.base)
            try:
                os.makedirs(parent, mode=0o700, exist_ok=True)
            except OSError as error:
                raise StoreUnavailable(
                    f"{parent} cannot be made ({error.strerror}): Windlass keeps locks and logs there; set "
                    "XDG_STATE_HOME to a folder of yours"
                ) from error
        return platform.state_folder(self.base)

    @property
    def disk(self) -> str:
        """A folder on the disk that must not run full: the file's, or that of the state folder."""
        folder = os.path.dirname(self.base)
        while not os.path.isdir(folder) and folder != os.path.dirname(folder):
            folder = os.path.dirname(folder)
        return folder


def place_of(database: str | os.PathLike[str]) -> Place:
    """Where that database is. Opens nothing.

    Raises:
        ConfigError: a URL of a kind that there is no store for, or a database in memory.

    >>> place_of("postgresql://ann:hunter2@db.example.com/app").shown
    'postgresql://ann@db.example.com/app'
    """
    name = os.fspath(database)
    scheme, separator, rest = name.partition("://")
    if separator and scheme != "sqlite":
        from windlass.store.postgres.location import is_postgres, locate

        if not is_postgres(name):
            raise ConfigError(
                f"no store for {scheme}:// yet: name an SQLite file, such as app.db, or a postgresql:// URL"
            )
        found = locate(name)
        return Place(found.name, found.path, False, _SECRET.search(name) is not None)
    path = rest.removeprefix("/") if separator else name
    if not path or path == ":memory:":
        raise ConfigError(
            f"expected a database file, got {name!r}: jobs in memory would not survive the program"
        )
    return Place(name, os.path.realpath(path), True)
