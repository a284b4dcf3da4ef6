"""What ``windlass doctor`` asks of the services that the operating system is to start."""

from __future__ import annotations

import os
from collections.abc import Iterator

from windlass.cli.findings import Finding, note, ok, problem, warning
from windlass.errors import ServiceError
from windlass.service.install import flow
from windlass.service.install.asking import Ask, ask, linger_file, manager_here
from windlass.service.install.plan import Manager, Plan
from windlass.service.install.systemd import Systemd

_CHECK = "installed"


def installed(
    database: str, *, answer: Ask = ask, managers: list[Manager] | None = None
) -> Iterator[Finding]:
    """Is what was installed for this database still so, and does it start?"""
    database = os.path.realpath(database)
    for manager in _managers() if managers is None else managers:
        for plan in flow.installed(manager):
            if "://" in plan.database:
                continue  # it is on a server
            if os.path.realpath(plan.database) == database or not os.path.exists(plan.database):
                yield from _of(manager, plan, database, answer)


def _of(manager: Manager, plan: Plan, database: str, answer: Ask) -> Iterator[Finding]:
    again = f"in the program's folder: windlass service install --name {plan.name}"
    remove = f"windlass service uninstall --name {plan.name}"
    if plan.system:
        again, remove = f"{again} --system", f"{remove} --system"
    if os.path.realpath(plan.database) != database:
        # It may have been ours: whoever moved it looks here first.
        moved = os.path.basename(plan.database) == os.path.basename(database)
        finding = warning if moved else note
        yield finding(_CHECK, f"{plan.name} serves {plan.database}, which is gone", f"{again}, or {remove}")
        return
    stale = flow.outdated(manager, plan)
    for what in stale:
        yield warning(_CHECK, f"{plan.name}: {what}", again)
    state = flow.look(manager, plan.name, answer)
    if state.active == "failed" or state.result not in (None, "success", "0"):
        said = f"{plan.name} is {state.active or 'not active'} ({manager.kind}: {state.result})"
        yield problem(_CHECK, said, f"windlass service logs --name {plan.name}")
    elif state.restarts:
        said = f"{plan.name} failed and was started again by {manager.kind}; restarts: {state.restarts}"
        yield warning(_CHECK, said, f"windlass service logs --name {plan.name}")
    elif state.enabled is False:
        yield warning(_CHECK, f"{plan.name} is installed, but not enabled: it will not start", again)
    elif not stale:
        yield ok(_CHECK, f"{plan.name}: {state.active or 'not known here'} ({manager.kind})")
    if isinstance(manager, Systemd) and not plan.system and not _lingers(manager, state.lingering):
        yield note(
            _CHECK,
            f"{plan.name} ends when {manager.user} logs out, and starts at the next login",
            "to have it go on: windlass service install --linger",
        )


def _lingers(manager: Systemd, told: bool | None) -> bool:
    return os.path.exists(linger_file(manager.user)) if told is None else told


def _managers() -> list[Manager]:
    try:
        return [manager_here(), manager_here(system=True)]
    except ServiceError:
        return []  # a system without any: nothing can be installed there
