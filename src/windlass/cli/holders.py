"""Which processes use a database, and which of them hold it up: read from Linux's ``/proc``.

SQLite's write-ahead-log locks are byte ranges of the ``-shm`` file, and ``/proc/locks`` names the process of
each. Elsewhere than on Linux these functions find nothing, and say so by an empty answer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_WRITE_BYTE = 120
_READ_BYTES = range(124, 128)
"""The readers that pin a place in the log. Byte 123 belongs to readers that need nothing of it."""


class Locks(NamedTuple):
    """Process ids that hold SQLite's locks on one database at one moment."""

    writers: frozenset[int]
    readers: frozenset[int]


def locks(database: str) -> Locks:
    """Who holds the write lock, and who reads inside a transaction, right now."""
    writers: set[int] = set()
    readers: set[int] = set()
    try:
        shm = os.stat(f"{database}-shm")
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return Locks(frozenset(), frozenset())
    for line in lines:
        # 12: POSIX  ADVISORY  READ 4711 08:01:131 124 124
        words = line.replace("->", "").split()
        if len(words) < 8 or words[1] != "POSIX":
            continue
        device, _, inode = words[5].rpartition(":")
        if int(inode) != shm.st_ino or not _same_device(device, shm.st_dev):
            continue
        pid, first, last = int(words[4]), int(words[6]), words[7]
        span = range(first, (_READ_BYTES.stop if last == "EOF" else int(last)) + 1)
        if words[3] == "WRITE" and _WRITE_BYTE in span:
            writers.add(pid)
        if words[3] == "READ" and any(byte in span for byte in _READ_BYTES):
            readers.add(pid)
    return Locks(frozenset(writers), frozenset(readers))


def users(database: str) -> dict[int, str]:
    """Processes that have the database open, as far as we may see: pid → command line."""
    names = {database, f"{database}-wal", f"{database}-shm"}
    found: dict[int, str] = {}
    for process in _processes():
        try:
            # Ends at the first match: a process may have thousands of files open.
            with os.scandir(process / "fd") as entries:
                held = any(os.readlink(entry) in names for entry in entries)
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
        if held:
            found[int(process.name)] = command_of(int(process.name))
    return found


def two_sqlites(pid: int) -> bool:
    """True where that process has loaded a second SQLite library beside Python's own."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    standard = "/_sqlite3." in maps or "/libsqlite3.so" in maps
    return standard and any(name in maps for name in ("/apsw/", "/pysqlite3/", "/sqlcipher3/"))


def command_of(pid: int) -> str:
    """The command line of a process, shortened, or an empty text."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    words = raw.decode(errors="replace").split("\0")
    return " ".join(words).strip()[:120]


def named(pids: frozenset[int] | set[int]) -> str:
    """``process 4711 (python app.py), …``"""
    return ", ".join(f"process {pid} ({command_of(pid) or 'gone'})" for pid in sorted(pids))


def _processes() -> list[Path]:
    try:
        return [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    except OSError:
        return []


def _same_device(text: str, device: int) -> bool:
    major, _, minor = text.partition(":")
    return (int(major, 16), int(minor, 16)) == (os.major(device), os.minor(device))
