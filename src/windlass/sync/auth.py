"""Who we are: headers that are made when a request is sent, and made anew when the server says 401.

>>> from windlass.sync.secrets import env
>>> bearer(env("API_TOKEN"))
bearer(env('API_TOKEN'))
"""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast, final
from urllib.parse import quote, urlencode

from windlass.clock import Clock, SystemClock
from windlass.errors import BadResponse, Offline, RemoteError, RemoteFault, Throttled, Unauthorized
from windlass.redact import conceal
from windlass.sync.secrets import Secret, SecretLike, secret

if TYPE_CHECKING:
    from windlass.sync.http import Transport

_EARLY_S_MAX = 60.0


class Auth(Protocol):
    """Makes the headers that say who we are. Called by several threads."""

    def headers(self, request: Mapping[str, str]) -> Mapping[str, str]:
        """What to add to a request's headers, whose names are in lower case.

        Raises:
            Unauthorized: there are no credentials.
        """
        ...

    def refresh(self, sent: Mapping[str, str]) -> bool:
        """After a 401 to a request with these headers: True where another try has other credentials."""
        ...


def bearer(token: SecretLike) -> Auth:
    """``Authorization: Bearer …``."""
    source = secret(token)
    return _Stated(f"bearer({source!r})", lambda: f"Bearer {source.reveal()}")


def basic(user: str, password: SecretLike) -> Auth:
    """``Authorization: Basic …``."""
    source = secret(password)
    return _Stated(f"basic({user!r}, {source!r})", lambda: _basic(user, source.reveal()))


def custom(function: Callable[[Mapping[str, str]], Mapping[str, str]]) -> Auth:
    """Headers from your own function, which is given those of the request and called for each one.

    After a 401 it is called once more. What it returns is concealed in logs and errors.
    """
    return _Custom(function)


def oauth2_client_credentials(
    token_url: str,
    client_id: str,
    client_secret: SecretLike,
    scope: str | None = None,
    *,
    in_body: bool = False,
    transport: Transport | None = None,
    clock: Clock | None = None,
) -> Auth:
    """Access tokens for a program that acts for itself (RFC 6749, 4.4).

    ``in_body``: the client's id and secret are sent in the form, for servers that want no Basic header.
    ``transport``: a ``Transport`` to the token's URL, where it needs settings of its own.
    """

    def form() -> dict[str, str]:
        return {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})

    client = _Client(client_id, secret(client_secret), in_body)
    name = f"oauth2_client_credentials({token_url!r}, {client_id!r})"
    return _OAuth2(name, token_url, client, form, None, transport, clock)


def oauth2_refresh(
    token_url: str,
    refresh_token: SecretLike,
    client_id: str | None = None,
    client_secret: SecretLike | None = None,
    scope: str | None = None,
    *,
    on_rotate: Callable[[str], None] | None = None,
    in_body: bool = False,
    transport: Transport | None = None,
    clock: Clock | None = None,
) -> Auth:
    """Access tokens for a program that acts for a person, from a refresh token (RFC 6749, 6).

    ``on_rotate`` is given each new refresh token that the server sends, to be kept where ``refresh_token`` is
    read from. Without it a rotated one lasts as long as this process.
    """
    source = secret(refresh_token)
    rotated: list[tuple[str, str]] = []

    def current() -> str:
        stored = source.reveal()
        # One that was stored anew, by us or by another process, is newer than the one that came here.
        return rotated[0][1] if rotated and rotated[0][0] == stored else stored

    def form() -> dict[str, str]:
        return {"grant_type": "refresh_token", "refresh_token": current()} | (
            {"scope": scope} if scope else {}
        )

    def rotate(token: str) -> None:
        conceal(token)
        rotated[:] = [(source.reveal(), token)]
        if on_rotate is not None:
            on_rotate(token)

    held = None if client_secret is None else secret(client_secret)
    client = None if client_id is None else _Client(client_id, held, in_body)
    name = f"oauth2_refresh({token_url!r}, {source!r})"
    return _OAuth2(name, token_url, client, form, rotate, transport, clock)


