"""What handlers log, on its way to their jobs: bounded, without secrets, and a few lines at a time.

A record belongs to the attempt in whose context it is made, whatever logger makes it: so it is seen where
records are made (`logging.setLogRecordFactory`), not by a handler of logging, which would change what a
program's own logging does. Until somebody logs, nothing is made for an attempt.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from windlass.redact import clean, describe
from windlass.store.logbook import BYTES_MOST, LINES_MOST, LogChunk
from windlass.store.protocol import Claim

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""How the least level that is kept is written; "off" keeps nothing."""
OWN = "windlass.job"
"""The logger of ``ctx.log``, which keeps what it is given by itself: it knows its attempt on every thread."""
LINE_MOST = 2048
"""The longest line, as UTF-8: of a longer one the middle is cut out."""
_EVERY_S = 1.0
_ROOM = 64
"""Bytes of a line's JSON besides its text, about."""

_encode = msgspec.json.Encoder().encode
_see: Callable[[logging.LogRecord], None] | None = None
_installed = False

_Line = tuple[int, str, str, str]


class KeptLog:
    """What one attempt logs. Any thread may add to it."""

    __slots__ = ("_claim", "_count", "_level", "_lines", "_lock")

    def __init__(self, claim: Claim, level: int) -> None:
        self._claim = claim
        self._level = level
        self._lines: deque[_Line] = deque(maxlen=LINES_MOST)
        self._count = 0
        self._lock = threading.Lock()

    def add(self, record: logging.LogRecord) -> None:
        """One more record; never raises."""
        if record.levelno is None or record.levelno < self._level:  # pyright: ignore[reportUnnecessaryComparison]
            return
        line = (round(record.created * 1_000_000), record.levelname, record.name, _text_of(record))
        with self._lock:
            self._lines.append(line)
            self._count += 1

    def take(self) -> LogChunk | None:
        """What has come since the last time: the newest of it, as much as is kept at all."""
        if not self._lines:
            return None
        with self._lock:
            lines, self._lines = self._lines, deque(maxlen=LINES_MOST)
            last = self._count
        kept: deque[_Line] = deque()
        room = BYTES_MOST
        while lines:
            at_us, level, logger, text = lines.pop()
            line = (at_us, level, clean(logger, 200), clean(text, LINE_MOST))
            room -= len(line[3].encode()) + len(line[2]) + _ROOM
            if room < 0:
                break
            kept.appendleft(line)
        claim, count = self._claim, len(kept)
        text = _encode(list(kept)).decode()
        return LogChunk(claim.job_id, claim.attempt, claim.token, last - count + 1, count, text)


class LogBook:
    """The logs of all attempts that run in this process.

    ``tell`` brings lines to the dispatcher while the attempt goes on, once a second at most and only where
    there are some; without it, everything waits for the end. It is called on a thread of the book's own.
    """

    def __init__(self, tell: Callable[[LogChunk], None] | None = None) -> None:
        self._tell = tell
        self._open: dict[tuple[int, int], KeptLog] = {}
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def open(self, claim: Claim, level: int) -> KeptLog | None:
        """A log for an attempt that has something to say; None in a process that a handler forked."""
        if os.getpid() != self._pid:
            return None
        kept = KeptLog(claim, level)
        with self._lock:
            self._open[claim.job_id, claim.token] = kept
            self._some.set()
            if self._thread is None and self._tell is not None:
                self._thread = threading.Thread(target=self._serve, name="windlass-logs", daemon=True)
                self._thread.start()
        return kept

    def close(self, claim: Claim) -> LogChunk | None:
        """The attempt is over: what it logged and nobody was told yet. Call it once it is sure to be over."""
        if not self._open:
            return None
        with self._lock:
            kept = self._open.pop((claim.job_id, claim.token), None)
            return None if kept is None else kept.take()

    def end(self) -> None:
        """Ends the book's thread. What attempts log from then on waits for their ends."""
        self._over.set()
        self._some.set()

    def _serve(self) -> None:
        while True:
            self._some.wait()
            if self._over.wait(_EVERY_S):
                return
            with self._lock:
                if not self._open:
                    self._some.clear()
                told = [chunk for kept in self._open.values() if (chunk := kept.take()) is not None]
                # Under the lock: what is told at the end must not overtake it.
                for chunk in told:
                    assert self._tell is not None
                    try:
                        self._tell(chunk)
                    except OSError:
                        return  # nobody is left who could hear it


def see_records(see: Callable[[logging.LogRecord], None]) -> None:
    """From now on ``see`` is called with every record that is made in this process."""
    global _see, _installed
    _see = see
    if _installed:
        return
    _installed = True
    make = logging.getLogRecordFactory()

    def seen(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if _see is not None and record.name != OWN:
            _see(record)
        return record

    logging.setLogRecordFactory(seen)


def _text_of(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + describe(record.exc_info[1])
    except Exception as error:  # noqa: BLE001 - its arguments are the user's, and may not fit
        text = f"{record.msg!s:.500} (it could not be formatted: {type(error).__name__})"
    # What nobody will read is not kept in memory either.
    return text if len(text) <= 2 * LINE_MOST else f"{text[:LINE_MOST]}\n… cut …\n{text[-LINE_MOST:]}"
