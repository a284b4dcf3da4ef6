"""Streams: what happens from now on, until somebody closes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from windlass.clock import SystemClock
from windlass.store import open_store
from windlass.store.protocol import Store
from windlass.sync.stream import Stream

POLL_S = 0.2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(str(tmp_path / "app.db"), SystemClock())
    store.migrate()
    yield store
    store.close()


class Well:
    """Gives what was poured in."""

    def __init__(self, store: Store, poll_s: float = POLL_S) -> None:
        self._items: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._store = store
        self.stream = Stream(self._draw, store.bell("watch"), poll_s)

    def pour(self, item: str) -> None:
        self._items.put(item)
        self._store.ring("watch")

    def _draw(self) -> Iterator[str]:
        while not self._items.empty():
            yield self._items.get()


def listening(well: Well, heard: queue.SimpleQueue[str]) -> threading.Thread:
    def work() -> None:
        for item in well.stream:
            heard.put(item)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_what_happens_is_told_at_the_ring_of_the_bell(store: Store):
    well, heard = Well(store, poll_s=60), queue.SimpleQueue[str]()
    thread = listening(well, heard)

    for item in ("one", "two"):
        well.pour(item)
        assert heard.get(timeout=5) == item

    well.stream.close()
    store.ring("watch")
    thread.join(5)
    assert not thread.is_alive()


def test_a_stream_closed_by_another_thread_ends_by_itself(store: Store):
    well = Well(store)
    thread = listening(well, queue.SimpleQueue())

    well.stream.close()
    thread.join(5)

    assert not thread.is_alive()


def test_a_closed_stream_tells_nothing(store: Store):
    well = Well(store)
    well.pour("unheard")

    with well.stream:
        pass
    well.stream.close()

    assert list(well.stream) == []
