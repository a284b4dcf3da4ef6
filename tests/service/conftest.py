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
from windlass.store.postgres.location import is_postgres


class Installation:
    """A folder with the program, as a user would have it, and its database: a file there, or on a server."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.folder = folder
        self.database = database or str(folder / "app.db")
        self.script = folder / "program.py"
        shutil.copy(Path(str(program.__file__)), self.script)
        self.app = Windlass(self.database, isolates=1)
        self.seen: set[int] = set()

    @property
    def service(self) -> ServiceControl:
        """The program's service, as another process knows it."""
        return self.app.service

    def start(self, **options: Any) -> int:
        """Starts the service from this process."""
        return self.service.start(str(self.script), **({"wait": 60} | options))

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
        return (self.app.state_dir / "service.log").read_text()

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
def installed(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Installation]:
    for name in list(os.environ):
        if name.startswith("WINDLASS_"):
            monkeypatch.delenv(name)
    if is_postgres(database_url):  # the program itself names a file beside it
        monkeypatch.setenv("WINDLASS_DATABASE", database_url)
    installation = Installation(tmp_path, database_url)
    yield installation
    installation.close()
