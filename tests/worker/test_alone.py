"""A suspect gets a whole pool to itself, and nobody waits for it for ever."""

from __future__ import annotations

import pytest

from tests.service.waiting import until
from windlass.clock import monotonic
from windlass.store.protocol import Claim, Lane
from windlass.worker import alone as alone_module
from windlass.worker.alone import Alone

SUSPECT, REGULAR = Lane(True, "default", "k"), Lane(False, "default", "k")
CLAIM = Claim(1, "k", None, 1, 3, 7, None, "default", True, 0)


def test_a_suspect_waits_only_so_long_for_the_pool_to_empty():
    alone = Alone(0.05)
    assert alone.cap(SUSPECT, held=1, room=3) == 0
    assert alone.cap(REGULAR, held=1, room=3) == 0  # so that it empties
    changed = until(lambda: next((c for c in [alone.tick(monotonic(), held=1)] if c[0]), None))
    assert changed == (True, None)
    assert alone.cap(SUSPECT, held=1, room=3) == 1
    assert alone.cap(REGULAR, held=1, room=3) == 3


def test_a_pool_that_waits_for_a_suspect_that_never_comes_opens_again():
    alone = Alone(float("inf"))
    assert alone.cap(SUSPECT, held=1, room=3) == 0
    assert alone.tick(monotonic(), held=1) == (False, None)
    assert until(lambda: alone.tick(monotonic(), held=0)[0])
    assert alone.cap(REGULAR, held=0, room=3) == 3


def test_nobody_joins_a_suspect_until_it_is_over():
    alone = Alone(1.0)
    assert alone.cap(SUSPECT, held=0, room=3) == 1
    assert alone.admits(CLAIM, held=0)
    alone.placed(CLAIM)
    assert alone.cap(REGULAR, held=1, room=3) == 0
    assert not alone.admits(CLAIM._replace(alone=False), held=1)
    alone.gone(CLAIM)
    assert alone.cap(REGULAR, held=0, room=3) == 3


def test_a_suspect_that_runs_without_harm_keeps_nobody_out_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alone_module, "ALONE_MOST_S", 0.05)
    alone = Alone(1.0)
    alone.placed(CLAIM)
    assert until(lambda: alone.tick(monotonic(), held=1)[0])
    assert alone.cap(REGULAR, held=1, room=3) == 3
