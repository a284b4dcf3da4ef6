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
_TICK_US = 10_000


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
        seen = told = self._look()
        tell(self._files(seen))
        disturbed_at: float | None = None
        while not ear.closed:
            if self._wait(ear, inotify, disturbed_at):
                disturbed_at = monotonic()
            found = self._look()
            if found != seen:
                disturbed_at = monotonic()
            elif disturbed_at is not None and monotonic() >= disturbed_at + self._quiet_s:
                disturbed_at = None
                # Only what is newer: a job that clears its inbox does not lose what it began with.
                if found > told:
                    told = found
                    tell(self._files(found))
            seen = found

    def _wait(self, ear: Ear, inotify: Inotify | None, disturbed_at: float | None) -> bool:
        """Until it is time to look; True where something was told."""
        pause_s = None if inotify is not None else _POLL_S
        if disturbed_at is not None:
            pause_s = max(0.0, disturbed_at + self._quiet_s - monotonic())
        if inotify is None:
            ear.wait(pause_s)
        elif ear.wait(pause_s, inotify.fd):
            inotify.drain()
            self._watch(inotify)
            return True
        return False

    def _watch(self, inotify: Inotify) -> None:
        for folder, _ in self._patterns:
            # A folder that is not there yet is waited for in the nearest one that is.
            while not inotify.watch(folder, _EVENTS) and folder != os.path.dirname(folder):
                folder = os.path.dirname(folder)

    def _look(self) -> tuple[int, str]:
        """When the newest file changed, and its name; 0 where there is none."""
        newest = (0, "")
        for folder, pattern in self._patterns:
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue  # it may come yet
            for entry in entries:
                if fnmatch.fnmatch(entry.name, pattern):
                    with suppress(FileNotFoundError):  # it has gone between the list and the look
                        newest = max(newest, (_changed_us(entry), entry.name))
        return newest

    def _files(self, found: tuple[int, str]) -> Files:
        changed_us, name = found
        # A file from a machine whose clock is ahead is not news for ever.
        return Files(changed_us=min(changed_us, self._clock.wall_us()) if changed_us else None, newest=name)


def _changed_us(entry: os.DirEntry[str]) -> int:
    """The latest moment at which it can have changed: file systems keep it by the tick, or by the second."""
    status = entry.stat()
    # st_ctime cannot be set, and moving a file changes it; but on Windows it is when the file was made.
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns) if os.name == "nt" else status.st_ctime_ns
    whole_seconds = changed_ns % 1_000_000_000 == 0
    return changed_ns // 1000 + (2_000_000 if whole_seconds else _TICK_US)


def _inotify() -> Inotify | None:
    if sys.platform == "linux":
        with suppress(OSError):  # each user has a limited number: then it is looked at now and then
            return Inotify()
    return None
