"""The short ways say what the long ways say: of pages at once, and of plain edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.test_mapping import NOTES
from windlass.change import (
    KEEP,
    Change,
    Column,
    Conflict,
    Effect,
    NewRows,
    RemoteRow,
    Row,
    Shadow,
    Standing,
    Table,
)
from windlass.errors import BadResponse
from windlass.store.relational.ledger.values import (
    decode_columns,
    encode,
    encode_columns,
    encode_each,
    encode_table,
)
from windlass.sync.answers import Reading, verdict_of, verdicts_of
from windlass.sync.mapping import Mapper, Unmappable
from windlass.sync.merge import Policy
from windlass.sync.pending import Limits, carried_out
from windlass.sync.places import ETag, Field, FieldVersion, Header, Version
from windlass.sync.postgrest import PostgrestRemote
from windlass.sync.reconcile import (
    Took,
    fold,
    is_idle,
    is_new,
    receive,
    received_new,
    seal,
    seal_idle,
    settle,
    took_idle,
)
from windlass.sync.remote import Document, Outgoing, Updates
from windlass.sync.reply import Reply
from windlass.sync.rest import RestRemote
from windlass.sync.tabulating import new_rows
from windlass.sync.updating import updates_of

LIMITS = Limits(key=("id",))
NUMBERS = st.sampled_from([0, 1, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 0.0, -0.0, 1.5, True, False])
VALUES = (
    st.none()
    | NUMBERS
    | st.sampled_from(["", "7", "tea", "\u2028", "a\nb", "ÿ"])
    | st.just([1])
    | st.just({})
)
KEPT = st.none() | st.sampled_from([0, 1, 1.0, -0.5, float("inf"), "tea", "1", "\u2028\n", b"", b"\xff"])
FIELDS = ("id", "title", "done", "photo", "score", "tags", "any", "other", "version")


# ── pages ──────────────────────────────────────────────────────────────────────────────────────────
@st.composite
def pages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Documents of one shape, mostly, in which each column has values of one kind, mostly."""
    shape = draw(st.lists(st.sampled_from(FIELDS), unique=True, max_size=6))
    kinds = {name: draw(st.sampled_from([VALUES, st.just("tea"), NUMBERS])) for name in shape}
    page = [
        {name: draw(kinds[name]) for name in shape}
        for _ in range(draw(st.integers(min_value=1, max_value=4)))
    ]
    if draw(st.integers(0, 4)) == 0:
        odd = draw(st.sampled_from(page))
        if odd and draw(st.booleans()):
            odd.pop(draw(st.sampled_from(sorted(odd))))
        odd["more"] = 1
    return page


@given(pages(), st.sampled_from(["client", "server"]))
def test_a_page_is_mapped_as_its_documents_are(page: list[dict[str, Any]], ids: str) -> None:
    mapper = Mapper(NOTES, ids=ids)
    documents = [Document(str(number), one, "v1") for number, one in enumerate(page)]
    try:
        expected = [mapper.row(document) for document in documents]
    except Unmappable:
        assert mapper.rows(documents) is None
        return
    found = mapper.rows(documents)
    if found is not None:
        assert [list(map(repr, sorted((one.row or {}).items()))) for one in found] == [
            list(map(repr, sorted((one.row or {}).items()))) for one in expected
        ]
        assert found == expected


def test_a_page_of_one_shape_is_mapped_at_once_and_the_documents_stay_as_they_were() -> None:
    told = [{"id": number, "title": "tea", "done": True, "version": 3} for number in range(3)]
    found = Mapper(NOTES).rows([Document(str(one["id"]), one, "3") for one in told])
    assert found is not None
    assert found[2] == RemoteRow("2", {"id": 2, "title": "tea", "done": 1}, "3", {"version": 3})
    assert told[2] == {"id": 2, "title": "tea", "done": True, "version": 3}


def test_what_has_hooks_or_other_names_or_deletions_is_mapped_one_by_one() -> None:
    told = [Document("1", {"id": 1}, None)]
    assert Mapper(NOTES).rows(told) is not None
    assert Mapper(NOTES, rename={"title": "name"}).rows(told) is None
    assert Mapper(NOTES, from_remote=lambda fields: fields).rows(told) is None
    assert Mapper(NOTES, model=dict).rows(told) is None
    assert Mapper(NOTES).rows([*told, Document("2", None)]) is None
    assert Mapper(NOTES).rows([]) is None


