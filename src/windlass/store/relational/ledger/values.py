"""Between Python's values and those of the ledger's tables."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, starmap
from typing import Any, Literal, cast

import msgspec

from windlass.change import Affinity, Change, Conflict, Key, Row, Shadow
from windlass.clock import iso, to_wall_us
from windlass.store.relational.rows import moment

_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder()
_BYTES, _FLOAT = "$bytes", "$float"
"""JSON has no bytes and no infinity: ``{"$bytes": base64}`` and ``{"$float": "inf"}`` stand for them, since
no column holds such an object otherwise. With null for infinity, row and shadow would differ for ever."""
_SIGN = '{"$'
_ODD = frozenset((bytes, float))
_VALUES = cast("Callable[[Any], Iterable[Any]]", dict.values)  # pyright: ignore[reportUnknownMemberType]
_ENDLESS = frozenset((float("inf"), float("-inf")))


def encode(row: Mapping[str, Any]) -> str:
    """A row as JSON text."""
    kinds = set(map(type, row.values()))
    if bytes in kinds or (
        float in kinds and any(value in _ENDLESS for value in row.values() if type(value) is float)
    ):
        row = {name: _wrap(value) for name, value in row.items()}
    return _ENCODER.encode(row if type(row) is dict else dict(row)).decode()


def encode_each(rows: Sequence[Row]) -> list[str]:
    """``encode`` of each."""
    told = cast("list[dict[str, Any]]", [row if type(row) is dict else dict(row) for row in rows])
    if not _ODD.isdisjoint(map(type, chain.from_iterable(row.values() for row in told))):
        return list(map(encode, told))
    # A line each; in JSON a line break is always written as an escape.
    return _ENCODER.encode_lines(told).decode().split("\n")[:-1]


def encode_rows(rows: Sequence[Row]) -> str:
    """``encode`` of each, in a JSON array."""
    if set(map(type, rows)) <= {dict} and _ODD.isdisjoint(map(type, chain.from_iterable(map(_VALUES, rows)))):
        return _ENCODER.encode(rows).decode()
    return f"[{','.join(map(encode, rows))}]"


def encode_table(
    names: tuple[str, ...], rows: Sequence[tuple[Any, ...]], *, simple: bool = False
) -> list[str]:
    """``encode`` of rows that are told as tuples, each a value for each name.

    ``simple``: they are known to hold neither bytes nor floats.
    """
    made = _struct_of(names)
    if made is None or not (simple or _ODD.isdisjoint(map(type, chain.from_iterable(rows)))):
        return encode_each([dict(zip(names, row, strict=True)) for row in rows])
    return _ENCODER.encode_lines(list(starmap(made, rows))).decode().split("\n")[:-1]


@lru_cache(maxsize=64)
def _struct_of(names: tuple[str, ...]) -> Any:
    """A type whose instances are objects with these names, and no others, in JSON: quicker to make than a
    dictionary. None: there is none."""
    fields = {f"field_{number}": name for number, name in enumerate(names)}
    try:
        return msgspec.defstruct("Row", list(fields), rename=fields, gc=False, forbid_unknown_fields=True)
    except ValueError:  # a name that JSON writes with an escape
        return None


def encode_columns(names: tuple[str, ...], columns: Sequence[Sequence[Any]]) -> list[str]:
    """``encode`` of rows that are told as columns, a list of values for each name."""
    made = _struct_of(names)
    if made is None or not _ODD.isdisjoint(map(type, chain.from_iterable(columns))):
        return encode_each([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])
    return _ENCODER.encode_lines(list(map(made, *columns))).decode().split("\n")[:-1]


def encode_document(fields: Mapping[str, Any]) -> str:
    """Fields of a remote's document, which came as JSON."""
    return _ENCODER.encode(fields if type(fields) is dict else dict(fields)).decode()


def decode(text: str) -> dict[str, Any]:
    """The row of a JSON text that ``encode`` made."""
    row: dict[str, Any] = _DECODER.decode(text)
    # In a text a quote follows a backslash, so this is never part of one.
    if _SIGN in text:
        return {name: _unwrap(value) for name, value in row.items()}
    return row


def decode_rows(text: str) -> list[dict[str, Any]]:
    """The rows of a JSON array of texts that ``encode`` made."""
    rows: list[dict[str, Any]] = msgspec.json.decode(text)
    if _SIGN not in text:
        return rows
    return [{name: _unwrap(value) for name, value in row.items()} for row in rows]


def decode_columns(names: tuple[str, ...], text: str) -> list[Sequence[Any]] | None:
    """The rows of ``decode_rows`` as columns; None: one of them tells other columns than these."""
    decoder = None if _SIGN in text else _decoder_of(names)
    if decoder is None:
        rows = decode_rows(text)
        if any(row.keys() != set(names) for row in rows):
            return None
        return [[row[name] for row in rows] for name in names]
    try:
        return list(zip(*map(msgspec.structs.astuple, decoder.decode(text)), strict=True))
    except msgspec.ValidationError:
        return None


@lru_cache(maxsize=64)
def _decoder_of(names: tuple[str, ...]) -> msgspec.json.Decoder[list[Any]] | None:
    made = _struct_of(names)
    return None if made is None else msgspec.json.Decoder(list[made])


