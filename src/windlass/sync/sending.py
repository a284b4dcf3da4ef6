"""Changes as requests, sent one by one or several in one envelope, with a verdict for each.

An envelope says nothing about what is in it. Where it fails as a whole in a way that one item may have
caused, it is halved until the guilty one is alone; where the server as a whole is in trouble, what was not
sent yet stays unsent, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import quote

from msgspec import Struct

from windlass.clock import monotonic
from windlass.errors import (
    BadResponse,
    InvalidDocument,
    Offline,
    RemoteError,
    RemoteFault,
    Throttled,
    Unauthorized,
)
from windlass.sync.answers import (
    GATEWAY,
    Meaning,
    Reading,
    answered,
    is_portal,
    meaning_for_push,
    verdicts_of,
)
from windlass.sync.remote import Accepted, Faulty, Outgoing, Rejected, Undelivered, Verdict
from windlass.sync.reply import Reply, shown

_NONE: Mapping[str, str] = MappingProxyType({})


class Request(Struct, frozen=True, gc=False):
    """One HTTP request."""

    method: str
    url: str
    """Absolute."""
    params: Mapping[str, str] = _NONE
    headers: Mapping[str, str] = _NONE
    json: Any = None


class Batch(Protocol):
    """How several requests travel as one."""

    @property
    def size(self) -> int:
        """How many at most."""
        ...

    def kind(self, request: Request) -> Hashable | None:
        """Neighbours of one kind travel together; None: this one travels alone."""
        ...

    def envelope(self, requests: Sequence[Request]) -> Request:
        """The one request."""
        ...

    def replies(self, reply: Reply, requests: Sequence[Request]) -> Sequence[Reply]:
        """What it says to each of them.

        Raises:
            BadResponse: it cannot be read.
        """
        ...


class Patience:
    """A server may ask to be left alone in any answer, also in one that grants the wish (``Backoff``)."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def check(self) -> None:
        """Raises:
        Throttled: it is not time yet. Nothing was sent.
        """
        left = self._until_s - monotonic()
        if left > 0:
            raise Throttled(f"the server asked to be left alone for {left:.1f} s more", after_s=left)

    def heed(self, reply: Reply) -> Reply:
        if (wait := reply.retry_after_s) is not None:
            self._until_s = monotonic() + wait
        return reply


Send = Callable[[Request], Reply]
Judge = Callable[[Outgoing, Reply], Verdict]
Statuses = Mapping[int, Meaning]


