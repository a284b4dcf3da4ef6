"""When a schedule is due: pure rules, without a clock. The interval is the first of them."""

from __future__ import annotations

import msgspec

SHORTEST_US = 100_000
"""An interval at least: below it, a loop in a handler is the better tool."""


class Every(msgspec.Struct, frozen=True):
    """Again and again after the same span, at a fixed rate: a late run does not make the next one later."""

    span_us: int

    def next_after(self, nominal_us: int, now_us: int) -> int:
        """The next due time after one at ``nominal_us``, on the same clock: the first that is still to come.

        What was missed in between (the machine was off, nobody ran jobs) is made up for by the late run.

        >>> Every(10).next_after(100, now_us=103)
        110
        >>> Every(10).next_after(100, now_us=137)
        140
        """
        missed = max(now_us - nominal_us, 0) // self.span_us
        return nominal_us + (missed + 1) * self.span_us


class Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a schedule's row keeps as JSON: when, and how its jobs are enqueued. Spans are microseconds."""

    every: int
    initial_delay: int = 0
    queue: str = "default"
    priority: int = 0
    max_attempts: int = 3
    tags: tuple[str, ...] = ()

    @property
    def rule(self) -> Every:
        """What says when it is due again."""
        return Every(self.every)

    def longest_wait_us(self, *, has_run: bool) -> int:
        """No next run is further away than this, whatever a clock says."""
        return self.every if has_run else max(self.every, self.initial_delay)


def to_text(spec: Spec) -> str:
    """As it is stored.

    >>> to_text(Spec(every=3_600_000_000))
    '{"every":3600000000}'
    """
    return msgspec.json.encode(spec).decode()


def from_text(text: str) -> Spec:
    """What is stored.

    Raises:
        ValueError: it cannot be read; the message says why.
    """
    spec = msgspec.json.decode(text, type=Spec)
    if spec.every < SHORTEST_US:
        raise ValueError(f"every is {spec.every}, expected at least {SHORTEST_US} microseconds")
    return spec
