"""``windlass queues``: pause, resume and limit queues while everything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from windlass.cli.options import App, Db, Json, open_app
from windlass.cli.output import Output
from windlass.errors import ConfigError

if TYPE_CHECKING:
    from windlass.app import Windlass

cli = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, pause, resume; limit how many run at once."
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
def limit(
    queue: Name,
    at_once: Annotated[
        str, typer.Argument(metavar="N|none", help="How many may run at once; none lifts the limit.")
    ],
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """Limit how many jobs of this queue run at once, over all services."""
    if at_once.lower() != "none" and not at_once.isdecimal():
        raise ConfigError(f"expected the limit to be a positive integer or none, got {at_once!r}")
    opened = open_app(db, app)
    opened.queues.limit(queue, None if at_once.lower() == "none" else int(at_once))
    _show(opened, queue, as_json)


def _show(opened: Windlass, queue: str | None, as_json: bool) -> None:
    found = [state for state in opened.queues.list() if queue in (None, state.queue)]

    def table() -> object:
        from windlass.cli.render import queues_table

        return queues_table(found)

    Output(as_json=as_json).data(found, table)
