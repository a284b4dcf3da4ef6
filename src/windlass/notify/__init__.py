"""Notifications: what happened is told once, and what goes on is shown, by channels that reach people.

Every event has a *subject*, a short text that says what it is about, such as ``conflict:notes:7``. Of one
subject nobody is told again until it is cleared: by what mends it, or by ``Notifier.clear``. That is kept in
the database, so it holds over all processes and restarts. The log and the program's callbacks hear of it in
the process that tells, on its thread; people hear of it by *channels*, and not in quiet hours or with too
much else: then there is a summary. A callback or channel that raises is logged and changes nothing.

The *status line* is minded in one process alone, that of the dispatcher, which every ``ctx.notify`` reaches:
``Desk`` takes them off what the pool tells its dispatcher, and ``Board`` decides which is shown. No channel
is ever waited for by a dispatcher.
"""

from __future__ import annotations

from windlass.notify.notifier import Notifier

__all__ = ["Notifier"]
