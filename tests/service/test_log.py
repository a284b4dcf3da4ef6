from __future__ import annotations

import os
from pathlib import Path

from windlass.service.log import open_log, trim_log


def test_a_log_that_grew_too_large_keeps_its_last_whole_lines_aside(tmp_path: Path) -> None:
    log = open_log(str(tmp_path))
    for number in range(100):
        os.write(log, f"line {number:04d}\n".encode())
    assert trim_log(str(tmp_path), size_max=999, kept=100)
    aside = (tmp_path / "service.log.1").read_text().splitlines()
    assert aside == [f"line {number:04d}" for number in range(91, 100)]
    # Whoever holds the file open goes on at its new beginning.
    os.write(log, b"next\n")
    os.close(log)
    assert (tmp_path / "service.log").read_text() == "next\n"


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    assert not trim_log(str(tmp_path))
    os.close(open_log(str(tmp_path)))
    assert not trim_log(str(tmp_path))
    assert (tmp_path / "service.log").stat().st_mode & 0o777 == 0o600
