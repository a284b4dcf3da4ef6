"""The ledger in SQLite keeps the contract of every ledger."""

from __future__ import annotations

from tests.store.ledger.conformance import LedgerConformance


class TestSqliteLedger(LedgerConformance):
    """Runs the suite on a real file."""
