"""What an answer means: for one change a verdict, for a page an error that says what is to be done.

The status decides, by the tables here, which each remote may amend: status codes lie. What cannot be read is
never taken for an answer of the remote's: only a definite one settles a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, Literal, NamedTuple, cast, get_args
from urllib.parse import unquote, urlsplit

import msgspec

from windlass.errors import (
    BadResponse,
    ConfigError,
    CursorExpired,
    Offline,
    PageTooLarge,
    RemoteError,
    RemoteFault,
    RequestRefused,
    Throttled,
    Unauthorized,
)
from windlass.sync.places import ETag, Field, Place, Version, body_of, text_of, texts_of, versions_of
from windlass.sync.remote import (
    Accepted,
    Document,
    Documents,
    Faulty,
    Gone,
    Outgoing,
    Rejected,
    Stale,
    Undelivered,
    Updates,
    Verdict,
)
from windlass.sync.reply import Reply, shown

Meaning = Literal[
    "accepted", "stale", "gone", "rejected", "too_large", "throttled", "unauthorized", "faulty", "expired"
]
"""``too_large``: fewer at once may go. ``expired`` is a pull's alone: everything is pulled anew."""

MEANINGS: Final[Mapping[int, Meaning]] = {
    401: "unauthorized", 403: "unauthorized", 404: "gone", 409: "stale", 410: "gone", 412: "stale",
    413: "too_large", 428: "stale", 429: "throttled", 408: "faulty", 425: "faulty",
}  # fmt: skip
"""What is not here: 2xx is accepted, other 4xx are rejected, the rest is faulty."""
_OF_CLASS: Final[Mapping[int, Meaning]] = {2: "accepted", 4: "rejected"}
NOT_APPLIED: Final = frozenset({408, 425, 429})
_PLAINLY: Final = frozenset({200, 204})
GATEWAY: Final = frozenset({502, 503, 504})
"""Not this change but the whole server is in trouble."""

_OF_PUSH: Final = frozenset(get_args(Meaning)) - {"expired"}
_OF_PULL: Final = frozenset({"expired", "too_large", "throttled", "unauthorized", "faulty"})


def checked_statuses(statuses: Mapping[int, Any]) -> Mapping[int, Meaning]:
    """Amendments of the tables.

    Raises:
        ConfigError: something in them is no status, or no meaning.
    """
    for status, meaning in statuses.items():
        if not isinstance(status, int) or not 200 <= status <= 599:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"expected statuses to begin with numbers from 200 to 599, got {status!r}")
        if meaning not in get_args(Meaning):
            raise ConfigError(
                f"expected statuses[{status}] to be one of {', '.join(get_args(Meaning))}, got {meaning!r}"
            )
    return cast("Mapping[int, Meaning]", statuses)


