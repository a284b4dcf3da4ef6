"""Who may ask: Host, Origin, token or cookie, CSRF, role; and the headers that hold a browser to it.

The order matters. A wrong Host comes first: a page that has pointed its own name at this machine (DNS
rebinding) learns nothing, not even whether a token is right. Then whether a foreign page asks, then who it
is.
"""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

from starlette.requests import Request

from windlass.errors import ConfigError
from windlass.web.routing import Problem
from windlass.web.sessions import Sessions, Visitor

CSRF_HEADER = "X-Windlass-CSRF"
SAFE = frozenset({"GET", "HEAD"})

Authorize = Callable[[Request], "Visitor | Awaitable[Visitor | None] | None"]
"""Tells who a request is from, by whatever the surrounding program knows; None: by nobody it knows."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'self'; form-action {forms}; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def headers(*, forms: bool = False) -> dict[str, str]:
    """What every answer carries. ``forms``: of the one page that has a form, where the token is entered."""
    policy = _POLICY.format(forms="'self'" if forms else "'none'")
    return {"Content-Security-Policy": policy, "Cache-Control": "no-store", **_HEADERS}


class Guard:
    """Lets requests through, or raises the ``Problem`` to answer with.

    ``hosts`` are the names under which it is reached, each with its port or for any port. ``read_only`` holds
    for everyone.
    """

    def __init__(
        self, sessions: Sessions, *, hosts: Iterable[str], authorize: Authorize | None, read_only: bool
    ) -> None:
        self.sessions = sessions
        self._hosts = frozenset(checked_host(host) for host in hosts)
        self._authorize = authorize
        self._read_only = read_only

    def check_place(self, request: Request) -> None:
        """Refuses names that are not ours, and what another site's page asks."""
        given = request.headers.getlist("host")
        host = given[0].lower() if len(given) == 1 else ""
        if not host or (host not in self._hosts and _name_of(host) not in self._hosts):
            raise Problem(
                403,
                "host",
                "this dashboard is not reached by that name",
                way_out="open it as it was started, or give the name to allowed_hosts",
            )
        origins = request.headers.getlist("origin")
        if len(origins) > 1 or (origins and not _is_own(origins[0], host)):
            raise Problem(403, "origin", "another site's page may not ask this dashboard")
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Problem(
                403,
                "origin",
                "another site's page may not ask this dashboard",
                way_out="type its address, or open it by windlass ui",
            )

    async def identify(self, request: Request) -> Visitor:
        """Who it is."""
        visitor = self._by_header(request) or await self._by_program(request) or self._by_cookie(request)
        if visitor is None:
            raise Problem(
                401,
                "unauthorized",
                "this dashboard wants to know who asks",
                way_out="open it by windlass ui, or send its token in the header Authorization",
            )
        if self._read_only and not visitor.read_only:
            return Visitor(who=visitor.who, read_only=True, csrf=visitor.csrf)
        return visitor

    def check_action(self, request: Request, visitor: Visitor) -> None:
        """Refuses to change anything for those who may not, or who did not mean to."""
        if request.method in SAFE:
            return
        given = request.headers.get(CSRF_HEADER, "")
        if visitor.csrf is not None and not _equal(given, visitor.csrf):
            raise Problem(
                403,
                "csrf",
                f"a request that changes something carries {CSRF_HEADER}",
                way_out="take csrf from GET api/session",
            )
        if visitor.read_only:
            raise Problem(403, "read_only", "who looks on may not change anything")

    def _by_header(self, request: Request) -> Visitor | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.sessions.is_token(given.strip()):
            return Visitor(who="token")
        return None

    async def _by_program(self, request: Request) -> Visitor | None:
        if self._authorize is None:
            return None
        found = self._authorize(request)
        visitor = await found if inspect.isawaitable(found) else found
        if visitor is None or visitor.csrf is not None:
            return visitor
        return Visitor(
            who=visitor.who, read_only=visitor.read_only, csrf=self.sessions.csrf(f"who {visitor.who}")
        )

    def _by_cookie(self, request: Request) -> Visitor | None:
        cookie = request.cookies.get(self.sessions.cookie)
        return None if cookie is None else self.sessions.read(cookie)


def checked_host(host: str) -> str:
    """A name that requests may come under: ``ops.example.com``, ``127.0.0.1:8765``, ``[::1]``.

    Raises:
        ConfigError: it is an address of the web, a pattern, or empty.
    """
    if not host or any(sign in host for sign in "/*@? "):
        raise ConfigError(
            f"expected allowed_hosts to be names such as ops.example.com or 127.0.0.1:8765, got {host!r}"
        )
    return host.lower()


def _name_of(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _is_own(origin: str, host: str) -> bool:
    # Not the scheme: whoever ends TLS before us may not have told.
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host


def _equal(given: str, own: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), own.encode())
