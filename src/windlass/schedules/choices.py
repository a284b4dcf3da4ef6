"""What people choose of a schedule, checked, and the spec that comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Literal, TypedDict

import msgspec

from windlass.backoff import Backoff
from windlass.clock import from_us
from windlass.constraints import Constraints
from windlass.constraints import to_text as constraints_text
from windlass.duration import Duration
from windlass.errors import InvalidJob
from windlass.fields import (
    checked_max_attempts,
    checked_name,
    checked_priority,
    checked_tags,
    checked_timeout,
)
from windlass.handlers.options import Options as HandlerOptions
from windlass.outcome import Rule as OnError
from windlass.platform import local_zone
from windlass.schedule import At, Missed, Rule, Spec, parse, spec_for

_WHEN = ("every", "cron", "at", "tz", "fixed")
_POLICY = ("initial_delay", "flex", "missed", "missed_most", "overlap")
_HOW = ("queue", "priority", "max_attempts", "tags", "timeout", "constraints")


class ScheduleOptions(TypedDict, total=False):
    """When a schedule makes a job, and how: exactly one of ``every``, ``cron`` and ``at`` is given."""

    every: Duration
    """Again and again after this span of elapsed time, whatever is done to the wall clock: ``"15m"``. The
    first time at once."""
    cron: str
    """When a zone's clocks show this: ``"*/5 9-17 * * MON-FRI"`` (minute, hour, day of month, month, day of
    week; with six fields, seconds first)."""
    at: At
    """Each day when a zone's clocks show ``"07:30"``, or each of several such times; or once, at an aware
    ``datetime``."""
    tz: str | tzinfo | None
    """The zone of ``cron`` and of times of day, such as ``"Europe/Zurich"``; without it, this machine's,
    which is written down by name."""
    fixed: Literal["rate", "delay"]
    """``"rate"`` (unless you say otherwise): ``every`` counts from due time to due time, and does not drift.
    ``"delay"``: from the end of a run to the next one."""
    initial_delay: Duration | None
    """No run before this long from now."""
    flex: Duration | None
    """A run may come this much later than it is due, so that several share one wake-up. Shorter than the time
    between two runs."""
    missed: Missed
    """What becomes of due times that passed while nobody ran jobs, or the last run went on. ``"latest"``
    (unless you say otherwise): one run for all of them. ``"skip"``: none, where the newest is over a minute
    late. ``"all"``: a run for each …"""
    missed_most: int
    """… of the newest 100, or so many as you say here."""
    overlap: bool
    """True: makes its job also while the last one is unfinished."""
    constraints: Constraints | None
    """What must hold while its jobs run; like what follows, the handler's own where it is not given."""
    queue: str | None
    """Of its jobs."""
    priority: int | None
    """Higher first."""
    max_attempts: int | None
    """Runs in total, of each job."""
    tags: Iterable[str]
    """Words to find its jobs by, beside those of the handler."""
    timeout: Duration | None
    """How long one run may take."""


class ScheduleChanges(ScheduleOptions, total=False):
    """What ``update`` changes. What is not given stays as it is."""

    job: Any
    """Another job, by key or function."""
    payload: Mapping[str, Any] | None
    """Another payload."""


class PeriodicOptions(ScheduleOptions, total=False):
    """What ``@app.periodic`` takes: the options of a schedule, and those of ``@app.job``."""

    backoff: Backoff | None
    """How long to wait before another attempt."""
    on_error: Mapping[type[BaseException], OnError] | None
    """What exceptions mean."""
    isolation: Literal["process"] | None
    """``"process"``: in a child process, also where the app runs embedded."""
    logs: Literal["debug", "info", "warning", "error", "off"] | None
    """From which level on what it logs is kept."""
    title: str | None
    """What people call it: its progress is shown under this title."""


def split(options: PeriodicOptions) -> tuple[ScheduleOptions, dict[str, Any]]:
    """The options of a schedule, and those of its handler, which are its jobs' defaults."""
    given: dict[str, Any] = {**options}
    when: Any = {name: given.pop(name) for name in (*_WHEN, *_POLICY, "constraints") if name in given}
    return when, given