def meaning_for_push(reply: Reply, statuses: Mapping[int, Meaning]) -> Meaning:
    """What the status says of a change.

    >>> meaning_for_push(Reply(409), {}), meaning_for_push(Reply(409), {409: "rejected"})
    ('stale', 'rejected')
    """
    amended = statuses.get(reply.status)
    if amended is not None and amended in _OF_PUSH:
        return amended
    if reply.status == 503 and reply.retry_after_s is not None:
        return "throttled"
    if reply.status in MEANINGS:
        return MEANINGS[reply.status]
    return _OF_CLASS.get(reply.status // 100, "faulty")


def error_of_pull(reply: Reply, statuses: Mapping[int, Meaning], *, resumed: bool) -> RemoteError:
    """What a refusal of a page, or of an item, asks for. ``resumed``: there was a cursor, or a page before.

    >>> type(error_of_pull(Reply(410), {}, resumed=True)).__name__
    'CursorExpired'
    """
    amended, after_s = statuses.get(reply.status), reply.retry_after_s
    meaning = amended if amended in _OF_PULL else {410: "expired"}.get(reply.status)
    if meaning is None:
        meaning = meaning_for_push(reply, {})
    text = answered(reply)
    match meaning:
        case "expired" if resumed:
            return CursorExpired(text)
        case "too_large":
            return PageTooLarge(text)
        case "throttled":
            return Throttled(text, after_s=after_s)
        case "unauthorized":
            return Unauthorized(text)
        case _ if reply.status // 100 == 5 or reply.status in NOT_APPLIED:
            return RemoteFault(text, after_s=after_s)
        case _:
            return RequestRefused(text, after_s=after_s)


def answered(reply: Reply) -> str:
    """One line that says who answered what."""
    return f"{reply.method} {shown(reply.url)} was answered {reply.title}"


def is_portal(reply: Reply) -> bool:
    """A page for people where JSON was asked for: a hotel's network answers so for any server."""
    kind = reply.headers.get("content-type")
    return kind is not None and reply.status // 100 == 2 and "html" in kind.lower()


def refuse_portal(reply: Reply) -> None:
    """Raises:
    Offline: it is such a page.
    """
    if is_portal(reply):
        raise Offline(f"{answered(reply)} with a page for people: something stands between us and the server")


class One(NamedTuple):
    """What an answer says of one item."""

    raw: Mapping[str, Any] | None
    version: str | None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Where a remote's answers tell what of an item."""

    id: Field
    version: Version | None = None
    deleted: Field | Callable[[Mapping[str, Any]], bool] | None = None
    row: Field | None = None
    """Where the object is in the answer for one item; None: the body is it."""
    current: Field | None = None
    """Where an answer that refuses a change holds the row as it is."""
    created: Place | None = None
    """Where the answer to an insert tells the new id; None: in the object, or at the end of ``Location``."""

    def document(self, raw: Mapping[str, Any], reply: Reply) -> Document:
        """A row of a page.

        Raises:
            BadResponse: it has no id.
        """
        remote_id = text_of(self.id.of(raw))
        if not remote_id:
            raise BadResponse(
                f"{shown(reply.url)}: expected each row to tell {self.id.path}, got {raw!r:.200}"
            )
        version = None if self.version is None else self.version.of_document(raw)
        return Document(remote_id, None if self.is_deleted(raw) else raw, version)

    def documents(self, rows: Sequence[Mapping[str, Any]], reply: Reply) -> Sequence[Document]:
        """The rows of a page, each as ``document`` reads it.

        Raises:
            BadResponse: one of them has no id.
        """
        ids = texts_of(self.id, rows)
        if not all(ids):
            return [self.document(raw, reply) for raw in rows]  # which says of which one
        told = rows if self.deleted is None else [None if self.is_deleted(raw) else raw for raw in rows]
        return Documents(cast("list[str]", ids), told, versions_of(self.version, rows))

    def is_deleted(self, raw: Mapping[str, Any]) -> bool:
        if self.deleted is None:
            return False
        return bool(self.deleted.of(raw) if isinstance(self.deleted, Field) else self.deleted(raw))

    def one(self, reply: Reply, where: Field | None) -> One:
        """The object in an answer for one item.

        Raises:
            BadResponse: the body is not JSON.
        """
        raw: Mapping[str, Any] | None = None
        if reply.content:
            body = body_of(reply)
            found = body if where is None else where.of(body)
            raw = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else None
        return One(raw, None if self.version is None else self.version.of_reply(reply, raw))

    def fetched(self, remote_id: str, reply: Reply) -> Document:
        """The answer to a request for one item.

        Raises:
            BadResponse: there is no object in it.
        """
        one = self.one(reply, self.row)
        if one.raw is None:
            where = "its body" if self.row is None else self.row.path
            raise BadResponse(f"{answered(reply)}, and {where} is not an object")
        return Document(remote_id, None if self.is_deleted(one.raw) else one.raw, one.version)

    def new_id(self, reply: Reply, raw: Mapping[str, Any] | None) -> str | None:
        """The id that the remote gave to what was created."""
        if self.created is not None:
            return self.created.text(reply)
        told = None if raw is None else text_of(self.id.of(raw))
        location = urlsplit(reply.headers.get("Location", "")).path.rstrip("/")
        return told or unquote(location.rpartition("/")[2]) or None


def verdict_of(change: Outgoing, reply: Reply, reading: Reading, statuses: Mapping[int, Meaning]) -> Verdict:
    """What became of one change."""
    is_plain = not reply.content and reply.status in _PLAINLY and reply.status not in statuses
    if is_plain and change.op == "update" and change.remote_id is not None and not is_portal(reply):
        # Nearly all answers within a batch: done, and nothing to read.
        version = None if reading.version is None else reading.version.of_reply(reply, None)
        return Accepted(None, version, change.remote_id)
    if is_portal(reply):
        return Undelivered(Offline(f"{answered(reply)} with a page, not JSON: something stands between"))
    meaning = meaning_for_push(reply, statuses)
    applied = False if reply.status in NOT_APPLIED else None
    try:
        match meaning:
            case "accepted":
                return _accepted(change, reply, reading)
            case "stale":
                return _stale(change, reply, reading)
            case "gone" if change.op != "insert":
                return Gone()
            case "throttled":
                return Undelivered(Throttled(answered(reply), after_s=reply.retry_after_s), applied)
            case "unauthorized":
                return Undelivered(Unauthorized(answered(reply)), False)
            case "faulty":
                return Faulty(answered(reply), reply.retry_after_s, applied)
            case _:
                return Rejected(answered(reply), reply.problem())
    except BadResponse as error:
        return Faulty(str(error), reply.retry_after_s)


def verdicts_of(
    changes: Sequence[Outgoing],
    replies: Sequence[Reply],
    reading: Reading,
    statuses: Mapping[int, Meaning],
) -> list[Verdict]:
    """``verdict_of`` of each."""
    version = reading.version
    if isinstance(changes, Updates):
        _, _, remote_ids, *_ = changes.columns
    else:
        remote_ids = [one.remote_id if one.op == "update" else None for one in changes]
    if type(version) is not ETag or None in remote_ids:
        return list(map(verdict_of, changes, replies, repeat(reading), repeat(statuses)))
    # What ``verdict_of`` says of nearly all answers within a batch: it was taken, with an entity tag.
    plain, header = _PLAINLY.difference(statuses), version.header
    tags = [reply.lone(header) if reply.status in plain and not reply.content else None for reply in replies]
    taken = map(Accepted, repeat(None), tags, remote_ids)
    if all(tags):
        return list(taken)
    return [
        verdict if tag else verdict_of(change, reply, reading, statuses)
        for tag, verdict, change, reply in zip(tags, taken, changes, replies, strict=True)
    ]


def _accepted(change: Outgoing, reply: Reply, reading: Reading) -> Verdict:
    if change.op == "delete":
        return Accepted(remote_id=change.remote_id)
    one = reading.one(reply, reading.row)
    raw = None if one.raw is None or reading.is_deleted(one.raw) else one.raw
    if change.remote_id is not None:
        return Accepted(raw, one.version, change.remote_id)
    remote_id = reading.new_id(reply, one.raw)
    if change.op == "insert" and remote_id is None:
        return Rejected(f"{answered(reply)} and no id of what it made: say where it is told (created=…)")
    return Accepted(raw, one.version, remote_id)


def _stale(change: Outgoing, reply: Reply, reading: Reading) -> Verdict:
    if change.remote_id is None:
        # There is nothing that could be fetched and merged: something else is in the way of a new row.
        return Rejected(answered(reply), reply.problem())
    if reading.current is None:
        return Stale()
    try:
        one = reading.one(reply, reading.current)
    except BadResponse:
        return Stale()  # the status was definite, and the row can be fetched
    if one.raw is None or (reading.version is not None and one.version is None):
        return Stale()
    return Stale(Document(change.remote_id, None if reading.is_deleted(one.raw) else one.raw, one.version))
