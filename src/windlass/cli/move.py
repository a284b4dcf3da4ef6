"""``windlass move``: all jobs of one database to another, while programs go on using the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass.cli.options import Json, close_after, require_jobs
from windlass.cli.output import Output
from windlass.errors import MoveRefused
from windlass.store import open_store

if TYPE_CHECKING:
    from windlass.store.relational.moving import Report

cli = typer.Typer(add_completion=False)

_JOBS = "background_service_jobs"


@cli.command()
def move(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="An SQLite file or a postgresql:// URL.", show_default=False)
    ],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="The other: new, and empty.", show_default=False)
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also while programs run jobs that this command cannot stop: those run again."
        ),
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give up a move that was interrupted before its cut.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Move jobs, schedules, history and switches to another database.

    FROM is used as before while its rows are copied and both sides are counted. Then its service is stopped,
    what changed meanwhile is copied and counted, and from that moment FROM refuses every change: it is kept,
    as a backup. Interrupted, the same command goes on. Afterwards, give your programs the new database, and
    start them.
    """
    from windlass.store.move import abandon as give_up
    from windlass.store.move import move as go

    here, there = close_after(open_store(source)), close_after(open_store(target))
    require_jobs(here, otherwise="check the name: FROM is what has the jobs")
    output = Output(as_json=as_json)
    names = here.side().name, there.side().name
    if abandon:
        give_up(here, there)
        output.data({"abandoned": True}, lambda: f"{names[0]} is as it was, and {names[1]} is empty")
        return
    copied = 0
    with output.progress() as bar:
        task = bar.add_task("copying", total=None)

        def told(table: str, rows: int) -> None:
            nonlocal copied
            copied += rows
            bar.update(task, completed=copied, description=f"copying {table}")

        report = go(here, there, told=told, before_cut=lambda: _quiet(source, force=force))
    value = {"from": names[0], "to": names[1], "rows": report.rows, "running": report.running}
    output.data({**value, "resumed": report.resumed, "synced": report.synced}, lambda: _said(names, report))


def _said(names: tuple[str, str], report: Report) -> str:
    others = sum(report.rows.values()) - report.rows[_JOBS]
    jobs = report.rows[_JOBS]
    counted = f"{jobs:,} jobs and {others:,} other rows, counted on both sides"
    lines = [f"{names[1]} has all of {names[0]}: {counted}"]
    if report.running:
        lines.append(f"{report.running:,} jobs were running: they are taken back, and run again")
    lines.append(f"{names[0]} refuses every change from now on; it is a backup of this moment")
    if report.synced:
        lines.append(
            f"the synced tables stay there, as all of your own do: {', '.join(report.synced)}; copy them "
            "before you start your programs"
        )
    lines.append("next: name the new database in windlass.toml, or where your program makes its Windlass")
    return "\n".join(lines)


def _quiet(source: str, *, force: bool) -> None:
    """Stops the service of the source, and refuses where others go on running its jobs."""
    from windlass.app import Windlass
    from windlass.living import live_dispatchers

    app = Windlass(source)
    try:
        app.service.stop()
        live = live_dispatchers(app.store)
    finally:
        app.close()
    if live and not force:
        told = ", ".join(f"process {row.pid} on {row.host}" for row in live)
        raise MoveRefused(
            f"jobs still run in {told}: end it, then the same command goes on; --force leaves it, and what "
            "it runs is run again"
        )
