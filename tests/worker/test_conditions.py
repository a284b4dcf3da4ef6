"""What may start and what must stop, by what a device says: on a real store, by a clock of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import outsider
from tests.store.conformance.steps import accept_any, add, register, the
from windlass.constraints import Constraints, to_text
from windlass.facts import DeviceState
from windlass.store import open_store
from windlass.store.protocol import Claim, ClaimRequest
from windlass.testing import FakeDevice, ManualClock
from windlass.worker import conditions
from windlass.worker.conditions import LOST_S, STEADY_S, Conditions

ONLINE = to_text(Constraints(network="connected"))
CHARGING = to_text(Constraints(charging=True))
NEW_FILE = to_text(Constraints(files="inbox/*.csv"))


class Desk:
    """The conditions of one dispatcher, driven by hand."""

    def __init__(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.database = database
        self.store = open_store(database, self.clock)
        self.store.migrate()
        self.device = FakeDevice()
        self.now = 1000.0
        self.looks = 0
        self.wakes = 0
        monkeypatch.setattr(conditions, "monotonic", lambda: self.now)
        self.conditions = Conditions(self.store, self._open, self._wake)
        self.conditions.owner = register(self.store)

    def _open(self, on_change: object) -> object:
        self.looks += 1
        return self.device.open(on_change, clock=self.clock)

    def _wake(self) -> None:
        self.wakes += 1
        self.conditions.turned()

    def open_lanes(self) -> list[str | None]:
        return [lane.constraints for lane in self.conditions.sift(self.store.lanes())]

    def claim(self) -> list[Claim]:
        lanes = self.conditions.sift(self.store.lanes())
        before = self.conditions.changed_us(lanes)
        request = ClaimRequest(self.conditions.owner, 10, dict.fromkeys(lanes, 10), accept_any, before)
        claimed = self.store.settle_and_claim([], request).claimed
        self.conditions.started(claimed)
        return claimed

    def lost(self) -> list[int]:
        return [claim.job_id for claim in self.conditions.lost(self.now)]

    def published(self) -> list[DeviceState]:
        self.conditions.publish(self.now)
        return [DeviceState.from_text(row.state) for row in self.store.devices()]


@pytest.fixture
def desk(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(database_url, monkeypatch)
    yield desk
    desk.conditions.close()
    desk.store.close()


# ── what may start ─────────────────────────────────────────────────────────────────────────────────
def test_nobody_looks_at_the_device_before_a_job_asks_for_it(desk: Desk) -> None:
    add(desk.store)
    assert desk.open_lanes() == [None]
    assert (desk.looks, desk.conditions.next_moment, desk.published()) == (0, None, [])
    add(desk.store, constraints=ONLINE)
    assert desk.open_lanes() == [None, ONLINE]
    assert desk.looks == 1


def test_a_lane_opens_when_its_condition_begins_to_hold_and_closes_again(desk: Desk) -> None:
    desk.device.set(network="none", charging=False)
    for text in (ONLINE, CHARGING):
        add(desk.store, constraints=text)
    assert desk.open_lanes() == []
    desk.device.set(network="metered")
    assert (desk.wakes, desk.open_lanes()) == (1, [ONLINE])
    desk.device.set(network="none", charging=True)
    assert desk.open_lanes() == [CHARGING]


def test_what_nobody_can_tell_starts_nothing_and_stops_nothing(desk: Desk) -> None:
    running, waiting = add(desk.store, constraints=ONLINE), add(desk.store, "later", constraints=ONLINE)
    lanes = [lane for lane in desk.store.lanes() if lane.key == "work"]
    assert len(desk.conditions.sift(lanes)) == 1
    request = ClaimRequest(desk.conditions.owner, 1, dict.fromkeys(lanes, 1), accept_any)
    desk.conditions.started(desk.store.settle_and_claim([], request).claimed)
    desk.device.set(unknown={"network": "its daemon is restarted"})
    desk.now += 10 * LOST_S
    assert desk.lost() == []
    assert desk.open_lanes() == []
    assert the(desk.store, running).status == "RUNNING"
    assert the(desk.store, waiting).hold is None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "expected constraints to be a JSON object"),
        ('{"network":"wifi"}', "expected network to be"),
        ('{"weather":"dry"}', "knows no constraint weather"),
        ("[]", "expected constraints to be a JSON object"),
        ("", "expected constraints to be a JSON object"),
        ('{"files":' + "[" * 100_000 + "]" * 100_000 + "}", "constraints cannot be read"),
        ('{"idle":{}}', "expected idle"),
        ('{"files":[[]]}', "expected files"),
        ('{"when":7}', "when"),
        ('{"reachable":[]}', "expected reachable"),
        ('{"storage_not_low":-1.5}', "expected storage_not_low"),
        ('{"debounce":"5s"}', "expected files beside debounce"),
    ],
)
def test_what_a_foreign_program_wrote_and_nobody_can_read_is_held_with_the_reason(
    desk: Desk, written: str, told: str
) -> None:
    is_held_with_the_reason(desk, written, told)


@pytest.mark.sqlite
def test_bytes_in_the_place_of_text_are_held_with_the_reason(desk: Desk) -> None:
    is_held_with_the_reason(desk, b"\x00\x01", "expected JSON text")


def is_held_with_the_reason(desk: Desk, written: object, told: str) -> None:
    insert = (
        "INSERT INTO background_service_jobs (job_key, status, constraints) VALUES ('work', 'PENDING', ?)"
    )
    for _ in range(3):
        outsider.run(desk.database, insert, written)
    good = add(desk.store, constraints=CHARGING)
    assert [claim.job_id for claim in desk.claim()] == [good]
    for job_id in range(1, 4):
        job = the(desk.store, job_id)
        assert job.hold is not None
        assert told in job.hold
        assert job.constraints is None


def test_what_a_foreign_program_wrote_in_its_own_way_is_understood(desk: Desk) -> None:
    insert = (
        "INSERT INTO background_service_jobs (job_key, status, constraints) VALUES ('work', 'PENDING', ?)"
    )
    outsider.run(desk.database, insert, '{ "charging": true }')
    desk.device.set(charging=False)
    assert desk.claim() == []
    desk.device.set(charging=True)
    assert len(desk.claim()) == 1


# ── files ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_change_of_files_starts_what_waited_for_it_and_not_what_came_later(desk: Desk) -> None:
    """WorkManager's content triggers: one change, one run."""
    early = add(desk.store, constraints=NEW_FILE)
    assert desk.claim() == []
    desk.clock.advance(10)
    desk.device.touch("inbox/a.csv")
    desk.clock.advance(10)
    late = add(desk.store, constraints=NEW_FILE, priority=9)
    assert [claim.job_id for claim in desk.claim()] == [early]
    assert desk.claim() == []
    desk.clock.advance(10)
    desk.device.touch("inbox/b.csv")
    assert [claim.job_id for claim in desk.claim()] == [late]


