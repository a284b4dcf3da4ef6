"""Schedules, their times and the calendar by the API of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.web.asking import Program, asking, named
from windlass import Windlass
from windlass.testing import ManualClock, drain

ZURICH = ZoneInfo("Europe/Zurich")


class Site:
    """An app on a clock that stands, and its dashboard."""

    def __init__(self, database: str, api: Program, app: Windlass, clock: ManualClock) -> None:
        self.database, self.api, self.app, self.clock = database, api, app, clock

    def go_on(self, hours: int) -> None:
        drain(self.app)
        for _ in range(hours):
            self.clock.advance(timedelta(hours=1))
            drain(self.app)


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    clock = ManualClock()
    clock.jump(datetime(2026, 3, 28, 12, tzinfo=ZURICH))
    app = Windlass(database_url, clock=clock)
    app.job("tick")(lambda fail=False: 1 / 0 if fail else None)
    with asking(app) as api:
        yield Site(database_url, api, app, clock)
    app.close()


def one(site: Site) -> Any:
    (row,) = site.api.get("schedules")["schedules"]
    return row


def test_a_schedule_is_told_with_its_last_runs_oldest_first(site: Site) -> None:
    site.app.schedules.add("hourly", job="tick", every="1h")
    site.go_on(3)
    row = one(site)
    assert (row["name"], row["key"], row["rule"], row["paused"]) == ("hourly", "tick", "every hour", False)
    assert [run["status"] for run in row["runs"]] == ["COMPLETED"] * 4
    assert [run["job_id"] for run in row["runs"]] == sorted(run["job_id"] for run in row["runs"])
    assert {run["late_s"] for run in row["runs"]} == {0.0}


def test_what_went_wrong_is_told_in_a_line(site: Site) -> None:
    site.app.schedules.add("hourly", job="tick", payload={"fail": True}, every="1h", max_attempts=1)
    drain(site.app)
    (run,) = one(site)["runs"]
    assert run["status"] == "FAILED"
    assert "division by zero" in run["error"]


def test_none_is_an_empty_list_and_an_empty_calendar(site: Site) -> None:
    assert site.api.get("schedules")["schedules"] == []
    days = site.api.get("calendar", days=3, tz="Europe/Zurich")["days"]
    assert [day["entries"] for day in days] == [[], [], []]


def test_the_calendar_tells_of_the_night_that_skips_an_hour(site: Site) -> None:
    site.app.schedules.add("nightly", job="tick", at="02:30", tz="Europe/Zurich")
    today, tomorrow, after = site.api.get("calendar", days=3, tz="Europe/Zurich")["days"]
    assert (today["entries"], today["hours"]) == ([], 24.0)
    assert (tomorrow["day"], tomorrow["hours"]) == ("2026-03-29", 23.0)
    assert tomorrow["changes"] == [
        {
            "at": "2026-03-29T01:00:00Z",
            "tz": "Europe/Zurich",
            "before": "02:00",
            "after": "03:00",
            "shift_s": 3600,
        }
    ]
    ((time,),) = [entry["times"] for entry in tomorrow["entries"]]
    assert (time["clock"], "02:30 is skipped" in time["note"]) == ("03:00", True)
    assert after["entries"][0]["times"][0]["note"] is None


def test_the_calendar_is_that_of_whoever_looks(site: Site) -> None:
    site.app.schedules.add("nightly", job="tick", at="02:30", tz="Europe/Zurich")
    days = site.api.get("calendar", days=3, tz="America/New_York")["days"]
    clocks = [time["clock"] for day in days for entry in day["entries"] for time in entry["times"]]
    assert clocks == ["21:00", "20:30", "20:30"]


@pytest.mark.parametrize(
    "query",
    [{"days": 0}, {"days": 400}, {"tz": "Mars/Base"}, {"tz": "../etc/passwd"}, {"days": "x"}],
    ids=["no day", "too many", "no zone", "a path", "no number"],
)
def test_a_calendar_that_cannot_be_is_refused(site: Site, query: dict[str, Any]) -> None:
    response = site.api.client.get("/api/calendar", params=query)
    assert response.status_code == 422


def test_one_schedule_is_told_with_its_times_in_its_own_zone(site: Site) -> None:
    site.app.schedules.add("nightly", job="tick", payload={"fail": False}, at="02:30", tz="Europe/Zurich")
    told = site.api.get("schedules/nightly", days=3, tz="Asia/Tokyo")
    assert [time["local"] for time in told["next"]] == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    assert told["payload"] == {"fail": False}
    assert [change["after"] for change in told["changes"]] == ["03:00"]
    assert told["missed_since"] is None
    assert "windlass schedules run-now nightly" in [each["command"] for each in told["commands"]]


def test_what_nobody_served_is_told_as_missed(site: Site) -> None:
    site.app.schedules.add("hourly", job="tick", every="1h")
    site.go_on(2)
    site.clock.advance(timedelta(hours=5))
    drain(site.app)
    told = site.api.get("schedules/hourly")
    assert len(told["missed"]) == 4
    assert told["missed_since"] == "2026-03-28T11:00:00Z"


def test_pause_resume_and_run_now_do_what_they_say(site: Site) -> None:
    site.app.schedules.add("hourly", job="tick", every="1h", initial_delay="1h")
    assert site.api.post("schedules/hourly/pause")["paused"] is True
    assert site.api.post("schedules/hourly/resume")["paused"] is False
    started = site.api.post("schedules/hourly/run")
    assert started["created"] is True
    assert site.api.post("schedules/hourly/run") == {"job_id": started["job_id"], "created": False}
    assert one(site)["runs"][0]["job_id"] == started["job_id"]


def test_a_name_with_a_slash_is_found(site: Site) -> None:
    site.app.schedules.add("sync:a/b", job="tick", every="1h")
    assert site.api.get(f"schedules/{named('sync:a/b')}")["schedule"]["name"] == "sync:a/b"


@pytest.mark.parametrize("verb", ["run", "pause", "resume"])
def test_there_is_nothing_to_be_done_about_one_that_is_not_there(site: Site, verb: str) -> None:
    assert site.api.post(f"schedules/nobody/{verb}", status=404)["code"] == "no_such_schedule"
    assert site.api.refused("schedules/nobody", 404)["way_out"]


def test_one_that_cannot_be_read_is_shown_with_its_problem(site: Site) -> None:
    site.app.schedules.add("hourly", job="tick", every="1h")
    with site.app.store.transaction() as db:
        db.execute("""UPDATE windlass_schedules SET spec = '{"version":99}'""")
    assert "newer Windlass" in one(site)["problem"]
    assert "newer Windlass" in site.api.get("schedules/hourly")["schedule"]["problem"]
    assert site.api.get("calendar")["days"][0]["entries"] == []


def test_what_is_looked_at_again_and_has_not_changed_is_not_sent_again(site: Site) -> None:
    site.app.schedules.add("hourly", job="tick", every="1h")
    first = site.api.client.get("/api/schedules")
    again = site.api.client.get("/api/schedules", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
