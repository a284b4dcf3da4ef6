"""A benchmark as a value: who takes part, which figures come of it, and what they should be."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

Sample = float | list[float]
Measure = Callable[[], Sample]
Samples = Mapping[str, Sequence[Sample]]
"""What each subject that could be measured gave, round by round."""

OURS = "windlass"
RAW = "raw"


class Room(NamedTuple):
    """Where a subject works, and how much is asked of it."""

    folder: Path
    quick: bool


class Unavailable(Exception):
    """This contender cannot be measured here, and why."""


Subject = Callable[[Room], AbstractContextManager[Measure]]
"""Opened once; what it gives is called once per round."""


class Row(NamedTuple):
    """One line of the report."""

    name: str
    value: float | None
    unit: str
    raw: float | None
    ratio: float | None
    peers: dict[str, float]


class Goal(NamedTuple):
    """What a figure should be, in words and as a question."""

    text: str
    is_met: Callable[[Row], bool]


@dataclass(frozen=True)
class Figure:
    """One named number, read from a benchmark's samples."""

    name: str
    unit: str
    goals: tuple[Goal, ...] = ()
    reduce: Callable[[Sequence[Sample]], float] = lambda samples: statistics.median(flat(samples))
    base: str = RAW
    """The subject that the ratio divides by."""
    less_base: bool = False
    """The value is what ours has more than ``base``, and there is no ratio."""

    def row(self, samples: Samples) -> Row:
        """The figure's line; what could not be measured is None."""
        reduced = {name: self.reduce(taken) for name, taken in samples.items()}
        value, raw, base = reduced.pop(OURS, None), reduced.pop(RAW, None), None
        base = raw if self.base == RAW else reduced.get(self.base)
        if self.less_base:
            value = None if value is None or base is None else value - base
            return Row(self.name, value, self.unit, raw, None, reduced)
        ratio = value / base if value is not None and base else None
        return Row(self.name, value, self.unit, raw, ratio, reduced)


@dataclass(frozen=True)
class Benchmark:
    """One measurement: its figures, and those who take part, ours and raw first."""

    figures: tuple[Figure, ...]
    subjects: Mapping[str, Subject]
    rounds: int = 7
    quick_rounds: int = 3
    turns: int = 1
    """How often the floor goes round in one round. With more than one, each turn gives ``[jobs, seconds]``,
    and a round is their quotient: what stalls a disk for a second then meets all subjects in every round."""
    together: bool = False
    """All hold the floor at once: right where idling is what is measured."""
    one_at_a_time: bool = False
    """A subject's processes end before the next one's begin: right where memory is what is measured."""
    environment: Callable[[Path], dict[str, str]] = field(default=lambda _folder: {})
    """Variables that every subject's process is started with."""
    around: Callable[[], AbstractContextManager[dict[str, str]]] = field(default=lambda: nullcontext({}))
    """What runs while it is measured, such as a server all subjects share; more variables for them."""
    newer: frozenset[str] = frozenset()
    """Subjects that need a newer Python than the oldest that Windlass runs on."""

    @property
    def name(self) -> str:
        return self.figures[0].name


def ratio_at_least(bound: float) -> Goal:
    return Goal(f"ratio ≥ {bound:g}", lambda row: row.ratio is not None and row.ratio >= bound)


def ratio_at_most(bound: float) -> Goal:
    return Goal(f"ratio ≤ {bound:g}", lambda row: row.ratio is not None and row.ratio <= bound)


def value_at_most(bound: float) -> Goal:
    return Goal(f"≤ {bound:g}", lambda row: row.value is not None and row.value <= bound)


def times_peer(bound: float, peer: str) -> Goal:
    def is_met(row: Row) -> bool:
        # A peer that is not installed here leaves nothing to compare with.
        return peer not in row.peers or (row.value is not None and row.value >= bound * row.peers[peer])

    return Goal(f"≥ {bound:g}× {peer}", is_met)


def times_best_peer(bound: float) -> Goal:
    """Of all that are measured beside it, but Windlass itself and the raw loop in other shapes."""

    def is_met(row: Row) -> bool:
        rates = [rate for name, rate in row.peers.items() if not name.startswith((OURS, RAW))]
        return not rates or (row.value is not None and row.value >= bound * max(rates))

    return Goal(f"≥ {bound:g}× the best peer", is_met)


def together(turns: Sequence[Sample]) -> Sample:
    """One round's sample from its turns."""
    if len(turns) == 1:
        return turns[0]
    jobs, seconds = zip(*(turn for turn in turns if isinstance(turn, list)), strict=True)
    return sum(jobs) / sum(seconds)


def percentile(share: float) -> Callable[[Sequence[Sample]], float]:
    """The value that ``share`` of all samples do not exceed."""

    def reduce(samples: Sequence[Sample]) -> float:
        ordered = sorted(flat(samples))
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    return reduce


def flat(samples: Sequence[Sample]) -> list[float]:
    """Rounds that gave several numbers each, as one list."""
    return [number for sample in samples for number in (sample if isinstance(sample, list) else [sample])]
