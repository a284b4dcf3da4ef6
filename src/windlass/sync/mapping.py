"""Row ↔ document: names, types, and what a column would make of a value.

What a remote sends is brought into the form in which SQLite would keep it, by the column's affinity, before
it is compared with anything. A row that was just written then equals its shadow when it is read back, and a
remote that says ``"5"`` where the column keeps 5 does not start an echo.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from windlass.change import Affinity, Column, Key, RemoteRow, Row, Table
from windlass.errors import ConfigError, SyncError
from windlass.sync.remote import Document

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)\s*")
_LARGEST = 2**63
_BOOLEANS = frozenset({"BOOL", "BOOLEAN"})

ToRemote = Callable[[dict[str, Any]], Mapping[str, Any]]
FromRemote = Callable[[dict[str, Any]], Mapping[str, Any]]


class Unmappable(SyncError):
    """A document that cannot become a row, or a row that cannot become a document."""


class Mapper:
    """Turns rows of one table into documents and back.

    ``rename`` maps columns to the remote's fields. ``to_remote`` and ``from_remote`` are called last and
    first, with a dictionary of the remote's fields, and give another. ``model`` is a type by which
    ``msgspec`` checks each document that arrives.
    """

    def __init__(
        self,
        table: Table,
        *,
        ids: str = "client",
        rename: Mapping[str, str] | None = None,
        to_remote: ToRemote | None = None,
        from_remote: FromRemote | None = None,
        model: Any = None,
    ) -> None:
        known = {column.name for column in table.columns}
        for name in rename or {}:
            if name not in known:
                raise ConfigError(f"expected rename to name synced columns of {table.name}, got {name!r}")
        self.table = table
        self._ids = ids
        self._to_remote = to_remote
        self._from_remote = from_remote
        self._model = model
        self._fields = {column.name: (rename or {}).get(column.name, column.name) for column in table.columns}
        sent = [one for one in table.columns if ids == "client" or one.name not in table.key]
        self._sent = [(column.name, self._fields[column.name], _giver(column)) for column in sent]
        self._taken = [(self._fields[column.name], column.name, _taker(column)) for column in sent]
        self._taken_fields = frozenset(field for field, _, _ in self._taken)

    def document(self, row: Row, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The document of a row, or of some of its columns; ``extra`` are fields that no column takes."""
        told = dict(extra or {})
        for column, field, give in self._sent:
            if column in row:
                value = row[column]
                told[field] = value if give is None or value is None else give(value)
        if self._to_remote is None:
            return told
        return dict(self._to_remote(told))

    def row(self, document: Document) -> RemoteRow:
        """The row of a document.

        Raises:
            Unmappable: it does not fit the table, the model, or the program's own hook.
        """
        if document.document is None:
            return RemoteRow(document.remote_id, None, document.version)
        fields = self._checked(document)
        row: dict[str, Any] = {}
        for field, column, take in self._taken:
            if field in fields:
                value = fields[field]
                row[column] = None if value is None else take(value)
        if len(fields) == len(row):
            return RemoteRow(document.remote_id, row, document.version)
        extra = {name: value for name, value in fields.items() if name not in self._taken_fields}
        return RemoteRow(document.remote_id, row, document.version, extra)

    def key(self, row: RemoteRow) -> Key:
        """The local key of a remote row, where the two are one.

        Raises:
            Unmappable: the row does not tell its key.
        """
        assert row.row is not None
        parts = [row.row.get(name) for name in self.table.key]
        if any(part is None for part in parts):
            # The document does not repeat its own id: the remote's says it.
            return self.key_of(row.remote_id)
        return join_key(parts)

    def key_of(self, remote_id: str) -> Key:
        """The local key that a remote's id spells, where the two are one.

        Raises:
            Unmappable: the key has several columns, and the id does not spell them.
        """
        if len(self.table.key) > 1:
            return remote_id
        affinity = next(one.affinity for one in self.table.columns if one.name == self.table.key[0])
        found = as_kept(remote_id, affinity)
        if self.table.makes_keys and not isinstance(found, int):
            raise Unmappable(
                f"{self.table.name}: expected the remote's id to be a number as {self.table.key[0]} is, "
                f'got {remote_id!r:.80}: declare the resource with ids="server"'
            )
        return found

    def with_key(self, row: Row, key: Key) -> Row:
        """The row with its key columns filled in."""
        return {**row, **dict(zip(self.table.key, split_key(key, len(self.table.key)), strict=True))}

    def _checked(self, document: Document) -> Mapping[str, Any]:
        fields: Mapping[str, Any] = document.document or {}
        try:
            if self._model is not None:
                msgspec.convert(fields, self._model)
            if self._from_remote is not None:
                fields = self._from_remote(dict(fields))
        except Unmappable:
            raise
        except Exception as error:
            raise Unmappable(f"{type(error).__name__}: {error}") from error
        return fields


