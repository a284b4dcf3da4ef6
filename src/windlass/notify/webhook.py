"""The webhook: each event as a signed POST, by the conventions of Standard Webhooks.

An event becomes a durable job of ours, so an outage loses nothing and needs no second retry loop. Its id
stays the same over all attempts, by which the receiver knows repetitions; each attempt is signed anew, with
its own time. The secret is read when it is used, and is in no job, no setting and no log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import os
import ssl
import uuid
from collections.abc import Callable
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, urlsplit

import msgspec

from windlass.backoff import Backoff
from windlass.errors import ConfigError
from windlass.events import Event
from windlass.notify.status import Status
from windlass.outcome import PermanentError, Retry
from windlass.redact import conceal, message_of
from windlass.version import VERSION

KEY = "windlass.notify.webhook"
MAX_ATTEMPTS = 24
BACKOFF = Backoff.exponential("5s", cap="1h", jitter="equal")
"""With so many attempts, most of a day."""
_TIMEOUT_S = 15.0
_ANSWER_MAX = 4096
_PREFIX = "whsec_"


class _Reveals(Protocol):
    def reveal(self) -> str: ...


class Delivery(msgspec.Struct, frozen=True):
    """What a delivery job carries."""

    channel: str
    message_id: str
    body: str


def from_env(name: str) -> Callable[[], str]:
    """A secret in the environment variable of that name, read when it is used."""

    def read() -> str:
        if not (value := os.environ.get(name)):
            raise ConfigError(
                f"the environment variable {name} is not set: it is to hold the webhook's secret"
            )
        return value

    return read


class WebhookChannel:
    """Posts events to a URL. ``secret``: a function that returns it, or what ``windlass.sync.env`` and
    ``windlass.sync.keyring`` give; ``whsec_…`` in base64, or any other text.

    >>> hook = WebhookChannel("https://example.com/hook", secret=lambda: "whsec_c2VjcmV0LWtleQ==")
    >>> hook.signature("msg_1", 1700000000, b"{}")
    'v1,TpMXpgJuEDtGUWHqKf6XWi0wxEzYiEcb+5b+I3hEmU4='

    Raises:
        ConfigError: no URL that can be posted to; it must not hold a password.
    """

    def __init__(self, url: str, *, secret: Callable[[], str] | _Reveals, name: str = "webhook") -> None:
        self.name = name
        self._url = url
        self._parts = _checked(url)
        self._secret = secret
        self.job_key = KEY
        """Its own jobs: of their failure it cannot tell."""
        self._enqueue: Callable[[str, dict[str, Any], int], int] | None = None

    def bind(self, enqueue: Callable[[str, dict[str, Any], int], int]) -> None:
        """From now on what is told becomes a job by this function of job key, payload and most attempts,
        which gives the job's id."""
        self._enqueue = enqueue

    def show(self, status: Status | None) -> None:
        """A status line is nothing to post."""

    def tell(self, event: Event) -> str:
        if self._enqueue is None:
            raise RuntimeError(f"the channel {self.name} belongs to no app yet: give it to app.notify_by")
        told = {"type": _type_of(event), "text": str(event), "data": msgspec.to_builtins(event)}
        delivery = Delivery(self.name, f"msg_{uuid.uuid4().hex}", msgspec.json.encode(told).decode())
        job_id = self._enqueue(KEY, msgspec.to_builtins(delivery), MAX_ATTEMPTS)
        return f"job {job_id} posts it to {self._parts.netloc} as soon as a service runs"

    def close(self) -> None:
        """Nothing is shown."""

    def deliver(self, delivery: Delivery, now_s: int) -> int:
        """Posts it once; the status of the answer.

        Raises:
            Retry: it did not arrive, as far as we know.
            PermanentError: the receiver wants no more of it (410).
            ConfigError: there is no secret.
        """
        body = delivery.body.encode()
        headers = {
            "content-type": "application/json",
            "user-agent": f"windlass/{VERSION}",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": self.signature(delivery.message_id, now_s, body),
        }
        try:
            status, again, where = self._post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise Retry(f"{self._parts.netloc} cannot be reached: {message_of(error)}") from None
        if 200 <= status < 300:
            return status
        if status == http.client.GONE:
            raise PermanentError(f"{self._parts.netloc} wants no more notifications (410)")
        if 300 <= status < 400:
            # Whatever is signed for one address is sent to no other.
            raise Retry(f"{self._parts.netloc} redirects ({status}) to {where}: give that address instead")
        raise Retry(f"{self._parts.netloc} answered {status}", after=again)

    def signature(self, message_id: str, timestamp: int, body: bytes) -> str:
        """The value of ``webhook-signature``: HMAC-SHA256 over id, time and body, in base64."""
        signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
        mac = hmac.new(_key(self._revealed()), signed, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(mac).decode()}"

    def _revealed(self) -> str:
        reveal = getattr(self._secret, "reveal", None)
        text = cast("str", reveal() if reveal is not None else cast("Callable[[], str]", self._secret)())
        if not text:
            raise ConfigError(f"the secret of the channel {self.name} is empty")
        conceal(text)
        return text

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float | None, str]:
        parts = self._parts
        host = parts.hostname or ""
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read(_ANSWER_MAX)
            return answer.status, _seconds(answer.getheader("retry-after")), _origin(answer)
        finally:
            connection.close()


def _type_of(event: Event) -> str:
    """``JobFailed`` → ``job.failed``."""
    name = type(event).__name__
    return "".join(f".{mark.lower()}" if mark.isupper() else mark for mark in name).lstrip(".")


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"a secret that begins with {_PREFIX} has to go on in base64") from None


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        raise ConfigError(
            f"expected the address of a webhook such as https://example.com/hook, got {url!r:.200}"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"the address of a webhook holds a user or a password ({parts.hostname}): it is signed with the "
            "secret instead"
        )
    return parts


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() and int(text) <= 86_400 else None


def _origin(answer: Any) -> str:
    parts = urlsplit(answer.getheader("location") or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "another path"
