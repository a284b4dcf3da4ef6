"""The tab of the storage: the file or the server, what is wrong with it, and the copies made of it."""

from __future__ import annotations

from rich.console import Group
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from windlass import storage
from windlass.app import Windlass
from windlass.redact import printable
from windlass.storage.state import Backup, Finding, ServerState, StorageState, TableState
from windlass.terminal.job import facts
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Tab
from windlass.terminal.words import when

_SIGNS = {
    "ok": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "bold red"),
}
_COPIES = (Column("copy"), Column("size", 10, right=True), Column("made", 20))
_TABLES = (
    Column("table"),
    Column("rows", 12, right=True),
    Column("dead", 12, right=True, least=70),
    Column("size", 10, right=True),
)


class StorageTab(Tab):
    """Where the jobs are kept."""

    title = "Storage"
    BINDINGS = [Binding("b", "back_up", "Back up")]
    DEFAULT_CSS = """
    StorageTab Static { height: auto; padding: 0 1; margin-bottom: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="state")
        yield Listing(*_COPIES, id="copies")
        yield Listing(*_TABLES, id="tables")

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass doctor"

    def ask(self) -> Ask:
        """See ``View``."""
        return storage.look

    def show(self, found: StorageState) -> None:
        """See ``View``."""
        grid = facts()
        kind = "file" if found.server is None else "server"
        grid.add_row(kind, printable(found.path))
        grid.add_row("size", _size_of(found))
        grid.add_row("free", f"{decimal(found.free_bytes)} on this machine's disk")
        if found.checkpointed_at is not None:
            grid.add_row("checkpoint", when(found.checkpointed_at))
        if found.server is not None:
            _add_server(grid, found.server)
        else:
            grid.add_row("SQLite", f"{found.sqlite}{f' on {found.file_system}' if found.file_system else ''}")
        grid.add_row("schema", found.schema or "none yet")
        told = [_told(one) for one in found.findings] or [Text("✓ nothing is wrong with it", "green")]
        self.query_one("#state", Static).update(Group(grid, Text(), *told))
        tables = found.server.tables if found.server is not None else []
        self._fill("copies", [_copy(one) for one in found.backups])
        self._fill("tables", [_table(one) for one in tables])

    def _fill(self, name: str, rows: list[Row]) -> None:
        listing = self.query_one(f"#{name}", Listing)
        listing.fill(rows)
        listing.display = bool(rows)

    def action_back_up(self) -> None:
        """Makes a copy beside the file, while everything runs."""

        def work(app: Windlass) -> str:
            made = storage.back_up(app)
            return f"a copy of {decimal(made.size_bytes)}: {made.path}"

        self.window.do("storage.backup", None, work)


def _size_of(found: StorageState) -> str:
    size = decimal(found.file_bytes)
    return f"{size}, and {decimal(found.wal_bytes)} of log" if found.server is None else size


def _add_server(grid: Table, server: ServerState) -> None:
    grid.add_row("PostgreSQL", printable(server.version))
    grid.add_row("connections", f"{server.connections} of {server.connections_most}")
    grid.add_row("its clock", f"{server.skew_s:+.3f} s from this machine's")
    for standby in server.standbys:
        grid.add_row("standby", printable(standby))


def _told(finding: Finding) -> Text:
    sign, style = _SIGNS[finding.level]
    told = Text.assemble((f"{sign} ", style), (f"{finding.check}: ", style), printable(finding.text))
    return told.append(f" ({printable(finding.way_out)})", "dim") if finding.way_out else told


def _copy(one: Backup) -> Row:
    return Row(one.name, (printable(one.name), decimal(one.size_bytes), Text(when(one.made_at), "dim")))


def _table(one: TableState) -> Row:
    dead = Text(f"{one.dead_rows:,}", "yellow" if one.dead_rows > max(one.live_rows, 10_000) else "dim")
    return Row(one.name, (one.name, f"{one.live_rows:,}", dead, decimal(one.size_bytes)))
