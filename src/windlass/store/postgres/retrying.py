"""Verbs whose transactions may stand in the way of a caller's own: they are tried again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from windlass.store.postgres.faults import again

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")

VERBS = (
    "cancel", "delete", "drop_schedule", "expire", "fire_schedule", "hold_lane", "hold_odd", "lift_limit",
    "promote", "prune", "put_schedule", "reclaim", "register", "retry", "seal", "set_limit",
    "set_queue", "unregister",
)  # fmt: skip
"""What has no effect the second time where the first had it."""


def tried_again(kind: type[S]) -> type[S]:
    """The class, with those of its verbs tried again where a transaction was undone for another's sake."""
    for name in VERBS:
        setattr(kind, name, _again(getattr(kind, name)))
    return kind


def _again(verb: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    @wraps(verb)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return again(lambda: verb(self, *args, **kwargs))

    return call
