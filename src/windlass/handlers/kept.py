"""From which level on what handlers log is kept."""

from __future__ import annotations

from windlass.context.kept import LEVELS
from windlass.handlers.registry import Registry


def log_level(registry: Registry, keep_logs: str, key: str) -> int | None:
    """From which level on what jobs of that key log is kept; None: it is not."""
    handler = registry.get(key)
    own = None if handler is None else handler.options.logs
    return LEVELS.get(own or keep_logs)


def log_levels(registry: Registry, keep_logs: str) -> int | None:
    """The least of all handlers; None: nothing is kept of any."""
    kept = [LEVELS.get(handler.options.logs or keep_logs) for handler in registry.handlers()]
    return min((level for level in (*kept, LEVELS.get(keep_logs)) if level is not None), default=None)
