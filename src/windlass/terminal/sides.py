"""The sides of a row beside each other: as it was, as it is here, as the remote has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from rich.table import Table
from rich.text import Text

from windlass.change import Row
from windlass.redact import REDACTED, is_secret_name, printable, shown
from windlass.sync.sides import Sides
from windlass.sync.words import value_text

_VALUE_MOST = 2000


class Conflict(NamedTuple):
    """Both edits of a row, and what it was before them."""

    sides: Sides
    raised: str
    key_columns: Sequence[str]

    @property
    def whose(self) -> dict[str, str]:
        """Whose change each column has."""
        return dict(self.sides.columns(self.key_columns))

    def loss(self, side: Literal["mine", "theirs"]) -> str:
        """What is lost where that side is taken as a whole."""
        taken, other = self.sides.mine, self.sides.theirs
        if side == "theirs":
            taken, other = other, taken
        if other is None:
            return "The row is there again." if side == "mine" else "Your deletion is undone."
        if taken is None:
            return "The row is deleted, with all that the other side has edited."
        lost = [name for name, who in self.whose.items() if who == "contested"]
        values = "; ".join(f"{name}: {cell(other, name).plain}" for name in lost)
        return f"Lost of {'theirs' if side == 'mine' else 'yours'}: {values}" if values else ""


def compared(found: Conflict) -> Table:
    """A line for each column, a column for each side; what differs is marked."""
    base, mine, theirs = found.sides
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    table.add_column("", no_wrap=True)
    table.add_column("", width=1)
    for name in ("base", "mine", "theirs"):
        table.add_column(name, overflow="fold", ratio=1)
    if mine is None or theirs is None:
        table.add_row("the row", "◆", *map(_there, (base, mine, theirs)))
    for name, whose in found.whose.items():
        cells = [cell(side, name) for side in (base, mine, theirs)]
        mark = Text("")
        match whose:
            case "contested":
                mark = Text("◆", "yellow")
                cells[1].stylize("bold yellow")
                cells[2].stylize("bold yellow")
            case "mine" | "theirs":
                mark = Text("•", "cyan")
                cells[1 if whose == "mine" else 2].stylize("cyan")
            case _:
                for one in cells:
                    one.stylize("dim")
        table.add_row(Text(printable(name)), mark, *cells)
    return table


def cell(side: Any, name: str) -> Text:
    """The value of a column on one side, safe to print."""
    if side is None or name not in side:
        return Text("")
    value = side[name]
    if value is None:
        return Text("NULL", "dim")
    if isinstance(value, str) and is_secret_name(name):
        return Text(REDACTED, "dim")
    text = f"{len(value):,} bytes" if isinstance(value, bytes) else str(shown(value_text(value)))
    return Text(printable(text[:_VALUE_MOST]))


def _there(side: Row | None) -> Text:
    return Text("deleted", "bold red") if side is None else Text("there", "dim")
