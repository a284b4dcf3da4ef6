"""What the fields of a job may hold: one place says no, by the field's name and with what came."""

from __future__ import annotations

from typing import Any

import pytest

from windlass import fields
from windlass.errors import InvalidJob


@pytest.mark.parametrize("name", ["a", "send_receipt", "syncUserData", "9-to-5", "a.b:c/d-e", "x" * 128, "_"])
def test_a_name_is_taken(name: str) -> None:
    assert fields.checked_name("job key", name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "-a", ".hidden", "x" * 129, "naïve", "日本", 'x"; DROP TABLE jobs; --', "a\n", "a\0",
     "\ud800", None, 7, b"a", ["a"]],
    ids=ascii,
)  # fmt: skip
def test_a_name_that_could_be_mistaken_for_anything_else_is_refused(name: Any) -> None:
    """X3; pgmq #295: identifier injection."""
    with pytest.raises(InvalidJob, match="expected queue to be 1 to 128 letters, digits or _"):
        fields.checked_name("queue", name)


@pytest.mark.parametrize(
    ("check", "value", "told"),
    [
        (
            fields.checked_priority,
            2**63,
            "expected priority to be an integer of 64 bits, got 9223372036854775808",
        ),
        (fields.checked_priority, True, "expected priority to be an integer of 64 bits, got True"),
        (fields.checked_priority, 1.0, "got 1.0"),
        (fields.checked_priority, "9", "got '9'"),
        (fields.checked_max_attempts, 0, "expected max_attempts to be a positive integer, got 0"),
        (fields.checked_max_attempts, 10**9, "positive integer"),
        (fields.checked_max_attempts, None, "got None"),
        (fields.checked_job_id, 2**63, "expected a job id to be an integer of 64 bits"),
        (fields.checked_job_id, "7", "got '7'"),
        (fields.checked_timeout, 0, "expected timeout to be longer than nothing, got 0"),
        (fields.checked_timeout, "soon", "expected timeout to be a duration"),
        (fields.checked_tags, "mail", r"expected tags to be several texts such as \(\"mail\",\), got 'mail'"),
        (fields.checked_tags, 7, "expected tags to be several texts"),
        (fields.checked_tags, [""], "expected tags to be printable texts of 1 to 128 characters, got ''"),
        (fields.checked_tags, ["x" * 129], "printable texts"),
        (fields.checked_tags, ["a\0"], "printable texts"),
        (fields.checked_tags, ["\ud800"], "printable texts"),
        (fields.checked_tags, [7], "printable texts"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(check: Any, value: Any, told: str) -> None:
    with pytest.raises(InvalidJob, match=told):
        check(value)


@pytest.mark.parametrize("value", ["", "x" * 513, "a\0b", "\ud800", 7, b"k"], ids=ascii)
def test_a_key_that_cannot_be_stored_as_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidJob, match="expected idempotency_key to be a printable text of 1 to 512"):
        fields.checked_text("idempotency_key", value)


def test_what_is_refused_is_shown_in_part() -> None:
    with pytest.raises(InvalidJob) as caught:
        fields.checked_name("queue", "x" * 10_000_000)
    assert len(str(caught.value)) < 250


def test_the_ends_of_the_ranges_are_taken() -> None:
    assert fields.checked_priority(-(2**63)) == -(2**63)
    assert fields.checked_priority(2**63 - 1) == 2**63 - 1
    assert fields.checked_max_attempts(1) == 1
    assert fields.checked_tags(["a", "b", "a"]) == ("a", "b")
    assert fields.checked_timeout(None) is None
    assert fields.checked_text("idempotency_key", None) is None
    assert fields.checked_span("delay", 0) == 0
