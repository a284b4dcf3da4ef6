"""launchd: an agent of the user who logs in, or a daemon of the machine."""

from __future__ import annotations

import plistlib
import re
from typing import Any

from windlass.service.install.plan import Plan, State, Step, Told, record

_MARGIN_S = 10
_THROTTLE_S = 10
_LABEL = "windlass."


class Launchd:
    """Property lists in ``folder``; ``domain`` is ``gui/501`` or ``system``."""

    kind = "launchd"

    def __init__(self, folder: str, *, domain: str) -> None:
        self._folder = folder
        self._domain = domain

    def label(self, name: str) -> str:
        """The service's name for launchd."""
        return f"{_LABEL}{name}"

    def file(self, name: str) -> str:
        return f"{self._folder}/{self.label(name)}.plist"

    def text(self, plan: Plan) -> bytes:
        told: dict[str, Any] = {
            "Label": self.label(plan.name),
            "ProgramArguments": plan.command(),
            "WorkingDirectory": plan.directory,
            "RunAtLoad": True,
            # Again after a failure; not after `windlass stop`.
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": _THROTTLE_S,
            "ExitTimeOut": round(plan.grace) + _MARGIN_S,
            "ProcessType": "Standard",
            "StandardOutPath": plan.log,
            "StandardErrorPath": plan.log,
        }
        if plan.env:
            told["EnvironmentVariables"] = plan.env
        if plan.system and plan.user:
            told["UserName"] = plan.user
        head, mark, rest = plistlib.dumps(told, sort_keys=False).partition(b"<plist")
        return head + f"<!-- {record(plan)} -->\n".encode() + mark + rest

    def written(self, plan: Plan, *, start: bool) -> list[Step]:
        at = f"{self._domain}/{self.label(plan.name)}"
        enable = Step(["launchctl", "enable", at])
        if not start:
            return [enable]
        # The one before it has to go first; there may be none.
        return [
            Step(["launchctl", "bootout", at], must=False),
            enable,
            Step(["launchctl", "bootstrap", self._domain, self.file(plan.name)]),
        ]

    def removing(self, name: str) -> list[Step]:
        return [Step(["launchctl", "bootout", f"{self._domain}/{self.label(name)}"], must=False)]

    def removed(self, name: str) -> list[Step]:
        del name
        return []

    def questions(self, name: str) -> list[list[str]]:
        return [
            ["launchctl", "print", f"{self._domain}/{self.label(name)}"],
            ["launchctl", "print-disabled", self._domain],
        ]

    def state(self, answers: list[Told]) -> State:
        printed, disabled = answers
        said = dict(re.findall(r"^\s(state|pid|runs|last exit code) = (.+)$", printed.out, re.MULTILINE))
        label = re.search(r"/([^/\s]+) = \{", printed.out)
        off = label and re.search(rf'"{re.escape(label[1])}" => (?:disabled|true)', disabled.out)
        if printed.code != 0:
            return State(active="inactive")
        return State(
            enabled=not off,
            active="active" if said.get("state") == "running" else said.get("state"),
            restarts=max(int(said["runs"]) - 1, 0) if "runs" in said else None,
            pid=int(said["pid"]) if "pid" in said else None,
            result=said.get("last exit code"),
        )

    def log_command(self, plan: Plan, *, lines: int, follow: bool) -> list[str] | None:
        del plan, lines, follow
        return None
