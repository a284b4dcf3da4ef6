"""The notifier: told once, by a row that only one process can write."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from windlass.errors import RegistrationError
from windlass.events import Event
from windlass.payload import type_name
from windlass.signature import describe, is_async
from windlass.store.notices import Notice
from windlass.store.protocol import Store

log = logging.getLogger("windlass.notify")

Callback = Callable[[Any], Any]


class Notifier:
    """Tells events. Thread-safe."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._callbacks: list[tuple[type[Event], Callback]] = []

    def on(self, kind: type[Event], callback: Callback) -> None:
        """Calls this with every event of that kind that this process tells.

        Raises:
            RegistrationError: no kind of event, or no plain function.
        """
        if not (isinstance(kind, type) and issubclass(kind, Event)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RegistrationError(
                f"expected on_event to be given a kind of event such as SyncFailed, got {kind!r:.80}"
            )
        if not callable(callback):
            raise RegistrationError(f"expected a function for on_event, got {type_name(callback)}")
        if is_async(callback):
            raise RegistrationError(
                f"{describe(callback)}: on_event calls plain functions; enqueue a job for what takes long"
            )
        self._callbacks.append((kind, callback))

    def listens_for(self, kind: type[Event]) -> bool:
        """True where a callback of this program would hear of such events."""
        return any(issubclass(kind, wanted) for wanted, _ in self._callbacks)

    def tell(self, event: Event, *, subject: str) -> bool:
        """Tells it, unless its subject was told already and has not been cleared since; True where it did.

        The subject counts as told before anyone is: a crash in between loses one notification, and never
        makes two.

        Raises:
            StoreError: the database cannot be used; nobody was told.
        """
        fields = msgspec.json.encode(event).decode()
        if not self._store().open_notice(subject, type(event).__name__, fields):
            return False
        log.warning("%s", event)
        self._call(event)
        return True

    def clear(self, subject: str, event: Event | None = None) -> bool:
        """The subject is over, and the next event of it is told again; True where it had been told.

        ``event`` says so to the same people, where it had been.

        Raises:
            StoreError: the database cannot be used; it is not cleared.
        """
        if not self._store().close_notice(subject):
            return False
        if event is not None:
            log.info("%s", event)
            self._call(event)
        return True

    def told(self, limit: int = 50) -> list[Notice]:
        """What was told and is not over yet, newest first."""
        return self._store().notices(limit)

    def _call(self, event: Event) -> None:
        for kind, callback in list(self._callbacks):
            if isinstance(event, kind):
                try:
                    callback(event)
                except Exception:
                    # Whatever it is, the others are told, and the work that told it goes on.
                    log.exception("%s failed to take %s", describe(callback), type(event).__name__)
