"""What doctor says of an installed service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.test_install import System, plan
from windlass.cli import service_checks
from windlass.service.install import flow
from windlass.service.install.plan import Manager, Plan, Told
from windlass.service.install.systemd import Systemd

__all__ = ["plan"]


def levels(
    plan: Plan, manager: Manager, system: System, database: str | None = None
) -> list[tuple[str, str]]:
    found = service_checks.installed(database or plan.database, answer=system, managers=[manager])
    return [(finding.level, finding.says) for finding in found]


def showing(**fields: str) -> System:
    told = {
        "UnitFileState": "enabled",
        "ActiveState": "active",
        "NRestarts": "0",
        "Result": "success",
    } | fields
    shown = "\n".join(f"{name}={value}" for name, value in told.items())
    return System(show=Told(0, shown, ""), show_user=Told(0, "Linger=yes", ""))


@pytest.fixture
def units(tmp_path: Path, plan: Plan) -> Systemd:
    manager = Systemd(str(tmp_path / "units"), system=False, user="ada")
    flow.install(manager, plan, System())
    return manager


def test_doctor_is_content_with_what_is_well(plan: Plan, units: Systemd) -> None:
    assert levels(plan, units, showing()) == [("ok", "shop: active (systemd)")]


@pytest.mark.parametrize(
    ("fields", "level", "said"),
    [
        ({"ActiveState": "failed", "Result": "exit-code"}, "problem", "shop is failed"),
        ({"ActiveState": "activating", "Result": "watchdog"}, "problem", "systemd: watchdog"),
        ({"NRestarts": "4"}, "warning", "restarts: 4"),
        ({"UnitFileState": "disabled"}, "warning", "not enabled"),
    ],
)
def test_doctor_sees_a_service_that_fails(
    plan: Plan, units: Systemd, fields: dict[str, str], level: str, said: str
) -> None:
    ((found, says),) = levels(plan, units, showing(**fields))

    assert found == level
    assert said in says


def test_doctor_sees_that_lingering_is_off(plan: Plan, units: Systemd) -> None:
    system = showing()
    system.answers["show_user"] = Told(0, "Linger=no", "")

    assert ("note", "shop ends when ada logs out, and starts at the next login") in levels(
        plan, units, system
    )


def test_doctor_sees_what_is_gone_and_what_is_old(plan: Plan, units: Systemd, tmp_path: Path) -> None:
    file = Path(units.file("shop"))
    text = file.read_text()
    file.write_text(text.replace("WatchdogSec=120", "WatchdogSec=1"))
    assert "differs from what this version would write" in levels(plan, units, showing())[0][1]

    file.write_text(text)
    (tmp_path / "program.py").unlink()
    assert levels(plan, units, showing())[0] == ("warning", f"shop: its program {plan.target} is gone")

    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "app.db").rename(tmp_path / "moved/app.db")
    said = ("warning", f"shop serves {plan.database}, which is gone")
    assert levels(plan, units, showing(), str(moved)) == [said]
