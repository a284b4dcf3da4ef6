"""Fixtures for pytest, there as soon as Windlass is installed.

import shop

@pytest.fixture
def app(windlass_app):
    return windlass_app(shop.app)

def test_an_order_sends_a_receipt(app):
    shop.order("ann@example.org")
    assert_enqueued(app, "send_receipt", email="ann@example.org")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.testing import ManualClock


@pytest.fixture
def windlass_clock() -> ManualClock:
    """A clock that stands still until the test moves it."""
    from windlass.testing import ManualClock

    return ManualClock()


@pytest.fixture
def windlass_app(tmp_path: Path, windlass_clock: ManualClock) -> Iterator[Callable[[Windlass], Windlass]]:
    """Gives an app a database of the test's own, and ``windlass_clock``, until the test ends."""
    with ExitStack() as stack:

        def take(app: Windlass) -> Windlass:
            stack.enter_context(app.elsewhere(tmp_path / "windlass.db", clock=windlass_clock))
            return app

        yield take
