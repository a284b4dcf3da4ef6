"""What ``dev.py`` sets up, and from what: environments, locks, and parts that only the system can bring."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS, VENV, BENCH_VENV, NEWER_VENV, SYSTEM_VENV, SERVERS_VENV = (
    ROOT / name
    for name in (".tools", ".venv", ".venv-bench", ".venv-bench-newer", ".venv-system", ".venv-servers")
)
SYSTEM_PYTHON = "/usr/bin/python3"

# name of the lock → what uv resolves it from. The later ones agree with the versions of dev.
SHARED = "pyproject.toml --extra cli --extra sync --constraints requirements/dev.txt --group"
LOCK_INPUTS = {
    "tools": "--group tools",
    "dev": "pyproject.toml --all-extras --group dev",
    "run": f"{SHARED} run",
    "bench": f"--extra device --extra ui --extra metrics --extra postgres {SHARED} bench",
    "bench-newer": "--group bench-newer --constraints requirements/bench.txt",
    "bench-optional": "--group bench-optional",
    "servers": "--group servers",
}

# Debian package → the command that shows it is there. Tests that need one fail without it.
SYSTEM_PARTS: dict[str, list[str]] = {
    # The power-cut tests put a fault-injecting VFS under the same SQLite library that the store uses.
    "python3-apsw": [SYSTEM_PYTHON, "-c", "import apsw, sys; sys.exit(sys.version_info < (3, 11))"],
    # The contract is a plain INSERT from any language: the tests issue it from the SQLite shell.
    "sqlite3": ["sqlite3", "--version"],
    # A system bus of the tests' own, with services on it as a desktop has them.
    "dbus-daemon": ["dbus-daemon", "--version"],
    "python3-dbusmock": [SYSTEM_PYTHON, "-c", "import dbusmock"],
    # A network of the tests' own, whose cable can be pulled.
    "iproute2": ["ip", "-Version"],
    # A real browser on the dashboard.
    "chromium": ["chromium", "--version"],
    # A second major version beside the wheel's, and the pooler that many put before their database.
    "postgresql": ["sh", "-c", "ls /usr/lib/postgresql/*/bin/postgres"],
    "pgbouncer": ["sh", "-c", 'PATH="$PATH:/usr/sbin" pgbouncer --version'],
    # Installed units are verified and run by a real systemd: a user's one, in a folder of its own.
    "systemd": ["systemd-analyze", "--version"],
}
