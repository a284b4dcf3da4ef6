"""One holder at a time, and only the newest may write."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.store.ledger.conformance.steps import arrival, installed, titles
from windlass.errors import LostHold, ResourceBusy
from windlass.store.ledger import Hold, Ledger, PullState


class Holding:
    """Holds and fences."""

    def test_a_second_holder_is_told_that_the_resource_is_busy(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        refused: list[ResourceBusy] = []

        def other() -> None:
            try:
                with ledger.hold("tasks"):
                    pass
            except ResourceBusy as error:
                refused.append(error)

        with ledger.hold("tasks") as first:
            with pytest.raises(ResourceBusy), ledger.hold("tasks"):
                pass
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert len(refused) == 1
        with ledger.hold("tasks") as second:
            assert second.fence > first.fence

    def test_a_hold_ends_with_its_block_also_when_that_fails(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        with pytest.raises(KeyError), ledger.hold("tasks"):
            raise KeyError
        with ledger.hold("tasks"):
            pass

    def test_resources_are_held_apart(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        installed(ledger, db, create="CREATE TABLE other (id TEXT PRIMARY KEY)", table="other")
        with ledger.hold("tasks"), ledger.hold("other"):
            pass

    def test_an_outdated_holder_writes_nothing(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        with ledger.hold("tasks") as first:
            pass
        with ledger.hold("tasks"):
            pass
        with pytest.raises(LostHold):
            ledger.write(first, 0, [arrival("a")], state=PullState(cursor="1"))
        with pytest.raises(LostHold):
            ledger.write(Hold("tasks", 99), 0, [arrival("a")])
        with pytest.raises(LostHold):
            ledger.sweep(first, max_share=1.0)
        assert (titles(db), ledger.state("tasks")) == ({}, PullState())
