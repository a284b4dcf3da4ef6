"""Windows: a scheduled task, which starts when its user logs on, or with the machine.

The background service needs a POSIX system, so the task runs the jobs in one process (``here``).
"""

from __future__ import annotations

import csv
import subprocess
from xml.etree import ElementTree

from windlass.errors import ConfigError
from windlass.service.install.plan import PREFIX, Plan, State, Step, Told, record

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_SYSTEM = "S-1-5-18"
_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "AllowHardTerminate": "true",
    "ExecutionTimeLimit": "PT0S",  # none
    "Enabled": "true",
}
_STATUS, _LAST_RESULT = 3, 6
"""Columns of `schtasks /Query /FO CSV /V`, whose headings are in the language of the system."""


class TaskScheduler:
    """Tasks whose texts are kept in ``folder``."""

    kind = "task scheduler"

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def task(self, name: str) -> str:
        """The task's name for the scheduler."""
        return f"{PREFIX}{name}"

    def file(self, name: str) -> str:
        return f"{self._folder}/{self.task(name)}.xml"

    def text(self, plan: Plan) -> bytes:
        if plan.env:
            raise ConfigError(
                "a scheduled task has no environment of its own: put the settings in windlass.toml"
            )
        task = ElementTree.Element("Task", {"version": "1.2", "xmlns": NAMESPACE})
        _add(task, "RegistrationInfo", Description=f"Background jobs of {plan.database}")
        trigger = ElementTree.SubElement(task, "Triggers")
        who = {"UserId": plan.user} if plan.user and not plan.system else {}
        _add(trigger, "BootTrigger" if plan.system else "LogonTrigger", Enabled="true", **who)
        principals = ElementTree.SubElement(task, "Principals")
        account = {"UserId": _SYSTEM} if plan.system else {**who, "LogonType": "InteractiveToken"}
        _add(principals, "Principal", **account, RunLevel="LeastPrivilege").set("id", "Author")
        settings = _add(task, "Settings", **_SETTINGS)
        _add(settings, "RestartOnFailure", Interval="PT1M", Count="10")
        _add(settings, "IdleSettings", StopOnIdleEnd="false", RestartOnIdle="false")
        actions = ElementTree.SubElement(task, "Actions", {"Context": "Author"})
        words = ["-m", "windlass.service.install.here", plan.target, plan.database]
        _add(
            actions,
            "Exec",
            Command=plan.interpreter,
            Arguments=subprocess.list2cmdline(words),
            WorkingDirectory=plan.directory,
        )
        ElementTree.indent(task)
        body = ElementTree.tostring(task, encoding="unicode")
        head = '<?xml version="1.0" encoding="UTF-16"?>'
        return f"{head}\n<!-- {record(plan)} -->\n{body}\n".encode("utf-16")

    def written(self, plan: Plan, *, start: bool) -> list[Step]:
        task = self.task(plan.name)
        create = Step(["schtasks", "/Create", "/TN", task, "/XML", self.file(plan.name), "/F"])
        if not start:
            return [create]
        return [
            create,
            Step(["schtasks", "/End", "/TN", task], must=False),
            Step(["schtasks", "/Run", "/TN", task]),
        ]

    def removing(self, name: str) -> list[Step]:
        task = self.task(name)
        return [
            Step(["schtasks", "/End", "/TN", task], must=False),
            Step(["schtasks", "/Delete", "/TN", task, "/F"], must=False),
        ]

    def removed(self, name: str) -> list[Step]:
        del name
        return []

    def questions(self, name: str) -> list[list[str]]:
        return [["schtasks", "/Query", "/TN", self.task(name), "/FO", "CSV", "/V", "/NH"]]

    def state(self, answers: list[Told]) -> State:
        (answer,) = answers
        row = next(csv.reader(answer.out.splitlines()), list[str]())
        if answer.code != 0 or len(row) <= _LAST_RESULT:
            return State(enabled=False, active="inactive")
        return State(enabled=True, active=row[_STATUS], result=row[_LAST_RESULT])

    def log_command(self, plan: Plan, *, lines: int, follow: bool) -> list[str] | None:
        del plan, lines, follow
        return None


def _add(parent: ElementTree.Element, name: str, **texts: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name)
    for child, text in texts.items():
        ElementTree.SubElement(element, child).text = text
    return element
