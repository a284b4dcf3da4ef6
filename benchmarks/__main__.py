"""``python -m benchmarks [--only NAME] [--quick] [--json]``."""

from __future__ import annotations

import argparse
import importlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, report
from benchmarks.model import OURS, RAW, Benchmark, Row
from benchmarks.run import ROOT, measure

NAMES = (
    *("enqueue", "process", "wake", "footprint", "backlog", "startup", "sync", "device", "schedules"),
    *("dashboard", "live", "postgres", "postgres_backlog", "postgres_pinned"),
)
MODULES = [f"benchmarks.{name}" for name in NAMES]


def main() -> int:
    # Ended from outside it still unwinds: no service and no folder stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    chosen = _chosen(options.only)
    if not chosen:
        names = "\n  ".join(figure.name for _, benchmark in _all() for figure in benchmark.figures)
        told = f"no figure has a name that begins with {options.only!r}; the names are\n  {names}"
        print(told, file=sys.stderr)
        return 2
    rows: list[Row] = []
    complete = True
    with _workshop() as folder:
        # With --json, stdout is for the list alone.
        notes = sys.stderr if options.json else sys.stdout
        print(report.header(folder, quick=options.quick), file=notes)
        print(f"\n{report.HEADING}", file=notes)
        for module, benchmark in chosen:
            place = folder / benchmark.name
            place.mkdir()
            samples, lost = measure(module, benchmark, place, quick=options.quick)
            complete = complete and not {OURS, RAW} & set(lost)
            for figure in benchmark.figures:
                row = figure.row(samples)
                rows.append(row)
                print(report.line(figure, row), *report.peers(row, lost), sep="\n", file=notes, flush=True)
            if not any(reason.startswith(("failed", "its", "gave")) for reason in lost.values()):
                shutil.rmtree(place)
    if options.json:
        print(report.as_json(rows))
    return 0 if complete else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Measures Windlass beside raw sqlite3 and other queues."
    )
    parser.add_argument("--only", metavar="NAME", help="measure the figures whose names begin so")
    parser.add_argument("--quick", action="store_true", help="fewer, shorter rounds: a few minutes, noisier")
    parser.add_argument("--json", action="store_true", help="a JSON list on stdout, the table on stderr")
    return parser.parse_args()


def _all() -> Iterator[tuple[str, Benchmark]]:
    for module in MODULES:
        for benchmark in importlib.import_module(module).BENCHMARKS:
            yield module, benchmark


def _chosen(only: str | None) -> list[tuple[str, Benchmark]]:
    return [
        (module, benchmark)
        for module, benchmark in _all()
        if only is None or any(figure.name.startswith(only) for figure in benchmark.figures)
    ]


@contextmanager
def _workshop() -> Iterator[Path]:
    """A folder on a real disk: where the temporary folder is memory, syncing there would be free."""
    in_memory = machine.file_system(Path(tempfile.gettempdir())) in ("tmpfs", "ramfs")
    with tempfile.TemporaryDirectory(prefix="windlass-bench-", dir=ROOT if in_memory else None) as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