def encode_or_null(row: Mapping[str, Any] | None) -> str | None:
    """NULL stands for a deleted row."""
    return None if row is None else encode(row)


def encode_keys(keys: Sequence[Key]) -> str:
    """Keys as a JSON array."""
    if bytes in map(type, keys):
        return _ENCODER.encode([_wrap(key) for key in keys]).decode()
    return _ENCODER.encode(keys).decode()


def decode_keys(text: str) -> list[Key]:
    """The keys of ``encode_keys``."""
    return [_unwrap(key) for key in msgspec.json.decode(text)]


def _wrap(value: Any) -> Any:
    if type(value) is bytes:
        return {_BYTES: b64encode(value).decode()}
    return {_FLOAT: str(value)} if type(value) is float and value in _ENDLESS else value


def _unwrap(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    told = cast("dict[str, Any]", value)
    if len(told) == 1 and _FLOAT in told:
        return float(told[_FLOAT])
    # Any other is an object, which an operation may hold.
    return b64decode(told[_BYTES]) if len(told) == 1 and _BYTES in told else told


# ── keys ───────────────────────────────────────────────────────────────────────────────────────────
def key_text(key: Key) -> str:
    """A key as text: the remote's id, where it has none of its own."""
    return key.hex() if isinstance(key, bytes) else str(key)


def key_of(text: str, affinity: Affinity) -> Key:
    """The key of a ``key_text``, as a column of that affinity keeps it."""
    if affinity in ("INTEGER", "NUMERIC"):
        try:
            number = int(text)
        except ValueError:
            return text
        # "007" and "1_000" are texts, whatever Python thinks, and no column keeps a larger number.
        return number if str(number) == text and -(2**63) <= number < 2**63 else text
    return text


# ── structures ─────────────────────────────────────────────────────────────────────────────────────
def shadow_of(row: str, version: str | None, remote_id: str | None, extra: str | None) -> Shadow:
    """A shadow as ``sql/shadows.sql`` reads it, without its key."""
    if extra is None:
        return Shadow(decode(row), version, remote_id)
    return Shadow(decode(row), version, remote_id, _DECODER.decode(extra))


def conflict_of(row: Sequence[Any]) -> Conflict:
    """A conflict of ``base, mine, theirs, version, raised_at``."""
    base, mine, theirs, version, raised_at = row
    return Conflict(
        base=None if base is None else decode(base),
        mine=None if mine is None else decode(mine),
        theirs=None if theirs is None else decode(theirs),
        version=version,
        raised_at_us=raised_at,
    )


def us_of(text: object) -> int:
    """The time in a contract column; 0 where it cannot be read."""
    found = moment(text)
    return 0 if found is None else to_wall_us(found)


def change_of(row: Sequence[Any]) -> Change:
    """A change of ``CHANGE_COLUMNS``: tolerant, because foreign hands write there, too."""
    (seq, change_id, key, op, data, captured, status, retry_count, conflicts, created_at, due_at, mutation_id,
     base_version, error, problem, hold) = row  # fmt: skip
    changed = _data(data)
    if changed is None:
        hold = hold or "data is not a JSON object"
    known: Literal["pending", "failed"] = "failed" if status == "failed" else "pending"
    if status != known:
        hold = hold or f"status is {status!r:.80}, expected pending"
    return Change(
        seq=seq,
        id=str(change_id),
        key=str(change_id) if key is None else key,
        op=str(op),
        data=changed or {},
        captured=bool(captured),
        status=known,
        attempts=retry_count if isinstance(retry_count, int) else 0,
        conflicts=conflicts if isinstance(conflicts, int) else 0,
        created_at_us=us_of(created_at),
        due_at_us=due_at if isinstance(due_at, int) else 0,
        mutation_id=mutation_id,
        base_version=base_version,
        error=_text(error),
        problem=_text(problem),
        hold=_text(hold),
    )


def _data(text: object) -> Row | None:
    if text is None:
        return {}
    try:
        row = decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return row if isinstance(row, dict) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


_iso = lru_cache(maxsize=64)(iso)
"""Changes of one write are made at one moment."""


def _id_from(mutation_id: str | None) -> str:
    """An id for a change that has none yet: as random as its mutation id, and quicker had than in SQL."""
    if mutation_id is None or len(mutation_id) != _DIGITS:
        return ""
    one = mutation_id
    return f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}"


_DIGITS = 32
"""Of a UUID."""


def columns_of(change: Change, *, resource: int, table: str, key: Key, now_us: int) -> tuple[Any, ...]:
    """The parameters of ``sql/change_write.sql``, but for the id of a new one that is not sealed."""
    return (
        change.seq or None,
        change.id or _id_from(change.mutation_id),
        change.op,
        table,
        key_text(key),
        encode(change.data) if change.data else None,
        _iso(change.created_at_us or now_us),
        change.attempts,
        change.status,
        change.error,
        _iso(now_us) if change.mutation_id else None,
        resource,
        key,
        int(change.captured),
        change.mutation_id,
        change.base_version,
        change.due_at_us,
        change.conflicts,
        change.hold,
        change.problem,
    )
