"""The folders that attempts keep their temporary files in, and what becomes of those a crash left behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

_NAME = re.compile(r"job-(\d+)-\d+-.+")


def temp_root(store: Any) -> Path:
    """Where the temporary folders of a database's attempts are."""
    return Path(store.place.make_folder()) / "tmp"


def make_tempdir(root: Path, job_id: int, attempt: int) -> Path:
    """A new folder that only this user can enter."""
    import tempfile

    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"job-{job_id}-{attempt}-", dir=root))


def remove_tempdir(folder: Path) -> None:
    """Removes the folder and what is in it; what cannot be removed now is upkeep's."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep_tempdirs(root: Path, still_running: Callable[[Collection[int]], Collection[int]]) -> list[Path]:
    """Removes the folders of attempts that no longer run; those removed.

    ``still_running`` gets the ids of the jobs that have folders and returns those that are RUNNING. It is
    asked after the folders were listed: a job that starts in between has a folder that is not on the list.
    """
    if not root.is_dir():
        return []
    found = [(int(name[1]), path) for path in root.iterdir() if (name := _NAME.fullmatch(path.name))]
    running = set(still_running({job_id for job_id, _ in found})) if found else set[int]()
    left = [path for job_id, path in found if job_id not in running]
    for path in left:
        remove_tempdir(path)
    return left
