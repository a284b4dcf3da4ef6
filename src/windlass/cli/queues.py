"""``windlass queues``: pause, resume and limit queues, and limit job keys, while everything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, fail, open_app
from windlass.cli.output import Output
from windlass.errors import ConfigError

if TYPE_CHECKING:
    from windlass.app import Windlass

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, pause, resume, limit; pin to a host or a label.",
)

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]


@cli.command("list")
def list_(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """All queues that hold jobs or are switched."""
    _show(open_app(db, app), None, as_json)


@cli.command()
def pause(queue: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Start no more jobs of this queue; what runs goes on."""
    opened = open_app(db, app)
    opened.queues.pause(queue)
    _show(opened, queue, as_json)


@cli.command()
def resume(queue: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Start this queue's jobs again."""
    opened = open_app(db, app)
    opened.queues.resume(queue)
    _show(opened, queue, as_json)


@cli.command()
def pin(
    queue: Name,
    label: Annotated[
        str | None, typer.Option(help="Only services with this label take from it.", show_default=False)
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Only services on this host take from it.", show_default=False)
    ] = None,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Keep a queue for the services with a label, or for one host."""
    opened = open_app(db, app)
    opened.queues.pin(queue, label=label, host=host)
    _show(opened, queue, as_json)


@cli.command()
def unpin(queue: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Let any service take from it again."""
    opened = open_app(db, app)
    opened.queues.unpin(queue)
    _show(opened, queue, as_json)


@cli.command()
def limit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The queue; with --key, the job key.")],
    at_once: Annotated[
        str | None,
        typer.Argument(metavar="[N|none]", help="The same as --concurrency.", show_default=False),
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(
            metavar="N|none", help="How many may run at once; none lifts the limit.", show_default=False
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE|none", help="How many may start in any span: 50/s, 600/m.", show_default=False
        ),
    ] = None,
    key: Annotated[bool, typer.Option("--key", help="Limit the jobs of a key, in whatever queue.")] = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Limit how many jobs of a queue or a key run at once, and how often they start, over all services."""
    if at_once is not None and concurrency is not None:
        raise ConfigError("expected the limit once, got N and --concurrency")
    given: dict[str, Any] = {}
    if (most := at_once or concurrency) is not None:
        if most.lower() != "none" and not most.isdecimal():
            raise ConfigError(f"expected the limit to be a positive integer or none, got {most!r}")
        given["concurrency"] = None if most.lower() == "none" else int(most)
    if rate is not None:
        given["rate"] = None if rate.lower() == "none" else rate
    opened = open_app(db, app)
    if key:
        opened.limits.set(key=name, **given)
        _show_limits(opened, name, as_json)
    else:
        opened.limits.set(queue=name, **given)
        _show(opened, name, as_json)


@cli.command()
def limits(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """All limits in force, of queues and of job keys."""
    _show_limits(open_app(db, app), None, as_json)


@cli.command()
def lift(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The queue; with --key, the job key.")],
    key: Annotated[bool, typer.Option("--key", help="Of a job key.")] = False,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Forget what was set for a queue or a key; what the program declares for a key counts again."""
    opened = open_app(db, app)
    lifted = opened.limits.lift(key=name) if key else opened.limits.lift(queue=name)
    if not lifted:
        fail(f"no limit was set for the {'key' if key else 'queue'} {name}", ExitCode.NOT_FOUND)
    _show_limits(opened, None, as_json)


def _show(opened: Windlass, queue: str | None, as_json: bool) -> None:
    found = [state for state in opened.queues.list() if queue in (None, state.queue)]

    def table() -> object:
        from windlass.cli.render import queues_table

        return queues_table(found)

    Output(as_json=as_json).data(found, table)


def _show_limits(opened: Windlass, key: str | None, as_json: bool) -> None:
    found = [one for one in opened.limits.list() if key is None or (one.kind, one.name) == ("key", key)]

    def table() -> object:
        from windlass.cli.render import limits_table

        return limits_table(found)

    Output(as_json=as_json).data(found, table)
