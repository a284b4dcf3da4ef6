"""What a timeout does to a job: a failed attempt like any other."""

from __future__ import annotations

import random

from windlass.backoff import DEFAULT
from windlass.duration import describe
from windlass.outcome import Failed, Retried
from windlass.store.protocol import Claim
from windlass.worker.traits import TraitsOf


def timed_out(claim: Claim, traits: TraitsOf) -> Retried | Failed:
    """The outcome of an attempt that was killed for running too long."""
    known = traits(claim.key)
    limit_us = claim.timeout_us or (known.timeout_us if known else None) or 0
    error = f"TimeoutError: it ran longer than its timeout of {describe(limit_us)}"
    if claim.attempt >= claim.max_attempts:
        return Failed(error, "timeout")
    backoff = (known.backoff if known else None) or DEFAULT
    return Retried(error, backoff.delay_us(claim.attempt, chance=random.random()), alone=True)
