"""Who looks at the dashboard, and how a browser proves it: a signed cookie, given for a one-time code.

Everything is signed with the token and nothing is kept: so a page that was open before the server was started
again is known to it at once, and several server processes know each other's visitors.

>>> sessions = Sessions("t" * 43)
>>> cookie = sessions.enter(sessions.code())
>>> sessions.read(cookie).who
'token'
>>> sessions.read(cookie + "x") is None
True
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec

from windlass.clock import Clock, SystemClock
from windlass.errors import ConfigError, StoreUnavailable
from windlass.store.place import place_of

TOKEN_FILE = "dashboard.token"
"""In the state folder: the token of the dashboards of one database that were given none."""
TOKEN_LEAST = 32
"""Characters; ``secrets.token_urlsafe(32)`` gives 43, which are 256 bits."""

_SESSION_S = 7 * 24 * 3600
_CODE_S = 300
_USED_MOST = 10_000


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and whether he may act."""

    who: str
    """As the audit log names him."""
    read_only: bool = False
    csrf: str | None = None
    """What his requests must carry beside his cookie; None: he is known by a header that no foreign page can
    send."""


class Sessions:
    """Signs what visitors carry, and reads it again.

    ``cookie``: its name tells tokens apart, as cookies do not tell the ports of one machine apart.
    """

    def __init__(self, token: str, *, clock: Clock | None = None) -> None:
        self._token = token.encode()
        self._key = hashlib.blake2b(self._token, digest_size=32, person=b"windlass-ui").digest()
        self._clock = clock or SystemClock()
        self._used: dict[str, float] = {}
        self.cookie = f"windlass-{self._sign('cookie')[:8]}"

    def is_token(self, given: str) -> bool:
        """True for the token itself, in a time that does not tell how much of it was right."""
        return hmac.compare_digest(given.encode(errors="surrogateescape"), self._token)

    def code(self) -> str:
        """A code that opens one session, within five minutes."""
        told = f"{int(self._now_s()) + _CODE_S}.{secrets.token_urlsafe(16)}"
        return f"{told}.{self._sign('code', told)}"

    def enter(self, code_or_token: str, *, who: str = "token") -> str | None:
        """A new session's cookie for a code that was not used before, or for the token; None for others."""
        if not (self._take(code_or_token) or self.is_token(code_or_token)):
            return None
        name = base64.urlsafe_b64encode(who.encode()).decode().rstrip("=")
        told = f"{int(self._now_s()) + _SESSION_S}.{secrets.token_urlsafe(16)}.{name}"
        return f"{told}.{self._sign('session', told)}"

    def read(self, cookie: str) -> Visitor | None:
        """Whose cookie it is; None where it is none of ours, or too old."""
        told, _, signature = cookie.rpartition(".")
        if not told or not self._is_signed(signature, "session", told):
            return None
        until, nonce, name = told.split(".")
        if float(until) < self._now_s():
            return None
        who = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        return Visitor(who=who, csrf=self.csrf(nonce))

    def csrf(self, subject: str) -> str:
        """What a page of that session, or of that visitor, sends with its actions."""
        return self._sign("csrf", subject)

    def _take(self, code: str) -> bool:
        told, _, signature = code.rpartition(".")
        if not told or not self._is_signed(signature, "code", told):
            return False
        now, until = self._now_s(), float(told.partition(".")[0])
        if until < now or told in self._used:
            return False
        if len(self._used) >= _USED_MOST:
            self._used = {used: end for used, end in self._used.items() if end >= now}
        self._used[told] = until
        return True

    def _sign(self, purpose: str, text: str = "") -> str:
        made = hmac.digest(self._key, f"{purpose} {text}".encode(errors="surrogateescape"), "sha256")
        return base64.urlsafe_b64encode(made).decode().rstrip("=")

    def _is_signed(self, signature: str, purpose: str, text: str) -> bool:
        own = self._sign(purpose, text)
        return hmac.compare_digest(signature.encode(errors="surrogateescape"), own.encode())

    def _now_s(self) -> float:
        return self._clock.wall_us() / 1_000_000


def checked_token(token: str) -> str:
    """The token, where nobody can guess it.

    Raises:
        ConfigError: it is too short.
    """
    if len(token) < TOKEN_LEAST:
        raise ConfigError(
            f"expected a dashboard token of at least {TOKEN_LEAST} characters, got {len(token)}: "
            "secrets.token_urlsafe(32) makes one"
        )
    return token


def kept_token(database: str) -> str:
    """The token kept beside the database for its owner alone, made where there is none.

    Raises:
        StoreUnavailable: it cannot be read or written.
        ConfigError: others may read it.
    """
    path = Path(place_of(database).make_folder(), TOKEN_FILE)
    try:
        if not path.exists():
            _make(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigError(f"others may read the dashboard's token: remove {path}, and it is made anew")
        return checked_token(path.read_text(encoding="ascii"))
    except OSError as error:
        raise StoreUnavailable(
            f"{path} cannot be made or read ({error.strerror}): check permissions and free space"
        ) from error


def _make(path: Path) -> None:
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(new, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(secrets.token_urlsafe(32))
    try:
        # Complete from the first moment; where two processes make one at once, the first stays.
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()
