"""What a tab and a screen have in common: they say what is to be read, and draw it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from rich.text import Text
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

from windlass.app import Windlass
from windlass.terminal.listing import Listing

if TYPE_CHECKING:
    from windlass.terminal.window import Window

Ask = Callable[[Windlass], Any]


class View(Protocol):
    """What may be on show."""

    @property
    def command(self) -> str:
        """What a command line would be told to show the same."""
        ...

    def ask(self) -> Ask:
        """What is to be read, as a function that a thread may run: it touches no widget."""
        ...

    def show(self, found: Any) -> None:
        """Draws what it returned."""
        ...

    def grow_older(self, found: Any) -> None:
        """Draws again what is told as seen from now, such as ``3s ago``."""
        ...


class Line(Static):
    """One line, drawn again only where it says something else: to lay the screen out anew costs most."""

    DEFAULT_CSS = "Line { height: 1; padding: 0 1; }"

    def __init__(self, text: Text | str = "", *, id: str | None = None) -> None:
        super().__init__(text, id=id)
        self._said = Text()

    def say(self, text: Text) -> None:
        """Says this from now on."""
        text.no_wrap, text.overflow = True, "ellipsis"
        if text != self._said or text.spans != self._said.spans:
            self._said = text
            self.update(text, layout=False)


class Tab(Vertical, can_focus=True):
    """A view under one of the numbers at the top."""

    title = ""
    DEFAULT_CSS = "Tab { height: 1fr; }"

    @property
    def window(self) -> Window:
        """The application."""
        return window_of(self)

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass watch"

    def ask(self) -> Ask:
        """See ``View``."""
        raise NotImplementedError

    def show(self, found: Any) -> None:
        """See ``View``."""
        raise NotImplementedError

    def grow_older(self, found: Any) -> None:
        """See ``View``."""
        self.show(found)

    def settle_focus(self) -> None:
        """The keys are for what is listed, and for the tab itself where nothing is."""
        focused = self.screen.focused
        if focused is not None and focused is not self and focused in self.query("*") and focused.display:
            return
        (next((one for one in self.query(Listing) if one.display), None) or self).focus()


class Sheet(Screen[None]):
    """A view on top of the tabs: all there is to know of one thing."""

    BINDINGS = [("escape", "leave", "Back"), ("q", "leave", "Back")]
    DEFAULT_CSS = """
    Sheet { background: $background; }
    Sheet #name { height: 1; padding: 0 1; margin-bottom: 1; background: $panel; text-style: bold; }
    Sheet .facts { padding: 0 1; height: auto; }
    Sheet #hint { color: $text-muted; dock: bottom; margin-bottom: 1; }
    """

    @property
    def window(self) -> Window:
        """The application."""
        return window_of(self)

    @property
    def command(self) -> str:
        """See ``View``."""
        raise NotImplementedError

    def ask(self) -> Ask:
        """See ``View``."""
        raise NotImplementedError

    def show(self, found: Any) -> None:
        """See ``View``."""
        raise NotImplementedError

    def grow_older(self, found: Any) -> None:
        """See ``View``."""
        self.show(found)

    def action_leave(self) -> None:
        """Back to where it was opened."""
        self.dismiss()

    def bottom(self) -> list[Widget]:
        """The last lines of every sheet."""
        return [Line(hint(self.command), id="hint"), Footer(show_command_palette=False)]


def hint(command: str) -> Text:
    """The command that does the same, as the last line but one has it."""
    return Text.assemble(("$ ", "dim"), (command, ""))


def window_of(widget: Widget) -> Window:
    """The application that a widget is part of."""
    return cast("Window", cast("Any", widget).app)