def join_key(parts: list[Any]) -> Key:
    """One value for a key of one column or several.

    >>> join_key([7]), join_key(["de", 7])
    (7, '["de",7]')
    """
    return parts[0] if len(parts) == 1 else msgspec.json.encode(parts).decode()


def split_key(key: Key, columns: int) -> list[Any]:
    """The values of the key's columns."""
    return [key] if columns == 1 else msgspec.json.decode(key)


def as_kept(value: Any, affinity: Affinity) -> Any:
    """A value as SQLite would keep it in a column of that affinity.

    >>> as_kept("5", "INTEGER"), as_kept(5, "TEXT"), as_kept(5, "REAL"), as_kept("five", "INTEGER")
    (5, '5', 5.0, 'five')
    """
    kind = type(value)
    if kind is str:
        return value if affinity in ("TEXT", "BLOB") else _from_text(value, affinity)
    if kind is bool:
        value = kind = int(value)
        kind = int
    if kind is int:
        if affinity == "TEXT":
            return str(value)
        return float(value) if affinity == "REAL" else value
    if kind is float:
        if affinity == "TEXT":
            return _spelled(value)
        if affinity in ("INTEGER", "NUMERIC") and value.is_integer() and abs(value) < _LARGEST:
            return int(value)
    return value


def _from_text(text: str, affinity: Affinity) -> Any:
    if not _NUMBER.fullmatch(text) or not text.isascii():
        return text
    number = float(text)
    if affinity == "REAL":
        return number
    stripped = text.strip()
    if stripped.lstrip("+-").isdigit():
        whole = int(stripped)
        return whole if -_LARGEST <= whole < _LARGEST else number
    return int(number) if number.is_integer() and abs(number) < _LARGEST else number


def _spelled(value: float) -> str:
    text = f"{value:.15g}"
    mantissa, e, exponent = text.partition("e")
    if "." not in mantissa and mantissa.lstrip("-").isdigit():
        mantissa += ".0"
    return f"{mantissa}{e}{exponent}"


def _giver(column: Column) -> Callable[[Any], Any] | None:
    """How a kept value is told to a remote; None: as it is."""
    if column.declared in _BOOLEANS:
        return lambda value: bool(value) if value in (0, 1) else value
    if column.declared.startswith("JSON"):
        return _read_json
    return lambda value: base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _taker(column: Column) -> Callable[[Any], Any]:
    """How a remote's value becomes one to keep."""
    name, affinity, declared = column.name, column.affinity, column.declared
    if declared.startswith("JSON"):
        return lambda value: msgspec.json.encode(value, order="sorted").decode()
    if declared == "BLOB":
        return lambda value: _read_base64(name, value)

    def take(value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return value if affinity in ("TEXT", "BLOB") else _from_text(value, affinity)
        if kind in (dict, list):
            raise Unmappable(
                f"{name} is {declared or 'without a type'}, and the remote sent {kind.__name__}: declare the "
                "column JSON, or give from_remote= to take it apart"
            )
        if kind is int and not -_LARGEST <= value < _LARGEST:
            raise Unmappable(f"{name}: {value} is larger than SQLite's integers: send it as text")
        return as_kept(value, affinity)

    return take


def _read_json(value: Any) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, TypeError):
        # What the program keeps there is no JSON: then it is sent as it is.
        return value


def _read_base64(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise Unmappable(f"{name} is BLOB, and the remote sent text that is not base64") from error
