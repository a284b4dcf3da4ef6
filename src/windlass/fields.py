"""What the fields of a job may hold, checked in one place for handlers and for callers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from windlass.duration import to_us
from windlass.errors import ConfigError, InvalidJob

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}", re.ASCII)
_INT64 = 1 << 63
_TEXT_MAX, _TAG_MAX = 512, 128


def checked_name(what: str, name: Any) -> str:
    """A job key or queue name as it may be stored; ``what`` names it in the error.

    Raises:
        InvalidJob: not a short name of letters, digits, ``_ . : / -``.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidJob(
            f"expected {what} to be 1 to 128 letters, digits or _ . : / - "
            f"(beginning with a letter, digit or _), got {name!r:.80}"
        )
    return name


def checked_priority(value: Any) -> int:
    """Higher runs first; any integer of 64 bits."""
    return _integer("priority", value, -_INT64, _INT64 - 1)


def checked_max_attempts(value: Any) -> int:
    """Total runs allowed."""
    return _integer("max_attempts", value, 1, 1_000_000)


def checked_count(what: str, value: Any, *, least: int = 1) -> int:
    """A number of things, such as a limit."""
    return _integer(what, value, least, _INT64 - 1)


def checked_job_id(value: Any) -> int:
    """The id of a job, whether or not there is one."""
    return _integer("a job id", value, -_INT64, _INT64 - 1)


def checked_timeout(value: Any) -> int | None:
    """Microseconds a run may take; None: as long as it likes."""
    if value is None:
        return None
    timeout_us = checked_span("timeout", value)
    if timeout_us == 0:
        raise InvalidJob("expected timeout to be longer than nothing, got 0: leave it out for no timeout")
    return timeout_us


def checked_span(what: str, value: Any) -> int:
    """A duration in microseconds."""
    try:
        return to_us(value, name=what)
    except ConfigError as error:
        raise InvalidJob(str(error)) from None


def checked_tags(value: Any) -> tuple[str, ...]:
    """Tags as a caller wrote them, each once."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidJob(f'expected tags to be several texts such as ("mail",), got {value!r:.80}')
    tags = tuple(dict.fromkeys(cast("Iterable[Any]", value)))
    for tag in tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= _TAG_MAX or not tag.isprintable():
            raise InvalidJob(
                f"expected tags to be printable texts of 1 to {_TAG_MAX} characters, got {tag!r:.80}"
            )
    return tags


def checked_text(what: str, value: Any) -> str | None:
    """A short printable text, or None. Lone surrogates and NUL are not printable."""
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= _TEXT_MAX or not value.isprintable():
        raise InvalidJob(
            f"expected {what} to be a printable text of 1 to {_TEXT_MAX} characters, got {value!r:.80}"
        )
    return value


def _integer(what: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        kind = {0: "0 or a positive integer", 1: "a positive integer"}.get(least, "an integer of 64 bits")
        raise InvalidJob(f"expected {what} to be {kind}, got {value!r:.80}")
    return value
