"""What is written for systemd, launchd and Windows, and how it gets there."""

from __future__ import annotations

import os
import plistlib
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from tests.service.waiting import PATIENCE_S
from windlass.errors import ConfigError, ServiceError
from windlass.service.install import flow
from windlass.service.install.asking import ask, manager_here
from windlass.service.install.launchd import Launchd
from windlass.service.install.plan import Manager, NotOurs, Plan, Told, check, record, record_of
from windlass.service.install.systemd import Systemd
from windlass.service.install.windows import NAMESPACE, TaskScheduler

NS = {"t": NAMESPACE}
ODD = [
    "plain", "two words", "100%", "%h", "semi;colon", "; ", 'say "hi"', "it's", "$HOME ${HOME}", "a\\b",
    "ends\\", " ends ", "füße 漢字 🚢", "--", "a -- b", "<&>", "#no comment", "=", "@{}", "~", "\\x41 \\n %%",
]  # fmt: skip


class System:
    """Answers as told; remembers what it was asked."""

    def __init__(self, **answers: Told) -> None:
        self.asked: list[str] = []
        self.answers = answers

    def __call__(self, command: Sequence[str]) -> Told:
        self.asked.append(shlex.join(command))
        known = [answer for word, answer in self.answers.items() if word.replace("_", "-") in command]
        return known[0] if known else Told(0, "", "")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "program.py").write_text("")
    (tmp_path / "app.db").write_text("")
    return Plan(
        name="shop",
        target=str(tmp_path / "program.py"),
        directory=str(tmp_path),
        interpreter="/bin/sh",
        database=str(tmp_path / "app.db"),
        log=str(tmp_path / "app.db-windlass/service.log"),
        grace=30.0,
    )


