"""How a remote is asked for what changed: the kinds of cursors.

A cursor is text that a server gave and takes back. It never comes from this machine's clock: a clock that is
wrong here must not hide what was changed there. Where it is read from the rows themselves, they must come in
its order, so that a row that changes meanwhile moves to a later page and is not passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import msgspec

from windlass.duration import Duration, to_us
from windlass.errors import BadResponse, ConfigError
from windlass.sync.places import Field, Header, Place, Told, text_of
from windlass.sync.reply import Reply, shown

_PARAMETER = re.compile(r"[^\s&=#?]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Cursor(Protocol):
    """One kind. Pure: parameters from a cursor, a cursor from an answer."""

    def ask(self, cursor: str | None) -> Mapping[str, str]:
        """The query's parameters for what changed since; of None: for everything."""
        ...

    def watermark(self, told: Told) -> str | None:
        """Up to where the pull tells everything, as far as this page says; None: it says nothing."""
        ...


class Since(msgspec.Struct, frozen=True):
    """A version of the whole collection, told with each page: the first one's counts.

    What changes while later pages are fetched is then told again by the next pull, never passed over.
    ``format`` is how the parameter is written.

    >>> Since("_since").ask('"1700000000000"')
    {'_since': '"1700000000000"'}
    """

    parameter: str
    value: Place = Header("ETag")
    format: str = "{}"

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)
        checked_format(self.format)

    def ask(self, cursor: str | None) -> Mapping[str, str]:
        return {} if cursor is None else {self.parameter: self.format.format(cursor)}

    def watermark(self, told: Told) -> str | None:
        return self.value.text(told.reply) if told.is_first else None


class Token(msgspec.Struct, frozen=True):
    """An opaque token, told with the last page, or with every one; the last told counts.

    >>> Token("syncToken", Field("nextSyncToken")).ask("CPDA")
    {'syncToken': 'CPDA'}
    """

    parameter: str
    value: Place

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)

    def ask(self, cursor: str | None) -> Mapping[str, str]:
        return {} if cursor is None else {self.parameter: cursor}

    def watermark(self, told: Told) -> str | None:
        return self.value.text(told.reply)


class Serial(msgspec.Struct, frozen=True):
    """A number that grows with every change, in a field of each row; rows come in its order.

    >>> Serial("after", "seq").ask("41")
    {'after': '41'}
    """

    parameter: str
    field: str = "seq"
    format: str = "{}"

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)
        checked_format(self.format)
        Field(self.field)

    def ask(self, cursor: str | None) -> Mapping[str, str]:
        return {} if cursor is None else {self.parameter: self.format.format(cursor)}

    def watermark(self, told: Told) -> str | None:
        cursor = told.ask.cursor
        numbers = [_number(told.reply, self.field, row) for row in told.rows]
        if numbers != sorted(numbers):
            raise out_of_order(told.reply, self.field)
        if not numbers:
            return cursor if told.is_first else None
        return str(numbers[-1] if cursor is None else max(numbers[-1], int(cursor)))


