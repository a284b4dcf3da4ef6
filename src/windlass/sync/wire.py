"""The HTTP client as sync uses it: requests that stay within one origin, and failures with a known fate.

The client itself (httpx2) is imported here and in ``network.py`` alone, and those when the first request is
sent: a program that only declares its resources does not pay for it.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

import httpcore2
import httpx2

from windlass.errors import BadResponse, ConfigError, Offline
from windlass.redact import clean
from windlass.sync.exchange import Exchange, OutOfTime, Stopped
from windlass.sync.network import Guard
from windlass.sync.reply import Headers, shown

_TIMED_OUT = (httpcore2.TimeoutException, httpx2.TimeoutException, OutOfTime)
_FAILED = (
    *_TIMED_OUT,
    Stopped,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
    httpcore2.ConnectionNotAvailable,
    httpx2.TransportError,
)
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


class Sending(NamedTuple):
    """A request, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None

    @property
    def what(self) -> str:
        """As errors and the log name it."""
        return f"{self.method} {shown(self.url)}"


class Answer(NamedTuple):
    """An answer whose body is still on its way."""

    status: int
    headers: Headers
    pieces: Iterable[bytes]


class Line:
    """Connections to one origin."""

    def __init__(
        self,
        base_url: str,
        guard: Guard,
        *,
        connect_s: float,
        verify: ssl.SSLContext | None,
        transport: httpx2.BaseTransport | None,
    ) -> None:
        try:
            self._base = httpx2.URL(base_url)
        except httpx2.InvalidURL as error:
            raise ConfigError(f"{shown(base_url)} is not a URL: {clean(str(error), 200)}") from None
        self._connect_s = connect_s
        self._guard = guard
        self._ours = transport is None
        self._transport = _Wire(guard, verify) if transport is None else transport

    def resolve(
        self, url: str, params: Mapping[str, Any] | None = None, *, against: str | None = None
    ) -> str:
        """The absolute URL of what was given, of a link, or of a redirect's target.

        Raises:
            BadResponse: it leads to another origin.
        """
        path, mark, query = url.partition("#")[0].partition("?")
        try:
            if not url:
                found = self._base
            elif against is not None:
                found = httpx2.URL(against).join(url)
            elif "://" in path or path.startswith("//"):
                found = self._base.join(url)
            elif not path or path.startswith("/"):
                found = self._base.join(f"{path or self._base.path}{mark}{query}")
            else:
                folder = str(self._base.copy_with(query=None, fragment=None)).rstrip("/")
                found = httpx2.URL(f"{folder}/{path}{mark}{query}")
            if params:
                found = httpx2.URL(_with_params(str(found.copy_with(fragment=None)), params))
        except (httpx2.InvalidURL, ValueError) as error:
            raise BadResponse(f"{shown(url)} is not a URL: {clean(str(error), 200)}") from None
        if _origin(found) != _origin(self._base):
            here = f"{self._base.scheme}://{self._base.netloc.decode()}"
            raise BadResponse(
                f"{shown(url)} leads from {here} to another origin, where nothing is sent: "
                "if the API has moved, change the base URL"
            )
        if found.userinfo:
            raise BadResponse(f"{shown(url)} carries credentials: they belong into auth=")
        return str(found)

    @contextlib.contextmanager
    def open(self, sending: Sending, exchange: Exchange, read_s: float | None) -> Generator[Answer]:
        """Sends it; inside the block its body may be read.

        Raises:
            Offline: no connection, or no complete answer.
            BadResponse: an address that may not be reached.
        """
        request = httpx2.Request(
            sending.method,
            sending.url,
            headers=[(name.encode(), value.encode("latin-1")) for name, value in sending.headers.items()],
            content=sending.content,
            extensions={
                "timeout": {
                    "connect": self._connect_s,
                    "read": read_s,
                    "write": read_s,
                    "pool": self._connect_s,
                }
            },
        )
        try:
            with self._guard.exchange(exchange):
                response = self._transport.handle_request(request)
                with contextlib.closing(response):
                    yield _answer(response)
        except _FAILED as error:
            raise self._offline(sending, exchange, error) from error

    def _offline(self, sending: Sending, exchange: Exchange, error: Exception) -> Offline:
        if self._ours:
            applied = None if exchange.sent else False
        else:
            applied = False if isinstance(error, _NEVER_SENT) else None
        if isinstance(error, OutOfTime):
            text = "the time for the whole request is up"
        elif isinstance(error, Stopped) or exchange.aborted:
            text = "it was stopped"
        else:
            text = clean(str(error), 300) or type(error).__name__
        exchange.cut = not isinstance(error, (*_TIMED_OUT, Stopped)) and not exchange.aborted
        return Offline(f"{sending.what}: {text}", applied=applied)

    def close(self) -> None:
        """Closes the connections; one of the caller's own transport is its own to close."""
        if self._ours:
            self._transport.close()


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _answer(response: httpx2.Response) -> Answer:
    # As Latin-1, so that what was read goes back byte for byte: an ETag need not be ASCII.
    pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
    return Answer(response.status_code, Headers(pairs), cast("httpx2.SyncByteStream", response.stream))


def _with_params(url: str, params: Mapping[str, Any]) -> str:
    """The URL with parameters behind its own; None leaves one out."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        several = cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else (value,)
        pairs.extend(
            (name, str(one).lower() if isinstance(one, bool) else str(one))
            for one in several
            if one is not None
        )
    query = urlencode(pairs)
    return url if not query else f"{url}{'&' if '?' in url else '?'}{query}"


class _Wire(httpx2.BaseTransport):
    """A pool of kept-alive connections made by a ``Guard``."""

    def __init__(self, guard: Guard, verify: ssl.SSLContext | None) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=verify, network_backend=guard, max_connections=8, keepalive_expiry=30.0
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.content,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(status_code=answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