def test_a_job_that_a_change_of_files_started_is_not_stopped_by_the_next(desk: Desk) -> None:
    add(desk.store, constraints=NEW_FILE)
    desk.claim()
    desk.clock.advance(10)
    desk.device.touch("inbox/a.csv")
    assert len(desk.claim()) == 1
    desk.device.touch("inbox/a.csv")
    desk.now += 10 * LOST_S
    assert desk.lost() == []


# ── what must stop ─────────────────────────────────────────────────────────────────────────────────
def test_a_running_job_is_asked_once_when_its_condition_stays_away(desk: Desk) -> None:
    job_id = add(desk.store, constraints=ONLINE)
    add(desk.store, constraints=CHARGING)
    add(desk.store)
    assert len(desk.claim()) == 3
    assert desk.published()
    desk.now += 60
    desk.device.set(network="none")
    assert desk.lost() == []
    assert desk.conditions.next_moment == desk.now + LOST_S
    desk.now += LOST_S
    assert desk.lost() == [job_id]
    desk.now += LOST_S
    assert desk.lost() == []


def test_what_is_blocked_costs_no_wake_ups(desk: Desk) -> None:
    desk.device.set(network="none")
    add(desk.store, constraints=ONLINE)
    add(desk.store, constraints=CHARGING)
    [claim] = desk.claim()
    assert desk.published()
    assert desk.conditions.next_moment is None
    desk.device.set(charging=False)
    desk.now += 60
    assert desk.lost() == [claim.job_id]
    desk.published()
    assert desk.conditions.next_moment is None
    desk.conditions.over(claim)
    assert desk.open_lanes() == []
    desk.now += 60
    desk.published()
    assert (desk.lost(), desk.conditions.next_moment) == ([], None)


