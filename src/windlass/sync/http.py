"""HTTP as sync needs it: every answer is a ``Reply``, and every failure says what is known of its fate.

Promises kept here:

* X4: nothing is sent to another origin, by a redirect or by a link; private addresses are reached only
  where the base URL's own host is one (``network.py``).
* An answer costs bounded memory and bounded time, whatever it is (``inflate.py``).
* P2: ``Offline.applied`` False is said only where nothing of the request can have reached the server.
* P6: a 401 refreshes the credentials once, and is then ``Unauthorized``.
* Secrets are read when a request is sent, and are in no error, log line or ``repr``.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import threading
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec

from windlass.clock import Clock, SystemClock, monotonic
from windlass.errors import BadResponse, ConfigError, InvalidDocument, Offline, Unauthorized
from windlass.redact import clean
from windlass.sync.auth import Auth
from windlass.sync.budget import budget_of
from windlass.sync.document import encode
from windlass.sync.exchange import Exchange, work_meanwhile
from windlass.sync.inflate import ENCODINGS, Limits, read_body
from windlass.sync.reply import Headers, Reply, shown
from windlass.sync.secrets import Secret
from windlass.version import VERSION

if TYPE_CHECKING:
    import httpx2

    from windlass.sync.wire import Answer, Line, Sending

__all__ = ["Headers", "InvalidDocument", "Limits", "Reply", "Timeouts", "Transport"]

log = logging.getLogger("windlass.sync.http")

REDIRECTS_MAX = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPING_METHOD = frozenset({307, 308})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHOD = re.compile(r"[A-Za-z]{1,20}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile("[\t\x20-\x7e\x80-\xff]*")


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long a request may take, in seconds."""

    connect: float = 10.0
    """Until there is a connection, TLS included."""
    read: float = 30.0
    """Between two pieces of an answer, or of what is sent."""
    total: float = 120.0
    """From the first byte sent to the last one read, redirects included."""