class Timestamp(msgspec.Struct, frozen=True, kw_only=True):
    """The time of the last change, in a field of each row.

    Asked for a little before (``overlap``) what was seen: two rows may have one time, and a transaction that
    began earlier may be committed later. What is told twice is equal to what is here, and is passed over.
    By default the watermark is the largest time that any row told, and the rows must come in that order; with
    ``clock=Header("Date")`` it is the server's own time of the first page, for servers that cannot sort.

    >>> Timestamp(parameter="since", overlap="2s").ask("2026-11-21T12:00:01.5Z")
    {'since': '2026-11-21T11:59:59.500000Z'}
    >>> Timestamp(parameter="updated_at", unit="s", overlap=0.5, format="gte.{}").ask("1700000000.5")
    {'updated_at': 'gte.1700000000'}
    """

    parameter: str
    field: str = "updated_at"
    overlap: Duration = "5s"
    unit: str = "iso"
    """``iso``, ``s`` or ``ms`` since 1970, or how to write a time in UTC: ``%Y-%m-%d.%H:%M:%S``."""
    format: str = "{}"
    clock: Header | None = None

    def __post_init__(self) -> None:
        checked_parameter(self.parameter)
        checked_format(self.format)
        Field(self.field)
        if to_us(self.overlap, name="overlap") == 0:
            raise ConfigError("expected overlap to be longer than nothing: two rows may have the same time")
        if self.unit not in ("iso", "s", "ms") and "%" not in self.unit:
            raise ConfigError(f'expected unit to be "iso", "s", "ms" or a pattern with %, got {self.unit!r}')

    def ask(self, cursor: str | None) -> Mapping[str, str]:
        if cursor is None:
            return {}
        since = self.parsed(cursor) - timedelta(microseconds=to_us(self.overlap))
        return {self.parameter: self.format.format(self.written(since))}

    def watermark(self, told: Told) -> str | None:
        if self.clock is not None:
            return self._by_the_servers_clock(told.reply) if told.is_first else None
        cursor = told.ask.cursor
        moments = [self._moment(told.reply, row) for row in told.rows]
        if moments != sorted(moments):
            raise out_of_order(told.reply, self.field)
        if not moments:
            return cursor if told.is_first else None
        if cursor is not None and self.parsed(cursor) >= moments[-1]:
            return cursor
        return text_of(Field(self.field).of(told.rows[-1]))

    def parsed(self, text: str) -> datetime:
        """The moment a cursor or field spells; one without a zone is read as UTC.

        Raises:
            ValueError: it spells none.
        """
        if self.unit not in ("s", "ms"):
            iso = self.unit == "iso"
            moment = datetime.fromisoformat(text) if iso else datetime.strptime(text, self.unit)  # noqa: DTZ007
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        scale = 1_000_000 if self.unit == "s" else 1_000
        return _EPOCH + timedelta(microseconds=int(float(text) * scale))

    def written(self, moment: datetime) -> str:
        """The moment as the parameter takes it."""
        if self.unit == "iso":
            return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        if self.unit not in ("s", "ms"):
            return moment.strftime(self.unit)
        span_us = (moment - _EPOCH) // _MICROSECOND
        return f"{span_us / (1_000_000 if self.unit == 's' else 1_000):.6f}".rstrip("0").rstrip(".")

    def _moment(self, reply: Reply, row: Mapping[str, Any]) -> datetime:
        text = text_of(Field(self.field).of(row))
        try:
            return self.parsed(text or "")
        except (ValueError, OverflowError):
            raise BadResponse(
                f"{shown(reply.url)}: expected {self.field} to be a time ({self.unit}), got {text!r:.80}"
            ) from None

    def _by_the_servers_clock(self, reply: Reply) -> str:
        assert self.clock is not None
        told = self.clock.text(reply)
        if told is None:
            raise BadResponse(f"{shown(reply.url)}: expected the header {self.clock.name} to tell the time")
        try:
            return self.written(parsedate_to_datetime(told).astimezone(UTC))
        except ValueError:
            raise BadResponse(
                f"{shown(reply.url)}: expected the header {self.clock.name} to be a date, got {told!r:.80}"
            ) from None


def checked_parameter(name: str) -> str:
    """The name of a query parameter.

    Raises:
        ConfigError: it cannot be one.
    """
    if not isinstance(name, str) or _PARAMETER.fullmatch(name) is None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"expected the name of a query parameter, got {name!r}")
    return name


def checked_format(template: str) -> str:
    """A template with one ``{}``.

    Raises:
        ConfigError: it has none, or more than that.
    """
    if template.count("{}") != 1 or template.count("{") != 1:
        raise ConfigError(f'expected a format with one {{}} such as "gte.{{}}", got {template!r}')
    return template


def out_of_order(reply: Reply, field: str) -> BadResponse:
    """Rows that do not come in the cursor's order: going on from them could pass a change over."""
    return BadResponse(
        f"{shown(reply.url)}: expected the rows in the order of {field}, and they are not: "
        f"ask for that order (parameters={{…}}), or use another cursor"
    )


def _number(reply: Reply, field: str, row: Mapping[str, Any]) -> int:
    value = Field(field).of(row)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadResponse(
            f"{shown(reply.url)}: expected {field} to be a whole number in each row, got {value!r:.80}"
        )
    return value
