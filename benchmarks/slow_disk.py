"""A slow disk, honestly: every sync of a process takes 2 ms longer, and is then done for real."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path

from benchmarks.model import Unavailable

DELAY_S = 0.002
SOURCE = Path(__file__).with_name("slow_disk.c")


def environment(folder: Path) -> dict[str, str]:
    """Variables under which a process started next has the slow disk; none where there is no C compiler."""
    library = folder / "slow_disk.so"
    compiler = os.environ.get("CC", "gcc")
    compile_it = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    try:
        subprocess.run(compile_it, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"LD_PRELOAD": str(library), "SLOW_DISK_US": str(round(DELAY_S * 1e6))}


def insist(folder: Path) -> None:
    """Makes sure that SQLite in this process feels the delay.

    Raises:
        Unavailable: it does not: no compiler, or an SQLite linked statically with the interpreter.
    """
    path = folder / "slow_disk_probe.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE probe (number INTEGER)")
    start = time.perf_counter()
    for number in range(5):
        connection.execute("INSERT INTO probe VALUES (?)", (number,))
    elapsed_s = time.perf_counter() - start
    connection.close()
    if elapsed_s < 5 * DELAY_S:
        raise Unavailable(
            "no sync delay can be injected here: it needs gcc, and an SQLite linked dynamically"
        )
