"""What every store promises, written against the protocol alone.

A store's test module subclasses ``StoreConformance`` and gives the ``store`` and ``clock`` fixtures; the
suite then runs on it unchanged. Nothing in here knows a table, a driver or a file.
"""

from __future__ import annotations

from tests.store.conformance.claiming import Claiming
from tests.store.conformance.conditions import Conditions
from tests.store.conformance.debouncing import Debouncing
from tests.store.conformance.delaying import Delaying
from tests.store.conformance.enqueueing import Enqueueing
from tests.store.conformance.existing import Existing
from tests.store.conformance.expiring import Expiring
from tests.store.conformance.flowing import Flowing
from tests.store.conformance.keeping import Keeping
from tests.store.conformance.limiting import Limiting
from tests.store.conformance.listening import Listening
from tests.store.conformance.listing import Listing
from tests.store.conformance.managing import Managing
from tests.store.conformance.recording import Recording
from tests.store.conformance.recovering import Recovering
from tests.store.conformance.scheduling import Scheduling
from tests.store.conformance.settling import Settling
from tests.store.conformance.unique import Unique


class StoreConformance(
    Enqueueing,
    Unique,
    Existing,
    Debouncing,
    Expiring,
    Claiming,
    Conditions,
    Settling,
    Delaying,
    Flowing,
    Recovering,
    Managing,
    Recording,
    Keeping,
    Listing,
    Limiting,
    Scheduling,
    Listening,
):
    """The suite. ``store`` is empty and migrated; its time is ``clock``."""
