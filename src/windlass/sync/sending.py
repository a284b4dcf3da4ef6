"""Changes as requests, sent one by one or several in one envelope, with a verdict for each.

An envelope says nothing about what is in it. Where it fails as a whole in a way that one item may have
caused, it is halved until the guilty one is alone; where the server as a whole is in trouble, what was not
sent yet stays unsent, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

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


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    url: str
    """Absolute."""
    params: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
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


class Parcel(NamedTuple):
    """A change, and the request that it became."""

    change: Outgoing
    request: Request


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

    def push(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        """A verdict for each, in their order."""
        if self._batch is None:
            return [self._alone(parcel) for parcel in parcels]
        verdicts: list[Verdict] = []
        for kind, run in self._runs(parcels):
            if kind is None:
                verdicts += [self._alone(parcel) for parcel in run]
                continue
            for begin in range(0, len(run), self._batch.size):
                verdicts += self._together(run[begin : begin + self._batch.size])
        return verdicts

    def _runs(self, parcels: Sequence[Parcel]) -> Iterator[tuple[Hashable | None, Sequence[Parcel]]]:
        """Neighbours of one kind, with it."""
        assert self._batch is not None
        kind = self._batch.kind
        kinds = [kind(request) for _, request in parcels]
        if kinds and kinds.count(kinds[0]) == len(kinds):
            yield kinds[0], parcels
            return
        for one, group in groupby(zip(kinds, parcels, strict=True), key=itemgetter(0)):
            yield one, [parcel for _, parcel in group]

    def _alone(self, parcel: Parcel) -> Verdict:
        if self._stopped is not None:
            return Undelivered(self._stopped, False)
        reply = self._sent(parcel.request)
        if not isinstance(reply, Reply):
            return reply
        verdict = self._judge(parcel.change, reply)
        self._heed(reply, verdict)
        return verdict

    def _together(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        if len(parcels) == 1:
            return [self._alone(parcels[0])]
        if self._stopped is not None:
            return [Undelivered(self._stopped, False)] * len(parcels)
        assert self._batch is not None
        requests = [parcel.request for parcel in parcels]
        reply = self._sent(self._batch.envelope(requests))
        if isinstance(reply, Rejected):
            return self._halved(parcels)
        if not isinstance(reply, Reply):
            return [reply] * len(parcels)
        meaning = meaning_for_push(reply, {})
        if meaning == "accepted" and not is_portal(reply):
            return self._opened(reply, parcels)
        if meaning in ("throttled", "unauthorized", "faulty") or is_portal(reply):
            verdicts = [self._judge(parcel.change, reply) for parcel in parcels]
            self._heed(reply, verdicts[0])
            return verdicts
        return self._halved(parcels)

    def _halved(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        """Too large, or something in it is wrong: nothing was carried out."""
        middle = len(parcels) // 2
        return [*self._together(parcels[:middle]), *self._together(parcels[middle:])]

    def _opened(self, envelope: Reply, parcels: Sequence[Parcel]) -> list[Verdict]:
        assert self._batch is not None
        try:
            replies = self._batch.replies(envelope, [request for _, request in parcels])
            if len(replies) != len(parcels):
                raise BadResponse(
                    f"{answered(envelope)}, with {len(replies)} answers to {len(parcels)} changes"
                )
        except BadResponse as error:
            return [Faulty(str(error), envelope.retry_after_s)] * len(parcels)
        if self._plain is not None:
            verdicts = verdicts_of([change for change, _ in parcels], replies, *self._plain)
        else:
            verdicts = [
                self._judge(parcel.change, reply) for parcel, reply in zip(parcels, replies, strict=True)
            ]
        for reply, verdict in zip(replies, verdicts, strict=True):
            if type(verdict) is not Accepted:
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
