"""``windlass audit``: what was done through the dashboard, by whom, and how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from windlass.cli.options import App, Db, Json, open_app
from windlass.cli.output import Output
from windlass.redact import printable

if TYPE_CHECKING:
    from windlass.store.audits import AuditEntry

cli = typer.Typer(add_completion=False)


@cli.command()
def audit(
    action: Annotated[str | None, typer.Option(help="Of this action alone, such as jobs.retry.")] = None,
    who: Annotated[str | None, typer.Option(help="Of this person alone.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")] = 50,
    db: Db = None,
    app: App = None,
    as_json: Json = False,
) -> None:
    """What was done through the dashboard, newest first: who, what, to what, and whether it went well."""
    found = open_app(db, app).audit.list(action=action, who=who, limit=limit).entries
    Output(as_json=as_json).data(found, lambda: _table(found))


def _table(entries: Sequence[AuditEntry]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from windlass.cli.render import when

    if not entries:
        return Text("nothing was done through the dashboard", "dim")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("when", "who", "action", "subject"):
        table.add_column(name, no_wrap=name == "when")
    table.add_column("details", overflow="fold", ratio=1)
    table.add_column("outcome")
    for entry in entries:
        details = "" if entry.details is None else msgspec.json.encode(entry.details).decode()
        table.add_row(
            when(entry.at),
            printable(entry.who),
            Text(printable(entry.action), "bold"),
            printable(entry.subject or ""),
            Text(printable(details), "dim"),
            Text(printable(entry.outcome), "" if entry.outcome == "ok" else "red"),
        )
    return table
