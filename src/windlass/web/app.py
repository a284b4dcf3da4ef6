"""The ASGI application: what passes the guard goes to a route, the event stream, or the pages."""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncGenerator, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from windlass.web.answering import Answerer, error_response, respond
from windlass.web.api import PARTS
from windlass.web.assets import Assets, entrance, page
from windlass.web.events import Changes
from windlass.web.openapi import document
from windlass.web.routing import Call, Plain, Problem, RouteTable, split_path
from windlass.web.security import LOOPBACK, SAFE, Authorize, Guard, headers
from windlass.web.sessions import Sessions, checked_token, kept_token

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from windlass.app import Windlass

log = logging.getLogger("windlass.web")

API = "api"
_FORM_MOST = 4096


def dashboard(
    app: Windlass,
    *,
    token: str | None = None,
    authorize: Authorize | None = None,
    read_only: bool = False,
    allowed_hosts: Iterable[str] = LOOPBACK,
) -> Dashboard:
    """The dashboard of an app, as an ASGI application to be mounted at any path, or run by itself.

    ``token`` is what programs send as ``Authorization: Bearer``, and people enter once; unless it is given,
    one is kept beside the database. ``authorize`` is asked who a request is from, where the surrounding
    program knows: it gets the request and gives a ``Visitor``, or None; it may be async. With ``read_only``,
    nobody may change anything. ``allowed_hosts`` are the names it is reached by, with a port or for any port.

    Raises:
        ConfigError: the token is too short, or a host is no name.

    >>> import secrets, tempfile
    >>> from windlass import Windlass
    >>> app = Windlass(tempfile.mkdtemp() + "/app.db")
    >>> pages = dashboard(app, token=secrets.token_urlsafe(32), allowed_hosts=["ops.example.com"])
    """
    return Dashboard(
        app, token=token, authorize=authorize, read_only=read_only, allowed_hosts=tuple(allowed_hosts)
    )


