"""Reading ahead: while a page is applied here, the next one is on its way.

One page and no more, so that memory stays bounded. What was read ahead is used where it is what would be
asked for next, an error is raised where that request would have raised it, and the cursor moves with the rows
alone: a pull that ends anywhere has lost a request.

A page that takes long is read by a second thread. One that is here soon is asked for before the page at hand
is applied, and read after that, by the thread that applies: two of them would take turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from windlass.clock import monotonic
from windlass.sync.exchange import meanwhile
from windlass.sync.remote import Ask, Page, Remote

_WORTH_S = 0.05
"""A page that is here sooner is not worth a second thread."""
_NAP_S = 0.02


class Ahead:
    """The pages of one pull. Of a remote that does not say ``reads_ahead`` each is asked for in its turn."""

    def __init__(self, remote: Remote) -> None:
        self._pull = remote.pull
        self._may = bool(getattr(remote, "reads_ahead", False))
        self._abort: Callable[[], Any] = getattr(remote, "abort", lambda: None)
        self._reading: _Reading | _Read | None = None
        self._took_s = 0.0
        self._waits = False
        """It waits where something can be done meanwhile: by a ``Transport`` of ours."""

    def ask(self, ask: Ask, work: Callable[[], None]) -> None:
        """Does the work, and meanwhile reads a page that is wanted soon."""
        if self._may and self._took_s >= _WORTH_S and self._reading is None:
            self._reading = _Reading(self._pull, ask)
        if self._may and self._waits and self._reading is None:
            self._reading = _Read(self._pull, ask, work)
        else:
            work()

    def page(self, ask: Ask) -> Page:
        """The page, read ahead or read now.

        Raises:
            RemoteError: as ``Remote.pull``.
        """
        if self._reading is None or self._reading.ask != ask:
            self.close()
            with meanwhile(self._notice):
                page, self._took_s = _timed(self._pull, ask)
            return page
        reading, self._reading = self._reading, None
        page, self._took_s = reading.page()
        return page

    def _notice(self) -> None:
        self._waits = True

    def close(self) -> None:
        """Ends the request under way, if there is one: nobody waits for it any more."""
        reading, self._reading = self._reading, None
        while reading is not None and not reading.has_ended(_NAP_S):
            # Again and again: it may not have begun when it was ended first.
            self._abort()


class _Read:
    """One page, asked for before some work was done, and read after it."""

    def __init__(self, pull: Callable[[Ask], Page], ask: Ask, work: Callable[[], None]) -> None:
        self.ask = ask
        self._page: tuple[Page, float] | None = None
        self._error: Exception | None = None
        self._worked_s: float | None = None
        self._work = work
        self._failed = False
        with meanwhile(self._works):
            try:
                page, took_s = _timed(pull, ask)
                self._page = page, took_s - (self._worked_s or 0.0)
            except Exception as error:
                if self._failed:
                    raise
                self._error = error  # raised again by whoever takes the page
        if self._worked_s is None:
            self._works()  # nothing was waited for

    def _works(self) -> None:
        self._worked_s, self._failed, began = 0.0, True, monotonic()
        self._work()
        self._worked_s, self._failed = monotonic() - began, False

    def has_ended(self, timeout_s: float) -> bool:
        del timeout_s
        return True

    def page(self) -> tuple[Page, float]:
        if self._error is not None:
            raise self._error
        assert self._page is not None
        return self._page


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
