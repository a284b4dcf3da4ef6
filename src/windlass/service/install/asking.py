"""The system's own commands, and which service manager it has."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from windlass.errors import ServiceError
from windlass.service.install.launchd import Launchd
from windlass.service.install.plan import Manager, Told
from windlass.service.install.systemd import Systemd
from windlass.service.install.windows import TaskScheduler

Ask = Callable[[Sequence[str]], Told]
_ANSWER_S = 300.0
"""A start answers when the service is ready, and a stop when its grace is over."""


def ask(command: Sequence[str]) -> Told:
    """Runs a command to its end. One that is not there answers 127, as a shell has it; nothing is raised."""
    env = dict(os.environ, LC_ALL="C")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=env, timeout=_ANSWER_S, check=False
        )
    except FileNotFoundError:
        return Told(127, "", f"there is no {command[0]} on this system")
    except subprocess.TimeoutExpired:
        return Told(124, "", f"{command[0]} did not answer within {_ANSWER_S:g} s")
    return Told(done.returncode, done.stdout, done.stderr.strip())


def manager_here(
    *, system: bool = False, platform: str = sys.platform, env: Mapping[str, str] | None = None
) -> Manager:
    """The service manager of this machine, for this user or, with ``system``, for all.

    Raises:
        ServiceError: none that Windlass knows.
    """
    env = os.environ if env is None else env
    home = env.get("HOME") or str(Path.home())
    if platform == "linux":
        config = env.get("XDG_CONFIG_HOME") or f"{home}/.config"
        folder = "/etc/systemd/system" if system else f"{config}/systemd/user"
        return Systemd(folder, system=system, user=getpass.getuser())
    if platform == "darwin":
        folder = "/Library/LaunchDaemons" if system else f"{home}/Library/LaunchAgents"
        return Launchd(folder, domain="system" if system else f"gui/{_uid()}")
    if platform == "win32":
        base = env.get("PROGRAMDATA" if system else "LOCALAPPDATA") or home
        return TaskScheduler(f"{base}/Windlass/tasks")
    raise ServiceError(
        f"no service manager of {platform} is known: let its own start `windlass run`, which stays in front"
    )


def linger_file(user: str) -> str:
    """There while that user's services go on after logout: systemd-logind's own note."""
    return f"/var/lib/systemd/linger/{user}"


def _uid() -> int:
    return os.getuid() if sys.platform != "win32" else 0
