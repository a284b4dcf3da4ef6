"""Work that waits for the device, from the signal to the handler and back: a real service in a network of its
own, and a program that runs its jobs itself, beside mocked services on a bus of their own.

Probes that poll do so once an hour here. Whatever is seen to happen was told by an event.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.device import laptop
from tests.device.stage import LOGIN1, PATIENCE_S, UPOWER, Namespace, PrivateBus
from tests.service.conftest import Installation
from tests.service.waiting import until
from windlass import Constraints, Context, Job, JobStatus, Windlass

# Each starts a bus, its mocks, a network and a service: two of them at once fill a small machine.
pytestmark = [pytest.mark.alone, pytest.mark.timeout(400)]

PROGRAM = """
from __future__ import annotations

from pathlib import Path

from windlass.device import probe

probe.POLL_S = 3600.0

from windlass import Context, Windlass

HERE = Path(__file__).parent
app = Windlass(HERE / "app.db", isolates=1)


@app.job(max_attempts=1)
def work(ctx: Context) -> None:
    with (HERE / "diary").open("a") as diary:
        print("begun", file=diary, flush=True)
        ctx.wait_cancelled()
        print(ctx.stop_reason, file=diary, flush=True)
    ctx.raise_if_cancelled()


if __name__ == "__main__":
    app.service.start(str(HERE / "program.py"), wait=30)
