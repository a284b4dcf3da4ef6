"""Where a database may live, and what it may look like, before anyone opens it."""

from __future__ import annotations

import os
import stat
import sys
from functools import lru_cache
from pathlib import Path

from windlass.errors import StoreUnavailable, UnsafeDatabase

_NETWORK = frozenset(
    {
        *("9p", "afs", "ceph", "cifs", "coda", "davfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("smb3", "smbfs", "vboxsf", "fuse.ceph", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone"),
        *("fuse.s3fs", "fuse.sshfs"),
    }
)
"""File systems without the memory that processes share, which SQLite's log needs, between machines."""
_MOUNTS = "/proc/self/mountinfo"
_HEADER = b"SQLite format 3\x00"


@lru_cache(maxsize=64)
def check_place(path: str, mounts: str = _MOUNTS) -> None:
    """Refuses a directory, a missing folder, and storage on which a write-ahead log is not safe.

    Raises:
        UnsafeDatabase: the place can never be right.
        StoreUnavailable: the folder is missing.
    """
    if os.path.isdir(path):
        raise UnsafeDatabase(
            f"expected a database file, got the directory {path}: name a file in it, such as "
            f"{path}/windlass.db"
        )
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise StoreUnavailable(
            f"the folder {folder} does not exist: create it, or name another database file"
        )
    kind = file_system(path, mounts)
    if kind in _NETWORK:
        raise UnsafeDatabase(
            f"{path} lies on a network file system ({kind}), where SQLite's write-ahead log loses data: "
            "keep the file on a local disk, or use PostgreSQL"
        )


def create_private(path: str) -> None:
    """Creates the database file for its owner alone (0600), where there is none yet."""
    if not os.path.exists(path):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return
        except OSError as error:
            raise StoreUnavailable(
                f"{path} cannot be created ({error.strerror}): check the folder's permissions and free space"
            ) from error


def private_folder(path: Path) -> Path:
    """Makes the folder for its owner alone (0700), where there is none yet."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"{path} cannot be created ({error.strerror}): check permissions and free space"
        ) from error
    return path


def file_system(path: str, mounts: str = _MOUNTS) -> str:
    """The type of the file system the path lies on, or an empty text where the system does not say."""
    try:
        text = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    best, kind = "", ""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ")
        if len(point) >= len(best) and (path == point or path.startswith(point.rstrip("/") + "/")):
            best, kind = point, right.split(" ")[0]
    return kind


def on_read_only_storage(path: str) -> bool:
    """True where the file system is mounted read-only."""
    if sys.platform == "win32":
        return False
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def looks_like_sqlite(path: str) -> bool:
    """True for an empty file and for one with SQLite's header."""
    with open(path, "rb") as file:
        head = file.read(len(_HEADER))
    return head in (b"", _HEADER)


def too_open(path: str) -> bool:
    """True where others than the owner may read or write the file."""
    return os.name == "posix" and bool(stat.S_IMODE(os.stat(path).st_mode) & 0o077)
