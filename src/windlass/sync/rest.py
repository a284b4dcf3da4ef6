"""``RestRemote``: a JSON API as a remote, by configuration.

What differs between APIs is a value here; for odder ones, a subclass overrides ``request_of`` or ``verdict``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from msgspec.structs import replace

from windlass.errors import BadResponse, PageTooLarge
from windlass.sync.answers import (
    Meaning,
    Reading,
    answered,
    error_of_pull,
    meaning_for_push,
    refuse_portal,
    verdict_of,
)
from windlass.sync.auth import Auth
from windlass.sync.checking import check_settings
from windlass.sync.cursors import Cursor
from windlass.sync.http import Limits, Timeouts, Transport
from windlass.sync.paginate import OnePage, PageStyle, count_of, shortened
from windlass.sync.places import Condition, Field, Header, Place, Told, Version, as_version, rows_of
from windlass.sync.probing import Probe
from windlass.sync.remote import Ask, Document, Outgoing, Page, Rejected, Stale, Verdict
from windlass.sync.reply import Reply
from windlass.sync.secrets import Secret
from windlass.sync.sending import Batch, Patience, Request, Sender, item_url
from windlass.sync.updating import UpdateStyle, updates_of

ROWS_MAX: Final = 100_000
"""Rows of one page: more are not held in memory at once."""


@dataclass(frozen=True, eq=False)
class RestRemote:
    """A collection of a JSON API. Places in bodies are written as paths: ``"data"``, ``"links.next"``.

    >>> from windlass.sync.cursors import Since
    >>> from windlass.sync.paginate import LinkHeader
    >>> from windlass.sync.places import ETag
    >>> url = "https://api.example.com/tasks"
    >>> RestRemote(url, cursor=Since("_since"), page=LinkHeader(), version=ETag(field="rev")).origin
    'https://api.example.com'

    Raises:
        ConfigError: a setting that cannot be right.
    """

    url: str
    """Of the collection; a query in it goes with every page."""
    _: KW_ONLY
    cursor: Cursor | None = None
    """How changes are asked for; None: every pull tells everything, and what is absent was deleted."""
    page: PageStyle = OnePage()  # noqa: RUF009 - frozen
    id: str = "id"
    """The field of a row that is its id."""
    version: Version | Field | Header | None = None
    """What tells versions of rows; None: the remote has none, and its rows are overwritten unseen."""
    deleted: Field | Callable[[Mapping[str, Any]], bool] | None = None
    """What makes a row a tombstone: a field that is true or not empty, or a function."""
    rows: str | None = None
    """Where the list is in a page; None: the body is it."""
    row: str | None = None
    """Where the object is in the answer for one item; None: the body is it."""
    wrap: str | None = None
    """The field that an object is sent in; None: it is the body."""
    current: str | None = None
    """Where a refusal for a newer version (409, 412) holds that version."""
    created: Place | None = None
    """Where the answer to an insert tells the new id; None: in its object, or at the end of ``Location``."""
    total: Place | None = None
    """Where a page tells how many rows there are in all."""
    create: Literal["POST", "PUT"] = "POST"
    """``PUT``: to the item's own address, by ids that are made here."""
    update: Literal["PATCH", "PUT"] = "PATCH"
    """``PATCH`` sends what changed, ``PUT`` the whole object."""
    item: str = "{id}"
    """The address of an item below the collection's."""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """Query parameters of every page, such as the order."""
    limit_parameter: str | None = None
    """The parameter that says how many rows a page may have."""
    limit_max: int = 1000
    """The most that it may say."""
    batch: int = 50
    """How many changes one push takes."""
    envelope: Batch | None = None
    """How several of them travel as one request; None: they do not."""
    dedupes: bool = False
    """The server gives a resend with the same key one effect."""
    key_header: str = "Idempotency-Key"
    """The header that carries a change's key to a remote that dedupes: the same in every resend."""
    unique: str | None = None
    """A field that no two rows share, and a parameter of the list too: it finds what an insert became."""
    operations: Mapping[str, Callable[[Outgoing], Request]] = field(
        default_factory=dict[str, Callable[[Outgoing], Request]]
    )
    """The requests of explicit operations, by their type."""
    statuses: Mapping[int, Meaning] = field(default_factory=dict[int, Meaning])
    """What a status means here, where it is not what it should."""
    classify: Callable[[Outgoing, Reply], Verdict | None] | None = None
    """Reads a verdict out of an answer whose status does not tell; None: the status decides."""
    conditional: Literal["page", "collection", "never"] = "page"
    """What the validator of a first page stands for: that page alone, or the whole collection."""
    complete: bool = True
    """False: a list that cannot be trusted to hold everything, so that absence means nothing."""
    headers: Mapping[str, str | Secret] = field(default_factory=dict[str, "str | Secret"], repr=False)
    """Sent with every request."""
    item_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Sent with those for one item."""
    auth: Auth | None = None
    rate: float | None = None
    """Requests a second, for all that speak to this origin."""
    timeouts: Timeouts | None = None
    limits: Limits | None = None
    """The largest answer, and the like."""
    reads_ahead = True  # while a page is applied the next one may be asked for, on another thread

    def __post_init__(self) -> None:
        _ = self.transport  # checks the address
        check_settings(self)

    # ── what it is ─────────────────────────────────────────────────────────────────────────────
    @cached_property
    def transport(self) -> Transport:
        """Its connections, opened when they are first needed."""
        return Transport(
            self.collection,
            auth=self.auth,
            headers=self.headers,
            timeouts=self.timeouts,
            limits=self.limits,
            rate=self.rate,
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self.transport.origin

    @cached_property
    def collection(self) -> str:
        """The address without its query."""
        return urlunsplit(urlsplit(self.url)._replace(query=""))

    @cached_property
    def reading(self) -> Reading:
        """Where its answers tell what."""
        return Reading(
            id=Field(self.id),
            version=as_version(self.version),
            deleted=self.deleted,
            row=None if self.row is None else Field(self.row),
            current=None if self.current is None else Field(self.current),
            created=self.created,
        )

    @cached_property
    def _patience(self) -> Patience:
        return Patience()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Reply:
        """Every request goes through here.

        Raises:
            RemoteError: no answer, or it is not the time to ask.
        """
        self._patience.check()
        reply = self.transport.request(method, url, params=params, headers=headers, json=json)
        return self._patience.heed(reply)

    def abort(self) -> None:
        """Ends the requests under way, from any thread: whoever waits for one gets ``Offline``."""
        self.transport.abort()

    def close(self) -> None:
        """Closes its connections. The next request opens new ones."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def wants_whole(self) -> bool:
        """Whole documents go with updates, or the program's own code may look at them."""
        own = self._is_own("request_of", "verdict")
        return self.update == "PUT" or "update" in self.operations or bool(self.classify) or own

    def _is_own(self, *names: str) -> bool:
        """One of these is the program's own."""
        return any(getattr(type(self), name) is not getattr(RestRemote, name) for name in names)

    # ── pull ───────────────────────────────────────────────────────────────────────────────────
    def pull(self, ask: Ask) -> Page:
        """One page.

        Raises:
            RemoteError: whichever of them says what is to be done about it.
        """
        ask, first = ask._replace(limit=max(1, min(ask.limit, self.limit_max))), ask.page is None
        reply = self._page(ask)
        if reply.status == 304 and first and ask.validator is not None:
            return Page((), validator=ask.validator, not_modified=True, max_age_s=reply.max_age_s)
        complete = self.complete and ask.cursor is None
        if reply.status == 416 and not first:
            return Page((), complete=complete)  # the rows behind the last page were deleted meanwhile
        if reply.status // 100 != 2:
            raise error_of_pull(reply, self.statuses, resumed=ask.cursor is not None or not first)
        refuse_portal(reply)
        rows, total = self.rows_of(reply), count_of(self.total, reply)
        told = Told(reply, rows, ask, total)
        next_page = self.page.next(told)
        return Page(
            self.reading.documents(rows, reply),
            next_page=next_page,
            watermark=None if self.cursor is None else self.cursor.watermark(told),
            validator=self._validator(reply, next_page) if first else None,
            complete=complete,
            total=total,
            max_age_s=reply.max_age_s,
        )

    def fetch(self, remote_id: str) -> Document:
        """One object as it is now.

        Raises:
            RemoteError: as ``pull``.
        """
        reply = self.request("GET", self.address_of(remote_id), headers=self.item_headers)
        if meaning_for_push(reply, self.statuses) == "gone":
            return Document(remote_id, None)
        if reply.status // 100 != 2:
            raise error_of_pull(reply, self.statuses, resumed=False)
        refuse_portal(reply)
        return self.reading.fetched(remote_id, reply)

    def rows_of(self, reply: Reply) -> Sequence[Mapping[str, Any]]:
        """The objects of a page.

        Raises:
            RemoteError: there are none, or too many.
        """
        rows = rows_of(reply, None if self.rows is None else Field(self.rows))
        if len(rows) > ROWS_MAX:
            raise PageTooLarge(f"{answered(reply)} with {len(rows):,} rows: at most {ROWS_MAX:,} are read")
        return rows

    def listed(self, params: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """What the collection answers to a query."""
        return self.request("GET", self.url, params={**self.parameters, **params}, headers=headers)

    def _page(self, ask: Ask) -> Reply:
        turn = self.page.ask(ask.page, ask.limit)
        headers = dict(turn.headers)
        if ask.page is None and ask.validator is not None:
            # An entity tag has quotes, a date of last modification has none.
            headers["If-None-Match" if '"' in ask.validator else "If-Modified-Since"] = ask.validator
        if turn.url is not None:
            url = shortened(turn.url, self.limit_parameter, ask.limit)
            return self.request("GET", url, headers=headers)
        params: dict[str, str] = {}
        if self.limit_parameter is not None:
            params[self.limit_parameter] = str(ask.limit)
        if self.cursor is not None:
            params |= self.cursor.ask(ask.cursor)
        return self.listed({**params, **turn.params}, headers)

    def _validator(self, reply: Reply, next_page: str | None) -> str | None:
        if self.conditional == "never" or (self.conditional == "page" and next_page is not None):
            return None
        return reply.headers.get("ETag") or reply.headers.get("Last-Modified")

    # ── push ───────────────────────────────────────────────────────────────────────────────────
    def push(self, changes: Sequence[Outgoing]) -> list[Verdict]:
        """Sends them in order, and says of each what became of it."""
        judges = None if self.classify or self._is_own("verdict") else (self.reading, self.statuses)
        sender = Sender(self._send, self.verdict, self.envelope, judges)
        if self._updates is not None and changes and (updates := self._updates.requests(changes)):
            return sender.push(changes, updates)
        verdicts: dict[int, Verdict] = {}
        requests: dict[int, Request] = {}
        for place, change in enumerate(changes):
            if self._is_blind(change):
                verdicts[place] = Stale()
                continue
            try:
                requests[place] = self.request_of(change)
            except BadResponse as error:
                verdicts[place] = Rejected(str(error))
        told = sender.push([changes[place] for place in requests], list(requests.values()))
        verdicts |= dict(zip(requests, told, strict=True))
        return [verdicts[place] for place in range(len(changes))]

    @cached_property
    def _updates(self) -> UpdateStyle | None:
        """How updates become requests without ``request_of``; None: it is asked each time."""
        own = self._is_own("request_of", "address_of", "wrapped")
        return None if own else updates_of(self, self.reading.version)

    def request_of(self, change: Outgoing) -> Request:
        """The request that a change becomes.

        Raises:
            BadResponse: it can become none.
        """
        # Only where it is heeded: elsewhere it would promise what nobody keeps.
        always = {self.key_header: change.mutation_id} if self.dedupes else {}
        always |= self.item_headers
        if self.operations and (operation := self.operations.get(change.op)) is not None:
            made = operation(change)
            return replace(made, headers={**always, **made.headers})
        if change.op not in ("insert", "update", "delete"):
            raise BadResponse(f"nothing says what request a {change.op!r} is: RestRemote(operations={{…}})")
        if change.op == "insert" and (self.create == "POST" or change.remote_id is None):
            return Request("POST", self.collection, {}, always, self.wrapped(change.document))
        if change.remote_id is None:
            raise BadResponse(f"the remote's id of the row {change.key!r} is not known: where would it go?")
        url = self.address_of(change.remote_id)
        if change.op == "insert":
            return Request("PUT", url, {}, {**always, "If-None-Match": "*"}, self.wrapped(change.document))
        only = self._condition(change)
        if change.op == "delete":
            return Request("DELETE", url, only.params, {**always, **only.headers})
        body = change.changed if self.update == "PATCH" else change.document
        return Request(self.update, url, only.params, {**always, **only.headers}, self.wrapped(body))

    def verdict(self, change: Outgoing, reply: Reply) -> Verdict:
        """What the answer says of the change."""
        told = None if self.classify is None else self.classify(change, reply)
        return told if told is not None else verdict_of(change, reply, self.reading, self.statuses)

    def probe(self, change: Outgoing) -> Verdict | None:
        """Whether a change that was sent before has been applied; None: it was not, send it."""
        return Probe(self.fetch, None if self.unique is None else self.find, self.id).of(change)

    def find(self, change: Outgoing) -> Document | None:
        """The row that an insert became, by its ``unique`` field; None: there is none.

        Raises:
            RemoteError: as ``pull``.
        """
        assert self.unique is not None
        value = change.document.get(self.unique)
        reply = self.listed({self.unique: str(value)})
        if reply.status // 100 != 2:
            raise error_of_pull(reply, self.statuses, resumed=False)
        refuse_portal(reply)
        for row in self.rows_of(reply):
            if row.get(self.unique) == value and not self.reading.is_deleted(row):
                return self.reading.document(row, reply)
        return None

    def address_of(self, remote_id: str) -> str:
        """Where an item is.

        Raises:
            BadResponse: its id cannot be in an address.
        """
        return item_url(self.collection, self.item, remote_id)

    def wrapped(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """An object as it is sent."""
        return dict(body) if self.wrap is None else {self.wrap: dict(body)}

    def _is_blind(self, change: Outgoing) -> bool:
        """It would overwrite what nobody here has seen: it is to be fetched, and merged, first."""
        return self.version is not None and change.base_version is None and change.op in ("update", "delete")

    def _condition(self, change: Outgoing) -> Condition:
        version, base = self.reading.version, change.base_version
        return Condition() if version is None or base is None else version.condition(base)

    def _send(self, one: Request) -> Reply:
        return self.request(one.method, one.url, params=one.params, headers=one.headers, json=one.json)
