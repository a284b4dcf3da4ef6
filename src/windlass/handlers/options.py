"""What a handler says about its jobs besides their payload, checked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import msgspec

from windlass.backoff import DEFAULT, Backoff
from windlass.duration import Duration, to_us
from windlass.errors import ConfigError, InvalidJob
from windlass.names import checked_name
from windlass.outcome import Cancel, Policy, Retry, Rule, Snooze

Isolation = Literal["process"] | None

TAG_LENGTH_MAX = 128


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A handler's defaults for its jobs, and how their attempts are judged."""

    queue: str = "default"
    priority: int = 0
    max_attempts: int = 3
    timeout_us: int | None = None
    tags: tuple[str, ...] = ()
    isolation: Isolation = None
    policy: Policy = Policy()


def read_options(
    *,
    max_attempts: int | None = None,
    timeout: Duration | None = None,
    queue: str = "default",
    priority: int = 0,
    backoff: Backoff | None = None,
    on_error: Mapping[type[BaseException], Rule] | None = None,
    isolation: Isolation = None,
    tags: Iterable[str] = (),
) -> Options:
    """The options as a checked value.

    Raises:
        InvalidJob: one of them cannot be right; the message names it.
    """
    if isolation not in (None, "process"):
        raise InvalidJob(f'expected isolation to be None or "process", got {isolation!r:.80}')
    if backoff is not None and not isinstance(backoff, Backoff):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidJob(f"expected backoff to be a Backoff, got {backoff!r:.80}")
    return Options(
        queue=checked_name("queue", queue),
        priority=_integer("priority", priority, -(1 << 63), (1 << 63) - 1),
        max_attempts=3 if max_attempts is None else _integer("max_attempts", max_attempts, 1, 1_000_000),
        timeout_us=None if timeout is None else _timeout(timeout),
        tags=_tags(tags),
        isolation=isolation,
        policy=Policy(DEFAULT if backoff is None else backoff, _rules(on_error or {})),
    )


def _integer(what: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        kind = "a positive integer" if least == 1 else "an integer of 64 bits"
        raise InvalidJob(f"expected {what} to be {kind}, got {value!r:.80}")
    return value


def _timeout(value: Any) -> int:
    try:
        timeout_us = to_us(value, name="timeout")
    except ConfigError as error:
        raise InvalidJob(str(error)) from error
    if timeout_us == 0:
        raise InvalidJob("expected timeout to be longer than nothing, got 0: leave it out for no timeout")
    return timeout_us


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidJob(f'expected tags to be several texts such as ("mail",), got {value!r:.80}')
    tags = tuple(dict.fromkeys(cast("Iterable[Any]", value)))
    for tag in tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= TAG_LENGTH_MAX or not tag.isprintable():
            raise InvalidJob(
                f"expected tags to be printable texts of 1 to {TAG_LENGTH_MAX} characters, got {tag!r:.80}"
            )
    return tags


def _rules(rules: Mapping[Any, Any]) -> dict[type[BaseException], Rule]:
    for kind, rule in rules.items():
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidJob(f"expected the keys of on_error to be exception classes, got {kind!r:.80}")
        known = isinstance(rule, (Backoff, Retry, Snooze, Cancel)) or rule in ("retry", "fail")
        if not known and (isinstance(rule, type) or not callable(rule)):
            raise InvalidJob(
                f'expected the rule for {kind.__name__} to be "retry", "fail", a Backoff, a Retry, Snooze or '
                f"Cancel instance, or a function of the exception, got {rule!r:.80}"
            )
    return dict(rules)
