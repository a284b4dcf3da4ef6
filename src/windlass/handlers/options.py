"""What a handler says about its jobs besides their payload, checked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from windlass.backoff import DEFAULT, Backoff
from windlass.constraints import Constraints, to_text
from windlass.context.kept import LEVELS
from windlass.duration import Duration
from windlass.errors import InvalidJob
from windlass.fields import (
    checked_count,
    checked_max_attempts,
    checked_name,
    checked_priority,
    checked_tags,
    checked_text,
    checked_timeout,
)
from windlass.outcome import Cancel, Policy, Retry, Rule, Snooze
from windlass.rate import Rate, read_rate

Isolation = Literal["process"] | None
Logs = Literal["debug", "info", "warning", "error", "off"] | None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A handler's defaults for its jobs, and how their attempts are judged."""

    queue: str = "default"
    priority: int = 0
    max_attempts: int = 3
    timeout_us: int | None = None
    tags: tuple[str, ...] = ()
    isolation: Isolation = None
    concurrency: int | None = None
    rate: Rate | None = None
    policy: Policy = Policy()
    constraints: str | None = None
    """What must hold while it runs, as canonical JSON."""
    logs: str | None = None
    """From which level on what it logs is kept; None: as the setting ``keep_logs`` says."""
    title: str | None = None
    """What people call it: its progress is shown under this title, and what it says."""


def read_options(
    *,
    max_attempts: int | None = None,
    timeout: Duration | None = None,
    queue: str = "default",
    priority: int = 0,
    backoff: Backoff | None = None,
    on_error: Mapping[type[BaseException], Rule] | None = None,
    isolation: Isolation = None,
    concurrency: int | None = None,
    rate: Any = None,
    tags: Iterable[str] = (),
    logs: Logs = None,
    title: str | None = None,
    constraints: Constraints | None = None,
) -> Options:
    """The options as a checked value.

    Raises:
        InvalidJob: one of them cannot be right; the message names it.
    """
    if isolation not in (None, "process"):
        raise InvalidJob(f'expected isolation to be None or "process", got {isolation!r:.80}')
    if logs not in (None, "off", *LEVELS):
        raise InvalidJob(f'expected logs to be None, "off" or one of {", ".join(LEVELS)}, got {logs!r:.80}')
    if backoff is not None and not isinstance(backoff, Backoff):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidJob(f"expected backoff to be a Backoff, got {backoff!r:.80}")
    return Options(
        queue=checked_name("queue", queue),
        priority=checked_priority(priority),
        max_attempts=3 if max_attempts is None else checked_max_attempts(max_attempts),
        timeout_us=checked_timeout(timeout),
        tags=checked_tags(tags),
        isolation=isolation,
        concurrency=None if concurrency is None else checked_count("concurrency", concurrency),
        rate=None if rate is None else read_rate(rate),
        policy=Policy(DEFAULT if backoff is None else backoff, _rules(on_error or {})),
        logs=logs,
        title=checked_text("title", title),
        constraints=to_text(constraints),
    )


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
