"""``windlass bench``: what this machine and this disk give."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import Json, fail, settle
from windlass.cli.output import Output
from windlass.store.sqlite.inspecting import LIBRARY
from windlass.store.sqlite.safety import file_system

if TYPE_CHECKING:
    from windlass.cli.measuring import Figure

cli = typer.Typer(add_completion=False)

_VOLATILE = ("tmpfs", "ramfs")


@cli.command()
def bench(
    folder: Annotated[
        Path, typer.Option("--dir", help="Measure the disk that this folder is on.", show_default="here")
    ] = Path(),
    quick: Annotated[bool, typer.Option("--quick", help="A fifth of the time, and less exact.")] = False,
    as_json: Json = False,
) -> None:
    """Measure this machine through the public API: enqueues and jobs a second, and how a service wakes up."""
    output = Output(as_json=as_json)
    try:
        home = Path(tempfile.mkdtemp(prefix=".windlass-bench-", dir=folder))
    except OSError as error:
        fail(
            f"{folder} cannot be written ({error.strerror}): name another folder with --dir", ExitCode.FAILURE
        )
    try:
        kind = file_system(str(home.resolve()))
        if kind in _VOLATILE:
            output.note(
                f"{folder.resolve()} lies in memory ({kind}): a durable write costs nothing here", "yellow"
            )
        settle(
            db=str(home.resolve() / "bench.db"),
            app="windlass.cli.bench_app:app",
            isolates=1,
            service_enabled=True,
        )
        figures = _measured(output, 0.2 if quick else 1.0)
    finally:
        shutil.rmtree(home)
    machine = {
        "python": platform.python_version(),
        "sqlite": ".".join(map(str, LIBRARY)),
        "system": f"{platform.system()} {platform.release()}",
        "cpus": os.cpu_count(),
        "storage": kind,
    }
    output.data({"machine": machine, "quick": quick, "figures": figures}, lambda: _table(figures))
    output.note(", ".join(f"{name} {value}" for name, value in machine.items()), "dim")


def _measured(output: Output, scale: float) -> list[Figure]:
    from windlass.cli.bench_app import app
    from windlass.cli.measuring import Bench

    figures: list[Figure] = []
    try:
        with output.progress() as bars:
            for title, measure in Bench(app, scale).measurements():
                task = bars.add_task(title, total=100)
                figures += measure(
                    lambda share, task=task: bars.update(task, completed=min(share * 100, 100))
                )
                bars.update(task, completed=100)
                if not output.err.is_terminal:
                    output.note(f"measured: {title}")
    finally:
        app.close()
    return figures


def _table(figures: list[Figure]) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("what")
    table.add_column("", justify="right", style="bold")
    table.add_column("")
    table.add_column("how", style="dim")
    for figure in figures:
        digits = 2 if figure.unit == "ms" else 0
        table.add_row(figure.name, f"{figure.value:,.{digits}f}", figure.unit, figure.what)
    return table
