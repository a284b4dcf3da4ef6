"""Synced tables, what waits in them, and what went wrong, as tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from windlass.change import Key, Row
from windlass.cli.sync_now import Outcome
from windlass.clock import from_us
from windlass.redact import printable
from windlass.store.ledger import Quarantined
from windlass.sync.status import Status
from windlass.sync.views import DeadLetter, OpenConflict, PendingChange
from windlass.terminal.words import first_line, when

_STATES = {
    "idle": "green", "pushing": "cyan", "pulling": "cyan", "paused": "magenta", "offline": "yellow",
    "blocked": "yellow",
}  # fmt: skip
_VALUE_MOST = 200


def statuses_table(statuses: Iterable[Status]) -> RenderableType:
    """One line per resource."""
    table = _table("resource", "state")
    for name in ("rows", "pending", "failed", "conflicts", "quarantined"):
        table.add_column(name, justify="right")
    for name in ("pulled", "pushed"):
        table.add_column(name, no_wrap=True)
    table.add_column("last word", overflow="fold", ratio=1)
    for status in statuses:
        table.add_row(
            Text(printable(status.resource), "bold"),
            _state(status),
            f"{status.rows:,}",
            _pending(status),
            *(_count(number) for number in (status.failed, status.conflicts, status.quarantined)),
            when(status.last_pull) if status.last_pull else Text("never", "dim"),
            when(status.last_push) if status.last_push else Text("never", "dim"),
            _last_word(status),
        )
    return table


def status_line(status: Status) -> Text:
    """One status of one resource, where there is no terminal to draw a table on."""
    line = Text().append(f"{printable(status.resource)}  ", "bold").append_text(_state(status))
    for name in ("rows", "pending", "failed", "conflicts", "quarantined"):
        number: int = getattr(status, name)
        if number or name in ("rows", "pending"):
            line.append(f"  {number:,} {name}")
    said = _last_word(status)
    return line.append("  ").append_text(said) if said else line


def pending_table(changes: Sequence[PendingChange]) -> RenderableType:
    """One line per change that is not at its remote yet."""
    if not changes:
        return Text("nothing is pending: the remotes have everything", "dim")
    table = _table("resource", "key", "change", "columns", "made", "runs")
    table.add_column("why", overflow="fold", ratio=1)
    for one in changes:
        table.add_row(
            Text(printable(one.resource)),
            key_text(one.key),
            Text(printable(one.change.op)),
            Text(printable(", ".join(one.change.data)), "dim"),
            when(from_us(one.change.created_at_us)),
            str(one.change.attempts),
            Text(printable(one.why)),
        )
    return table


def conflicts_tables(conflicts: Sequence[OpenConflict]) -> RenderableType:
    """Each conflict with the columns in question: as they were, as they are here, as they are there."""
    if not conflicts:
        return Text("no conflict waits", "dim")
    parts: list[RenderableType] = []
    for one in conflicts:
        conflict = one.conflict
        title = Text().append(f"{printable(one.resource)} ", "bold").append_text(key_text(one.key))
        table = Table(
            title=title.append(f"  {when(from_us(conflict.raised_at_us))}", "dim"),
            title_justify="left", box=None, pad_edge=False, header_style="bold",
        )  # fmt: skip
        for name in ("", "base", "mine", "theirs"):
            table.add_column(name, overflow="fold")
        sides = conflict.base, conflict.mine, conflict.theirs
        if conflict.mine is None or conflict.theirs is None:
            table.add_row(Text("the row", "dim"), *(_side(side) for side in sides))
        for name, (base, mine, theirs) in one.fields.items():
            # What one side alone has changed is merged by itself, whoever wins.
            style = "bold" if base not in (mine, theirs) else "dim"
            cells = [_cell(side, name) for side in sides]
            table.add_row(Text(printable(name)), *cells, style=style)
        parts += [table, Text()]
    return Group(*parts, Text("windlass sync resolve RESOURCE KEY mine|theirs, or --set COLUMN=VALUE", "dim"))


def dead_panels(letters: Sequence[DeadLetter]) -> RenderableType:
    """Each dead letter with what the server said."""
    if not letters:
        return Text("no change has failed", "dim")
    parts: list[RenderableType] = []
    for one in letters:
        change = one.change
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", justify="right")
        grid.add_column(overflow="fold")
        head = Text().append(f"{printable(one.resource)} ", "bold").append_text(key_text(one.key))
        head.append(
            f"  {printable(change.op)}, sent {change.attempts}×, made {when(from_us(change.created_at_us))}",
            "dim",
        )
        grid.add_row("row", head)
        if change.data:
            grid.add_row("change", Text(printable(_json(change.data))))
        grid.add_row("the server said", Text(printable(one.error), "red"))
        if one.problem is not None:
            grid.add_row("its problem", Text(_problem(one.problem), "red"))
        parts += [grid, Text()]
    return Group(*parts, Text("windlass sync edit, retry, discard or revert RESOURCE KEY", "dim"))


def quarantine_table(resource: str, rows: Sequence[Quarantined]) -> RenderableType:
    """One line per remote row that could not be written here."""
    if not rows:
        return Text(f"every row that the remote has sent for {resource} is in its table", "dim")
    table = _table("remote id", "seen")
    for name in ("reason", "document"):
        table.add_column(name, overflow="fold", ratio=1)
    for one in rows:
        table.add_row(
            Text(printable(one.remote_id), "bold"),
            when(from_us(one.seen_at_us)),
            Text(printable(one.reason), "red"),
            Text(printable(one.document[:_VALUE_MOST]), "dim"),
        )
    return table


def outcome_lines(outcomes: Sequence[Outcome]) -> RenderableType:
    """One line for each push and pull: what it did, or why it did not."""
    lines: list[Text] = []
    for one in outcomes:
        line = Text().append(f"{printable(one.resource)}  ", "bold")
        if one.outcome == "completed":
            line.append(figures(one.direction, one.figures))
        else:
            line.append(f"{one.direction} {one.outcome}", "yellow" if one.outcome == "postponed" else "red")
            line.append(f": {first_line(one.reason)}" if one.reason else "")
            line.append(f"; again {when(one.until)}" if one.until else "", "dim")
        lines.append(line)
    return Group(*lines) if lines else Text("nothing to do", "dim")


def figures(direction: str, told: Mapping[str, Any]) -> str:
    """What a push or a pull did, in a sentence.

    >>> figures("push", {"accepted": 3, "conflicts": 1, "rejected": 0})
    'pushed 3 changes, met 1 newer version'
    >>> figures("pull", {"not_modified": True})
    'nothing new at the remote'
    """

    def count(name: str) -> int:
        value = told.get(name)
        return value if isinstance(value, int) else 0

    if direction == "push":
        said = [_many(f"pushed {count('accepted'):,} change", count("accepted"))]
        if met := count("conflicts"):
            said.append(_many(f"met {met:,} newer version", met))
        if rejected := count("rejected"):
            said.append(f"{rejected:,} rejected (windlass sync dead)")
    elif told.get("not_modified"):
        return "nothing new at the remote"
    else:
        said = [_many(f"pulled {count('received'):,} row", count("received"))]
        said += [f"{count(name):,} {name}" for name in ("written", "deleted") if count(name)]
        if odd := count("quarantined"):
            said.append(f"{odd:,} quarantined (windlass sync quarantine)")
    if asked := count("asked"):
        said.append(_many(f"{asked:,} conflict", asked) + " to resolve (windlass sync conflicts)")
    return ", ".join(said)


def key_text(key: Key) -> Text:
    """A key as it may be given to a command."""
    return Text(printable(key.hex() if isinstance(key, bytes) else str(key)), "bold")


def _many(text: str, number: int) -> str:
    return text if number == 1 else f"{text}s"


def _state(status: Status) -> Text:
    text = Text(status.state, _STATES.get(status.state, "red"))
    return text.append(f" {when(status.until)}", "dim") if status.until else text


def _pending(status: Status) -> Text:
    text = Text(f"{status.pending:,}", "yellow" if status.pending else "")
    return text.append(f" ({status.held:,} held)", "dim") if status.held else text


def _count(number: int) -> Text:
    return Text(f"{number:,}", "red" if number else "")


def _last_word(status: Status) -> Text:
    if status.sweep_refused:
        return Text(first_line(status.sweep_refused), "yellow")
    said = status.reason or status.last_error
    return Text(first_line(said), "red") if said else Text("")


def _side(side: Row | None) -> Text:
    return Text("deleted", "red") if side is None else Text("there", "dim")


def _cell(side: Row | None, name: str) -> Text:
    if side is None or name not in side:
        return Text("")
    value = side[name]
    return Text("NULL", "dim") if value is None else Text(printable(_value(value)))


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return str(value)[:_VALUE_MOST]


def _problem(problem: Any) -> str:
    return printable(problem if isinstance(problem, str) else _json(problem))


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    return table
