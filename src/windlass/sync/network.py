"""Sockets for sync: which addresses may be reached, how long a request may take, and what became of it.

The address that is checked is the one that is connected to: a name is looked up once for each connection, and
the answer is used, so a name that changes its address between check and use (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import httpcore2

from windlass.errors import BadResponse
from windlass.sync.exchange import Exchange

Address = IPv4Address | IPv6Address
Lookup = Callable[[str, int], list[Any]]

# Where clouds tell a machine its own keys: never by way of a name, only if the base URL says so in digits.
_METADATA = frozenset(ip_address(one) for one in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254"))
_NAT64 = (ip_address("64:ff9b::"), 96)
_STATUS_LINE = b"HTTP/1."


def look_up(host: str, port: int) -> list[Any]:
    """Every address of a host, as ``socket.getaddrinfo`` tells them."""
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def kind_of(address: Address) -> str:
    """``public``, ``loopback``, ``link-local``, ``metadata``, ``special`` or ``private``.

    An IPv4 address in IPv6's clothes is what it is underneath.

    >>> [kind_of(ip_address(one)) for one in ("1.1.1.1", "::ffff:127.0.0.1", "fd00::1", "169.254.169.254")]
    ['public', 'loopback', 'private', 'metadata']
    """
    address = _underneath(address)
    if address in _METADATA:
        return "metadata"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast or address.is_unspecified:
        return "special"
    return "public" if address.is_global else "private"


def _underneath(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if inner := address.ipv4_mapped or address.sixtofour:
            return inner
        if int(address) >> 32 == int(_NAT64[0]) >> 32:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def literal(host: str) -> Address | None:
    """The address that a URL names in digits; None: it names a host."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


class Guard(httpcore2.NetworkBackend):
    """Connects for one Transport, to the addresses that its base URL allows."""

    def __init__(self, host: str, *, private: bool | None = None, lookup: Lookup = look_up) -> None:
        self._host = host
        self._literal = literal(host)
        self._private = private
        self._lookup = lookup
        self._first_kinds: frozenset[str] | None = None
        self._mutex = threading.Lock()
        self._here = threading.local()

    @contextlib.contextmanager
    def exchange(self, exchange: Exchange) -> Generator[None]:
        """What this thread does on sockets inside the block belongs to ``exchange``."""
        before: Exchange | None = getattr(self._here, "exchange", None)
        self._here.exchange = exchange
        try:
            yield
        finally:
            self._here.exchange = before

    def current(self) -> Exchange:
        """The exchange of this thread."""
        return getattr(self._here, "exchange", None) or Exchange()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - the pool's signature; we never set it
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - likewise
    ) -> httpcore2.NetworkStream:
        """Raises BadResponse where no address of the host may be reached."""
        exchange = self.current()
        exchange.dialled = True
        try:
            found = self._lookup(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"no address is known for {host}: {error}") from error
        trouble: Exception = httpcore2.ConnectError(f"no address is known for {host}")
        for family, kind, protocol, _, place in self._allowed(host, found):
            try:
                return _Stream(self, _connect(exchange, (family, kind, protocol), place, timeout))
            except TimeoutError:
                trouble = httpcore2.ConnectTimeout(f"{place[0]} did not answer in time")
            except OSError as error:
                trouble = httpcore2.ConnectError(str(error))
        raise trouble

    def _allowed(self, host: str, found: list[Any]) -> list[Any]:
        kinds = {info[4][0]: kind_of(ip_address(info[4][0].partition("%")[0])) for info in found}
        reachable = self._reachable(frozenset(kinds.values()))
        allowed = [info for info in found if kinds[info[4][0]] in reachable]
        if found and not allowed:
            address, kind = next(iter(kinds.items()))
            raise BadResponse(
                f"{host} is now at {address}, a {kind} address, which the base URL is not: nothing was sent. "
                "If it is meant to be there, say private=True"
            )
        return allowed

    def _reachable(self, kinds: frozenset[str]) -> frozenset[str]:
        if self._literal is not None:
            return frozenset({kind_of(self._literal)})
        if self._private is not None:
            return frozenset({"public", "private", "loopback", "link-local"} if self._private else {"public"})
        with self._mutex:
            if self._first_kinds is None and kinds:
                # What the base URL's own host is, is what it is at first: a later answer cannot widen it.
                usable = kinds - {"metadata", "special"}
                self._first_kinds = frozenset({"public"}) if "public" in kinds else usable
            return (self._first_kinds or frozenset()) | {"public"}


def _connect(
    exchange: Exchange, kind: tuple[int, int, int], place: Any, timeout: float | None
) -> socket.socket:
    sock = socket.socket(*kind)
    try:
        exchange.uses(sock)
        sock.settimeout(exchange.left_s(timeout))
        sock.connect(place)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


class _Stream(httpcore2.NetworkStream):
    """A connection, kept for several exchanges one after the other."""

    def __init__(self, guard: Guard, sock: socket.socket) -> None:
        self._guard = guard
        self._socket = sock
        self._answering = True
        self._answers = 0
        self._tail = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = self._guard.current()
        exchange.waits()
        self._socket.settimeout(exchange.left_s(timeout))
        try:
            data = self._socket.recv(max_bytes)
        except TimeoutError as error:
            exchange.left_s(None)  # says so, if it was the whole request's time that ran out
            raise httpcore2.ReadTimeout(f"silent for {timeout:g} s" if timeout else "silent") from error
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error
        exchange.answered = exchange.answered or bool(data)
        self._count_answers(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = self._guard.current()
        if self._answering:
            self._answering, self._answers, self._tail = False, 0, b""
            exchange.uses(self._socket)
        view = memoryview(buffer)
        try:
            while view:
                self._socket.settimeout(exchange.left_s(timeout))
                sent = self._socket.send(view)
                exchange.sent = True
                view = view[sent:]
        except TimeoutError as error:
            # Not a WriteError: after that one the pool would go on to wait for an answer.
            raise httpcore2.WriteTimeout("it takes nothing in") from error
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        exchange = self._guard.current()
        try:
            self._socket.settimeout(exchange.left_s(timeout))
            sock = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise httpcore2.ConnectTimeout("the TLS handshake took too long") from error
        except (OSError, ValueError) as error:
            self.close()
            raise httpcore2.ConnectError(str(error)) from error
        except BaseException:
            self.close()
            raise
        exchange.uses(sock)
        return _Stream(self._guard, sock)

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._socket
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "is_readable":
            # So the pool asks whether an idle connection can be used once more; a readable one cannot.
            return self._answers > 1 or self._socket.fileno() < 0 or _has_input(self._socket)
        return None

    def _count_answers(self, data: bytes) -> None:
        """A second answer to one request would be taken for the next one's, if the connection were kept.

        A body that merely quotes a status line costs no more than a new connection.
        """
        self._answering = True
        text = self._tail + data
        self._answers += text.count(_STATUS_LINE)
        self._tail = text[-(len(_STATUS_LINE) - 1) :]


def _has_input(sock: socket.socket) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])
