"""Server-sent events, read piece by piece as the HTML standard says, within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from windlass.errors import BadResponse

EVENT_BYTES_MAX = 1 << 20
"""The longest event, or line of one."""

_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class Event(NamedTuple):
    """One event."""

    name: str
    data: str


class Reader:
    """Turns pieces of a stream into events, and keeps what the next connection needs to know.

    >>> reader = Reader()
    >>> list(reader.feed(b"id: 7\\ndata: a\\n\\nda")), reader.last_id
    ([Event(name='message', data='a')], '7')
    >>> list(reader.feed(b"ta: b\\n\\n"))
    [Event(name='message', data='b')]
    """

    def __init__(self) -> None:
        self.last_id = ""
        self.retry_s: float | None = None
        """How long the server wants us to wait before we connect again."""
        self.begin()

    def begin(self) -> None:
        """For a new connection: what was begun on the last one is dropped."""
        # The pieces of a line that has not ended: joined once, when it ends.
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._id = self.last_id
        self._first = True

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that are complete with this piece.

        Raises:
            BadResponse: an event, or a line, that is too long.
        """
        if not piece:
            return
        # A return at the end of a piece may be the first half of a line's end.
        ends = b"\n" in piece or b"\r" in piece or (self._rest and self._rest[-1].endswith(b"\r"))
        self._rest.append(piece)
        self._rest_size += len(piece)
        lines: list[bytes] = []
        if ends:
            *lines, rest = _END.split(b"".join(self._rest))
            self._rest, self._rest_size = [rest], len(rest)
        if self._rest_size > EVENT_BYTES_MAX:
            raise BadResponse(f"a line of an event stream has more than {EVENT_BYTES_MAX:,} bytes")
        for line in lines:
            text = line.decode(errors="replace")
            if self._first:
                self._first, text = False, text.removeprefix("\ufeff")
            if text:
                self._take(text)
            elif (event := self._ended()) is not None:
                yield event

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._size += len(value) + 1
                if self._size > EVENT_BYTES_MAX:
                    raise BadResponse(f"an event has more than {EVENT_BYTES_MAX:,} bytes")
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value and len(value) <= 1000 and value.isprintable():
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_s = min(int(value[:9]) / 1000, 3600.0)
            case _:
                pass  # a comment, which keeps the connection alive, or a field of a later standard

    def _ended(self) -> Event | None:
        self.last_id = self._id
        event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        return event
