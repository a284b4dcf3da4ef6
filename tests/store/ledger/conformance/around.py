"""Origins, switches and notes: kept for all processes together."""

from __future__ import annotations

from typing import Any

from tests.store.ledger.conformance.steps import installed
from windlass.store.ledger import Ledger, OriginState


class Around:
    """What surrounds the cycle."""

    def test_an_origin_is_ok_until_someone_says_otherwise(self, ledger: Ledger) -> None:
        assert ledger.origin("https://a") == OriginState(origin="https://a")
        state = OriginState(origin="https://a", state="throttled", reason="429", until_us=9, failures=2)
        ledger.set_origin(state)
        assert (ledger.origin("https://a"), ledger.origin("https://b").state) == (state, "ok")

    def test_a_resource_is_paused_and_goes_on(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        assert not ledger.is_paused("tasks")
        ledger.switch("tasks", paused=True)
        assert ledger.is_paused("tasks")
        ledger.switch("tasks", paused=False)
        assert not ledger.is_paused("tasks")

    def test_notes_are_kept_by_name(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        assert ledger.notes("tasks") == {}
        ledger.note("tasks", "last_error", {"text": "é", "at": 1})
        ledger.note("tasks", "last_error", None)
        ledger.note("tasks", "max_age_us", 7)
        assert ledger.notes("tasks") == {"last_error": None, "max_age_us": 7}
