"""Which database a URL names, and how it may be spoken to."""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from windlass.errors import ConfigError

SCHEMES = frozenset({"postgresql", "postgres"})
_OURS = "windlass_"
_SWITCHES = {"on": True, "off": False}


class Location(NamedTuple):
    """A database, as its URL tells it."""

    conninfo: str
    """The URL as libpq takes it."""
    name: str
    """The same for people: without a password."""
    hints: bool = True
    """NOTIFY and advisory locks may be used."""

    @property
    def path(self) -> str:
        """A place of this user's own, the same for all programs that name this database alike."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:16]
        state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        return os.path.join(state, "windlass", f"postgresql-{digest}")


def is_postgres(url: str) -> bool:
    """True for a URL of a PostgreSQL database, also one as SQLAlchemy spells it."""
    scheme, separator, _ = url.partition("://")
    return bool(separator) and scheme.partition("+")[0] in SCHEMES


def locate(url: str) -> Location:
    """Takes our own settings out of a URL, and leaves the rest to libpq.

    Raises:
        ConfigError: a setting that there is not.
    """
    parts = urlsplit(url)
    options: list[tuple[str, str]] = []
    ours: dict[str, Any] = {}
    for name, value in _settings(parts.query):
        if not name.startswith(_OURS):
            options.append((name, value))
        elif name == "windlass_hints" and value in _SWITCHES:
            ours["hints"] = _SWITCHES[value]
        else:
            raise ConfigError(f"expected windlass_hints=on or windlass_hints=off, got {name}={value!r:.80}")
    place = parts.netloc.rpartition("@")
    user = place[0].partition(":")[0]
    netloc = f"{user}@{place[2]}" if user else place[2]
    secretless = [(name, value) for name, value in options if name not in ("password", "sslpassword")]
    return Location(
        conninfo=urlunsplit(("postgresql", parts.netloc, parts.path or "/", _query(options), "")),
        name=urlunsplit(("postgresql", netloc, parts.path or "/", _query(secretless), "")),
        **ours,
    )


def _settings(query: str) -> list[tuple[str, str]]:
    # As libpq reads it, to whom a plus is no space.
    pairs = (setting.partition("=") for setting in query.split("&") if setting)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def _query(settings: list[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name)}={quote(value, safe='/,')}" for name, value in settings)