@final
class _Stated:
    """A header that is a secret in another spelling."""

    def __init__(self, name: str, make: Callable[[], str]) -> None:
        self._name = name
        self._make = make

    def __repr__(self) -> str:
        return self._name

    def headers(self, request: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {"authorization": self._make()}

    def refresh(self, sent: Mapping[str, str]) -> bool:
        # The same again would only be counted against us.
        return sent.get("authorization") != self._make()


@final
class _Custom:
    def __init__(self, function: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        self._function = function

    def __repr__(self) -> str:
        return f"custom({getattr(self._function, '__qualname__', 'a function')})"

    def headers(self, request: Mapping[str, str]) -> Mapping[str, str]:
        made = dict(self._function(dict(request)))
        for name, value in made.items():
            if request.get(name.lower()) != value:
                conceal(value)
                conceal(value.rpartition(" ")[2])
        return made

    def refresh(self, sent: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's
        return True


class _Client:
    """What an OAuth2 client proves itself with."""

    def __init__(self, name: str, source: Secret | None, in_body: bool) -> None:
        self.name = name
        self.source = source
        self.in_body = in_body

    def prove(self, form: dict[str, str]) -> dict[str, str]:
        """Headers for the token request; what belongs into its form is put there."""
        if self.source is None or self.in_body:
            form["client_id"] = self.name
            if self.source is not None:
                form["client_secret"] = self.source.reveal()
            return {}
        return {"authorization": _basic(quote(self.name, safe=""), quote(self.source.reveal(), safe=""))}


@final
class _OAuth2:
    """A token that is fetched when it is needed, a little before it expires, by one thread for all."""

    def __init__(
        self,
        name: str,
        token_url: str,
        client: _Client | None,
        form: Callable[[], dict[str, str]],
        rotate: Callable[[str], None] | None,
        transport: Transport | None,
        clock: Clock | None,
    ) -> None:
        self._name = name
        self._token_url = token_url
        self._client = client
        self._form = form
        self._rotate = rotate
        self._transport = transport
        self._clock = clock or SystemClock()
        self._mutex = threading.Lock()
        self._token: str | None = None
        self._early_us = 0
        self._expires_us: int | None = None

    def __repr__(self) -> str:
        return self._name

    def headers(self, request: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        with self._mutex:
            now = self._clock.boot_us()
            if self._token is None or (self._expires_us is not None and now >= self._expires_us):
                self._fetch()
            elif self._expires_us is not None and now >= self._early_us:
                # The old one is good for a while yet: a failure now is not a failure of the request.
                with contextlib.suppress(Offline, Throttled, RemoteFault):
                    self._fetch()
            return {"authorization": f"Bearer {self._token}"}

    def refresh(self, sent: Mapping[str, str]) -> bool:
        with self._mutex:
            # Another thread may have fetched a new one while this request was on its way.
            if self._token is not None and sent.get("authorization") == f"Bearer {self._token}":
                self._fetch()
            return True

    def _fetch(self) -> None:
        answer = self._ask()
        token, life = answer.get("access_token"), answer.get("expires_in")
        kind = answer.get("token_type", "bearer")
        if not isinstance(token, str) or not token or str(kind).lower() != "bearer":
            raise BadResponse(f"{self._name}: the answer holds no bearer token")
        conceal(token)
        self._token = token
        self._expires_us = None
        if isinstance(life, str) and life.isdigit():
            life = int(life)
        if isinstance(life, (int, float)) and life > 0:
            now = self._clock.boot_us()
            self._expires_us = now + int(life * 1e6)
            self._early_us = self._expires_us - int(min(_EARLY_S_MAX, life / 5) * 1e6)
        renewed = answer.get("refresh_token")
        if self._rotate is not None and isinstance(renewed, str) and renewed:
            self._rotate(renewed)

    def _ask(self) -> dict[str, Any]:
        form = self._form()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        headers |= self._client.prove(form) if self._client is not None else {}
        try:
            with self._opened() as transport:
                reply = transport.request("POST", headers=headers, content=urlencode(form).encode())
        except Unauthorized as error:
            raise Unauthorized(f"{self._name}: {error}", after_s=error.after_s) from None
        except Offline as error:
            # What the token was for has not been sent.
            raise Offline(f"{self._name}: {error}", after_s=error.after_s, applied=False) from error
        if reply.status == 200:
            answer = reply.json()
            if isinstance(answer, dict):
                return cast("dict[str, Any]", answer)
            raise BadResponse(f"{self._name}: the answer holds no bearer token")
        raise self._refusal(reply.status)(f"{self._name}: {reply.title}", after_s=reply.retry_after_s)

    def _opened(self) -> contextlib.AbstractContextManager[Transport]:
        if self._transport is not None:
            return contextlib.nullcontext(self._transport)
        from windlass.sync.http import Transport

        # Closed after each use: an hour may pass until the next.
        return Transport(self._token_url)

    @staticmethod
    def _refusal(status: int) -> type[RemoteError]:
        if status == 429:
            return Throttled
        if status >= 500:
            return RemoteFault
        return Unauthorized if status in (400, 401, 403) else BadResponse


def _basic(user: str, password: str) -> str:
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    conceal(encoded)
    return f"Basic {encoded}"
