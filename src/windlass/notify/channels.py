"""Ways to reach people: one small protocol, and the two ways that need nothing.

A channel *shows* the status line, which replaces what it showed before, and *tells* events, each of which
stays. ``notify`` in the settings names those to use: ``desktop`` and ``webhook`` are built in, others come by
the entry point group ``windlass.notifiers`` or by ``app.notify_by``. The log is always one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol, cast, runtime_checkable

from windlass import systemd
from windlass.config import Settings
from windlass.errors import ConfigError
from windlass.events import Event
from windlass.notify.status import Status

log = logging.getLogger("windlass.notify")

ENTRY_POINTS = "windlass.notifiers"
"""Each names a function of the settings that returns a channel."""


@runtime_checkable
class Channel(Protocol):
    """A way to reach people. Its methods may be called on any thread, one at a time, and should be quick.

    What it raises is logged, and keeps nobody else from being told.
    """

    @property
    def name(self) -> str:
        """What settings and messages call it."""
        ...

    def show(self, status: Status | None) -> None:
        """Puts this in the place of what it showed before; None: nothing. In one process alone."""
        ...

    def tell(self, event: Event) -> str:
        """Tells people that this happened; the answer says in a few words what was done about it."""
        ...

    def close(self) -> None:
        """Takes back what it shows. It may be used again later."""
        ...


class LogChannel:
    """The program's log, under ``windlass.notify``."""

    name = "log"

    def show(self, status: Status | None) -> None:
        if status is not None:
            log.log(logging.INFO if status.kind == "notice" else logging.DEBUG, "%s", status)

    def tell(self, event: Event, level: int = logging.WARNING) -> str:
        log.log(level, "%s", event)
        return "written to the log windlass.notify"

    def close(self) -> None:
        """Nothing is shown for long."""


class SystemdChannel:
    """The status line of ``systemctl status``; nothing where systemd did not start us."""

    name = "systemd"

    def show(self, status: Status | None) -> None:
        systemd.notify(STATUS="" if status is None else " ".join(str(status).split()))

    def tell(self, event: Event) -> str:
        del event
        return "has a status line alone: events are in the journal, by the log"

    def close(self) -> None:
        """The supervisor has the last word: that the service stops."""


def open_channel(name: str, settings: Settings) -> Channel:
    """The channel that the settings name.

    Raises:
        ConfigError: there is none of that name, or something that it needs is missing.
    """
    match name:
        case "log":
            return LogChannel()
        case "systemd":
            return SystemdChannel()
        case "desktop":
            from windlass.notify.desktop import DesktopChannel

            return DesktopChannel(settings.title or "Windlass", settings.icon)
        case "webhook":
            from windlass.notify.webhook import WebhookChannel, from_env

            if settings.notify_webhook is None:
                raise ConfigError("the channel webhook needs the setting notify_webhook: where to send to")
            return WebhookChannel(
                settings.notify_webhook, secret=from_env(settings.notify_webhook_secret_env)
            )
        case _:
            return _from_entry_point(name, settings)


def _from_entry_point(name: str, settings: Settings) -> Channel:
    from importlib.metadata import entry_points

    found = entry_points(group=ENTRY_POINTS, name=name)
    if not found:
        known = ["desktop", "log", "systemd", "webhook", *sorted(entry_points(group=ENTRY_POINTS).names)]
        raise ConfigError(f"expected notify to name channels of {', '.join(known)}, got {name!r}")
    make = cast("Callable[[Settings], object]", next(iter(found)).load())
    return checked(make(settings), f"the entry point {name!r} of {ENTRY_POINTS}")


def checked(made: object, where: str) -> Channel:
    """What was given as a channel, if it is one.

    Raises:
        ConfigError: it is none; the message names what it lacks.
    """
    if not isinstance(made, Channel):
        lacks = [name for name in ("name", "show", "tell", "close") if not hasattr(made, name)]
        raise ConfigError(f"expected a channel of {where}, got {made!r:.80}: it lacks {', '.join(lacks)}")
    return made
