"""A good little REST server: what an API looks like that was made to be synced with.

    GET    /tasks?_since=&_limit=   what changed since a version, tombstones too; without it what lives.
                                    ETag and 304; a Link to the next page; a Watermark, fixed at page 1
    POST   /tasks                   creates with an id of the server's own: 201, Location
    GET    /tasks/7                 ETag; 404, or 410 for a tombstone
    PUT    /tasks/7                 creates or replaces; If-None-Match: *, If-Match
    PATCH  /tasks/7                 changes the fields that are given; If-Match
    DELETE /tasks/7                 204 and a tombstone; If-Match
    POST   /_batch                  {"requests": [{"method", "path", "headers", "body"}]} → a status for each
    GET    /_events                 server-sent events: one for each write
    GET    /_poll?since=            waits for a write; 204 when there was none for ``poll_s``

A write with an ``Idempotency-Key`` takes effect once: its answer is remembered. A precondition that fails is
412 with the current document. What a check rejects is 422 with a problem document.
"""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urlencode

from windlass.demo.server.serving import Asked, Listener, message, read_request
from windlass.demo.server.shelf import Document, Shelf, Slice, Stored, encoded


class Answer(NamedTuple):
    """What a request is answered with; ``body`` is what becomes JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = {}


class Planned(NamedTuple):
    """An answer that is given instead of the real one; None for ``method`` or ``path``: to any."""

    answer: Answer
    method: str | None
    path: str | None


class StoreServer(Listener):
    """``with StoreServer() as server: server.url + "/tasks"``; what it keeps is in ``server.shelf``."""

    def __init__(self, port: int = 0) -> None:
        self.shelf = Shelf()
        self.page_max = 1000
        self.poll_s = 20.0
        self.heartbeat_s = 5.0
        self.token: str | None = None
        """What every request must bear, if it is set."""
        self.wants_match = False
        """Updates and deletes without If-Match are answered with 428."""
        self.max_age_s: int | None = None
        self.asked: list[Asked] = []
        self.streams = 0
        """Event streams that are open."""
        self._plans: list[Planned] = []
        super().__init__(self._talk, port)

    def plan(
        self,
        status: int,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        method: str | None = None,
        path: str | None = None,
        times: int = 1,
    ) -> None:
        """The next ``times`` requests that fit are answered so, and not carried out."""
        self._plans += [Planned(Answer(status, body, headers or {}), method, path)] * times

    def targets(self) -> list[str]:
        """Method and target of each request so far."""
        return [f"{one.method} {one.target}" for one in self.asked]

    # ── HTTP ──────────────────────────────────────────────────────────────────────────────────────
    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (asked := read_request(stream)) is not None:
                self.asked.append(asked)
                if asked.path == "/_events" and self._may(asked):
                    self._tell(asked, connection)
                    return
                if not self._give(asked, self._answer(asked), connection):
                    return

    def _give(self, asked: Asked, answer: Answer, connection: socket.socket) -> bool:
        """Sends the answer; True to keep the connection."""
        body = b"" if answer.body is None else encoded(answer.body)
        headers = {"Content-Type": "application/json"} | answer.headers
        connection.sendall(message(answer.status, headers, b"" if asked.method == "HEAD" else body))
        return True

    def _may(self, asked: Asked) -> bool:
        return self.token is None or asked.headers.get("authorization") == f"Bearer {self.token}"

    def _answer(self, asked: Asked) -> Answer:
        for planned in self._plans:
            if planned.method in (None, asked.method) and planned.path in (None, asked.path):
                self._plans.remove(planned)
                return planned.answer
        if not self._may(asked):
            return problem(401, "Who are you?", "A bearer token is missing or wrong.")
        if asked.path == "/_poll":
            return self._poll(asked)
        try:
            body: Any = json.loads(asked.body) if asked.body else None
        except ValueError:
            return problem(400, "Malformed", "The body is not JSON.")
        if asked.path == "/_batch" and asked.method == "POST":
            return Answer(200, {"responses": [self._part(one) for one in body["requests"]]})
        return self._carry_out(asked.method, asked.path, asked.query, asked.headers, body)

    def _part(self, part: dict[str, Any]) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in part.get("headers", {}).items()}
        answer = self._carry_out(part["method"], part["path"], {}, headers, part.get("body"))
        return {"status": answer.status, "path": part["path"], "headers": answer.headers, "body": answer.body}

    def _carry_out(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any
    ) -> Answer:
        collection, _, id_ = path.strip("/").partition("/")
        key = None if method in ("GET", "HEAD") else headers.get("idempotency-key")
        with self.shelf.changed:
            if method in ("GET", "HEAD"):
                return self._one(collection, id_) if id_ else self._list(collection, query, headers)
            what = encoded([method, path, body]).decode()
            if key is not None:
                try:
                    if (before := self.shelf.remembered(key, what)) is not None:
                        return before._replace(headers=before.headers | {"Idempotency-Replayed": "true"})
                except ValueError:
                    return problem(422, "Key used", "This Idempotency-Key was used for another request.")
            answer = self._write(method, collection, id_, headers, body, key)
            # Only what took effect is remembered: anything else may come out otherwise the next time.
            if key is not None and answer.status < 300:
                self.shelf.remember(key, what, answer)
            return answer

    # ── reading ───────────────────────────────────────────────────────────────────────────────────
    def _one(self, collection: str, id_: str) -> Answer:
        found = self.shelf.find(collection, id_)
        if found is None:
            return problem(404, "Not found", f"There is no {id_} in {collection}.")
        return self._shown(found, 200 if found.fields is not None else 410)

    def _list(self, collection: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        since = int(query["_since"]) if "_since" in query else None
        if since is not None and since < self.shelf.oldest:
            return problem(410, "Cursor expired", "Changes this old are no longer kept: begin anew.")
        version = self.shelf.version_of(collection)
        etag = f'"{version}"'
        told = {"ETag": etag} | (
            {} if self.max_age_s is None else {"Cache-Control": f"max-age={self.max_age_s}"}
        )
        if headers.get("if-none-match") == etag and "_after" not in query:
            return Answer(304, None, told)
        until = int(query.get("_until", version))
        limit = max(1, min(int(query.get("_limit", self.page_max)), self.page_max))
        found = self.shelf.slice(
            collection,
            after=int(query.get("_after", since or 0)),
            until=until,
            limit=limit,
            tombstones=since is not None,
        )
        return Answer(
            200,
            {"data": [one.shown() for one in found.documents]},
            told | {"Watermark": str(until), **self._next(collection, query, found, until)},
        )

    @staticmethod
    def _next(collection: str, query: dict[str, str], found: Slice, until: int) -> dict[str, str]:
        if found.after is None:
            return {}
        following = query | {"_after": str(found.after), "_until": str(until)}
        return {"Link": f'</{quote(collection)}?{urlencode(following)}>; rel="next"'}

    def _poll(self, asked: Asked) -> Answer:
        since = int(asked.query.get("since", "0"))
        with self.shelf.changed:
            self.shelf.changed.wait_for(
                lambda: self.shelf.version > since or self.stopping.is_set(), self.poll_s
            )
            version = self.shelf.version
        return Answer(200, {"version": version}, {"ETag": f'"{version}"'}) if version > since else Answer(204)

    # ── writing ───────────────────────────────────────────────────────────────────────────────────
    def _write(
        self, method: str, collection: str, id_: str, headers: dict[str, str], body: Any, key: str | None
    ) -> Answer:
        if method == "POST" and not id_:
            return self._put(collection, self.shelf.new_id(), body, "create", key)
        found = self.shelf.find(collection, id_)
        lives = found is not None and found.fields is not None
        if (refusal := self._precondition(found, headers)) is not None:
            return refusal
        if method == "PUT":
            return self._put(collection, id_, body, "put", key)
        if not lives or found is None:
            return self._one(collection, id_)
        if method == "PATCH":
            return self._put(collection, id_, {**(found.fields or {}), **(body or {})}, "patch", key)
        if method == "DELETE":
            gone = self.shelf.write(collection, id_, None, "delete", key)
            return Answer(204, None, {"ETag": f'"{gone.version}"'})
        return problem(405, "Method not allowed", f"{method} means nothing here.")

    def _precondition(self, found: Stored | None, headers: dict[str, str]) -> Answer | None:
        lives = found is not None and found.fields is not None
        match = headers.get("if-match")
        if lives and found is not None:
            if headers.get("if-none-match") == "*" or match not in (None, "*", f'"{found.version}"'):
                return self._shown(found, 412)
        elif match is not None:
            return problem(412, "Precondition failed", "There is no such document.")
        if self.wants_match and lives and match is None:
            return problem(428, "Precondition required", "Say which version this was made upon: If-Match.")
        return None

    def _put(self, collection: str, id_: str, body: Any, op: str, key: str | None) -> Answer:
        if not isinstance(body, dict):
            return problem(400, "Malformed", "A document is a JSON object.")
        given = cast("Document", body)
        fields = {name: value for name, value in given.items() if name not in ("id", "version")}
        if (why := self.shelf.rejection(collection, fields)) is not None:
            return problem(422, "Rejected", why)
        found = self.shelf.find(collection, id_)
        new = found is None or found.fields is None
        stored = self.shelf.write(collection, id_, fields, op, key)
        answer = self._shown(stored, 201 if new else 200)
        where = {"Location": f"/{quote(collection)}/{quote(id_, safe='')}"} if new else {}
        return answer._replace(headers=answer.headers | where)

    @staticmethod
    def _shown(stored: Stored, status: int) -> Answer:
        return Answer(status, stored.shown(), {"ETag": f'"{stored.version}"'})

    # ── live ──────────────────────────────────────────────────────────────────────────────────────
    def _tell(self, asked: Asked, connection: socket.socket) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"
        connection.sendall(f"{head}retry: 20\n\n".encode())
        shelf = self.shelf
        with shelf.changed:
            seen = int(asked.headers.get("last-event-id", shelf.version))
            self.streams += 1
        try:
            while not self.stopping.is_set():
                with shelf.changed:
                    shelf.changed.wait_for(
                        lambda seen=seen: shelf.version > seen or self.stopping.is_set(), self.heartbeat_s
                    )
                    news = shelf.effects[seen:]
                    seen = shelf.version
                events = (f"id: {one.version}\ndata: {one.collection}/{one.id}\n\n" for one in news)
                connection.sendall("".join(events).encode() or b": still here\n\n")
        finally:
            with shelf.changed:
                self.streams -= 1

    def down(self) -> None:
        """Goes down as a listener does; those who wait for news are woken first."""
        self.stopping.set()
        with self.shelf.changed:
            self.shelf.changed.notify_all()
        super().down()


def problem(status: int, title: str, detail: str) -> Answer:
    """An error as a problem document (RFC 9457)."""
    document = {"type": "about:blank", "status": status, "title": title, "detail": detail}
    return Answer(status, document, {"Content-Type": "application/problem+json"})
