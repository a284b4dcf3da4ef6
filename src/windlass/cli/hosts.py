"""``windlass hosts``: which machines work, what they run; pause and drain them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from windlass.cli.options import App, Db, Json, open_app
from windlass.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from windlass.app import Windlass
    from windlass.hosts import Host

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List hosts; pause, resume or drain one.",
)

Name = Annotated[str, typer.Argument(metavar="HOST", help="The host's name, as windlass hosts list says it.")]


@cli.command("list")
def list_(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """All hosts with a dispatcher, and those that someone paused."""
    _show(open_app(db, app), None, as_json)


@cli.command()
def pause(host: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Start no more jobs on this host; what runs goes on."""
    opened = open_app(db, app)
    opened.hosts.pause(host)
    _show(opened, host, as_json)


@cli.command()
def resume(host: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Start jobs there again."""
    opened = open_app(db, app)
    opened.hosts.resume(host)
    _show(opened, host, as_json)


@cli.command()
def drain(host: Name, db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Start no more jobs there, and end its services when what runs has ended."""
    opened = open_app(db, app)
    opened.hosts.drain(host)
    _show(opened, host, as_json)


def _show(opened: Windlass, name: str | None, as_json: bool) -> None:
    found = [host for host in opened.hosts.list() if name in (None, host.name)]
    output = Output(as_json=as_json)
    if name is not None and not any(host.dispatchers for host in found):
        output.note(f"nothing works on a host called {name} now")
    output.data(found, lambda: _table(found))


def _table(hosts: Sequence[Host]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from windlass.redact import printable

    if not hosts:
        return Text("no host works on this database: windlass start", "dim")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("host", "", "dispatcher", "version", "labels", "runs", "knows", "last pulse"):
        table.add_column(name, justify="right" if name == "runs" else "left", overflow="fold")
    for host in hosts:
        switch = "draining" if host.draining else "paused" if host.paused else ""
        first = (printable(host.name), Text(switch, "yellow"))
        for place, one in enumerate(host.dispatchers):
            keys = "every key" if one.job_keys is None else f"{len(one.job_keys)} keys"
            pulse = "" if one.silent_s is None else f"{one.silent_s:.0f} s ago"
            state = Text(f"{one.id} {one.mode} {one.pid} ").append(
                one.state, "green" if one.is_alive else "red"
            )
            table.add_row(
                *(first if place == 0 else ("", "")),
                state,
                printable(one.version),
                printable(", ".join(host.labels)) if place == 0 else "",
                str(one.running),
                keys,
                pulse,
            )
        if not host.dispatchers:
            table.add_row(*first, Text("none", "dim"))
    return table
