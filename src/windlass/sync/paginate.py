"""How a remote gives a long list: the styles of pages.

Each style is two pure functions: what the request for a page carries, and what the next page is called, read
from an answer. That name is all that is kept between two pages, so a pull goes on after a crash where it was.

A page that is shorter than what was asked for is not taken for the last one (servers have limits of their
own): it ends with an empty page, or where the server says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from windlass.errors import BadResponse, ConfigError
from windlass.sync.cursors import checked_parameter
from windlass.sync.places import Field, Place, Told, text_of
from windlass.sync.reply import Reply, shown

_CONTENT_RANGE = re.compile(r"(?:[\w-]+ )?(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.ASCII)


class Turn(NamedTuple):
    """What the request for one page is made of."""

    url: str | None = None
    """A whole address, which holds all parameters; None: the collection's own."""
    params: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}


class PageStyle(Protocol):
    """One style."""

    def ask(self, page: str | None, limit: int) -> Turn:
        """What the request for this page carries; ``limit`` rows are wanted."""
        ...

    def next(self, told: Told) -> str | None:
        """What the page after this one is called; None: this was the last."""
        ...


class OnePage(msgspec.Struct, frozen=True):
    """The whole list in one answer."""

    def ask(self, page: str | None, limit: int) -> Turn:  # noqa: ARG002 - the protocol's
        return Turn()

    def next(self, told: Told) -> str | None:  # noqa: ARG002 - likewise
        return None


class LinkHeader(msgspec.Struct, frozen=True):
    """The address of the next page in the ``Link`` header."""

    rel: str = "next"

    def ask(self, page: str | None, limit: int) -> Turn:  # noqa: ARG002 - the protocol's
        return Turn(url=page)

    def next(self, told: Told) -> str | None:
        return _resolved(told, told.reply.links.get(self.rel))


class NextLink(msgspec.Struct, frozen=True):
    """The address of the next page in a field of the body, or in a header of its own.

    >>> NextLink(Field("links.next")).ask("https://example.com/tasks?page=2", 100).url
    'https://example.com/tasks?page=2'
    """

    where: Place

    def ask(self, page: str | None, limit: int) -> Turn:  # noqa: ARG002 - the protocol's
        return Turn(url=page)

    def next(self, told: Told) -> str | None:
        return _resolved(told, self.where.text(told.reply))


class NextCursor(msgspec.Struct, frozen=True):
    """A token for the next page in a field of the body, or in a header; sent back as a parameter.

    >>> NextCursor("cursor", Field("meta.next")).ask("abc", 100).params
    {'cursor': 'abc'}
    """

    parameter: str
    where: Place

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)

    def ask(self, page: str | None, limit: int) -> Turn:  # noqa: ARG002 - the protocol's
        return Turn(params={} if page is None else {self.parameter: page})

    def next(self, told: Told) -> str | None:
        return _moved(told, self.where.text(told.reply))


class PageNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Pages that are counted.

    The name of a page remembers what was asked for, the most that the server gave, and how many rows came
    before: when smaller pages are asked for in the middle, they are counted anew, from where the larger ones
    ended or a little before.

    >>> PageNumber().ask("3/100/0/200", 100).params
    {'page': '3'}
    >>> PageNumber().ask("3/100/0/200", 50).params
    {'page': '5'}
    """

    parameter: str = "page"
    first: int = 1
    pages: Place | None = None
    """Where the number of pages is told, if it is."""

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)

    def ask(self, page: str | None, limit: int) -> Turn:
        return Turn(params={self.parameter: str(self._at(page, limit)[0])})

    def next(self, told: Told) -> str | None:
        limit, count = told.ask.limit, len(told.rows)
        number, cap, before = self._at(told.ask.page, limit)
        if 0 < count < limit and not cap and told.ask.page is not None:
            # It was counted in pages as large as asked for: a server that gives smaller ones has told less.
            before = min(before, (number - self.first) * count)
        last = None if self.pages is None else self.pages.text(told.reply)
        if last is not None:
            ended = number >= int(last) + self.first - 1
        else:
            ended = not count or (told.total is not None and before + count >= told.total)
        # A page shorter than asked for, with another one behind it: the server has a limit of its own.
        return None if ended else f"{number + 1}/{limit}/{count if count < limit else cap}/{before + count}"

    def _at(self, page: str | None, limit: int) -> tuple[int, int, int]:
        """The page's number, the server's own limit (0: none is known), and how many rows come before."""
        if page is None:
            return self.first, 0, 0
        number, asked, cap, before = map(int, page.split("/"))
        was, now = min(asked, cap or asked), min(limit, cap or limit)
        if was == now:
            return number, cap, before
        passed = (number - self.first) * was // now
        return self.first + passed, cap, min(before, passed * now)


class Offset(msgspec.Struct, frozen=True):
    """So many rows are passed over.

    >>> Offset().ask("200", 100).params
    {'offset': '200'}
    """

    parameter: str = "offset"

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)

    def ask(self, page: str | None, limit: int) -> Turn:  # noqa: ARG002 - the protocol's
        return Turn(params={self.parameter: page or "0"})

    def next(self, told: Told) -> str | None:
        end = int(told.ask.page or 0) + len(told.rows)
        if not told.rows or (told.total is not None and end >= told.total):
            return None
        return str(end)


class Keyset(msgspec.Struct, frozen=True):
    """What comes after the last row of the page before, by a field that sorts the rows and that no two share.

    >>> Keyset("after").ask("41", 100).params
    {'after': '41'}
    """

    parameter: str
    field: str = "id"

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)
        Field(self.field)

    def ask(self, page: str | None, limit: int) -> Turn:  # noqa: ARG002 - the protocol's
        return Turn(params={} if page is None else {self.parameter: page})

    def next(self, told: Told) -> str | None:
        if not told.rows:
            return None
        last = text_of(Field(self.field).of(told.rows[-1]))
        if last is None:
            raise BadResponse(f"{shown(told.reply.url)}: expected each row to tell {self.field}")
        return _moved(told, last)


class ContentRange(msgspec.Struct, frozen=True):
    """``Range: 0-99`` asks, ``Content-Range: 0-99/3573`` answers.

    >>> ContentRange().ask("100", 100).headers
    {'Range-Unit': 'items', 'Range': '100-199'}
    """

    unit: str = "items"

    def ask(self, page: str | None, limit: int) -> Turn:
        begin = int(page or 0)
        return Turn(headers={"Range-Unit": self.unit, "Range": f"{begin}-{begin + limit - 1}"})

    def next(self, told: Told) -> str | None:
        text = told.reply.headers.get("Content-Range", "")
        found = _CONTENT_RANGE.fullmatch(text)
        if found is None:
            raise BadResponse(
                f'{shown(told.reply.url)}: expected Content-Range as "0-99/3573", got {text!r:.80}'
            )
        end, total = found[2], found[3]
        if end is None or not told.rows or (total != "*" and int(end) + 1 >= int(total)):
            return None
        return str(int(end) + 1)


def shortened(url: str, parameter: str | None, limit: int) -> str:
    """A link to a page, asking for no more than ``limit`` rows, where it says how many.

    >>> shortened("https://example.com/t?a=1&limit=1000", "limit", 500)
    'https://example.com/t?a=1&limit=500'
    """
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    if not any(name == parameter and value.isdecimal() and int(value) > limit for name, value in asked):
        return url
    kept = [(name, str(limit) if name == parameter else value) for name, value in asked]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def count_of(place: Place | None, reply: Reply) -> int | None:
    """How many rows there are in all, where that is told."""
    text = None if place is None else place.text(reply)
    if text is not None and "/" in text:  # Content-Range: 0-99/3573
        text = text.rpartition("/")[2]
    return int(text) if text is not None and text.isdecimal() else None


def checked_page_style(style: Any) -> PageStyle:
    """A style, or a class with its two verbs.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(style, type) or not (
        callable(getattr(style, "ask", None)) and callable(getattr(style, "next", None))
    ):
        raise ConfigError(f"expected page to be a style such as LinkHeader() or Offset(), got {style!r}")
    return style


def _resolved(told: Told, link: str | None) -> str | None:
    if link is None:
        return None
    here = urljoin(str(told.reply.url), link)
    if here == told.reply.url:
        raise BadResponse(f"{shown(told.reply.url)}: the page's link to the next one leads to itself")
    return here


def _moved(told: Told, token: str | None) -> str | None:
    if token is not None and token == told.ask.page:
        raise BadResponse(
            f"{shown(told.reply.url)}: the page after {token!r:.80} is said to be that one again"
        )
    return token or None
