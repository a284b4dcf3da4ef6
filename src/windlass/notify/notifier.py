"""The notifier: told once, by a row that only one process can write."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from windlass.clock import Clock
from windlass.config import Settings
from windlass.errors import RegistrationError
from windlass.events import Event, HeldBack, JobFailed
from windlass.handlers import Registry
from windlass.notify.channels import Channel, LogChannel, SystemdChannel, checked, open_channel
from windlass.notify.holding import Holding
from windlass.payload import type_name
from windlass.signature import describe, is_async
from windlass.store.notices import Notice
from windlass.store.protocol import Store

log = logging.getLogger("windlass.notify")

Callback = Callable[[Any], Any]
HELD_UNTIL, SAYS = "held_until", "says"
"""The fields of a notice that waits for a summary: until when, and what is to stand in it."""
_TRIES = 20
_SEARCHED = 10_000
_SHOWN = 20


class Notifier:
    """Tells events. Thread-safe."""

    def __init__(
        self,
        store: Callable[[], Store],
        *,
        settings: Callable[[], Settings],
        clock: Callable[[], Clock],
        enqueue: Callable[..., Any],
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._enqueue = enqueue
        self._callbacks: list[tuple[type[Event], Callback]] = []
        self._log = LogChannel()
        self._added: list[Channel] = []
        self._opened: list[Channel] | None = None
        self._holding: Holding | None = None
        self._lock = threading.RLock()

    # ── who hears of it ────────────────────────────────────────────────────────────────────────
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

    def add(self, channel: Channel) -> None:
        """Tells people by this channel, too.

        Raises:
            ConfigError: it is no channel.
            RegistrationError: its name is taken.
        """
        checked(channel, "app.notify_by")
        with self._lock:
            if any(channel.name == known.name for known in (*self._added, self._log)):
                raise RegistrationError(
                    f"there is a channel called {channel.name!r} already: give one another name"
                )
            self._added.append(channel)
            self._opened = None

    @property
    def channels(self) -> Sequence[Channel]:
        """All in use here, the log first; opened at their first use.

        Raises:
            ConfigError: the settings name one that there is not, or that lacks something.
        """
        with self._lock:
            if self._opened is None:
                settings = self._settings()
                own = {channel.name for channel in self._added}
                names = [*settings.notify, *(["webhook"] if settings.notify_webhook else [])]
                wanted = [name for name in dict.fromkeys(names) if name not in {"log", "systemd", *own}]
                opened = [open_channel(name, settings) for name in wanted]
                self._opened = [self._log, SystemdChannel(), *self._added, *opened]
                self._holding = Holding(settings, self._clock())
                _warn_of_unknown(settings.notify_urgent)
                for channel in self._opened:
                    bind = getattr(channel, "bind", None)
                    if bind is not None:
                        bind(self._deliver_later)
            return self._opened

    @property
    def people(self) -> Sequence[Channel]:
        """The channels beyond log and status line: those by which somebody is told."""
        return self.channels[2:]

    def listens_for(self, kind: type[Event]) -> bool:
        """True where a callback of this program, or a person, would hear of such events."""
        return any(issubclass(kind, wanted) for wanted, _ in self._callbacks) or bool(self.people)

    def install(self, registry: Registry) -> None:
        """Makes the job keys of notifications known to this program's workers, where it needs them."""
        from windlass.notify.jobs import register

        if self._callbacks or self.people:
            register(registry, self, self._store, self._clock)

    def observers(self) -> list[Any]:
        """What is to see the attempts of this process, where somebody wants to hear of failed jobs."""
        if not self.listens_for(JobFailed):
            return []
        from windlass.notify.failures import FailureTelling

        return [FailureTelling(self)]

    # ── telling ────────────────────────────────────────────────────────────────────────────────
    def tell(self, event: Event, *, subject: str, urgent: bool = False) -> bool:
        """Tells it, unless its subject was told already and has not been cleared since; True where it did.

        The log and the program's callbacks hear of it at once; people do, too, unless it is to be held back:
        in quiet hours or with too many others, then they find it in a summary. What is ``urgent`` is not.

        The subject counts as told before anyone is: a crash in between loses one notification, and never
        makes two.

        Raises:
            StoreError: the database cannot be used; nobody was told.
        """
        people, store = self.people, self._store()
        until = self._held_until(event, store) if people and not urgent else None
        fields: dict[str, Any] = msgspec.to_builtins(event)
        if until is not None:
            at = until.astimezone(UTC)
            fields = {**fields, HELD_UNTIL: at, SAYS: str(event)}
            self._summarize_at(at, f"{at:%Y-%m-%dT%H:%M:%SZ}")
        text = msgspec.json.encode(fields).decode()
        if not store.open_notice(subject, type(event).__name__, text):
            return False
        self._log.tell(event)
        self._call(event)
        if until is None:
            self.send(event)
        return True

    def clear(self, subject: str, event: Event | None = None) -> bool:
        """The subject is over, and the next event of it is told again; True where it had been told.

        ``event`` says so to the same people, where it had been.

        Raises:
            StoreError: the database cannot be used; it is not cleared.
        """
        store, people = self._store(), self.people
        # Who was not yet told that it began need not be told that it is over.
        heard = bool(people) and event is not None and not self._is_held(subject, store)
        if not store.close_notice(subject):
            return False
        if event is not None:
            self._log.tell(event, logging.INFO)
            self._call(event)
        if heard and event is not None:
            until = self._held_until(event, store)
            if until is None:
                self.send(event)
            else:
                at = until.astimezone(UTC)
                self._summarize_at(at, f"{at:%Y-%m-%dT%H:%M:%SZ}:{subject}", str(event))
        return True

    def told(self, limit: int = 50) -> list[Notice]:
        """What was told and is not over yet, newest first."""
        return self._store().notices(limit)

    def send(self, event: Event) -> None:
        """Brings it to people now, by every channel; what fails there is logged."""
        people = self.people
        if people and self._holding is not None:
            self._holding.told()
        for channel in people:
            if isinstance(event, JobFailed) and getattr(channel, "job_key", None) == event.key:
                continue  # of its own failure a channel cannot tell
            try:
                channel.tell(event)
            except Exception:
                # Whatever it is, the others are told, and the work that told it goes on.
                log.exception("the channel %s failed to tell %s", channel.name, type(event).__name__)

    def send_summary(self, at: datetime, also: str | None) -> float | None:
        """Tells people what was held back until then; seconds to wait where it is quiet still."""
        self.channels  # noqa: B018 - opens them, and with them what is held back until when
        assert self._holding is not None
        quiet = self._holding.quiet_until()
        if quiet is not None:
            return self._holding.wait_s(quiet)
        if also is not None:
            self.send(HeldBack(1, (also,)))
            return None
        held = [notice for notice in self._store().notices(_SEARCHED) if held_until(notice) == at]
        if held:
            sentences = tuple(str(msgspec.json.decode(notice.fields)[SAYS]) for notice in held[:_SHOWN])
            self.send(HeldBack(len(held), sentences))
        return None

    def tell_end_later(self, job_id: int, attempt: int) -> None:
        """Has a worker tell that this attempt ended the job, if it did: see ``notify/jobs.py``.

        Raises:
            StoreError: the database cannot be used.
        """
        from windlass.notify.jobs import EVENT, QUEUE

        unique = f"{EVENT}:{job_id}:{attempt}"
        payload = {"job_id": job_id, "attempt": attempt}
        self._enqueue(EVENT, payload, unique=unique, queue=QUEUE, max_attempts=_TRIES)

    def close(self) -> None:
        """Closes the channels; telling again opens them."""
        with self._lock:
            opened, self._opened = self._opened or [], None
        for channel in opened:
            try:
                channel.close()
            except Exception:
                # A channel is the user's or a platform's: nothing of ours hangs on its end.
                log.exception("the channel %s failed to close", channel.name)

    # ── how ────────────────────────────────────────────────────────────────────────────────────
    def _call(self, event: Event) -> None:
        for kind, callback in list(self._callbacks):
            if isinstance(event, kind):
                try:
                    callback(event)
                except Exception:
                    # Whatever it is, the others are told, and the work that told it goes on.
                    log.exception("%s failed to take %s", describe(callback), type(event).__name__)

    def _held_until(self, event: Event, store: Store) -> datetime | None:
        assert self._holding is not None
        return self._holding.until(event, store)

    def _is_held(self, subject: str, store: Store) -> bool:
        found = [notice for notice in store.notices(_SEARCHED) if notice.subject == subject]
        return any(held_until(notice) is not None for notice in found)

    def _summarize_at(self, at: datetime, name: str, also: str | None = None) -> None:
        from windlass.notify.jobs import QUEUE, SUMMARY

        unique = f"{SUMMARY}:{name}"
        if self._store().holder_of(unique) is None:
            payload = {"at": at.isoformat(), "also": also}
            self._enqueue(SUMMARY, payload, run_at=at, unique=unique, queue=QUEUE, max_attempts=_TRIES)

    def _deliver_later(self, key: str, payload: dict[str, Any], max_attempts: int) -> int:
        from windlass.notify.jobs import QUEUE

        return self._enqueue(key, payload, queue=QUEUE, max_attempts=max_attempts).id


def _warn_of_unknown(urgent: Sequence[str]) -> None:
    known = {kind.__name__ for kind in _kinds(Event)}
    for name in sorted(set(urgent) - known):
        # No error: the module that defines it may be imported later.
        log.warning("notify_urgent names %s, which is no event here: %s are", name, ", ".join(sorted(known)))


def _kinds(kind: type[Event]) -> list[type[Event]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _kinds(child))]


def held_until(notice: Notice) -> datetime | None:
    """Until when people do not hear of it; also after that it says when they did."""
    text = msgspec.json.decode(notice.fields).get(HELD_UNTIL)
    return None if text is None else datetime.fromisoformat(text)
