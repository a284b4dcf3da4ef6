"""Kinto: ``_since`` and tombstones, ETags everywhere, and batches that answer for each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from windlass.errors import BadResponse
from windlass.sync.cursors import Since
from windlass.sync.paginate import NextLink, count_of
from windlass.sync.places import ETag, Field, Header
from windlass.sync.remote import Ask, Page
from windlass.sync.reply import Reply, shown
from windlass.sync.rest import RestRemote
from windlass.sync.sending import Request


class KintoRemote(RestRemote):
    """A collection of a Kinto server.

    ``server`` is its address, with the version of the API: ``https://kinto.example.com/v1``. Ids are made
    here, so that an insert is a ``PUT``. ``together`` is how many changes travel in one request; the server's
    own limit is 25 unless it was configured otherwise. Other settings are those of ``RestRemote``.

    >>> KintoRemote("https://kinto.example.com/v1", "notes", "tasks").url
    'https://kinto.example.com/v1/buckets/notes/collections/tasks/records'
    """

    def __init__(
        self, server: str, bucket: str, collection: str, *, together: int = 25, **settings: Any
    ) -> None:
        server = server.rstrip("/")
        path = f"buckets/{quote(bucket, safe='')}/collections/{quote(collection, safe='')}/records"
        kinto: dict[str, Any] = {
            # The order keeps pages steady while rows change: a changed one moves to the end.
            "parameters": {"_sort": "last_modified"},
            "cursor": Since("_since"),
            "page": NextLink(Header("Next-Page")),
            "limit_parameter": "_limit",
            "rows": "data",
            "row": "data",
            "wrap": "data",
            "current": "details.existing",
            "version": ETag(field="last_modified"),
            "deleted": Field("deleted"),
            "conditional": "collection",
            "create": "PUT",
            "batch": together,
            "envelope": KintoBatch(server, together),
        }
        super().__init__(f"{server}/{path}", **kinto | settings)

    def pull(self, ask: Ask) -> Page:
        page = super().pull(ask)
        if ask.cursor is not None or ask.page is not None or page.next_page is None:
            return page
        # A page does not tell how many there are, and a first snapshot has its progress shown.
        head = self.request("HEAD", self.collection)
        return page._replace(total=count_of(Header("Total-Objects"), head))


class KintoBatch(msgspec.Struct, frozen=True):
    """``POST /batch``: the requests themselves in a list, and their answers in another."""

    server: str
    size: int = 25

    def kind(self, request: Request) -> str:  # noqa: ARG002 - all of them may travel together
        return "any"

    def envelope(self, requests: Sequence[Request]) -> Request:
        return Request(
            "POST", f"{self.server}/batch", json={"requests": [self._part(one) for one in requests]}
        )

    def replies(self, reply: Reply, requests: Sequence[Request]) -> list[Reply]:
        answers = Field("responses").of(reply.json())
        if not isinstance(answers, list):
            raise BadResponse(f"{shown(reply.url)}: expected the answer to a batch to hold responses")
        return [
            _reply(answer, request)
            for answer, request in zip(cast("list[Any]", answers), requests, strict=False)
        ]

    def _part(self, request: Request) -> dict[str, Any]:
        parts = urlsplit(request.url)
        path = parts.path + (f"?{urlencode(request.params)}" if request.params else "")
        part: dict[str, Any] = {"method": request.method, "path": path, "headers": dict(request.headers)}
        return part if request.json is None else {**part, "body": request.json}


def _reply(answer: Any, request: Request) -> Reply:
    status, headers = Field("status").of(answer), Field("headers").of(answer)
    if not isinstance(status, int) or not isinstance(headers, Mapping):
        raise BadResponse(f"{shown(request.url)}: expected status and headers, got {answer!r:.150}")
    told = {str(name): str(value) for name, value in cast("Mapping[Any, Any]", headers).items()}
    content = msgspec.json.encode(Field("body").of(answer))
    return Reply(status, told, content, request.url, method=request.method)
