"""``windlass device``: what can be waited for, as it is read now; and what ``doctor`` says of it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.service.waiting import until
from windlass import Constraints, Windlass
from windlass.testing import FakeDevice

PROGRAM = """
from windlass import Constraints, Windlass

app = Windlass("app.db")

@app.condition("docked")
def docked():
    return "the laptop is not in its dock"

@app.condition("broken")
def broken():
    raise RuntimeError("no such sensor")
"""

FAKE = """
from windlass import Windlass
from windlass.testing import FakeDevice

app = Windlass("app.db", device=FakeDevice(battery=14, charging=False, network="metered", idle=False))
"""


def test_each_condition_says_what_is_read_and_by_whom(cli: Command, home: Path) -> None:
    Windlass(home / "app.db").store.migrate()
    answer = cli("device", "--db", "app.db", "--json")
    assert answer.code == 0, answer
    told = {one["condition"]: one for one in answer.data}
    assert told["storage_not_low True"]["probe"] == "FileSystem"
    assert " free" in told["storage_not_low True"]["reads"]
    assert {"network connected", "network unmetered", "charging", "idle True"} <= told.keys()
    assert all(one["reads"] for one in answer.data)
    assert "it has not been looked at yet" not in answer.out


def test_what_does_not_hold_is_told_apart(cli: Command, home: Path) -> None:
    (home / "fake.py").write_text(FAKE)
    Windlass(home / "app.db").store.migrate()
    told = {one["condition"]: one for one in cli("device", "--app", "fake.py", "--json").data}
    assert told["battery_not_low"]["reads"] == "battery 14 %, discharging"
    assert told["idle True"]["reads"] == "in use"
    held = {name for name, one in told.items() if one["holds"]}
    assert held == {"network connected", "network not_roaming", "storage_not_low True"}
    table = cli("device", "--app", "fake.py").out
    assert "✘  battery 14 %, discharging" in table


def test_an_apps_own_conditions_are_asked_where_a_job_waits_for_them(cli: Command, home: Path) -> None:
    (home / "dock.py").write_text(PROGRAM)
    app = Windlass(home / "app.db")
    for name in ("docked", "broken"):
        app.enqueue("copy", constraints=Constraints(when=name))
    app.close()
    told = {one["condition"]: one for one in cli("device", "--app", "dock.py", "--json").data}
    assert (told["when docked"]["holds"], told["when docked"]["reads"]) == (
        False,
        "the laptop is not in its dock",
    )
    assert "no such sensor" in told["when broken"]["reads"]


def test_the_doctor_names_what_waits_for_a_condition(cli: Command, home: Path) -> None:
    app = Windlass(home / "app.db", device=FakeDevice(network="none"))

    @app.job(constraints=Constraints(network="connected"))
    def upload() -> None: ...

    assert "conditions" not in cli("doctor", "--db", "app.db").out
    with app.running():
        job = upload.enqueue()
        until(lambda: "no network" in app.jobs.why(job.id).reason)
        out = " ".join(cli("doctor", "--db", "app.db").out.split())
        assert "waiting: upload (no network: network waits for a connection)" in out
    app.close()
