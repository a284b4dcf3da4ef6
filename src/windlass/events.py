"""What happened that a person or another part of the program may want to know: the seam for notifications.

An event is a value. Whoever finds something out *tells* it to the notifier (see ``notify/``), which sees to
it that one thing is told once.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from windlass.change import Key


class Event(msgspec.Struct, frozen=True):
    """Something that happened. All others are kinds of it."""

    def __str__(self) -> str:
        return repr(self)


class SyncFailed(Event, frozen=True):
    """A change will not reach the remote: it was rejected, or has failed too often.

    ``reason`` is the remote's own message where it gave one.
    """

    resource: str
    key: Key
    reason: str

    def __str__(self) -> str:
        return f"{self.resource} {self.key}: the change was not accepted: {self.reason}"


class SyncFailing(Event, frozen=True):
    """A resource could not be synced for a while: since ``since``, because of ``reason``."""

    resource: str
    origin: str
    reason: str
    since: datetime

    def __str__(self) -> str:
        since = f"{self.since:%Y-%m-%d %H:%M} UTC"
        return f"{self.resource}: no sync with {self.origin} since {since}: {self.reason}"


class SyncRecovered(Event, frozen=True):
    """What ``SyncFailing`` told of is over."""

    resource: str
    origin: str

    def __str__(self) -> str:
        return f"{self.resource}: in sync with {self.origin} again"


class ConflictWaiting(Event, frozen=True):
    """A row was changed here and at the remote, in these fields, and waits for a person to decide."""

    resource: str
    key: Key
    fields: tuple[str, ...]

    def __str__(self) -> str:
        where = ", ".join(self.fields) or "the whole row"
        return f"{self.resource} {self.key}: changed here and there: {where}"


class JobFailed(Event, frozen=True):
    """The last attempt of a job failed, however it ended: by an exception, for its timeout, or with its
    process. Told once per job key, until one of it completes."""

    job_id: int
    key: str
    error: str

    def __str__(self) -> str:
        return f"job {self.job_id} ({self.key}) failed for good: {self.error}"


class HeldBack(Event, frozen=True):
    """What came while people were not to be disturbed: in quiet hours, or too much at once.

    Told to channels alone, which had not heard of it. ``events`` are sentences, the latest first; of more
    than those, ``count`` tells.
    """

    count: int
    events: tuple[str, ...]

    def __str__(self) -> str:
        if self.count == 1:
            return "\n".join(self.events)
        more = self.count - len(self.events)
        lines = [f"{self.count} things happened:", *self.events, *([f"and {more} more"] if more else [])]
        return "\n".join(lines)


class NotifyTest(Event, frozen=True):
    """Nothing happened: ``windlass notify test`` tries the channels."""

    def __str__(self) -> str:
        return "This is a test: notifications of this program arrive here."
