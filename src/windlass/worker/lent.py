"""What a worker process lends to the attempts it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from windlass.context import Service
from windlass.store.protocol import Claim, Store


class Lent(NamedTuple):
    """The ``Resources`` of a worker process."""

    store: Store
    service: Service
    report_progress: Callable[[Claim, str], None]
