"""Between people and rules: what they ask for becomes a rule, and a rule a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, tzinfo
from typing import Any, cast

from windlass.duration import Duration
from windlass.duration import describe as describe_span
from windlass.errors import ConfigError, InvalidJob
from windlass.fields import checked_count, checked_span
from windlass.schedule.cron import checked_cron
from windlass.schedule.rules import SHORTEST_US, Cron, Daily, Every, Once, Rule, shortest_gap_us
from windlass.schedule.spec import Spec, rule_fields
from windlass.schedule.zones import MICROSECOND, wall_at, zone_named

At = str | time | datetime | Iterable[str | time]
"""``"07:30"``, ``"07:30:15"``, ``time(7, 30)``, several of them; or one aware ``datetime``."""

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (
    ("week", 604_800_000_000), ("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000),
    ("second", 1_000_000),
)  # fmt: skip


def parse(
    *,
    every: Duration | None = None,
    cron: str | None = None,
    at: At | None = None,
    tz: str | tzinfo | None = None,
    fixed: str = "rate",
    local_zone: Callable[[], str],
) -> Rule:
    """The rule that is asked for by exactly one of ``every``, ``cron`` and ``at``.

    ``tz`` is the zone of ``cron`` and of times of day; without it ``local_zone()`` names the machine's.
    ``fixed="delay"`` counts ``every`` from the end of the last run.

    >>> parse(at=["19:00", "07:30"], tz="Europe/Zurich", local_zone=lambda: "UTC")
    Daily(seconds=(27000, 68400), zone='Europe/Zurich')

    Raises:
        InvalidJob: none or several of them, or one that cannot be right.
    """
    given = [name for name, value in (("every", every), ("cron", cron), ("at", at)) if value is not None]
    if len(given) != 1:
        raise InvalidJob(f"expected one of every, cron and at, got {' and '.join(given) or 'none of them'}")
    if fixed not in ("rate", "delay"):
        raise InvalidJob(f'expected fixed to be "rate" or "delay", got {fixed!r:.80}')
    if every is not None:
        if tz is not None:
            raise InvalidJob(
                "every follows elapsed time and has no time zone: leave tz out, or use cron or at"
            )
        span_us = checked_span("every", every)
        if span_us < SHORTEST_US:
            raise InvalidJob(f"expected every to be at least {describe_span(SHORTEST_US)}, got {every!r}")
        return Every(span_us, from_end=fixed == "delay")
    if fixed != "rate":
        raise InvalidJob(
            f'fixed="delay" counts a span from the end of a run: it goes with every, not with {given[0]}'
        )
    if isinstance(at, datetime):
        return _once(at, tz)
    # What is wrong with the times is said before what may be wrong with the machine's zone.
    if cron is not None:
        if not isinstance(cron, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidJob(f'expected cron to be a text such as "*/5 9-17 * * MON-FRI", got {cron!r:.80}')
        text = checked_cron(cron)
        return Cron(text, _zone(tz, local_zone))
    seconds = _times(at)
    return Daily(seconds, _zone(tz, local_zone))


def spec_for(
    rule: Rule,
    *,
    initial_delay: Duration | None = None,
    flex: Duration | None = None,
    missed: str = "latest",
    missed_most: int = 100,
    overlap: bool = False,
    **how: Any,
) -> Spec:
    """What a schedule's row keeps. ``how`` are the fields of ``Spec`` that say how its jobs are enqueued.

    Raises:
        InvalidJob: something cannot be right, such as a ``flex`` in which the next run may come due.
    """
    if missed not in ("latest", "skip", "all"):
        raise InvalidJob(f'expected missed to be "latest", "skip" or "all", got {missed!r:.80}')
    if missed != "latest" and isinstance(rule, Every) and rule.from_end:
        raise InvalidJob(
            f'expected missed to be left out with fixed="delay", which misses nothing, got {missed!r}'
        )
    if overlap and isinstance(rule, Every) and rule.from_end:
        raise InvalidJob(
            'fixed="delay" counts from the end of a run, so runs cannot overlap: leave overlap out'
        )
    if not isinstance(overlap, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidJob(f"expected overlap to be True or False, got {overlap!r:.80}")
    delay_us = 0 if initial_delay is None else checked_span("initial_delay", initial_delay)
    if delay_us and isinstance(rule, Once):
        raise InvalidJob("initial_delay puts off the first of several runs: give the moment in at alone")
    return Spec(
        **rule_fields(rule),
        initial_delay=delay_us,
        flex=0 if flex is None else _checked_flex(flex, rule),
        missed=missed,
        missed_most=checked_count("missed_most", missed_most),
        overlap=overlap,
        **how,
    )


def describe(rule: Rule) -> str:
    """A rule as a short sentence.

    >>> describe(Every(300_000_000)), describe(Every(90_000_000, from_end=True))
    ('every 5 minutes', '1m 30s after the end of each run')
    >>> describe(Daily((27_000,), "Europe/Zurich")), describe(Cron("0 3 * * MON", "Europe/Zurich"))
    ('at 07:30 Europe/Zurich', 'cron 0 3 * * MON (Europe/Zurich)')
    """
    match rule:
        case Every(span_us, from_end):
            unit, size = next((each for each in _UNITS if span_us % each[1] == 0), ("", 0))
            if from_end:
                return f"{describe_span(span_us)} after the end of each run"
            if not unit:
                return f"every {describe_span(span_us)}"
            count = span_us // size
            return f"every {unit}" if count == 1 else f"every {count} {unit}s"
        case Cron(text, zone):
            return f"cron {text} ({zone})"
        case Daily(seconds, zone):
            *more, last = [_clock_face(second) for second in seconds]
            return f"at {', '.join(more)} and {last} {zone}" if more else f"at {last} {zone}"
        case Once(at_us):
            return f"once at {wall_at(at_us, UTC).replace(microsecond=0)} UTC"


def _clock_face(second: int) -> str:
    text = f"{second // 3600:02d}:{second // 60 % 60:02d}"
    return f"{text}:{second % 60:02d}" if second % 60 else text


def _checked_flex(flex: Duration, rule: Rule) -> int:
    flex_us, gap_us = checked_span("flex", flex), shortest_gap_us(rule)
    if gap_us is not None and flex_us >= gap_us:
        raise InvalidJob(
            f"expected flex to be shorter than the {describe_span(gap_us)} between two runs, got {flex!r}: "
            "the next one would be due before this one has to be made"
        )
    return flex_us


def _once(at: datetime, tz: object) -> Once:
    if at.utcoffset() is None:
        raise InvalidJob(
            f"expected at to be an aware datetime, got {at!r}: say which zone it is of, such as "
            'datetime(…, tzinfo=ZoneInfo("Europe/Zurich")), or at.astimezone() for this machine\'s'
        )
    if tz is not None:
        raise InvalidJob("a datetime in at has its own zone: leave tz out")
    return Once((at - _EPOCH) // MICROSECOND)


def _zone(tz: object, local_zone: Callable[[], str]) -> str:
    if tz is None:
        try:
            name = local_zone()
            zone_named(name)
        except (ConfigError, InvalidJob) as error:
            raise InvalidJob(f"expected tz, as this machine's own zone cannot be used: {error}") from error
        return name
    name = getattr(tz, "key", tz)
    if not isinstance(name, str):
        raise InvalidJob(f'expected tz to be the name of a zone such as "Europe/Zurich", got {tz!r:.80}')
    zone_named(name)
    return name


def _times(at: object) -> tuple[int, ...]:
    several = (
        [at]
        if isinstance(at, str | time) or not isinstance(at, Iterable)
        else list(cast("Iterable[Any]", at))
    )
    if not several:
        raise InvalidJob('expected at to be times of day such as "07:30", got none')
    return tuple(sorted({_second_of_day(each) for each in several}))


def _second_of_day(each: object) -> int:
    if isinstance(each, time):
        if each.tzinfo is not None or each.microsecond:
            raise InvalidJob(
                f"expected at to be a time without zone (that is tz) and of whole seconds, got {each!r}"
            )
        return each.hour * 3600 + each.minute * 60 + each.second
    found = _TIME.fullmatch(each) if isinstance(each, str) else None
    if found is None:
        raise InvalidJob(
            'expected at to be times of day from "00:00" to "23:59:59", or one aware datetime, '
            f"got {each!r:.80}"
        )
    hour, minute, second = found.groups(default="0")
    return int(hour) * 3600 + int(minute) * 60 + int(second)
