"""Which files the demo indexes: the running Python's own standard library, unless told otherwise."""

from __future__ import annotations

import platform
import random
import sysconfig
from pathlib import Path
from typing import NamedTuple

from windlass.errors import ConfigError

_NOT_OURS = frozenset({"site-packages", "dist-packages", "__pycache__"})


class Sources(NamedTuple):
    """The files to index, relative to one root."""

    root: Path
    title: str
    paths: list[str]
    total_bytes: int


def find_sources(folder: Path | None = None, limit: int | None = None) -> Sources:
    """Every ``.py`` file below the folder, in an order that mixes large and small, odd and sound.

    Raises:
        ConfigError: there is none.
    """
    root = (folder or Path(sysconfig.get_path("stdlib"))).resolve()
    title = f"{root}" if folder else f"the standard library of Python {platform.python_version()}"
    found = [
        path
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and _NOT_OURS.isdisjoint(path.relative_to(root).parts)
    ]
    if not found:
        raise ConfigError(f"{root} holds no .py files: name a folder that does with --source")
    # Always the same shuffle, so that two runs of the demo tell the same story.
    random.Random(1).shuffle(found)
    chosen = found[:limit]
    paths = [str(path.relative_to(root)) for path in chosen]
    return Sources(root, title, paths, sum(path.stat().st_size for path in chosen))