NARROW = Table(
    name="narrow",
    key=("id",),
    columns=(
        Column("id", "TEXT", "TEXT"),
        Column("title", "TEXT", "TEXT"),
        Column("done", "INTEGER", "INTEGER"),
        Column("any", "", "BLOB"),
    ),
)
FILLED = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["1", 1, "tea", None]) | VALUES,
        "title": st.just("tea") | VALUES,
        "done": NUMBERS,
    },
    optional={"any": VALUES, "version": st.just(3), "by": VALUES},
)


@given(st.lists(FILLED, min_size=1, max_size=4))
def test_a_page_as_a_table_says_what_its_rows_say(page: list[dict[str, Any]]) -> None:
    mapper = Mapper(NARROW)
    documents = [Document(str(number), one, "v1") for number, one in enumerate(page)]
    new = new_rows(mapper, documents)
    if new is None:
        return
    expected = [mapper.row(document) for document in documents]
    kinds = {type(value) for row in new.rows for value in row}
    assert kinds <= {str, int, type(None)} or not new.simple
    assert list(new.keys) == [mapper.key(one) for one in expected]
    for row, extra, remote_id, version, one in zip(
        new.rows, new.extras or [()] * len(page), new.remote_ids, new.versions, expected, strict=True
    ):
        told = dict(zip(new.columns, row, strict=True))
        assert {name: repr(told[name]) for name in told} == {n: repr(v) for n, v in (one.row or {}).items()}
        assert RemoteRow(remote_id, told, version, dict(zip(new.others, extra, strict=True))) == one


def test_a_plain_page_becomes_a_table_and_an_odd_one_does_not() -> None:
    def page(*told: dict[str, Any] | None) -> list[Document]:
        return [Document(str(number), one, "v1") for number, one in enumerate(told)]

    tea = {"id": "a", "title": "tea", "done": True, "any": None}
    plain = page(tea, {**tea, "id": "b", "done": 0})
    assert new_rows(Mapper(NARROW), plain) == NewRows(
        ("id", "title", "done", "any"),
        [("a", "tea", 1, None), ("b", "tea", 0, None)],
        ("a", "b"),
        ("0", "1"),
        ("v1", "v1"),
    )
    whole = new_rows(Mapper(NARROW), page({**tea, "done": 1, "version": 1}, {**tea, "done": 0, "version": 2}))
    assert whole is not None
    assert (whole.others, whole.extras, whole.simple) == (("version",), [(1,), (2,)], True)
    for odd in (None, {}, {"id": "b"}, {**tea, "more": 1}, {**tea, "id": None}, {**tea, "done": 2**63}):
        assert new_rows(Mapper(NARROW), page(tea, odd)) is None
    assert new_rows(Mapper(NARROW), plain[:1] * 2) is None
    assert new_rows(Mapper(NARROW), []) is None
    assert new_rows(Mapper(NARROW, rename={"title": "name"}), plain) is None
    assert new_rows(Mapper(NARROW, from_remote=lambda fields: fields), plain) is None
    assert new_rows(Mapper(NARROW, model=dict), plain) is None


IDS = st.sampled_from(["7", 7, 7.5, "a", "", None, True, {"x": 1}])