@pytest.fixture(params=["systemd", "launchd", "windows"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Manager:
    folder = str(tmp_path / "units")
    return {
        "systemd": Systemd(folder, system=False, user="ada"),
        "launchd": Launchd(folder, domain="gui/501"),
        "windows": TaskScheduler(folder),
    }[request.param]


def odd_plan(plan: Plan, folder: Path, word: str) -> Plan:
    """Everything in a folder of that name, which is there."""
    there = folder / word
    there.mkdir()
    python = there / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    return msgspec.structs.replace(
        plan,
        target=f"{there}/program.py",
        directory=str(there),
        interpreter=str(python),
        database=f"{there}/app.db",
        log=f"{there}/service.log",
    )


def verify(folder: Path, text: bytes, *, user: bool) -> str:
    """What `systemd-analyze verify` finds wrong."""
    unit = folder / "windlass-shop.service"
    unit.write_bytes(text)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run(
        ["systemd-analyze", *(["--user"] if user else []), "--recursive-errors=no", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        env=os.environ | {"XDG_RUNTIME_DIR": str(runtime)},
    )
    return done.stderr + (f"exit {done.returncode}" if done.returncode else "")


# ── systemd ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
def test_systemd_finds_nothing_wrong_with_a_unit(plan: Plan, tmp_path: Path, system: bool) -> None:
    made = msgspec.structs.replace(plan, system=system, user="root" if system else None, env={"A": "b c"})
    text = Systemd("/nowhere", system=system, user="root").text(made)

    assert verify(tmp_path, text, user=not system) == ""
    wanted = b"WantedBy=multi-user.target" if system else b"WantedBy=default.target"
    assert wanted in text
    assert (b"User=root" in text) == system


def test_systemd_finds_what_is_wrong(plan: Plan, tmp_path: Path) -> None:
    text = Systemd("/nowhere", system=False, user="root").text(plan)

    assert "notfy" in verify(tmp_path, text.replace(b"Type=notify", b"Type=notfy"), user=True)


@pytest.mark.parametrize("word", ODD)
def test_systemd_reads_odd_paths_as_they_are(plan: Plan, tmp_path: Path, word: str) -> None:
    odd = msgspec.structs.replace(odd_plan(plan, tmp_path, word), env={"WORD": word})
    text = Systemd("/nowhere", system=False, user="root").text(odd)

    assert verify(tmp_path, text, user=True) == ""


def test_what_systemd_cannot_start_is_refused_with_a_way_out(plan: Plan) -> None:
    odd = msgspec.structs.replace(plan, interpreter="/opt/o'brien=1/python")

    with pytest.raises(ConfigError, match="use a link to it"):
        Systemd("/nowhere", system=False, user="root").text(odd)


def test_the_unit_outlasts_the_grace_and_is_limited(plan: Plan) -> None:
    text = Systemd("/x", system=False, user="root").text(msgspec.structs.replace(plan, grace=120.0)).decode()
    lines = set(text.splitlines())

    assert {
        "Type=notify", "NotifyAccess=all", "WatchdogSec=120", "Restart=on-failure", "TimeoutStopSec=130",
        "KillMode=mixed", "StartLimitIntervalSec=600", "StartLimitBurst=10", "OOMPolicy=continue",
    } <= lines  # fmt: skip


def test_systemds_answers_are_understood() -> None:
    manager = Systemd("/x", system=False, user="ada")
    shown = (
        "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nNRestarts=3\nMainPID=77\nResult=success\n"
        "ActiveEnterTimestamp=@1700000000\n"
    )
    state = manager.state([Told(0, shown, ""), Told(0, "Linger=yes\n", "")])

    assert (state.enabled, state.active, state.restarts, state.pid) == (True, "active", 3, 77)
    assert (state.since, state.lingering) == ("2023-11-14T22:13:20+00:00", True)
    silent = manager.state([Told(1, "", "no bus"), Told(1, "", "no bus")])
    assert {getattr(silent, name) for name in silent.__struct_fields__} == {None}


# ── launchd ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("word", ODD)
def test_the_property_list_says_what_launchd_needs(plan: Plan, tmp_path: Path, word: str) -> None:
    odd = msgspec.structs.replace(odd_plan(plan, tmp_path, word), env={"WORD": word})
    told = plistlib.loads(Launchd("/agents", domain="gui/501").text(odd))

    assert told["Label"] == "windlass.shop"
    assert told["ProgramArguments"] == odd.command()
    assert told["WorkingDirectory"] == odd.directory
    assert told["RunAtLoad"] is True
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["ThrottleInterval"] >= 10
    assert told["ExitTimeOut"] == 40
    assert told["StandardOutPath"] == told["StandardErrorPath"] == odd.log
    assert told["EnvironmentVariables"] == {"WORD": word}


def test_launchds_answers_are_understood() -> None:
    manager = Launchd("/agents", domain="gui/501")
    printed = "gui/501/windlass.shop = {\n\tactive count = 1\n\tstate = running\n\truns = 3\n\tpid = 77\n}\n"
    state = manager.state([Told(0, printed, ""), Told(0, '\t"windlass.shop" => enabled\n', "")])
    off = manager.state([Told(0, printed, ""), Told(0, '\t"windlass.shop" => disabled\n', "")])

    assert (state.enabled, state.active, state.restarts, state.pid) == (True, "active", 2, 77)
    assert off.enabled is False
    assert manager.state([Told(113, "", "no such"), Told(0, "", "")]).active == "inactive"


# ── Windows ──────────────────────────────────────────────────────────────────────────────────────
def text_at(task: ElementTree.Element, path: str) -> str | None:
    return task.findtext("/".join(f"t:{name}" for name in path.split("/")), namespaces=NS)


@pytest.mark.parametrize("word", ODD)
def test_the_task_says_what_the_scheduler_needs(plan: Plan, tmp_path: Path, word: str) -> None:
    odd = msgspec.structs.replace(odd_plan(plan, tmp_path, word), user="SHOP\\ada")
    raw = TaskScheduler("C:/tasks").text(odd)
    task = ElementTree.fromstring(raw)

    assert raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    assert task.tag == f"{{{NAMESPACE}}}Task"
    assert text_at(task, "Triggers/LogonTrigger/UserId") == "SHOP\\ada"
    assert text_at(task, "Principals/Principal/LogonType") == "InteractiveToken"
    assert text_at(task, "Settings/RestartOnFailure/Interval") == "PT1M"
    assert text_at(task, "Settings/RestartOnFailure/Count") == "10"
    assert text_at(task, "Settings/ExecutionTimeLimit") == "PT0S"
    assert text_at(task, "Settings/DisallowStartIfOnBatteries") == "false"
    assert text_at(task, "Actions/Exec/Command") == odd.interpreter
    assert text_at(task, "Actions/Exec/WorkingDirectory") == odd.directory
    words = ["-m", "windlass.service.install.here", odd.target, odd.database]
    assert text_at(task, "Actions/Exec/Arguments") == subprocess.list2cmdline(words)


def test_a_task_of_the_machine_starts_with_it_and_one_with_variables_is_refused(plan: Plan) -> None:
    manager = TaskScheduler("C:/tasks")
    task = ElementTree.fromstring(manager.text(msgspec.structs.replace(plan, system=True, user="SHOP\\ada")))

    assert text_at(task, "Triggers/BootTrigger/Enabled") == "true"
    assert text_at(task, "Principals/Principal/UserId") == "S-1-5-18"
    with pytest.raises(ConfigError, match="in windlass"):
        manager.text(msgspec.structs.replace(plan, env={"A": "b"}))


def test_the_schedulers_answer_is_understood_in_any_language() -> None:
    row = '"PC","\\windlass-shop","N/A","Wird ausgeführt","Interaktiv","21.11.2026 19:00:00","0"\n'
    state = TaskScheduler("C:/tasks").state([Told(0, row, "")])

    assert (state.enabled, state.active, state.result) == (True, "Wird ausgeführt", "0")
    assert TaskScheduler("C:/tasks").state([Told(1, "", "not found")]).active == "inactive"


# ── the same for all three ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("word", ODD)
def test_an_installed_file_tells_its_plan(manager: Manager, plan: Plan, tmp_path: Path, word: str) -> None:
    odd = odd_plan(plan, tmp_path, word)
    flow.install(manager, odd, System())

    assert flow.read(manager, "shop") == odd
    assert list(flow.installed(manager)) == [odd]


def test_to_install_is_to_write_once_and_to_update(manager: Manager, plan: Plan) -> None:
    system = System()

    assert flow.install(manager, plan, system)
    assert not flow.install(manager, plan, system)
    file = Path(manager.file("shop"))
    assert file.stat().st_mode & 0o777 == 0o644
    changed = msgspec.structs.replace(plan, grace=99.0)
    assert flow.install(manager, changed, system)
    assert flow.read(manager, "shop") == changed
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_foreign_file_is_neither_overwritten_nor_removed(manager: Manager, plan: Plan) -> None:
    file = Path(manager.file("shop"))
    file.parent.mkdir()
    file.write_text("mine")
    system = System()

    with pytest.raises(NotOurs, match="was not written by windlass"):
        flow.install(manager, plan, system)
    with pytest.raises(NotOurs, match="was not written by windlass"):
        flow.uninstall(manager, "shop", system)
    assert (file.read_text(), system.asked) == ("mine", [])
    assert list(flow.installed(manager)) == []


def test_another_programs_service_of_that_name_is_refused(
    manager: Manager, plan: Plan, tmp_path: Path
) -> None:
    flow.install(manager, plan, System())
    (tmp_path / "other").mkdir()
    other = odd_plan(plan, tmp_path, "another")

    with pytest.raises(NotOurs, match="give this one another --name"):
        flow.install(manager, other, System())
    assert flow.read(manager, "shop") == plan


def test_a_program_that_has_moved_takes_its_service_along(
    manager: Manager, plan: Plan, tmp_path: Path
) -> None:
    old = odd_plan(plan, tmp_path, "old")
    flow.install(manager, old, System())
    (tmp_path / "old").rename(tmp_path / "elsewhere")
    moved = odd_plan(plan, tmp_path, "new")

    assert flow.install(manager, moved, System())
    assert flow.read(manager, "shop") == moved


def test_uninstalling_twice_is_fine(manager: Manager, plan: Plan) -> None:
    system = System()
    flow.install(manager, plan, system)

    assert flow.uninstall(manager, "shop", system)
    assert not Path(manager.file("shop")).exists()
    asked = len(system.asked)
    assert not flow.uninstall(manager, "shop", system)
    assert len(system.asked) == asked


def test_a_system_that_refuses_is_quoted(plan: Plan, tmp_path: Path) -> None:
    manager = Systemd(str(tmp_path / "units"), system=False, user="ada")
    system = System(enable=Told(1, "", "Failed to connect to bus"))

    with pytest.raises(
        ServiceError, match=r"enable windlass-shop\.service` failed: Failed to connect to bus"
    ):
        flow.install(manager, plan, system)
    assert system.asked == ["systemctl --user daemon-reload", "systemctl --user enable windlass-shop.service"]
    assert flow.uninstall(manager, "shop", System(disable=Told(1, "", "no bus")))


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", "-x", "x" * 101, "ü"])
def test_a_name_that_is_no_name_is_refused(plan: Plan, name: str) -> None:
    with pytest.raises(ConfigError, match="expected the name of a service"):
        check(msgspec.structs.replace(plan, name=name))


@pytest.mark.parametrize("mark", ["\n", "\0", "\x1b", "\udc80"])
def test_what_no_file_can_hold_is_refused(plan: Plan, mark: str) -> None:
    with pytest.raises(ConfigError, match="expected no control character"):
        check(msgspec.structs.replace(plan, directory=f"/srv/{mark}x"))
    with pytest.raises(ConfigError, match="expected no control character"):
        check(msgspec.structs.replace(plan, env={"A": f"b{mark}"}))


def test_a_variable_needs_a_name(plan: Plan) -> None:
    with pytest.raises(ConfigError, match="environment variable"):
        check(msgspec.structs.replace(plan, env={"A B": "c"}))


def test_a_record_is_read_from_a_comment_and_damage_is_not_ours(plan: Plan) -> None:
    odd = msgspec.structs.replace(plan, name="a--b", target="--->")

    assert "--" not in record(odd)
    assert record_of(f"<!-- {record(odd)} -->") == odd
    assert record_of("# windlass-installed: {broken}") is None


def test_each_platform_has_its_place() -> None:
    env = {"HOME": "/home/ada", "LOCALAPPDATA": "C:/Users/ada/AppData/Local"}

    def place(platform: str, **more: Any) -> str:
        return manager_here(platform=platform, env=env, **more).file("shop")

    assert place("linux") == "/home/ada/.config/systemd/user/windlass-shop.service"
    assert place("linux", system=True) == "/etc/systemd/system/windlass-shop.service"
    assert place("darwin") == "/home/ada/Library/LaunchAgents/windlass.shop.plist"
    assert place("darwin", system=True) == "/Library/LaunchDaemons/windlass.shop.plist"
    assert place("win32") == "C:/Users/ada/AppData/Local/Windlass/tasks/windlass-shop.xml"
    with pytest.raises(ServiceError, match="no service manager of sunos"):
        place("sunos")


def test_a_command_that_is_not_there_is_an_answer() -> None:
    assert ask(["windlass-no-such-command"]).code == 127
