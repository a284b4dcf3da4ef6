"""Which nominal times get a run now: what was missed, by each policy (S2, S4)."""

from __future__ import annotations

import msgspec

from windlass.schedule.rules import Every, Rule
from windlass.schedule.spec import Spec

LATE_US = 60_000_000
"""So late a run may come, beyond its flex, and is not *missed*: who waits for it looks once a minute."""

_FIRST_LOOK_US = 1_000_000


class Firing(msgspec.Struct, frozen=True):
    """What is to be done now about a schedule."""

    nominals: tuple[int, ...]
    """The nominal times that get a run each, the oldest first."""
    next_us: int | None
    """What the schedule waits for next; None: it never runs again."""


def due(spec: Spec, due_us: int, now_us: int) -> Firing:
    """What is to be done now about a schedule that waits for the nominal time ``due_us``.

    Both moments are of the rule's clock: the boot clock for ``every``, else the wall clock. ``due_us`` is
    the only thing to be kept from one time to the next, and it never falls: a clock that is set back brings
    nothing a second time, and one that is set ahead makes its runs late, as a machine that slept does.

    ========== =============================================================
    ``missed``  a run for
    ========== =============================================================
    latest      the newest nominal time that has passed
    skip        the same, if it is no later than its flex and a minute
    all         each, and the newest ``missed_most`` where there are more
    ========== =============================================================

    Without ``overlap`` it is one run at a time: of several, ``nominals`` has the first and ``next_us`` is
    the second, which has passed already and comes up when that run has ended.

    >>> hourly = Spec(every=3_600_000_000, missed="all")
    >>> due(hourly, 0, 7_300_000_000)
    Firing(nominals=(0,), next_us=3600000000)
    >>> due(Spec(every=3_600_000_000), 0, 7_300_000_000)
    Firing(nominals=(7200000000,), next_us=10800000000)
    """
    if now_us < due_us:
        return Firing((), due_us)
    rule = spec.rule
    nominals = _passed(rule, due_us, now_us, spec.missed_most if spec.missed == "all" else 1)
    next_us = rule.next_after(nominals[-1], now_us)
    if spec.missed == "skip" and now_us - nominals[-1] > spec.flex + LATE_US:
        return Firing((), next_us)
    if not spec.overlap and len(nominals) > 1:
        return Firing(nominals[:1], nominals[1])
    return Firing(nominals, next_us)


def _passed(rule: Rule, due_us: int, now_us: int, most: int) -> tuple[int, ...]:
    """The nominal times from ``due_us``, which is one, to now: the newest of them, rising."""
    if isinstance(rule, Every):
        if rule.from_end:
            return (due_us,)  # there is nothing to be missed: the rest since the last run was longer
        count = (now_us - due_us) // rule.span_us + 1
        newest_us = due_us + (count - 1) * rule.span_us
        return tuple(newest_us - back * rule.span_us for back in reversed(range(min(count, most))))
    # Mostly there are few. Where there are more than are wanted, the newest are looked for from the end.
    passed = [due_us]
    while len(passed) <= most:
        after_us = rule.next_after(passed[-1], passed[-1])
        if after_us is None or after_us > now_us:
            return tuple(passed)
        passed.append(after_us)
    newest: list[int] = []
    until_us, look_us = now_us, _FIRST_LOOK_US
    while len(newest) < most:
        newest.append(_newest(rule, due_us, until_us, look_us))
        until_us, look_us = newest[-1] - 1, max(until_us - newest[-1], _FIRST_LOOK_US)
    return tuple(reversed(newest))


def _newest(rule: Rule, due_us: int, until_us: int, look_us: int) -> int:
    """The last nominal time in (due, until], where there is one: in few steps, however many there are."""
    while True:
        begin_us = max(until_us - look_us, due_us)
        found_us = rule.next_after(begin_us, begin_us)
        if found_us is not None and found_us <= until_us:
            break
        look_us *= 2
    beyond_us = until_us + 1  # nothing between here and the end
    while True:
        after_us = rule.next_after(found_us, found_us)
        if after_us is None or after_us > until_us:
            return found_us
        found_us = after_us
        middle_us = (found_us + beyond_us) // 2
        after_us = rule.next_after(middle_us, middle_us)
        if after_us is None or after_us > until_us:
            beyond_us = middle_us
        else:
            found_us = after_us