class Chosen(msgspec.Struct, frozen=True):
    """The options of a new schedule, checked."""

    rule: Rule
    policy: dict[str, Any]
    how: dict[str, Any]

    def spec(self, own: HandlerOptions) -> Spec:
        """What its row keeps, where its handler has these options."""
        how: dict[str, Any] = {
            "queue": own.queue, "priority": own.priority, "max_attempts": own.max_attempts,
            "constraints": own.constraints or "", **self.how,
        }  # fmt: skip
        how["tags"] = checked_tags((*own.tags, *how.get("tags", ())))
        return spec_for(self.rule, **self.policy, **how)


def chosen(options: Mapping[str, Any]) -> Chosen:
    """The options of a new schedule.

    Raises:
        InvalidJob: one of them is unknown, or cannot be right.
    """
    _check_names(options)
    when = {name: value for name, value in options.items() if name in _WHEN}
    made = Chosen(
        parse(**when, local_zone=local_zone),
        {name: value for name, value in options.items() if name in _POLICY},
        _how(options),
    )
    made.spec(HandlerOptions())
    return made


def changed(spec: Spec, options: Mapping[str, Any]) -> Spec:
    """A schedule's spec with other options.

    Raises:
        InvalidJob: one of them is unknown, or cannot be right.
    """
    _check_names(options)
    policy: dict[str, Any] = {
        "initial_delay": timedelta(microseconds=spec.initial_delay),
        "flex": timedelta(microseconds=spec.flex),
        "missed": spec.missed, "missed_most": spec.missed_most, "overlap": spec.overlap,
    }  # fmt: skip
    policy |= {name: value for name, value in options.items() if name in _POLICY}
    how = {name: getattr(spec, name) for name in _HOW} | _how(options)
    return spec_for(_changed_rule(spec, options), **policy, **how)


def _changed_rule(spec: Spec, options: Mapping[str, Any]) -> Rule:
    when = {name: value for name, value in options.items() if name in _WHEN}
    if not when:
        return spec.rule
    if not when.keys() & {"every", "cron", "at"}:
        when |= _when_of(spec)
    if "tz" not in when and spec.tz and ("cron" in when or _is_of_day(when.get("at"))):
        when["tz"] = spec.tz
    if "fixed" not in when and spec.every and "every" in when:
        when["fixed"] = spec.fixed
    return parse(**when, local_zone=local_zone)


def _when_of(spec: Spec) -> dict[str, Any]:
    if spec.every:
        return {"every": timedelta(microseconds=spec.every)}
    if spec.cron:
        return {"cron": spec.cron}
    if spec.once is not None:
        return {"at": from_us(spec.once)}
    return {"at": [time(at // 3600, at // 60 % 60, at % 60) for at in spec.at]}


def _is_of_day(at: Any) -> bool:
    return at is not None and not isinstance(at, datetime)


def _how(options: Mapping[str, Any]) -> dict[str, Any]:
    how: dict[str, Any] = {}
    if options.get("queue") is not None:
        how["queue"] = checked_name("queue", options["queue"])
    if options.get("priority") is not None:
        how["priority"] = checked_priority(options["priority"])
    if options.get("max_attempts") is not None:
        how["max_attempts"] = checked_max_attempts(options["max_attempts"])
    if "timeout" in options:
        how["timeout"] = checked_timeout(options["timeout"]) or 0
    if "tags" in options:
        how["tags"] = checked_tags(options["tags"])
    if "constraints" in options:
        asked = options["constraints"]
        if not isinstance(asked, Constraints | None):
            raise InvalidJob(f"expected constraints to be Constraints(…), got {asked!r:.80}")
        how["constraints"] = constraints_text(asked) or ""
    return how


def _check_names(options: Mapping[str, Any]) -> None:
    unknown = sorted(options.keys() - {*_WHEN, *_POLICY, *_HOW})
    if unknown:
        raise InvalidJob(
            f"a schedule has no option {', '.join(unknown)}: expected {', '.join((*_WHEN, *_POLICY, *_HOW))}"
        )
