"""Notifications: an event is told once, to the log and to the app's own callbacks.

Every event has a *subject*, a short text that says what it is about, such as ``conflict:notes:7``. Of one
subject nobody is told again until it is cleared: by what mends it, or by ``Notifier.clear``. That is kept in
the database, so it holds over all processes and restarts. Callbacks run in the process that tells, on its
thread; one that raises is logged and changes nothing.
"""

from __future__ import annotations

from windlass.notify.notifier import Notifier

__all__ = ["Notifier"]
