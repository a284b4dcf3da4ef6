"""The request budget: a burst, then an even pace, whoever asks."""

from __future__ import annotations

import threading

import pytest

from tests.sync.servers.faulty import Faulty
from windlass.errors import ConfigError
from windlass.sync.budget import Budget, budget_of
from windlass.sync.http import Transport


class Time:
    """A clock that moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def budget(self, rate: float, burst: int | None = None) -> Budget:
        return Budget(rate, burst, now=lambda: self.now, sleep=self.sleep)


def test_a_burst_goes_at_once_and_then_one_at_a_time() -> None:
    time = Time()
    budget = time.budget(2, burst=3)
    assert [budget.take() for _ in range(6)] == [0, 0, 0, 0.5, 0.5, 0.5]


def test_a_pause_earns_a_burst_and_no_more() -> None:
    time = Time()
    budget = time.budget(1, burst=2)
    for _ in range(3):
        budget.take()
    time.now += 3600
    assert [budget.take() for _ in range(4)] == [0, 0, 1, 1]


def test_in_no_second_are_there_more_than_rate_and_burst() -> None:
    time = Time()
    budget = time.budget(5)
    sent: list[float] = []
    for step in range(300):
        budget.take()
        sent.append(time.now)
        time.now += (step % 7) * 0.02
    assert max(sum(1 for one in sent if start <= one < start + 1) for start in sent) <= 5 + 5


def test_two_who_speak_to_one_origin_share_its_budget() -> None:
    one, other = budget_of("http://shared.test", 10), budget_of("http://shared.test", 4)
    assert one is other
    assert one.rate == 4
    assert budget_of("http://shared.test", 100).rate == 4
    assert budget_of("http://another.test", 100).rate == 100


def test_threads_that_come_together_are_lined_up() -> None:
    waits: list[float] = []
    budget = Budget(10, 1, now=lambda: 100.0, sleep=waits.append)
    threads = [threading.Thread(target=budget.take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(round(wait, 6) for wait in waits) == [round(n / 10, 6) for n in range(1, 20)]


def test_each_request_is_paid_for_redirects_too(monkeypatch: pytest.MonkeyPatch) -> None:
    paid: list[float] = []
    monkeypatch.setattr(Budget, "take", lambda self: paid.append(self.rate))
    with Faulty() as server, Transport(server.url, rate=7) as transport:
        server.redirects["/old"] = (302, "/new")
        transport.request("GET", "/old")
    assert paid == [7, 7]


@pytest.mark.parametrize(("rate", "burst"), [(0, None), (-1, None), (float("nan"), None), (1, 0)])
def test_a_budget_that_cannot_be_right_is_refused(rate: float, burst: int | None) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Budget(rate, burst)