def test_what_comes_back_at_once_was_never_lost(desk: Desk) -> None:
    """WorkManager stops the work at each flicker."""
    add(desk.store, constraints=ONLINE)
    desk.claim()
    for _ in range(20):
        desk.device.set(network="none")
        desk.now += LOST_S / 2
        assert desk.lost() == []
        desk.device.set(network="metered")
        desk.now += LOST_S
        assert desk.lost() == []


def test_a_job_that_has_ended_is_not_asked_to_stop(desk: Desk) -> None:
    add(desk.store, constraints=ONLINE)
    [claim] = desk.claim()
    desk.device.set(network="none")
    desk.conditions.over(claim)
    desk.now += LOST_S
    assert desk.lost() == []


def test_a_condition_that_comes_and_goes_does_not_start_and_stop_work_all_day(desk: Desk) -> None:
    add(desk.store, constraints=ONLINE)
    stops = 0
    for _ in range(60):  # a minute of a network that is there for half of each second
        claimed = desk.claim()
        desk.device.set(network="none")
        desk.now += LOST_S
        stops += len(desk.lost())
        for claim in claimed:
            desk.conditions.over(claim)
            desk.store.reclaim(desk.conditions.owner)
        desk.device.set(network="metered")
        desk.now += LOST_S
    assert stops == 2
    assert desk.open_lanes() == []
    desk.now += STEADY_S
    assert desk.conditions.has_steadied(desk.now)
    assert not desk.conditions.has_steadied(desk.now)
    assert desk.open_lanes() == [ONLINE]


def test_the_first_loss_costs_no_waiting(desk: Desk) -> None:
    add(desk.store, constraints=ONLINE)
    [claim] = desk.claim()
    desk.device.set(network="none")
    desk.now += LOST_S
    assert desk.lost() == [claim.job_id]
    desk.conditions.over(claim)
    desk.store.reclaim(desk.conditions.owner)
    assert desk.open_lanes() == []
    desk.device.set(network="metered")
    assert desk.open_lanes() == [ONLINE]


# ── what others may read ───────────────────────────────────────────────────────────────────────────
def test_what_is_read_is_written_down_while_some_job_asks_for_it(desk: Desk) -> None:
    job_id = add(desk.store, constraints=ONLINE)
    desk.device.set(network="none")
    assert desk.open_lanes() == []
    [state] = desk.published()
    assert str(state.facts["network"]).startswith("no network")
    desk.store.cancel([job_id])
    assert desk.open_lanes() == []
    assert len(desk.published()) == 1  # jobs come and go
    assert desk.conditions.next_moment is not None
    desk.now = desk.conditions.next_moment
    assert desk.published() == []
    assert desk.conditions.next_moment is None


def test_what_has_not_changed_is_not_written_again(desk: Desk) -> None:
    """A commit for nothing wakes every dispatcher."""
    add(desk.store, constraints=ONLINE)
    desk.open_lanes()
    assert len(desk.published()) == 1
    [before] = desk.store.devices()
    desk.clock.advance(60)
    desk.device.set(network="unmetered")
    desk.now += 60
    desk.published()
    assert desk.store.devices() == [before]
    desk.device.set(network="none")
    desk.now += 60
    desk.published()
    assert desk.store.devices() != [before]
