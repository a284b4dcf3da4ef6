"""Where a command's words go: data to stdout, everything else to stderr, JSON when it was asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_WIDE = 200


class Output:
    """One command's way to speak. ``as_json`` turns data into JSON and leaves stderr as it is."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @cached_property
    def out(self) -> Console:
        """Data, for people."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Notes, progress and warnings."""
        return _console(stderr=True)

    def data(self, value: Any, show: Callable[[], object]) -> None:
        """The command's answer: ``value`` as one JSON document, or what ``show`` makes for people."""
        if self.as_json:
            sys.stdout.write(msgspec.json.format(_encoded(value), indent=2).decode() + "\n")
        else:
            self.out.print(show())

    def line(self, value: Any) -> None:
        """One answer of many, as a line of JSON, at once."""
        sys.stdout.write(_encoded(value).decode() + "\n")
        sys.stdout.flush()

    def note(self, text: str, style: str = "") -> None:
        """A sentence about what was done."""
        self.err.print(text, style=style, markup=False)

    @contextmanager
    def busy(self, text: str) -> Generator[None]:
        """A spinner on stderr for work whose length nobody knows; without a terminal, nothing."""
        if not self.err.is_terminal:
            yield
            return
        with self.err.status(text):
            yield

    def progress(self) -> Progress:
        """A progress bar on stderr; where that is no terminal, nothing is drawn."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=self.err, transient=True, disable=not self.err.is_terminal)


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in console._environ:  # pyright: ignore[reportPrivateUsage]
        # A file or a pipe has no edge to fold at.
        console.width = _WIDE
    return console
