"""What every ledger promises, written against ``store/ledger.py`` alone.

A store's test module subclasses ``LedgerConformance`` and gives the fixtures ``ledger``, ``clock`` and
``db``: a connection for plain SQL without parameters, which commits each statement unless it says ``BEGIN``.
"""

from __future__ import annotations

from tests.store.ledger.conformance.around import Around
from tests.store.ledger.conformance.batching import Batching
from tests.store.ledger.conformance.capturing import Capturing
from tests.store.ledger.conformance.holding import Holding
from tests.store.ledger.conformance.pulling import Pulling
from tests.store.ledger.conformance.queueing import Queueing
from tests.store.ledger.conformance.writing import Writing


class LedgerConformance(Capturing, Holding, Writing, Queueing, Batching, Pulling, Around):
    """The suite. ``ledger`` is empty and migrated."""
