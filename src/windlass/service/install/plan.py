"""What is to be installed, and the record of it that the installed file carries. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

import msgspec

from windlass.errors import ConfigError, ServiceError

_RECORD = re.compile(r"windlass-installed: (\{.*\})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
PREFIX = "windlass-"


class NotOurs(ServiceError):
    """A file of that name is there, and it is somebody else's, or another program's."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One service of one program: all paths are absolute."""

    name: str
    target: str
    directory: str
    interpreter: str
    database: str
    log: str
    grace: float
    """Seconds; the system must wait longer than that before it kills."""
    system: bool = False
    """Starts with the machine rather than when its user logs in."""
    user: str | None = None
    """Whose processes they are; None: whoever the manager itself belongs to."""
    env: dict[str, str] = {}

    def windlass(self, *words: str) -> list[str]:
        """A command of ours on that program's database."""
        return [self.interpreter, "-m", "windlass.cli", *words, "--db", self.database]

    def command(self) -> list[str]:
        """What becomes the service, in the foreground."""
        return self.windlass("run", self.target)


class Step(NamedTuple):
    """One command on the way; ``must``: without it there is no service."""

    command: list[str]
    must: bool = True


class Told(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the operating system says of an installed service; None where it does not say."""

    enabled: bool | None = None
    active: str | None = None
    since: str | None = None
    restarts: int | None = None
    pid: int | None = None
    result: str | None = None
    lingering: bool | None = None


class Manager(Protocol):
    """One operating system's service manager: texts and commands, but no deeds."""

    @property
    def kind(self) -> str:
        """What it is called: ``systemd``, ``launchd``, ``task scheduler``."""
        ...

    def file(self, name: str) -> str:
        """Where the file of that service lies."""
        ...

    def text(self, plan: Plan) -> bytes:
        """The whole file.

        Raises:
            ConfigError: something of the plan cannot be said there.
        """
        ...

    def written(self, plan: Plan, *, start: bool) -> list[Step]:
        """What is to be run once the file is there."""
        ...

    def removing(self, name: str) -> list[Step]:
        """What is to be run before the file goes."""
        ...

    def removed(self, name: str) -> list[Step]:
        """What is to be run when it has gone."""
        ...

    def questions(self, name: str) -> list[list[str]]:
        """The commands whose answers ``state`` understands."""
        ...

    def state(self, answers: list[Told]) -> State:
        """What they say."""
        ...

    def log_command(self, plan: Plan, *, lines: int, follow: bool) -> list[str] | None:
        """What shows the log; None where it is the file ``plan.log``."""
        ...


def check(plan: Plan) -> Plan:
    """The plan, where any manager could carry it.

    Raises:
        ConfigError: a name, path or variable that none of them can.
    """
    if not _NAME.fullmatch(plan.name):
        raise ConfigError(
            f"expected the name of a service to be letters, digits, '-', '_' and '.', got {plan.name!r}"
        )
    for name in plan.env:
        if not _VARIABLE.fullmatch(name):
            raise ConfigError(f"expected the name of an environment variable, got {name!r}")
    paths = (plan.target, plan.directory, plan.interpreter, plan.database, plan.log, plan.user or "")
    for text in (*paths, *plan.env.values()):
        if any(ord(mark) < 32 or ord(mark) == 127 or 0xD800 <= ord(mark) < 0xE000 for mark in text):
            raise ConfigError(
                f"expected no control character and no undecodable byte in {text!r}: rename it, or use a link"
            )
    return plan


def name_for(directory: str) -> str:
    """The name of a service that was given none: its folder's.

    >>> name_for("/home/ada/Field Notes 2"), name_for("/srv/größe"), name_for("/")
    ('field-notes-2', 'gr-e', 'app')
    """
    last = re.split(r"[/\\]", directory.rstrip("/\\"))[-1].lower()
    return re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:60] or "app"


def record(plan: Plan) -> str:
    """One line by which ``record_of`` knows the file again; good within any comment, XML's included."""
    # No XML comment may hold two hyphens.
    return "windlass-installed: " + msgspec.json.encode(plan).decode().replace("--", "-\\u002d")


def record_of(text: str) -> Plan | None:
    """The plan that a file was made from; None: it is not one of ours.

    >>> record_of("[Service]") is None
    True
    """
    found = _RECORD.search(text)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found[1], type=Plan)
    except msgspec.DecodeError:
        return None