"""


class Turn(NamedTuple):
    """A condition, and what makes it hold and cease to."""

    constraints: Constraints
    begin: Callable[[PrivateBus], None]
    """Starts the services that tell of it, and it does not hold."""
    hold: Callable[[PrivateBus], None]
    cease: Callable[[PrivateBus], None]
    reason: str
    """Why the job waits."""


def _on_metered_wifi(bus: PrivateBus) -> None:
    laptop.start_manager(bus)
    laptop.meter(bus, laptop.METERED)


def _on_battery(bus: PrivateBus) -> None:
    bus.start(UPOWER)
    _unplug(bus)


def _plug_in(bus: PrivateBus) -> None:
    laptop.plug(bus, out=False)
    laptop.charge(bus, 14, laptop.CHARGING)


def _unplug(bus: PrivateBus) -> None:
    laptop.plug(bus, out=True)
    laptop.charge(bus, 14, laptop.DISCHARGING)


METERED = Turn(
    Constraints(network="unmetered"),
    begin=_on_metered_wifi,
    hold=lambda bus: laptop.meter(bus, laptop.UNMETERED),
    cease=lambda bus: laptop.meter(bus, laptop.METERED),
    reason="on Wi-Fi “Café”, metered: network waits for an unmetered one",
)
BATTERY = Turn(
    Constraints(battery_not_low=True),
    begin=_on_battery,
    hold=lambda bus: laptop.charge(bus, 80, laptop.DISCHARGING),
    cease=lambda bus: laptop.charge(bus, 14, laptop.DISCHARGING),
    reason="battery 14 %, discharging: battery_not_low waits for 20 % or external power",
)
CHARGER = Turn(
    Constraints(charging=True),
    begin=_on_battery,
    hold=_plug_in,
    cease=_unplug,
    reason="battery 14 %, discharging: charging waits for external power",
)
IDLE = Turn(
    Constraints(idle=True),
    begin=lambda bus: bus.start(LOGIN1),
    hold=lambda bus: laptop.rest(bus, since_s=0),
    cease=lambda bus: laptop.rest(bus, since_s=None),
    reason="in use: idle waits until nobody uses the device",
)
TURNS = {"metered": METERED, "battery": BATTERY, "charger": CHARGER, "idle": IDLE}


class Site:
    """A job that needs a condition, as another program sees it: its row, and what its handler wrote down."""

    def __init__(self, app: Windlass, diary: Path, constraints: Constraints) -> None:
        self._app = app
        self._diary = diary
        self._id = app.enqueue("work", constraints=constraints, max_attempts=1).id

    def until_waits(self, reason: str) -> None:
        """Until it waits for a condition, for such a reason, and has spent nothing."""
        until(lambda: reason in self.why, patience_s=PATIENCE_S)
        assert self._app.jobs.why(self._id).code == "constraint"
        job = self.job
        assert (job.status, job.attempts, job.crashes) == (JobStatus.PENDING, 0, 0)
        assert self._app.jobs.attempts(self._id) == []

    def until_written(self, *lines: str) -> None:
        """Until the handler has written these, and nothing else."""

        def read() -> list[str]:
            return self._diary.read_text().split() if self._diary.exists() else []

        until(lambda: len(read()) >= len(lines), patience_s=PATIENCE_S)
        assert read() == list(lines)

    def until_over(self) -> None:
        self._app.jobs.cancel(self._id)
        until(lambda: self.job.status is JobStatus.CANCELLED, patience_s=PATIENCE_S)

    @property
    def why(self) -> str:
        return self._app.jobs.why(self._id).reason

    @property
    def job(self) -> Job:
        job = self._app.jobs.get(self._id)
        assert job is not None
        return job


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    installation.script.write_text(PROGRAM)
    yield installation
    installation.close()


def serve(installed: Installation, bus: PrivateBus, namespace: Namespace) -> None:
    """Starts the service in that network, on that bus."""
    command = [*namespace.enter, sys.executable, str(installed.script)]
    subprocess.run(command, env=bus.environment, check=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_service_starts_stops_and_resumes_work_as_the_device_turns(
    installed: Installation, bus: PrivateBus, namespace: Namespace, turn: Turn
):
    turn.begin(bus)
    site = Site(installed.app, installed.folder / "diary", turn.constraints)
    serve(installed, bus, namespace)
    site.until_waits(turn.reason)

    turn.hold(bus)
    site.until_written("begun")

    turn.cease(bus)
    site.until_written("begun", "constraint")
    site.until_waits(turn.reason)

    turn.hold(bus)
    site.until_written("begun", "constraint", "begun")
    assert site.job.attempts == 1
    site.until_over()


def test_a_cut_link_holds_work_with_a_reason_and_its_return_starts_it(
    installed: Installation, bus: PrivateBus, namespace: Namespace
):
    no_peer = "no network (out is down): network waits for a connection"
    namespace.ip("link set far down")
    site = Site(installed.app, installed.folder / "diary", Constraints(network="connected"))
    serve(installed, bus, namespace)
    site.until_waits(no_peer)

    namespace.ip("link set far up")
    site.until_written("begun")

    namespace.ip("link set far down")
    site.until_written("begun", "constraint")
    site.until_waits(no_peer)

    namespace.ip("link set far up")
    site.until_written("begun", "constraint", "begun")
    site.until_over()


def test_a_service_that_never_saw_the_link_starts_work_when_there_is_one(
    installed: Installation, bus: PrivateBus, namespace: Namespace
):
    namespace.ip("link del out")
    site = Site(installed.app, installed.folder / "diary", Constraints(network="connected"))
    serve(installed, bus, namespace)
    site.until_waits("no network (there is no default route)")

    namespace.plug_in()
    site.until_written("begun")
    site.until_over()


@pytest.mark.parametrize("turn", [BATTERY, CHARGER, IDLE], ids=["battery", "charger", "idle"])
def test_a_program_that_runs_its_own_jobs_goes_by_the_device_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bus: PrivateBus, turn: Turn
):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    for probe in ("power", "idle"):
        monkeypatch.setattr(f"windlass.device.{probe}.POLL_S", 3600.0)
    turn.begin(bus)
    diary = tmp_path / "diary"
    app = Windlass(tmp_path / "app.db")

    @app.job(max_attempts=1)
    def work(ctx: Context) -> None:
        with diary.open("a") as lines:
            print("begun", file=lines, flush=True)
            ctx.wait_cancelled()
            print(ctx.stop_reason, file=lines, flush=True)
        ctx.raise_if_cancelled()

    site = Site(app, diary, turn.constraints)
    with app.running(threads=1):
        site.until_waits(turn.reason)

        turn.hold(bus)
        site.until_written("begun")

        turn.cease(bus)
        site.until_written("begun", "constraint")
        site.until_waits(turn.reason)

        turn.hold(bus)
        site.until_written("begun", "constraint", "begun")
        site.until_over()
    app.close()


def test_work_that_needs_two_things_waits_for_the_second_and_is_stopped_by_the_loss_of_one(
    installed: Installation, bus: PrivateBus, namespace: Namespace
):
    METERED.begin(bus)
    BATTERY.begin(bus)
    both = Constraints(network="unmetered", battery_not_low=True)
    site = Site(installed.app, installed.folder / "diary", both)
    serve(installed, bus, namespace)
    site.until_waits(METERED.reason)
    site.until_waits(BATTERY.reason)

    METERED.hold(bus)
    until(lambda: "network" not in site.why, patience_s=PATIENCE_S)
    site.until_waits(BATTERY.reason)

    BATTERY.hold(bus)
    site.until_written("begun")

    METERED.cease(bus)
    site.until_written("begun", "constraint")
    site.until_waits(METERED.reason)
    assert "battery" not in site.why


def test_when_nobody_can_tell_any_more_nothing_starts_and_nothing_stops(
    installed: Installation, bus: PrivateBus, namespace: Namespace
):
    IDLE.begin(bus)
    IDLE.hold(bus)
    diary = installed.folder / "diary"
    running = Site(installed.app, diary, IDLE.constraints)
    serve(installed, bus, namespace)
    running.until_written("begun")

    bus.stop(LOGIN1)
    waiting = Site(installed.app, diary, IDLE.constraints)
    waiting.until_waits("nothing on this machine tells whether it is in use (logind is not running)")
    running.until_written("begun")
    assert running.job.status is JobStatus.RUNNING

    bus.start(LOGIN1)  # somebody has come meanwhile
    running.until_written("begun", "constraint")
    running.until_waits(IDLE.reason)
    waiting.until_waits(IDLE.reason)


def test_a_bus_that_dies_leaves_work_waiting_with_the_reason(
    installed: Installation, bus: PrivateBus, namespace: Namespace
):
    METERED.begin(bus)
    site = Site(installed.app, installed.folder / "diary", METERED.constraints)
    serve(installed, bus, namespace)
    site.until_waits(METERED.reason)

    bus.die()
    site.until_waits("nothing tells whether it is metered")
