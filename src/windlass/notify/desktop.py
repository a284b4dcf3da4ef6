"""The desktop: notifications of freedesktop, macOS and Windows, by the package desktop-notifier.

That is asynchronous and is imported at its first use, so it has an event loop on a thread of its own. A
machine without a desktop, such as a server, is no error: it is logged once, and looked for again later.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

from windlass.clock import monotonic
from windlass.errors import ConfigError
from windlass.events import Event
from windlass.notify.status import Status
from windlass.redact import message_of

log = logging.getLogger("windlass.notify")

_PATIENCE_S = 2.0
_LOOK_AGAIN_S = 60.0


class DesktopChannel:
    """Notifications on the screen of whoever is logged in.

    Raises:
        ConfigError: the package is not installed.
    """

    name = "desktop"

    def __init__(self, title: str, icon: str | None = None) -> None:
        if importlib.util.find_spec("desktop_notifier") is None:
            raise ConfigError(
                "the channel desktop needs the package desktop-notifier: install Windlass with the extra "
                "`desktop`, or leave desktop out of the setting notify"
            )
        self._title = title
        self._icon = icon
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notifier: Any = None
        self._shown: str | None = None
        self._absent: str | None = None
        self._look_at = 0.0
        self._lock = threading.Lock()

    def show(self, status: Status | None) -> None:
        """Takes away what it showed, and shows this with low urgency."""
        self._run(self._replace(status))

    def tell(self, event: Event) -> str:
        self._run(self._send(self._title, str(event), urgency="normal"))
        return "shown" if self._absent is None else f"no desktop here: {self._absent}"

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is None:
                return
            if self._notifier is not None:
                self._wait(asyncio.run_coroutine_threadsafe(self._leave(), loop))
            self._notifier = self._shown = None
            loop.call_soon_threadsafe(loop.stop)

    # ── the loop's thread ──────────────────────────────────────────────────────────────────────
    def _run(self, work: Coroutine[Any, Any, object]) -> None:
        with self._lock:
            if self._absent is not None and monotonic() < self._look_at:
                work.close()
                return
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_serve, args=(self._loop,), name="windlass-desktop", daemon=True
                ).start()
            self._wait(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _wait(self, done: Future[Any]) -> None:
        try:
            done.result(_PATIENCE_S)
        except Exception as error:  # noqa: BLE001 - whatever a platform's notifications fail with
            done.cancel()
            late = isinstance(error, FutureTimeout)
            reason = f"no answer in {_PATIENCE_S:g} s" if late else message_of(error)
            if self._absent is None:
                log.warning("no desktop to notify: %s", reason)
            self._absent, self._look_at = reason, monotonic() + _LOOK_AGAIN_S
            # Whatever was there before may be gone: the next look begins anew.
            self._notifier = self._shown = None
        else:
            self._absent = None

    async def _connected(self) -> Any:
        if self._notifier is None:
            package = importlib.import_module("desktop_notifier")
            made = package.DesktopNotifier(app_name=self._title, app_icon=_icon(package, self._icon))
            # Sending only logs what goes wrong; to ask for something says whether anybody is there.
            await made.get_capabilities()
            self._notifier = made
        return self._notifier

    async def _send(self, title: str, message: str, *, urgency: str, icon: str | None = None) -> str:
        notifier = await self._connected()
        package = importlib.import_module("desktop_notifier")
        return await notifier.send(
            title, message, urgency=package.Urgency(urgency), icon=_icon(package, icon)
        )

    async def _replace(self, status: Status | None) -> None:
        await self._take_away()
        if status is not None:
            self._shown = await self._send(status.title, status.content, urgency="low", icon=status.icon)

    async def _leave(self) -> None:
        await self._take_away()
        # The package never hangs up by itself: its connection to the session bus would stay for good.
        bus = getattr(getattr(self._notifier, "_backend", None), "bus", None)
        if bus is not None:
            bus.disconnect()
            await bus.wait_for_disconnect()

    async def _take_away(self) -> None:
        shown, self._shown = self._shown, None
        if shown is not None:
            await (await self._connected()).clear(shown)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _icon(package: Any, icon: str | None) -> Any:
    if icon is None:
        return None
    path = Path(icon)
    return package.Icon(path=path.absolute()) if path.suffix else package.Icon(name=icon)
