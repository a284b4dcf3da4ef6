"""The weather in which each planted bug shows itself, and by what it is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.storm.postgres.driver import Plan, Storm

USUAL = {"kills": 6, "failovers": 0, "drain_s": 10.0, "drain_most_s": 40.0}
SLOW_JOBS = {"weights": {"producer": 1}, "work_ms": 1500, "lease_s": 8.0, "mean_gap_s": 6.0}
FORGETFUL = {"weights": {"crash": 1}, "settings": {"wal_writer_delay": "10s"}}
"""What nobody asks the server to write it writes late, so that a crash finds something to forget."""
WAKING_LATE = {"weights": {"producer": 1}, "work_ms": 1500, "lease_s": 5.0, "freezes": 2, "kills": 4}
MOST = 3
"""What a bug needs to show itself is a matter of moments: one storm may lack them."""


class Sign(NamedTuple):
    """What the checker says of a bug, and the storm that brings it out."""

    violation: str
    """A pattern for the beginning of one."""
    storm: dict[str, Any]


SIGNS = {
    "claim_what_others_claim": Sign("two live fences", {"weights": {"producer": 1}}),
    "ack_before_disk": Sign("lost: .* is not in the database", FORGETFUL),
    "unknown_is_refused": Sign(
        "unexpected: .* exists after a refused", {"weights": {"commit": 1}, "kills": 12}
    ),
    "no_reclaim": Sign("lost: .* still RUNNING", {"weights": {"dispatcher": 1}, "kills": 4, "work_ms": 800}),
    "settled_means_kept": Sign("lost: .* still RUNNING", FORGETFUL),
    "completion_apart_from_effects": Sign("double completion", {"weights": {"isolate": 1}, "kills": 20}),
    "settle_by_id_alone": Sign("(double completion|two live fences)", WAKING_LATE),
    "reclaim_the_living": Sign("(two live fences|unexplained duplicate)", SLOW_JOBS),
    "silence_by_the_hosts_own_clock": Sign("(two live fences|unexplained duplicate)", SLOW_JOBS),
}


def seen(bug: str, folder: Path, say: Callable[[str], None]) -> str | None:
    """The violation by which the bug was caught; None: it was not, in several storms."""
    sign = SIGNS[bug]
    for attempt in range(MOST):
        place = folder / str(attempt)
        place.mkdir(parents=True)
        outcome = Storm(Plan(seed=7, plant=bug, **(USUAL | sign.storm)), place, say).run()
        for violation in map(str, outcome.verdict.violations):
            if re.match(sign.violation, violation):
                return violation
    return None
