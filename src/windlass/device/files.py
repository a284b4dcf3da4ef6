"""Files that change. A look at their times is the truth; inotify, where there is one, says when to look.

A file has changed when it was made, written, or moved to its place. That it was deleted is no news: a handler
that clears its inbox must not start itself.
"""

from __future__ import annotations

import fnmatch
import os
import sys
from contextlib import suppress

from windlass.clock import Clock, monotonic
from windlass.device.probe import Ear, Tell
from windlass.facts import Files
from windlass.inotify import APPEARED, GONE, LINKS_CHANGED, MODIFIED, MOVED, WRITTEN, Inotify

_EVENTS = APPEARED | GONE | LINKS_CHANGED | MODIFIED | MOVED | WRITTEN
_POLL_S = 10.0


class ChangedFiles:
    """The files of some patterns, once they have been left alone for ``quiet_s``."""

    def __init__(self, folder: str, patterns: tuple[str, ...], quiet_s: float, clock: Clock) -> None:
        self._folder = folder
        self._patterns = [os.path.split(os.path.join(folder, pattern)) for pattern in patterns]
        self._quiet_s = quiet_s
        self._clock = clock

    def run(self, tell: Tell, ear: Ear) -> None:
        inotify = _inotify()
        try:
            self._follow(tell, ear, inotify)
        finally:
            if inotify is not None:
                inotify.close()

    def _follow(self, tell: Tell, ear: Ear, inotify: Inotify | None) -> None:
        if inotify is not None:
            self._watch(inotify)
        seen = self._look()
        tell(seen)
        disturbed_at: float | None = None
        while not ear.closed:
            if disturbed_at is not None:
                pause_s = max(0.0, disturbed_at + self._quiet_s - monotonic())
            else:
                pause_s = None if inotify is not None else _POLL_S
            if inotify is not None:
                if ear.wait(pause_s, inotify.fd):
                    inotify.drain()
                    self._watch(inotify)
                    disturbed_at = monotonic()
            else:
                ear.wait(pause_s)
            found = self._look()
            if found != seen and (disturbed_at is None or inotify is None):
                disturbed_at = monotonic()
            elif disturbed_at is not None and monotonic() >= disturbed_at + self._quiet_s:
                disturbed_at = None
                tell(found)
            seen = found

    def _watch(self, inotify: Inotify) -> None:
        for folder, _ in self._patterns:
            # A folder that is not there yet is waited for in the nearest one that is.
            while not inotify.watch(folder, _EVENTS) and folder != os.path.dirname(folder):
                folder = os.path.dirname(folder)

    def _look(self) -> Files:
        changed_us, newest = None, ""
        for folder, pattern in self._patterns:
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue  # it may come yet
            for entry in entries:
                if not fnmatch.fnmatch(entry.name, pattern):
                    continue
                with suppress(FileNotFoundError):  # it has gone between the list and the look
                    at_us = _changed_us(entry)
                    if changed_us is None or at_us > changed_us:
                        changed_us, newest = at_us, entry.name
        if changed_us is None:
            return Files(changed_us=None)
        # A file of a machine with a faster clock is not news for ever.
        return Files(changed_us=min(changed_us, self._clock.wall_us()), newest=newest)


def _changed_us(entry: os.DirEntry[str]) -> int:
    status = entry.stat()
    if os.name == "nt":  # there, st_ctime is when it was made
        return max(status.st_mtime_ns, status.st_ctime_ns) // 1000
    # Unlike st_mtime it cannot be set, and a file that is moved here has it changed.
    return status.st_ctime_ns // 1000


def _inotify() -> Inotify | None:
    if sys.platform == "linux":
        with suppress(OSError):  # each user has a limited number: then it is looked at now and then
            return Inotify()
    return None
