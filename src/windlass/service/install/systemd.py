"""systemd: a unit of the user's own manager, or of the machine's."""

from __future__ import annotations

from datetime import UTC, datetime

from windlass.errors import ConfigError
from windlass.service.install.plan import PREFIX, Plan, State, Step, Told, record

_WATCHDOG_S = 120
"""The supervisor looks at half of it: once a minute."""
_LOAD_S = 90
_MARGIN_S = 10
_PROPERTIES = "LoadState,UnitFileState,ActiveState,ActiveEnterTimestamp,NRestarts,MainPID,Result"

_UNIT = """\
# {record}
# Written by `windlass service install`, which also updates it; `windlass service uninstall` removes it.
[Unit]
Description={description}
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=notify
# Notifications come from the dispatcher too; what handlers start is not told the address.
NotifyAccess=all
ExecStart={start}
ExecReload={reload}
WorkingDirectory={directory}
{more}Restart=on-failure
RestartSec=2
# A setting that cannot be right, or another service on this database: a restart would not mend it.
RestartPreventExitStatus=2 4
TimeoutStartSec={start_s:g}
TimeoutStopSec={stop_s:g}
WatchdogSec={watchdog_s}
# The supervisor tells its own processes to stop; what is left after that is killed.
KillMode=mixed
# One worker out of memory is that worker's end: the service starts another.
OOMPolicy=continue
# A core file would hold the jobs' payloads.
LimitCORE=0
{guarded}
[Install]
WantedBy={wanted_by}
"""
# What takes /tmp, devices, sudo or the home folder away is left out: handlers are programs of their own.
_GUARDED = """\
ProtectSystem=yes
ProtectControlGroups=yes
"""


class Systemd:
    """Units in ``folder``; ``system``: those of the machine. ``user`` is whom lingering is asked about."""

    kind = "systemd"

    def __init__(self, folder: str, *, system: bool, user: str) -> None:
        self._folder = folder
        self.user = user
        self._ctl = ["systemctl"] if system else ["systemctl", "--user"]
        self.system = system

    def unit(self, name: str) -> str:
        """The unit's name: ``windlass-shop.service``."""
        return f"{PREFIX}{name}.service"

    def file(self, name: str) -> str:
        return f"{self._folder}/{self.unit(name)}"

    def text(self, plan: Plan) -> bytes:
        more = [f"User={_percent(plan.user)}\n"] if plan.system and plan.user else []
        more += [f"Environment={quoted(f'{name}={value}')}\n" for name, value in plan.env.items()]
        wait_s = plan.grace + _LOAD_S
        return _UNIT.format(
            record=record(plan),
            description=_percent(f"{plan.name}: background jobs of {plan.database}"),
            start=_command(plan.command()),
            reload=_command(plan.windlass("restart", "--wait", f"{_LOAD_S}s")),
            directory=_directory(plan.directory),
            more="".join(more),
            start_s=wait_s + _MARGIN_S,
            stop_s=plan.grace + _MARGIN_S,
            watchdog_s=_WATCHDOG_S,
            guarded=_GUARDED if plan.system else "",
            wanted_by="multi-user.target" if plan.system else "default.target",
        ).encode()

    def written(self, plan: Plan, *, start: bool) -> list[Step]:
        unit = self.unit(plan.name)
        steps = [Step([*self._ctl, "daemon-reload"]), Step([*self._ctl, "enable", unit])]
        return [*steps, Step([*self._ctl, "restart", unit])] if start else steps

    def removing(self, name: str) -> list[Step]:
        # Not a must: where no manager runs there is nothing to stop, and its link would lead nowhere.
        return [Step([*self._ctl, "disable", "--now", self.unit(name)], must=False)]

    def removed(self, name: str) -> list[Step]:
        return [
            Step([*self._ctl, "daemon-reload"], must=False),
            Step([*self._ctl, "reset-failed", self.unit(name)], must=False),
        ]

    def questions(self, name: str) -> list[list[str]]:
        show = [*self._ctl, "show", self.unit(name), "--timestamp=unix", f"--property={_PROPERTIES}"]
        linger = ["loginctl", "show-user", self.user, "--property=Linger"]
        return [show] if self.system else [show, linger]

    def state(self, answers: list[Told]) -> State:
        told: dict[str, str] = {}
        for answer in answers:
            if answer.code == 0:
                told |= dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
        since = told.get("ActiveEnterTimestamp", "").removeprefix("@")
        return State(
            enabled=told["UnitFileState"] == "enabled" if told.get("UnitFileState") else None,
            active=told.get("ActiveState"),
            since=datetime.fromtimestamp(int(since), UTC).isoformat() if since.isdecimal() else None,
            restarts=_number(told.get("NRestarts")),
            pid=_number(told.get("MainPID")) or None,
            result=told.get("Result"),
            lingering=told["Linger"] == "yes" if "Linger" in told else None,
        )

    def linger(self) -> Step:
        """Lets the user's services go on after logout, and start with the machine."""
        return Step(["loginctl", "enable-linger", self.user])

    def log_command(self, plan: Plan, *, lines: int, follow: bool) -> list[str] | None:
        which = "--unit" if self.system else "--user-unit"
        journal = ["journalctl", which, self.unit(plan.name), "--lines", str(lines), "--no-pager"]
        return [*journal, "--follow"] if follow else journal


def quoted(text: str) -> str:
    """One word of a unit file: in double quotes, with nothing in it left to be understood.

    >>> print(quoted('100% "sure" \\\\ ; $HOME'))
    "100%% \\"sure\\" \\\\ ; $HOME"
    """
    escaped = _percent(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _command(words: list[str]) -> str:
    # The colon: no variable is put in for a $. The name of the program itself may hold no quotes.
    program = words[0]
    if any(mark in program for mark in "\"'\\"):
        if "=" in program:
            raise ConfigError(
                f"systemd cannot start {program}, with both a quote and '=' in its path: use a link to it"
            )
        words = ["/usr/bin/env", *words]
    return " ".join([f":{quoted(words[0])}", *map(quoted, words[1:])])


def _directory(path: str) -> str:
    # Taken as it stands, but for the end of the line: a slash keeps a last space or backslash.
    return f"{_percent(path)}/" if path[-1] in " \\" else _percent(path)


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
