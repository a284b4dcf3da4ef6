"""Row ↔ document: what SQLite would keep, and that nothing changes on the way there and back."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.change import Affinity, Column, RemoteRow, Row, Table
from windlass.errors import ConfigError
from windlass.sync.mapping import Mapper, Unmappable, as_kept
from windlass.sync.remote import Document

LARGEST = 2**63 - 1


# ── there and back ───────────────────────────────────────────────────────────────────────────────
def column(name: str, declared: str, affinity: Affinity) -> Column:
    return Column(name, declared, affinity)


NOTES = Table(
    name="notes",
    key=("id",),
    columns=(
        column("id", "INTEGER", "INTEGER"),
        column("title", "TEXT", "TEXT"),
        column("done", "BOOLEAN", "NUMERIC"),
        column("tags", "JSON", "NUMERIC"),
        column("photo", "BLOB", "BLOB"),
        column("score", "REAL", "REAL"),
        column("any", "", "BLOB"),
    ),
    makes_keys=True,
)
LINES = Table(
    name="lines",
    key=("lang", "nr"),
    columns=(
        column("lang", "TEXT", "TEXT"),
        column("nr", "INTEGER", "INTEGER"),
        column("text", "TEXT", "TEXT"),
    ),
)


def received(mapper: Mapper, document: dict[str, Any], remote_id: str = "1") -> RemoteRow:
    return mapper.row(Document(remote_id, document, "v1"))


def there_and_back(mapper: Mapper, row: Row) -> Row | None:
    """Through real JSON, as a server would give it back."""
    return received(mapper, json.loads(json.dumps(mapper.document(row)))).row


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ({"done": 1}, {"done": True}),
        ({"done": 0}, {"done": False}),
        ({"done": None}, {"done": None}),
        ({"done": 2}, {"done": 2}),
        ({"done": "maybe"}, {"done": "maybe"}),
        ({"tags": '["a",{"b":1}]'}, {"tags": ["a", {"b": 1}]}),
        ({"tags": '"text"'}, {"tags": "text"}),
        ({"tags": "true"}, {"tags": True}),
        ({"tags": 5}, {"tags": 5}),
        ({"tags": 1.5}, {"tags": 1.5}),
        ({"photo": b"\x00\xff"}, {"photo": "AP8="}),
        ({"photo": b""}, {"photo": ""}),
        ({"photo": 7}, {"photo": 7}),
        ({"score": 2.0}, {"score": 2.0}),
        ({"any": "7"}, {"any": "7"}),
        ({"any": 7}, {"any": 7}),
        ({"title": "a\0b"}, {"title": "a\0b"}),
    ],
)
def test_a_value_comes_back_as_it_was_sent(kept: dict[str, Any], told: dict[str, Any]) -> None:
    mapper = Mapper(NOTES)
    assert mapper.document({"id": 1, **kept}) == {"id": 1, **told}
    back = there_and_back(mapper, {"id": 1, **kept})
    assert back == {"id": 1, **kept}
    assert {name: type(value) for name, value in back.items()} == {
        name: type(value) for name, value in {"id": 1, **kept}.items()
    }


@given(
    st.fixed_dictionaries(
        {"id": st.integers(-(2**63), LARGEST)},
        optional={
            "title": st.none() | st.text(),
            "done": st.sampled_from((None, 0, 1)),
            "photo": st.none() | st.binary() | st.integers(-(2**63), LARGEST),
            "score": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "any": st.none() | st.text() | st.integers(-(2**63), LARGEST),
        },
    )
)
def test_every_row_comes_back_as_it_was_sent(row: dict[str, Any]) -> None:
    kept = {name: as_kept(value, "REAL") if name == "score" else value for name, value in row.items()}
    assert there_and_back(Mapper(NOTES), kept) == kept


def test_what_is_not_json_in_a_json_column_is_sent_as_it_is() -> None:
    assert Mapper(NOTES).document({"tags": "not json"}) == {"tags": "not json"}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"title": b"\x00"}, "title holds bytes"),
        ({"tags": b"[1]"}, "tags holds bytes"),
        ({"done": b"\x01"}, "done holds bytes"),
        ({"score": math.inf}, "score holds inf, and JSON knows no infinity"),
        ({"photo": -math.inf}, "photo holds -inf"),
        ({"photo": "text"}, "photo is declared for bytes and holds text"),
    ],
)
def test_a_value_that_would_come_back_as_another_is_not_sent(row: Row, sentence: str) -> None:
    with pytest.raises(Unmappable, match=sentence):
        Mapper(NOTES).document(row)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"title": {"de": "x"}}, "title is TEXT, and the remote sent dict: declare the column JSON"),
        ({"any": [1]}, "any is without a type, and the remote sent list"),
        ({"id": 2**63}, "id: 9223372036854775808 is larger than SQLite's integers"),
        ({"score": -(2**63) - 1}, "score: .* is larger than SQLite's integers"),
        ({"score": "1e999"}, "score: '1e999' is larger than any number"),
        ({"any": float("inf")}, "any: inf is larger than any number"),
        ({"photo": "not base64!"}, "photo is bytes, and the remote sent text that is not base64"),
        ({"photo": "ä"}, "photo is bytes"),
        ({"photo": [1]}, "photo is BLOB, and the remote sent list"),
    ],
)
def test_a_value_that_no_column_can_keep_is_named(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Unmappable, match=sentence):
        received(Mapper(NOTES), {"id": 1, **document})


def test_a_number_of_any_size_fits_a_text() -> None:
    assert received(Mapper(NOTES), {"id": 1, "title": 2**70}).row == {"id": 1, "title": str(2**70)}


def test_a_nan_becomes_null_as_sqlite_makes_it() -> None:
    assert received(Mapper(NOTES), {"id": 1, "score": float("nan")}).row == {"id": 1, "score": None}


def test_bytes_are_bytes_whatever_the_schema_calls_them() -> None:
    table = Table(
        name="t",
        key=("id",),
        columns=(
            column("id", "INTEGER", "INTEGER"),
            column("hash", "BINARY(16)", "NUMERIC"),
            column("scan", "LONGBLOB", "BLOB"),
        ),
        makes_keys=True,
    )
    row = {"id": 1, "hash": b"\x01", "scan": b"\x02"}
    assert there_and_back(Mapper(table), row) == row


# ── names ────────────────────────────────────────────────────────────────────────────────────────
def test_a_renamed_column_has_the_remotes_name_there_and_its_own_here() -> None:
    mapper = Mapper(NOTES, rename={"title": "subject"})
    assert mapper.document({"id": 1, "title": "x"}) == {"id": 1, "subject": "x"}
    found = received(mapper, {"id": 1, "subject": "x", "title": "other"})
    assert (found.row, found.extra) == ({"id": 1, "title": "x"}, {"title": "other"})


def test_two_columns_may_change_names_with_each_other() -> None:
    mapper = Mapper(NOTES, rename={"title": "any", "any": "title"})
    row = {"id": 1, "title": "t", "any": 7}
    assert mapper.document(row) == {"id": 1, "any": "t", "title": 7}
    assert there_and_back(mapper, row) == row


def test_two_columns_cannot_have_one_name_at_the_remote() -> None:
    with pytest.raises(ConfigError, match="the columns title and any are both 'any' at the remote"):
        Mapper(NOTES, rename={"title": "any"})


def test_only_synced_columns_are_renamed() -> None:
    with pytest.raises(ConfigError, match="expected rename to name synced columns of notes, got 'subject'"):
        Mapper(NOTES, rename={"subject": "title"})


def test_fields_that_no_column_takes_come_back_in_the_whole_document() -> None:
    mapper = Mapper(NOTES)
    found = received(mapper, {"id": 1, "title": "x", "etag": "abc", "links": {"self": "/1"}})
    assert found.row == {"id": 1, "title": "x"}
    assert found.extra == {"etag": "abc", "links": {"self": "/1"}}
    whole = mapper.document({"id": 1, "title": "y"}, found.extra)
    assert whole == {"id": 1, "title": "y", "etag": "abc", "links": {"self": "/1"}}


def test_a_document_that_says_nothing_of_a_column_leaves_it_out_of_the_row() -> None:
    assert received(Mapper(NOTES), {"id": 1}).row == {"id": 1}


def test_a_deleted_document_is_a_deleted_row() -> None:
    assert Mapper(NOTES).row(Document("1", None, "v2")) == RemoteRow("1", None, "v2")


# ── the program's own hooks ──────────────────────────────────────────────────────────────────────
def flattened(fields: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in fields.items() if name != "meta"}, **fields.get("meta", {})}


def nested(fields: dict[str, Any]) -> dict[str, Any]:
    meta = {name: fields[name] for name in ("score", "done") if name in fields}
    return {**{name: value for name, value in fields.items() if name not in meta}, "meta": meta}


def test_hooks_take_a_document_apart_and_put_it_together() -> None:
    mapper = Mapper(NOTES, to_remote=nested, from_remote=flattened)
    row = {"id": 1, "title": "x", "done": 1, "score": 0.5}
    assert mapper.document(row) == {"id": 1, "title": "x", "meta": {"done": True, "score": 0.5}}
    assert there_and_back(mapper, row) == row


def test_a_hook_that_fails_names_itself_and_what_it_said() -> None:
    mapper = Mapper(NOTES, to_remote=lambda fields: fields["missing"], from_remote=lambda fields: 1 / 0)
    with pytest.raises(Unmappable, match="to_remote raised KeyError: 'missing'"):
        mapper.document({"id": 1})
    with pytest.raises(Unmappable, match="from_remote raised ZeroDivisionError"):
        received(mapper, {"id": 1})


@pytest.mark.parametrize("made", [None, [("id", 1)], "text"])
def test_a_hook_that_gives_no_dictionary_is_named(made: Any) -> None:
    mapper = Mapper(NOTES, to_remote=lambda fields: made, from_remote=lambda fields: made)
    with pytest.raises(Unmappable, match="expected to_remote to give a dictionary of fields"):
        mapper.document({"id": 1})
    with pytest.raises(Unmappable, match="expected from_remote to give a dictionary of fields"):
        received(mapper, {"id": 1})


def test_a_hook_may_refuse_a_document_with_a_reason_of_its_own() -> None:
    def refuse(fields: dict[str, Any]) -> dict[str, Any]:
        raise Unmappable("drafts are not synced")

    with pytest.raises(Unmappable, match=r"^drafts are not synced$"):
        received(Mapper(NOTES, from_remote=refuse), {"id": 1})


def test_a_hook_that_gives_what_sqlite_cannot_keep_is_told_so() -> None:
    mapper = Mapper(NOTES, from_remote=lambda fields: {"id": 1, "title": date(2024, 2, 29)})
    with pytest.raises(Unmappable, match="title: expected what SQLite keeps, got date"):
        received(mapper, {})
    mapper = Mapper(NOTES, from_remote=lambda fields: {"id": 1, "tags": object()})
    with pytest.raises(Unmappable, match="tags is JSON, and what was given for it is not"):
        received(mapper, {})


class Note(msgspec.Struct):
    title: str
    score: float = 0.0


def test_a_document_that_does_not_fit_the_model_says_where() -> None:
    mapper = Mapper(NOTES, model=Note)
    assert received(mapper, {"id": 1, "title": "x", "score": 1}).row == {"id": 1, "title": "x", "score": 1.0}
    with pytest.raises(Unmappable, match=r"Expected `str`, got `int` - at `\$\.title`"):
        received(mapper, {"id": 1, "title": 5})
    with pytest.raises(Unmappable, match="missing required field `title`"):
        received(mapper, {"id": 1})


class Strict(msgspec.Struct):
    title: str

    def __post_init__(self) -> None:
        if not self.title:
            raise LookupError("a note needs a title")


def test_a_model_may_refuse_a_document_by_itself() -> None:
    with pytest.raises(Unmappable, match="a note needs a title"):
        received(Mapper(NOTES, model=Strict), {"id": 1, "title": ""})


# ── keys that are ids ────────────────────────────────────────────────────────────────────────────
def test_the_key_is_in_the_document_or_it_is_the_remotes_id() -> None:
    mapper = Mapper(NOTES)
    assert mapper.key(received(mapper, {"id": "7", "title": "x"}, "7")) == 7
    assert mapper.key(received(mapper, {"title": "x"}, "7")) == 7
    assert mapper.with_key({"title": "x"}, 7) == {"id": 7, "title": "x"}


@pytest.mark.parametrize("remote_id", ["7a", "", "1e99", "7.5", "a3f0-11"])
def test_an_id_that_is_no_number_is_no_integer_key(remote_id: str) -> None:
    with pytest.raises(Unmappable, match=r'notes: .*declare the resource with ids="server"'):
        Mapper(NOTES).key_of(remote_id)


def test_an_id_that_looks_like_a_number_stays_text_in_a_text_key() -> None:
    table = Table(name="t", key=("id",), columns=(column("id", "TEXT", "TEXT"),))
    assert Mapper(table).key_of("007") == "007"


def test_a_key_of_several_columns_goes_there_and_back() -> None:
    mapper = Mapper(LINES)
    row = {"lang": "de", "nr": 7, "text": "x"}
    found = received(mapper, mapper.document(row), '["de",7]')
    assert (found.row, mapper.key(found)) == (row, '["de",7]')
    assert mapper.with_key({"text": "x"}, '["de",7]') == row


@pytest.mark.parametrize("remote_id", ['["de", 7]', '["de","7"]', ' ["de",7.0]'])
def test_an_id_that_spells_the_same_key_otherwise_is_the_same_key(remote_id: str) -> None:
    assert Mapper(LINES).key_of(remote_id) == '["de",7]'


@pytest.mark.parametrize(
    "remote_id", ["de-7", '["de"]', '["de",7,8]', '{"lang":"de"}', '["de",null]', "\ud800"]
)
def test_an_id_that_does_not_spell_the_keys_columns_is_refused(remote_id: str) -> None:
    with pytest.raises(Unmappable, match="expected the remote's id to be the JSON array of lang, nr"):
        Mapper(LINES).key_of(remote_id)


def test_bytes_cannot_be_an_id_at_a_remote() -> None:
    table = Table(name="t", key=("id",), columns=(column("id", "BLOB", "BLOB"), column("x", "", "BLOB")))
    with pytest.raises(ConfigError, match=r'its key is bytes.*ids="server"'):
        Mapper(table)
    assert Mapper(table, ids="server").document({"id": b"\x01", "x": 1}) == {"x": 1}


def test_with_the_servers_ids_our_key_never_leaves_and_theirs_never_arrives() -> None:
    mapper = Mapper(NOTES, ids="server")
    assert mapper.document({"id": 7, "title": "x"}) == {"title": "x"}
    found = received(mapper, {"id": 99, "title": "x"}, "99")
    assert (found.row, found.extra) == ({"title": "x"}, {"id": 99})
    # A whole update returns the remote's own id to it, not ours.
    assert mapper.document({"id": 7, "title": "y"}, found.extra) == {"id": 99, "title": "y"}