class Sender:
    """One push. It ends early where the rest could not fare better."""

    def __init__(
        self, send: Send, judge: Judge, batch: Batch | None, plain: tuple[Reading, Statuses] | None = None
    ) -> None:
        """``plain``: nothing but this decides what an answer says."""
        self._send = send
        self._judge = judge
        self._plain = plain
        self._batch = batch
        self._stopped: RemoteError | None = None

    def push(self, changes: Sequence[Outgoing], requests: Sequence[Request]) -> list[Verdict]:
        """A verdict for each, in their order. ``requests``: what the changes became."""
        if self._batch is None:
            return self._each(changes, requests)
        verdicts: list[Verdict] = []
        for run, is_joined in self._runs(requests):
            if run.stop - run.start < len(requests):
                changes_of_run, requests_of_run = changes[run], requests[run]
            else:
                changes_of_run, requests_of_run = changes, requests
            told = self._together if is_joined else self._each
            verdicts += told(changes_of_run, requests_of_run)
        return verdicts

    def _runs(self, requests: Sequence[Request]) -> Iterator[tuple[slice, bool]]:
        """Where neighbours of one kind are, no more than travel together, and whether they do."""
        assert self._batch is not None
        kinds, begin = list(map(self._batch.kind, requests)), 0
        for kind, group in groupby(kinds):
            end = begin + len(list(group))
            size = self._batch.size if kind is not None else len(requests)
            for first in range(begin, end, size):
                yield slice(first, min(first + size, end)), kind is not None
            begin = end

    def _each(self, changes: Sequence[Outgoing], requests: Sequence[Request]) -> list[Verdict]:
        return list(map(self._alone, changes, requests))

    def _alone(self, change: Outgoing, request: Request) -> Verdict:
        if self._stopped is not None:
            return Undelivered(self._stopped, False)
        reply = self._sent(request)
        if not isinstance(reply, Reply):
            return reply
        verdict = self._judge(change, reply)
        self._heed(reply, verdict)
        return verdict

    def _together(self, changes: Sequence[Outgoing], requests: Sequence[Request]) -> list[Verdict]:
        if len(requests) == 1:
            return self._each(changes, requests)
        if self._stopped is not None:
            return [Undelivered(self._stopped, False)] * len(requests)
        assert self._batch is not None
        reply = self._sent(self._batch.envelope(requests))
        if isinstance(reply, Rejected):
            return self._halved(changes, requests)
        if not isinstance(reply, Reply):
            return [reply] * len(requests)
        meaning = meaning_for_push(reply, {})
        if meaning == "accepted" and not is_portal(reply):
            return self._opened(reply, changes, requests)
        if meaning in ("throttled", "unauthorized", "faulty") or is_portal(reply):
            verdicts = [self._judge(change, reply) for change in changes]
            self._heed(reply, verdicts[0])
            return verdicts
        return self._halved(changes, requests)

    def _halved(self, changes: Sequence[Outgoing], requests: Sequence[Request]) -> list[Verdict]:
        """Too large, or something in it is wrong: nothing was carried out."""
        middle = len(requests) // 2
        return [
            *self._together(changes[:middle], requests[:middle]),
            *self._together(changes[middle:], requests[middle:]),
        ]

    def _opened(
        self, envelope: Reply, changes: Sequence[Outgoing], requests: Sequence[Request]
    ) -> list[Verdict]:
        assert self._batch is not None
        try:
            replies = self._batch.replies(envelope, requests)
            if len(replies) != len(requests):
                raise BadResponse(
                    f"{answered(envelope)}, with {len(replies)} answers to {len(requests)} changes"
                )
        except BadResponse as error:
            return [Faulty(str(error), envelope.retry_after_s)] * len(requests)
        if self._plain is not None:
            verdicts = verdicts_of(changes, replies, *self._plain)
        else:
            verdicts = list(map(self._judge, changes, replies))
        if set(map(type, verdicts)) != {Accepted}:
            for reply, verdict in zip(replies, verdicts, strict=True):
                self._heed(reply, verdict)
        return verdicts

    def _sent(self, request: Request) -> Reply | Undelivered | Faulty | Rejected:
        try:
            return self._send(request)
        except InvalidDocument as error:
            return Rejected(str(error))
        except BadResponse as error:
            return Faulty(str(error), error.after_s)
        except (Offline, Throttled, Unauthorized) as error:
            self._stopped = error
            # What refuses us has not carried it out; a connection that broke says itself what is known.
            known = getattr(error, "applied", None) if isinstance(error, Offline) else False
            return Undelivered(error, known)
        except RemoteError as error:
            return Faulty(str(error), error.after_s)

    def _heed(self, reply: Reply, verdict: Verdict) -> None:
        if isinstance(verdict, Undelivered):
            self._stopped = verdict.error
        elif isinstance(verdict, Faulty) and reply.status in GATEWAY:
            self._stopped = RemoteFault(verdict.reason, after_s=verdict.after_s)


def item_url(collection: str, template: str, remote_id: str) -> str:
    """The address of one item; ``template`` comes after the collection's, with ``{id}`` in it.

    >>> item_url("https://example.com/tasks", "{id}", "a/b")
    'https://example.com/tasks/a%2Fb'
    >>> item_url("https://example.com/tasks", "?id=eq.{id}", "7")
    'https://example.com/tasks?id=eq.7'

    Raises:
        BadResponse: an id that an address would read as a step up or down.
    """
    if remote_id in ("", ".", ".."):
        raise BadResponse(f"{shown(collection)}: an item whose id is {remote_id!r} has no address")
    # Letters and digits are written as they are: most ids are made of them.
    is_plain = remote_id.isascii() and remote_id.isalnum()
    item = template.replace("{id}", remote_id if is_plain else quote(remote_id, safe=""))
    return f"{collection}{item}" if item.startswith("?") else f"{collection.rstrip('/')}/{item}"


def item_frame(collection: str, template: str) -> tuple[str, str]:
    """What ``item_url`` writes before and after an id of letters and digits.

    >>> item_frame("https://example.com/tasks", "{id}.json")
    ('https://example.com/tasks/', '.json')
    """
    before, _, after = template.partition("{id}")
    within = before if template.startswith("?") else f"/{before}"
    return (collection if template.startswith("?") else collection.rstrip("/")) + within, after
