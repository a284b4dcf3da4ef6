from __future__ import annotations

import pytest

from windlass import redact
from windlass.redact import MAX_BYTES, clean, conceal, describe, message_of


@pytest.mark.parametrize(
    "text",
    [
        "password=CANARY",
        "DB_PASSWORD: CANARY",
        '{"api_key": "CANARY", "user": "ann"}',
        "{'client_secret': 'CANARY'}",
        'connect(host="db", passwd="CANARY with spaces")',
        "Authorization: Bearer CANARY.CANARY-x",
        "the header was 'Bearer CANARYCANARY'",
        "https://ann:CANARY@example.com/x?y=1",
        "postgresql://CANARY@db/app",
        "https://example.com/cb?access_token=CANARY&state=2",
        '{"password": "a\\"CANARY"}',
        "Set-Cookie: CANARY",
        "aws_secret_access_key = CANARY",
    ],
)
def test_a_secret_is_not_kept(text: str) -> None:
    assert "CANARY" not in clean(text)


@pytest.mark.parametrize(
    "text", ["no such table: orders", "timeout=30 retries=2", "https://example.com/a?b=c"]
)
def test_ordinary_text_is_kept_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_what_follows_a_secret_is_kept() -> None:
    assert clean("token=abc, order=7") == "token=[redacted], order=7"


def test_nul_and_lone_surrogates_are_stored_escaped() -> None:
    """windmill #10274: a NUL in an error text blocked the recording of completions."""
    assert clean("a\0b\ud800c") == "a\\x00b\\ud800c"
    clean("a\0b\ud800c").encode()


def test_a_long_text_keeps_its_ends() -> None:
    cut = clean("begin " + "ü" * 1_000_000 + " end")
    assert len(cut.encode()) <= MAX_BYTES
    assert cut.startswith("begin")
    assert cut.endswith("end")


def test_a_long_word_is_read_in_linear_time() -> None:
    # Quadratic work on this would take minutes, and the suite's timeout would end it.
    assert clean("a" * 10_000_000)


def raised(action: object) -> BaseException:
    try:
        action()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - whatever it was is what the test looks at
        return error
    raise AssertionError("nothing was raised")


def failing() -> None:
    raise ValueError("bad amount")


def test_an_error_tells_its_type_its_message_and_its_place() -> None:
    first, *places = describe(raised(failing)).splitlines()
    assert first == "ValueError: bad amount"
    assert places[-1].lstrip().startswith(f"at {__file__}:")
    assert places[-1].endswith('in failing: raise ValueError("bad amount")')


def test_frames_of_the_library_are_left_out() -> None:
    from windlass.duration import to_us

    text = describe(raised(lambda: to_us("nonsense")))
    assert "ConfigError: expected duration to be a duration" in text
    assert "windlass/duration.py" not in text


def test_causes_are_told() -> None:
    def outer() -> None:
        try:
            failing()
        except ValueError as error:
            raise RuntimeError("no order") from error

    text = describe(raised(outer))
    assert text.startswith("RuntimeError: no order")
    assert "caused by ValueError: bad amount" in text


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first
    assert describe(first).count("ValueError") == 2


def test_the_members_of_a_group_are_told() -> None:
    text = describe(ExceptionGroup("two failed", [ValueError("one"), KeyError("two")]))
    assert "+ ValueError: one" in text
    assert "+ KeyError: 'two'" in text


def test_a_runaway_recursion_is_told_in_a_few_lines() -> None:
    def again() -> None:
        again()

    text = describe(raised(again))
    assert text.startswith("RecursionError")
    assert len(text.splitlines()) < 20
    assert " more" in text


def test_an_error_that_cannot_tell_its_text_is_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not telling")

    assert describe(Mute()) == "Mute: (its text could not be made: RuntimeError)"
    assert message_of(Mute()) == "(its text could not be made: RuntimeError)"


def test_a_huge_message_is_cut() -> None:
    text = describe(ValueError("x" * 50_000_000))
    assert len(text) < MAX_BYTES
    assert "(50,000,000 characters)" in text


def test_secrets_in_source_lines_are_not_kept() -> None:
    def connect(password: str) -> None:
        raise OSError("refused")

    def call() -> None:
        connect(password="CANARY")

    told = describe(raised(call))
    assert "connect(password=[redacted])" in told
    assert "CANARY" not in told


@pytest.mark.parametrize(
    "text",
    ["it was s3cr&t/canary!", "?key=s3cr%26t%2Fcanary%21", "czNjciZ0L2NhbmFyeSE=", "s3cr&t/canary!" * 9],
)
def test_what_was_concealed_is_in_no_text_however_it_is_spelled(text: str) -> None:
    conceal("s3cr&t/canary!")
    assert "canary" not in clean(text)
    assert "czNjci" not in clean(text)


def test_a_concealed_text_is_not_let_through_in_halves_by_a_cut() -> None:
    conceal("canary" * 100)
    assert "canary" not in clean("x" * (2 * MAX_BYTES - 100) + "canary" * 100 + "x" * MAX_BYTES)


def test_a_word_too_short_to_be_a_secret_shreds_no_text() -> None:
    conceal("a")
    conceal("")
    assert clean("a banana") == "a banana"


def test_no_more_secrets_are_remembered_than_there_is_room_for() -> None:
    for n in range(1000):
        conceal(f"canary-{n:04}")
    assert "canary" not in clean("the last was canary-0999")
    assert len(redact._known) <= 256
