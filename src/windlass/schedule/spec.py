"""What a schedule's row keeps: the rule, and how its jobs are enqueued."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from windlass.schedule.cron import checked_cron
from windlass.schedule.rules import SHORTEST_US, Cron, Daily, Every, Once, Rule
from windlass.schedule.zones import zone_named

Missed = Literal["latest", "skip", "all"]
VERSION = 1
"""Counts up when what is stored takes on a meaning that an older Windlass would get wrong."""
_NO_LIMIT = 1 << 62
_DAY_S = 86_400
_Span = Annotated[int, msgspec.Meta(ge=0)]


class Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a schedule's row keeps as JSON: when, and how its jobs are enqueued. Spans are microseconds.

    It is due by exactly one of ``every`` (with ``fixed``), ``cron``, ``at`` (with ``tz``) and ``once``.
    """

    version: int = VERSION
    every: _Span = 0
    fixed: Literal["rate", "delay"] = "rate"
    cron: str = ""
    at: tuple[int, ...] = ()
    """Seconds after midnight."""
    once: int | None = None
    """Microseconds since the epoch."""
    tz: str = ""
    initial_delay: _Span = 0
    flex: _Span = 0
    """How much later than its nominal time a run may come."""
    missed: Missed = "latest"
    missed_most: Annotated[int, msgspec.Meta(ge=1)] = 100
    overlap: bool = False
    queue: str = "default"
    priority: int = 0
    max_attempts: int = 3
    tags: tuple[str, ...] = ()
    constraints: str = ""
    """JSON text; empty: none."""
    timeout: _Span = 0
    """0: none."""

    @property
    def rule(self) -> Rule:
        """What says when it is due again."""
        if self.cron:
            return Cron(self.cron, self.tz)
        if self.at:
            return Daily(self.at, self.tz)
        if self.once is not None:
            return Once(self.once)
        return Every(self.every, self.fixed == "delay")

    def longest_wait_us(self, *, has_run: bool) -> int:
        """No next run is further away than this, whatever a clock says."""
        if not self.every:
            return _NO_LIMIT
        return self.every if has_run else max(self.every, self.initial_delay)


def rule_fields(rule: Rule) -> dict[str, Any]:
    """The fields of a spec that make this rule."""
    match rule:
        case Every(span_us, from_end):
            return {"every": span_us, "fixed": "delay" if from_end else "rate"}
        case Cron(text, zone):
            return {"cron": text, "tz": zone}
        case Daily(seconds, zone):
            return {"at": seconds, "tz": zone}
        case Once(at_us):
            return {"once": at_us}


def to_text(spec: Spec) -> str:
    """As it is stored.

    >>> to_text(Spec(every=3_600_000_000))
    '{"every":3600000000}'
    """
    return msgspec.json.encode(spec).decode()


def from_text(text: str) -> Spec:
    """What is stored.

    Raises:
        ValueError: it cannot be read, or was written by a newer Windlass; the message says why.
    """
    raw = msgspec.json.decode(text, type=dict[str, Any])
    version, unknown = raw.get("version", VERSION), raw.keys() - set(Spec.__struct_fields__)
    if unknown or (isinstance(version, int) and version > VERSION):
        what = f"with {', '.join(sorted(unknown))}" if unknown else f"version {version}, this reads {VERSION}"
        raise ValueError(f"it was written by a newer Windlass ({what}): upgrade this one")
    spec = msgspec.convert(raw, Spec)
    given = [name for name in ("every", "cron", "at") if getattr(spec, name)]
    if spec.once is not None:
        given.append("once")
    if len(given) != 1:
        raise ValueError(f"expected one of every, cron, at and once, got {' and '.join(given) or 'none'}")
    if spec.every and spec.every < SHORTEST_US:
        raise ValueError(f"every is {spec.every}, expected at least {SHORTEST_US} microseconds")
    if spec.at != tuple(sorted(set(spec.at))) or (spec.at and not 0 <= spec.at[0] <= spec.at[-1] < _DAY_S):
        raise ValueError(f"at is {spec.at}, expected rising seconds of one day")
    if spec.cron:
        checked_cron(spec.cron)
    if spec.cron or spec.at:
        zone_named(spec.tz)
    return spec
