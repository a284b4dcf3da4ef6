"""How a service that runs is."""

from __future__ import annotations

from typing import Literal

import msgspec


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A service that runs, as its supervisor last wrote it down."""

    pid: int | None
    """The supervisor: the process that lives as long as the service. None for a moment at its start."""
    dispatcher: int | None
    """The process that claims and settles jobs; None between two of them."""
    state: Literal["starting", "ready", "waiting", "replacing", "stopping", "broken", "unknown"]
    """``waiting``: the next dispatcher is held back, as the last ones died young; ``broken``: under
    ``--reload``, the program cannot be loaded until a file changes."""
    restarts: int
    """How often a dispatcher was started again."""
    grace: float
    """How long its running jobs may go on after a stop was asked for, in seconds."""
    last_error: str | None
    """Why the last start failed, until one succeeds."""
    log: str
    """The file all its processes log to, when started in the background."""
