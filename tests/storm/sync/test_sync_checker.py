"""The checker on histories written by hand: what it must find, and what it must not."""

from __future__ import annotations

from typing import Any

from tests.storm.sync.checker import KINDS, check
from tests.storm.sync.history import Decision, Edit, History, Request, Write
from tests.storm.sync.shape import FIELDS, Traits

ROW = dict.fromkeys(FIELDS) | {"stamp": 0}
NOTE = ("notes", "a")


class Tale:
    """Tells a history of one note line by line, a second apart."""

    def __init__(self, *policies: str) -> None:
        self.history = History({number: Traits(number, policy, "") for number, policy in enumerate(policies)})
        self._version = 0
        self._last: dict[str, dict[str, Any] | None] = {}

    def _tick(self) -> int:
        self._now = getattr(self, "_now", 0) + 1
        return self._now

    def edited(self, op: str, replica: int = 0, before: dict[str, Any] | None = None, **values: Any) -> Tale:
        acked, key = values.pop("acked", True), values.pop("key", "a")
        self.history.edits.append(
            Edit(
                t=self._tick(),
                replica=replica,
                table="notes",
                uid="a",
                op=op,
                key=key,
                values=values,
                before=None if before is None else {**ROW, **before},
                acked=acked,
            )
        )
        return self

    def asked(self, method: str, replica: int = 0, **how: Any) -> Tale:
        how = {"match": None if method == "PUT" else f'"{self._version}"', "key": f"m{self._tick()}"} | how
        none_match = "*" if method == "PUT" else None
        self.history.requests.append(
            Request(
                t=self._tick(), replica=replica, method=method, table="notes", id="a",
                none_match=none_match, **how,
            )
        )  # fmt: skip
        return self

    def wrote(self, replica: int = 0, id_: str = "a", key: str | None = None, **fields: Any) -> Tale:
        self._version += 1
        before = self._last.get(id_) or {**ROW, "crate": None}
        self._last[id_] = {**before, **fields}
        self._write(replica, id_, key)
        return self

    def buried(self, replica: int = 0) -> Tale:
        self._version += 1
        self._last["a"] = None
        self._write(replica, "a", None)
        return self

    def _write(self, replica: int, id_: str, key: str | None) -> None:
        self.history.writes.append(
            Write(
                t=self._tick(), replica=replica, table="notes", uid="a", id=id_, version=self._version,
                fields=self._last[id_], key=key,
            )
        )  # fmt: skip

    def decided(self, replica: int, *overruled: str) -> Tale:
        self.history.decisions.append(Decision(self._tick(), replica, *NOTE, frozenset(overruled)))
        return self

    def faults(self) -> set[str]:
        for number in self.history.traits:
            self.history.finals.setdefault(number, self.history.server())
        kinds = set(check(self.history).kinds())
        assert kinds <= set(KINDS)
        return kinds


def one_insert(*policies: str) -> Tale:
    return (
        Tale(*(policies or ("client", "server")))
        .edited("insert", title="tea", stamp=1)
        .wrote(title="tea", stamp=1)
    )


TEA = {"title": "tea", "stamp": 1}


def test_an_edit_that_came_to_the_server_is_no_fault() -> None:
    assert one_insert().faults() == set()


def test_an_acknowledged_edit_that_nobody_heard_of_is_lost() -> None:
    assert one_insert().edited("update", before=TEA, title="mate").faults() == {"lost"}


def test_an_edit_that_was_never_acknowledged_may_be_absent() -> None:
    assert one_insert().edited("update", before=TEA, title="mate", acked=False).faults() == set()


def test_a_later_edit_or_delete_of_its_maker_explains_an_absent_value() -> None:
    tale = one_insert().edited("update", before=TEA, title="mate")
    assert tale.edited("update", before={"title": "mate"}, title="milk").wrote(title="milk").faults() == set()
    tale = one_insert().edited("update", before=TEA, title="mate").edited("delete", before={"title": "mate"})
    assert tale.buried().faults() == set()


def test_that_of_somebody_else_explains_it_only_where_the_policy_lets_him_win() -> None:
    for policy, faults in (("client", {"lost"}), ("server", set()), ("merge", {"lost"}), ("ask", {"lost"})):
        tale = one_insert(policy, "client").edited("update", before=TEA, title="mate", stamp=2)
        tale.wrote(1, title="coffee", stamp=3)
        tale.edited("update", before={"title": "coffee"}, stamp=9).wrote(stamp=9)
        assert tale.faults() == faults, policy


