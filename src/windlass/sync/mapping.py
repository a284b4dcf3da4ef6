"""Row ↔ document: names, types, and what a column would make of a value.

What a remote sends is brought into the form in which the table would keep it, before it is compared with
anything: by the column's affinity, and by its type where PostgreSQL has a spelling of its own. A row that was
just written then equals its shadow when it is read back, and a remote that says ``"5"`` where the column
keeps 5 does not start an echo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec

from windlass.change import KEEP, Column, Key, RemoteRow, Row, Table
from windlass.errors import ConfigError
from windlass.redact import message_of
from windlass.sync.converting import (
    Unmappable,
    giver,
    is_binary,
    is_json,
    keeps_integers,
    kept_as_it_is,
    means_the_same,
    taker,
    told_as_it_is,
)
from windlass.sync.kept import as_kept, kept_by, spelled
from windlass.sync.remote import Document

ToRemote = Callable[[dict[str, Any]], Mapping[str, Any]]
FromRemote = Callable[[dict[str, Any]], Mapping[str, Any]]


Taken = tuple[str, str, "type | None", Callable[[Any], Any]]
"""Field, column, the type whose values are kept as they are, and what becomes of others."""


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
        _refuse_clashes(table, self._fields)
        if ids == "client" and any(is_binary(one) for one in table.columns if one.name in table.key):
            raise ConfigError(
                f"{table.name}: its key is bytes, which are no id that a remote could have: "
                'declare the resource with ids="server"'
            )
        self.only_key = table.key[0] if len(table.key) == 1 else None
        """The key's column, where it is one."""
        sent = [one for one in table.columns if ids == "client" or one.name not in table.key]
        self._sent = [
            (column.name, self._fields[column.name], told_as_it_is(column), giver(column)) for column in sent
        ]
        self.tells_plainly = to_remote is None and not rename and all(plain for *_, plain, _ in self._sent)
        """Each field has its column's name, and texts and integers are told as they are."""
        self.unsent = tuple(name for name in table.key if ids != "client")
        """Columns that are no part of a document."""
        self._taken: list[Taken] = [
            (self._fields[column.name], column.name, kept_as_it_is(column), taker(column)) for column in sent
        ]
        self._defaults = {
            one.name: as_kept(one.default, one.affinity) for one in sent if one.default is not KEEP
        }
        self.integers = frozenset(one.name for one in sent if keeps_integers(one))
        """Columns that keep an integer as it is, if it is not too large for SQLite."""
        self.json = tuple(one.name for one in sent if is_json(one))
        """Columns whose texts may be spelled in several ways and mean the same; see ``in_words_of``."""
        self.is_plain = model is None and from_remote is None and not rename
        """Documents are taken as they come, and each field has its column's name."""
        self.shape = lru_cache(maxsize=64)(self._shape_of)

    def document(self, row: Row, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The document of a row, or of some of its columns; ``extra`` are fields that no column takes.

        Raises:
            Unmappable: a column holds what cannot be told, or the program's own hook failed.
        """
        told = dict(extra or {})
        for column, field, plain, give in self._sent:
            if column in row:
                value = row[column]
                told[field] = value if value is None or type(value) in plain else give(value)
        if self._to_remote is None:
            return told
        return dict(_hooked(self._to_remote, told, "to_remote"))

    def row(self, document: Document) -> RemoteRow:
        """The row of a document.

        Raises:
            Unmappable: it does not fit the table, the model, or the program's own hook.
        """
        if document.document is None:
            return RemoteRow(document.remote_id, None, document.version)
        fields = self._checked(document)
        taken, others = self.shape(tuple(fields))
        row: dict[str, Any] = {}
        for field, column, plain, take in taken:
            value = fields[field]
            row[column] = value if value is None or type(value) is plain else take(value)
        extra = {name: fields[name] for name in others} if others else {}
        return RemoteRow(document.remote_id, row, document.version, extra)

    def rows(self, documents: Sequence[Document]) -> list[RemoteRow] | None:
        """``row`` of each, a column at a time; None: they are to be looked at one by one.

        For documents of one shape in which each field has its column's name, and nothing is to be refused.
        """
        bodies: list[Any] = [one.document for one in documents]
        if not self.is_plain or set(map(type, bodies)) != {dict} or len(set(map(len, bodies))) > 1:
            return None
        taken, others = self.shape(tuple(bodies[0]))
        rows: list[dict[str, Any]] = [body.copy() for body in bodies]
        extra: list[dict[str, Any]] = [{} for _ in rows]
        try:
            for name in others:
                for row, rest in zip(rows, extra, strict=True):
                    rest[name] = row.pop(name)
            for _, column, plain, take in taken:
                if not {type(row[column]) for row in rows} <= {plain, type(None)}:
                    for row in rows:
                        if (value := row[column]) is not None:
                            row[column] = take(value)
        except (KeyError, Unmappable):
            return None
        return [
            RemoteRow(one.remote_id, row, one.version, rest)
            for one, row, rest in zip(documents, rows, extra, strict=True)
        ]

    def _shape_of(self, fields: tuple[str, ...]) -> tuple[list[Taken], list[str]]:
        """What is taken of a document with these fields, and the fields that no column takes.

        Documents of one collection have one shape, or a few.
        """
        known = {field for field, *_ in self._taken}
        return [one for one in self._taken if one[0] in fields], [one for one in fields if one not in known]

    def completed(self, row: RemoteRow) -> RemoteRow:
        """A row that is new here; what the remote does not tell is as the table itself would have it."""
        if row.row is None or len(row.row) == len(self.table.columns):
            return row
        return row._replace(row={**self._defaults, **row.row})

    def in_words_of(self, told: RemoteRow, *known: Row | None) -> RemoteRow:
        """The row with its JSON spelled as the first of the known rows that means the same: what a program
        wrote stays as it wrote it, though the remote would write it otherwise."""
        if told.row is None:
            return told
        own: dict[str, Any] = {}
        for name in self.json:
            if name not in told.row:
                continue
            value = told.row[name]
            for row in known:
                if row is not None and name in row and _keeps_the_same(row[name], value):
                    own[name] = row[name]
                    break
        return told._replace(row={**told.row, **own}) if own else told

    def key(self, row: RemoteRow) -> Key:
        """The local key of a remote row, where the two are one.

        Raises:
            Unmappable: the row does not tell its key.
        """
        assert row.row is not None
        if self.only_key is not None and (value := row.row.get(self.only_key)) is not None:
            return value
        parts = [row.row.get(name) for name in self.table.key]
        if any(part is None for part in parts):
            # The document does not repeat its own id: the remote's says it.
            return self.key_of(row.remote_id)
        return join_key(parts)

    def have_keys(self, rows: Sequence[RemoteRow]) -> bool:
        """True where the key is one column, and each of these rows tells it: ``with_key`` adds nothing."""
        name = self.only_key
        return name is not None and None not in [row.row and row.row.get(name) for row in rows]

    def key_of(self, remote_id: str) -> Key:
        """The local key that a remote's id spells, where the two are one.

        Raises:
            Unmappable: it is no such key, or the key has several columns, and the id does not spell them.
        """
        columns = {one.name: one for one in self.table.columns}
        if len(self.table.key) != 1:
            return self._spelled_key(remote_id, [columns[name] for name in self.table.key])
        found = kept_by(columns[self.table.key[0]], remote_id)
        if self.table.makes_keys and not isinstance(found, int):
            raise Unmappable(
                f"{self.table.name}: expected the remote's id to be a number as {self.table.key[0]} is, "
                f'got {remote_id!r:.80}: declare the resource with ids="server"'
            )
        return found

    def with_key(self, row: Row, key: Key) -> Row:
        """The row with its key columns filled in."""
        if self.only_key is not None and row.get(self.only_key) == key:
            return row
        return {**row, **dict(zip(self.table.key, split_key(key, len(self.table.key)), strict=True))}

    def _spelled_key(self, remote_id: str, columns: list[Column]) -> Key:
        try:
            parts = msgspec.json.decode(remote_id, type=list[int | float | str])
        except (msgspec.DecodeError, UnicodeEncodeError):
            parts = []
        if len(parts) != len(columns):
            raise Unmappable(
                f"{self.table.name}: expected the remote's id to be the JSON array of "
                f'{", ".join(self.table.key)}, got {remote_id!r:.80}: declare the resource with ids="server"'
            )
        return join_key([kept_by(one, part) for part, one in zip(parts, columns, strict=True)])

    def _checked(self, document: Document) -> Mapping[str, Any]:
        fields: Mapping[str, Any] = document.document or {}
        if self._model is not None:
            try:
                msgspec.convert(fields, self._model)
            except Exception as error:  # a model's own __post_init__ may raise whatever it likes
                raise Unmappable(f"{type(error).__name__}: {message_of(error)}") from error
        if self._from_remote is not None:
            return _hooked(self._from_remote, dict(fields), "from_remote")
        return fields


def _hooked(hook: Callable[[dict[str, Any]], Any], fields: dict[str, Any], name: str) -> Mapping[str, Any]:
    """What the program's hook makes of the fields.

    Raises:
        Unmappable: it raised, or gave something else.
    """
    try:
        made: Any = hook(fields)
    except Unmappable:
        raise
    except Exception as error:
        raise Unmappable(f"{name} raised {type(error).__name__}: {message_of(error)}") from error
    if not isinstance(made, Mapping):
        raise Unmappable(f"expected {name} to give a dictionary of fields, got {type(made).__name__}")
    return cast("Mapping[str, Any]", made)


def _refuse_clashes(table: Table, fields: Mapping[str, str]) -> None:
    by_field: dict[str, str] = {}
    for column, field in fields.items():
        if field in by_field:
            raise ConfigError(
                f"{table.name}: the columns {by_field[field]} and {column} are both {field!r} at the remote: "
                "rename one of them, or exclude it"
            )
        by_field[field] = column


def join_key(parts: list[Any]) -> Key:
    """One value for a key of one column or several.

    >>> join_key([7]), join_key(["de", 7])
    (7, '["de",7]')
    """
    if len(parts) == 1:
        return parts[0]
    # As SQLite's json_array() spells them.
    told = [msgspec.Raw(spelled(part).encode()) if type(part) is float else part for part in parts]
    return msgspec.json.encode(told).decode()


def split_key(key: Key, columns: int) -> list[Any]:
    """The values of the key's columns."""
    return [key] if columns == 1 else msgspec.json.decode(cast("str", key))


def _keeps_the_same(mine: Any, value: Any) -> bool:
    # An operation's own words may be an object, which no column keeps.
    return not isinstance(mine, dict | list) and means_the_same(mine, value)
