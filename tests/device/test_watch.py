"""The device: which probes it runs, what it makes of them, and when it tells."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tests.device.watching import Watched
from tests.service.waiting import until
from windlass.constraints import Constraints
from windlass.device import Device, watch
from windlass.device.probe import Ear, Probe, Tell
from windlass.facts import Fact, Network, Power

LOW, FULL = Power(percent=14, charging=False), Power(percent=100, charging=False)
NOT_LOW = Constraints(battery_not_low=True)


class Scripted:
    """A machine whose facts the test tells, and whose probes it lets die."""

    def __init__(self) -> None:
        self.running: dict[str, Tell] = {}
        self.begun: list[str] = []
        self._dying: dict[str, Exception] = {}
        self._ears: dict[str, Ear] = {}

    def probe_of(self, fact: str) -> Probe:
        return _Scripted(self, fact)

    def tell(self, fact: str, value: Fact) -> None:
        until(lambda: fact in self.running)
        self.running[fact](value)

    def kill(self, fact: str, error: Exception) -> None:
        until(lambda: fact in self.running)
        self._dying[fact] = error
        self._ears[fact].nudge()

    def run(self, fact: str, tell: Tell, ear: Ear) -> None:
        self.begun.append(fact)
        self._ears[fact] = ear
        self.running[fact] = tell
        try:
            while not ear.closed:
                ear.wait()
                if fact in self._dying:
                    raise self._dying.pop(fact)
        finally:
            del self.running[fact]


class _Scripted:
    def __init__(self, machine: Scripted, fact: str) -> None:
        self._machine, self._fact = machine, fact

    def run(self, tell: Tell, ear: Ear) -> None:
        self._machine.run(self._fact, tell, ear)


@pytest.fixture
def machine() -> Scripted:
    return Scripted()


def test_nothing_is_started_before_something_is_wanted(machine: Scripted):
    before = threading.enumerate()
    device = Device(lambda: None, folder=".", make_probe=machine.probe_of)
    device.want([])

    assert (threading.enumerate(), device.state().facts) == (before, {})
    device.close()


def test_only_what_is_asked_for_is_looked_at(machine: Scripted):
    with Watched(Constraints(charging=True), NOT_LOW, make_probe=machine.probe_of) as watched:
        machine.tell("power", FULL)
        watched.until_blocked("charging waits")

        assert machine.begun == ["power"]


def test_a_change_that_turns_no_condition_is_not_told(machine: Scripted):
    with Watched(NOT_LOW, make_probe=machine.probe_of) as watched:
        machine.tell("power", FULL)
        watched.until_open()
        told = watched.told

        for percent in range(99, 19, -1):
            machine.tell("power", Power(percent=percent, charging=False))
        machine.tell("power", LOW)
        until(lambda: watched.told > told)

        assert watched.told == told + 1
        assert watched.blocked() != []


def test_since_when_is_since_the_condition_turned_not_since_the_last_percent(machine: Scripted):
    with Watched(NOT_LOW, make_probe=machine.probe_of) as watched:
        machine.tell("power", LOW)
        [first] = watched.until(lambda blocked: "14 %" in blocked[0].reason)

        machine.tell("power", Power(percent=13, charging=False))
        [second] = watched.blocked()

    assert first.since_us is not None
    assert (second.since_us, second.reason[:12]) == (first.since_us, "battery 13 %")


def test_a_probe_that_dies_is_logged_once_says_why_and_is_started_again(
    machine: Scripted, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "_RETRY_S", 0.01)
    with Watched(NOT_LOW, make_probe=machine.probe_of) as watched:
        machine.tell("power", FULL)
        watched.until_open()

        machine.kill("power", OSError("the wire is cut"))
        reason = (
            "battery_not_low cannot be told: its probe failed and is tried again (OSError: the wire is cut)"
        )
        assert watched.until_blocked("the wire is cut") == reason
        machine.kill("power", OSError("the wire is still cut"))
        watched.until_blocked("still cut")

        machine.tell("power", FULL)
        watched.until_open()

    assert [record.message for record in caplog.records] == ["the probe of power failed, and is tried again"]


def test_a_probe_that_cannot_even_be_made_is_a_reason_too():
    def make(fact: str) -> Probe:
        raise LookupError(f"no probe of {fact}")

    with Watched(NOT_LOW, make_probe=make) as watched:
        watched.until_blocked("LookupError: no probe of power")


def test_what_nobody_asks_for_any_more_is_let_go_after_a_while(
    machine: Scripted, monkeypatch: pytest.MonkeyPatch
):
    with Watched(NOT_LOW, make_probe=machine.probe_of) as watched:
        machine.tell("power", FULL)
        watched.until_open()
        watched.device.want([])
        assert "power" in machine.running

        monkeypatch.setattr(watch, "LINGER_S", 0.0)
        watched.device.want([Constraints(network="connected")])
        until(lambda: "power" not in machine.running)
        assert list(watched.device.state().facts) == ["network"]

        watched.device.want([NOT_LOW])
        machine.tell("power", LOW)
        watched.until_blocked("battery 14 %")


def test_what_comes_and_goes_is_not_started_twice(machine: Scripted):
    with Watched(NOT_LOW, make_probe=machine.probe_of) as watched:
        machine.tell("power", FULL)
        for _ in range(10):
            watched.device.want([])
            watched.device.want([NOT_LOW])
        watched.until_open()

    assert machine.begun == ["power"]


def test_whoever_fails_when_told_is_told_again(machine: Scripted, caplog: pytest.LogCaptureFixture):
    calls = threading.Semaphore(0)

    def fail() -> None:
        calls.release()
        raise RuntimeError("not now")

    device = Device(fail, folder=".", make_probe=machine.probe_of)
    device.want([NOT_LOW])
    for power in (FULL, LOW):
        machine.tell("power", power)
        assert calls.acquire(timeout=30)
    device.close()

    assert "whoever was told of a change of the device failed" in caplog.text


def test_nobody_is_called_after_the_end(machine: Scripted):
    watched = Watched(NOT_LOW, make_probe=machine.probe_of)
    machine.tell("power", FULL)
    watched.until_open()
    told, tell = watched.told, machine.running["power"]

    watched.device.close()
    tell(LOW)
    watched.device.want([Constraints(charging=True)])

    assert (watched.told, machine.running) == (told, {})


def test_a_device_may_be_closed_by_whoever_it_tells(machine: Scripted):
    closed = threading.Event()

    def close() -> None:
        device.close()
        closed.set()

    device = Device(close, folder=".", make_probe=machine.probe_of)
    device.want([NOT_LOW])
    machine.tell("power", FULL)

    assert closed.wait(30)


def test_a_change_of_the_network_is_told_to_whoever_asks_a_url(machine: Scripted):
    nudged = threading.Event()

    class Asking:
        def run(self, tell: Tell, ear: Ear) -> None:
            while not ear.closed:
                ear.wait()
                nudged.set()

    def make(fact: str) -> Probe:
        return Asking() if fact.startswith("reachable ") else machine.probe_of(fact)

    with Watched(Constraints(reachable="https://example.com/"), make_probe=make):
        machine.tell("network", Network(connected=True))
        assert nudged.wait(30)


def test_a_probe_may_be_nudged_without_end():
    ear = Ear()
    for _ in range(100_000):
        ear.nudge()
    ear.wait()
    ear.let_go()
    ear.nudge()


@pytest.mark.parametrize(
    ("module", "looks"),
    [
        ("windlass.device", "windlass.Windlass"),
        ("psutil", "import windlass.device"),
        ("jeepney", "import windlass.device"),
    ],
)
def test_what_a_device_needs_is_imported_when_it_is_needed(module: str, looks: str):
    program = f"import sys, windlass; {looks}; assert {module!r} not in sys.modules"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
