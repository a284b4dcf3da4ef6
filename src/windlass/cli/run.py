"""``windlass run``: the service in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.options import App, Db, open_program

cli = typer.Typer(add_completion=False)


@cli.command()
def run(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]", help="The program: module:attr or path/to/script.py.", show_default=False
        ),
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when a file changes (see the setting reload_dirs).")
    ] = False,
    isolates: Annotated[int | None, typer.Option(help="How many processes run handlers.")] = None,
    grace: Annotated[
        str | None, typer.Option(help='How long running jobs may go on after a stop: "30s".')
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="What this machine has, for queues that are pinned to it; may be repeated."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="What this machine is called; its host name by default.")
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(metavar="text|json", help="How it logs: for people, or one JSON object a line."),
    ] = None,
    db: Db = None,
    app: App = None,
) -> None:
    """Run the service in the foreground, logging to stderr. Ctrl-C stops it gracefully, twice at once."""
    from windlass.service.process import run_foreground

    opened = open_program(
        db,
        target or app,
        isolates=isolates,
        grace=grace,
        log_format=log_format,
        labels=label or None,
        host=host,
    )
    opened.close()
    run_foreground(opened.settings, reload=reload)
