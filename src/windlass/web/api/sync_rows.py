"""Rows of synced tables on a page: their values as text, and text as values again."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from windlass.change import Column, Key, Row, Table
from windlass.clock import from_us
from windlass.redact import REDACTED, clean, is_secret_name
from windlass.sync.merge import same
from windlass.sync.sides import Sides, Whose
from windlass.sync.views import DeadLetter, OpenConflict
from windlass.sync.words import key_text, read_value, value_text
from windlass.web.redacting import shown
from windlass.web.routing import Problem
from windlass.web.shapes.sync import FieldChoice, SyncConflict, SyncDead, SyncField, SyncValue

_TEXT_MOST = 4000
_ERROR_MOST = 4000
_Kind = Literal["null", "integer", "real", "text", "blob"]


class Letter(NamedTuple):
    """What the id of a conflict or a dead letter says."""

    resource: str
    key: Key


# ── ids ────────────────────────────────────────────────────────────────────────────────────────────
def letter_id(resource: str, key: Key, seq: int = 0) -> str:
    """The id of what waits about a row; ``seq`` tells several of one row apart.

    >>> read_letter(letter_id("notes", 7, 3))
    Letter(resource='notes', key=7)
    """
    kind = "b" if isinstance(key, bytes) else "i" if isinstance(key, int) else "s"
    text = msgspec.json.encode([resource, kind, key_text(key), seq])
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def read_letter(text: str) -> Letter:
    """What an id says.

    Raises:
        Problem: it is none.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        found = msgspec.json.decode(urlsafe_b64decode(padded), type=tuple[str, str, str, int])
        resource, kind, key, _ = found
        read: Key = bytes.fromhex(key) if kind == "b" else int(key) if kind == "i" else key
        if isinstance(read, int) and not -(1 << 63) <= read < 1 << 63:
            raise ValueError(read)
    except (ValueError, msgspec.MsgspecError):
        raise Problem(
            404, "no_such_letter", f"{text!r:.80} is no id of a conflict or a dead letter"
        ) from None
    return Letter(resource, read)


def fingerprint(sides: Sides) -> str:
    """A short text that differs where the sides do."""
    return hashlib.sha256(msgspec.json.encode(list(sides))).hexdigest()[:16]


# ── as a page shows them ───────────────────────────────────────────────────────────────────────────
def conflict_shape(one: OpenConflict, sides: Sides, table: Table) -> SyncConflict:
    """A conflict with all sides of each column."""
    return SyncConflict(
        id=letter_id(one.resource, one.key),
        resource=one.resource,
        key=key_text(one.key),
        raised_at=from_us(one.conflict.raised_at_us),
        seen=fingerprint(sides),
        mine_deleted=sides.mine is None,
        theirs_deleted=sides.theirs is None,
        fields=_fields(sides, table, sides.columns(table.key)),
    )


def dead_shape(one: DeadLetter, sides: Sides, table: Table) -> SyncDead:
    """A dead letter with its row, here and there; of an operation, what it was given."""
    change = one.change
    mine = sides.mine if change.captured else change.data
    theirs = sides.theirs or {}
    whose: dict[str, Whose] = {
        name: "same" if name in theirs and same(value, theirs[name]) else "mine"
        for name, value in (mine or {}).items()
    }
    fields = _fields(Sides(None, mine, sides.theirs), table, whose)
    return SyncDead(
        id=letter_id(one.resource, one.key, change.seq),
        resource=one.resource,
        key=key_text(one.key),
        op=change.op,
        made_at=from_us(change.created_at_us),
        attempts=change.attempts,
        error=clean(one.error, _ERROR_MOST),
        problem=_problem(one.problem),
        explicit=not change.captured,
        deleted=sides.mine is None,
        fields=fields,
    )


def _fields(sides: Sides, table: Table, whose: Mapping[str, Whose]) -> tuple[SyncField, ...]:
    known = {column.name: column for column in table.columns}
    names = [name for name in known if name in whose] + [name for name in whose if name not in known]
    return tuple(
        SyncField(
            name=name,
            declared=known[name].declared if name in known else "",
            key=name in table.key,
            base=_value(sides.base, name),
            mine=_value(sides.mine, name),
            theirs=_value(sides.theirs, name),
            verdict=whose[name],
        )
        for name in names
    )


def _value(row: Row | None, name: str) -> SyncValue | None:
    if row is None or name not in row:
        return None
    value = row[name]
    if value is None:
        return SyncValue(kind="null")
    text = value_text(value)
    told = text[:_TEXT_MOST]
    if isinstance(value, (str, bytes)):
        told = REDACTED if is_secret_name(name) else clean(told, _TEXT_MOST * 4)
    kind: _Kind = (
        "blob" if isinstance(value, bytes)
        else "real" if isinstance(value, float)
        else "integer" if isinstance(value, int)
        else "text"
    )  # fmt: skip
    size = len(value) if isinstance(value, (str, bytes)) else len(text)
    return SyncValue(kind=kind, text=told, size=size, whole=told == text)


def _problem(problem: Any) -> Any:
    told = shown(problem)
    # A server may answer with a page of its own: what helps is at its top.
    return told if len(msgspec.json.encode(told)) <= 4 * _TEXT_MOST else f"{told!s:.{_TEXT_MOST}}…"


# ── as they are sent back ──────────────────────────────────────────────────────────────────────────
def read_choices(choices: Mapping[str, FieldChoice], sides: Sides, table: Table) -> dict[str, Any]:
    """What each column becomes.

    Raises:
        Problem: a choice says nothing or several things, or a side that has no such column.
        ConfigError: no such column, or a value that it cannot keep.
    """
    known = {column.name: column for column in table.columns}
    found: dict[str, Any] = {}
    for name, choice in choices.items():
        if name not in known:
            raise Problem(422, "no_such_column", f"there is no synced column {name!r:.80}")
        if (choice.side is not None) + (choice.text is not None) + choice.null != 1:
            raise Problem(422, "unclear", f"{name}: expected one of side, text and null")
        if choice.side is None:
            found[name] = _read(known[name], choice.text)
            continue
        row: Row | None = getattr(sides, choice.side)
        if row is None or name not in row:
            raise Problem(422, "no_such_side", f"{name}: {choice.side} has no such value")
        found[name] = row[name]
    return found


def read_edit(columns: Mapping[str, str | None], table: Table) -> dict[str, Any]:
    """What each column becomes.

    Raises:
        Problem: no such column, or what is hidden is sent back.
        ConfigError: a value that its column cannot keep.
    """
    known = {column.name: column for column in table.columns}
    found: dict[str, Any] = {}
    for name, text in columns.items():
        if name not in known:
            raise Problem(422, "no_such_column", f"there is no synced column {name!r:.80}")
        found[name] = _read(known[name], text)
    return found


def _read(column: Column, text: str | None) -> Any:
    if text is None:
        return None
    if REDACTED in text:
        raise Problem(
            422, "hidden", f"{column.name}: expected a value, got one that is hidden",
            way_out="choose a side, or write it anew",
        )  # fmt: skip
    return read_value(column, text)