class Transport:
    """Speaks to one origin. Any thread may use it; connections are kept alive between requests.

    ``base_url``: the collection, or the root of the API. ``rate``: requests a second, shared by all who speak
    to this origin in this process. ``headers``: sent with each request; a value may be a ``Secret``.
    ``private``: whether private addresses may be reached; None: if the host is at one when it is first
    looked up. ``verify``: an SSL context of your own. ``transport``: a transport of httpx2's, which
    then decides itself about addresses, proxies and TLS.

    >>> Transport("https://api.example.com/tasks").origin
    'https://api.example.com'

    Raises:
        ConfigError: the URL is none for HTTP, or carries credentials.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        rate: float | None = None,
        clock: Clock | None = None,
        private: bool | None = None,
        verify: ssl.SSLContext | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url
        self.origin, self._host = _split(base_url)
        self.auth = auth
        self._extra = dict(headers or {})
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._budget = None if rate is None else budget_of(self.origin, rate)
        self._clock = clock or SystemClock()
        self._private = private
        self._verify = verify
        self._transport = transport
        self._opening = threading.Lock()
        self._opened: tuple[int, Line] | None = None
        self._under_way: set[Exchange] = set()

    def __repr__(self) -> str:
        return f"Transport({shown(self.base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(
        self,
        method: str,
        url: str = "",
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
    ) -> Reply:
        """Sends a request and reads its whole answer, whatever its status but 401.

        ``url``: empty for the base; absolute; from the root (``/x``); a query for the base (``?x``); or what
        to add to the base's path (``x``). ``params``: put behind its query; None leaves one out.

        Raises:
            Offline: no connection or no complete answer; ``applied`` False where nothing was sent.
            Unauthorized: 401, also with refreshed credentials; or there are none.
            BadResponse: too large, damaged, or leading to where nothing is sent.
            InvalidDocument: ``json`` cannot be sent as JSON.
        """
        own: dict[str, str | Secret] = dict(headers or {})
        if json is not None:
            content = encode(json, self._limits.depth)
            own.setdefault("content-type", "application/json")
        line = self._line()
        target = line.resolve(url, params)
        refused: Reply | None = None
        while True:
            sending = self._sending(method, target, own, content)
            reply = self._follow(line, sending, monotonic() + self._timeouts.total)
            if reply.status != 401:
                return reply
            if refused is not None or self.auth is None or not self.auth.refresh(sending.headers):
                raise Unauthorized(f"{sending.what}: {reply.title}", after_s=reply.retry_after_s)
            refused = reply

    @contextmanager
    def stream(
        self,
        url: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        exchange: Exchange | None = None,
        silence_s: float | None = None,
    ) -> Generator[tuple[Reply, Iterable[bytes]]]:
        """An answer to a GET without an end: its head, and the pieces of its body as they come.

        ``exchange.abort()`` ends it from another thread. ``silence_s``: the longest pause between two pieces.

        Raises:
            Offline, BadResponse, Unauthorized: as ``request``; also while the pieces are read.
        """
        line, exchange = self._line(), exchange or Exchange()
        own: dict[str, str | Secret] = {"accept-encoding": "identity", **(headers or {})}
        for second in (False, True):
            sending = self._sending("GET", line.resolve(url), own, None)
            self._take()
            with line.open(sending, exchange, silence_s) as answer:
                reply = self._reply(sending, answer)
                log.debug("%s: %d", sending.what, reply.status)
                if reply.status == 401:
                    if not second and self.auth is not None and self.auth.refresh(sending.headers):
                        continue
                    raise Unauthorized(f"{sending.what}: {reply.title}", after_s=reply.retry_after_s)
                if reply.headers.get("content-encoding", "identity").lower() != "identity":
                    raise BadResponse(f"{sending.what}: the answer is compressed, which was not asked for")
                yield reply, answer.pieces
                return

    def abort(self) -> None:
        """Ends the requests under way, from any thread: whoever waits for one gets ``Offline``."""
        with self._opening:
            under_way = list(self._under_way)
        for exchange in under_way:
            exchange.abort()

    def close(self) -> None:
        """Closes the connections. The next request opens new ones."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].close()

    def _line(self) -> Line:
        with self._opening:
            # A connection that a fork has copied would be spoken to by two processes at once.
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = (os.getpid(), self._new_line())
            return self._opened[1]

    def _new_line(self) -> Line:
        try:
            from windlass.sync.network import Guard
            from windlass.sync.wire import Line
        except ImportError as error:
            raise ConfigError(
                f"sync over HTTP needs the package httpx2: install Windlass with the extra `sync` ({error})"
            ) from error
        return Line(
            self.base_url,
            Guard(self._host, private=self._private),
            connect_s=self._timeouts.connect,
            verify=self._verify,
            transport=self._transport,
        )

    def _take(self) -> None:
        if self._budget is not None:
            work_meanwhile()  # it may let us wait
            self._budget.take()

    def _sending(
        self, method: str, url: str, own: Mapping[str, str | Secret], content: bytes | None
    ) -> Sending:
        from windlass.sync.wire import Sending

        if not _METHOD.fullmatch(method):
            raise ConfigError(f"expected a method of HTTP, got {method[:40]!r}")
        headers = {
            "accept": "application/json, */*;q=0.1",
            "accept-encoding": ENCODINGS,
            "user-agent": f"windlass/{VERSION}",
        }
        for given in (self._extra, own):
            for name, value in given.items():
                headers[name.lower()] = value.reveal() if isinstance(value, Secret) else value
        if self.auth is not None:
            headers.update((name.lower(), value) for name, value in self.auth.headers(headers).items())
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
                # Its value is not shown: it may be a token with a line break at its end.
                raise ConfigError(f"the header {clean(name, 100)!r} holds characters that no header may hold")
        return Sending(method.upper(), url, headers, content)

    def _follow(self, line: Line, sending: Sending, deadline: float) -> Reply:
        for _ in range(REDIRECTS_MAX + 1):
            reply = self._send(line, sending, deadline)
            location = reply.headers.get("location")
            if reply.status not in _REDIRECTS or location is None:
                return reply
            try:
                target = line.resolve(location, against=sending.url)
            except BadResponse as error:
                raise BadResponse(f"{sending.what}: {reply.title}: {error}") from None
            if sending.method not in _SAFE and reply.status not in _KEEPING_METHOD:
                return reply
            sending = sending._replace(url=target)
        raise BadResponse(f"{sending.what}: more than {REDIRECTS_MAX} redirects")

    def _send(self, line: Line, sending: Sending, deadline: float) -> Reply:
        self._take()
        exchange = Exchange(deadline)
        try:
            return self._exchange(line, sending, exchange)
        except Offline:
            # A server may close a connection that it kept alive just when the next request comes in.
            stale = exchange.cut and not exchange.aborted and not exchange.dialled and not exchange.answered
            # What may have arrived is repeated by the push alone, which then knows that it was: not even a
            # key makes that ours to do, for the second answer may come from one that never looked at it.
            if not (stale and (not exchange.sent or sending.method in _SAFE)):
                raise
        log.debug("%s: the connection was no longer kept, once more", sending.what)
        return self._exchange(line, sending, Exchange(deadline))

    def _exchange(self, line: Line, sending: Sending, exchange: Exchange) -> Reply:
        began = monotonic()
        with self._listed(exchange), line.open(sending, exchange, self._timeouts.read) as answer:
            reply = self._reply(sending, answer)
            if sending.method != "HEAD":
                reply.content = read_body(answer.pieces, reply.headers, self._limits, sending.what)
        log.debug(
            "%s: %d, %d bytes, %.0f ms",
            sending.what,
            reply.status,
            len(reply.content),
            1000 * (monotonic() - began),
        )
        return reply

    @contextmanager
    def _listed(self, exchange: Exchange) -> Generator[None]:
        """Inside the block ``abort`` ends it."""
        with self._opening:
            self._under_way.add(exchange)
        try:
            yield
        finally:
            with self._opening:
                self._under_way.discard(exchange)

    def _reply(self, sending: Sending, answer: Answer) -> Reply:
        return Reply(
            answer.status,
            answer.headers,
            b"",
            sending.url,
            method=sending.method,
            received_s=self._clock.wall_us() / 1e6,
            depth_max=self._limits.depth,
        )


def _split(base_url: str) -> tuple[str, str]:
    """The origin and the host."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\\x00-\x1f]", base_url):
        raise ConfigError(f"expected a URL that begins with https:// or http://, got {shown(base_url)!r}")
    if "@" in parts.netloc:
        raise ConfigError(
            f"{shown(base_url)} carries credentials, and the origin is stored: use auth=basic(user, password)"
        )
    if parts.fragment:
        raise ConfigError(f"expected a URL without a fragment, got {shown(base_url)}#…")
    named = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{named}" + ("" if port in (None, usual) else f":{port}"), host
