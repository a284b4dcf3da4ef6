"""What a dispatcher must know of a handler without running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from windlass.backoff import Backoff


class Traits(NamedTuple):
    """How jobs of one key are to be run."""

    is_async: bool = False
    timeout_us: int | None = None
    backoff: Backoff | None = None


TraitsOf = Callable[[str], Traits | None]
"""The traits of a job key; None where nobody knows it."""
