"""Which errors make one group: the same sentence about another thing, and no other sentence."""

from __future__ import annotations

import pytest

from windlass.web.alike import by_likeness, pattern

ALIKE = {
    "paths": ("PermanentError: /photos/torn-003.jpg is torn", "PermanentError: /srv/b/014.png is torn"),
    "relative paths": ("E: cannot read photos/anna.jpg", "E: cannot read berths/2026/bert.png"),
    "paths of Windows": (r"E: C:\data\a.db is locked", r"E: D:\b.db is locked"),
    "quoted paths": ("E: no such file: '/tmp/a b'", "E: no such file: '/home/c'"),
    "numbers": ("E: row 17 of 200", "E: row 9 of 1,200"),
    "fractions": ("E: took 3.5 s", "E: took -12 s"),
    "times": ("E: not after 2026-11-22T01:02:03Z", "E: not after 2026-01-02T13:00:00Z"),
    "numbers in names": ("E: user_17 is gone", "E: user_4 is gone"),
    "numbers that are quoted": ("KeyError: 'order-17'", "KeyError: 'order-4'"),
    "addresses": ("E: GET https://a.example/1?x=2 failed", "E: GET http://b.example failed"),
    "addresses of people": ("E: ann@example.org bounced", "E: bert.b@mail.example.com bounced"),
    "uuids": (
        "E: no 6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "E: no 9d5ed678-fe57-bcca-6101-40957afab571",
    ),
    "hashes": ("E: no object 6f9619ff8b86", "E: no object 0000abcdef12"),
    "addresses in memory": ("E: <Crate at 0x7f3a10>", "E: <Crate at 0x55d0e2c0>"),
}
APART = {
    "classes": ("Http404: gone", "Http410: gone"),
    "words": ("E: the quay is full", "E: the quay is shut"),
    "quoted words": ("KeyError: 'email'", "KeyError: 'name'"),
    "statuses": ("E: HTTP 404 of https://a.example", "E: HTTP 503 of https://a.example"),
    "error numbers": ("OSError: [Errno 2] it failed", "OSError: [Errno 28] it failed"),
    "columns": ("E: UNIQUE constraint failed: users.email", "E: UNIQUE constraint failed: users.name"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_what_differs_in_these_alone_is_alike(name: str) -> None:
    one, other = ALIKE[name]
    assert pattern(one) == pattern(other)
    assert pattern(one) != one


@pytest.mark.parametrize("name", APART)
def test_what_differs_in_these_is_another_error(name: str) -> None:
    one, other = APART[name]
    assert pattern(one) != pattern(other)


def test_an_apostrophe_opens_no_quote() -> None:
    assert pattern("E: can't read 7 rows, isn't it") == "E: can't read … rows, isn't it"


def test_groups_are_told_the_largest_first_and_keep_their_order() -> None:
    many = [("a", "x 1"), ("b", "x 2"), ("a", "y"), ("b", "x 3")]
    assert by_likeness(many, lambda one: one) == [[many[1], many[3]], [many[0]], [many[2]]]
