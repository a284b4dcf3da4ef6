"""``windlass demo``: opens the stage, runs the show, and tidies up after it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import Json, fail, settle
from windlass.cli.output import Output

if TYPE_CHECKING:
    from windlass.demo.show import Report
    from windlass.demo.stage import Stage
    from windlass.demo.sync.show import Report as SyncReport

cli = typer.Typer(add_completion=False)


@cli.command()
def demo(
    what: Annotated[
        Literal["jobs", "sync"], typer.Argument(help="What is shown: background jobs, or sync.")
    ] = "jobs",
    source: Annotated[
        Path | None,
        typer.Option(help="Index the Python files below this folder instead of the standard library."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many files, or rows of each table.")
    ] = None,
    no_kill: Annotated[bool, typer.Option("--no-kill", help="Kill nothing on the way.")] = False,
    isolates: Annotated[int | None, typer.Option(min=1, help="How many processes run handlers.")] = None,
    db: Annotated[
        Path | None,
        typer.Option("--db", metavar="FILE", help="Keep the database here; it must not exist yet."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Index Python's own library in the background: thousands of real jobs, real failures, two real kill -9.

    Or sync: two replicas of thousands of real rows, a server that behaves badly, a network that is cut.

    Exit code 0 if every file has exactly one result at the end, or if both replicas and the server are equal
    in every row; and nothing is left running.
    """
    if what == "sync":
        if source is not None or no_kill or isolates is not None or db is not None:
            raise typer.BadParameter("only --limit and --json are for `windlass demo sync`")
        if importlib.util.find_spec("httpx2") is None:
            fail('the demo of sync needs httpx2: pip install "windlass[cli,sync]"', ExitCode.FAILURE)
        _demo_sync(limit, as_json=as_json)
        return
    if db is not None and db.exists():
        fail(f"{db} exists: the demo wants a database of its own", ExitCode.CONFLICT)
    output = Output(as_json=as_json)
    with _interruptible(), _home(db) as database:
        report = _show(output, database, source, limit, isolates, not no_kill)

        def summary() -> object:
            from windlass.demo.curtain import summary

            return summary(report)

        output.data(report, summary)
        if db is not None:
            output.note(f"look into it: windlass jobs list --db {db} --status FAILED", "dim")
    if not report.verdict.holds or report.left_running:
        raise typer.Exit(ExitCode.FAILURE)


def _show(
    output: Output, database: Path, source: Path | None, limit: int | None, isolates: int | None, kill: bool
) -> Report:
    # Before the program is loaded: so it is this database that it, and every process of the service, uses.
    settle(db=str(database), app="windlass.demo.app:app", isolates=isolates, service_enabled=True)
    from windlass.demo.app import app, index_module
    from windlass.demo.show import Show
    from windlass.demo.sources import find_sources

    sources = find_sources(source, limit)
    try:
        return Show(app, index_module, sources, _stage(output), kills=kill).run()
    finally:
        app.close()


def _demo_sync(limit: int | None, *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    with _interruptible(), _home(None) as database:
        report = _show_sync(output, database.parent, limit)

        def summary() -> object:
            from windlass.demo.sync.curtain import summary

            return summary(report)

        output.data(report, summary)
    if not report.holds:
        raise typer.Exit(ExitCode.FAILURE)


def _show_sync(output: Output, folder: Path, limit: int | None) -> SyncReport:
    from windlass.cli.sync_render import conflicts_tables, dead_panels, statuses_table
    from windlass.demo.sync.scene import PlainSyncStage, SyncStage
    from windlass.demo.sync.show import Show, Views
    from windlass.demo.sync.tables import find_tables

    stage: SyncStage = PlainSyncStage()
    if _draws(output):
        from windlass.demo.sync.picture import SyncScreen

        stage = SyncScreen(output.err)
    views = Views(statuses_table, conflicts_tables, dead_panels)
    return Show(find_tables(), folder, stage, views, limit=limit).run()


def _draws(output: Output) -> bool:
    return output.err.is_terminal and not output.err.is_dumb_terminal


def _stage(output: Output) -> Stage:
    if _draws(output):
        from windlass.demo.screen import Screen

        return Screen(output.err)
    from windlass.demo.stage import PlainStage

    return PlainStage()


@contextmanager
def _home(db: Path | None) -> Generator[Path]:
    """Where the database lives: where the person says, or in a folder that is gone afterwards."""
    if db is not None:
        yield db
        return
    folder = tempfile.mkdtemp(prefix="windlass-demo-")
    try:
        yield Path(folder) / "demo.db"
    finally:
        shutil.rmtree(folder)


@contextmanager
def _interruptible() -> Generator[None]:
    """Lets SIGTERM and a closed terminal end the show as Ctrl-C does: with the service stopped."""

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM] + ([signal.SIGHUP] if os.name == "posix" else [])
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