class Dashboard:
    """What ``dashboard`` gives: an ASGI application."""

    def __init__(
        self,
        app: Windlass,
        *,
        token: str | None,
        authorize: Authorize | None,
        read_only: bool,
        allowed_hosts: Sequence[str],
    ) -> None:
        self.app = app
        self.changes = Changes(lambda: app.store)
        self.assets = Assets()
        self._token = None if token is None else checked_token(token)
        self._given = authorize, read_only, allowed_hosts
        self._answerer = Answerer()
        self._documents: dict[str, Plain] = {}
        # A mistake in the hosts is told now, not with the first request.
        Guard(Sessions("-"), hosts=allowed_hosts, authorize=authorize, read_only=read_only)

    @cached_property
    def sessions(self) -> Sessions:
        """What its visitors' cookies and codes are signed with."""
        return Sessions(self._token or kept_token(self.app.settings.database), clock=self.app.clock)

    @cached_property
    def routes(self) -> RouteTable:
        """All routes of the API."""
        return route_table()

    @cached_property
    def guard(self) -> Guard:
        """What lets requests through."""
        authorize, read_only, hosts = self._given
        return Guard(self.sessions, hosts=hosts, authorize=authorize, read_only=read_only)

    def entry(self) -> str:
        """The path, below where it is mounted, that opens one session within five minutes: for a link."""
        return f"enter?code={quote(self.sessions.code())}"

    def close(self) -> None:
        """Ends the event streams, so that a server that waits for its connections can stop."""
        self.changes.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            try:
                response = await self._respond(request)
            except ClientDisconnect:
                return  # nobody is left to answer
            if request.method == "HEAD":
                response = Response(None, response.status_code, response.headers)
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                # Its modules take longer to import than most requests to be answered.
                _ = self.routes
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self.close()
                return

    async def _respond(self, request: Request) -> Response:
        base, segments = place_of(request.scope)
        try:
            self.guard.check_place(request)
            if segments == ("livez",) and request.method in SAFE:
                return respond(Plain(content=b"ok\n", media_type="text/plain; charset=utf-8"))
            if segments == ("enter",):
                return await self._enter(request, base)
            visitor = await self.guard.identify(request)
            self.guard.check_action(request, visitor)
            return await self._reach(request, base, segments, Call(self.app, visitor))
        except Problem as problem:
            return self._refused(request, base, segments, problem)

    async def _reach(self, request: Request, base: str, segments: tuple[str, ...], call: Call) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        found = self.routes.find(segments)
        if method in found:
            route, places = found[method]
            return await self._answerer.answer(request, route, places, call)
        if segments == (API, "events") and request.method == "GET":
            return await self._stream(request)
        if segments == (API, "openapi.json") and method == "GET":
            return respond(self._document(base))
        if found:
            allowed = ", ".join(sorted(found))
            raise Problem(405, "method", f"expected one of {allowed} here, got {request.method}")
        if method != "GET" or segments[0] == API:
            raise Problem(404, "no_such_route", f"there is nothing at {request.url.path}")
        asset = self.assets.find("/".join(segments), request)
        if asset is not None:
            return asset
        if "." in segments[-1] and "text/html" not in request.headers.get("accept", ""):
            raise Problem(404, "no_such_route", f"there is nothing at {request.url.path}")
        return self.assets.index(base)

    def _refused(self, request: Request, base: str, segments: tuple[str, ...], problem: Problem) -> Response:
        if segments[0] != API and "text/html" in request.headers.get("accept", ""):
            if problem.status == 401:
                return entrance(base, status=401)
            return page(problem.status, "Windlass", f"{problem.message}: {problem.way_out or problem.code}")
        return error_response(problem)

    async def _enter(self, request: Request, base: str) -> Response:
        """Gives a cookie for a code or the token, and leads to the pages."""
        if request.method in SAFE:
            given = request.query_params.get("code")
            if given is None:
                return entrance(base, status=200)
        elif request.method == "POST":
            given = await _read_token(request)
        else:
            raise Problem(405, "method", f"expected GET or POST here, got {request.method}")
        cookie = self.sessions.enter(given, who=_who())
        if cookie is None:
            said = "That link was used before, or is too old." if request.method in SAFE else "Not that one."
            return entrance(base, status=401, said=said)
        response = RedirectResponse(base, 303, headers())
        response.set_cookie(
            self.sessions.cookie,
            cookie,
            path=base.rstrip("/") or "/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def _stream(self, request: Request) -> Response:
        events = self.changes.events(request.headers.get("last-event-id"))
        # Its first piece is made here, so that one page too many is told so.
        first = await anext(events)

        async def stream() -> AsyncGenerator[bytes]:
            try:
                yield first
                async for piece in events:
                    yield piece
            finally:
                await events.aclose()

        told = headers() | {"X-Accel-Buffering": "no"}
        return StreamingResponse(stream(), 200, told, "text/event-stream")

    def _document(self, base: str) -> Plain:
        import msgspec

        if base not in self._documents:
            made = document(self.routes.routes, base=base.rstrip("/"))
            content = msgspec.json.encode(made)
            self._documents = {base: Plain(content=content, media_type="application/json")}
        return self._documents[base]


def route_table() -> RouteTable:
    """The routes of all parts of the API."""
    return RouteTable(importlib.import_module(f"windlass.web.{name}").routes for name in PARTS)


def place_of(scope: Scope) -> tuple[str, tuple[str, ...]]:
    """Where the dashboard is mounted, with slashes around, and the rest of the path in its segments."""
    root = str(scope.get("root_path", "")).rstrip("/")
    path, raw = str(scope["path"]), scope.get("raw_path")
    told = raw.decode("latin-1") if isinstance(raw, bytes) else quote(path)
    told = told.partition("?")[0]
    # A server names the mount in both, an older one only in root_path.
    if root and (path == root or path.startswith(f"{root}/")):
        told = "/".join(["", *told.split("/")[len(root.split("/")) :]])
    return f"{quote(root)}/", split_path(told or "/")


def _who() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "token"


async def _read_token(request: Request) -> str:
    from urllib.parse import parse_qs

    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _FORM_MOST:
            raise Problem(413, "too_large", "expected a token, got more")
    return parse_qs(data.decode("latin-1")).get("token", [""])[0].strip()
