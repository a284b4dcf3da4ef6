"""What a disk may hold after a power cut, given what it was asked to do."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

SECTOR = 512
"""The most that a disk writes whole; SQLite counts on no less."""

Mode = Literal["dropped", "kept", "prefix", "subset", "sectors"]
MODES: tuple[Mode, ...] = ("dropped", "kept", "prefix", "subset", "sectors")
"""What becomes of unsynced writes: none arrive; all do; those up to a moment, the last one torn; any of them;
or each sector by itself holds whatever it held at some moment since the last sync."""
CHANCES: tuple[Mode, ...] = ("prefix", "subset", "sectors")
"""Those that differ each time."""


class Open(NamedTuple):
    """A file appears under a name; ``content`` was on the disk before the recording began."""

    inode: int
    name: str
    content: bytes | None


class Write(NamedTuple):
    inode: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    inode: int
    size: int


class Sync(NamedTuple):
    inode: int


class FailedSync(NamedTuple):
    """The disk could not write some of it, and the system will not try again by itself."""

    inode: int


class Delete(NamedTuple):
    name: str
    durable: bool
    """The directory was synced with it."""


Op = Open | Write | Truncate | Sync | FailedSync | Delete
Image = dict[str, bytes]
"""The files of a disk by name."""


@dataclass
class _File:
    durable: bytes = b""
    pending: list[Write | Truncate] = field(default_factory=list[Write | Truncate])


class Disk:
    """Takes operations one by one, and at any moment tells what a power cut would leave."""

    def __init__(self, *, heeds_syncs: bool = True) -> None:
        self._heeds_syncs = heeds_syncs
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._renaming: list[tuple[str, int | None]] = []

    def take(self, op: Op) -> None:
        """One operation reaches the disk's cache."""
        match op:
            case Open(inode, name, content):
                self._files[inode] = _File(content or b"")
                if content is None:
                    self._renaming.append((name, inode))
                else:
                    self._names[name] = inode
            case Write(inode) | Truncate(inode):
                self._files[inode].pending.append(op)
            case Delete(name, durable):
                self._renaming.append((name, None))
                if durable:
                    self._settle_names()
            case FailedSync():
                # What becomes of it is a matter of luck, as with any unsynced write.
                return
            case Sync(inode):
                if self._heeds_syncs:
                    self._sync(inode)

    def image(self, mode: Mode, rng: random.Random) -> Image:
        """What may be found after a power cut now."""
        names = dict(self._names)
        arrived = {"dropped": 0, "kept": len(self._renaming)}.get(mode, rng.randint(0, len(self._renaming)))
        _rename(names, self._renaming[:arrived])
        return {name: _content(self._files[inode], mode, rng) for name, inode in names.items()}

    def _sync(self, inode: int) -> None:
        file = self._files[inode]
        content = bytearray(file.durable)
        for op in file.pending:
            _apply(content, op)
        file.durable, file.pending = bytes(content), []
        if any(linked == inode for _, linked in self._renaming):
            # SQLite syncs the directory with the first sync of a log or journal that it created.
            self._settle_names()

    def _settle_names(self) -> None:
        _rename(self._names, self._renaming)
        self._renaming = []


PAGE = 4096


class ForgetfulDisk:
    """A system that after a failed sync takes its pages for clean: only those written again reach the disk.

    That is what Linux does. Nothing unsynced arrives by chance here, so a cut leaves exactly one image.
    """

    def __init__(self) -> None:
        self._cached: dict[int, bytearray] = {}
        self._durable: dict[int, bytearray] = {}
        self._dirty: dict[int, set[int]] = {}
        self._names: dict[str, int] = {}

    def take(self, op: Op) -> None:
        """One operation reaches the system's cache."""
        match op:
            case Open(inode, name, content):
                self._cached[inode], self._durable[inode] = (
                    bytearray(content or b""),
                    bytearray(content or b""),
                )
                self._dirty[inode] = set()
                self._names[name] = inode
            case Write(inode, offset, data):
                _apply(self._cached[inode], op)
                self._dirty[inode].update(range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1))
            case Truncate(inode):
                _apply(self._cached[inode], op)
                _apply(self._durable[inode], op)
            case Delete(name):
                self._names.pop(name, None)
            case FailedSync(inode):
                self._dirty[inode].clear()
            case Sync(inode):
                for page in self._dirty[inode]:
                    held = bytes(self._cached[inode][page * PAGE : (page + 1) * PAGE])
                    _apply(self._durable[inode], Write(inode, page * PAGE, held))
                self._dirty[inode].clear()

    def image(self) -> Image:
        """What is found after a power cut now."""
        return {name: bytes(self._durable[inode]) for name, inode in self._names.items()}


def _rename(names: dict[str, int], changes: Iterable[tuple[str, int | None]]) -> None:
    for name, inode in changes:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _content(file: _File, mode: Mode, rng: random.Random) -> bytes:
    if mode == "dropped" or not file.pending:
        return file.durable
    content = bytearray(file.durable)
    match mode:
        case "kept":
            arrived = file.pending
        case "prefix":
            count = rng.randint(0, len(file.pending))
            arrived = file.pending[:count]
            if count < len(file.pending):
                arrived = [*arrived, *_torn(file.pending[count], rng)]
        case "subset":
            arrived = [op for op in file.pending if rng.random() < 0.5]
        case "sectors":
            return _by_sector(file, rng)
    for op in arrived:
        _apply(content, op)
    return bytes(content)


def _apply(content: bytearray, op: Write | Truncate) -> None:
    if isinstance(op, Truncate):
        if op.size < len(content):
            del content[op.size :]
        else:
            content.extend(bytes(op.size - len(content)))
        return
    if op.offset > len(content):
        content.extend(bytes(op.offset - len(content)))
    content[op.offset : op.offset + len(op.data)] = op.data


def _torn(op: Write | Truncate, rng: random.Random) -> list[Write]:
    """The first sectors of a write, as many as the power lasted for."""
    if isinstance(op, Truncate):
        return []
    first = SECTOR - op.offset % SECTOR
    edges = range(first, len(op.data), SECTOR)
    cut = rng.choice([0, *edges])
    return [op._replace(data=op.data[:cut])] if cut else []


def _by_sector(file: _File, rng: random.Random) -> bytes:
    content = bytearray(file.durable)
    sizes = [len(content)]
    versions: dict[int, list[bytes]] = {}
    for op in file.pending:
        first, last = _sectors_of(op, len(content))
        for sector in range(first, last):
            versions.setdefault(sector, [_sector(content, sector)])
        _apply(content, op)
        for sector in range(first, last):
            versions[sector].append(_sector(content, sector))
        sizes.append(len(content))
    size = rng.choice(sizes)
    for sector, held in versions.items():
        begin = sector * SECTOR
        if begin < size:
            _apply(content, Write(0, begin, rng.choice(held)))
    _apply(content, Truncate(0, size))
    return bytes(content)


def _sectors_of(op: Write | Truncate, size: int) -> tuple[int, int]:
    if isinstance(op, Truncate):
        return op.size // SECTOR, -(-size // SECTOR)
    return min(op.offset, size) // SECTOR, -(-(op.offset + len(op.data)) // SECTOR)


def _sector(content: bytearray, sector: int) -> bytes:
    return bytes(content[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")
