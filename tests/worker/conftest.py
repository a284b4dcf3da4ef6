from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.worker.rig import Rig


@pytest.fixture
def rig(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Rig]:
    for name in list(os.environ):
        if name.startswith("WINDLASS_"):
            monkeypatch.delenv(name)
    made = Rig(tmp_path, database_url, monkeypatch)
    yield made
    made.close()
