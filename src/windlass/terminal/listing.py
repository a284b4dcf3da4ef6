"""A table that stays where the reader is while its rows change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text
from textual.widgets import DataTable

Cell = Text | str


class Column(NamedTuple):
    """A column of so many cells; 0: it takes its part of what is left, by ``weight``.

    On tables narrower than ``least`` it is not shown.
    """

    name: str
    width: int = 0
    right: bool = False
    least: int = 0
    weight: int = 1


class Row(NamedTuple):
    """A line: what it is about, and its cells, one for each column."""

    key: str
    cells: Sequence[Cell]


class Listing(DataTable[Text]):
    """Rows with a cursor. The cursor stays with its row once somebody has moved it; before, at the top."""

    DEFAULT_CSS = """
    Listing {
        height: 1fr;
        background: $background;
        scrollbar-size-vertical: 1; scrollbar-background: $background;
        scrollbar-color: $panel-lighten-2;
        overflow-x: hidden;
    }
    Listing:focus { background-tint: $background 0%; }
    Listing > .datatable--header { background: $background; color: $text-muted; text-style: none; }
    Listing:focus > .datatable--header { background-tint: $background 0%; }
    Listing > .datatable--cursor { background: $background; color: $foreground; }
    """
    BINDINGS = [("j", "cursor_down", ""), ("k", "cursor_up", "")]

    def __init__(self, *columns: Column, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cursor_foreground_priority="renderable")
        self._all = columns
        self._rows: Sequence[Row] = ()
        self._drawn: list[tuple[str, tuple[Text, ...]]] = []
        self._shown: list[int] = []
        self._widths: list[int] = []
        self._moved = False

    @property
    def chosen(self) -> str | None:
        """What the line under the cursor is about; None where there is none."""
        place = self.cursor_row
        return self._drawn[place][0] if 0 <= place < len(self._drawn) else None

    def fill(self, rows: Sequence[Row]) -> None:
        """Shows these rows instead of those there were."""
        self._rows = rows
        if not self._lay_out():
            return
        drawn = [(row.key, tuple(self._cell(row, place) for place in self._shown)) for row in rows]
        if [key for key, _ in drawn] == [key for key, _ in self._drawn]:
            self._redraw(drawn)
        else:
            self._replace(drawn)
        self._drawn = drawn

    def action_cursor_up(self) -> None:
        self._moved = True
        super().action_cursor_up()

    def action_cursor_down(self) -> None:
        self._moved = True
        super().action_cursor_down()

    def action_page_down(self) -> None:
        self._moved = True
        super().action_page_down()

    def action_scroll_home(self) -> None:
        """To the newest again, and to stay there."""
        self._moved = False
        self.move_cursor(row=0)

    def action_scroll_end(self) -> None:
        self._moved = True
        self.move_cursor(row=self.row_count - 1)

    def on_click(self) -> None:
        self._moved = True

    def on_resize(self) -> None:
        self.fill(self._rows)

    def _lay_out(self) -> bool:
        """Gives the columns their widths; False while there is no room at all."""
        room = self.size.width - 1
        if room <= 0:
            return False
        shown = [place for place, column in enumerate(self._all) if column.least <= room]
        fixed = sum(self._all[place].width + 2 * self.cell_padding for place in shown)
        parts = sum(self._all[place].weight for place in shown if not self._all[place].width)
        rest = max(room - fixed, 0)
        widths = [
            self._all[place].width or max(rest * self._all[place].weight // parts, 8) for place in shown
        ]
        if (shown, widths) != (self._shown, self._widths):
            self._shown, self._widths = shown, widths
            place, top = self.cursor_row, self.scroll_y
            self.clear(columns=True)
            for number, width in zip(shown, widths, strict=True):
                column = self._all[number]
                label = Text(column.name, justify="right" if column.right else "left")
                self.add_column(label, width=width, key=column.name)
            self._put(self._drawn_now(), place, top)
        return True

    def _drawn_now(self) -> list[tuple[str, tuple[Text, ...]]]:
        self._drawn = [
            (row.key, tuple(self._cell(row, place) for place in self._shown)) for row in self._rows
        ]
        return self._drawn

    def _cell(self, row: Row, place: int) -> Text:
        given = row.cells[place]
        text = given.copy() if isinstance(given, Text) else Text(given)
        text.no_wrap, text.overflow = True, "ellipsis"
        if self._all[place].right:
            text.justify = "right"
        return text

    def _redraw(self, drawn: list[tuple[str, tuple[Text, ...]]]) -> None:
        for (key, before), (_, cells) in zip(self._drawn, drawn, strict=True):
            for place, old, new in zip(self._shown, before, cells, strict=True):
                if old != new or old.spans != new.spans or old.style != new.style:
                    self.update_cell(key, self._all[place].name, new)

    def _replace(self, drawn: list[tuple[str, tuple[Text, ...]]]) -> None:
        key, place, top = self.chosen, self.cursor_row, self.scroll_y
        if self._moved and key is not None:
            place = next((at for at, (one, _) in enumerate(drawn) if one == key), place)
        elif not self._moved:
            place = 0
        self.clear()
        self._put(drawn, place, top)

    def _put(self, drawn: list[tuple[str, tuple[Text, ...]]], place: int, top: float) -> None:
        for key, cells in drawn:
            self.add_row(*cells, key=key)
        if drawn:
            self.move_cursor(row=min(place, len(drawn) - 1), animate=False, scroll=False)
            self.set_scroll(None, top)
