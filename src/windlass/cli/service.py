"""``windlass start``, ``stop``, ``restart``, ``scale`` and ``status``: the service in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, fail, open_app, open_program
from windlass.cli.output import Output
from windlass.store.relational.noting import moved_to

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.service.process import ServiceStatus
    from windlass.store.move import Movable

cli = typer.Typer(add_completion=False)

Wait = Annotated[str, typer.Option(help='How long to wait until it is ready: "10s".')]


@cli.command()
def start(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]", help="The program: module:attr or path/to/script.py.", show_default=False
        ),
    ] = None,
    isolates: Annotated[int | None, typer.Option(help="How many processes run handlers.")] = None,
    wait: Wait = "10s",
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Start the service in the background; it goes on when you log out of this shell."""
    opened = open_program(db, target or app, isolates=isolates)
    output = Output(as_json=as_json)
    with output.busy("starting the service"):
        pid = opened.service.start(wait=wait)
    status = opened.service.status()
    log = status.log if status else ""
    output.data(
        {"pid": pid, "database": opened.place.shown, "log": log},
        lambda: f"the service runs: process {pid}, database {opened.place.shown}\nit logs to {log}",
    )


@cli.command()
def stop(
    wait: Annotated[
        str | None, typer.Option(help="Then it is killed; by default its grace and five seconds.")
    ] = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Stop the service gracefully: running jobs get their grace, the rest stays queued."""
    opened = open_app(db, app, looks=False)
    output = Output(as_json=as_json)
    with output.busy("stopping the service; running jobs get their grace"):
        stopped = opened.service.stop(wait=wait)
    if not stopped:
        fail(f"no service runs on {opened.place.shown}", ExitCode.NOT_FOUND)
    output.data({"stopped": True, "database": opened.place.shown}, lambda: "the service has ended")


@cli.command()
def restart(wait: Wait = "10s", db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Replace the service's processes, which load the program anew. Running jobs get their grace."""
    opened = open_app(db, app, looks=False)
    output = Output(as_json=as_json)
    with output.busy("restarting the service; running jobs get their grace"):
        opened.service.restart(wait=wait)
    status = opened.service.status()
    output.data(
        {"restarted": True, "dispatcher": status.dispatcher if status else None},
        lambda: f"the service has restarted: dispatcher {status.dispatcher if status else '?'}",
    )


@cli.command()
def scale(
    isolates: Annotated[int, typer.Argument(metavar="N", help="How many processes are to run handlers.")],
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Run jobs in so many isolates from now on, until the service starts again: then the setting counts."""
    opened = open_app(db, app, looks=False)
    opened.service.scale(isolates)
    told = f"from now on jobs run in {isolates} isolate{'s' * (isolates != 1)}"
    Output(as_json=as_json).data({"isolates": isolates}, lambda: told)


@cli.command()
def status(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Is it running, and what is there to do? Exit code 3 where no service runs."""
    opened = open_app(db, app)
    service = opened.service.status()
    moved = moved_to(cast("Movable", opened.store).side().engine)
    counts = opened.jobs.counts()
    queues = opened.queues.list()
    told: dict[str, Any] = {
        "database": opened.place.shown,
        "moved_to": moved,
        "running": service is not None,
        "service": service,
        "jobs": counts,
        "queues": queues,
    }

    def page() -> object:
        from rich.console import Group
        from rich.text import Text

        from windlass.cli.render import queues_table
        from windlass.terminal.words import counts_line

        return Group(
            _headline(opened, service, moved), Text(), counts_line(counts), Text(), queues_table(queues)
        )

    Output(as_json=as_json).data(told, page)
    if service is None:
        raise typer.Exit(ExitCode.NOT_FOUND)


def _headline(opened: Windlass, service: ServiceStatus | None, moved: str | None) -> Any:
    from rich.text import Text

    from windlass.redact import printable

    where = f"  {opened.place.shown}"
    if service is None:
        line = Text("○ no service runs", "yellow").append(where, "dim")
        if moved is not None:
            return line.append(f"\n  moved to {printable(moved)}", "yellow")
        return line.append("\n  windlass start", "dim")
    line = Text("● ", "green" if service.state == "ready" else "yellow").append(
        f"the service is {service.state}"
    )
    line.append(where, "dim")
    line.append(f"\n  supervisor {service.pid}, dispatcher {service.dispatcher or 'none'}", "dim")
    if service.restarts:
        line.append(f", started again {service.restarts} time{'s' * (service.restarts != 1)}", "yellow")
    line.append(f"\n  log {service.log}", "dim")
    if service.last_error:
        line.append(f"\n  {printable(service.last_error)}", "red")
    return line
