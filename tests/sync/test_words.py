"""Keys and values as they are written on a command line."""

from __future__ import annotations

from typing import Any

import pytest

from windlass.change import Column, Key, Table
from windlass.errors import ConfigError
from windlass.sync.words import read_columns, read_key

COLUMNS = (
    Column("id", "INTEGER", "INTEGER"),
    Column("name", "TEXT", "TEXT"),
    Column("stars", "INTEGER", "INTEGER"),
    Column("score", "REAL", "REAL"),
    Column("done", "BOOLEAN", "NUMERIC"),
    Column("tags", "JSON", "NUMERIC"),
    Column("photo", "BLOB", "BLOB"),
)


def table(*key: str) -> Table:
    return Table(name="notes", key=key, columns=COLUMNS)


@pytest.mark.parametrize(
    ("names", "text", "key"),
    [
        (["id"], "7", 7),
        (["id"], "-7", -7),
        (["id"], "seven", "seven"),
        (["name"], "007", "007"),
        (["name"], "", ""),
        (["photo"], "00ff", b"\x00\xff"),
        (["photo"], "no hex", "no hex"),
        (["name", "id"], '["de",7]', '["de",7]'),
        (["name", "id"], ' ["de", "7"]', '["de",7]'),
    ],
)
def test_a_key_is_what_its_column_keeps(names: list[str], text: str, key: Key) -> None:
    assert read_key(table(*names), text) == key


@pytest.mark.parametrize("text", ["de-7", '["de"]', '["de",7,8]', '{"name":"de"}', '["de",null]'])
def test_a_key_of_several_columns_is_a_json_array_of_them(text: str) -> None:
    with pytest.raises(ConfigError, match="expected the key of notes to be a JSON array of name, id"):
        read_key(table("name", "id"), text)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name=a=b", "a=b"),
        ("name=", ""),
        ("name=007", "007"),
        ("name=null", "null"),
        ("name=true", "true"),
        ("stars=5", 5),
        ("stars=5.5", 5.5),
        ("score=5", 5.0),
        ("done=true", 1),
        ("done=False", 0),
        ("done=1", 1),
        ('tags=["a"]', '["a"]'),
        ("tags=5", 5),
        ("photo=AP8=", b"\x00\xff"),
    ],
)
def test_a_value_is_written_as_its_column_keeps_it(word: str, value: Any) -> None:
    found = read_columns(table("id"), [word], [])
    assert found == {word.partition("=")[0]: value}
    assert type(next(iter(found.values()))) is type(value)


def test_null_is_said_apart_from_texts() -> None:
    assert read_columns(table("id"), ["stars=1"], ["name", "score"]) == {
        "stars": 1,
        "name": None,
        "score": None,
    }


@pytest.mark.parametrize(
    ("words", "nulls", "sentence"),
    [
        (["name"], [], "expected COLUMN=VALUE, got 'name'"),
        (["nam=x"], [], "notes has no synced column 'nam': it has id, name, stars"),
        ([], ["nam"], "notes has no synced column 'nam'"),
        (["name=x", "name=y"], [], "expected each column once, got 'name' twice"),
        (["name=x"], ["name"], "expected each column once, got 'name' twice"),
        (["photo=text!"], [], "expected base64 for photo, which is BLOB"),
        (["tags={"], [], "expected JSON for tags"),
    ],
)
def test_what_cannot_be_right_is_named(words: list[str], nulls: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_columns(table("id"), words, nulls)
