"""Reading ahead: while a page is applied here, the next one is on its way.

One page and no more, so that memory stays bounded. What was read ahead is used where it is what would be
asked for next, an error is raised where that request would have raised it, and the cursor moves with the rows
alone: a pull that ends anywhere has lost a request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from windlass.clock import monotonic
from windlass.sync.remote import Ask, Page, Remote

_WORTH_S = 0.05
"""A page that is here sooner is not worth a second thread, which takes turns with the one that applies."""
_NAP_S = 0.02


class Ahead:
    """The pages of one pull. Of a remote that does not say ``reads_ahead`` each is asked for in its turn."""

    def __init__(self, remote: Remote) -> None:
        self._pull = remote.pull
        self._may = bool(getattr(remote, "reads_ahead", False))
        self._abort: Callable[[], Any] = getattr(remote, "abort", lambda: None)
        self._reading: _Reading | None = None
        self._took_s = 0.0

    def ask(self, ask: Ask) -> None:
        """Begins to read a page that is wanted soon."""
        if self._may and self._took_s >= _WORTH_S and self._reading is None:
            self._reading = _Reading(self._pull, ask)

    def page(self, ask: Ask) -> Page:
        """The page, read ahead or read now.

        Raises:
            RemoteError: as ``Remote.pull``.
        """
        if self._reading is None or self._reading.ask != ask:
            self.close()
            page, self._took_s = _timed(self._pull, ask)
            return page
        reading, self._reading = self._reading, None
        page, self._took_s = reading.page()
        return page

    def close(self) -> None:
        """Ends the request under way, if there is one: nobody waits for it any more."""
        reading, self._reading = self._reading, None
        while reading is not None and not reading.has_ended(_NAP_S):
            # Again and again: it may not have begun when it was ended first.
            self._abort()


def _timed(pull: Callable[[Ask], Page], ask: Ask) -> tuple[Page, float]:
    began = monotonic()
    return pull(ask), monotonic() - began


class _Reading:
    """One page, on a thread of its own."""

    def __init__(self, pull: Callable[[Ask], Page], ask: Ask) -> None:
        self.ask = ask
        self._pull = pull
        self._page: tuple[Page, float] | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="windlass-read-ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._page = _timed(self._pull, self.ask)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever takes the page
            self._error = error

    def has_ended(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def page(self) -> tuple[Page, float]:
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._page is not None
        return self._page
