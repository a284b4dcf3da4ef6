"""The figures of synced tables in ``/metrics``, of a real one: a server, and edits on both sides."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.browser.program import BERTHS
from tests.browser.quay import Quay, dispute, moored
from tests.web.asking import Program, asking

pytestmark = pytest.mark.timeout(120)


def gauges(program: Program) -> dict[str, float]:
    """Every figure of the berths, by its name."""
    text = program.client.get("/metrics").text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith("windlass_sync_")
        for sample in family.samples
        if sample.labels == {"resource": "berths"}
    }


def settle(quay: Quay, look: Callable[[], dict[str, float]]) -> None:
    """Puts right what waits, one thing after the other; each is seen in the figures."""
    berths = quay.app.sync["berths"]
    for number, found in enumerate(berths.conflicts(), 1):
        berths.resolve(found.key, "mine")
        assert look()["windlass_sync_open_conflicts"] == 3 - number
    first, second = berths.dead()
    berths.discard(first.key)
    berths.edit(second.key, depth_m=4.5)
    assert look()["windlass_sync_dead_changes"] == 0
    assert look()["windlass_sync_pending_changes"] == 4
    berths.push()
    assert look()["windlass_sync_pending_changes"] == 0


def test_what_waits_in_a_synced_table_is_told_until_it_is_settled(tmp_path: Path) -> None:
    begun = time.time()
    with moored(tmp_path) as quay, asking(quay.app) as program:
        quay.do(BERTHS)
        dispute(quay)
        told = gauges(program)
        assert told["windlass_sync_open_conflicts"] == 3
        assert told["windlass_sync_dead_changes"] == 2
        assert told["windlass_sync_pending_changes"] == quay.app.sync["berths"].status().pending == 3
        assert 0 < told["windlass_sync_oldest_pending_seconds"] <= time.time() - begun
        for name in ("pull", "push"):
            assert begun <= told[f"windlass_sync_last_{name}_timestamp_seconds"] <= time.time()
        settle(quay, lambda: gauges(program))
