"""Every command, in the order in which ``windlass --help`` shows them.

The one place that names them: ``main`` prints it, ``lazy`` loads from it, and a test holds ``docs/cli.md``
against it. It imports nothing, since it is all that ``windlass --help`` may cost.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A word on the command line and the module whose ``cli`` (a typer app) answers it."""

    name: str
    module: str
    summary: str


PANELS: tuple[tuple[str, tuple[Command, ...]], ...] = (
    (
        "Try it",
        (
            Command("demo", "demo", "See it: jobs under two kill -9, or sync over a bad network [sync]"),
            Command("bench", "bench", "Measure this machine: enqueue, process, wake-up"),
            Command("init", "init", "Write a windlass.toml and an app.py to start from"),
        ),
    ),
    (
        "The service",
        (
            Command("run", "run", "Run the service in the foreground [--reload]"),
            Command("start", "service", "Start the service in the background"),
            Command("stop", "service", "Stop it gracefully: running work gets its grace"),
            Command("restart", "service", "Stop it gracefully and start it again"),
            Command("scale", "service", "Run jobs in more or fewer processes from now on"),
            Command("status", "service", "Is it running, and what is there to do?"),
            Command("hosts", "hosts", "List hosts and what they run; pause, resume or drain one"),
            Command("metrics", "metrics", "Print what /metrics tells, once [metrics]"),
            Command("service", "service_install", "Install it: started at login or boot; status, logs"),
        ),
    ),
    (
        "Jobs",
        (
            Command("enqueue", "enqueue", "Enqueue one job: KEY, then JSON or name=value …"),
            Command("jobs", "jobs", "List, show, retry, cancel, delete; why a job is not running"),
            Command("queues", "queues", "List, pause, resume, limit; pin to a host or a label"),
            Command("schedules", "schedules", "List, show, next times, add, pause, resume, remove, run now"),
            Command("device", "device", "What jobs can wait for, as it is read now, and from which probe"),
            Command("notify", "notify", "Try every channel; list what was told and is not over"),
            Command("watch", "watch", "Everything, live, by keys [terminal]; or one job to its end"),
            Command("ui", "ui", "Open the dashboard in a browser [--read-only] [--port]"),
            Command("audit", "audit", "What was done through the dashboard, and by whom"),
        ),
    ),
    (
        "Sync",
        (Command("sync", "sync", "How synced tables stand; push and pull now; conflicts, failed changes"),),
    ),
    (
        "The database",
        (
            Command("doctor", "doctor", "Look for what may go wrong, and say what to do"),
            Command("migrate", "database", "Bring the schema up to date [--sql: only print it]"),
            Command("backup", "database", "Write a consistent copy while everything runs"),
            Command("restore", "database", "Check a copy, then put it in the database's place"),
            Command("move", "move", "Move everything to another database, and go on there"),
        ),
    ),
)

BY_NAME: dict[str, Command] = {command.name: command for _, panel in PANELS for command in panel}
