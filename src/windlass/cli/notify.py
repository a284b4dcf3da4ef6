"""``windlass notify``: does anybody hear of it? And what has been told that is not over?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
import typer

from windlass.cli.exits import ExitCode
from windlass.cli.options import App, Db, Json, open_app
from windlass.cli.output import Output
from windlass.redact import describe, printable

if TYPE_CHECKING:
    from windlass.notify.channels import Channel

cli = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Try every channel; list what was told and is not over."
)


class Tried(msgspec.Struct, frozen=True):
    """What one channel did with a test."""

    channel: str
    failed: bool
    did: str


@cli.command("test")
def try_channels(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """Send one notification through every channel, and say what each did."""
    opened = open_app(db, app, handlers=True, create=True)
    tried = [_try(channel) for channel in opened.notifier.channels]

    def table() -> object:
        rows = [(one.channel, "failed: " * one.failed + printable(one.did)) for one in tried]
        return _table(("channel", "what it did"), rows)

    Output(as_json=as_json).data(tried, table)
    if any(one.failed for one in tried):
        raise typer.Exit(ExitCode.FAILURE)


@cli.command("list")
def list_(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """What was told and is not over yet, newest first."""
    told = open_app(db, app).notifier.told(1000)

    def table() -> object:
        from windlass.clock import iso

        rows = [(iso(one.told_at_us), one.event, printable(one.subject), str(one.times)) for one in told]
        return _table(("told", "event", "subject", "times"), rows)

    Output(as_json=as_json).data(told, table)


def _try(channel: Channel) -> Tried:
    from windlass.events import NotifyTest

    try:
        return Tried(channel.name, False, channel.tell(NotifyTest()))
    except Exception as error:  # noqa: BLE001 - a channel is the user's or a platform's, and this is its test
        return Tried(channel.name, True, describe(error).partition("\n")[0])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
