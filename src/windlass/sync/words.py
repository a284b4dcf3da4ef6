"""Keys and columns as people write them, on a command line or a page, and as a table keeps them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from windlass.errors import ConfigError
from windlass.sync.converting import is_binary, is_boolean, is_json
from windlass.sync.kept import kept_by
from windlass.sync.mapping import join_key

if TYPE_CHECKING:
    from windlass.change import Column, Key, Table


def key_text(key: Key) -> str:
    """A key as ``read_key`` takes it.

    >>> key_text(7), key_text(b"\\x00\\xff")
    ('7', '00ff')
    """
    return key.hex() if isinstance(key, bytes) else str(key)


def read_key(table: Table, text: str) -> Key:
    """The key of a row: a number where its column keeps one, and a JSON array for several columns.

    Raises:
        ConfigError: the array is none, or has another length.
    """
    by_name = {column.name: column for column in table.columns}
    columns = [by_name[name] for name in table.key]
    if len(columns) == 1:
        return _read_part(columns[0], text)
    try:
        parts = msgspec.json.decode(text, type=list[str | int | float])
    except msgspec.DecodeError:
        parts = []
    if len(parts) != len(columns):
        raise ConfigError(
            f"expected the key of {table.name} to be a JSON array of {', '.join(table.key)}, got {text!r:.80}"
        )
    return join_key([kept_by(column, part) for part, column in zip(parts, columns, strict=True)])


def _read_part(column: Column, text: str) -> Key:
    if is_binary(column):
        try:
            return bytes.fromhex(text)
        except ValueError:
            # A column for bytes may hold text, such as the keys that are made here.
            return text
    return cast("Key", kept_by(column, text))


def read_columns(table: Table, words: Sequence[str], nulls: Sequence[str]) -> dict[str, Any]:
    """What ``column=value`` words and the names of columns that become NULL say.

    Raises:
        ConfigError: no such column, a column said twice, or a value that its column cannot keep.
    """
    by_name = {column.name: column for column in table.columns}
    for word in words:
        if "=" not in word:
            raise ConfigError(f"expected COLUMN=VALUE, got {word!r:.80}")
    found: dict[str, Any] = {}
    said = [word.partition("=") for word in words] + [(name, "", "") for name in nulls]
    for name, separator, text in said:
        column = by_name.get(name)
        if column is None:
            raise ConfigError(f"{table.name} has no synced column {name!r:.80}: it has {', '.join(by_name)}")
        if name in found:
            raise ConfigError(f"expected each column once, got {name!r} twice")
        found[name] = read_value(column, text) if separator else None
    return found


def value_text(value: Any) -> str:
    """A value that is not None as ``read_columns`` takes it.

    >>> value_text(1.5), value_text("tea"), value_text(b"tea")
    ('1.5', 'tea', 'dGVh')
    """
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return repr(value) if isinstance(value, float) else str(value)


def read_value(column: Column, text: str) -> Any:
    """The value that a text says for a column.

    Raises:
        ConfigError: one that the column cannot keep.
    """
    if is_binary(column):
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:
            raise ConfigError(f"expected base64 for {column.name}, which is {column.declared}") from None
    if is_boolean(column) and text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    if is_json(column):
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ConfigError(f"expected JSON for {column.name}: {error}") from None
    return kept_by(column, text)