def outcome(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except BadResponse as error:
        return str(error)


@pytest.mark.parametrize("version", [None, ETag(field="rev"), ETag(), FieldVersion(Field("rev"))], ids=repr)
@given(
    st.lists(st.fixed_dictionaries({}, optional={"id": IDS, "rev": IDS, "gone": st.booleans()}), max_size=4)
    | st.lists(st.fixed_dictionaries({"id": st.just("7"), "rev": IDS}), max_size=3)
)
def test_a_page_is_read_as_its_rows_are(version: Version | None, page: list[dict[str, Any]]) -> None:
    reply = Reply(200, url="https://example.com/tasks")
    reading = Reading(id=Field("id"), version=version, deleted=Field("gone"))
    assert outcome(lambda: reading.documents(page, reply)) == outcome(
        lambda: [reading.document(row, reply) for row in page]
    )


ITEMS = st.sampled_from(["7", "a", "ä", "a/b", "", None, "."])
CHANGES = st.builds(
    Outgoing,
    key=st.just("k"),
    op=st.sampled_from(["update"] * 6 + ["insert", "delete"]),
    mutation_id=st.sampled_from(["m1", "m2"]),
    remote_id=ITEMS,
    changed=st.just({"title": "tea"}),
    document=st.just({"title": "tea", "done": 0}),
    base_version=st.sampled_from(['"1"', 'W/"1"', "1", None]),
)
REMOTES = {
    "etag": RestRemote("https://example.com/tasks", version=ETag(field="rev"), dedupes=True, wrap="data"),
    "field": RestRemote("https://example.com/tasks", version=Field("rev"), update="PUT"),
    "header": RestRemote("https://example.com/tasks/", version=Header("Rev"), item="{id}.json"),
    "query": PostgrestRemote("https://example.com/tasks", id="id"),
    "none": RestRemote("https://example.com/tasks", item_headers={"Prefer": "minimal"}),
}


@pytest.mark.parametrize("name", REMOTES)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4))
def test_updates_become_the_requests_that_each_becomes(name: str, changes: list[Outgoing]) -> None:
    remote = REMOTES[name]
    updates = updates_of(remote, remote.reading.version)
    assert updates is not None
    made = updates.requests(changes)
    assert made is None or made == [remote.request_of(one) for one in changes]
    plain = [one._replace(op="update", remote_id="7", base_version='"1"') for one in changes]
    assert updates.requests(plain) == [remote.request_of(one) for one in plain]
    assert updates.requests(columns_of(plain)) == updates.requests(plain)


def columns_of(changes: Sequence[Outgoing]) -> Updates:
    fields = ("key", "mutation_id", "remote_id", "changed", "document", "base_version")
    return Updates(*[[getattr(one, name) for one in changes] for name in fields])


@given(st.lists(CHANGES, min_size=1, max_size=4))
def test_updates_as_columns_are_the_sequence_that_they_stand_for(changes: list[Outgoing]) -> None:
    changes = [one._replace(op="update", resend=False) for one in changes]
    updates = columns_of(changes)
    assert (list(updates), updates, len(updates)) == (changes, changes, len(changes))
    assert (updates[0], updates[-1], updates[1:]) == (changes[0], changes[-1], changes[1:])
    assert isinstance(updates[1:], Updates)


HEADERS = st.dictionaries(
    st.sampled_from(["ETag", "etag", "Content-Type", "Retry-After"]),
    st.sampled_from(['"2"', "", "text/html"]),
    max_size=3,
)
REPLIES = st.builds(
    Reply,
    st.sampled_from([200, 200, 200, 204, 201, 404, 409, 412, 503]),
    HEADERS,
    st.sampled_from([b"", b"", b'{"rev": 3}', b"[", b"<html>"]),
)


@pytest.mark.parametrize("version", [None, ETag(field="rev"), ETag(), FieldVersion(Field("rev"))], ids=repr)
@given(told=st.lists(st.tuples(CHANGES, REPLIES), max_size=4), statuses=st.sampled_from([{}, {200: "stale"}]))
def test_answers_are_judged_together_as_one_by_one(
    version: Version | None, told: list[tuple[Outgoing, Reply]], statuses: Any
) -> None:
    reading = Reading(id=Field("id"), version=version)
    changes, replies = [one for one, _ in told], [one for _, one in told]
    expected = [verdict_of(change, reply, reading, statuses) for change, reply in told]
    assert repr(verdicts_of(changes, replies, reading, statuses)) == repr(expected)
    updates = columns_of(changes)
    expected = [verdict_of(*pair, reading, statuses) for pair in zip(updates, replies, strict=True)]
    assert repr(verdicts_of(updates, replies, reading, statuses)) == repr(expected)


@pytest.mark.parametrize("names", [("id", "ti-tle"), ('"', "\\")], ids=repr)
@given(rows=st.lists(st.tuples(KEPT, KEPT), max_size=5))
def test_columns_are_written_and_read_as_the_rows_that_they_are(
    names: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    columns = list(zip(*rows, strict=True)) or [(), ()]
    texts = encode_columns(names, columns)
    assert texts == [encode(dict(zip(names, row, strict=True))) for row in rows]
    if rows:
        assert [tuple(column) for column in decode_columns(names, f"[{','.join(texts)}]") or ()] == columns
        assert decode_columns((*names, "more"), f"[{','.join(texts)}]") is None
        assert decode_columns(names[:1], f"[{','.join(texts)}]") is None


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), KEPT, max_size=4), max_size=5))
def test_rows_are_encoded_together_as_they_are_one_by_one(rows: list[Row]) -> None:
    assert encode_each(rows) == list(map(encode, rows))


