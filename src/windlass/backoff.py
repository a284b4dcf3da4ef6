"""How long to wait before the next attempt: linear or exponential, capped, with jitter."""

from __future__ import annotations

from typing import Literal

import msgspec

from windlass.duration import Duration, to_us
from windlass.errors import ConfigError


class Backoff(msgspec.Struct, frozen=True):
    """A rule for the wait before each retry. Build it with ``linear`` or ``exponential``.

    With full jitter (the default) the wait is drawn evenly between nothing and the computed span, so
    that jobs which failed together do not come back together.

    >>> Backoff.exponential("1s", cap="1m", jitter="none").delay_us(3, chance=0.5)
    4000000
    """

    kind: Literal["linear", "exponential"] = "exponential"
    first_us: int = 1_000_000
    factor: float = 2.0
    cap_us: int = 3_600_000_000
    jitter: Literal["full", "equal", "none"] = "full"

    @staticmethod
    def linear(
        first: Duration, *, cap: Duration = "1h", jitter: Literal["full", "equal", "none"] = "full"
    ) -> Backoff:
        """Waits ``first``, then twice ``first``, then three times ``first``, up to ``cap``."""
        return Backoff("linear", to_us(first, name="first"), 1.0, to_us(cap, name="cap"), _known(jitter))

    @staticmethod
    def exponential(
        first: Duration,
        *,
        factor: float = 2.0,
        cap: Duration = "1h",
        jitter: Literal["full", "equal", "none"] = "full",
    ) -> Backoff:
        """Waits ``first``, then ``factor`` times as long after each further failure, up to ``cap``."""
        if not 1.0 <= factor <= 100.0:
            raise ConfigError(f"expected factor to be between 1 and 100, got {factor!r}")
        return Backoff(
            "exponential", to_us(first, name="first"), factor, to_us(cap, name="cap"), _known(jitter)
        )

    def delay_us(self, attempt: int, *, chance: float) -> int:
        """The wait after failed attempt number ``attempt`` (1 is the first).

        ``chance`` is a random number in [0, 1): passed in, so that this file draws nothing itself.
        """
        if self.kind == "linear":
            span_us = self.first_us * attempt
        else:
            # Past 2**64 the cap decides anyway; the bound keeps huge attempt numbers from overflowing.
            span_us = int(self.first_us * min(self.factor ** min(attempt - 1, 64), 2.0**62))
        span_us = min(span_us, self.cap_us)
        match self.jitter:
            case "full":
                return int(span_us * chance)
            case "equal":
                return int(span_us * (0.5 + chance / 2))
            case "none":
                return span_us


def _known(jitter: str) -> Literal["full", "equal", "none"]:
    if jitter not in ("full", "equal", "none"):
        raise ConfigError(f'expected jitter to be "full", "equal" or "none", got {jitter!r}')
    return jitter


DEFAULT = Backoff()
"""One second, doubling, at most an hour, full jitter."""
