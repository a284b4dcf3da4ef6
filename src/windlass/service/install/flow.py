"""Installing and removing, the same way for every service manager."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from windlass.errors import ServiceError
from windlass.service.install.asking import Ask
from windlass.service.install.plan import Manager, NotOurs, Plan, State, Step, check, record_of


def read(manager: Manager, name: str) -> Plan | None:
    """The plan that is installed under that name; None: nothing is.

    Raises:
        NotOurs: the file there was not written by us.
    """
    path = Path(manager.file(name))
    if not path.exists() and not path.is_symlink():
        return None
    plan = _plan_in(path)
    if plan is None:
        raise NotOurs(
            f"{path} was not written by windlass service install: give another --name, or remove it yourself"
        )
    return plan


def installed(manager: Manager) -> Iterator[Plan]:
    """Every service of ours that this manager knows."""
    folder = Path(manager.file("x")).parent
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        plan = _plan_in(path) if path.is_file() else None
        if plan is not None and manager.file(plan.name) == str(path):
            yield plan


def install(manager: Manager, plan: Plan, ask: Ask, *, start: bool = True) -> bool:
    """Writes the file and has it taken up; True when it was written anew or changed.

    Raises:
        ConfigError: the plan cannot be said in such a file.
        NotOurs: another file, or another program's service, has that name.
        ServiceError: the system refused; the file is there, and to do it again is safe.
    """
    text = manager.text(check(plan))
    there = read(manager, plan.name)
    if there is not None and not _same_program(there, plan):
        raise NotOurs(
            f"{manager.file(plan.name)} is the service of {there.target} in {there.directory}: "
            "give this one another --name"
        )
    path = Path(manager.file(plan.name))
    changed = there is None or path.read_bytes() != text
    if changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    try:
        for step in manager.written(plan, start=start):
            take(step, ask)
    except ServiceError as error:
        raise ServiceError(
            f"{path} is written, but {error}\nwindlass service logs may say more; to install it again is safe"
        ) from error
    return changed


def uninstall(manager: Manager, name: str, ask: Ask) -> bool:
    """Stops the service and removes all that ``install`` made; False when there was nothing.

    Raises:
        NotOurs: the file was not written by us.
        ServiceError: the file cannot be removed.
    """
    if read(manager, name) is None:
        return False
    for step in manager.removing(name):
        take(step, ask)
    path = Path(manager.file(name))
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError(f"{path} cannot be removed: {error.strerror}") from error
    for step in manager.removed(name):
        take(step, ask)
    return True


def look(manager: Manager, name: str, ask: Ask) -> State:
    """What the system says of it now."""
    return manager.state([ask(question) for question in manager.questions(name)])


def outdated(manager: Manager, plan: Plan) -> list[str]:
    """What no longer holds of an installed service; empty: it is as it would be written today."""
    script = plan.target.rpartition(".py")[0]
    gone = [
        f"its {what} {path} is gone"
        for what, path in (
            ("interpreter", plan.interpreter),
            ("working directory", plan.directory),
            ("database", plan.database),
            ("program", f"{script}.py" if script else plan.directory),
        )
        if not os.path.exists(path)
    ]
    if not gone and Path(manager.file(plan.name)).read_bytes() != manager.text(plan):
        return [f"{manager.file(plan.name)} differs from what this version would write"]
    return list(dict.fromkeys(gone))


def take(step: Step, ask: Ask) -> None:
    """Runs one command of an installation.

    Raises:
        ServiceError: it failed, and nothing works without it.
    """
    told = ask(step.command)
    if told.code != 0 and step.must:
        why = told.err or told.out.strip() or f"exit code {told.code}"
        raise ServiceError(f"`{' '.join(step.command)}` failed: {why}")


def _same_program(there: Plan, plan: Plan) -> bool:
    return (
        there.directory == plan.directory
        or there.database == plan.database
        # A program that has moved takes its service along.
        or not os.path.exists(there.directory)
    )


def _plan_in(path: Path) -> Plan | None:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    coding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    return record_of(raw.decode(coding, errors="replace"))


def _replace(path: Path, text: bytes) -> None:
    # Whole or not at all: a manager may read it at any moment.
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(text)
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ServiceError(f"{path} cannot be written: {error.strerror}") from error