@pytest.mark.parametrize("names", [("id", "ti-tle"), ('"', "\\"), ("id", "\u2028\n")], ids=repr)
@given(rows=st.lists(st.tuples(KEPT, KEPT), max_size=5))
def test_tuples_are_encoded_as_the_rows_that_they_are(
    names: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    assert encode_table(names, rows) == [encode(dict(zip(names, row, strict=True))) for row in rows]


# ── rows that nothing is known of ──────────────────────────────────────────────────────────────────
ROWS = st.fixed_dictionaries(
    {
        "id": st.just(1),
        "title": st.sampled_from(["tea", "coffee", 1, 1.0, None]),
        "done": st.sampled_from([0, 1]),
    }
)
SHADOWS = st.tuples(
    ROWS,
    st.sampled_from([None, "v1"]),
    st.sampled_from([None, "r1"]),
    st.sampled_from([{}, {"by": "her"}]),
).map(lambda told: Shadow(*told))
POLICY = st.sampled_from(["server", "client", "ask"])


@given(ROWS, st.sampled_from([None, "v1"]), POLICY)
def test_a_new_row_is_received_as_any_row_is(row: Row, version: str | None, policy: Policy) -> None:
    remote = RemoteRow("r1", row, version, {"by": "her"})
    standing = Standing(1, None, None)
    assert is_new(standing)
    assert received_new(1, remote) == receive(standing, remote, policy, 9, LIMITS)


def test_a_row_of_which_anything_is_known_is_not_new() -> None:
    change = Change(key=1, op="operation", captured=False)
    conflict = Conflict(base=None, mine=None, theirs=None)
    for known in ({"row": {"id": 1}}, {"shadow": Shadow({"id": 1})}):
        assert not is_new(Standing(1, None, None)._replace(**known))
        assert is_idle(Standing(1, None, None)._replace(**known))
    for queued in ({"sent": change}, {"pending": change}, {"conflict": conflict}, {"explicit": (change,)}):
        assert not is_new(Standing(1, None, None)._replace(**queued))
        assert not is_idle(Standing(1, None, None)._replace(**queued))


# ── plain edits ────────────────────────────────────────────────────────────────────────────────────
IDLE = st.tuples(st.none() | ROWS, st.none() | SHADOWS).map(lambda known: Standing(1, *known))
TOOK = st.tuples(
    st.none() | st.none() | ROWS,
    st.sampled_from([None, "v1", "v2"]),
    st.sampled_from([None, "r1", "r2"]),
    st.sampled_from([{}, {"by": "me"}]),
).map(lambda told: Took(*told))


@given(IDLE)
def test_an_idle_row_is_sealed_as_after_a_fold(standing: Standing) -> None:
    change = seal_idle(standing, "m1", 9)
    effect = Effect(1, sent=KEEP if change is None else change)
    assert effect == seal(standing, "m1", 9)
    folded = carried_out(standing, fold(standing, 9))
    assert carried_out(standing, effect) == carried_out(folded, seal(folded, "m1", 9))


@given(IDLE, TOOK, POLICY)
def test_what_was_taken_of_an_idle_row_is_settled_as_any_change_is(
    standing: Standing, answer: Took, policy: Policy
) -> None:
    sent = seal_idle(standing, "m1", 5)
    if sent is None:
        return
    after = standing._replace(sent=sent)
    effect = took_idle(standing, sent, answer)
    if effect is None:
        # The remote made something else of it, or the row has columns that the shadow never had.
        assert answer.row is not None or standing.row is None or standing.shadow is not None
        return
    expected = carried_out(after, settle(after, answer, policy, 9, LIMITS))
    assert carried_out(after, effect) == expected
    assert effect._replace(shadow=None) == settle(after, answer, policy, 9, LIMITS)._replace(shadow=None)


def test_a_plain_answer_is_settled_the_short_way() -> None:
    tea = {"id": 1, "title": "tea", "done": 0}
    standing = Standing(1, {**tea, "done": 1}, Shadow(tea, "v1", "r1", {"by": "her"}))
    sent = seal_idle(standing, "m1", 5)
    assert isinstance(sent, Change)
    assert (sent.op, sent.data, sent.base_version, sent.attempts) == ("update", {"done": 1}, "v1", 1)
    effect = took_idle(standing, sent, Took(None, "v2"))
    assert effect == Effect(1, shadow=Shadow({**tea, "done": 1}, "v2", "r1", {"by": "her"}), sent=None)