def test_the_later_side_wins_only_where_it_is_later() -> None:
    tale = one_insert("latest", "client").edited("update", before=TEA, title="mate", stamp=5)
    tale.wrote(1, title="coffee", stamp=3)
    assert tale.faults() == {"lost"}
    tale = one_insert("latest", "client").edited("update", before=TEA, title="mate", stamp=5)
    assert tale.wrote(1, title="coffee", stamp=7).faults() == set()


def test_a_change_that_the_editor_had_seen_explains_nothing() -> None:
    tale = one_insert("server", "client").wrote(1, title="coffee", stamp=3)
    assert tale.edited("update", before={"title": "coffee", "stamp": 3}, title="mate").faults() == {"lost"}


def test_a_persons_decision_explains_what_it_overruled() -> None:
    tale = one_insert("ask", "client").edited("update", before=TEA, title="mate", body="hot")
    assert tale.wrote(1, title="coffee").decided(0, "title").faults() == {"lost"}
    assert tale.decided(0, "body").faults() == set()


def test_a_delete_that_never_came_is_lost() -> None:
    assert one_insert().edited("delete", before=TEA).faults() == {"lost"}
    assert one_insert().edited("delete", before=TEA).buried().faults() == set()


def test_a_delete_of_a_row_that_was_never_there_needs_no_answer() -> None:
    tale = Tale("client").edited("insert", title="tea").edited("delete", before={"title": "tea"})
    assert tale.faults() == set()


def test_a_delete_of_its_own_row_says_nothing_of_one_that_another_has_made_there() -> None:
    tale = Tale("ask", "client").edited("insert", 1, title="milk", stamp=1).wrote(1, title="milk", stamp=1)
    tale.edited("insert", title="tea", stamp=2).edited("delete", before={"title": "tea", "stamp": 2})
    assert tale.faults() == set()
    assert tale.wrote(title="tea", stamp=2).faults() >= {"lost"}


def test_a_replica_that_differs_is_found() -> None:
    tale = one_insert()
    tale.history.finals[1] = {"crates": {}, "notes": {}}
    assert tale.faults() == {"not equal"}


def test_a_queue_that_is_not_empty_is_found() -> None:
    tale = one_insert()
    tale.history.left[0] = "1 changes queued"
    assert tale.faults() == {"not drained"}


def test_two_effects_of_one_mutation_are_found() -> None:
    assert "applied twice" in one_insert().wrote(key="m", body="x").wrote(key="m", body="y").faults()


def test_a_row_that_exists_twice_is_found() -> None:
    assert one_insert().wrote(id_="b", title="tea", stamp=1).faults() >= {"applied twice"}


def test_a_row_that_was_deleted_is_made_anew_by_each_who_edited_it() -> None:
    tale = one_insert("client", "client").buried().wrote(0, id_="b", title="coffee")
    assert "applied twice" not in tale.wrote(1, id_="c", title="milk").faults()
    assert "applied twice" in tale.wrote(1, id_="d", title="water").faults()


def test_a_value_that_comes_back_after_another_one_was_there_is_found() -> None:
    tale = one_insert().wrote(1, title="coffee").wrote(title="tea")
    assert tale.faults() == {"applied twice"}
    assert tale.decided(0).faults() == set()


def test_a_resend_under_another_name_is_found() -> None:
    body = {"title": "tea"}
    tale = one_insert().asked("PUT", body=body, key="m1")
    assert tale.asked("PUT", body=body, key="m1", replayed=True).faults() == set()
    assert tale.asked("PUT", body=body, key="m2", status=412).faults() == {"another mutation id"}


def test_a_version_that_never_was_is_found() -> None:
    assert one_insert().asked("DELETE", match='"7"').faults() == {"unknown base version"}
    assert one_insert().asked("DELETE").faults() == set()


def test_a_write_that_has_seen_no_version_is_found() -> None:
    assert one_insert().asked("DELETE", match=None).faults() == {"blind write"}


def test_a_value_that_its_sender_was_told_is_an_echo() -> None:
    assert one_insert().asked("PATCH", body={"title": "tea"}).faults() == set()
    assert one_insert().asked("PATCH", 1, body={"title": "tea"}).faults() == {"echo"}


def test_a_write_that_changes_nothing_is_an_echo() -> None:
    assert one_insert().wrote(1).faults() == {"echo"}


def test_a_note_in_a_crate_that_the_server_does_not_know_is_found() -> None:
    assert one_insert().wrote(crate="no crate 3").faults() == {"parent unknown"}


def test_a_damaged_database_is_found() -> None:
    tale = one_insert()
    tale.history.damage[0] = "row 3 missing from index"
    assert tale.faults() == {"database damaged"}
