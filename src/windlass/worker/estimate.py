"""How long jobs of a key take, as measured: what decides how far ahead work may be handed out."""

from __future__ import annotations

AHEAD_US = 5_000
"""An isolate is given at most this much measured work ahead."""


class Estimates:
    """A running estimate per job key: quick to rise, slow to fall."""

    def __init__(self) -> None:
        self._took_us: dict[str, float] = {}

    def learn(self, key: str, took_us: float) -> None:
        """One more measured run."""
        known = self._took_us.get(key)
        if known is None or took_us > 4 * known:
            self._took_us[key] = took_us
        else:
            self._took_us[key] = known + 0.2 * (took_us - known)

    def forget(self, key: str) -> None:
        """A run went far beyond the estimate: until it is measured again, nothing is known."""
        self._took_us.pop(key, None)

    def of(self, key: str) -> float | None:
        """Microseconds, or None where nothing was measured or it is too long to hand out ahead."""
        took_us = self._took_us.get(key)
        return None if took_us is None or took_us > AHEAD_US else max(took_us, 1.0)
