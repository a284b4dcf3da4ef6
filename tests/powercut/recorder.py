"""Between SQLite and the disk: a VFS that writes down what the disk is asked for.

``apsw`` registers it as the default VFS of the SQLite library in this process, and the ``sqlite3`` module
uses that same library: whatever opens a database here is recorded, without knowing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import apsw

from tests.powercut.disk import FailedSync, Sync, Truncate, Write
from tests.powercut.recording import Recording

KEPT = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
"""Files that matter after a power cut. The shared-memory index is rebuilt, temporary files are gone."""


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        recording = recorder.recording
        if (
            path is None
            or not flags[0] & KEPT
            or recording is None
            or os.path.dirname(path) != recording.folder
        ):
            recording = None
        existed = recording is not None and os.path.exists(path)
        super().__init__("unix", name, flags)
        self._recorder = recorder
        self._recording = recording
        self._inode = recording.opened(path, existed=existed) if recording is not None else 0

    def excepthook(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        """apsw would print each of them; those are meant."""
        if not isinstance(error, apsw.IOError | apsw.FullError):
            sys.__excepthook__(kind, error, trace)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's names
        if self._recording is not None:
            self._recorder.meet_fault("write")
            self._recording.note(Write(self._inode, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if self._recording is not None:
            self._recorder.meet_fault("truncate")
            self._recording.note(Truncate(self._inode, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._recording is not None:
            try:
                self._recorder.meet_fault("sync")
            except Exception:
                self._recording.note(FailedSync(self._inode))
                raise
        super().xSync(flags)
        if self._recording is not None:
            self._recording.note(Sync(self._inode))


class Recorder(apsw.VFS):
    """The VFS. Records while ``recording`` is set, and passes everything on to the real one.

    ``fault`` is asked about each operation first, and may raise what the disk says.
    """

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.fault: Callable[[str], None] | None = None
        super().__init__("recorder", "unix", makedefault=True)

    def meet_fault(self, operation: str) -> None:
        """``operation`` is ``write``, ``truncate`` or ``sync``."""
        if self.fault is not None:
            self.fault(operation)

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: N802
        return _File(self, name, flags)

    def xDelete(self, name: str, sync: int) -> None:  # noqa: N802
        recording = self.recording
        if recording is not None and os.path.dirname(name) == recording.folder and os.path.exists(name):
            recording.deleted(name, durable=bool(sync))
        super().xDelete(name, sync)
