from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.service import program
from tests.service.waiting import PATIENCE_S, gone, until
from windlass import Windlass, platform
from windlass.service.process import ServiceControl


class Installation:
    """A folder with the program and its database, as a user would have it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "program.py"
        shutil.copy(Path(str(program.__file__)), self.script)
        self.app = Windlass(folder / "app.db", isolates=1)
        self.seen: set[int] = set()

    @property
    def service(self) -> ServiceControl:
        """The program's service, as another process knows it."""
        return self.app.service

    def start(self, **options: Any) -> int:
        """Starts the service from this process."""
        return self.service.start(str(self.script), **({"wait": 20} | options))

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs the program to its end."""
        return subprocess.run(
            [sys.executable, str(self.script), *arguments],
            capture_output=True, text=True, timeout=PATIENCE_S * 2, **options,
        )  # fmt: skip

    def processes(self) -> dict[str, int]:
        """Who runs: the supervisor, the dispatcher and its isolate."""
        status = self.service.status()
        assert status
        assert status.pid
        assert status.dispatcher
        found = {"supervisor": status.pid, "dispatcher": status.dispatcher}
        worker = self.service.invoke("where", reply=True)[0]
        self.seen.update([*found.values(), worker])
        return found | {"isolate": worker}

    def log(self) -> str:
        """What the service logged."""
        return (self.folder / "app.db-windlass" / "service.log").read_text()

    def blocking(self, name: str = "blocking") -> int:
        """The process in which the job of that mark runs now."""
        return int(until(lambda: self._read(name)))

    def _read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """Ends everything; fails when something is left."""
        self.service.stop(wait=0.1)
        self.service.close()
        self.app.close()
        until(lambda: all(gone(pid) for pid in self.seen))
        shutil.rmtree(platform.runtime_dir(self.service.folder, create=False), ignore_errors=True)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Installation]:
    for name in list(os.environ):
        if name.startswith("WINDLASS_"):
            monkeypatch.delenv(name)
    installation = Installation(tmp_path)
    yield installation
    installation.close()
