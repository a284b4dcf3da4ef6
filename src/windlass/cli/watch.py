"""``windlass watch``: a live table of everything, or one job to its end. Driven by the doorbell."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, fail, open_app
from windlass.cli.output import Output
from windlass.errors import StartFailed

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.job import Job

cli = typer.Typer(add_completion=False)


@cli.command()
def watch(
    job_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="Follow this job to its end.", show_default=False)
    ] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="Only this job key.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Only this queue.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", "-t", help="Only with this tag.")] = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Everything, live, with keys to put things right; or one job to its end (exit code 1: not completed).

    q leaves, ? shows the keys. Without the extra "terminal" it is a table, and Ctrl-C leaves. With --json, or
    where stdout is no terminal, each change is one line.
    """
    output = Output(as_json=as_json)
    if job_id is None and not as_json and output.out.is_terminal and find_spec("textual") is not None:
        _window(db, app, key, queue, tag)
        return
    opened = open_app(db, app)
    if job_id is not None:
        _follow(opened, output, job_id)
    elif as_json or not output.out.is_terminal:
        _lines(opened, output, key, queue, tag)
    else:
        from windlass.cli.board import Board

        Board(opened, output.out, key=key, queue=queue, tag=tag).show()


def _window(db: str | None, app: str | None, key: str | None, queue: str | None, tag: str | None) -> None:
    from windlass.terminal.filtering import Wanted
    from windlass.terminal.window import Window

    note: str | None = None
    try:
        # What is synced is known to the program alone.
        opened = open_app(db, app, handlers=True)
    except StartFailed as error:
        opened = open_app(db, None)
        note = f"The program was not loaded, so what is synced is not shown: {error}"
    wanted = Wanted(key=key, queue=queue, tag=tag)
    Window(opened, wanted=wanted if wanted.text else None, note=note).run()


def _follow(opened: Windlass, output: Output, job_id: int) -> None:
    if opened.jobs.get(job_id) is None:
        fail(f"there is no job {job_id}", ExitCode.NOT_FOUND)
    last: Job | None = None
    with opened.jobs.watch(job_id) as changes:
        for last in changes:
            _tell(output, last)
    if last is None or last.status != "COMPLETED":
        raise typer.Exit(ExitCode.FAILURE)


def _lines(opened: Windlass, output: Output, key: str | None, queue: str | None, tag: str | None) -> None:
    with opened.jobs.watch(key=key, queue=queue, tag=tag) as changes:
        for job in changes:
            _tell(output, job)


def _tell(output: Output, job: Job) -> None:
    if output.as_json:
        output.line(job)
        return
    from windlass.cli.render import one_line

    output.out.print(one_line(job))
